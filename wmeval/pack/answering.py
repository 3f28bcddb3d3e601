"""A model answers a pack of arrays: as a run would ask it, but with no truth on this machine.

What is answered stays answered, so the same call goes on where one stopped. The first answer counts.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from wmeval.errors import UsageError
from wmeval.model import Generates, Observation, Prediction, WorldModel
from wmeval.pack import layout, shown
from wmeval.pack.layout import Pack, Question, Shown
from wmeval.references import Reference
from wmeval.run.clips import ask_clips, wrong_surprise
from wmeval.run.generate import ask, check, trimmed

JUDGED = ".judged"  # scores of clips before all are there
Told = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class _Posed:
    """One answer to be made."""

    question: Question
    seed: int
    name: str
    observation: Observation


def answer(pack: Pack, model: WorldModel | Reference, progress: Told | None = None) -> None:
    """Put a model's answers into a pack: `answers/ID.npz`, and surprise.csv where it can score clips.

    A refusal is written as one; what failed is left out, and counts as failed. `progress` is told how many
    answers of all are there.

    Raises:
        UsageError: the pack holds pictures for people, is of another View, or the model is a reference.
        EnvironmentFault: the model met one.
    """
    if isinstance(model, Reference):
        raise UsageError(f"{model.card.name!r} is a reference and needs the truth, which no pack holds")
    if pack.form != "arrays":
        raise UsageError(
            f"{pack.folder} holds pictures for people; a model answers packs of arrays: get one with "
            "`wmeval submit --challenge --model NAME`"
        )
    if pack.view != model.card.view:
        raise UsageError(f"the pack is of {pack.view}, and {model.card.name!r} sees {model.card.view}")
    pack.answers.mkdir(exist_ok=True)
    tell = progress or (lambda done, total: None)
    clips = list(pack.clips.values()) if "scores" in model.card.capabilities else []
    total = sum(len(q.seeds) for q in pack.questions.values()) + len(clips)
    done = 0
    tell(done, total)
    for made in (_continued(pack, model), _judged(pack, clips, model)):
        for count in made:
            done += count
            tell(done, total)


def _continued(pack: Pack, model: WorldModel) -> Iterator[int]:
    """Answer the videos to be continued; yield how many more are there."""
    alike: dict[tuple[int, int], list[tuple[Question, int, str]]] = {}
    for one in pack.questions.values():
        for seed, name in zip(one.seeds, one.names, strict=True):
            if any((pack.answers / (name + ending)).exists() for ending in (".npz", layout.REFUSED)):
                yield 1
            else:  # a batch shares shapes and horizon
                alike.setdefault((one.shown, one.horizon), []).append((one, seed, name))
    for group in alike.values():
        for batch in _batches(group, model.card.max_batch):
            posed = [
                _Posed(one, seed, name, trimmed(shown.observation(pack, one), model.card.context[1]))
                for one, seed, name in batch
            ]
            answers = ask(posed, lambda asked: _generated(model, asked), check)
            for asked, made in zip(posed, answers, strict=True):
                _keep(pack, asked, made)
            yield len(batch)


def _generated(model: WorldModel, posed: list[_Posed]) -> list[Prediction]:
    if not isinstance(model, Generates):
        raise TypeError(f"{type(model).__name__} has no generate(batch, seeds), though its card says so")
    return model.generate([p.observation for p in posed], [p.seed for p in posed])


def _keep(pack: Pack, posed: _Posed, made: Prediction) -> None:
    if made.status.state == "refused":
        text = (made.status.detail or "no reason was given").encode()
        _whole(pack.answers / f"{posed.name}{layout.REFUSED}", lambda path: path.write_bytes(text))
    elif made.frames is not None:
        # named inside too: two answers may be alike, and are not one file given twice
        named = np.frombuffer(posed.name.encode(), np.uint8)
        rate = np.float64(pack.view.fps)
        arrays = {"frames": made.frames, "fps": rate, "question": named}

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

        _whole(pack.answers / f"{posed.name}.npz", write)


def _judged(pack: Pack, clips: Sequence[Shown], model: WorldModel) -> Iterator[int]:
    """Score the clips and write surprise.csv at the end; yield how many more are there."""
    if not clips or (pack.folder / layout.SURPRISE).exists():
        yield len(clips)
        return
    kept = pack.folder / JUDGED
    kept.mkdir(exist_ok=True)
    todo = [one for one in clips if not (kept / one.id).exists()]
    yield len(clips) - len(todo)
    for batch in _batches(todo, model.card.max_batch):
        seen = [shown.clip(pack, one) for one in batch]
        told = ask_clips(model, "score", seen, model.card.max_batch, wrong_surprise)
        for one, made in zip(batch, told, strict=True):
            scores = [] if made.surprise is None else made.surprise.tolist()
            text = "\n".join(map(repr, scores))
            _whole(kept / one.id, lambda path, text=text: path.write_text(text))  # type: ignore[misc]
        yield len(batch)

    def write(path: Path) -> None:
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "frame", "surprise"))
            for one in clips:
                rows.writerows((one.id, t, v) for t, v in enumerate((kept / one.id).read_text().split()))

    _whole(pack.folder / layout.SURPRISE, write)
    shutil.rmtree(kept)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    write(part)
    os.replace(part, path)
