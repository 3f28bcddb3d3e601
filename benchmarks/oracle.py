"""How much the truth loses when a model's colours or sharpness, and nothing of its physics, are off.

    python benchmarks/oracle.py [--suite quick] [--cases 32] [--json]

The predicted part of true videos is degraded, the context is not, and the oracle's skill is taken again on
the evaluation scenes. A probe is sound where harmless changes move it by no more than 0.03.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from perception import CHANGES

from wmeval.anchor import Anchor
from wmeval.calibrate import find_anchor
from wmeval.camera import View
from wmeval.probe import Probe
from wmeval.registry import load_probe, load_suite
from wmeval.seeds import scene_rng
from wmeval.stats import skill_score
from wmeval.trial import Trial, prepare

HARMLESS = ("blur 0.5 px", "blur 1 px", "hue +10", "hue +20", "hue -20", "gamma 0.8", "gamma 1.25")


def skill(trials: list[Trial], anchor: Anchor, change: str) -> float:
    """Return the oracle's skill with the predicted frames of all trials changed."""
    values = []
    for trial in trials:
        rng = np.random.default_rng(7)
        videos = {}
        for arm, frames in trial.frames.items():
            cut = int(np.floor(trial.truths[arm].scene.cut_s * trial.view.fps + 1e-9)) + 1
            videos[arm] = np.concatenate([frames[:cut], CHANGES[change](frames[cut:], rng)])
        values.append(anchor.value(trial.judge(videos).error))
    return skill_score(values, anchor.value(trials[0].probe.worst)).skill


def trials(probe: Probe, count: int, view: View) -> list[Trial]:
    """Return the first evaluation cases of a probe, simulated and drawn."""
    cases = [probe.case(scene_rng("eval", probe.key, "iid", i), "iid") for i in range(count)]
    return [prepare(probe, case, view) for case in cases]


def main() -> None:
    """Print the table: rows are changes, columns probes, cells skill and its move."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", default="quick")
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    suite, view = load_suite(asked.suite), View()
    table: dict[str, dict[str, float]] = {}
    for name in suite.probes:
        probe = load_probe(name)
        anchor, made = find_anchor(suite, probe, "iid", view), trials(probe, asked.cases, view)
        table[name] = {change: skill(made, anchor, change) for change in CHANGES}
    if asked.json:
        print(json.dumps(table))
        return
    print(f"{'predicted frames':<18}" + "".join(f"{name:>22}" for name in table))
    for change in CHANGES:
        cells = [f"{row[change]:.3f} ({row[change] - row['none']:+.3f})" for row in table.values()]
        print(f"{change + (' *' if change in HARMLESS else ''):<18}" + "".join(f"{c:>22}" for c in cells))
    worst = max(abs(row[c] - row["none"]) for row in table.values() for c in HARMLESS)
    print(f"largest move under a harmless change (*): {worst:.3f}")


if __name__ == "__main__":
    main()
