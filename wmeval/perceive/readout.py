"""Latents -> Tracks: a frozen linear readout, one slot a hue, that says where bodies are and which are seen.

All spatial tokens of one time step go through principal components into ridge regressions (image position,
visible area) and logistic ones (is the body seen, how much of it). A latent is read for its own time and
nothing else. What a readout cannot say stays unsaid: angles, which the training scenes hardly vary, are not
observed, and a colour is one of six hues and nothing finer. (The field calls such a readout a linear probe:
Alain and Bengio 2016. A probe is something else here.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.perceive.linear import Components, Ridge, components, logistic, ridge, sigmoid
from wmeval.perceive.locate import plane
from wmeval.perceive.outline import Lens
from wmeval.scene import HUES, Body, Scene
from wmeval.tracks import Tracks

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
SLOTS = tuple(sorted(HUES.values()))  # degrees
COMPONENTS = 512  # at most
SEEN = 0.25  # share of a silhouette in view from which a body counts as seen
WHOLE = 0.9  # share from which it is seen whole
PART = 3.0  # power of the share with which a frame counts: half a body pulls a map to its visible half
FEWEST_CLIPS = 10  # in which a hue must be seen whole, or its slot is never found
REACH_DEG = 30.0  # from a slot's hue: beyond that a body belongs to no slot


@dataclass(frozen=True)
class Readout:
    """Linear maps from the latent of one time step to the six slots; NaN rows = this slot was never learnt.

    `sigma` holds the error [px] on held-out clips where a body is seen whole and where it is not.
    `fitted` says how good it is: median position error [px] where whole, on clips left out; the share of
    frames whose presence is told rightly, on the clips it was fitted on; and how many clips those were.
    """

    shape: tuple[int, int]  # tokens, D
    view: View
    mean: Singles  # (F,)
    basis: Singles  # (F, K)
    place: Floats  # (6, K + 1, 2) px
    area: Floats  # (6, K + 1) px
    seen: Floats  # (6, K + 1) logit
    share: Floats  # (6, K + 1) logit
    sigma: Floats  # (6, 2, 2) px: whole or not, u or v
    fitted: Mapping[str, float] = field(default_factory=dict)

    def read(self, latents: NDArray[np.floating], scene: Scene, view: View, times: Floats) -> Tracks:
        """Return the Tracks of a scene's bodies from latents (T, tokens, D) at times (T,) [s].

        `position` lies on the plane that perception takes a body to move in, and its sigma along y is inf.
        `extras` counts slots that are seen and belong to no body of the scene.

        Raises:
            ValueError: the latents have another shape than the readout was fitted on, or are not finite.
        """
        latents = np.asarray(latents)
        wanted = (len(times), *self.shape)
        if latents.shape != wanted or view != self.view:
            raise ValueError(
                f"latents have shape {latents.shape} at {view.width} x {view.height} px, {view.fps:g} fps; "
                f"the readout was fitted on {self.shape[0]} tokens of {self.shape[1]} numbers at "
                f"{self.view.width} x {self.view.height} px, {self.view.fps:g} fps, and expected {wanted}"
            )
        if not np.isfinite(latents).all():
            raise ValueError(
                f"{int((~np.isfinite(latents)).sum())} values of the latents are NaN or infinite"
            )
        scores = (latents.reshape(len(latents), -1) - self.mean) @ self.basis.astype(np.float64)
        scores = np.concatenate([scores, np.ones((len(scores), 1))], axis=1)
        pixel = np.einsum("tk,skx->tsx", scores, self.place)
        area, sure, share = (
            scores @ self.area.T,
            sigmoid(scores @ self.seen.T),
            sigmoid(scores @ self.share.T),
        )
        inside = ((pixel >= 0) & (pixel <= (view.width, view.height))).all(axis=2)  # False where NaN
        found = (sure >= 0.5) & inside
        slots = [slot_of(b) for b in scene.moving]
        strange = [s for s in range(len(SLOTS)) if s not in slots]
        shape = (len(times), len(slots))
        out = Tracks(
            names=scene.names, times=np.asarray(times, dtype=np.float64),
            pixel=np.full((*shape, 2), np.nan), position=np.full((*shape, 3), np.nan),
            sigma=np.full((*shape, 3), np.inf), angle=np.full(shape, np.nan),
            angle_sigma=np.full(shape, np.inf), visible=np.zeros(shape), found=np.zeros(shape, bool),
            area=np.full(shape, np.nan), colour=np.full(shape, np.nan), confidence=np.zeros(shape),
            extras=found[:, strange].sum(axis=1).astype(np.int64), camera=scene.camera, view=view,
        )  # fmt: skip
        lens = Lens.of(scene.camera, view, out.times)
        for i, (body, slot) in enumerate(zip(scene.moving, slots, strict=True)):
            if slot is None:
                continue
            at = np.flatnonzero(found[:, slot])
            spread = np.where((share[at, slot] >= WHOLE)[:, None], self.sigma[slot, 0], self.sigma[slot, 1])
            out.found[at, i] = True
            out.visible[:, i] = np.where(found[:, slot], share[:, slot], 0.0)
            out.confidence[at, i] = sure[at, slot]
            out.colour[at, i] = SLOTS[slot]
            out.area[at, i] = np.maximum(area[at, slot], 0.0)
            out.pixel[at, i] = pixel[at, slot]
            out.position[at, i], out.sigma[at, i] = _in_metres(
                lens.take(at), pixel[at, slot], spread, plane(body, out.times)[at]
            )
        return out

    def to_arrays(self) -> dict[str, NDArray[np.float64] | Singles]:
        """Return the readout as named arrays; `from_arrays` is its inverse."""
        view = self.view
        look = [view.fps, view.height, view.width, view.supersample, float(view.shadows)]
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("view", "fitted")}
        arrays |= {f"fitted.{k}": np.float64(v) for k, v in self.fitted.items()}
        return {**{k: np.asarray(v) for k, v in arrays.items()}, "view": np.array(look)}


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Readout:
    """Return the readout that `to_arrays` described."""
    fps, height, width, supersample, shadows = arrays["view"].tolist()
    kept = {f.name: arrays[f.name] for f in fields(Readout) if f.name not in ("view", "fitted", "shape")}
    tokens, width_of = (int(n) for n in arrays["shape"])
    return Readout(
        shape=(tokens, width_of), view=View(fps, int(height), int(width), int(supersample), bool(shadows)),
        fitted={k[7:]: float(v) for k, v in arrays.items() if k.startswith("fitted.")}, **kept,
    )  # fmt: skip


def slot_of(body: Body) -> int | None:
    """Return the slot whose hue is nearest to a body's, or None where none is near.

    >>> from wmeval.scene import ball
    >>> [slot_of(ball("a", radius=1, position=(0, 0, 0), hue=h)) for h in ("yellow", 349.0, 92.0)]
    [1, 0, 2]
    """
    if body.hue is None:
        return None
    off = np.abs((np.array(SLOTS) - body.hue + 180) % 360 - 180)
    return int(off.argmin()) if off.min() < REACH_DEG else None


def fit(latents: Sequence[Singles], truths: Sequence[Tracks]) -> Readout:
    """Return the readout that clips of latents (T, tokens, D) and their exact Tracks support.

    Penalties are chosen, and errors of position are told, on clips that were left out.

    Raises:
        ValueError: the latents are not finite, or the clips do not fit together.
    """
    if not latents or len(latents) != len(truths):
        raise ValueError(f"{len(latents)} clips of latents came with {len(truths)} of tracks")
    shape, view = latents[0].shape[1:], truths[0].view
    for z, t in zip(latents, truths, strict=True):
        if z.shape != (len(t.times), *shape) or not np.isfinite(z).all():
            raise ValueError(f"latents {z.shape} were given for {len(t.times)} frames; expected finite ones "
                             f"({len(t.times)}, {shape[0]}, {shape[1]})")  # fmt: skip
    rows = np.concatenate([z.reshape(len(z), -1) for z in latents]).astype(np.float32)
    clip = np.repeat(np.arange(len(latents)), [len(z) for z in latents])
    lesson = [_lesson(t) for t in truths]
    pixel, area, share = (np.concatenate([one[k] for one in lesson]) for k in range(3))
    basis = components(rows, min(COMPONENTS, max(1, len(rows) // 4)))
    scores = basis.scores(rows)
    count, width = len(SLOTS), scores.shape[1] + 1
    place, sizes = np.full((count, width, 2), np.nan), np.full((count, width), np.nan)
    seen, shown = np.zeros((count, width)), np.zeros((count, width))
    sigma = np.full((count, 2, 2), np.inf)
    missed: list[Floats] = []
    told: list[Floats] = []
    for slot in range(count):
        there, whole = share[:, slot] >= SEEN, share[:, slot] >= WHOLE
        seen[slot, -1] = shown[slot, -1] = -50.0  # never, unless something is learnt
        if len(np.unique(clip[whole])) < FEWEST_CLIPS:
            continue
        weight = np.where(there, share[:, slot] ** PART, 0.0)
        found = ridge(scores, np.where(there[:, None], pixel[:, slot], 0.0), clip, weight)
        place[slot] = _with_bias(found)
        part = there & ~whole
        sigma[slot, 0] = _spread(found.missed[whole])
        sigma[slot, 1] = np.maximum(sigma[slot, 0], _spread(found.missed[part]) if part.any() else 0.0)
        missed.append(np.linalg.norm(found.missed[whole], axis=1))
        known = ridge(scores, np.where(there, area[:, slot], 0.0)[:, None], clip, there.astype(np.float64))
        sizes[slot] = _with_bias(known)[:, 0]
        even = scores / basis.spread
        for into, wanted in ((seen, there.astype(np.float64)), (shown, share[:, slot])):
            weights, bias = logistic(even, wanted, clip)
            into[slot] = np.append(weights / basis.spread, bias)
        told.append((even * basis.spread @ seen[slot, :-1] + seen[slot, -1] >= 0) == there)
    held = {
        "clips": float(len(latents)),
        "frames": float(len(rows)),
        "slots": float(len(missed)),
        "median px": float(np.median(np.concatenate(missed))) if missed else float("nan"),
        "presence": float(np.mean(told)) if told else float("nan"),
    }
    return Readout(
        (int(shape[0]), int(shape[1])), view, basis.mean, basis.basis, place, sizes, seen, shown, sigma, held
    )


def _lesson(tracks: Tracks) -> tuple[Floats, Floats, Floats]:
    """Return pixels (T, 6, 2), areas (T, 6) [px] and visible shares (T, 6) by slot; absent bodies have 0."""
    slots = [SLOTS.index(h) for h in np.nanmax(np.nan_to_num(tracks.colour, nan=-1.0), axis=0) if h >= 0]
    bodies = np.flatnonzero((tracks.colour >= 0).any(axis=0))
    shape = (len(tracks.times), len(SLOTS))
    pixel, area, share = np.zeros((*shape, 2)), np.zeros(shape), np.zeros(shape)
    pixel[:, slots] = np.nan_to_num(tracks.pixel[:, bodies])
    area[:, slots] = np.nan_to_num(tracks.area[:, bodies])
    share[:, slots] = np.where(tracks.found[:, bodies], tracks.visible[:, bodies], 0.0)
    return pixel, area, share


def _with_bias(found: Ridge) -> Floats:
    return np.concatenate([found.weights, found.bias[None]])


def _spread(missed: Floats) -> Floats:
    known = missed[np.isfinite(missed).all(axis=1)]
    out: Floats = np.sqrt(np.mean(known**2, axis=0)) if len(known) else np.full(missed.shape[1], np.inf)
    return out


def _in_metres(lens: Lens, pixel: Floats, spread: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return positions and sigmas (F, 3) [m] on planes y (F,) of pixels (F, 2) with sigmas (F, 2) [px]."""
    position = lens.on_plane(pixel, y)
    slopes = np.stack([lens.on_plane(pixel + step, y) - position for step in np.eye(2)], axis=-1)
    sigma = np.sqrt(np.einsum("fij,fj->fi", slopes**2, spread**2))
    sigma[:, 1] = np.inf
    return position, sigma


__all__ = ["SLOTS", "Components", "Readout", "fit", "from_arrays", "slot_of"]
