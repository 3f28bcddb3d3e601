"""One case put through renderer, perception and measure, with a known stand-in for the model.

This is the instrument itself: references and violated truths go the way that a model's frames go, and
what comes out tells what the instrument can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from wmeval import promises
from wmeval.camera import View
from wmeval.disturb import DISTURBANCES
from wmeval.perceive import track
from wmeval.probe import Probe
from wmeval.registry import load_reference
from wmeval.run.measure import SEEN_SHARE, on_grid
from wmeval.scene import Case, Scene
from wmeval.seeds import sample_seed
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import exact_tracks, film, frame_split, simulate, visibility

Frames = NDArray[np.uint8]
Eye = Callable[[Frames, Scene, View, NDArray[np.float64]], Tracks]  # of a whole video at its times


@dataclass(frozen=True)
class Outcome:
    """What the instrument made of one video of one case."""

    error: float  # bounded, in the probe's unit
    event: float  # share of the situation that arose
    found: float  # share of visible body-frames in which the body was found; NaN = none was visible
    status: str = "ok"


@dataclass(frozen=True)
class Trial:
    """A case with its truths and their pictures at one View; `eye` makes Tracks of a video."""

    probe: Probe
    case: Case
    view: View
    truths: Mapping[str, Truth]
    frames: Mapping[str, Frames]  # all frames of each arm
    eye: Eye = track
    _tracks: dict[tuple[str, bytes], Tracks] = field(default_factory=dict, repr=False, compare=False)

    def reference(self, name: str) -> Outcome:
        """Return what a reference's continuation is worth. Its noise is fixed by the case."""
        if name == "oracle":
            return self.judge(self.frames)
        videos = {}
        for arm, truth in self.truths.items():
            context, asked = self._split(arm)
            rng = np.random.default_rng(sample_seed(0, self.probe.key, self.case.case_id, 0))
            predicted = (
                load_reference(name).predict(truth, self.view, self.frames[arm][:context], asked, rng).frames
            )
            if predicted is None:
                raise ValueError(f"the reference {name!r} returned no frames")
            videos[arm] = np.concatenate([self.frames[arm][:context], predicted])
        return self.judge(videos)

    def violated(self, strength: float, rng: np.random.Generator) -> Outcome:
        """Return what the truth violated by `strength` is worth, measured against the lawful truth."""
        return self.judge(self._violated(strength, rng))

    def disturbed(self, strength: float, rng: np.random.Generator) -> Iterator[tuple[str, Outcome]]:
        """Yield what the clean and the violated video are worth under each disturbance of each strength.

        They are called "NAME STRENGTH" and "NAME STRENGTH violated".
        """
        videos = {"": self.frames, " violated": self._violated(strength, rng)}
        for disturbance in DISTURBANCES.values():
            for amount in disturbance.strengths:
                for suffix, clean in videos.items():
                    changed = {}
                    for arm, video in clean.items():
                        cut, noise = self._split(arm)[0], np.random.default_rng(0)
                        ahead = disturbance.apply(video[cut:], amount, noise)
                        changed[arm] = np.concatenate([video[:cut], ahead])
                    yield f"{disturbance.name} {amount:g}{suffix}", self.judge(changed)

    def _violated(self, strength: float, rng: np.random.Generator) -> Mapping[str, Frames]:
        broken = promises.violated(self.probe, self.truths, strength, rng)
        return {
            arm: np.concatenate([self.frames[arm][: self._split(arm)[0]], self._draw(broken[arm])])
            for arm in self.truths
        }

    def judge(self, videos: Mapping[str, Frames]) -> Outcome:
        """Return what whole videos (context and continuation) are worth."""
        tracks: dict[str, Tracks] = {}
        found = due = 0
        for arm, truth in self.truths.items():
            scene, video = truth.scene, videos[arm]
            tracks[arm] = self._seen(arm, video)
            asked = tracks[arm].after(scene.cut_s)
            visible = visibility(truth, asked.times) >= SEEN_SHARE
            found, due = found + int((asked.found & visible).sum()), due + int(visible.sum())
        verdict = self.probe.judge(tracks, self.truths)
        share = found / due if due else float("nan")
        return Outcome(verdict.error, verdict.event, share, verdict.measurement.status)

    def _seen(self, arm: str, video: Frames) -> Tracks:
        """Return what the eye sees in a video of an arm; a fault often leaves a video as it was."""
        scene, key = self.truths[arm].scene, (arm, blake2b(np.ascontiguousarray(video).data).digest())
        times = self.view.frame_times(scene.duration_s)[: len(video)]
        if key not in self._tracks:
            self._tracks[key] = self.eye(video, scene, self.view, times)
        return self._tracks[key].part(on_grid(times))  # a copy: what a probe does to it is its own affair

    def exact(self, truths: Mapping[str, Truth] | None = None) -> Outcome:
        """Return what a perfect eye's tracks of other truths (default: the case's own) are worth."""
        verdict = self.probe.judge(self.perfect(truths), self.truths)
        return Outcome(verdict.error, verdict.event, 1.0, verdict.measurement.status)

    def perfect(self, truths: Mapping[str, Truth] | None = None) -> dict[str, Tracks]:
        """Return a perfect eye's tracks of other truths (default: the case's own)."""
        tracks = {}
        for arm, truth in (truths or self.truths).items():
            context, asked = frame_split(self.truths[arm].scene, self.view, self.probe.horizon_s)
            times = np.concatenate([context, asked])
            tracks[arm] = exact_tracks(truth, self.view, times[on_grid(times)])
        return tracks

    def _split(self, arm: str) -> tuple[int, int]:
        context, asked = frame_split(self.truths[arm].scene, self.view, self.probe.horizon_s)
        return len(context), len(asked)

    def _draw(self, truth: Truth) -> Frames:
        return film(truth, self.view, frame_split(truth.scene, self.view, self.probe.horizon_s)[1])


def prepare(
    probe: Probe, case: Case, view: View, *, futures: int | None = None, eye: Eye | None = None
) -> Trial:
    """Return the trial of a case: simulated, drawn up to the probe's horizon, seen by an eye (perception).

    Raises:
        ProbeFault: the case is one that cannot be simulated or drawn.
    """
    count = probe.futures if futures is None else futures
    frames = {}
    with promises.blamed(probe, "case", "its scene cannot be simulated and drawn"):
        truths = {arm: simulate(scene, futures=count) for arm, scene in case.arms.items()}
        for arm, truth in truths.items():
            times = np.concatenate(frame_split(truth.scene, view, probe.horizon_s))
            frames[arm] = film(truth, view, times)
    return Trial(probe, case, view, truths, frames, eye or track)
