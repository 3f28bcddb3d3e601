"""What a page and a terminal say of a run on one's own truth: drift, actions, surprise, reward, pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.report import plots, words
from wmeval.report.sprite import data_uri

Floats = NDArray[np.float64]
FILM = (1, 2, 4, 8, 16, 32, 64)  # frames after the context that a page shows
TICKS = (1, 16, 32, 48, 64)
DRAWN = ("freeze", "vanish", "blur")


def lead(results: Mapping[str, Any]) -> str:
    """Return the sentences that open a report on recordings."""
    own, name = results["own"], results["model"]["name"]
    truth = own["truth"]
    told = [f"{name} was asked on {_count(truth['windows'], 'window')} of {truth['source']}."]
    psnr = next((d for d in own["drift"] if d["metric"] == "psnr"), None)
    if psnr and psnr["at"]:
        first, last = psnr["at"][0], psnr["at"][-1]
        still = last["rows"].get("freeze")
        beside = f", where a frozen picture has {words.number(still)}" if still is not None else ""
        told.append(
            f"Its PSNR goes from {words.number(first['value'])} dB on the first frame to "
            f"{words.number(last['value'])} on frame {last['frame']}{beside}."
        )
    if own["actions"]["value"] is not None:
        told.append(follows(own["actions"]))
    return " ".join(told)


def follows(actions: Mapping[str, Any]) -> str:
    """Return what a delta-PSNR says, as far as its interval supports it.

    >>> follows({"value": 0.5, "lo": 0.2, "hi": 0.8})
    'It follows the actions: delta-PSNR 0.50 dB (0.20 to 0.80).'
    >>> follows({"value": 0.5, "lo": None, "hi": None, "reason": "n = 2: no interval below n = 8"})
    'Delta-PSNR 0.50 dB; n = 2: no interval below n = 8.'
    """
    value, lo = actions["value"], actions["lo"]
    if lo is None:
        return f"Delta-PSNR {words.number(value, 2)} dB; {actions['reason']}."
    between = f"({words.interval(actions)})"
    if lo > 0:
        return f"It follows the actions: delta-PSNR {words.number(value, 2)} dB {between}."
    return f"That it follows the actions is not shown: delta-PSNR {words.number(value, 2)} dB {between}."


def tables(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables of a run on recordings: {title, columns, rows, notes}, for a terminal or a page."""
    own = results["own"]
    made = [_drift_table(own["drift"])] if own["drift"] else []
    asked = [
        row
        for row in (
            _row("action following", own["actions"], "dB of delta-PSNR", "0 follows nothing"),
            _row("surprise", own["surprise"], "share of windows", "0.5 is chance"),
            *(_row(f"told: {r['name']}", r, f"share of {r['steps']} steps", "")
              for r in own["reward"]["rows"]),
        )
        if row
    ]  # fmt: skip
    if asked:
        columns = ["asked", "value", "95 %", "n", "unit", "read"]
        made.append({"title": "On recordings", "columns": columns, "rows": asked, "notes": ()})
    return made


def reasons(results: Mapping[str, Any]) -> list[str]:
    """Return why numbers are missing or to be read with care, each as a sentence."""
    own = results["own"]
    named = ("actions", "action following"), ("surprise", "surprise"), ("reward", "reward"), ("pace", "pace")
    told = [f"{name}: {own[key]['reason']}" for key, name in named if own[key].get("reason")]
    return [*own["truth"]["notes"], *told, *([cues] if (cues := _cues(own["surprise"])) else [])]


def paces(own: Mapping[str, Any]) -> str:
    """Return how fast the model goes, in a sentence, or why that is not known."""
    pace = own["pace"]
    if pace["how"] is None:
        return f"Pace: {pace['reason']}."
    unit = "one step" if pace["how"] == "steps" else "a frame of a whole clip"
    rates = ", ".join(
        f"{'keeps up' if r['kept'] else 'does not keep up'} with {r['name']}" for r in pace["real_time"]
    )
    return (
        f"Pace on this machine: {unit} takes {words.number(pace['p50_ms'])} ms (95 % within "
        f"{words.number(pace['p95_ms'])} ms, {pace['n']} timed), {words.number(pace['frames_per_s'])} frames "
        f"a second; {rates}."
    )


