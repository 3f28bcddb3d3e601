"""The generate stage: from case numbers to predicted frames, with whatever goes wrong told, not hidden.

The worker draws the cases again from their numbers, simulates, shows and asks; the model is dictated its
seeds. A model that raises, answers in a wrong shape or returns NaN fails on that sample alone.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from wmeval import promises
from wmeval.camera import View
from wmeval.errors import EnvironmentFault, ProbeFault
from wmeval.model import Clip, Generates, Observation, Prediction, Status, WorldModel
from wmeval.probe import Probe
from wmeval.references import Reference
from wmeval.run.instruments import CONTROL
from wmeval.run.plan import draw
from wmeval.run.split import reconstructed
from wmeval.run.store import Store
from wmeval.run.truths import truth_of
from wmeval.run.units import Unit, as_planned
from wmeval.seeds import sample_seed
from wmeval.truth import Truth
from wmeval.world import frame_split, observe, render

TRACE_LINES = 12


@dataclass
class Asked:
    """One arm of one case on its way through the stage."""

    case: int  # position in the unit
    arm: str
    truth: Truth
    observation: Observation
    blob: str  # digest of the true frames
    seed: int
    shown: int  # context frames in the scene; the model may see fewer
    whole: Clip  # the true video
    codec: dict[str, Any] = field(default_factory=dict)  # what the model's own codec makes of it
    answer: Prediction = field(default_factory=lambda: Prediction(status=Status("failed", "was not asked")))


@dataclass
class Sample:
    """One case of the unit: its arms, or why there are none, and where the time went."""

    arms: dict[str, Asked] = field(default_factory=dict)
    fault: str = ""
    seconds: dict[str, float] = field(default_factory=lambda: {"simulate": 0.0, "render": 0.0, "model": 0.0})


class Posed(Protocol):
    """Whatever holds an observation to be continued."""

    @property
    def observation(self) -> Observation:
        """What the model is shown."""
        ...


P = TypeVar("P", bound=Posed)
Answering = Callable[[list[P]], Any]  # puts a batch to a model
Checking = Callable[[Any, Observation], Prediction]  # the answer as it is, or as failed with a sentence


def generate(
    unit: Unit, probe: Probe, model: WorldModel | Reference, view: View, run_seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit; its blobs are in the store.

    Raises:
        EnvironmentFault: the cases drawn here are not the planned ones, or the disk is full.
    """
    samples = shown(unit, probe, model.card.context[1], view, run_seed, store)
    ask_all(samples, model.card.max_batch, lambda batch: answers(model, batch, view), check)
    if "reconstructs" in model.card.capabilities and unit.replicate == 0 and unit.tag != CONTROL:
        # last, so that nothing the model has to continue was shown to it whole before
        asked = [a for s in samples for a in s.arms.values()]
        codecs = reconstructed(model, [a.whole for a in asked], model.card.max_batch, store)
        for one, codec in zip(asked, codecs, strict=True):
            one.codec = codec
    return record(unit, samples, store)


def shown(unit: Unit, probe: Probe, most: int, view: View, run_seed: int, store: Store) -> list[Sample]:
    """Return the samples of a unit, simulated and drawn; a model is to see at most `most` context frames.

    Raises:
        EnvironmentFault: the cases drawn here are not the planned ones, or the disk is full.
    """
    return [_show(unit, i, probe, most, view, run_seed, store) for i in range(len(unit.indices))]


def ask_all(samples: Sequence[Sample], most: int, answering: Answering[Asked], checking: Checking) -> None:
    """Put every arm of the samples to a model, at most `most` at once, and keep its checked answer there."""
    asked = [a for s in samples for a in s.arms.values()]
    groups: dict[Any, list[Asked]] = {}
    for one in asked:  # a batch shares shapes and horizon; its members are fixed by the plan
        groups.setdefault((one.observation.frames.shape, one.observation.horizon), []).append(one)
    for group in groups.values():
        for start in range(0, len(group), most):
            batch = group[start : start + most]
            begun = time.perf_counter()
            answers = ask(batch, answering, checking)
            spent = (time.perf_counter() - begun) / len(batch)
            for one, answer in zip(batch, answers, strict=True):
                one.answer = answer
                samples[one.case].seconds["model"] += spent


def record(unit: Unit, samples: Sequence[Sample], store: Store | None) -> dict[str, Any]:
    """Return the record of a unit's samples; what was predicted is in the store."""
    rows = [_record(unit, i, s, store) for i, s in enumerate(samples)]
    return {"stage": "generate", "unit": unit.to_json(), "samples": rows}


def failed_record(unit: Unit, why: str) -> dict[str, Any]:
    """Return the record of a unit that no worker survives."""
    return record(unit, [Sample(fault=why) for _ in unit.indices], None)


def ask(batch: list[P], answering: Answering[P], checking: Checking) -> list[Prediction]:
    """Return one checked answer for each; a batch that raises is asked again one by one."""
    try:
        answers = answering(batch)
    except EnvironmentFault:
        raise
    except Exception:
        if len(batch) > 1:
            return [ask([one], answering, checking)[0] for one in batch]
        return [Prediction(status=Status("failed", f"the model raised\n{trace()}"))]
    if not isinstance(answers, list) or len(answers) != len(batch):
        got = f"{len(answers)}" if isinstance(answers, list) else f"a {type(answers).__name__}"
        why = (
            f"the model answered {len(batch)} observations with {got}; expected a list of as many Predictions"
        )
        return [Prediction(status=Status("failed", why)) for _ in batch]
    return [checking(answer, one.observation) for answer, one in zip(answers, batch, strict=True)]


