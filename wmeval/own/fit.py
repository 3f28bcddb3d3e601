"""Recordings as a model can be shown them: resized by area, in its own actions, or refused in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import ACTION_DIM, Card, Frames
from wmeval.own.episode import Recordings

CHUNK = 64  # frames resized at once


@dataclass(frozen=True)
class Fitted:
    """What a model is shown. `acts` is False where it takes no actions: it is then told none."""

    recordings: Recordings
    native: bool
    acts: bool
    notes: tuple[str, ...]  # what was done to the recordings, and what is off


def fitted(given: Recordings, card: Card, view: View) -> Fitted:
    """Return recordings as a model of this card sees them.

    Raises:
        UsageError: its actions are not those of the recordings.
    """
    notes = [*given.notes]
    acts = card.reference or card.actions.kind not in ("none", "text")
    if acts and not card.reference:
        _acts_alike(given, card)
    if not acts:
        notes.append(f"the model takes no actions ({card.actions.kind}), so it is told none")
    height, width = given.size
    if given.fps != view.fps:
        notes.append(
            f"WARNING: recorded at {given.fps:g} frames a second, and the model expects {view.fps:g}: it "
            "sees a world at another speed, and the numbers say so"
        )
    if (height, width) != (view.height, view.width):
        bent = "" if height * view.width == width * view.height else ", which changes the aspect"
        notes.append(
            f"resized by area from {width} x {height} to {view.width} x {view.height} px{bent}"
        )  # fmt: skip
        episodes = tuple(
            replace(e, frames=resized(e.frames, view.height, view.width)) for e in given.episodes
        )
        given = replace(given, episodes=episodes)
    if not acts:
        still = tuple(
            replace(e, actions=np.zeros((len(e.frames) - 1, ACTION_DIM))) for e in given.episodes
        )  # fmt: skip
        return Fitted(replace(given, episodes=still), False, False, tuple(notes))
    return Fitted(given, given.space == "native", True, tuple(notes))


def resized(frames: Frames, height: int, width: int) -> Frames:
    """Return frames (T, H, W, 3) in another size; each pixel is the mean of the area that it covers.

    >>> resized(np.full((1, 210, 160, 3), 7, np.uint8), 64, 64).shape
    (1, 64, 64, 3)
    """
    down, across = _shares(frames.shape[1], height), _shares(frames.shape[2], width)
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for start in range(0, len(frames), CHUNK):
        part = frames[start : start + CHUNK].astype(np.float64)
        lower = np.tensordot(down, part, (1, 1))  # (h, T, W, 3)
        whole = np.tensordot(across, lower, (1, 2))  # (w, h, T, 3)
        # rounded twice, so that sums in another order do not turn a half the other way
        out[start : start + CHUNK] = np.rint(whole.transpose(2, 1, 0, 3).round(6)).clip(0, 255)
    return out


def _shares(given: int, wanted: int) -> NDArray[np.float64]:
    """Return how much of each given pixel a wanted one covers, (wanted, given); rows sum to 1."""
    edges = np.arange(wanted + 1) * given / wanted
    pixels = np.arange(given)
    covered = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float64] = covered.clip(0) * wanted / given
    return shares


def _acts_alike(given: Recordings, card: Card) -> None:
    kind, size = card.actions.kind, card.actions.size
    if given.space == "scene":
        return  # every model with actions has a codec for these
    wanted = 1 if kind == "discrete" else size
    told = f"{card.name!r} acts by {kind} actions of size {size}"
    if kind == "latent":
        raise UsageError(
            f"the model {told}, which nothing recorded tells; give a truth of scene actions (space 'scene')"
        )
    if given.width != wanted:
        raise UsageError(
            f"the model {told}: {wanted} number{'s' * (wanted != 1)} a step; {given.source} has {given.width}"
        )
    values = np.concatenate([e.actions for e in given.episodes])
    if kind == "discrete":
        whole = bool((values == np.rint(values)).all())
        if not whole or values.min() < 0 or values.max() >= size:
            raise UsageError(
                f"the model {told}: choices 0 to {size - 1}; {given.source} has actions from "
                f"{values.min():g} to {values.max():g}"
            )
    if kind == "multi-binary" and not np.isin(values, (0, 1)).all():
        raise UsageError(f"the model {told}: zeros and ones; {given.source} has other values")
