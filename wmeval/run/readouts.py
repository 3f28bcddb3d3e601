"""The readout of a model: fitted once on training scenes, kept by what the model makes of some of them.

A model is named by the latents it gives to a few fixed clips, so a readout fits whatever weights, options or
server they come from, and is never used for another. Scenes are those of the training split and no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from wmeval import registry
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import Clip, Encodes, Prediction
from wmeval.perceive.readout import Readout, fit, from_arrays
from wmeval.run.clips import ask_clips
from wmeval.run.code import source_digest
from wmeval.run.progress import Progress
from wmeval.run.truths import cache_folder, keep
from wmeval.scene import Scene
from wmeval.seeds import digest, scene_rng
from wmeval.tracks import Tracks

SPLIT = "train"
CLIPS = 240  # of the split; a fifth at a time is left out while penalties are chosen
NAMED_BY = 2  # clips whose latents name a model
MOST_VALUES = 1 << 26  # float32 numbers of all latents kept while fitting: 256 MiB
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
TELL_S = 10.0  # between two lines that say how far the fit is
Told = Callable[[int, int], None]  # (clips done, clips in all)


def name_of(model: Encodes, view: View) -> str:
    """Return a digest that names an opened model by what it makes of a few training clips.

    Raises:
        UsageError: it cannot encode them; the sentence says what came back.
    """
    latents = encoded(model, [_lesson(i, view)[0] for i in range(NAMED_BY)])
    seen = [[list(z.shape), z.tobytes().hex()] for z in latents]
    return digest([model.card.name, model.card.version, asdict(view), digest(seen)])


def readout_of(model: Encodes, view: View, progress: Told | None = None) -> Readout:
    """Return the readout of a model at its View: from the cache, or fitted now (and then kept).

    Raises:
        UsageError: the model cannot encode the training clips.
    """
    path = cache_folder() / "readouts" / f"{digest([name_of(model, view), CLIPS, _code()])}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return from_arrays(dict(kept))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass  # absent or damaged: fitting again is always right
    made = _fitted(model, view, progress)
    keep(path, lambda file: np.savez(file, **made.to_arrays()))  # type: ignore[arg-type]
    return made


def fitted_before(plan: Any, tell: Callable[[Progress], None]) -> None:
    """Fit the readout of a plan's model for workers to find in the cache, with a line now and then.

    Nothing is raised of a model that cannot encode: workers meet the same, and tell it sample by sample.
    """
    request, due = plan.request, time.monotonic()
    model = registry.load_model(request.model, request.weights, request.device, request.options)

    def say(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + TELL_S
            what = f"training clips encoded by {model.card.name}, for its readout: {done} of {total}"
            tell(Progress("anchors", message=what))

    with suppress(UsageError):
        if isinstance(model, Encodes):
            readout_of(model, plan.view, say)


def encoded(model: Encodes, clips: Sequence[Clip]) -> list[Singles]:
    """Return the latents (T, tokens, D) of clips.

    Raises:
        UsageError: one cannot be encoded, with the model's own words.
    """
    out = []
    for answer in ask_clips(model, "encode", clips, model.card.max_batch, wrong_latents):
        if answer.latents is None:
            raise UsageError(f"{model.card.name!r} cannot encode a clip: {answer.status.detail}")
        out.append(np.asarray(answer.latents, dtype=np.float32))
    return out


def wrong_latents(answer: Prediction, clip: Clip) -> str:
    """Return what is wrong with the latents of a clip, or nothing."""
    return amiss(answer.latents, len(clip.frames))


def amiss(latents: Any, frames: int, shape: tuple[int, int] | None = None) -> str:
    """Return what is wrong with latents that should be (frames, tokens, D), or nothing."""
    tokens = "tokens, D" if shape is None else f"{shape[0]}, {shape[1]}"
    wanted = f"expected finite latents ({frames}, {tokens})"
    if not isinstance(latents, np.ndarray) or not np.issubdtype(latents.dtype, np.floating):
        return f"the model returned no latents; {wanted}"
    if latents.ndim != 3 or len(latents) != frames or (shape and latents.shape[1:] != shape):
        return f"the model returned latents {latents.shape}; {wanted}"
    bad = int((~np.isfinite(latents)).sum())
    return f"the model returned latents with {bad} values NaN or infinite; {wanted}" if bad else ""


def eye(model: Encodes, readout: Readout) -> Callable[[NDArray[np.uint8], Scene, View, Floats], Tracks]:
    """Return what sees a video through a model's encoder and the readout, as perception sees its pixels."""
    from wmeval.world import actions

    def look(frames: NDArray[np.uint8], scene: Scene, view: View, times: Floats) -> Tracks:
        clip = Clip(frames, view.fps, actions(scene, times))
        return readout.read(encoded(model, [clip])[0], scene, view, times)

    return look


def _fitted(model: Encodes, view: View, progress: Told | None) -> Readout:
    """Return the readout of a model, made from training clips one batch after another."""
    latents: list[Singles] = []
    truths: list[Tracks] = []
    step = 1
    size = max(1, min(model.card.max_batch, 8))
    for start in range(0, CLIPS, size):
        batch = [_lesson(i, view) for i in range(start, min(start + size, CLIPS))]
        for z, (_, tracks) in zip(encoded(model, [c for c, _ in batch]), batch, strict=True):
            if not latents:  # thinned in time alike, so that all clips together stay within bounds
                step = max(1, -(-CLIPS * z.size // MOST_VALUES))
            latents.append(z[::step].copy())
            truths.append(tracks.part(slice(None, None, step)))
        if progress is not None:
            progress(len(latents), CLIPS)
    try:
        return fit(latents, truths)
    except ValueError as fault:
        raise UsageError(f"no readout of {model.card.name!r} can be fitted: {fault}") from fault


def _lesson(index: int, view: View) -> tuple[Clip, Tracks]:
    """Return a clip of the training split and the exact Tracks of what it shows."""
    from wmeval.world import clip, exact_tracks, simulate

    split = registry.load_split(SPLIT)
    truth = simulate(split.scene(scene_rng("train", split.key, "iid", index)))
    return clip(truth, view), exact_tracks(truth, view)


@cache
def _code() -> str:
    return source_digest(
        "wmeval.perceive.readout", "wmeval.perceive.linear", "wmeval.run.readouts", "wmeval.world",
        "wmeval.scene", "wmeval.tracks", "wmeval.camera",
    )  # fmt: skip