def check(answer: Any, observation: Observation) -> Prediction:
    """Return the answer as it is, or as failed with the sentence that says what was expected."""
    wanted = (observation.horizon, *observation.frames.shape[1:])

    def fail(got: str) -> Prediction:
        why = f"the model returned {got}; expected frames {wanted} uint8"
        return Prediction(status=Status("failed", why))

    if not isinstance(answer, Prediction):
        return fail(f"a {type(answer).__name__} instead of a Prediction")
    if answer.status.state in ("failed", "refused"):
        return replace(answer, frames=None)
    frames = answer.frames
    if not isinstance(frames, np.ndarray):
        return fail("no frames")
    if frames.dtype != np.uint8:
        bad = ""
        if np.issubdtype(frames.dtype, np.floating) and not np.isfinite(frames).all():
            bad = f", {int((~np.isfinite(frames)).sum())} of its values NaN or infinite"
        return fail(f"{frames.dtype} frames {frames.shape}{bad}")
    if frames.shape != wanted:
        short = frames.shape[1:] == wanted[1:] and len(frames) < wanted[0]
        if answer.status.state == "partial" and short:
            return answer
        return fail(f"frames {frames.shape}")
    return answer


def answers(model: WorldModel | Reference, batch: list[Asked], view: View) -> list[Prediction]:
    """Return what a model or a reference generates."""
    if isinstance(model, Reference):
        return [
            model.predict(
                a.truth,
                view,
                a.observation.frames,
                a.observation.horizon,
                np.random.Generator(np.random.PCG64(a.seed)),
            )
            for a in batch
        ]
    if not isinstance(model, Generates):
        raise TypeError(f"{type(model).__name__} has no generate(batch, seeds), though its card says so")
    return model.generate([a.observation for a in batch], [a.seed for a in batch])


def _show(
    unit: Unit, position: int, probe: Probe, most: int, view: View, run_seed: int, store: Store
) -> Sample:
    sample = Sample()
    index, wanted = unit.indices[position], unit.case_ids[position]
    try:
        case = draw(probe, unit.tag, index)
    except ProbeFault as fault:
        return Sample(fault=str(fault))
    if case.case_id != wanted:
        if draw(probe, unit.tag, index).case_id != case.case_id:
            told = promises.fault(probe, "case", "drew two cases from one generator; draw everything from "
                                  "`rng` and nothing else")  # fmt: skip
            return Sample(fault=str(told.on(f"case {index} (eval, {unit.tag})")))
        as_planned(unit, position, "case", case.case_id)
    seed = sample_seed(run_seed, unit.probe, case.case_id, unit.replicate)
    try:
        for name, scene in case.arms.items():
            begun = time.perf_counter()
            with promises.blamed(probe, "case", "its scene cannot be simulated"):
                truth = truth_of(scene, probe.futures)
            sample.seconds["simulate"] += time.perf_counter() - begun
            lay(sample, position, name, truth, probe.horizon_s, most, view, seed, store)
    except EnvironmentFault:
        raise
    except ProbeFault as fault:
        sample.arms.clear()
        sample.fault = str(fault.on(f"case {index} (eval, {unit.tag})"))
    except Exception:
        sample.arms.clear()
        sample.fault = f"the probe's scene could not be made\n{trace()}"
    return sample


def lay(
    sample: Sample, position: int, name: str, truth: Truth, horizon_s: float, most: int, view: View,
    seed: int, store: Store,
) -> None:  # fmt: skip
    """Add an arm to the sample at a position of its unit: rendered, kept, and ready to be asked."""
    begun = time.perf_counter()
    context, ahead = frame_split(truth.scene, view, horizon_s)
    times = np.concatenate([context, ahead])
    rendered = render(truth, view, times)
    observation = observe(truth, view, horizon_s, rendered=rendered)
    sample.seconds["render"] += time.perf_counter() - begun
    blob = store.put({"times": times, "frames": rendered.frames, "bodies": rendered.bodies})
    given = trimmed(observation, most)
    whole = Clip(rendered.frames, view.fps, observation.actions)
    sample.arms[name] = Asked(position, name, truth, given, blob, seed, len(context), whole)


def trimmed(observation: Observation, most: int) -> Observation:
    """Return the observation with only its last `most` context frames."""
    extra = len(observation.frames) - most
    if extra <= 0:
        return observation
    return replace(observation, frames=observation.frames[extra:], actions=observation.actions[extra:])


def _record(unit: Unit, position: int, sample: Sample, store: Store | None) -> dict[str, Any]:
    arms: dict[str, Mapping[str, Any]] = {}
    for name, one in sample.arms.items():
        made = {"frames": one.answer.frames, "latents": one.answer.latents}
        kept = {k: v for k, v in made.items() if v is not None}
        arms[name] = {
            "status": one.answer.status.state,
            "detail": one.answer.status.detail,
            "truth": one.blob,
            "prediction": store.put(kept) if kept and store else None,
            "shown": one.shown,
            "asked": one.observation.horizon,
            **one.codec,
        }
    return {
        "index": unit.indices[position],
        "case_id": unit.case_ids[position],
        "fault": sample.fault,
        "arms": arms,
        "seconds": {k: round(v, 6) for k, v in sample.seconds.items()},
    }


def trace() -> str:
    """Return the last lines of the exception under way."""
    return "".join(traceback.format_exc().splitlines(keepends=True)[-TRACE_LINES:])
