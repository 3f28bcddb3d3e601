"""Writing a pack: every question of a suite as pictures, a video, a caption and actions.

Only what passes the two doors to a model (`observe`, `clip`) is written. An export that stopped is continued
by the same command: its salt is kept, and a folder that is there under its own name is whole.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import Card, Clip, Observation
from wmeval.pack import layout, shown
from wmeval.pack.layout import Form, Pack, Question, Shown, clip_id, folder_digest, question_id
from wmeval.pack.place import Placement
from wmeval.pack.readme import readme
from wmeval.pack.tables import describe, index, template
from wmeval.run import problems
from wmeval.run.instruments import loaded
from wmeval.run.plan import Plan, Unit, draw, plan_of
from wmeval.run.request import Request
from wmeval.run.truths import truth_of
from wmeval.seeds import asked_by, sample_seed
from wmeval.suite import Instrument
from wmeval.truth import Truth
from wmeval.twins import Refused, members, question
from wmeval.world import observe

STARTED = ".export.json"
SIDES = (64, 2048)  # px
SMOOTH_BELOW = 256  # px: smaller pictures are drawn at twice their size and averaged
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class _Posed:
    """One question or clip on its way into the pack."""

    seen: Observation | Clip
    seeds: tuple[int, ...] = ()
    truth: Truth | None = None  # of which the context is drawn once more,
    big: View | None = None  # at this size


def export(
    suite: str,
    out: Path,
    *,
    probes: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    instruments: Sequence[Instrument] | None = None,
    limit: int | None = None,
    seed: int = 0,
    replicates: int = 1,
    fps: float = 10.0,
    size: int = 512,
    canvas: tuple[int, int] | None = None,
    progress: Told | None = None,
) -> Pack:
    """Write the questions of a suite into the folder `out` and return the pack.

    Answers are measured at `fps` and the size of the suite's View; `size` [px] is that of the pictures handed
    out, and `canvas` (width, height) puts them in the middle of grey bars, for services of one shape only.
    Within `wmeval.run.hidden.hidden` the questions are hidden ones, and nothing in the pack tells them.

    Raises:
        UsageError: a name that is not there, sizes that cannot be, or a folder that holds something else.
    """
    view = View(fps=fps)
    if size % 2 or not SIDES[0] <= size <= SIDES[1] or size < view.height:
        raise UsageError(f"--size was given as {size}; expected an even number from {SIDES[0]} to {SIDES[1]}")
    wide = canvas or (size, size)
    if min(wide) < size or any(v % 2 for v in wide) or max(wide) > SIDES[1] * 2:
        raise UsageError(
            f"--canvas was given as {wide[0]}x{wide[1]}; expected even numbers, neither below --size ({size})"
        )
    if not 1 <= fps <= 60:
        raise UsageError(f"--fps was given as {fps:g}; expected 1 to 60")
    asked = Request(
        "recorded", suite, tuple(probes) if probes else None, tuple(instruments) if instruments else None,
        limit=limit, seed=seed, replicates=replicates, executor="inline", hidden=asked_by(),
        tasks=tuple(tasks) if tasks else None,
    )  # fmt: skip
    plan = plan_of(asked, layout.card(view), None)
    picture = Placement((wide[0] - size) // 2, (wide[1] - size) // 2, size, size)
    return _export(plan, out, wide, picture, "pictures", progress)


def export_arrays(card: Card, asked: Request, out: Path, progress: Told | None = None) -> Pack:
    """Write the questions of a request that a model can be asked, as it would be shown them, bit by bit.

    `wmeval.pack.answering.answer` lets the model answer them.

    Raises:
        UsageError: a name that is not there, or a folder that holds something else.
    """
    view = card.view
    whole = Placement(0, 0, view.width, view.height)
    plan = plan_of(asked, layout.limited(card), None)
    return _export(plan, out, (view.width, view.height), whole, "arrays", progress)


def _export(
    plan: Plan,
    out: Path,
    wide: tuple[int, int],
    picture: Placement,
    form: Form,
    progress: Told | None,
) -> Pack:
    if not plan.units:
        why = "; ".join(f"{r['probe']} by {r['instrument']}: {r['reason']}" for r in plan.na)
        raise UsageError(f"nothing of {plan.suite.key} can be put into a pack ({why})")
    asked, fps, size = _ask(plan), plan.view.fps, int(picture.width)
    started = {"ask": asked, "fps": fps, "size": size, "canvas": list(wide)}
    if (out / layout.MANIFEST).exists():
        there = layout.read(out)
        if _same(there, started):
            return there
        raise UsageError(f"{out} holds a pack of other questions; give another folder with --out")
    salt = _claim(out, started)
    pack = Pack(out, asked, plan.view, wide, picture, salt, {}, {}, tuple(plan.na), form)
    pack = _write(pack, plan, size, progress or (lambda done, total: None))
    (out / layout.ANSWERS).mkdir(exist_ok=True)
    if form == "pictures":
        (out / layout.README).write_text(readme(pack))
        if pack.clips:
            template(pack)
        if pack.questions:
            index(pack)
    part = out / f".{layout.MANIFEST}.part"
    part.write_text(json.dumps(pack.to_json(), indent=1, allow_nan=False))
    os.replace(part, out / layout.MANIFEST)
    (out / STARTED).unlink()
    return pack


def _ask(plan: Plan) -> dict[str, Any]:
    asked = plan.request
    return {
        "suite": asked.suite if asked.suite.endswith(".py") else plan.suite.key,
        "probes": list(asked.probes) if asked.probes else None,
        **({"tasks": list(asked.tasks)} if asked.tasks else {}),
        "instruments": list(asked.instruments) if asked.instruments else None,
        "limit": asked.limit,
        "seed": asked.seed,
        "replicates": asked.replicates,
        **({"hidden": asked.hidden} if asked.hidden else {}),
    }


def _same(pack: Pack, started: dict[str, Any]) -> bool:
    size = int(pack.picture.width)
    return started == {"ask": pack.ask, "fps": pack.view.fps, "size": size, "canvas": list(pack.canvas)}


def _claim(out: Path, started: dict[str, Any]) -> bytes:
    """Return the salt of the pack that is made in a folder: a new one, or that of an export that stopped.

    Raises:
        UsageError: the folder holds something else.
    """
    path = out / STARTED
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["started"] != started:
            raise UsageError(f"{out} holds the beginning of another pack; delete it, or give another --out")
        return bytes.fromhex(kept["salt"])
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and holds no pack; give another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    salt = secrets.token_bytes(16)
    path.write_text(json.dumps({"started": started, "salt": salt.hex()}))
    return salt


def _write(pack: Pack, plan: Plan, size: int, progress: Told) -> Pack:
    questions: dict[str, Question] = {}
    clips: dict[str, Shown] = {}
    units = [u for u in plan.units if u.replicate == 0]
    total, done = sum(len(u.indices) for u in units), 0
    left_out = list(pack.left_out)
    progress(0, total)
    for unit in units:
        for position in range(len(unit.indices)):
            try:
                posed = list(_pose(unit, position, plan, size))
            except Refused as why:
                left_out.append(_refused(unit, position, str(why)))
                posed = []
            for one in posed:
                if isinstance(one.seen, Observation):
                    new = _question(pack, one)
                    before = questions.get(new.id, new)
                    # two cases may look alike: then each of their seeds has an answer of its own
                    seeds = dict.fromkeys((*before.seeds, *new.seeds))
                    questions[new.id] = replace(new, seeds=tuple(seeds))
                else:
                    clip = _clip(pack, one, size)
                    clips[clip.id] = clip
            done += 1
            progress(done, total)
    if pack.form == "pictures":
        for made in questions.values():
            describe(pack, made)
    whole = {
        name: replace(q, content=folder_digest(pack.folder / layout.QUESTIONS / name))
        for name, q in sorted(questions.items())
    }
    return replace(pack, questions=whole, clips=dict(sorted(clips.items())), left_out=tuple(left_out))


def _pose(unit: Unit, position: int, plan: Plan, size: int) -> Iterator[_Posed]:
    """Yield what one case of a unit shows: its arms, or the clips of its question.

    Raises:
        Refused: no clips can be made of the question.
    """
    probe, index, view = loaded(unit.instrument, unit.given), unit.indices[position], plan.view
    asked = plan.request
    big = replace(view, height=size, width=size, supersample=2 if size < SMOOTH_BELOW else 1)
    if unit.instrument == "choose":
        choice = problems.choice(probe, unit.tag, index)
        seeds = tuple(sample_seed(asked.seed, unit.probe, choice.digest, r) for r in range(asked.replicates))
        for scene in (one.scene for one in choice.candidates):
            truth = truth_of(scene)
            yield _Posed(observe(truth, view, scene.duration_s - scene.cut_s), seeds, truth, big)
        return
    if unit.instrument == "surprise":
        for member in members(question(probe, unit.tag, index), probe, unit.tag, index, view, truth_of):
            yield _Posed(member.clip)
        return
    case = draw(probe, unit.tag, index)
    seeds = tuple(sample_seed(asked.seed, unit.probe, case.case_id, r) for r in range(asked.replicates))
    for scene in case.arms.values():
        truth = truth_of(scene, probe.futures)
        seen = observe(truth, view, probe.horizon_s)
        yield _Posed(seen, seeds, truth, big)


def _refused(unit: Unit, position: int, why: str) -> dict[str, str]:
    told = f"question {unit.indices[position]}: {why}"
    return {"probe": unit.probe, "instrument": unit.instrument, "tag": unit.tag, "reason": told}


def _question(pack: Pack, posed: _Posed) -> Question:
    seen = posed.seen
    assert isinstance(seen, Observation)
    assert posed.truth is not None
    assert posed.big is not None
    name = question_id(pack.salt, seen)
    folder = pack.folder / layout.QUESTIONS / name
    if not folder.exists():
        with _whole(folder) as part:
            if pack.form == "arrays":
                shown.arrays(part, seen)
            else:
                shown.question_pictures(part, pack, seen, observe(posed.truth, posed.big).frames)
    return Question(name, len(seen.frames), seen.horizon, posed.seeds, "")


def _clip(pack: Pack, posed: _Posed, size: int) -> Shown:
    seen = posed.seen
    assert isinstance(seen, Clip)
    name = clip_id(pack.salt, seen)
    folder = pack.folder / layout.CLIPS / name
    if not folder.exists():
        with _whole(folder) as part:
            shown.arrays(part, seen) if pack.form == "arrays" else shown.clip_pictures(part, seen, size)
    return Shown(name, len(seen.frames), folder_digest(folder))


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill that takes its name when it is full: it is there whole or not at all."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
