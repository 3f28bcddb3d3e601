"""A sample as a small picture that leads to its page: one frame cut from the sheet by the browser itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board.detail import Shot, facts


@dataclass(frozen=True)
class Frame:
    """Where a frame lies in its sheet [px]."""

    digest: str
    x: int
    y: int
    width: int
    height: int
    sheet_width: int
    sheet_height: int


@dataclass(frozen=True)
class Still:
    """A sample with the same moment of its truth and of its prediction; None where it has no such frame."""

    shot: Shot
    truth: Frame | None
    prediction: Frame | None


def stills(shots: Iterable[Shot], blobs: Blobs) -> list[Still]:
    """Return the stills of samples that have a video, at a moment in the later part of what was predicted."""
    out = []
    for shot in shots:
        told = facts(blobs, shot)
        if told is None:
            continue
        cut, count = told["cut"], told["truth"]["count"]
        if "window" in told:
            at = there = sum(told["window"]) // 2
        else:
            at = min(count - 1, cut + round(0.6 * (count - 1 - cut)))
            there = at - cut
        pair = (
            _frame(shot.media[name], told, name, index)
            for name, index in (("truth", at), ("prediction", there))
        )
        out.append(Still(shot, *pair))
    return out


def _frame(digest: str, told: dict, name: str, index: int) -> Frame | None:  # type: ignore[type-arg]
    sheet, width, height = told[name], told["width"], told["height"]
    if not 0 <= index < sheet["count"]:
        return None
    row, column = divmod(index, sheet["columns"])
    rows = -(-sheet["count"] // sheet["columns"])
    size = (sheet["columns"] * width, rows * height)
    return Frame(digest, column * width, row * height, width, height, *size)
