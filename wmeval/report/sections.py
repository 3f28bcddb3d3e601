"""What the parts of a page say that come from results.json alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wmeval.report import plots, words
from wmeval.report.videos import anchor

MANY = 10_000  # frames of context that stand for any number
SPEED = {
    "frames_per_s": ("frames a second in the model", ""),
    "ms_per_frame": ("a frame", " ms"),
    "frames": ("frames predicted", ""),
    "load_s": ("to load the model", " s"),
    "workers": ("workers", ""),
    "threads": ("threads each", ""),
}
ORDER = ("oracle", "linear", "blur", "freeze", "vanish", "noise")


@dataclass(frozen=True)
class About:
    """What a page says beside scores and samples."""

    version: str
    made: str = ""  # a date
    summaries: Mapping[str, str] = field(default_factory=dict)  # probe -> what it asks
    worst: Mapping[str, float] = field(default_factory=dict)  # probe -> the largest error there is
    provenance: Sequence[tuple[str, str]] = ()


def badges(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the labels of a run: what may be compared with what, and what is not whole."""
    model = results["card"]
    context, training = model["classes"]
    rows = [
        {"text": f"context: {context}", "why": "models that see different things are never ranked together"},
        {
            "text": f"training: {training}",
            "why": "models trained on different data are never ranked together",
        },
    ]
    if model.get("reference"):
        rows.insert(0, {"text": "reference", "kind": "warn", "why": "the truth or a null, not a model"})
    if own := results.get("own"):
        rows.append({"text": "own truth", "why": "recordings in place of scenes; never ranked with scenes"})
        if any(note.startswith("WARNING") for note in own["truth"]["notes"]):
            rows.append({"text": "another frame rate", "kind": "warn", "why": "than the model expects"})
    if results.get("partial"):
        rows.append({"text": "partial", "kind": "warn", "why": "fewer cases than the suite holds"})
    if not results.get("complete", True):
        rows.append({"text": "not complete", "kind": "bad", "why": "the run had not finished"})
    if any(s.get("anchors") == "local" for s in results["scores"]):
        rows.append(
            {"text": "local anchors", "kind": "warn", "why": "null and ceiling were measured on this machine"}
        )
    if (
        failed := results["failed"]
        if own
        else sum(s["failed"] for s in (*results["scores"], *(results.get("planning") or ())))
    ):
        rows.append({"text": f"{failed} failed", "kind": "bad", "why": "counted as the worst error"})
    return [{"kind": "", "why": "", **row} for row in rows]


