"""Observations, clips and predictions as messages, and back. Item i of a batch has the arrays `NAME.i`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.model import ACTION_DIM, Clip, Observation, Prediction, Status
from wmeval.remote.wire import Malformed, Message

MOST_DETAIL = 2000  # characters of what went wrong
MOST_ITEMS = 256
_STATES = ("ok", "refused", "failed", "partial")
_ANSWERS = ("frames", "latents", "surprise")


def ask_to_continue(batch: Sequence[Observation], seeds: Sequence[int]) -> Message:
    """Return the message that asks to go on from observations, each with its seed."""
    items = []
    arrays: dict[str, NDArray[Any]] = {}
    for i, (one, seed) in enumerate(zip(batch, seeds, strict=True)):
        items.append({
            "fps": one.fps, "horizon": one.horizon, "caption": one.caption, "seed": int(seed),
            "native": one.native,
        })  # fmt: skip
        arrays |= {f"frames.{i}": one.frames, f"actions.{i}": one.actions, f"intrinsics.{i}": one.intrinsics}
    return Message({"items": items}, arrays)


def asked_to_continue(message: Message) -> tuple[list[Observation], list[int]]:
    """Return what `ask_to_continue` put into a message.

    Raises:
        Malformed: something is missing or of another kind.
    """
    batch, seeds = [], []
    for i, item in enumerate(_items(message)):
        horizon, caption = whole(item, "horizon", 1, 1 << 20), item.get("caption", "")
        if not isinstance(caption, str):
            raise Malformed(f"the caption of item {i} is {caption!r}; expected text")
        frames = message.array(f"frames.{i}", "uint8", (None, None, None, 3))
        actions, native = _actions(message, i, item, len(frames) - 1 + horizon)
        camera = message.array(f"intrinsics.{i}", "float64", (3, 3))
        batch.append(Observation(frames, _fps(item), actions, horizon, caption, camera, native))
        seeds.append(whole(item, "seed", 0, (1 << 64) - 1))
    return batch, seeds


def ask_of_clips(batch: Sequence[Clip]) -> Message:
    """Return the message that shows whole clips."""
    arrays: dict[str, NDArray[Any]] = {}
    for i, one in enumerate(batch):
        arrays |= {f"frames.{i}": one.frames, f"actions.{i}": one.actions}
    return Message({"items": [{"fps": one.fps, "native": one.native} for one in batch]}, arrays)


def asked_of_clips(message: Message) -> list[Clip]:
    """Return what `ask_of_clips` put into a message.

    Raises:
        Malformed: something is missing or of another kind.
    """
    batch = []
    for i, item in enumerate(_items(message)):
        frames = message.array(f"frames.{i}", "uint8", (None, None, None, 3))
        actions, native = _actions(message, i, item, max(0, len(frames) - 1))
        batch.append(Clip(frames, _fps(item), actions, native))
    return batch


def tell(answers: Any, asked: int) -> Message:
    """Return the message that holds a model's predictions; what cannot be sent is a failed item.

    Raises:
        TypeError: they are no list of as many predictions as were asked for.
    """
    if not isinstance(answers, list) or len(answers) != asked:
        got = f"{len(answers)}" if isinstance(answers, list) else f"a {type(answers).__name__}"
        raise TypeError(
            f"the model answered {asked} samples with {got}; expected a list of as many Predictions"
        )
    items, arrays = [], {}
    for i, answer in enumerate(answers):
        if not isinstance(answer, Prediction):
            why = f"the model returned a {type(answer).__name__} instead of a Prediction"
            answer = Prediction(status=Status("failed", why))
        status = answer.status
        seconds = float(answer.seconds) if math.isfinite(answer.seconds) else 0.0
        items.append({"state": status.state, "detail": status.detail[:MOST_DETAIL], "seconds": seconds})
        for name in _ANSWERS:
            array = getattr(answer, name)
            if array is not None:
                arrays[f"{name}.{i}"] = np.asarray(array)
    return Message({"items": items}, arrays)


def told(message: Message, asked: int) -> list[Prediction]:
    """Return the predictions of a message; whether their arrays are what was asked for the engine looks at.

    Raises:
        Malformed: there are more or fewer than were asked for, or an item's status is none.
    """
    items = _items(message)
    if len(items) != asked:
        raise Malformed(f"the server answered {asked} samples with {len(items)}")
    answers = []
    for i, item in enumerate(items):
        state, detail, seconds = item.get("state"), item.get("detail", ""), item.get("seconds", 0.0)
        if state not in _STATES or not isinstance(detail, str) or not isinstance(seconds, int | float):
            raise Malformed(f"item {i} is {str(item)[:80]}; expected a state of {', '.join(_STATES)}")
        made: Mapping[str, Any] = {name: message.arrays.get(f"{name}.{i}") for name in _ANSWERS}
        answers.append(Prediction(**made, status=Status(state, detail[:MOST_DETAIL]), seconds=float(seconds)))
    return answers


def rows(message: Message, names: Sequence[str], asked: int) -> list[tuple[NDArray[Any], ...]]:
    """Return the arrays of each item of a message by their names.

    Raises:
        Malformed: one is not there.
    """
    found = []
    for i in range(asked):
        for name in names:
            if f"{name}.{i}" not in message.arrays:
                raise Malformed(f"the server sent no array '{name}.{i}'")
        found.append(tuple(message.arrays[f"{name}.{i}"] for name in names))
    return found


def whole(item: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return a whole number of a header.

    Raises:
        Malformed: it is not there, or out of bounds.
    """
    value = item.get(name)
    if type(value) is not int or not least <= value <= most:
        raise Malformed(f"{name!r} is {value!r}; expected a whole number from {least} to {most}")
    return value


def _actions(
    message: Message, i: int, item: Mapping[str, Any], count: int
) -> tuple[NDArray[np.float64], bool]:
    """Return the actions (count, 12) of item i, or those of the model's own space, and whether they are."""
    native = item.get("native", False)
    if not isinstance(native, bool):
        raise Malformed(f"'native' of item {i} is {native!r}; expected true or false")
    return message.array(f"actions.{i}", "float64", (count, None if native else ACTION_DIM)), native


def _fps(item: Mapping[str, Any]) -> float:
    value = item.get("fps")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1000:
        raise Malformed(f"'fps' is {value!r}; expected frames per second up to 1000")
    return float(value)


def _items(message: Message) -> list[Mapping[str, Any]]:
    items = message.items
    if not 1 <= len(items) <= MOST_ITEMS:
        raise Malformed(f"the message has {len(items)} items; expected 1 to {MOST_ITEMS}")
    return items
