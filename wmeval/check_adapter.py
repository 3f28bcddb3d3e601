"""Does a model keep the contract that every score rests on? The checks that the tests run, for everyone.

Each finding is a sentence. The model is shown a small scene of its own View, at most a few frames long.
`python -m wmeval.check_adapter NAME` prints the digest of one prediction: how a fresh process is asked.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval import check_latents, registry
from wmeval.check_latents import SEEDS
from wmeval.errors import UsageError, WmevalError
from wmeval.model import (
    ACTION_DIM,
    Card,
    Clip,
    Encodes,
    Generates,
    Imagines,
    InfersActions,
    Observation,
    Prediction,
    PredictsReward,
    Reconstructs,
    Scores,
    Steps,
    WorldModel,
)  # fmt: skip
from wmeval.references import Reference

TOLERANCE = 1.0  # grey levels of 255, mean over one step: batched arithmetic may round differently
AHEAD = 4  # frames asked for
PROTOCOLS: Mapping[str, type] = {
    "generates": Generates, "steps": Steps, "scores": Scores, "encodes": Encodes, "imagines": Imagines,
    "reconstructs": Reconstructs, "infers-actions": InfersActions, "predicts-reward": PredictsReward,
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; where it is not ok, `sentence` says what was expected and what came."""

    name: str
    ok: bool
    sentence: str


