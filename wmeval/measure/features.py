"""Distances between sets of clips (FVD and a kernel distance) over pluggable feature extractors.

A value of FVD means nothing without its extractor and its n: names carry the extractor (`fvd[wmeval-enc]`),
`Features.name` the digest of its weights, and below a minimum of clips or frames the value is null with its
reason. Clips are never repeated to fill up a set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure.frechet import frechet_distance, kernel_distance, kernel_interval
from wmeval.metric import Extractor, Features, Floats, Frames, SetMetric, Value

MIN_FVD = 256  # clips; Unterthiner et al. 2018 and its users report instability below
MIN_KVD = 16  # clips
I3D_URL = "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1"
I3D_SHA256 = "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2"
I3D_MIN_FRAMES = 10  # its pooling over time leaves nothing of shorter clips
I3D_FETCH = 'python -c "from wmeval.measure.features import fetch_i3d; fetch_i3d()"'
I3D_BYTES = 51_235_320


@cache
def open_features(name: str) -> Features:
    """Return the extractor registered as `name` in `wmeval.features`, loaded from its usual place.

    Raises:
        UsageError: no extractor has that name.
        EnvironmentFault: its weights are absent; the message has the line that fetches them.
    """
    from wmeval.registry import load_features

    return load_features(name).open(None)


def usable(features: Features, clips: Sequence[Frames]) -> Value:
    """Return 1, or null with the reason why some clip cannot be read by the extractor."""
    short = [len(c) for c in clips if len(c) < features.min_frames]
    if short:
        return Value(
            float("nan"),
            f"{len(short)} of {len(clips)} clips have {min(short)} frames or a few more; "
            f"{features.name} needs {features.min_frames}",
        )
    return Value(1.0)


def set_value(metric: SetMetric, truth: Floats, predicted: Floats) -> Value:
    """Return the distance of two feature sets (n, D), or null with the reason.

    Both sets must be of the same scenes: a distance at different n, or from sets filled up by repeating
    clips, is a different number.
    """
    if len(truth) != len(predicted):
        return Value(
            float("nan"), f"{len(truth)} true and {len(predicted)} predicted clips; expected as many of each"
        )
    if len(truth) < metric.min_clips:
        return Value(
            float("nan"),
            f"n = {len(truth)} clips; {metric.name} needs {metric.min_clips} and never repeats any",
        )
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        return Value(float("nan"), "some clip has no features: its sample failed")
    return Value(metric.distance(truth, predicted))


@dataclass(frozen=True)
class I3DFeatures:
    """I3D trained on Kinetics-400 (Carreira and Zisserman 2017), 400 numbers a clip: what FVD is made on."""

    network: Any
    digest: str
    min_frames: int = I3D_MIN_FRAMES

    @property
    def name(self) -> str:
        """Extractor and first 8 hex digits of its weights."""
        return f"i3d:{self.digest[:8]}"

    def __call__(self, frames: Frames) -> Floats:
        """Return features (400,) of a clip (T, H, W, 3), T >= 10; the network resizes to 224 px itself."""
        import torch

        if len(frames) < self.min_frames:
            raise ValueError(f"a clip of {len(frames)} frames was given; I3D needs {self.min_frames}")
        clip = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))[None].float()
        with torch.inference_mode():
            told = self.network(clip, rescale=True, resize=True, return_features=True)
        return np.asarray(told[0].double().numpy())


def i3d_path() -> Path:
    """Return where the I3D TorchScript is looked for: $WMEVAL_I3D, or wmeval's cache folder."""
    given = os.environ.get("WMEVAL_I3D")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("wmeval") / "i3d_torchscript.pt"


def open_i3d(weights: Path | None = None, *, sha256: str = I3D_SHA256) -> Features:
    """Return the standard I3D from its TorchScript file.

    TorchScript is a program, so nothing is loaded whose SHA-256 is not the known one.

    Raises:
        EnvironmentFault: the file is absent, with the line that fetches it.
        UsageError: the file is another one.
    """
    path = weights or i3d_path()
    if not path.is_file():
        raise EnvironmentFault(
            f"FVD on I3D needs {I3D_BYTES / 1e6:.0f} MB of weights, and {path.name} is neither in wmeval's "
            f"cache nor named by $WMEVAL_I3D; fetch them with: {I3D_FETCH}"
        )
    _verify(path, sha256)
    import torch

    network = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return I3DFeatures(network.eval(), sha256)


def fetch_i3d(to: Path | None = None, *, url: str = I3D_URL, sha256: str = I3D_SHA256) -> Path:
    """Download the I3D TorchScript, check it, and return where it lies. Only ever called by a person.

    Raises:
        EnvironmentFault: the download failed.
        UsageError: what came is another file; it is not kept.
    """
    import urllib.request

    path = to or i3d_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, part.open("wb") as file:
            left = I3D_BYTES + 1  # one more than expected, so that a longer file is seen and not kept
            while left > 0 and (piece := answer.read(min(left, 1 << 20))):
                left -= file.write(piece)
        _verify(part, sha256)
    except OSError as err:
        raise EnvironmentFault(f"{url} could not be fetched ({err}); bring the file in $WMEVAL_I3D") from err
    else:
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _verify(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UsageError(
            f"{path} has SHA-256 {found}, expected {sha256}; fetch it again or give the right file"
        )


def _set_metric(kind: str, extractor: str) -> SetMetric:
    kernel = kind == "kvd"
    return SetMetric(
        f"{kind}[{extractor}]",
        "0.1",
        "squared kernel distance" if kernel else "Frechet distance",
        "lower",
        lambda: open_features(extractor),
        kernel_distance if kernel else frechet_distance,
        MIN_KVD if kernel else MIN_FVD,
        kernel_interval if kernel else None,
    )


I3D = Extractor(
    "i3d", "I3D on Kinetics-400, the extractor of published FVD; TorchScript by path or download", open_i3d
)
FVD_ENC = _set_metric("fvd", "wmeval-enc")
KVD_ENC = _set_metric("kvd", "wmeval-enc")
FVD_I3D = _set_metric("fvd", "i3d")
KVD_I3D = _set_metric("kvd", "i3d")
