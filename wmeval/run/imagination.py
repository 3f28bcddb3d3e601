"""The imagination instrument: a latent model goes on in latents, and a frozen readout says where bodies are.

The readout (wmeval.perceive.readout) is fitted on training scenes that the model encodes. What skill 0 and 1
mean is measured through the same encoder and the same readout: 1 is the model's own *encoded true* future
(95th percentile over development scenes), 0 the probe's null, whose frames are encoded as well. So a score
tells what the dynamics lose, and neither what the encoder lost nor what a linear map cannot read. Which
probes can be asked this way at all, wmeval.run.grounds says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import registry
from wmeval.anchor import Anchor
from wmeval.calibration import Told
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.model import Clip, Encodes, Imagines, Observation, Prediction, Status, WorldModel
from wmeval.perceive.readout import Readout, from_arrays
from wmeval.probe import Probe
from wmeval.references import Reference
from wmeval.run.clips import ask_clips
from wmeval.run.generate import Asked, Sample, ask_all, record, shown
from wmeval.run.grounds import ground_from, ground_of
from wmeval.run.instruments import rests_on
from wmeval.run.measure import Seeing, sample
from wmeval.run.plan import Plan, Unit
from wmeval.run.progress import Progress
from wmeval.run.readouts import amiss, readout_of
from wmeval.run.scoring import row
from wmeval.run.store import Store, plain
from wmeval.scene import Scene
from wmeval.suite import Suite
from wmeval.tracks import Tracks

TELL_S = 10.0  # between two lines that say how far the preparation is


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


def check(answer: Any, observation: Observation, shape: tuple[int, int] | None) -> Prediction:
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
    ground = ground_from(known[0])
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
