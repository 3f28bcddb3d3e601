"""What the functions of a probe or a task promise, checked wherever they are called.

Both are their author's code: it may raise, return another type, a NaN or the wrong arms, or tell a model
the outcome. Each such mistake becomes a ProbeFault, a sentence that names file, function and case, and
nothing but the case it happened on is lost.
"""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wmeval.caption import caption
from wmeval.errors import EnvironmentFault, ProbeFault, WmevalError
from wmeval.patience import Endless, patient
from wmeval.registry import REFERENCE_NAMES
from wmeval.scene import Case, Scene
from wmeval.tracks import Floats, Tracks
from wmeval.truth import Truth

if TYPE_CHECKING:
    from wmeval.probe import Measurement, Probe
    from wmeval.task import Task

Role = Literal["case", "event", "measure", "violate", "twin", "reduce"]
Part = Literal["instance", "choice", "cost", "success"]  # the same of a task
HAPPENED = 0.99  # what `event` must say of the truth
LOST = 0.9  # of the worst error: what a case costs at least in which nothing is found
# words that say what comes of a scene; a caption that our own `caption` wrote is not searched for them
OUTCOMES = re.compile(
    r"\b(will|then|afterwards?|finally|eventually|ends? up|lands?|miss(es)?|hits?|collides?|bounces?|stops?"
    r"|stays?|remains?|topples?|tips over|falls (over|off|down)|comes? (back|out|to rest)|(re|dis)appears?"
    r"|passes (through|behind)|breaks?|outcome|result)\b",
    re.IGNORECASE,
)


def malformed(probe: Probe) -> str:
    """Return in words which field of a probe cannot be, or nothing."""
    if probe.null not in REFERENCE_NAMES:
        return f"has the null {probe.null!r}; expected one of {', '.join(REFERENCE_NAMES)}"
    if not probe.worst > 0:
        return f"has a worst error of {probe.worst}; expected a number above 0"
    if not probe.horizon_s > 0:
        return f"has a horizon of {probe.horizon_s} s; expected a time above 0"
    if not probe.strengths or min(probe.strengths) <= 0:
        return f"has the strengths {probe.strengths}; expected one or more numbers above 0 (0 is the truth)"
    if not probe.tags or isinstance(probe.tags, str):
        return f"has the tags {probe.tags!r}; expected one or more names, as in tags=('iid',)"
    return ""


def drawn(probe: Probe, rng: np.random.Generator, tag: str) -> Case:
    """Return the case that a probe draws at a tag.

    Raises:
        ProbeFault: `case` raised, returned no Case, drew another tag, or wrote a caption with an outcome.
    """
    case = call(probe, "case", rng, tag)
    if isinstance(case, Scene):
        raise fault(probe, "case", "returned a Scene; wrap it as `Case.single(scene)`")
    if not isinstance(case, Case):
        raise fault(probe, "case", f"returned {_kind(case)}; return a Case")
    for name, scene in case.arms.items():
        if not isinstance(scene, Scene):
            raise fault(probe, "case", f"the arm {name!r} is {_kind(scene)}; every arm is a Scene")
        if scene.tag != tag:
            raise fault(
                probe, "case", f"was asked for tag {tag!r} and drew {scene.tag!r}; pass `tag` on to the Scene"
            )
        told = OUTCOMES.search(scene.caption)
        if told and scene.caption != caption(scene.bodies, scene.pushes):
            raise fault(
                probe, "case", f"the caption tells the outcome ({told.group()!r} in {scene.caption!r}); say "
                "what is there up to the cut, as `wmeval.caption.caption(bodies, pushes)` does",
            )  # fmt: skip
    if not case.arms:
        raise fault(probe, "case", "returned a Case without arms; give it at least one Scene")
    return case


def drawn_alike(probe: Probe, rngs: Sequence[np.random.Generator], tag: str) -> Case:
    """Return the case that a probe draws from each of several generators in the same state.

    Raises:
        ProbeFault: it drew different cases; see `drawn` too.
    """
    cases = [drawn(probe, rng, tag) for rng in rngs]
    if len({case.case_id for case in cases}) > 1:
        raise fault(
            probe, "case", "drew two cases from one generator; draw everything from `rng` and nothing else"
        )
    return cases[0]


