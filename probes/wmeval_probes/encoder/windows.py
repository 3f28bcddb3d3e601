"""Windows of the training split: frames with what the simulator knows, mirrored and worn at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.world.dataset import load
from wmeval_probes.encoder.network import HUES, PX, SIZE, SPEED, STATE, WINDOW

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """A batch of windows: what the network sees and what it must tell."""

    frames: NDArray[np.uint8]  # (B, WINDOW, 64, 64, 3), worn where `worn` is not 0
    occupancy: Floats  # (B, WINDOW, 6, 16, 16) share of a cell that a hue covers
    state: Floats  # (B, WINDOW, 6, STATE) in the network's units, NaN where there is nothing to tell
    worn: Floats  # (B, 2) blur sigma [px], noise sd [grey levels / 16]


@dataclass(frozen=True)
class Dataset:
    """Memory-mapped clips of a split in a fixed order; the last ones are held out."""

    frames: NDArray[np.uint8]  # (n, T, 64, 64, 3)
    bodies: NDArray[np.uint8]  # (n, T, 64, 64) 0 none, h + 1 = hue slot h
    state: Floats  # (n, T, 6, 5) u, v [px], du, dv [px a frame], visible share; NaN: no such hue
    contacts: Floats  # (n, T, 6) N s in the interval before t
    held_out: int

    def __len__(self) -> int:
        return len(self.frames)

    def targets(self, clip: int, cut: slice = slice(None)) -> Floats:
        """Return the states (T, 6, STATE) of frames of a clip."""
        return targets(self.state[clip, cut], self.contacts[clip, cut])

    @property
    def training(self) -> range:
        """Clips to learn from."""
        return range(len(self) - self.held_out)

    @property
    def testing(self) -> range:
        """Clips that are never learnt from."""
        return range(len(self) - self.held_out, len(self))


def open_dataset(folder: Path) -> Dataset:
    """Return the training split in `folder`; a tenth of it, the last clips, at most 512, is held out.

    Raises:
        UsageError: there is no complete split there, or one of another size.
    """
    arrays, meta = load(folder)
    frames = arrays["frames"]
    if frames.shape[2:] != (SIZE, SIZE, 3) or frames.shape[1] < WINDOW or len(frames) < 40:
        raise UsageError(
            f"{folder} holds clips {frames.shape}; the encoder learns from 40 or more of at least {WINDOW} "
            f"frames of {SIZE} x {SIZE} px (`wmeval data make --split train --out {folder}`)"
        )
    if meta["view"]["fps"] != 10.0:
        raise UsageError(f"{folder} has {meta['view']['fps']} frames a second; the encoder learns from 10")
    kept = min(512, len(frames) // 10)
    return Dataset(frames, arrays["bodies"], arrays["state"], arrays["contacts"], kept)


def targets(state: Floats, contacts: Floats) -> Floats:
    """Return states (T, 6, STATE) in the network's units of a clip's `state` and `contacts`."""
    told = np.empty((*state.shape[:2], STATE), np.float32)
    told[..., :2] = state[..., :2] / PX - 1
    told[..., 2:4] = state[..., 2:4] / SPEED
    told[..., 4] = np.nan_to_num(state[..., 4])
    told[..., 5] = np.log1p(np.nan_to_num(contacts)) / 4
    return told


def batch(data: Dataset, size: int, rng: np.random.Generator) -> Windows:
    """Return `size` windows of training clips drawn by `rng`; a third of them blurred or noisy."""
    clips = rng.integers(len(data.training), size=size)
    frames, bodies, states = [], [], []
    for clip in clips:
        start = int(rng.integers(data.frames.shape[1] - WINDOW + 1))
        cut = slice(start, start + WINDOW)
        f, b, s = data.frames[clip, cut], data.bodies[clip, cut], data.targets(int(clip), cut)
        if rng.random() < 0.5:
            f, b = f[:, :, ::-1], b[:, :, ::-1]
            s[..., 0] *= -1
            s[..., 2] *= -1
        frames.append(f)
        bodies.append(b)
        states.append(s)
    video, worn = wear(np.stack(frames), rng)
    return Windows(video, occupancy(np.stack(bodies)), np.stack(states), worn)


def occupancy(bodies: NDArray[np.uint8], cell: int = 4) -> Floats:
    """Return the share (..., 6, h, w) of each cell that each hue covers, of bodies (..., H, W)."""
    *lead, height, width = bodies.shape
    cells = bodies.reshape(*lead, height // cell, cell, width // cell, cell)
    return np.stack([(cells == h + 1).mean((-3, -1), dtype=np.float32) for h in range(HUES)], axis=-3)


def wear(frames: NDArray[np.uint8], rng: np.random.Generator) -> tuple[NDArray[np.uint8], Floats]:
    """Return frames (B, T, H, W, 3), a third of the windows blurred or noisy, and by how much (B, 2)."""
    worn = np.zeros((len(frames), 2), np.float32)
    out = frames.copy()
    for i in np.flatnonzero(rng.random(len(frames)) < 1 / 3):
        worn[i] = rng.uniform((0, 0), (2.0, 1.0)) * (rng.random(2) < 0.6)
        video = blur(frames[i].astype(np.float32), float(worn[i, 0]))
        video += rng.normal(0.0, worn[i, 1] * 16 + 1e-9, video.shape).astype(np.float32)
        out[i] = np.clip(np.rint(video), 0, 255)
    return out, worn


def blur(video: Floats, sigma: float) -> Floats:
    """Return frames (T, H, W, 3) under a Gaussian of `sigma` px."""
    if sigma < 0.1:
        return video
    reach = int(np.ceil(3 * sigma))
    tap = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    tap = (tap / tap.sum()).astype(np.float32)
    for axis in (1, 2):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(4)]
        wide = np.pad(video, pad, mode="edge")
        size = video.shape[axis]
        video = sum(w * np.take(wide, range(k, k + size), axis=axis) for k, w in enumerate(tap))
    return video
