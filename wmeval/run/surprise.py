"""The surprise instrument: which of two clips does a model find stranger, and does it know where to look?

A model scores every frame of whole clips, possible and impossible ones of the same scene. The error of a
scene is the share of comparisons that it loses; a constant answer loses half of them, which is skill 0.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, ProbeFault
from wmeval.measure.cues import BASELINES
from wmeval.measure.surprise import (
    Floats,
    apart_before,
    in_window,
    localised,
    over_clip,
    rounded,
    share_above,
)
from wmeval.model import Prediction, WorldModel
from wmeval.probe import Probe
from wmeval.references import Reference
from wmeval.run.clips import ask_clips, trace, wrong_surprise
from wmeval.run.instruments import UNASKED, blank
from wmeval.run.scoring import mean, row
from wmeval.run.store import Store, plain
from wmeval.run.truths import truth_of
from wmeval.run.units import Unit, as_planned
from wmeval.stats import auroc, skill_score
from wmeval.suite import Suite
from wmeval.twins import MATCHINGS, Member, Question, Refused, members, prefix, question

CHANCE = 0.5


@dataclass
class _Posed:
    """One question on its way through the stage."""

    question: Question
    members: tuple[Member, ...] = ()
    fault: str = ""
    refused: bool = False
    making_s: float = 0.0


def generate(
    unit: Unit, probe: Probe, model: WorldModel | Reference, view: View, run_seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit: the surprise of every frame of every clip; see `instruments.Generating`.

    A question that cannot be made exact is not asked, which is no failure of the model.

    Raises:
        EnvironmentFault: the questions drawn here are not the planned ones, or the disk is full.
    """
    posed = [_pose(unit, i, probe, view) for i in range(len(unit.indices))]
    clips = [m.clip for one in posed for m in one.members]
    answers = iter(ask_clips(model, "score", clips, model.card.max_batch, wrong_surprise))
    samples = [
        _record(unit, i, one, [next(answers) for _ in one.members], store) for i, one in enumerate(posed)
    ]
    return {"stage": "generate", "unit": unit.to_json(), "samples": samples}


