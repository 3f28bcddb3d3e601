"""What our own models are worth: one table, by one command.

    python benchmarks/models.py run     --out RUNS [--only jepa]   every model and null on survey@0.2
    python benchmarks/models.py choose  --out RUNS [--only jepa]   its choices alone, where those are new
    python benchmarks/models.py control --out RUNS [--only jepa]   closed-loop control, 8 episodes a task
    python benchmarks/models.py beyond  --out RUNS [--only jepa]   models at speeds beyond the training split
    python benchmarks/models.py page    --out RUNS                 tables of concepts, into docs/results.md
    python benchmarks/models.py plans   --out RUNS                 and those of choice and control

Runs continue where they stopped, and each is `wmeval run --model NAME --suite survey`. Nulls are compared by
how frames look on the bodies (body-psnr), paired on the same iid clips. Skills have null and ceiling from
the suite's anchors, or for imagination from the own encoder and readout. All intervals are of 95 %.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import planning_tables as plans

import wmeval
from wmeval.report.compare import Answers, answers
from wmeval.run import Run
from wmeval.run.instruments import PLANNING
from wmeval.stats import bounded_mean, paired_difference
from wmeval.suite import Instrument

OWN: dict[str, Instrument] = {
    "genie": "rollout", "diamond": "rollout", "dreamer": "rollout", "jepa": "imagination",
}  # fmt: skip
MODELS = tuple(OWN)
NULLS = plans.NULLS
ACTING = Path(__file__).with_name("acting_suite.py")
BEYOND = Path(__file__).with_name("beyond_suite.py")
VISIBLE = 0.005  # a skill that reads 0.00 is none
PAGE = Path(__file__).parents[1] / "docs" / "results.md"


def run(out: Path, only: Sequence[str]) -> None:
    """Ask every model and null, and say which."""
    for model in only or (*NULLS, *MODELS):
        print(model, flush=True)
        wmeval.run(model, "survey", out=out / model)


def control(out: Path, only: Sequence[str]) -> None:
    """Let every model act in closed loop, at one small budget."""
    for model in only or MODELS:
        print(model, flush=True)
        wmeval.run(model, str(ACTING), out=out / f"{model}-control")


def choose(out: Path, only: Sequence[str]) -> None:
    """Let every model and null choose; `plans` takes these choices rather than those of `run`."""
    for model in only or (*NULLS, *MODELS):
        print(model, flush=True)
        wmeval.run(model, "survey", instruments=("choose",), out=out / f"{model}-choose")


def beyond(out: Path, only: Sequence[str]) -> None:
    """Ask every model by its own instrument at ood speeds."""
    for model in only or MODELS:
        print(model, flush=True)
        wmeval.run(model, str(BEYOND), instruments=(OWN[model],), out=out / f"{model}-beyond")


def page(out: Path) -> str:
    """Return the tables in Markdown of what is in the folder."""
    runs = _finished(out, (*NULLS, *MODELS))
    models = [m for m in MODELS if m in runs]
    said = {name: answers(r) for name, r in runs.items()}
    far = {m: answers(r) for m, r in _finished(out, models, "-beyond").items()}
    parts = [
        "Body-PSNR [dB] on the iid clips of the rollout probes, paired with each null (higher is better):",
        _table(["", *NULLS], [_against(m, said) for m in models if _draws(runs[m])]),
        "Skill per concept on iid scenes, by rollout where a model draws frames and by imagination where it "
        "only has latents; **bold** where the interval excludes 0, – where it does not apply (`results.json` "
        "has the reason):",
        _table(["concept", *models], _skills(models, runs)),
        _table(["", *models], _summary(models, runs, said, far)),
        "Surprise: share of comparisons that the possible clip wins (chance .50). Matched twins; in brackets "
        "what is not exactly matched (reversals, and pairs that trivial cues may tell apart):",
        _table(["concept", *models], _surprises(models, runs)),
    ]
    return "\n\n".join(parts)


def planning(out: Path) -> str:
    """Return the tables of choice and control in Markdown of what is in the folder."""
    chose = _finished(out, (*NULLS, *MODELS), "-choose") or _finished(out, (*NULLS, *MODELS))
    acting = {m: r.results for m, r in _finished(out, MODELS, "-control").items()}
    parts = [
        "Choosing one of several interventions by what the model says will come of them: success of the "
        "first choice (the simulator's always succeeds), skill over chance (**bold** where it stays above 0 "
        "when all rows are asked about at once), tau of the order of all:",
        _table(plans.HEAD_CHOOSE, plans.choices(chose)),
        "Control, closed loop with iCEM, 16 candidates a round, 8 episodes: success at the end, by who "
        "predicts and what is minimised; rank correlates predicted with true costs over the candidates:",
        _table(plans.HEAD_CONTROL, plans.control(acting)),
    ]
    return "\n\n".join(parts)


def _finished(out: Path, names: Sequence[str], ending: str = "") -> dict[str, Run]:
    runs = {n: Run(f) for n in names if (f := out / f"{n}{ending}") and (f / "results.json").exists()}
    suites = sorted({r.results["suite"] for r in runs.values()})
    unfinished = [n for n, r in runs.items() if not r.results["complete"]]
    if unfinished or len(suites) > 1:
        raise SystemExit(
            f"{out}: the runs NAME{ending} are of {suites}, not complete: {unfinished}; one table needs "
            "whole runs of one suite"
        )
    return runs


def _draws(run: Run) -> bool:
    return "generates" in run.results["card"]["capabilities"]


def _against(model: str, said: dict[str, Answers]) -> list[str]:
    row = [model]
    mine = _iid(said[model])
    for null in NULLS:
        theirs = _iid(said[null]) if null in said else {}
        shared = sorted(mine.keys() & theirs.keys())
        told = paired_difference([mine[c] for c in shared], [theirs[c] for c in shared])
        row.append(f"{told.mean:+.1f} ({_f(told.lo, '.1f')} to {_f(told.hi, '.1f')}), n = {told.n}")
    return row


def _iid(said: Answers) -> dict[str, float]:
    values = said.metrics.get("body-psnr", {})
    return {case: v for case, v in values.items() if case.split("|")[1] == "iid"}


def _own(run: Run) -> str:
    return OWN[run.results["model"]["name"]]


def _rows(run: Run, instrument: str, tag: str = "iid") -> dict[str, dict[str, Any]]:
    """Return concept -> row of scores that has a skill."""
    return {
        s["probe"].partition("@")[0]: s
        for s in run.results["scores"]
        if s["instrument"] == instrument and s["tag"] == tag and s["skill"] is not None
    }


def _skills(models: Sequence[str], runs: dict[str, Run]) -> list[list[str]]:
    table = []
    asked = (u.probe for m in models for u in runs[m].units if u.instrument not in PLANNING)
    for concept in dict.fromkeys(probe.partition("@")[0] for probe in asked):
        row = [concept]
        for m in models:
            score = _rows(runs[m], _own(runs[m])).get(concept)
            row.append("–" if score is None else _skill(score))
        table.append(row)
    return table


def _skill(score: dict[str, Any]) -> str:
    text = f"{score['skill']:.2f} ({_f(score['lo'])} to {_f(score['hi'])})"
    return f"**{text}**" if (score["lo"] or 0) >= VISIBLE else text


def _summary(
    models: Sequence[str], runs: dict[str, Run], said: dict[str, Answers], far: dict[str, Answers]
) -> list[list[str]]:
    applies, positive = ["concepts that apply"], ["skill above 0"]
    for m in models:
        rows = _rows(runs[m], _own(runs[m]))
        applies.append(str(len(rows)))
        positive.append(str(sum((s["lo"] or 0) >= VISIBLE for s in rows.values())))
    gap = [_gap(runs[m], said[m], far[m]) if m in far else "not measured" for m in models]
    gap = ["skill iid − ood-speed", *gap]
    return [applies, positive, gap]


def _gap(run: Run, near: Answers, far: Answers) -> str:
    """Return how much skill is lost beyond the training split, in the mean over concepts that have both."""
    per: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for (probe, instrument, of), values in (*near.values.items(), *far.values.items()):
        if instrument == _own(run):
            per[probe][of] = list(values.values())
    both = [v for v in per.values() if {"iid", "ood-speed"} <= v.keys()]
    if not both:
        return "–"
    rng = np.random.Generator(np.random.PCG64(0))

    def mean(draw: bool) -> float:
        def one(values: list[float]) -> float:
            return float(np.mean(rng.choice(values, len(values)) if draw else values))

        return float(np.mean([one(v["iid"]) - one(v["ood-speed"]) for v in both]))

    drawn = [mean(True) for _ in range(2000)]
    lo, hi = np.percentile(drawn, [2.5, 97.5])
    return f"{mean(False):+.2f} ({lo:+.2f} to {hi:+.2f}), {len(both)} concepts"


def _surprises(models: Sequence[str], runs: dict[str, Run]) -> list[list[str]]:
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for m in models:
        judged = [r for r in runs[m].records() if r["instrument"] == "surprise" and r["status"] != "unasked"]
        for s in runs[m].results["scores"]:
            if s["instrument"] != "surprise" or s["tag"] != "iid" or not s["n"]:
                continue
            mean = 1 - s["error"]
            spread = bounded_mean([1 - r["error"] for r in judged if _of(s, r)], 0, 1)
            text = f"{mean:.2f} ({_f(spread.lo)} to {_f(spread.hi)})"
            if (spread.lo or 0) > 0.5:
                text = f"**{text}**"
            matched = s.get("matching") == "matched"
            found[s["probe"].partition("@")[0]][m].append(
                text if matched else f"[{text} {s.get('matching')}]"
            )
    return [[c, *("<br>".join(row[m]) if row[m] else "–" for m in models)] for c, row in found.items()]


def _of(score: dict[str, Any], record: dict[str, Any]) -> bool:
    one = (record["probe"], record["tag"], record.get("matching", score.get("matching")))
    return one == (score["probe"], score["tag"], score.get("matching"))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _f(value: float | None, how: str = ".2f") -> str:
    return "–" if value is None else format(value, how)


def main() -> None:
    """Run what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("what", choices=("run", "choose", "control", "beyond", "page", "plans"))
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--only", nargs="*", default=())
    given = asked.parse_args()
    if given.what in (asks := {"run": run, "choose": choose, "control": control, "beyond": beyond}):
        return asks[given.what](given.out, given.only)
    told, text = {"page": page, "plans": planning}[given.what](given.out), PAGE.read_text()
    begin, end = (f"<!-- {given.what}: {side} -->" for side in ("begin", "end"))
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{told}\n{end}{after}")


if __name__ == "__main__":
    main()
