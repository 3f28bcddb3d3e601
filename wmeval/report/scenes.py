"""The part of a page on one probe: how its errors spread, and the scenes behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wmeval.report import plots, words
from wmeval.report.curves import drift
from wmeval.report.sample import Key, Sample, telling
from wmeval.report.traces import trace, typical
from wmeval.report.videos import Videos, scene_id
from wmeval.run.instruments import PLANNING

if TYPE_CHECKING:
    from wmeval.report.sections import About

Groups = Mapping[Key, Sequence[Sample]]


def probe_sections(
    results: Mapping[str, Any], groups: Groups, videos: Videos, about: About
) -> list[dict[str, Any]]:
    """Return one section a probe, in the order of the scores; one group an instrument and tag."""
    scores = results["scores"]
    return [
        {
            "key": key,
            "summary": about.summaries.get(key, ""),
            "groups": [
                _group(s, groups.get(_key(s), ()), videos, _worst(s, about))
                for s in scores
                if s["probe"] == key
            ],
        }
        for key in dict.fromkeys(s["probe"] for s in scores)
    ]


def planned_scenes(
    results: Mapping[str, Any], groups: Groups, videos: Videos
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return, by task, the telling problems: what came of what was picked or done, and what was foreseen."""
    out: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for (key, instrument, tag, _), samples in groups.items():
        unit = {"choose": "regret", "control": "cost at the end"}.get(instrument)
        if unit is None:
            continue
        for name, sample in telling(samples).items():
            title = f"{name.capitalize()} {'choice' if instrument == 'choose' else 'episode'}"
            title += f", {tag}" if tag != "iid" else ""
            scene = _scene(sample, {"unit": unit}, len(samples), videos)
            out.setdefault(key, []).append((title, scene))
    return out


def _key(score: Mapping[str, Any]) -> Key:
    return (score["probe"], score["instrument"], score["tag"], score.get("matching") or "")


def _worst(score: Mapping[str, Any], about: About) -> float | None:
    return 1.0 if score.get("matching") else about.worst.get(score["probe"])


def _group(
    score: Mapping[str, Any], samples: Sequence[Sample], videos: Videos, worst: float | None
) -> dict[str, Any]:
    errors = [(s.error, s.failed, scene_id(s)) for s in samples if math.isfinite(s.error)]
    null, ceiling = score.get("null"), score.get("ceiling")
    top = worst or max([e for e, _, _ in errors] + [null or 0.0, 1e-9])
    shown = telling(samples)
    rest = [s for s in samples if not any(s is t for t in shown.values())]
    return {
        "instrument": score["instrument"],
        "matching": score.get("matching") or "",
        "trace": typical(samples),
        "tag": score["tag"],
        "verdict": words.verdict(score),
        "unit": score["unit"],
        "cases": len(samples),
        "failed": sum(s.failed for s in samples),
        "dots": plots.distribution(errors, worst=top, null=null, ceiling=ceiling),
        "ticks": _ticks(top, null, ceiling),
        "curve": drift(samples),
        "telling": [(name.capitalize(), _scene(s, score, len(samples), videos)) for name, s in shown.items()],
        "rest": [_scene(s, score, len(samples), videos) for s in rest],
    }


def _scene(sample: Sample, score: Mapping[str, Any], of: int, videos: Videos) -> dict[str, Any]:
    key = scene_id(sample)
    embedded = videos.scenes.get(key)
    facts = [(k.replace("_", " "), words.fact(v)) for k, v in sample.evidence.items()]
    plans = sample.instrument in PLANNING
    seen = [] if sample.judged or plans else [("what was asked about arose", words.percent(sample.event))]
    arm = [("arm", sample.arm)] if sample.arm != "main" and sample.instrument not in PLANNING else []
    view: dict[str, Any] = {
        "id": key, "case": sample.case_id, "of": of, "error": sample.error, "unit": score["unit"],
        "failed": sample.failed, "why": sample.why, "caption": sample.caption,
        "reproduce": sample.reproduce, "motion": bool(embedded), "evidence": [*arm, *seen, *facts],
        "trace": None, "labels": ("true", "predicted"), "judged": sample.judged is not None,
        "no_video": "This sample has no video." if not sample.shown
        else "Its video was left out to keep this page small; the run folder holds it.",
    }  # fmt: skip
    if plans:
        view |= {"labels": ("what came of it", "predicted")}
    if sample.judged:
        view |= {"labels": ("possible", "impossible"), "trace": trace(sample.judged)}
    if embedded:
        count, cut = embedded["truth"]["count"], embedded.get("window", [embedded["cut"]])[0]
        view |= {
            "frames": count,
            "width": embedded["width"],
            "height": embedded["height"],
            # a still of the later part says most to those who do not press play
            "poster": sum(embedded["window"]) // 2
            if sample.judged
            else min(count - 1, cut + round(0.6 * (count - 1 - cut))),
            "words": f"Error {words.number(sample.error)} {score['unit']}.",
        }
    return view


def _ticks(top: float, null: float | None, ceiling: float | None) -> list[dict[str, Any]]:
    named = [("ceiling", ceiling), ("null", null)]
    rows: list[dict[str, Any]] = [{"at": 98.75, "text": f"worst {top:g}", "kind": "end"}]
    for name, value in named:
        if value is not None:
            where = plots.share(value, top)
            side = " start" if where < 12 else " end" if where > 88 else ""
            rows.append({"at": where, "text": f"{name} {words.number(value, 2)}", "kind": f"second{side}"})
    if len(rows) == 3 and abs(rows[1]["at"] - rows[2]["at"]) < 24:
        rows[1]["kind"] = rows[1]["kind"].replace("second", "third")
    return rows
