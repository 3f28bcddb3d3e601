"""The imagination instrument: a latent model goes on in latents, and a frozen readout says where bodies are.

The readout (wmeval.perceive.readout) is fitted on training scenes that the model encodes. What skill 0 and 1
mean is measured through the same encoder and the same readout: 1 is the model's own *encoded true* future
(95th percentile over development scenes), 0 the probe's null, whose frames are encoded as well. So a score
tells what the dynamics lose, and neither what the encoder lost nor what a linear map cannot read.

A probe can be asked this way only where its calibration passes through encoder and readout (`unfit`): the
ceiling is at most a fifth of the null, as for pixels, and the violation that it must see (the strongest,
where none is stated) is told from the truth. An encoder that loses what a probe asks about makes the probe
not applicable, and the numbers say so.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import registry
from wmeval.anchor import Anchor
from wmeval.calibration import REFERENCE_ROWS, Job, Row, Told, summed, try_case
from wmeval.camera import View
from wmeval.errors import ProbeFault, UsageError
from wmeval.model import Clip, Encodes, Imagines, Observation, Prediction, Status, WorldModel
from wmeval.perceive.readout import Readout, from_arrays
from wmeval.probe import Probe
from wmeval.references import Reference
from wmeval.run.clips import ask_clips
from wmeval.run.code import source_digest
from wmeval.run.generate import Asked, Sample, ask_all, record, shown
from wmeval.run.instruments import rests_on
from wmeval.run.measure import Seeing, sample
from wmeval.run.plan import Plan, Unit
from wmeval.run.progress import Progress
from wmeval.run.readouts import amiss, eye, name_of, readout_of
from wmeval.run.scoring import row
from wmeval.run.store import Store, plain
from wmeval.run.truths import cache_folder
from wmeval.scene import Scene
from wmeval.seeds import digest
from wmeval.suite import Suite
from wmeval.tracks import Tracks

CEILING_SHARE = 0.2  # of the null, that the encoded truth may cost: the rule for pixels
TELL_S = 10.0  # between two lines that say how far the preparation is
TOLD_APART = 0.9  # AUROC of the strongest violation against clean truths
SCENES, TESTED, ROWS = (
    40,
    16,
    12,
)  # development scenes for null and ceiling, for violations; evaluation scenes


@dataclass(frozen=True)
class Ground:
    """What scores of one probe and tag stand on: the anchor through encoder and readout, and if it holds."""

    anchor: Anchor
    auroc: float  # of the violation that must be seen
    unfit: str  # why the probe cannot be asked this way, or nothing
    readout: Mapping[str, float]  # how good it is on clips that were left out
    rests_on: tuple[str, ...]  # digests of the readout's and the probe's code


def generate(
    unit: Unit, probe: Probe, model: WorldModel | Reference, view: View, run_seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit: the latents that were imagined, and those of the context, in the store.

    Each sample carries the readout's blob and the `Ground` of its probe and tag, so that nothing after this
    needs the model. See `instruments.Generating`.

    Raises:
        EnvironmentFault: the cases drawn here are not the planned ones, or the disk is full.
    """
    if not isinstance(model, Encodes) or not isinstance(model, Imagines):
        lacks = (
            f"{type(model).__name__} has no encode(batch) and imagine(batch, seeds), though its card says so"
        )
        return record(unit, [Sample(fault=lacks) for _ in unit.indices], store)
    try:
        readout = readout_of(model, view)
        ground = ground_of(model, readout, probe, unit.tag, view)
    except UsageError as fault:
        return record(unit, [Sample(fault=str(fault)) for _ in unit.indices], store)
    samples = shown(unit, probe, model.card.context[1], view, run_seed, store)

    def answering(batch: list[Asked]) -> Any:
        return model.imagine([a.observation for a in batch], [a.seed for a in batch])

    ask_all(samples, model.card.max_batch, answering, lambda told, seen: check(told, seen, readout.shape))
    contexts = _contexts(model, samples, readout.shape, store)
    made = record(unit, samples, store)
    blob, about = store.put(readout.to_arrays()), plain(asdict(ground))
    for i, told in enumerate(made["samples"]):
        told |= {"readout": blob, "ground": about}
        for name, arm in told["arms"].items():
            arm["context"] = contexts[i, name]
    return made


def _contexts(
    model: Encodes, samples: Sequence[Sample], shape: tuple[int, int], store: Store
) -> dict[tuple[int, str], str | None]:
    """Return the blobs of the encoded context of each arm; one that cannot be encoded fails its arm."""
    arms = [(i, name, asked) for i, one in enumerate(samples) for name, asked in one.arms.items()]
    clips = []
    for _, _, asked in arms:
        seen = asked.observation
        clips.append(Clip(seen.frames, seen.fps, seen.actions[: len(seen.frames) - 1]))

    def wrong(answer: Prediction, clip: Clip) -> str:
        return amiss(answer.latents, len(clip.frames), shape)

    blobs: dict[tuple[int, str], str | None] = {}
    told = ask_clips(model, "encode", clips, model.card.max_batch, wrong)
    for (i, name, asked), answer in zip(arms, told, strict=True):
        samples[i].seconds["model"] += answer.seconds
        blobs[i, name] = None
        if answer.status.state != "ok":
            asked.answer = Prediction(status=answer.status)
        elif answer.latents is not None:
            blobs[i, name] = store.put({"latents": answer.latents.astype(np.float32)})
    return blobs