def check_adapter(
    name: str | Path,
    weights: str | Path | None = None,
    device: str = "cpu",
    options: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what was found of a registered model, a reference or a file's ADAPTER.

    Raises:
        UsageError, EnvironmentFault: it cannot be opened at all.
    """
    model = registry.load_model(name, weights, device, options)
    if isinstance(model, Reference):
        raise UsageError(f"{name!r} is a reference, which is shown the truth; adapters are checked")
    fresh = partial(_fresh_digest, str(name), weights, device, options)
    return list(findings(model, fresh))


def findings(model: WorldModel, fresh: Callable[[], str] | None = None) -> Iterator[Finding]:
    """Yield the findings of an opened model; `fresh` returns the digest from another process."""
    card = model.card
    yield from _card(model)
    can = card.capabilities
    if "generates" in can and isinstance(model, Generates):
        checks: list[tuple[str, Callable[[], str]]] = [
            ("shapes", lambda: _shapes(model)),
            ("seeds", lambda: _seeds(model)),
            ("global randomness", lambda: _global_randomness(model)),
            ("observations are left alone", lambda: _untouched(model)),
            ("batch against single", lambda: _batch(model)),
            ("causal actions", lambda: _causal(model)),
        ]
        if fresh is not None:
            checks.append(("fresh process", lambda: _fresh(model, fresh)))
        for name, check in checks:
            yield _found(name, check)
    if "steps" in can and isinstance(model, Steps):
        yield _found("steps", lambda: _steps(model))
    if "scores" in can and isinstance(model, Scores):
        yield _found("surprise", lambda: _surprise(model))
        yield _found("causal surprise", lambda: _causal_surprise(model))
    if "reconstructs" in can and isinstance(model, Reconstructs):
        yield _found("reconstruction", lambda: _reconstruction(model))
    if "encodes" in can and isinstance(model, Encodes):
        yield _found("latents", lambda: check_latents.encoded(model, clips(card)))
    if "imagines" in can and isinstance(model, Imagines):
        yield _found(
            "imagined latents", lambda: check_latents.imagined(model, observations(card), clips(card))
        )
        yield _found("causal imagination", lambda: check_latents.causal(model, *observations(card, 1)))


def observations(card: Card, count: int = 2, ahead: int = AHEAD) -> list[Observation]:
    """Return observations of a pushed ball and a falling one, as long as the card lets contexts be."""
    from wmeval.world import observe

    return [observe(t, card.view, ahead / card.view.fps) for t in _truths(card, count, ahead)]


def clips(card: Card, count: int = 2, ahead: int = AHEAD) -> list[Clip]:
    """Return whole videos of the same scenes."""
    from wmeval.world import clip

    return [clip(t, card.view) for t in _truths(card, count, ahead)]


def digest(prediction: Prediction) -> str:
    """Return the SHA-256 of predicted frames; of nothing where there are none."""
    frames = prediction.frames
    return hashlib.sha256(frames.tobytes() if frames is not None else b"").hexdigest()


def _truths(card: Card, count: int, ahead: int) -> list[Any]:
    from wmeval.scene import Push, Scene, ball, floor, side_camera
    from wmeval.world import simulate

    fps = card.view.fps
    shown = min(max(card.context[0], 8), card.context[1])
    cut, end = (shown - 1) / fps, (shown - 1 + ahead) / fps
    truths = []
    for i in range(count):
        pushed = ball("a", radius=0.3, position=(-1.0 + 0.4 * i, 0.0, 0.3), hue="red", velocity=(0.5, 0, 0))
        falls = ball("b", radius=0.3, position=(0.9, 0.0, 2.6 - 0.3 * i), hue="blue")
        strength = 20.0 * (pushed.mass / 113.0)
        pushes = tuple(
            Push("a", t / fps, t / fps, impulse=(strength, 0.0, 0.0)) for t in range(shown - 1 + ahead)
        )
        scene = Scene(
            (pushed, falls, floor()), side_camera(), duration_s=end + 1e-3, cut_s=cut + 1e-3, needs_s=1e-3,
            profile="rest", pushes=pushes, actuated="a", caption="Two balls above a floor; one is pushed.",
        )  # fmt: skip
        truths.append(simulate(scene))
    return truths


def _found(name: str, check: Callable[[], str]) -> Finding:
    """Return the finding of a check, which returns what is wrong, or nothing."""
    try:
        wrong = check()
    except WmevalError:
        raise
    except Exception as fault:
        wrong = f"it raised {type(fault).__name__}: {fault}"
    return Finding(name, not wrong, wrong or "ok")


def _card(model: WorldModel) -> Iterator[Finding]:
    card = model.card
    taken = registry.is_reference(card.name)
    yield Finding("name", not taken, f"{card.name!r} is kept for a reference" if taken else "ok")
    lacks = [c for c in sorted(card.capabilities) if c in PROTOCOLS and not isinstance(model, PROTOCOLS[c])]
    wrong = f"the card says {', '.join(lacks)}, but {type(model).__name__} has no such methods"
    yield Finding("capabilities", not lacks, wrong if lacks else "ok")
    fewest, most = card.context
    bad = not 1 <= fewest <= most
    yield Finding(
        "context", not bad, f"context is {card.context}; expected 1 <= fewest <= most" if bad else "ok"
    )


def _ask(model: Generates, batch: list[Observation], seeds: list[int]) -> list[NDArray[np.uint8]]:
    """Return the frames of each observation.

    Raises:
        ValueError: an answer that the engine would refuse, in its words.
    """
    from wmeval.run.generate import check

    answers = model.generate(batch, seeds)
    if len(answers) != len(batch):
        raise ValueError(f"{len(batch)} observations were answered with {len(answers)} predictions")
    frames = []
    for answer, observation in zip(answers, batch, strict=True):
        checked = check(answer, observation)
        if checked.status.state != "ok" or checked.frames is None:
            raise ValueError(checked.status.detail or checked.status.state)
        frames.append(checked.frames)
    return frames


def _shapes(model: Generates) -> str:
    card = model.card
    for ahead in (1, AHEAD):
        if card.horizon is None or ahead <= card.horizon:
            _ask(model, observations(card, 2, ahead), list(SEEDS))
    return ""


def _seeds(model: Generates) -> str:
    one = observations(model.card, 1)
    first, again = (_ask(model, one, [SEEDS[1]])[0] for _ in range(2))
    if model.card.deterministic and not np.array_equal(first, again):
        return (
            "the same seed gave two different videos; draw from a generator made of the seed and nothing else"
        )
    return ""


def _global_randomness(model: Generates) -> str:
    """Seeding globally would tie a sample to whatever ran before it, and disturb the caller."""
    one = observations(model.card, 1)
    _draw_globally()  # a model that always seeds alike must not find its own state already there
    before = _random_state()
    _ask(model, one, [SEEDS[0]])
    changed = [name for name, state in _random_state().items() if before.get(name, state) != state]
    return (
        f"it moves the global random state of {', '.join(changed)}; use generators of its own"
        if changed
        else ""
    )


def _draw_globally() -> None:
    import random

    random.random()
    np.random.random()
    if "torch" in sys.modules:
        import torch

        torch.rand(())


def _random_state() -> dict[str, str]:
    import random

    _, keys, *rest = np.random.get_state()
    numpy = hashlib.sha256(np.asarray(keys).tobytes() + repr(rest).encode()).hexdigest()
    states = {"random": repr(random.getstate()), "numpy": numpy}
    if "torch" in sys.modules:
        import torch

        states["torch"] = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
    return states


def _untouched(model: Generates) -> str:
    batch = observations(model.card)
    before = [(o.frames.copy(), o.actions.copy()) for o in batch]
    _ask(model, batch, list(SEEDS))
    for observation, (frames, actions) in zip(batch, before, strict=True):
        if not (np.array_equal(observation.frames, frames) and np.array_equal(observation.actions, actions)):
            return "it changed the frames or actions that it was given; copy before writing"
    return ""


def _batch(model: Generates) -> str:
    batch = observations(model.card, 2, 1)
    together = _ask(model, batch, list(SEEDS))
    for i, observation in enumerate(batch):
        alone = _ask(model, [observation], [SEEDS[i]])[0]
        gap = float(np.abs(alone.astype(float) - together[i].astype(float)).mean())
        if gap > TOLERANCE:
            return f"one step alone and in a batch differ by {gap:.2f} grey levels; allowed are {TOLERANCE}"
    return ""


def _causal(model: Generates) -> str:
    card = model.card
    if card.actions.kind in ("none", "text") or not card.deterministic or not card.causal:
        return ""
    (one,) = observations(card, 1)
    before = _ask(model, [one], [SEEDS[0]])[0]
    for j in range(1, one.horizon):
        actions = one.actions.copy()
        first = len(one.frames) - 1 + j  # acts between frame `first` and the next: predicted frame j
        actions[first:] = np.random.default_rng(j).normal(0, 30, actions[first:].shape)
        after = _ask(model, [replace(one, actions=actions)], [SEEDS[0]])[0]
        if not np.array_equal(before[:j], after[:j]):
            return f"actions from frame {first} on changed predicted frames before them; shift actions by one"
    return ""


def _fresh(model: Generates, fresh: Callable[[], str]) -> str:
    if not model.card.deterministic:
        return ""
    here, there = digest(model.generate(observations(model.card, 1), [SEEDS[0]])[0]), fresh()
    return "" if here == there else "the same seed gives another video in a fresh process"


def _fresh_digest(
    name: str, weights: str | Path | None, device: str, options: Mapping[str, str] | None
) -> str:
    asked = {
        "name": name, "weights": str(weights) if weights else None, "device": device,
        "options": dict(options or {}), "path": sys.path,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "wmeval.check_adapter"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"a fresh process ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return lines[-1]


def _steps(model: Steps) -> str:
    card = model.card
    batch = observations(card)
    state = model.reset(batch, list(SEEDS))
    wanted = (len(batch), card.view.height, card.view.width, 3)
    for _ in range(2):
        state, frames = model.step(state, np.zeros((len(batch), ACTION_DIM)))
        if frames.shape != wanted or frames.dtype != np.uint8:
            return f"a step returned {frames.dtype} {frames.shape}; expected uint8 {wanted}"
    return ""


def _surprise(model: Scores) -> str:
    for clip, told in zip(clips(model.card), model.score(clips(model.card)), strict=True):
        if told.surprise is None or told.surprise.shape != (len(clip.frames),):
            return f"surprise has shape {_shape(told.surprise)}; expected ({len(clip.frames)},)"
        if np.isinf(told.surprise).any() or np.isnan(told.surprise).all():
            return "surprise holds infinities, or nothing but NaN"
    return ""


def _causal_surprise(model: Scores) -> str:
    (clip,) = clips(model.card, 1)
    before = model.score([clip])[0].surprise
    cut = len(clip.frames) - 2
    frames = clip.frames.copy()
    frames[cut:] = 255 - frames[cut:]
    after = model.score([replace(clip, frames=frames)])[0].surprise
    if before is None or after is None:
        return "no surprise came back"
    if not np.allclose(before[:cut], after[:cut], rtol=1e-4, atol=1e-5, equal_nan=True):
        return f"frames from {cut} on changed the surprise of earlier ones"
    return ""


def _reconstruction(model: Reconstructs) -> str:
    for clip, told in zip(clips(model.card), model.reconstruct(clips(model.card)), strict=True):
        if told.frames is None or told.frames.shape != clip.frames.shape or told.frames.dtype != np.uint8:
            return f"a reconstruction has shape {_shape(told.frames)}; expected uint8 {clip.frames.shape}"
    return ""


def _shape(array: Any) -> Any:
    return None if array is None else np.shape(array)


def _main() -> int:
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    model = registry.load_model(asked["name"], asked["weights"], asked["device"], asked["options"])
    assert isinstance(model, Generates)
    print(digest(model.generate(observations(model.card, 1), [SEEDS[0]])[0]))
    return 0


if __name__ == "__main__":
    sys.exit(_main())


__all__ = ["Finding", "check_adapter", "clips", "digest", "findings", "observations"]
