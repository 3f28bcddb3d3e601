"""References: the truth itself, and the null models that a score is told apart from.

None of them learns anything. `oracle` knows what happens; the others continue the context frames without
understanding it, each in one stated way. Anything that a model scores is read beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.model import ActionSpace, Card, Prediction
from wmeval.scene import Scene
from wmeval.truth import Truth

Frames = NDArray[np.uint8]
BLUR_PX, BLUR_HEIGHT_PX = 4.0, 64.0  # sigma reached at the end of the horizon, for this image height


@dataclass(frozen=True)
class Reference:
    """A stand-in for a model that is shown the truth, so that it can be the truth or a stated null."""

    name: str
    card: Card
    frames: Callable[[Truth, View, Frames, int, np.random.Generator], Frames]

    def predict(
        self, truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator
    ) -> Prediction:
        """Return the `horizon` frames after the cut; `context` (T, H, W, 3) are those up to it."""
        start = time.perf_counter()
        frames = self.frames(truth, view, context, horizon, rng)
        return Prediction(frames=frames, seconds=time.perf_counter() - start)


def oracle(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return the true frames."""
    from wmeval.world import film

    return film(truth, view, _asked(truth.scene, view, horizon))


def freeze(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return the last context frame, again and again."""
    return np.repeat(context[-1:], horizon, axis=0)


def vanish(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return the median of the context frames: whatever moves is gone."""
    return np.repeat(_median(context)[None], horizon, axis=0)


def blur(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return the last context frame under a Gaussian whose sigma grows evenly to 4 px per 64 px of height."""
    from scipy.ndimage import gaussian_filter1d

    last = context[-1].astype(np.float64)
    out = np.empty((horizon, *last.shape), np.uint8)
    for t in range(horizon):
        sigma = BLUR_PX * view.height / BLUR_HEIGHT_PX * (t + 1) / horizon
        soft = gaussian_filter1d(gaussian_filter1d(last, sigma, axis=0), sigma, axis=1)
        out[t] = np.rint(soft).clip(0, 255)
    return out


def linear(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return the patch of each tracked body moved on at its last velocity over the empty background."""
    from scipy.ndimage import shift

    from wmeval.perceive import track

    tracks = track(context, truth.scene, view, _times(truth.scene, view)[: len(context)])
    reach = np.array([_reach_px(truth.scene, slot, view) for slot in range(len(truth.scene.moving))])
    u, v = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    away = np.hypot(u - tracks.pixel[..., 0, None, None], v - tracks.pixel[..., 1, None, None])
    near = np.nan_to_num(away, nan=np.inf) < reach[:, None, None]  # (T, N, H, W)
    background = _empty(context, near.any(1))
    last = context[-1].astype(np.float64)
    patches = []
    for slot in range(len(reach)):
        seen = np.flatnonzero(tracks.found[:, slot])
        if not len(seen) or seen[-1] != len(context) - 1:
            continue  # a body that is hidden at the cut has no patch to move
        path = tracks.pixel[seen[-3:], slot]
        speed = (path[-1] - path[0]) / max(seen[-1] - seen[-3:][0], 1)
        differs = np.abs(last - background).sum(-1)
        # pixels at the edge hold a part of the body and move as that part
        mask = near[-1, slot] * (differs / max(float(np.quantile(differs[near[-1, slot]], 0.8)), 30)).clip(
            0, 1
        )
        patches.append((mask, speed))
    out = np.empty((horizon, *last.shape), np.uint8)
    for t in range(horizon):
        frame = background.copy()
        for mask, speed in patches:
            by = (speed[1] * (t + 1), speed[0] * (t + 1))
            alpha = shift(mask, by, order=1)[..., None].clip(0, 1)
            own = last - (1 - mask[..., None]) * background  # the body's own light, its background taken out
            patch = np.stack([shift(own[..., c] * (mask > 0), by, order=1) for c in range(3)], axis=-1)
            frame = (1 - alpha) * frame + patch
        out[t] = np.rint(frame).clip(0, 255)
    return out


def _empty(frames: Frames, bodies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median picture (H, W, 3) of frames without bodies (T, H, W); never seen = nearest seen."""
    from scipy.ndimage import distance_transform_edt

    never: NDArray[np.bool_] = np.all(bodies, axis=0)
    shown = np.where(bodies[..., None] & ~never[..., None], np.nan, frames.astype(np.float64))
    picture = np.nanmedian(shown, axis=0)
    if never.any() and not never.all():
        nearest = distance_transform_edt(never, return_distances=False, return_indices=True)
        picture = picture[tuple(nearest)]
    filled: NDArray[np.float64] = picture
    return filled


def noise(truth: Truth, view: View, context: Frames, horizon: int, rng: np.random.Generator) -> Frames:
    """Return independent uniform pixels."""
    return rng.integers(0, 256, (horizon, view.height, view.width, 3), dtype=np.uint8)


def _times(scene: Scene, view: View) -> NDArray[np.float64]:
    return view.frame_times(scene.duration_s)


def _asked(scene: Scene, view: View, horizon: int) -> NDArray[np.float64]:
    times = _times(scene, view)
    return times[times > scene.cut_s + 1e-9][:horizon]


def _median(frames: Frames) -> Frames:
    middle: Frames = np.rint(np.median(frames, axis=0)).astype(np.uint8)
    return middle


def _reach_px(scene: Scene, slot: int, view: View) -> float:
    """Return how far from its centre a body's silhouette can reach [px], with a pixel to spare."""
    body = scene.moving[slot]
    half = body.size[0] if body.shape == "sphere" else float(np.linalg.norm(body.size))
    distance = float(np.linalg.norm(np.subtract(scene.camera.eye, body.position)))
    return half * scene.camera.focal_px(view) / distance + 1.5


def _card(name: str, does: str) -> Card:
    return Card(
        name=name,
        family="reference",
        version="1",
        licence="Apache-2.0",
        source=f"wmeval.references: {does}",
        capabilities=frozenset({"generates"}),
        view=View(),
        context=(1, 1 << 20),
        horizon=None,
        actions=ActionSpace("none"),
        classes=("clip", "never"),
        parameters=0,
        reference=True,
        notes=(does,),
    )


_ALL = {
    "oracle": (oracle, "the true frames"),
    "freeze": (freeze, "the last context frame"),
    "vanish": (vanish, "the median of the context"),
    "blur": (blur, "the last context frame under a growing Gaussian, sigma 4 px per 64 at the end"),
    "linear": (linear, "patches of tracked bodies at constant velocity over the empty background"),
    "noise": (noise, "independent uniform pixels"),
}
REFERENCES: Mapping[str, Reference] = {
    name: Reference(name, _card(name, does), frames) for name, (frames, does) in _ALL.items()
}