def measure(
    unit: Unit, probe: Probe, view: View, metrics: Sequence[str], generated: Mapping[str, Any], store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement; see `instruments.Measuring`."""
    rows = [_sample(unit, probe, view, shown, store) for shown in generated["samples"]]
    return {"stage": "measure", "unit": unit.to_json(), "samples": rows}


def score(
    probe: Probe, tag: str, records: Sequence[Mapping[str, Any]], suite: Suite, view: View
) -> list[dict[str, Any]]:
    """Return a row for each way in which the clips were matched: these are never put into one table."""
    usual = "pairs" if probe.twin is None else "matched"
    by: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by.setdefault(record.get("matching") or usual, []).append(record)
    return [_score(probe, tag, m, by[m], view) for m in MATCHINGS if m in by] or [
        _score(probe, tag, usual, [], view)
    ]


def _score(
    probe: Probe, tag: str, matching: str, records: Sequence[Mapping[str, Any]], view: View
) -> dict[str, Any]:
    asked = [r for r in records if r["status"] != UNASKED]
    told = [r["surprise"] for r in asked if r["status"] == "ok"]
    made = row(probe, "surprise", tag, asked, Anchor(probe.key, tag, view, CHANCE, 0.0, 0))
    known = [t["localised"] for t in told if t["localised"] is not None]
    made |= {
        "matching": matching,
        "unit": "share of comparisons lost",
        "accuracy": 1 - made["error"] if made["error"] is not None else None,
        **_auroc([r for r in asked if r["status"] == "ok"]),
        "clip_mean": mean([t["clip_mean"] for t in told]),
        "clip_max": mean([t["clip_max"] for t in told]),
        "localised": mean([float(k) for k in known]),
        "localised_by_chance": mean([t["window_share"] for t in told if t["localised"] is not None]),
        "rows": _baselines([r["baselines"] for r in asked if r.get("baselines")]),
        "anchors": "chance",
        "false_alarms": None,
        "notes": _notes(told, records),
    }
    if not asked and records:
        made["reason"] = "no question could be made; see the notes"
    return made


def _pose(unit: Unit, position: int, probe: Probe, view: View) -> _Posed:
    index = unit.indices[position]
    posed = _Posed(question(probe, unit.tag, index))
    as_planned(unit, position, "question", posed.question.case_id)
    begun = time.perf_counter()
    try:
        posed.members = members(posed.question, probe, unit.tag, index, view, truth_of)
    except Refused as why:
        posed.fault, posed.refused = str(why), True
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        posed.fault, posed.refused = str(fault), True
    except Exception:
        posed.fault, posed.refused = f"the probe's clips could not be made\n{trace()}", True
    posed.making_s = time.perf_counter() - begun
    return posed


def _record(
    unit: Unit, position: int, posed: _Posed, answers: Sequence[Prediction], store: Store
) -> dict[str, Any]:
    arms = {}
    for i, (member, answer) in enumerate(zip(posed.members, answers, strict=True)):
        ok = answer.status.state == "ok"
        arms[f"clip {i + 1}"] = {
            "status": answer.status.state,
            "detail": answer.status.detail,
            "truth": store.put({"frames": member.clip.frames}),
            "prediction": store.put({"surprise": np.asarray(answer.surprise, np.float64)}) if ok else None,
            "shown": len(member.clip.frames),
            "asked": 0,
            "possible": member.possible,
            "window": list(member.window),
            "group": member.group,
        }
    spent = {"simulate": 0.0, "render": posed.making_s, "model": sum(a.seconds for a in answers)}
    return {
        "index": unit.indices[position],
        "case_id": unit.case_ids[position],
        "fault": posed.fault,
        "unasked": posed.refused,
        "matching": posed.question.matching,
        "arms": arms,
        "seconds": {k: round(v, 6) for k, v in spent.items()},
    }


def _sample(unit: Unit, probe: Probe, view: View, shown: Mapping[str, Any], store: Store) -> dict[str, Any]:
    made = blank(unit, probe, shown, shown["fault"]) | {"found": None, "arm": ""}
    made["matching"] = shown.get("matching")
    if shown.get("unasked"):
        made["status"] = UNASKED
    bad = [r for r in shown["arms"].values() if r["status"] != "ok"]
    if not shown["arms"]:
        return made
    begun = time.perf_counter()
    arms = list(shown["arms"].values())
    frames = [store.get(a["truth"])["frames"] for a in arms]
    made["baselines"] = {
        name: _compared(arms, [made_of(f) for f in frames])["error"] for name, made_of in BASELINES.items()
    }
    if bad:
        made |= {"status": bad[0]["status"], "detail": bad[0]["detail"] or "no reason was given"}
    else:
        surprises = [store.get(a["prediction"])["surprise"] for a in arms]
        if any(np.isnan(in_window(s, a["window"])) for s, a in zip(surprises, arms, strict=True)):
            made["detail"] = "the surprise is undefined on all frames of the event window"
        else:
            told = _judged(arms, frames, surprises, view)
            told["surprise"]["pair"] = [list(shown["arms"])[i] for i in told["surprise"]["pair"]]
            made |= told
    made["seconds"]["measure"] = round(time.perf_counter() - begun, 6)
    return made


def _judged(
    arms: Sequence[Mapping[str, Any]], frames: Sequence[Any], surprises: Sequence[Floats], view: View
) -> dict[str, Any]:
    told = _compared(arms, surprises)
    before, longest, pair = 0.0, -1, (0, 0)
    for i, j in _comparisons(arms):
        count = prefix(frames[i], frames[j])
        if count > longest:
            longest, pair = count, (j, i)
        before = max(before, apart_before(surprises[i], surprises[j], count))
    peaks = _peaks(arms, surprises)
    start, end = arms[0]["window"]
    facts = {
        "impossible more surprising": f"{1 - told['error']:.0%} of comparisons",
        "window": f"{start / view.fps:.2f} to {(end - 1) / view.fps:.2f} s",
        "difference is largest there": "not defined" if peaks is None else "yes" if peaks else "no",
    }
    return {
        "status": "ok",
        "detail": "",
        "measured": "ok",
        "event": 1.0,
        "error": told["error"],
        "evidence": facts,
        "surprise": plain({
            **told,
            "localised": peaks,
            # a peak can only lie where the clips differ, so chance is the window's share of those frames
            "window_share": min(1.0, (end - start) / max(1, arms[0]["shown"] - longest)),
            "before": before if np.isfinite(before) else "undefined on one of the two",
            "pair": pair,  # the possible and the impossible clip that start alike for longest
        }),
    }  # fmt: skip


def _comparisons(arms: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Return (impossible, possible) of all that are compared: within a group, each with each."""
    return [
        (i, j)
        for i, one in enumerate(arms)
        for j, other in enumerate(arms)
        if other["possible"] and not one["possible"] and one["group"] == other["group"]
    ]


def _compared(arms: Sequence[Mapping[str, Any]], surprises: Sequence[Floats]) -> dict[str, Any]:
    """Return the error of one scene by window, and the share won by the mean and maximum of whole clips."""
    window = [in_window(s, a["window"]) for s, a in zip(surprises, arms, strict=True)]
    clip = [over_clip(s) for s in surprises]
    pairs = _comparisons(arms)

    def won(scores: Sequence[float]) -> float:
        return float(np.mean([share_above([scores[i]], [scores[j]]) for i, j in pairs]))

    return {
        "error": 1 - won(window),
        "clip_mean": won([c[0] for c in clip]),
        "clip_max": won([c[1] for c in clip]),
        "possible": [w for w, a in zip(window, arms, strict=True) if a["possible"]],
        "impossible": [w for w, a in zip(window, arms, strict=True) if not a["possible"]],
    }


def _peaks(arms: Sequence[Mapping[str, Any]], surprises: Sequence[Floats]) -> bool | None:
    """Return whether the difference peaks in the window, where the clips of a scene are aligned in time."""
    first = [i for i, a in enumerate(arms) if a["group"] == arms[0]["group"]]
    if len({(tuple(arms[i]["window"]), arms[i]["shown"]) for i in first}) > 1:
        return None
    impossible = [surprises[i] for i in first if not arms[i]["possible"]]
    possible = [surprises[i] for i in first if arms[i]["possible"]]
    start, end = arms[first[0]]["window"]
    return localised(impossible, possible, (start, end))


def _auroc(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the AUROC over all clips, with its interval over cases where each has as many clips."""
    cases: dict[str, tuple[list[float], list[float]]] = {}
    for record in records:
        possible, impossible = cases.setdefault(record["case_id"], ([], []))
        possible += record["surprise"]["possible"]
        impossible += record["surprise"]["impossible"]
    one, other = ([c[side] for c in cases.values()] for side in (0, 1))
    whole: dict[str, float | None] = {"auroc": None, "auroc_lo": None, "auroc_hi": None}
    if not one or not sum(map(len, one)) or not sum(map(len, other)):
        return whole
    whole["auroc"] = share_above([s for c in other for s in c], [s for c in one for s in c])
    if len({len(c) for c in one}) == len({len(c) for c in other}) == 1:
        told = auroc(*(rounded(c).reshape(len(c), -1) for c in (one, other)))
        whole |= {"auroc_lo": told.lo, "auroc_hi": told.hi}
    return whole


def _baselines(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return what trivial cues score on the same scenes, as reference rows."""
    made = {}
    for name in BASELINES if rows else ():
        errors = [r[name] for r in rows]
        told = skill_score([1 - 2 * e for e in errors], -1.0)
        error = float(np.mean(errors))
        made[name] = {"skill": told.skill, "lo": told.lo, "hi": told.hi, "error": error, "n": told.n}
    return made


def _notes(told: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = []
    apart = [t["before"] for t in told if t["before"] != 0.0]
    if apart:
        sizes = [a for a in apart if isinstance(a, float)]
        size = f"by up to {max(sizes):.2g}" if sizes else "in where it is defined"
        notes.append(
            f"on {len(apart)} of {len(told)} scenes the surprise of frames that two clips share differs "
            f"{size}: the model draws at random or looks ahead, and part of its score may be that"
        )
    left = [r for r in records if r["status"] == UNASKED]
    if left:
        reason = str(left[0]["detail"]).splitlines()[0]
        notes.append(f"{len(left)} of {len(records)} questions could not be asked at this view: {reason}")
    return notes
