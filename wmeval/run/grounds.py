"""What imagined scores stand on: a probe's calibration through a model's own encoder and a readout.

A probe can be asked this way only where its calibration passes through encoder and readout (`unfit`): the
ceiling is at most a fifth of the null, as for pixels, and the violation that it must see (the strongest,
where none is stated) is told from the truth. An encoder that loses what a probe asks about makes the probe
not applicable, and the numbers say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from wmeval.anchor import Anchor
from wmeval.calibration import REFERENCE_ROWS, Job, Row, Told, summed, try_case
from wmeval.camera import View
from wmeval.errors import ProbeFault
from wmeval.model import Encodes
from wmeval.perceive.readout import Readout
from wmeval.probe import Probe
from wmeval.run.code import source_digest
from wmeval.run.instruments import rests_on
from wmeval.run.readouts import eye, name_of
from wmeval.run.store import plain
from wmeval.run.truths import cache_folder, keep
from wmeval.seeds import digest

CEILING_SHARE = 0.2  # of the null, that the encoded truth may cost: the rule for pixels
TOLD_APART = 0.9  # AUROC of the violation that must be seen, against clean truths
SCENES = 40  # development scenes that give null and ceiling
TESTED = 16  # others that are violated
ROWS = 12  # evaluation scenes of the reference rows


@dataclass(frozen=True)
class Ground:
    """What scores of one probe and tag stand on: the anchor through encoder and readout, and if it holds."""

    anchor: Anchor
    auroc: float  # of the violation that must be seen
    unfit: str  # why the probe cannot be asked this way, or nothing
    readout: Mapping[str, float]  # how good it is on clips that were left out
    rests_on: tuple[str, ...]  # digests of the readout's and the probe's code


def ground_of(
    model: Encodes, readout: Readout, probe: Probe, tag: str, view: View, progress: Told | None = None
) -> Ground:
    """Return what scores of a probe and tag stand on, from the cache or made now (and then kept).

    Raises:
        UsageError: the model cannot encode what the probe shows.
    """
    code = [_code(), *rests_on("imagination", probe)]
    name = digest([name_of(model, view), probe.key, tag, SCENES, TESTED, ROWS, code])
    path = cache_folder() / "grounds" / f"{name}.json"
    try:
        return ground_from(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # absent or damaged: making it again is always right
    made = _ground(model, readout, probe, tag, view, progress)
    keep(path, lambda file: file.write(json.dumps(plain(asdict(made))).encode()))
    return made


def _ground(
    model: Encodes, readout: Readout, probe: Probe, tag: str, view: View, progress: Told | None
) -> Ground:
    """Return a probe's calibration through the model's encoder and the readout, in perception's place."""
    look, code = eye(model, readout), tuple(rests_on("imagination", probe))
    wanted = probe.must_see or max(probe.strengths)
    asking = replace(probe, strengths=tuple(sorted({wanted, max(probe.strengths)})))
    base = Job("dev", tag, 0, view, tuple(dict.fromkeys((probe.null, "oracle"))))
    jobs = [replace(base, index=i) for i in range(SCENES)]
    graded = replace(base, references=("oracle",), strengths=asking.strengths)
    jobs += [replace(graded, index=SCENES + i) for i in range(TESTED)]
    jobs += [replace(base, split="eval", index=i, references=REFERENCE_ROWS) for i in range(ROWS)]
    rows: list[Row] = []
    try:
        for job in jobs:
            rows.append(try_case(probe, job, look))
            if progress is not None:
                progress(len(rows), len(jobs))
    except ProbeFault as fault:
        return Ground(Anchor(probe.key, tag, view, 0.0, 0.0, 0), 0.5, str(fault), readout.fitted, code)
    made = summed(asking, tag, view, rows[:SCENES], rows[SCENES : SCENES + TESTED], rows[SCENES + TESTED :])
    apart = next(g.auroc for g in made.curve if g.strength == wanted)
    return Ground(made.anchor, apart, unfit(made.anchor, apart), readout.fitted, code)


def unfit(anchor: Anchor, auroc: float) -> str:
    """Return why a probe cannot be asked through an encoder and a readout, with the numbers, or nothing.

    >>> unfit(Anchor("p@0.1", "iid", View(), null=1.0, ceiling=0.1, n=40), 0.99)
    ''
    """
    through = "through this encoder and a linear readout"
    if not anchor.ceiling <= CEILING_SHARE * anchor.null:
        return (
            f"{through} the true future costs {anchor.ceiling:.3g} and the null model {anchor.null:.3g}; "
            f"applicable up to {CEILING_SHARE:g} of the null"
        )
    if not auroc >= TOLD_APART:
        return (
            f"{through} the violation that must be seen has AUROC {auroc:.2f} against the truth (null "
            f"{anchor.null:.3g}, ceiling {anchor.ceiling:.3g}); applicable from {TOLD_APART:g}"
        )
    return ""


def ground_from(kept: Mapping[str, Any]) -> Ground:
    """Return the ground that its JSON values describe."""
    anchor, code = Anchor.from_json(kept["anchor"]), tuple(kept["rests_on"])
    return Ground(anchor, kept["auroc"], kept["unfit"], kept["readout"], code)


@cache
def _code() -> str:
    return source_digest(
        "wmeval.world", "wmeval.perceive", "wmeval.references", "wmeval.scene", "wmeval.probe",
        "wmeval.trial", "wmeval.calibration", "wmeval.run.readouts", "wmeval.run.grounds",
    )  # fmt: skip