def happened(probe: Probe, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> dict[str, float]:
    """Return arm -> the share of the situation that arose, in [0, 1].

    Raises:
        ProbeFault: `event` raised, or returned something else.
    """
    told = {}
    for arm, value in _by_arm(probe, "event", tracks, truths).items():
        share = _number(probe, "event", value, f"on arm {arm!r}")
        if not 0.0 <= share <= 1.0:
            raise fault(probe, "event", f"returned {share} on arm {arm!r}; expected 0 to 1")
        told[arm] = share
    return told


def arose(probe: Probe, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> float:
    """Return the share of the situation that arose in the arm where least did, of a perfect eye's tracks.

    Raises:
        ProbeFault: it is below HAPPENED, so that no model could do well on this case.
    """
    shares = happened(probe, tracks, truths)
    least = min(shares, key=lambda arm: shares[arm])
    if shares[least] < HAPPENED:
        where = "" if list(shares) == ["main"] else f" on arm {least!r}"
        raise fault(
            probe, "event", f"`event` says {shares[least]:.3f} of a truth{where} and must say {HAPPENED} or "
            "more; ask for what happens in every case, or let `case` redraw the scenes in which it does not",
        )  # fmt: skip
    return shares[least]


def not_given_away(probe: Probe, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]) -> float:
    """Return the error of tracks in which no body is found after the cut.

    Raises:
        ProbeFault: it is below LOST of the worst, so that something else than what was predicted is read.
    """
    lost = {arm: _lost(t, truths[arm].scene.cut_s) for arm, t in tracks.items()}
    error = probe.judge(lost, truths).error
    if error < LOST * probe.worst:
        raise fault(
            probe, "measure", "gives a video in which nothing is found after the cut an error of "
            f"{error:.3g}, where {probe.worst:g} is the worst: it reads the truth or the context in place of "
            "what was predicted; use `tracks.after(truth.scene.cut_s)`, and let what is lost be the worst",
        )  # fmt: skip
    return error


def measured(
    probe: Probe, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]
) -> dict[str, Measurement]:
    """Return arm -> measurement, whose error is a number of at least 0.

    Raises:
        ProbeFault: `measure` raised, or returned something else.
    """
    from wmeval.probe import Measurement

    told = {}
    for arm, made in _by_arm(probe, "measure", tracks, truths).items():
        if not isinstance(made, Measurement):
            raise fault(
                probe, "measure", f"returned {_kind(made)} on arm {arm!r}; return `Measurement(error)`"
            )
        error = _number(probe, "measure", made.error, f"as the error on arm {arm!r}")
        if not error >= 0.0:
            raise fault(
                probe, "measure", f"returned error {error} on arm {arm!r}; expected a number >= 0 "
                "(what cannot be found is `worst`)",
            )  # fmt: skip
        for name, pair in made.implied.items():
            if np.shape(pair) != (2,):
                raise fault(
                    probe, "measure", f"implied {name!r} is {pair!r}; expected (value, sigma), two numbers"
                )
        told[arm] = made
    return told


def violated(
    probe: Probe, truths: Mapping[str, Truth], strength: float, rng: np.random.Generator
) -> dict[str, Truth]:
    """Return arm -> the truth made impossible by `strength`.

    Raises:
        ProbeFault: `violate` raised, or returned something else than truths of the same bodies and times.
    """
    single = list(truths) == ["main"]
    made = call(probe, "violate", truths["main"] if single else truths, strength, rng)
    told: dict[str, Truth] = {}
    for arm, broken in _arms(probe, "violate", made, truths).items():
        if not isinstance(broken, Truth):
            raise fault(
                probe, "violate", f"returned {_kind(broken)} at strength {strength:g}; return a Truth, as "
                "`resume(truth, at_s, ...)` does",
            )  # fmt: skip
        if broken.position.shape != truths[arm].position.shape:
            raise fault(
                probe, "violate", f"returned positions {broken.position.shape} at strength {strength:g} for "
                f"a truth of {truths[arm].position.shape}; keep its bodies and its times",
            )  # fmt: skip
        told[arm] = broken
    return told


