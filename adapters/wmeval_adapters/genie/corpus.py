"""The clips as the later stages read them: tokens, points, latent actions, plain and mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wmeval_adapters.genie.actions import CODES
from wmeval_adapters.genie.memory import History, Sight, histories, known
from wmeval_adapters.learn.clips import MIRRORED, Clips, channels, mirrored_state

REAPPEAR_FRAMES = 4  # a body counts as just come back for so long


@dataclass(frozen=True)
class Corpus:
    """Arrays over n clips of T frames, in memory or memory-mapped."""

    tokens: NDArray[np.uint8] | None  # (n, T, h, w, digits); None before there is a tokenizer
    behind: NDArray[np.uint8]  # (n, T, H, W, 3), of the clips as they are
    mirrored: bool
    spots: NDArray[np.float32]  # (n, T, 6, 2) px, where each hue is seen in the clips as they are
    spotted: NDArray[np.bool_]  # (n, T, 6) whether it is
    actions: NDArray[np.float32]  # (n, T, 12): entry t led to frame t, the first is 0
    points: Tensor  # (n, T, 6, 2) px
    present: Tensor  # (n, T, 6)
    back: Tensor  # (n, T, 6) bool: has come back into view within the last frames
    codes: NDArray[np.int64]  # (n, T) latent actions, 0 before they are inferred

    def sight(self, rows: NDArray[np.int64], times: NDArray[np.int64]) -> Sight:
        """Return what is seen in some frames."""
        points = torch.from_numpy(self.spots[rows, times])
        if self.mirrored:
            right, down = points.unbind(-1)
            points = torch.stack([self.behind.shape[3] - right, down], -1)
        return Sight(points, torch.from_numpy(self.spotted[rows, times]))

    @property
    def hidden_clips(self) -> NDArray[np.bool_]:
        """Which clips hold a body that comes back into view, (n,)."""
        told: NDArray[np.bool_] = self.back.any(2).any(1).numpy()
        return told

    @property
    def pushed_clips(self) -> NDArray[np.bool_]:
        """Which clips hold an action, (n,)."""
        told: NDArray[np.bool_] = (self.actions != 0).any((1, 2))
        return told

    def histories(self, rows: NDArray[np.int64]) -> History:
        """Return the memory before every frame of some clips, (len(rows), T, 6, ...)."""
        return histories(self.points[rows], self.present[rows])

    def background(self, rows: NDArray[np.int64], times: NDArray[np.int64]) -> Tensor:
        """Return the backgrounds (len(rows), 3, H, W) uint8 of clips as known at some frames, or the last."""
        behind = channels(self.behind[rows, np.minimum(times, self.behind.shape[1] - 1)])
        return behind.flip(-1) if self.mirrored else behind


def returned(state: Tensor) -> Tensor:
    """Return (n, T, 6): bodies seen now that were hidden a few frames ago and seen before that."""
    share = state[..., 4]
    seen, hidden = share > 0.25, share < 0.02
    was = torch.zeros_like(seen[:, 0])
    since = torch.full(was.shape, 99)
    gone = torch.zeros_like(was)
    out = []
    for t in range(share.shape[1]):
        gone = gone | (was & hidden[:, t])
        since = torch.where(gone & seen[:, t], torch.zeros_like(since), since + 1)
        gone = gone & ~seen[:, t]
        was = was | seen[:, t]
        out.append((since < REAPPEAR_FRAMES) & (share[:, t] > 0.05))
    return torch.stack(out, 1)


def read(clips: Clips, out: Path, *, mirrored: bool) -> Corpus:
    """Return the corpus of clips, with what the stages have put into `out` so far."""
    name = "mirrored" if mirrored else "plain"
    state = np.array(clips.state)
    actions = np.concatenate([np.zeros_like(clips.actions[:, :1]), clips.actions], 1)
    if mirrored:
        state, actions = mirrored_state(state, clips.size), actions * MIRRORED
    points, present = known(torch.from_numpy(state), clips.size)
    codes, tokens = out / f"{name}-codes.npy", out / f"{name}-tokens.npy"
    return Corpus(
        np.load(tokens) if tokens.is_file() else None, np.load(out / "behind.npy", mmap_mode="r"), mirrored,
        np.load(out / "spots.npy"), np.load(out / "spotted.npy"), actions, points, present,
        returned(torch.from_numpy(state)),
        np.load(codes) if codes.is_file() else np.full(present.shape[:2], CODES // 2),
    )  # fmt: skip
