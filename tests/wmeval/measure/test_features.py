"""Set distances: null with a reason when they mean nothing, and I3D from a checked file only."""

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.measure import features
from wmeval.measure.features import (
    FVD_ENC,
    FVD_I3D,
    I3D,
    I3D_SHA256,
    KVD_ENC,
    fetch_i3d,
    i3d_path,
    open_i3d,
    set_value,
    usable,
)
from wmeval.measure.frechet import frechet_distance


class Stand(torch.nn.Module):
    """Answers as the TorchScript I3D does: (B, 3, T, H, W) and three flags to (B, 400)."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        if not (rescale and resize and return_features):
            raise RuntimeError("flags")
        told = x.mean(dim=(3, 4)).flatten(1)  # (B, 3 T)
        return torch.nn.functional.pad(told, [0, 400 - told.shape[1]])


@pytest.fixture
def script(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "i3d.pt"
    torch.jit.script(Stand()).save(str(path))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_fvd_below_256_clips_is_null_with_its_reason() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(255, 4))
    told = set_value(FVD_ENC, few, few + 1)
    assert np.isnan(told.value)
    assert "255" in told.reason
    assert "256" in told.reason
    enough = rng.normal(size=(256, 4))
    told = set_value(FVD_ENC, enough, enough + 1)
    assert told.value == pytest.approx(4.0)
    assert told.reason == ""


def test_kernel_distance_starts_at_sixteen() -> None:
    x = np.random.default_rng(1).normal(size=(16, 4))
    assert np.isnan(set_value(KVD_ENC, x[:15], x[:15]).value)
    assert set_value(KVD_ENC, x, x).value == pytest.approx(0, abs=1e-12)
    assert KVD_ENC.interval is not None
    lo, hi = KVD_ENC.interval(x, x + 1)
    assert lo < set_value(KVD_ENC, x, x + 1).value < hi


def test_unequal_or_unfinished_sets_are_null() -> None:
    x = np.random.default_rng(2).normal(size=(300, 2))
    assert "300 true and 299" in set_value(FVD_ENC, x, x[:-1]).reason
    x[5] = np.nan
    assert "failed" in set_value(FVD_ENC, x, x).reason


def test_names_carry_the_extractor() -> None:
    assert (FVD_ENC.name, KVD_ENC.name, FVD_I3D.name) == ("fvd[wmeval-enc]", "kvd[wmeval-enc]", "fvd[i3d]")


def test_i3d_reads_a_checked_file(script) -> None:
    path, digest = script
    extractor = open_i3d(path, sha256=digest)
    clip = np.random.default_rng(3).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    told = extractor(clip)
    assert told.shape == (400,)
    assert told[:12] == pytest.approx(clip[..., 0].mean((1, 2)), rel=1e-5)
    assert extractor.name == f"i3d:{digest[:8]}"
    assert usable(extractor, [clip]).reason == ""
    assert "9 frames" in usable(extractor, [clip, clip[:9]]).reason
    with pytest.raises(ValueError, match="needs 10"):
        extractor(clip[:9])


def test_another_file_is_never_executed(script) -> None:
    with pytest.raises(UsageError, match=I3D_SHA256):
        open_i3d(script[0])


def test_absent_i3d_is_a_fault_with_the_fetching_line_and_no_network(tmp_path, monkeypatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a run touched the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setenv("WMEVAL_I3D", str(tmp_path / "none.pt"))
    assert i3d_path() == tmp_path / "none.pt"
    with pytest.raises(EnvironmentFault, match="fetch_i3d"):
        I3D.open(None)


def test_fetching_keeps_only_the_right_file(script, tmp_path, monkeypatch) -> None:
    path, digest = script
    monkeypatch.setattr(features, "I3D_BYTES", path.stat().st_size)
    there = fetch_i3d(tmp_path / "cache" / "got.pt", url=path.as_uri(), sha256=digest)
    assert there.read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="expected"):
        fetch_i3d(tmp_path / "cache" / "bad.pt", url=path.as_uri(), sha256="0" * 64)
    with pytest.raises(EnvironmentFault, match="could not be fetched"):
        fetch_i3d(tmp_path / "cache" / "no.pt", url=(tmp_path / "absent").as_uri(), sha256=digest)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["got.pt"]


def test_distances_of_different_n_are_different_numbers() -> None:
    """Why a set is never filled up: the value falls with n although nothing changed, and repeats mislead."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(1024, 32)), rng.normal(size=(1024, 32))
    small, large = frechet_distance(x[:64], y[:64]), frechet_distance(x, y)
    repeated = frechet_distance(np.repeat(x[:64], 16, axis=0), np.repeat(y[:64], 16, axis=0))
    assert small > 3 * large
    assert repeated > 3 * large
