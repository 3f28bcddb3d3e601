"""What the instruments see, and what they take for something else: docs/instruments.md, by command.

    python benchmarks/instruments.py matrix   every organism on every probe, through `wmeval run`
    python benchmarks/instruments.py audit    what cheap cues make of every surprise question
    python benchmarks/instruments.py page     the page, from these two and from the suite's calibration

`--n` sets the cases or questions of each; what is already there for one organism or probe is kept unless it
is asked `--again`. Calibration itself is `wmeval calibrate --suite core --out FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from instruments_page import page

import wmeval
from wmeval.audit import audit
from wmeval.camera import View
from wmeval.organisms import ORGANISMS
from wmeval.registry import load_probe, load_suite

OUT = Path(__file__).parents[1] / "docs" / "instruments"
WEAKER = ("low-gravity=0.7", "slow-motion=0.5", "forgetful=1")


def ask(organism: str, n: int, probes: list[str]) -> dict[str, Any]:
    """Return {probe: {skill, lo, hi, error, implied}} of an organism, asked like any model."""
    with tempfile.TemporaryDirectory() as folder:
        run = wmeval.run(
            organism if organism == "oracle" else f"organism:{organism}",
            "matrix", probes=probes, limit=n, out=Path(folder) / "run",
        )  # fmt: skip
        told = run.results
        rows: dict[str, Any] = {}
        for score in told["scores"]:
            name = score["probe"].partition("@")[0]
            rows[name] = {k: score[k] for k in ("skill", "lo", "hi", "error", "found", "n", "reason")}
            rows[name]["ms_per_frame"] = _cost(run, score["probe"])
            rows[name]["implied"] = [
                {k: i.get(k) for k in ("name", "value", "lo", "hi", "n")}
                for i in told["implied"]
                if i["probe"] == score["probe"]
            ]
        return rows


def _cost(run: wmeval.Run, probe: str) -> float:
    """Return the milliseconds of one core that perceiving and measuring take for a predicted frame."""
    records = [r for r in run.records() if r["probe"] == probe]
    frames = sum(arm["asked"] for r in records for arm in r["arms"].values())
    spent: float = sum(r["seconds"]["perceive"] + r["seconds"]["measure"] for r in records)
    return 1000 * spent / float(frames)


def matrix(n: int, again: bool, only: list[str], probes: list[str]) -> None:
    """Ask every organism every probe, keeping what is there."""
    path = OUT / "matrix.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"n": n, "rows": {}}
    for name in only or ["oracle", *ORGANISMS, *WEAKER]:
        row: dict[str, Any] = kept["rows"].get(name, {})
        todo = [p for p in probes if again or p not in row]
        if todo:
            row = kept["rows"][name] = row | ask(name, n, todo)
            _write(path, kept)
        told = {p: r["skill"] if r["skill"] is None else round(r["skill"], 2) for p, r in row.items()}
        print(name, told, flush=True)


def audits(n: int, again: bool, probes: list[str]) -> None:
    """Let cheap cues answer the surprise questions of every probe, keeping what is there."""
    path = OUT / "audit.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in probes:
        if name in kept and not again:
            continue
        told = audit(load_probe(name), "iid", View(), n)
        kept[name] = {
            "matching": told.matching, "n": told.n, "ok": told.ok, "sentence": told.sentence,
            "cues": {c: [i.mean, i.lo, i.hi] for c, i in told.cues.items()},
        }  # fmt: skip
        _write(path, kept)
        print(name, told.sentence)


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def main() -> None:
    """Do one of the three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("matrix", "audit", "page"))
    parser.add_argument("--n", type=int)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--organism", action="append", default=[])
    parser.add_argument("--probe", action="append", default=[])
    asked = parser.parse_args()
    probes = asked.probe or list(load_suite("core").probes)
    if asked.what == "matrix":
        matrix(asked.n or 16, asked.again, asked.organism, probes)
    elif asked.what == "audit":
        audits(asked.n or 40, asked.again, probes)
    else:
        print(page(OUT, probes))


if __name__ == "__main__":
    main()