def check(answer: Any, observation: Observation, shape: tuple[int, int]) -> Prediction:
    """Return imagined latents as they are, or as failed with the sentence that says what was expected."""
    if not isinstance(answer, Prediction):
        why = f"the model returned a {type(answer).__name__} instead of a Prediction"
        return Prediction(status=Status("failed", why))
    if answer.status.state != "ok":
        return Prediction(status=answer.status)
    why = amiss(answer.latents, observation.horizon, shape)
    if why:
        return Prediction(status=Status("failed", why))
    return Prediction(latents=np.asarray(answer.latents, dtype=np.float32), seconds=answer.seconds)


def measure(
    unit: Unit, probe: Probe, view: View, metrics: Sequence[str], generated: Mapping[str, Any], store: Store
) -> dict[str, Any]:
    """Return the record of a unit's measurement; see `instruments.Measuring`. Metrics are of frames alone."""
    rows = []
    for shown_one in generated["samples"]:
        readout = from_arrays(store.get(shown_one["readout"])) if "readout" in shown_one else None
        rows.append(sample(unit, probe, view, (), shown_one, store, _reading(readout)))
    return {"stage": "measure", "unit": unit.to_json(), "samples": rows}


def score(
    probe: Probe, tag: str, records: Sequence[Mapping[str, Any]], suite: Suite, view: View
) -> list[dict[str, Any]]:
    """Return the row of a probe and tag, its anchor being that of this model's own encoder and readout.

    `unfit` says with the numbers why a row has no skill: the probe does not apply.
    """
    known = [r["ground"] for r in records if "ground" in r]
    if not known:
        made = row(probe, "imagination", tag, records, Anchor(probe.key, tag, view, 0.0, 0.0, 0))
        return [{**made, "reason": next((r["detail"] for r in records), made["reason"])}]
    ground = _ground_from(known[0])
    made = row(probe, "imagination", tag, records, ground.anchor)
    why = ground.unfit
    if ground.rests_on != tuple(rests_on("imagination", probe)):
        why = "the probe or the readout has changed since this model was asked; `wmeval run` asks it again"
    made |= {"unfit": why, "readout": dict(ground.readout)}
    return [{**made, "skill": None, "lo": None, "hi": None, "reason": why} if why else made]


def prepare(plan: Plan, units: Sequence[Unit], tell: Callable[[Progress], None]) -> None:
    """Fit the readout and make what scores stand on, for workers to find in the cache; tell how far it is.

    What goes wrong is left to the workers, who tell it sample by sample.
    """
    asked = {(u.given, u.tag): None for u in units if u.instrument == "imagination"}
    request, due = plan.request, time.monotonic()
    model = registry.load_model(request.model, request.weights, request.device, request.options)
    if not isinstance(model, Encodes):
        return

    def teller(what: str) -> Told:
        def say(done: int, total: int) -> None:
            nonlocal due
            if time.monotonic() >= due:
                due = time.monotonic() + TELL_S
                tell(Progress("anchors", message=f"{what}: {done} of {total}"))

        return say

    with suppress(UsageError):
        told = teller(f"training clips encoded by {model.card.name}, for its readout")
        readout = readout_of(model, plan.view, told)
        for given, tag in asked:
            probe = registry.load_probe(given)
            told = teller(f"scenes of {probe.key} {tag} seen through encoder and readout")
            ground_of(model, readout, probe, tag, plan.view, told)


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
        return _ground_from(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # absent or damaged: making it again is always right
    made = _ground(model, readout, probe, tag, view, progress)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(plain(asdict(made))))
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # a cache that cannot be written is slower, not wrong
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
        return Ground(Anchor(probe.key, tag, view, 0.0, 0.0, 0), 0.5, str(fault), readout.held_out, code)
    made = summed(asking, tag, view, rows[:SCENES], rows[SCENES : SCENES + TESTED], rows[SCENES + TESTED :])
    apart = next(g.auroc for g in made.curve if g.strength == wanted)
    return Ground(made.anchor, apart, unfit(made.anchor, apart), readout.held_out, code)


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


def _ground_from(kept: Mapping[str, Any]) -> Ground:
    anchor, code = Anchor.from_json(kept["anchor"]), tuple(kept["rests_on"])
    return Ground(anchor, kept["auroc"], kept["unfit"], kept["readout"], code)


def _reading(readout: Readout | None) -> Seeing:
    """Return what makes Tracks of an arm's latents: each is read for its own time and nothing else."""

    def see(
        blobs: Mapping[str, Any], kept: Mapping[str, NDArray[Any]], scene: Scene, view: View, store: Store
    ) -> Tracks:
        assert readout is not None
        context, ahead = (store.get(blobs[k])["latents"] for k in ("context", "prediction"))
        cut = blobs["shown"]
        times = kept["times"][cut - len(context) : cut + len(ahead)]
        return readout.read(np.concatenate([context, ahead]), scene, view, times)

    return see


@cache
def _code() -> str:
    return source_digest(
        "wmeval.world", "wmeval.perceive", "wmeval.references", "wmeval.scene", "wmeval.probe",
        "wmeval.trial", "wmeval.calibration", "wmeval.run.readouts", "wmeval.run.imagination",
    )  # fmt: skip
