"""What is stated of all answers of a pack, in place of being found out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wmeval.errors import UsageError
from wmeval.pack.overlap import MODES, Mode

_RECTANGLE = re.compile(r"-?\d+(\.\d+)?(,-?\d+(\.\d+)?){3}")
OPTIONS: Mapping[str, str] = {
    "geometry": "where the picture lies in the answers: auto, letterbox, crop, stretch, scale, or "
    "X,Y,WIDTH,HEIGHT in their pixels",
    "overlap": "with how much context answers begin: auto, none, last, all, or a number of frames",
    "fps": "frames per second of the answers, in place of what their files say",
}
CONTEXTS: Mapping[str, str] = {"image": "one frame", "clip": "clip", "clip+actions": "clip + actions"}
TRAININGS: Mapping[str, str] = {"never": "never", "adapted": "adapted", "on-split": "on our split"}


def classes(options: Mapping[str, str]) -> tuple[str, str]:
    """Return what a model that is not here was given and trained on, as `--set context` and `training` say.

    Raises:
        UsageError: one is none that there is.
    """
    return _one_of("context", CONTEXTS, options), _one_of("training", TRAININGS, options)


def _one_of(option: str, known: Mapping[str, str], options: Mapping[str, str]) -> str:
    given = options.get(option)
    if given is None:
        return "not stated"
    if given not in known:
        raise UsageError(f"{option} was given as {given!r}; expected one of {', '.join(known)}")
    return known[given]


@dataclass(frozen=True)
class Settings:
    """What is stated of all answers; None is found out."""

    geometry: str | None = None  # a name of `fits`, or "x,y,width,height" in their pixels
    overlap: Mode | int | None = None
    fps: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Settings:
        """Return the settings that `--set` gave.

        Raises:
            UsageError: one is none that there is.
        """
        geometry, overlap, fps = (options.get(k) for k in ("geometry", "overlap", "fps"))
        if geometry == "auto":
            geometry = None
        if geometry and geometry not in ("scale", "letterbox", "crop", "stretch"):
            numbers = geometry.split(",") if _RECTANGLE.fullmatch(geometry) else []
            if not numbers or min(float(v) for v in numbers[2:]) <= 0:
                raise UsageError(
                    f"geometry was given as {geometry!r}; expected auto, letterbox, crop, stretch, scale or "
                    "X,Y,WIDTH,HEIGHT in pixels of the answers"
                )
        how: Mode | int | None = next((m for m in MODES if m == overlap), None)
        if how is None and overlap not in (None, "auto"):
            if not str(overlap).isdecimal():
                raise UsageError(
                    f"overlap was given as {overlap!r}; expected auto, none, last, all or a number of frames"
                )
            how = int(str(overlap))
        try:
            rate = float(fps) if fps else None
        except ValueError:
            rate = -1.0
        if rate is not None and not 0 < rate < 1000:
            raise UsageError(f"fps was given as {fps!r}; expected frames per second, as in --set fps=24")
        return cls(geometry, how, rate)