def card(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the model says of itself, as terms and values."""
    model = results["card"]
    view, actions = model["view"], model["actions"]
    few, many = model["context"]
    size = model.get("parameters")
    most = f"to {many} " if many < MANY else "or more "
    rows = [
        ("family", f"{model['family']}, version {model['version']}"),
        ("parameters", f"{size / 1e6:.3g} million" if size else ""),
        ("sees", f"{view['width']} × {view['height']} px at {view['fps']:g} frames a second"),
        ("context", f"{few} {most if few != many else ''}frames"),
        ("predicts", f"up to {model['horizon']} frames" if model["horizon"] else "any number of frames"),
        (
            "actions",
            actions["kind"] if actions["kind"] == "none" else f"{actions['kind']}, {actions['fidelity']}",
        ),
        ("can", ", ".join(sorted(model["capabilities"]))),
        ("same seed, same bytes", "yes" if model["deterministic"] else "no"),
        ("licence", model["licence"]),
        ("source", model["source"]),
    ]
    return [(term, value) for term, value in rows if value]


def contents(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the anchors and titles of the parts that the page has."""
    parts = [("profile", "Profile")] if results["scores"] or not results.get("planning") else []
    if own := results.get("own"):
        parts = [
            ("own", "On its own truth"),
            *([("drift", "Drift")] if own["drift"] else []),
            ("pace", "Pace"),
        ]
    for name, title in (
        ("implied", "Implied physics"),
        ("fidelity", "Fidelity"),
        ("planning", "Planning"),
        ("speed", "Speed"),
    ):
        if results.get(name):
            parts.append((name, title))
    for key in dict.fromkeys(s["probe"] for s in results["scores"]):
        parts.append((anchor(key), key.partition("@")[0]))
    parts.append(("failures", "Failures"))
    if results.get("na"):
        parts.append(("na", "Not applicable"))
    return [*parts, ("method", "How to read this")]


def not_asked(na: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return what was not asked and why, each reason once with the probes that it holds for."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for row in na:
        key = str(row.get("instrument") or ""), str(row.get("tag") or ""), str(row["reason"])
        told.setdefault(key, []).append(str(row["probe"]).partition("@")[0])
    return [
        (", ".join(dict.fromkeys(probes)) + "".join(f", {x}" for x in (instrument, tag) if x), reason)
        for (instrument, tag, reason), probes in told.items()
    ]


def implied(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the physical quantities as this model has them, with what they are in truth."""
    return [
        {
            "name": str(q["name"]).replace("_", " "),
            "probe": str(q.get("probe", "")),
            "value": _quantity(q),
            "truth": words.fact(q.get("truth")),
            "n": words.number(q.get("n")),
        }
        for q in rows
    ]


def fidelity(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the table of fidelity: one row a metric and tag, one column a reference that has it."""
    named = {name for row in rows for name in row.get("rows") or {}}
    columns = [n for n in ORDER if n in named] + sorted(named - set(ORDER))
    return {
        "references": columns,
        "rows": [
            {
                "name": row["metric"],
                "tag": row.get("tag", ""),
                "better": row.get("better", ""),
                "value": words.number(row["value"]),
                "unit": "" if row.get("unit") in (None, "1") else row["unit"],
                "interval": words.interval(row, 3),
                "n": words.number(row.get("n")),
                "curve": plots.spark(row.get("curve") or []),
                "references": [words.number(_value((row.get("rows") or {}).get(c))) for c in columns],
                "reason": row.get("reason") or "",
            }
            for row in rows
        ],
    }


def speed(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how the wall time was spent, inside the model and outside it, and every other figure."""
    if not facts:
        return None
    wall, outside = facts.get("wall_s") or 0.0, facts.get("outside_s") or 0.0
    share = round(100 * (wall - outside) / wall, 1) if wall else None
    rows = [(name, facts.get(key), unit) for key, (name, unit) in SPEED.items()]
    told = [(name, words.number(value) + unit) for name, value, unit in rows if value is not None]
    stages = facts.get("stages") or {}
    told += [(f"to {k}, all workers", f"{words.number(v)} s") for k, v in stages.items() if k != "model"]
    return {
        "share": share,
        "inside": f"{words.number(wall - outside)} s",
        "outside": f"{words.number(outside)} s",
        "words": f"{words.number(share)} % of the time was spent inside the model",
        "facts": told,
    }


def anchors(results: Mapping[str, Any]) -> str:
    """Return where null and ceiling come from, and what that allows."""
    sources = {s.get("anchors") for s in results["scores"]}
    if sources == {"stored"}:
        return "Null and ceiling are the stored ones of the suite, measured before any model was seen."
    if "local" in sources:
        return (
            "Null and ceiling of some rows were measured on this machine on few development scenes, since "
            "none are stored for this view. Such rows are good to learn from and cannot be submitted."
        )
    return "No null and ceiling are known for this run."


def references(rows: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return reference rows in their one order: the truth first, noise last."""
    return sorted(rows.items(), key=lambda r: (ORDER.index(r[0]) if r[0] in ORDER else len(ORDER), r[0]))


def _quantity(q: Mapping[str, Any]) -> str:
    unit = f" {q['unit']}" if q.get("unit") else ""
    if q.get("value") is None:
        return f"{words.NONE} ({q.get('reason') or 'could not be measured'})"
    spread = f" ± {words.number(q['sigma'], 2)}" if q.get("sigma") is not None else ""
    if not spread and q.get("lo") is not None:
        spread = f" ({words.interval(q)})"
    return f"{words.number(q['value'])}{spread}{unit}"


def _value(cell: Any) -> Any:
    return cell.get("value") if isinstance(cell, Mapping) else cell
