"""The page on instruments, put together from what was measured: nothing on it is typed in."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import curves
from figures import matrix as coloured

from wmeval.calibration import REFERENCE_ROWS
from wmeval.organisms import ORGANISMS
from wmeval.probe import Probe
from wmeval.registry import load_probe, load_suite
from wmeval_probes.organisms import EXPECTED, OTHERS_ABOVE, OWN_BELOW

Row = Mapping[str, Any]
SEEN, QUIET = 0.95, 0.05  # AUROC that a violation must reach, and false alarms that are allowed


def page(folder: Path, names: Sequence[str]) -> Path:
    """Write the page and its figures and return its path."""
    probes = {name: load_probe(name) for name in names}
    anchors = load_suite("core").anchors
    assert anchors is not None
    stored = json.loads(anchors.joinpath("64x64-10fps.json").read_text())["calibrations"]
    made = {c["anchor"]["probe"].partition("@")[0]: c for c in stored if c["anchor"]["tag"] == "iid"}
    made = {name: made[name] for name in names if name in made}
    rows = _read(folder / "matrix.json").get("rows", {})
    audited = _read(folder / "audit.json")
    (folder / "curves.svg").write_text(curves(list(made.values())))
    lines = [
        "# What the instruments see",
        "",
        *_say(
            "Every number on this page is made by `wmeval calibrate --suite core --out FOLDER` and by",
            "`python benchmarks/instruments.py matrix`, `audit` and `page`, at 64 x 64 px and 10 frames a",
            "second.",
        ),
        *_concepts(probes, made, audited),
        *_detection(made, probes),
        *_disturbed(made),
        *_cross(made, folder),
        *_organisms(rows, list(names), folder),
        *_implied(rows),
        *_costs(rows.get("oracle", {})),
        *_audits(audited),
    ]
    target = folder.parent / "instruments.md"
    target.write_text("\n".join(lines))
    return target


def _concepts(probes: Mapping[str, Probe], made: Mapping[str, Row], audited: Mapping[str, Row]) -> list[str]:
    def asked(name: str, probe: Probe) -> list[str]:
        told = audited.get(name)
        surprise = "no clips" if told is None else told["matching"]
        if told is not None and not told["ok"]:
            surprise += ", not clean"
        quiet = "yes" if "control" in probe.tags else "no"
        return [
            name,
            probe.summary,
            "yes" if name in made else "no",
            "where its readout passes",
            surprise,
            quiet,
        ]

    head = ("concept", "question", "rollout", "imagination", "surprise", "control scenes")
    return [
        "## Concepts and instruments",
        "",
        *_say(
            "Rollout reads what a model generates. Imagination reads its latents through a frozen linear",
            "readout, and is asked only where the encoded truth passes the probe's own calibration for that",
            "model; whether it does is told with its numbers in each run. Surprise is asked with exactly",
            "matched clips, or with pairs where those cannot be made (then cheap cues are printed beside).",
        ),
        *_table(head, [asked(n, p) for n, p in probes.items()]),
    ]


def _detection(made: Mapping[str, Row], probes: Mapping[str, Probe]) -> list[str]:
    rows = []
    for name, c in made.items():
        a, probe = c["anchor"], probes[name]
        must = next((g for g in c["curve"] if g["strength"] == probe.must_see), None)
        errors = [g["error"] for g in sorted(c["curve"], key=lambda g: g["strength"])]
        rows.append([
            name, f"{probe.must_see:g}" if probe.must_see is not None else "-", probe.strength_unit,
            "-" if must is None else _flag(f"{must['auroc']:.3f}", must["auroc"] >= SEEN),
            _flag(f"{a['false_alarms']:.3f}", a["false_alarms"] <= QUIET), str(a["n"]),
            "-" if a["detectable"] is None else f"{a['detectable']:g}",
            "yes" if errors == sorted(errors) else "**no**", f"{a['null']:.3f}", f"{a['ceiling']:.4f}",
            *(f"{a['rows'][r]['skill']:.2f}" for r in REFERENCE_ROWS),
        ])  # fmt: skip
    head = (
        "concept", "must see", "in", "AUROC there", "false alarms", "of", "smallest seen", "monotone", "null",
        "ceiling", *REFERENCE_ROWS,
    )  # fmt: skip
    return [
        "## Violations that must be seen",
        "",
        "![Share of violations seen over their strength](instruments/curves.svg)",
        "",
        *_say(
            "The first point of a curve is the share of clean truths that raise an alarm; the dashed",
            f"strength must be told from clean truths with an AUROC of {SEEN}. False alarms are of clean",
            "development scenes, each judged by a threshold that the other half sets. What misses its mark",
            "is in bold.",
        ),
        *_table(head, rows),
    ]


def _disturbed(made: Mapping[str, Row]) -> list[str]:
    told = {name: c["stress"]["disturbed"] for name, c in made.items() if c["stress"]}
    if not told:
        return []
    first = next(iter(told.values()))
    head = ("concept", *(f"{d['name']} {d['amount']:g}" for d in first))
    rows = [
        [name, *(
            _flag(f"{d['auroc']:.2f} / {d['false_alarms']:.2f}",
                  d["auroc"] >= SEEN and d["false_alarms"] <= 2 * QUIET) for d in rows
        )]
        for name, rows in told.items()
    ]  # fmt: skip
    scenes = sorted({c["stress"]["n"] for c in made.values() if c["stress"]})
    units = ", ".join(dict.fromkeys(f"{d['name']} in {d['unit']}" for d in first))
    return [
        "## Under disturbances",
        "",
        *_say(
            "AUROC of the violation that must be seen, and false alarms, when predicted frames are disturbed",
            f"({units}; {' or '.join(map(str, scenes))} scenes each).",
            f"In bold where the AUROC is below {SEEN} or more than {2 * QUIET}",
            "raise an alarm.",
        ),
        *_table(head, rows),
    ]


def _cross(made: Mapping[str, Row], folder: Path) -> list[str]:
    told = {name: c["stress"]["cross"] for name, c in made.items() if c["stress"]}
    if not told:
        return []
    faults = list(dict.fromkeys(f for row in told.values() for f in row))
    cells = {_fault(f): {n: 1 - row[f] if f in row else None for n, row in told.items()} for f in faults}
    own = {_fault(f): EXPECTED[_bare(f)].own for f in faults}
    words = "Share of scenes that raise no alarm, by slight fault and concept"
    (folder / "cross-talk.svg").write_text(coloured(cells, own, words=words))
    return [
        "## What else they see",
        "",
        *_say(
            "Slight faults, about as large as the violation that must be seen, on every concept's scenes:",
            "the share of scenes that raise no alarm. Dark = seen; framed = the concept that the fault",
            "breaks.",
        ),
        "![Share of scenes without an alarm, by slight fault and concept](instruments/cross-talk.svg)",
        "",
    ]


def _organisms(rows: Mapping[str, Row], names: list[str], folder: Path) -> list[str]:
    cells = {
        o: {p: (rows[o].get(p) or {}).get("skill") for p in names}
        for o in ("oracle", *ORGANISMS)
        if o in rows
    }
    if not cells:
        return []
    words = "Skill by organism and concept"
    own = {o: e.own for o, e in EXPECTED.items()}
    (folder / "matrix.svg").write_text(coloured(cells, own, words=words))
    wrong, reasons = [], []
    for o, row in cells.items():
        for p, skill in row.items():
            if o == "oracle" or skill is None:
                continue
            expected = EXPECTED[o]
            if p in expected.own and skill >= OWN_BELOW:
                wrong.append(f"{o} should fail {p} and has {skill:.2f}")
            elif p in expected.lawful and skill <= OTHERS_ABOVE:
                reasons.append([o, p, f"{skill:.2f}", expected.lawful[p]])
            elif p not in expected.own and skill <= OTHERS_ABOVE:
                wrong.append(f"{o} should not mind {p} and has {skill:.2f}")
    n = next((r["n"] for r in rows["low-gravity"].values()), 0) if "low-gravity" in rows else 0
    verdict = "; ".join(wrong) if wrong else "the matrix is diagonal but for the exceptions below"
    return [
        "## Organisms",
        "",
        *_say(
            f"The truth with one fault, asked through `wmeval run` like a model, {n} cases a cell: skill.",
            f"Framed cells are the fault's own and must be below {OWN_BELOW}; all others must be above",
            f"{OTHERS_ABOVE}, except where the concept's own scenes rest on the broken law. Found:",
            f"{verdict}.",
        ),
        "![Skill by organism and concept](instruments/matrix.svg)",
        "",
        *_table(("fault", "concept", "skill", "why it may"), reasons),
    ]


def _implied(rows: Mapping[str, Row]) -> list[str]:
    told = []
    for name, row in rows.items():
        for probe in EXPECTED[_bare(name)].own if name != "oracle" else ():
            cell = row.get(probe) or {}
            for i in cell.get("implied", ()):
                value = "-" if i["value"] is None else f"{i['value']:.2f}"
                span = "" if i["lo"] is None or i["hi"] is None else f"{i['lo']:.2f} to {i['hi']:.2f}"
                told.append([name, probe, _score(cell), str(cell["n"]), i["name"], value, span])
    return [
        "## Faults read back",
        "",
        *_say(
            "What a fault does to physical quantities, as the instrument reads them from the pictures; rows",
            "of 64 cases by `python benchmarks/instruments.py matrix --again --n 64 --organism FAULT",
            "--probe CONCEPT`.",
        ),
        *_table(("fault", "concept", "skill", "cases", "quantity", "value", "95 % interval"), told),
    ]


def _costs(row: Mapping[str, Row]) -> list[str]:
    if not row:
        return []
    told = [[name, f"{cell['ms_per_frame']:.1f}"] for name, cell in row.items()]
    mean = sum(cell["ms_per_frame"] for cell in row.values()) / len(row)
    return [
        "## What they cost",
        "",
        *_say(
            f"Perceiving and measuring take {mean:.1f} ms of one core for a predicted frame, over all",
            "concepts; by concept:",
        ),
        *_table(("concept", "ms a frame"), told),
    ]


def _audits(audited: Mapping[str, Row]) -> list[str]:
    out = []
    for title, kinds in (
        ("Cheap cues on matched clips", ("matched",)),
        ("Cheap cues on clips played backwards", ("reversal",)),
        ("Cheap cues on pairs", ("pairs",)),
    ):
        rows = {name: a for name, a in audited.items() if a["matching"] in kinds}
        if not rows:
            continue
        cues = list(next(iter(rows.values()))["cues"])
        told = [
            [n, str(a["n"]), *(f"{v[0]:.2f} ({v[1]:.2f}-{v[2]:.2f})" for v in a["cues"].values()),
             "yes" if a["ok"] else f"**no**: {a['sentence'].partition('; ')[2]}"]
            for n, a in rows.items()
        ]  # fmt: skip
        out += [f"## {title}", "", *_table(("concept", "n", *cues, "clean"), told)]
    return out


def _say(*words: str) -> list[str]:
    return [*textwrap.wrap(" ".join(words), 110), ""]


def _score(cell: Row) -> str:
    if cell.get("skill") is None:
        return "-"
    span = "" if cell["lo"] is None else f" ({cell['lo']:.2f}-{cell['hi']:.2f})"
    return f"{cell['skill']:.2f}{span}"


def _fault(name: str) -> str:
    return name.removeprefix("organism:")


def _bare(name: str) -> str:
    return _fault(name).partition("=")[0]


def _flag(text: str, good: bool) -> str:
    return text if good else f"**{text}**"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    heads = list(head)
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return told