def call(probe: Probe | Task, role: Role | Part, *given: Any) -> Any:
    """Return what a function of a probe or a task returns.

    Raises:
        ProbeFault: it raised; the sentence names the deepest line of the author's own file.
    """
    function = getattr(probe, role)
    try:
        with patient():
            return function(*given)
    except (EnvironmentFault, ProbeFault):
        raise
    except Exception as raised:
        file = _file(function)
        lines = [f.lineno for f in traceback.extract_tb(raised.__traceback__) if f.filename == file]
        endless = isinstance(raised, Endless)
        what = str(raised) if endless else f"it raised {type(raised).__name__}: {raised}"
        raise ProbeFault(_place(function, lines[-1] if lines else None), role, what) from raised


def fault(probe: Probe | Task, role: Role | Part, what: str) -> ProbeFault:
    """Return the fault of one of the functions of a probe or a task, at its first line."""
    return ProbeFault(_place(getattr(probe, role)), role, what)


@contextmanager
def on(case: str) -> Iterator[None]:
    """Let every ProbeFault raised inside name a case: "case 3 (dev, iid)"."""
    try:
        yield
    except ProbeFault as raised:
        raise raised.on(case) from raised.__cause__


@contextmanager
def blamed(probe: Probe | Task, role: Role | Part, what: str) -> Iterator[None]:
    """Let whatever is raised inside be the fault of the function that made the input."""
    try:
        yield
    except WmevalError:
        raise
    except Exception as raised:
        raise fault(probe, role, f"{what}: {type(raised).__name__}: {raised}") from raised


def _by_arm(
    probe: Probe, role: Role, tracks: Mapping[str, Tracks], truths: Mapping[str, Truth]
) -> Mapping[str, Any]:
    single = list(truths) == ["main"]
    told = call(probe, role, tracks["main"], truths["main"]) if single else call(probe, role, tracks, truths)
    return _arms(probe, role, told, truths)


def _arms(probe: Probe, role: Role, told: Any, truths: Mapping[str, Truth]) -> Mapping[str, Any]:
    if list(truths) == ["main"]:
        if isinstance(told, Mapping):
            raise fault(probe, role, f"returned arms {list(told)} on a case of one arm; return the value")
        return {"main": told}
    if not isinstance(told, Mapping) or set(told) != set(truths):
        got = f"arms {list(told)}" if isinstance(told, Mapping) else _kind(told)
        raise fault(
            probe, role, f"returned {got} on a case with arms {list(truths)}; return a dict with a value "
            "for each arm",
        )  # fmt: skip
    return told


def _number(probe: Probe, role: Role, value: Any, where: str) -> float:
    if np.shape(value) != () or isinstance(value, str):
        got = f"an array of shape {np.shape(value)}" if np.shape(value) else _kind(value)
        raise fault(probe, role, f"returned {got} {where}; expected one number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise fault(probe, role, f"returned {_kind(value)} {where}; expected one number") from None


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _file(function: Callable[..., Any]) -> str:
    try:
        return inspect.getfile(inspect.unwrap(function))
    except TypeError:  # a partial or another callable object
        return inspect.getfile(type(function))


def _place(function: Callable[..., Any], line: int | None = None) -> str:
    file = _file(function)
    try:
        shown = Path(file).relative_to(Path.cwd())
    except ValueError:
        shown = Path(file)
    if line is None:
        code = getattr(inspect.unwrap(function), "__code__", None)
        line = code.co_firstlineno if code else None
    return f"{shown}:{line}" if line else str(shown)


def _lost(tracks: Tracks, cut_s: float) -> Tracks:
    """Return the tracks in which no body is found after the cut."""
    gone = np.broadcast_to((tracks.times > cut_s + 1e-9)[:, None], tracks.found.shape)

    def without(values: Floats, nothing: float) -> Floats:
        return np.where(gone[..., None] if values.ndim == 3 else gone, nothing, values)

    return replace(
        tracks,
        pixel=without(tracks.pixel, np.nan),
        position=without(tracks.position, np.nan),
        sigma=without(tracks.sigma, np.inf),
        angle=without(tracks.angle, np.nan),
        angle_sigma=without(tracks.angle_sigma, np.inf),
        visible=without(tracks.visible, 0.0),
        found=tracks.found & ~gone,
        area=without(tracks.area, np.nan),
        colour=without(tracks.colour, np.nan),
        confidence=without(tracks.confidence, 0.0),
    )
