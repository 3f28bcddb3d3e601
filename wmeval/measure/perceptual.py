"""Perceptual distances of frames: LPIPS (Zhang et al. 2018), and the same idea over our own encoder.

Both compare layers of a network: channels are scaled to unit length at each place, squared differences are
summed over channels and averaged over places, and layers are added. LPIPS weighs channels as people judged;
`lpips[wmeval-enc]` divides each layer by its mean distance between unrelated scenes, so that 1 means
"as different as another scene", and it knows our scenes instead of natural pictures.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure.features import open_features
from wmeval.metric import Bools, Floats, Frames, Metric

BACKBONE = "alexnet-owt-7be5be79.pth"
BACKBONE_SHA256_HEAD = "7be5be79"
BACKBONE_LIMIT = 300_000_000  # bytes
FLOOR = 0.01  # feature length below which a place shows nothing: its direction would be rounding noise
FETCH = "python -c \"import torchvision; torchvision.models.alexnet(weights='IMAGENET1K_V1')\""
AT_ONCE = 32  # frames


def layer_distances(a: Sequence[NDArray[np.float32]], b: Sequence[NDArray[np.float32]]) -> Floats:
    """Return the distances (L, T) of L layers (T, C, h, w) each: mean over places, summed over channels."""

    def unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
        long: NDArray[np.float32] = x / (np.sqrt((x * x).sum(1, keepdims=True)) + FLOOR)
        return long

    return np.stack(
        [((unit(x) - unit(y)) ** 2).sum(1).mean((1, 2)).astype(np.float64) for x, y in zip(a, b, strict=True)]
    )


def encoder_distance(truth: Frames, predicted: Frames, bodies: Bools) -> Floats:
    """Return `lpips[wmeval-enc]` (T,) of frames (T, H, W, 3); 0 = equal, 1 = as far as another scene."""
    del bodies
    encoder = _encoder()
    distances = layer_distances(encoder.layers(truth), encoder.layers(predicted))
    return np.asarray((distances / np.array(encoder.scales)[:, None]).mean(0))


@cache
def _encoder() -> Any:
    return open_features("wmeval-enc")


def backbone_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the AlexNet weights are looked for: $WMEVAL_ALEXNET, or torchvision's cache."""
    given = (os.environ if environment is None else environment).get("WMEVAL_ALEXNET")
    if given:
        return Path(given)
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE


def open_lpips(backbone: Path | Mapping[str, Any] | None = None) -> Any:
    """Return the network of the `lpips` package (AlexNet, version 0.1), its backbone filled from a file.

    `backbone` is a file or a state as torchvision names it. Nothing is downloaded. A file in torchvision's
    cache carries the head of its SHA-256 in its name, which is checked there.

    Raises:
        EnvironmentFault: the file is absent, with the line that fetches it.
        UsageError: the file is not an AlexNet state.
    """
    if isinstance(backbone, Mapping):
        state: Mapping[str, Any] = backbone
    else:
        path = backbone or backbone_path()
        if not path.is_file():
            raise EnvironmentFault(
                f"LPIPS needs the AlexNet weights of torchvision, and {path.name} is neither in its cache "
                f"nor named by $WMEVAL_ALEXNET; fetch them with: {FETCH}"
            )
        state = _read(path)
    import lpips

    network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    mine = network.net.state_dict()
    wanted = {k: f"features.{k.split('.', 1)[1]}" for k in mine}
    try:
        network.net.load_state_dict({k: state[v] for k, v in wanted.items()})
    except (KeyError, RuntimeError) as err:
        raise UsageError(f"the backbone given to LPIPS is not an AlexNet of torchvision ({err})") from err
    return network.eval()


def _read(path: Path) -> Mapping[str, Any]:
    import hashlib
    import pickle

    import torch

    if path.stat().st_size > BACKBONE_LIMIT:
        raise UsageError(f"{path} has {path.stat().st_size} bytes; an AlexNet has at most {BACKBONE_LIMIT}")
    if path.name == BACKBONE:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(BACKBONE_SHA256_HEAD):
            raise UsageError(
                f"{path} has SHA-256 {found}; expected one that begins {BACKBONE_SHA256_HEAD}: {FETCH}"
            )
    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as err:
        raise UsageError(f"{path} is not a file of tensors ({err})") from err
    return state


def lpips_distance(network: Any, truth: Frames, predicted: Frames) -> Floats:
    """Return LPIPS (T,) of frames (T, H, W, 3) by a network of `open_lpips`."""
    import torch

    def as_input(frames: Frames) -> Any:
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float() / 127.5 - 1

    told = []
    with torch.inference_mode():
        for start in range(0, len(truth), AT_ONCE):
            cut = slice(start, start + AT_ONCE)
            told.append(network(as_input(truth[cut]), as_input(predicted[cut])).reshape(-1).double().numpy())
    return np.concatenate(told)


@cache
def _lpips(path: Path) -> Any:
    return open_lpips(path)


def _lpips_per_frame(truth: Frames, predicted: Frames, bodies: Bools) -> Floats:
    del bodies
    return lpips_distance(_lpips(backbone_path()), truth, predicted)


LPIPS = Metric("lpips", "0.1", "distance", "lower", _lpips_per_frame)
LPIPS_ENC = Metric(
    "lpips[wmeval-enc]", "0.1", "share of the distance to another scene", "lower", encoder_distance
)
