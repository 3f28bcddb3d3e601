"""Anchors on disk: the stored ones that ship with a suite, and local ones where none of those fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wmeval.anchor import Anchor
from wmeval.calibration import Told, calibration
from wmeval.camera import View
from wmeval.probe import Probe
from wmeval.seeds import digest
from wmeval.suite import Suite

LOCAL_N = 100  # development scenes of an anchor that a run makes for itself
OTHERS = 60  # scenes for a tag that only a gap is read from
SCHEMA = 1


def anchors(
    probe: Probe, tag: str, view: View, n: int = 1000, workers: int = 2, progress: Told | None = None
) -> Anchor:
    """Return the anchor of a probe at a tag and View from n development scenes; see `wmeval.calibration`."""
    return calibration(probe, tag, view, n, workers, progress).anchor


def view_file(view: View) -> str:
    """Return the name of the file that holds a suite's anchors at a View.

    >>> view_file(View())
    '64x64-10fps.json'
    """
    return f"{view.width}x{view.height}-{view.fps:g}fps.json"


def stored_anchor(suite: Suite, probe: Probe, tag: str, view: View) -> Anchor | None:
    """Return the anchor that ships with a suite for this probe version, tag and View, or None."""
    if suite.anchors is None:
        return None
    file = suite.anchors.joinpath(view_file(view))
    if not file.is_file():
        return None
    for entry in json.loads(file.read_text())["calibrations"]:
        anchor = Anchor.from_json(entry["anchor"])
        if (anchor.probe, anchor.tag, anchor.view) == (probe.key, tag, view):
            return replace(anchor, source="stored")
    return None


def find_anchor(suite: Suite, probe: Probe, tag: str, view: View) -> Anchor:
    """Return the stored anchor, or else one made on this machine from 100 development scenes.

    The local one is kept in the user's cache under the content of all that determines it.
    """
    from wmeval.run.truths import keep

    found = stored_anchor(suite, probe, tag, view)
    if found is not None:
        return found
    path = _local_file(probe, tag, view, suite.cases)
    try:
        return Anchor.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # absent or damaged: making it again is always right
    made = calibration(probe, tag, view, LOCAL_N, 1, tested=LOCAL_N // 4, cases=suite.cases).anchor
    keep(path, lambda file: file.write(json.dumps(made.to_json()).encode()))
    return made


def _local_file(probe: Probe, tag: str, view: View, cases: int) -> Path:
    from wmeval.run.code import defined_in, source_digest
    from wmeval.run.truths import cache_folder

    code = source_digest(
        "wmeval.world", "wmeval.perceive", "wmeval.references", "wmeval.scene", "wmeval.probe",
        "wmeval.trial", "wmeval.calibration", "wmeval.anchor",
    )  # fmt: skip
    asks = sorted({defined_in(f) for f in (probe.case, probe.event, probe.measure, probe.violate)})
    name = digest([probe.key, asks, tag, asdict(view), LOCAL_N, cases, code])
    return cache_folder() / "anchors" / f"{name}.json"


def calibrate(
    suite: Suite,
    out: Path,
    n: int = 1000,
    workers: int = 2,
    progress: Callable[[str], None] | None = None,
    *,
    view: View | None = None,
    probes: Sequence[str] = (),
    stressed: int = 12,
) -> Path:
    """Calibrate a suite's probes at its tags, write `out`/WxH-FPSfps.json and .md, and return the former.

    The suite's first tag is calibrated on `n` scenes, and on `stressed` more under disturbances and slight
    faults (0 = none); the others, which only a gap is read from, on 60.
    `probes` takes only these and keeps the others that the file holds.
    """
    from wmeval.registry import load_probe
    from wmeval.stress import stress

    at = view or View()
    target = out / view_file(at)
    kept = json.loads(target.read_text())["calibrations"] if target.is_file() else []
    for name in probes or suite.probes:
        probe = load_probe(name)
        for tag in (t for t in suite.tags if t in probe.tags):

            def tell(done: int, total: int, what: str = f"{probe.key} {tag}") -> None:
                if progress is not None:
                    progress(f"{what}: {done} of {total} scenes")

            first = tag == suite.tags[0]
            count = n if first else min(n, OTHERS)
            made = calibration(
                probe, tag, at, count, workers, tell,
                tested=max(12, min(count // 8, 60)), cases=suite.cases if first else min(suite.cases, 16),
            )  # fmt: skip
            if first and stressed:
                begin = count + made.tested
                seen = stress(probe, made.anchor, begin, stressed, workers, tell)
                made = replace(made, stress=seen)
            made = replace(made, anchor=replace(made.anchor, source="stored"))
            kept = [
                c for c in kept if (c["anchor"]["probe"].partition("@")[0], c["anchor"]["tag"]) != (name, tag)
            ]
            kept.append(made.to_json())
            out.mkdir(parents=True, exist_ok=True)
            target.write_text(
                json.dumps({"schema": SCHEMA, "suite": suite.key, "calibrations": kept}, indent=1)
            )
            target.with_suffix(".md").write_text(table(kept))
    return target


def table(calibrations: Sequence[Mapping[str, Any]]) -> str:
    """Return the calibrations, as `Calibration.to_json` gives them, as a Markdown page."""
    lines = []
    for c in calibrations:
        a = c["anchor"]
        lines += [
            f"## {a['probe']}, {a['tag']}, {a['view']['width']} px, {a['view']['fps']:g} fps",
            "",
            f"null {a['null']:.4f}, ceiling {a['ceiling']:.4f} from {a['n']} development scenes; oracle "
            f"median {c['oracle']['median']:.4f}, p90 {c['oracle']['p90']:.4f}, "
            f"worst {c['oracle']['worst']:.4f}; false alarms {a['false_alarms']:.3f}; smallest violation "
            f"seen {'none' if a['detectable'] is None else format(a['detectable'], 'g')}; "
            f"{c['tested']} scenes a strength.",
            "",
            "| strength | detected | AUROC | mean error |",
            "|---:|---:|---:|---:|",
            *(
                f"| {g['strength']:g} | {g['detected']:.2f} | {g['auroc']:.3f} | {g['error']:.3f} |"
                for g in c["curve"]
            ),
            "",
            "| reference | skill | 95 % interval | error | found | n |",
            "|---|---:|---:|---:|---:|---:|",
            *(
                f"| {name} | {_cell(r['skill'])} | {_cell(r['lo'])} to {_cell(r['hi'])} "
                f"| {_cell(r['error'])} | {_cell(r['found'])} | {r['n']} |"
                for name, r in a["rows"].items()
            ),
            "",
        ]
    return "\n".join(["# Calibration", "", *lines])


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
