"""Whole clips put to a model in batches: every answer checked, one that raises failing alone.

Clips are for models that judge, encode or reconstruct; a request of clips never holds an Observation.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from wmeval.errors import EnvironmentFault
from wmeval.model import Clip, Prediction, Status

Method = Literal["score", "reconstruct", "encode"]
TRACE_LINES = 12
Check = Callable[[Prediction, Clip], str]  # what is wrong with an answer, or ""


def ask_clips(
    model: object, method: Method, clips: Sequence[Clip], max_batch: int, wrong: Check
) -> list[Prediction]:
    """Return one checked answer a clip, with the seconds each took.

    Batches share shapes and hold at most `max_batch` clips, in the order given; a batch that raises is asked
    again one by one.

    Raises:
        EnvironmentFault: the model met one.
    """
    answers: list[Prediction] = [Prediction() for _ in clips]
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, clip in enumerate(clips):
        groups.setdefault(clip.frames.shape, []).append(i)
    for group in groups.values():
        for start in range(0, len(group), max_batch):
            batch = group[start : start + max_batch]
            begun = time.perf_counter()
            told = _ask(model, method, [clips[i] for i in batch], wrong)
            spent = (time.perf_counter() - begun) / len(batch)
            for i, answer in zip(batch, told, strict=True):
                answers[i] = replace(answer, seconds=spent)
    return answers


def wrong_surprise(answer: Prediction, clip: Clip) -> str:
    """Return what is wrong with a clip's surprise, or nothing."""
    wanted = f"surprise ({len(clip.frames)},), finite or NaN where undefined"
    told = answer.surprise
    if not isinstance(told, np.ndarray) or not np.issubdtype(told.dtype, np.floating):
        return f"the model returned no surprise; expected {wanted}"
    if told.shape != (len(clip.frames),):
        return f"the model returned surprise {told.shape}; expected {wanted}"
    if np.isinf(told).any():
        return f"the model returned {int(np.isinf(told).sum())} infinite values; expected {wanted}"
    return ""


def wrong_frames(answer: Prediction, clip: Clip) -> str:
    """Return what is wrong with a reconstruction, or nothing."""
    got, wanted = answer.frames, clip.frames
    if isinstance(got, np.ndarray) and got.dtype == np.uint8 and got.shape == wanted.shape:
        return ""
    shown = f"{got.dtype} frames {got.shape}" if isinstance(got, np.ndarray) else "no frames"
    return f"the model reconstructed {shown}; expected frames {wanted.shape} uint8"


def _ask(model: object, method: Method, batch: list[Clip], wrong: Check) -> list[Prediction]:
    try:
        call = getattr(model, method, None)
        if call is None:
            raise TypeError(f"{type(model).__name__} has no {method}(batch), though its card says so")
        answers = call(batch)
    except EnvironmentFault:
        raise
    except Exception:
        if len(batch) > 1:
            return [_ask(model, method, [one], wrong)[0] for one in batch]
        return [_failed(f"the model raised\n{trace()}")]
    if not isinstance(answers, list) or len(answers) != len(batch):
        got = f"{len(answers)}" if isinstance(answers, list) else f"a {type(answers).__name__}"
        why = f"the model answered {len(batch)} clips with {got}; expected a list of as many Predictions"
        return [_failed(why) for _ in batch]
    return [_checked(answer, clip, wrong) for answer, clip in zip(answers, batch, strict=True)]


def _checked(answer: Any, clip: Clip, wrong: Check) -> Prediction:
    if not isinstance(answer, Prediction):
        return _failed(f"the model returned a {type(answer).__name__} instead of a Prediction")
    if answer.status.state != "ok":
        return Prediction(status=answer.status)
    why = wrong(answer, clip)
    return _failed(why) if why else answer


def _failed(why: str) -> Prediction:
    return Prediction(status=Status("failed", why))


def trace() -> str:
    """Return the last lines of the exception under way."""
    return "".join(traceback.format_exc().splitlines(keepends=True)[-TRACE_LINES:])
