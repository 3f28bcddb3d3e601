"""What can be said of a probe from a few of its cases, before anything is drawn: is it what it says it is?

Cases are looked at through a perfect eye, so whatever is wrong here is wrong with the probe and not with
perception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from wmeval import promises
from wmeval.camera import View
from wmeval.check_adapter import Finding
from wmeval.errors import EnvironmentFault, WmevalError
from wmeval.probe import Probe
from wmeval.scene import Case
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth

CLOSE = 8  # cases looked at
CEILING_SHARE = 0.2  # of the worst error: more than that is no good measure of the truth itself


@dataclass
class Close:
    """The cases looked at and what happens in them."""

    probe: Probe
    tag: str
    view: View
    cases: list[Case] = field(default_factory=list)
    truths: list[Mapping[str, Truth]] = field(default_factory=list)

    def name(self, index: int) -> str:
        """Return how a case is called in a sentence."""
        return f"case {index} (dev, {self.tag})"


def closely(probe: Probe, tag: str, view: View, count: int) -> Iterator[Finding]:
    """Yield what is found of the first `count` cases, as long as the next check can build on it."""
    close = Close(probe, tag, view)
    yield told("cases", lambda: _draw(close, count))
    if len(close.cases) < count:
        return
    yield told("determinism", lambda: _simulate(close))
    if len(close.truths) < count:
        return
    yield told("the truth passes", lambda: _truth(close))
    yield told("nothing is given away", lambda: _blind(close))
    yield told("strength 0", lambda: _violate(close))


def told(name: str, check: Callable[[], str | tuple[bool, str]]) -> Finding:
    """Return the finding of a check, which returns what is wrong ("" = nothing), or (ok, sentence)."""
    try:
        found = check()
    except EnvironmentFault:
        raise
    except WmevalError as fault:
        found = str(fault)
    except Exception as fault:
        found = f"{type(fault).__name__}: {fault}"
    return Finding(name, *found) if isinstance(found, tuple) else Finding(name, not found, found)


def exact(
    probe: Probe,
    case: Case,
    truths: Mapping[str, Truth],
    view: View,
    seen: Mapping[str, Truth] | None = None,
) -> tuple[float, float]:
    """Return error and event of a perfect eye's tracks of `seen` (default: the truths themselves)."""
    from wmeval.trial import Trial

    told = Trial(probe, case, view, truths, {}).exact(seen)
    return told.error, told.event


def _draw(close: Close, count: int) -> str | tuple[bool, str]:
    probe = close.probe
    for i in range(count):
        with promises.on(close.name(i)):
            same = [scene_rng("dev", probe.key, close.tag, i) for _ in range(2)]
            case = promises.drawn_alike(probe, same, close.tag)
        close.cases.append(case)
    if len({c.case_id for c in close.cases}) < count:
        close.cases.clear()
        raise promises.fault(
            probe, "case", "drew the same case from different generators; draw the parameters from `rng`"
        )
    for tag in probe.tags:
        with promises.on(f"case 0 (dev, {tag})"):
            promises.drawn(probe, scene_rng("dev", probe.key, tag, 0), tag)
    late = [s.duration_s - s.cut_s for c in close.cases for s in c.arms.values()]
    if max(late) > probe.horizon_s + 1e-6:
        return (
            f"a scene goes on for {max(late):g} s after its cut, the horizon is {probe.horizon_s:g} s; "
            "make horizon_s at least as long, or the scene shorter"
        )
    return True, f"{count} of {close.tag}, each drawn twice alike; tags {', '.join(probe.tags)}"


def _simulate(close: Close) -> str | tuple[bool, str]:
    from wmeval.world import simulate

    for i, case in enumerate(close.cases):
        with promises.on(close.name(i)), promises.blamed(close.probe, "case", "it cannot be simulated"):
            close.truths.append({a: simulate(s, futures=close.probe.futures) for a, s in case.arms.items()})
    again = {a: simulate(s) for a, s in close.cases[0].arms.items()}
    if any((again[a].position.tobytes() != close.truths[0][a].position.tobytes()) for a in again):
        return "the same scene was simulated to two truths; this machine's PyBullet is not deterministic"
    return True, "a case simulated again is the same to the last bit"


def _truth(close: Close) -> str | tuple[bool, str]:
    """Return that the situation arises in each truth, and that a perfect eye finds next to no error in it."""
    probe, errors, shares = close.probe, [], []
    for i, (case, arms) in enumerate(zip(close.cases, close.truths, strict=True)):
        with promises.on(close.name(i)):
            before = {a: (t.position.tobytes(), t.orientation.tobytes()) for a, t in arms.items()}
            error, share = exact(probe, case, arms, close.view)
            if error != exact(probe, case, arms, close.view)[0]:
                raise promises.fault(
                    probe, "measure", "measured the same tracks twice and found two errors; use no "
                    "randomness and keep nothing between calls",
                )  # fmt: skip
            if before != {a: (t.position.tobytes(), t.orientation.tobytes()) for a, t in arms.items()}:
                raise promises.fault(
                    probe, "measure", "changed the truth that it was given; copy before writing"
                )
            tracks = _eyes(close, i)
            promises.arose(probe, tracks, arms)
            if error > CEILING_SHARE * probe.worst:
                raise promises.fault(
                    probe, "measure", f"`measure` gives the truth itself an error of {error:.3g}; it must be "
                    "near 0",
                )  # fmt: skip
        errors.append(error)
        shares.append(share)
    return (
        True,
        f"event at least {min(shares):.3f} and error at most {max(errors):.3g} in {len(errors)} truths",
    )


def _blind(close: Close) -> str | tuple[bool, str]:
    """Return whether a video in which nothing is found after the cut costs what the worst case does."""
    probe, least = close.probe, np.inf
    for i, arms in enumerate(close.truths):
        with promises.on(close.name(i)):
            least = min(least, promises.not_given_away(probe, _eyes(close, i), arms))
    return True, f"where nothing is found after the cut the error is {least:.3g} of at most {probe.worst:g}"


def _violate(close: Close) -> str | tuple[bool, str]:
    """Return whether strength 0 is the truth, and the other strengths depend on nothing but their rng."""
    probe, arms = close.probe, close.truths[0]
    with promises.on(close.name(0)):
        same = promises.violated(probe, arms, 0.0, np.random.default_rng(0))
        if any(same[a].position.tobytes() != arms[a].position.tobytes() for a in arms):
            raise promises.fault(
                probe, "violate", "`violate` at strength 0 changed the truth; return it as it is"
            )
        strongest = max(probe.strengths)
        one, two = (promises.violated(probe, arms, strongest, np.random.default_rng(0)) for _ in range(2))
        if any(one[a].position.tobytes() != two[a].position.tobytes() for a in arms):
            raise promises.fault(
                probe, "violate", "made two truths from one generator; draw from `rng` and nothing else"
            )
    return True, "the truth itself; other strengths depend on `rng` alone"


def _eyes(close: Close, index: int) -> dict[str, Tracks]:
    """Return what a perfect eye makes of a case."""
    from wmeval.trial import Trial

    return Trial(close.probe, close.cases[index], close.view, close.truths[index], {}).perfect()
