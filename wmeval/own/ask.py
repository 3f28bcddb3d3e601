"""Asks a model what recordings can be asked for, a block of windows at a time; each block is one commit.

    rollout     go on under what was done
    other       go on under what another episode's player did: same context, same seeds
    surprise    how strange is each frame, played forwards and played backwards
    reward      what did each step bring, and did it end
    pace        how long does one step take

A stopped run therefore goes on where it stopped, and no block is asked twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from wmeval.camera import View
from wmeval.errors import EnvironmentFault
from wmeval.measure.cues import BASELINES
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction, Status, WorldModel
from wmeval.own.windows import Window, swapped
from wmeval.references import Reference
from wmeval.run.clips import ask_clips, trace, wrong_surprise
from wmeval.run.code import source_digest
from wmeval.run.generate import check
from wmeval.run.store import Store, plain
from wmeval.seeds import digest, sample_seed

Ask = Literal["rollout", "other", "surprise", "reward", "pace"]
ASKS: tuple[Ask, ...] = ("rollout", "other", "surprise", "reward", "pace")
NEEDS: Mapping[Ask, str] = {
    "rollout": "generates", "other": "generates", "surprise": "scores", "reward": "predicts-reward",
    "pace": "steps",
}  # fmt: skip
JUDGED = 32  # frames of a clip that is played forwards and backwards, at most
WARM, PACED = 3, 64  # steps that are not counted, and that are
CODE = source_digest("wmeval.own.ask", "wmeval.own.windows", "wmeval.own.fit")


@dataclass(frozen=True)
class Unit:
    """A block of windows, by their places in the list, put to a model in one way."""

    key: str
    ask: Ask
    places: tuple[int, ...]
    replicate: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the unit as JSON values."""
        return {**asdict(self), "places": list(self.places)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Unit:
        """Return the unit that `to_json` described."""
        return cls(data["key"], data["ask"], tuple(data["places"]), data["replicate"])


def units(
    every: Sequence[Window], card: Card, model: Sequence[Any], seed: int, replicates: int, acts: bool
) -> tuple[Unit, ...]:
    """Return what is to be asked; `model` is all that names the model under test."""
    made = []
    for ask in ASKS:
        if NEEDS[ask] not in card.capabilities or (ask in ("other", "surprise") and card.reference):
            continue
        places = [i for i in range(len(every)) if _asked(ask, every, i, acts)]
        for block in _blocks(ask, every, places, card.max_batch):
            for replicate in range(replicates if ask in ("rollout", "other") else 1):
                key = digest(
                    {
                        "stage": "own", "ask": ask, "model": list(model), "seed": seed, "code": CODE,
                        "replicate": replicate, "windows": [every[i].id for i in block],
                        "instead": [every[i].id for i in range(len(every))] if ask == "other" else None,
                    }
                )  # fmt: skip
                made.append(Unit(key, ask, block, replicate))
    return tuple(made)


def _asked(ask: Ask, every: Sequence[Window], i: int, acts: bool) -> bool:
    if ask == "other":
        return acts and swapped(every, i) is not None
    if ask == "surprise":
        return judged(every[i]) is not None
    if ask == "reward":
        return every[i].rewards is not None or every[i].ends is not None
    return ask != "pace" or i == 0


def _blocks(ask: Ask, every: Sequence[Window], places: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """Return blocks whose windows are equally long, so that each can be one batch."""
    by: dict[int, list[int]] = {}
    for i in places:
        by.setdefault(every[i].ahead, []).append(i)
    return [tuple(b[at : at + most]) for b in by.values() for at in range(0, len(b), most)]


def judged(window: Window) -> tuple[Clip, tuple[int, int]] | None:
    """Return the clip that is played both ways and the frames [first, last) that count; None if too short.

    Frame t of the clip played forwards ends the step (t - 1, t), which ends at frame T - t backwards. The
    frames that count are those whose mirror images count too, with a whole context before each.
    """
    length = min(len(window.frames), max(JUDGED, 2 * window.shown + 1))
    first, last = window.shown, length - window.shown + 1
    if last <= first:
        return None
    return Clip(window.frames[:length], window.fps, window.actions[: length - 1], window.native), (
        first,
        last,
    )


def backwards(clip: Clip) -> Clip:
    """Return a clip played backwards: the same pairs of frames, under the same actions."""
    return replace(clip, frames=clip.frames[::-1].copy(), actions=clip.actions[::-1].copy())


def run_unit(
    unit: Unit, every: Sequence[Window], model: WorldModel | Reference, view: View, seed: int, store: Store
) -> dict[str, Any]:
    """Return the record of a unit; what was predicted is in the store.

    Raises:
        EnvironmentFault: the model met one, or the disk is full.
    """
    some = [every[i] for i in unit.places]
    if unit.ask in ("rollout", "other"):
        samples = _continued(unit, some, every, model, view, seed, store)
    elif unit.ask == "surprise":
        samples = _judged(some, model)
    elif unit.ask == "reward":
        samples = _rewarded(some, model)
    else:
        samples = [_paced(some[0], model)]
    for place, sample in zip(unit.places, samples, strict=True):
        sample["place"] = place
    return {"stage": "own", "unit": unit.to_json(), "samples": samples}


def _continued(
    unit: Unit, some: Sequence[Window], every: Sequence[Window], model: WorldModel | Reference, view: View,
    seed: int, store: Store,
) -> list[dict[str, Any]]:  # fmt: skip
    instead = [swapped(every, i) if unit.ask == "other" else None for i in unit.places]
    batch = [w.observation(a) for w, a in zip(some, instead, strict=True)]
    seeds = [sample_seed(seed, "own", w.id, unit.replicate) for w in some]
    begun = time.perf_counter()
    if isinstance(model, Reference):
        shown = [referred(model, w.frames, w.shown, view, s) for w, s in zip(some, seeds, strict=True)]
        answers = [Prediction(frames=frames) for frames in shown]
    else:
        answers = _generated(model, batch, seeds)
    spent = (time.perf_counter() - begun) / len(batch)
    samples = []
    for window, one, answer in zip(some, batch, answers, strict=True):
        told = check(answer, one)
        kept = {"frames": told.frames} if told.frames is not None else None
        samples.append(
            {
                "status": told.status.state, "detail": told.status.detail,
                "truth": store.put({"frames": window.frames}), "shown": window.shown,
                "prediction": store.put(kept) if kept else None,
                "differs": _differs(window, one), "seconds": {"model": round(spent, 6)},
            }
        )  # fmt: skip
    return samples


def _differs(window: Window, one: Observation) -> float:
    """Return the share of the steps ahead on which something else was done than in truth."""
    return float((window.actions != one.actions).any(axis=1)[window.shown - 1 :].mean())


def referred(reference: Reference, frames: Frames, shown: int, view: View, seed: int) -> Frames:
    """Return what a reference that needs no scene shows after the first `shown` frames of a window."""
    if reference.name == "oracle":
        return frames[shown:]
    rng = np.random.Generator(np.random.PCG64(seed))
    # the scene is what these references never look at
    return reference.frames(cast(Any, None), view, frames[:shown], len(frames) - shown, rng)


def _generated(model: Any, batch: list[Observation], seeds: list[int]) -> list[Any]:
    return _each(
        lambda some: model.generate([o for o, _ in some], [s for _, s in some]),
        [*zip(batch, seeds, strict=True)], lambda why: Prediction(status=Status("failed", why)),
    )  # fmt: skip


def _each(call: Callable[[list[Any]], Any], batch: list[Any], failed: Callable[[str], Any]) -> list[Any]:
    """Return one answer each; a batch that raises is asked again one by one."""
    try:
        answers = call(batch)
    except EnvironmentFault:
        raise
    except Exception:
        if len(batch) > 1:
            return [_each(call, [one], failed)[0] for one in batch]
        return [failed(f"the model raised\n{trace()}")]
    if not isinstance(answers, list) or len(answers) != len(batch):
        return [failed(f"the model answered {len(batch)} questions with {type(answers).__name__}")] * len(
            batch
        )
    return answers


def _judged(some: Sequence[Window], model: Any) -> list[dict[str, Any]]:
    posed = [p for w in some if (p := judged(w)) is not None]
    clips = [c for clip, _ in posed for c in (clip, backwards(clip))]
    answers = ask_clips(model, "score", clips, model.card.max_batch, wrong_surprise)
    samples = []
    for i, (clip, (first, last)) in enumerate(posed):
        both = answers[2 * i : 2 * i + 2]
        bad = next((a.status for a in both if a.status.state != "ok"), Status())
        means = [_mean(a.surprise, first, last) for a in both]
        if bad.state == "ok" and None in means:
            bad = Status(
                "failed", f"the model's surprise is undefined on all of frames {first} to {last - 1}"
            )
        samples.append(
            {
                "status": bad.state, "detail": bad.detail, "window": [first, last],
                "forwards": means[0], "backwards": means[1],
                "cues": {
                    name: [_mean(cue(c.frames), first, last) for c in (clip, backwards(clip))]
                    for name, cue in BASELINES.items()
                },
                "seconds": {"model": round(sum(a.seconds for a in both), 6)},
            }
        )  # fmt: skip
    return samples


def _mean(surprise: Floats | None, first: int, last: int) -> float | None:
    known = np.zeros(0) if surprise is None else surprise[first:last]
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None


def _rewarded(some: Sequence[Window], model: Any) -> list[dict[str, Any]]:
    begun = time.perf_counter()
    answers = _each(model.rewards, [w.clip() for w in some], lambda why: why)
    spent = (time.perf_counter() - begun) / len(some)
    samples = []
    for window, answer in zip(some, answers, strict=True):
        steps = len(window.actions)
        why = answer if isinstance(answer, str) else _wrong(answer, steps)
        counted = slice(window.shown - 1, steps)  # the steps that the model saw a context for
        told = [None, None] if why else [plain(np.asarray(a, np.float64)[counted]) for a in answer]
        samples.append(
            {
                "status": "failed" if why else "ok", "detail": why, "reward": told[0], "end": told[1],
                "true_reward": None if window.rewards is None else plain(window.rewards[counted]),
                "true_end": None if window.ends is None else plain(window.ends[counted]),
                "seconds": {"model": round(spent, 6)},
            }
        )  # fmt: skip
    return samples


def _wrong(answer: Any, steps: int) -> str:
    try:
        shapes = [np.asarray(a, np.float64) for a in answer]
    except (TypeError, ValueError):
        return f"the model returned a {type(answer).__name__}; expected rewards and ends of {steps} steps"
    if [a.shape for a in shapes] != [(steps,)] * 2 or not all(np.isfinite(a).all() for a in shapes):
        return f"the model returned {[a.shape for a in shapes]}; expected two finite arrays ({steps},)"
    return ""


def _paced(window: Window, model: Any) -> dict[str, Any]:
    """Return how long each of 64 steps takes, one video at a time, after three that warm up."""
    one = window.observation()
    ahead = one.actions[window.shown - 1 :]
    spent: list[float] = []
    try:
        begun = time.perf_counter()
        state = model.reset([one], [0])
        reset = time.perf_counter() - begun
        for t in range(WARM + PACED):
            action = ahead[t % len(ahead)][None]
            begun = time.perf_counter()
            state, _ = model.step(state, action)
            spent.append(time.perf_counter() - begun)
    except EnvironmentFault:
        raise
    except Exception:
        return {
            "status": "failed",
            "detail": f"the model raised\n{trace()}",
            "seconds": {"model": sum(spent)},
        }
    told = {"model": sum(spent) + reset, "reset": reset, "steps": [round(s, 7) for s in spent[WARM:]]}
    return {"status": "ok", "detail": "", "seconds": told}