def section(results: Mapping[str, Any], film: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
    """Return what the template shows; `film` holds rows (name, frames by FILM) of pictures."""
    own = results["own"]
    truth = own["truth"]
    height, width = truth["recorded_size"]
    facts = [
        ("recordings", truth["source"]), ("episodes", words.number(truth["episodes"])),
        ("windows", words.number(truth["windows"])),
        ("each", f"{truth['shown']} frames shown, up to {truth['ahead']} predicted"),
        ("recorded", f"{width} × {height} px at {truth['fps']:g} frames a second"),
        ("actions", f"{truth['action_size']} number{'s' * (truth['action_size'] != 1)}, {truth['space']}"),
        ("SHA-256", truth["digest"][:16]),
    ]  # fmt: skip
    actions = own["actions"]
    return {
        "facts": facts, "notes": truth["notes"], "tables": tables(results), "pace": own["pace"],
        "reasons": [r for r in reasons(results) if r not in truth["notes"]], "paces": paces(own),
        "figures": [*map(_figure, own["drift"]), *([_following(actions)] if actions.get("curve") else [])],
        "film": _film(film), "failures": own["failures"],
    }  # fmt: skip


def _film(rows: Sequence[tuple[str, Any]]) -> dict[str, Any] | None:
    if not rows:
        return None
    count = max(len(frames) for _, frames in rows)
    heads = ["shown last", *(f"+{n}" for n in FILM)][:count]
    return {"heads": heads, "rows": [(name, [data_uri(f) for f in frames]) for name, frames in rows]}


def _figure(drift: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plot of one metric over the age of frames, with what knows nothing beside the model."""
    # noise is so far off that it would press all other lines together; the table has it
    idle = {k: _floats(v) for k, v in drift["rows"].items() if k in DRAWN}
    lines = {"model": _floats(drift["curve"]), **idle}
    lo, hi = _floats(drift["lo"]), _floats(drift["hi"])
    arrow = "higher is better" if drift["better"] == "higher" else "lower is better"
    unit = "" if drift["unit"] in ("1", "") else f"{drift['unit']}, "
    return {
        "title": drift["metric"], "unit": f"{unit}{arrow}", "key": [*idle],
        **_plot(lines, lo, hi, f"{drift['metric']} over {len(drift['curve'])} predicted frames"),
        "n": max(drift["n"]), "level": False,
    }  # fmt: skip


def _following(actions: Mapping[str, Any]) -> dict[str, Any]:
    lines = {"model": _floats(actions["curve"])}
    lo, hi = _floats(actions["curve_lo"]), _floats(actions["curve_hi"])
    made = _plot(lines, lo, hi, "delta-PSNR over the predicted frames", level=0.0)
    return {
        "title": "action following", "unit": "dB, PSNR under what was done less under another’s actions",
        "key": [], **made, "n": actions["n"], "level": True,
    }  # fmt: skip


def _plot(
    lines: Mapping[str, Floats], lo: Floats, hi: Floats, what: str, level: float | None = None
) -> dict[str, Any]:
    every = np.concatenate([*lines.values(), lo, hi, [] if level is None else [level]])
    known = every[np.isfinite(every)]
    foot, top = _round(float(known.min()), float(known.max()))
    count = len(lines["model"])
    times = np.arange(1, count + 1, dtype=np.float64)
    nothing = np.full(count, np.nan)
    # what knows nothing is drawn first, so that the model lies above it
    bands = {
        name: (nothing, v[:count] - foot, nothing)
        for name, v in lines.items() if name != "model" and len(v) >= count
    }  # fmt: skip
    bands["model"] = (lo - foot, lines["model"] - foot, hi - foot)
    last = lines["model"][np.isfinite(lines["model"])]
    told = f"{what}, from {words.number(float(last[0]))} to {words.number(float(last[-1]))}"
    span = max(count - 1, 1)
    return {
        "plot": plots.curve(
            times, bands, top=top - foot, words=told, level=None if level is None else level - foot
        ),
        "top": f"{top:g}".replace("-", "−"), "foot": f"{foot:g}".replace("-", "−"),
        "ticks": [{"at": round(100 * (t - 1) / span, 2), "text": str(t)} for t in TICKS if t <= count],
    }  # fmt: skip


def _round(low: float, high: float) -> tuple[float, float]:
    """Return round limits around values.

    >>> _round(11.2, 29.7), _round(50.0, 50.0)
    ((10.0, 30.0), (49.5, 50.5))
    """
    if high - low <= 1e-6 * max(1.0, abs(high)):
        return low - 0.5, low + 0.5  # a level line stands in the middle
    span = high - low
    step = 10.0 ** np.floor(np.log10(span))
    step = step / 2 if span / step < 3 else step
    foot, top = float(np.floor(low / step) * step), float(np.ceil(high / step) * step)
    return round(foot, 9), round(top if top > foot else foot + step, 9)


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _drift_table(drift: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ages = [a["frame"] for a in drift[0]["at"]]
    rows = []
    for one in drift:
        arrow = "↑" if one["better"] == "higher" else "↓"
        at = {a["frame"]: a for a in one["at"]}
        told = [words.number(at[a]["value"]) if a in at else words.NONE for a in ages]
        between = words.interval(one["at"][-1], 3) if one["at"] else words.NONE
        rows.append([f"{one['metric']} {arrow}", "the model", *told, between, str(max(one["n"]))])
        for name in one["rows"]:
            idle = [words.number(at[a]["rows"].get(name)) if a in at else words.NONE for a in ages]
            rows.append(["", name, *idle, "", ""])
    heads = ["metric", "of", *(f"frame {a}" for a in ages), f"95 % at {ages[-1]}" if ages else "95 %", "n"]
    return {"title": "Drift", "columns": heads, "rows": rows, "notes": ()}


def _row(name: str, told: Mapping[str, Any], unit: str, read: str) -> list[str] | None:
    if told.get("value") is None:
        return None
    cells = [words.number(told["value"]), words.interval(told), words.number(told["n"])]
    return [name, *cells, unit, read]


def _cues(surprise: Mapping[str, Any]) -> str:
    if surprise.get("value") is None:
        return ""
    told = ", ".join(f"{k} {words.number(v, 2)}" for k, v in surprise["rows"].items())
    return f"surprise is of {surprise['contrast']}; cheap cues win {told} of the same clips"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
