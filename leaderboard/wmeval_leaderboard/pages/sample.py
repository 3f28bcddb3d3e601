"""A sample's page: truth, prediction and another model's in step, and what was measured of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from sqlalchemy import Engine

from wmeval.report import plots, words
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail, known
from wmeval_leaderboard.board.detail import Shot
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render


def page(engine: Engine, blobs: Blobs, links: Links, number: int, beside: int | None = None) -> str:
    """Return the page of a sample, beside another one of the same case.

    Raises:
        NotHere: one of them is not here, or the two are not of one case.
    """
    with reading(engine) as session:
        shown = detail.shot(session, number)
        rivals = detail.same_case(detail.shots(session, case=shown.case_id), shown)
        of_model = detail.shots(session, submission=shown.submission, probe=shown.name)
    if beside is None:
        other = rivals[0] if rivals else None
    else:
        other = next((r for r in rivals if r.id == beside), None)
        if other is None:
            raise known.NotHere(f"sample {beside} is not of the case that sample {number} is of")
    probe, task = known.probe(shown.name), known.task(shown.name)
    asked = probe or task
    return render(
        "sample.html.j2",
        links,
        here="probes",
        shot=shown,
        other=other,
        rivals=rivals,
        others=[s for s in of_model if s.id != shown.id],
        unit="share of comparisons lost" if shown.instrument == "surprise" else asked.unit if asked else "",
        facts=[(k.replace("_", " "), words.fact(v)) for k, v in (shown.about.get("evidence") or {}).items()],
        probe=probe,
        task=task,
        player=player(links, blobs, shown, other),
    )


def player(links: Links, blobs: Blobs, shown: Shot, other: Shot | None) -> dict[str, Any] | None:
    """Return what the page's player needs, with the plot under it; None of a sample without a video."""
    told = detail.facts(blobs, shown)
    if told is None:
        return None
    rival = detail.facts(blobs, other) if other else None
    judged = "window" in told
    scene = {
        **{k: told[k] for k in ("fps", "cut", "hues", "times", "seen", "width", "height", "true_path")},
        "predicted_path": told["predicted_path"],
        "goals": told.get("goals", []),  # samples of older seasons have none
        "truth": {"src": links.media(shown.media["truth"], "png"), **told["truth"]},
        "predicted": {"src": links.media(shown.media["prediction"], "png"), **told["prediction"]},
    }
    if judged:
        scene |= {"judged": True, "window": told["window"]}
    if rival and other and not judged:
        scene["other_path"] = rival["predicted_path"]
        scene["other"] = {"src": links.media(other.media["prediction"], "png"), **rival["prediction"]}
    count, cut = told["truth"]["count"], told["cut"]
    return {
        "scene": _data({"s": scene}),
        "judged": judged,
        "three": "other" in scene,
        "frames": count,
        "width": told["width"],
        "height": told["height"],
        "poster": sum(told["window"]) // 2
        if judged
        else min(count - 1, cut + round(0.6 * (count - 1 - cut))),
        "chart": _chart(told, None if judged else rival),
    }


def _data(value: Any) -> Markup:
    """Return JSON that stands in a script block: nothing in it can end that block."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _chart(told: Mapping[str, Any], rival: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a plot over the whole clip, so that its cursor stands where the player does."""
    frames, fps, lines = told["truth"]["count"], told["fps"], told["lines"]
    if frames < 2:
        return None
    named: dict[str, Any] = {}
    if "bodies" in lines:
        named = {"own": _worst(lines["bodies"]), "rival": _worst(rival["lines"]["bodies"]) if rival else []}
        of = {"own": lines["times"], "rival": rival["lines"]["times"] if rival else []}
    else:
        named = {k: lines[k] for k in ("possible", "impossible")}
        of = dict.fromkeys(named, lines["times"])
    grid = np.arange(frames) / fps
    nothing = np.full(frames, np.nan)
    bands = {}
    for name, values in named.items():
        curve = nothing.copy()
        for at, value in zip(of[name], values, strict=True):
            index = round(at * fps)
            if value is not None and index < frames:
                curve[index] = value
        if np.isfinite(curve).any():
            bands[name] = (nothing, curve, nothing)
    if not bands:
        return None
    top = max(float(np.nanmax(curve)) for _, curve, _ in bands.values()) or 1.0
    low = min(0.0, *(float(np.nanmin(curve)) for _, curve, _ in bands.values()))
    bands = {k: (a, c - low, b) for k, (a, c, b) in bands.items()}
    window = told.get("window")
    shade = (
        tuple(100 * w / (frames - 1) for w in window)
        if window
        else (0.0, 100 * (told["cut"] - 1) / (frames - 1))
    )
    said = f"{lines['unit']}, up to {words.number(top, 2)}"
    plot = plots.curve(grid, bands, top=top - low, words=said, shade=(max(0.0, shade[0]), max(0.0, shade[1])))
    return {"plot": plot, "top": words.number(top, 2), "foot": words.number(low, 2), "unit": lines["unit"],
            "names": list(bands), "judged": bool(window)}  # fmt: skip


def _worst(bodies: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Return the farthest body at each time: a model that loses one body is not saved by another."""
    return [
        max((v for v in values if v is not None and math.isfinite(v)), default=None)
        for values in zip(*bodies, strict=True)
    ]
