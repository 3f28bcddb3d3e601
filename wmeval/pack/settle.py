"""What holds for all answers of a pack: where our picture lies in theirs, and how they begin.

Nothing is guessed: a shape or a beginning that the pictures do not show has to be stated. What was found, and
what is done with it, is told in sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wmeval.pack import layout, shown
from wmeval.pack.answers import Found, Settled, Size, context, decoded, sides
from wmeval.pack.footage import Unreadable
from wmeval.pack.layout import Pack
from wmeval.pack.overlap import Beginning, Mode, beginning, common
from wmeval.pack.place import Placement, fits, psnr, refined, shrink
from wmeval.pack.settings import Settings

SAMPLED = 24  # answers of each size that settle how all of them lie and begin
ENOUGH = 4  # of them: fewer do not refine where a picture lies
ALIKE_DB, AHEAD_DB = 20.0, 1.0  # what a fit must reach beside the context, and beat the next by
CUT_AWAY = 0.02  # of our picture: more cannot be seen and so not be judged


def settle(pack: Pack, found: Sequence[Found], settings: Settings) -> Settled:
    """Return where our picture lies in answers of each size and how they begin, from a sample of them."""
    sizes: dict[Size, list[Found]] = {}
    for one in found:
        if one.footage is not None:
            sizes.setdefault((one.footage.width, one.footage.height), []).append(one)
    places: dict[Size, Placement | str] = {}
    modes: list[Mode | None] = []
    notes = []
    for size, group in sorted(sizes.items()):
        sample = group[:: max(1, len(group) // SAMPLED)][:SAMPLED]
        places[size], how = _place(pack, size, sample, settings)
        place = places[size]
        if isinstance(place, str):
            continue
        notes.append(
            f"{_answers(len(group))} of {size[0]} x {size[1]} px: the picture at {place.said()} ({how})"
        )
        if settings.overlap is None:
            heads = (_head(pack, one, place) for one in sample)
            modes += [b.mode for b in heads if b is not None]
    return Settled(places, common(modes), (*notes, *_rates(pack, found)))


def _place(
    pack: Pack, size: Size, sample: Sequence[Found], settings: Settings
) -> tuple[Placement | str, str]:
    """Return where our picture lies in answers of a size, or why that is not known; and how it was told."""
    wide, high = size
    shape = f"{wide} x {high} px"
    if settings.geometry and "," in settings.geometry:
        x, y, w, h = (float(v) for v in settings.geometry.split(","))
        return _seen(pack, Placement(x, y, w, h), size), "stated"
    ways = fits(wide, high, pack.canvas, pack.picture)
    if settings.geometry:
        way = ways.get(settings.geometry) or ways.get("scale")
        if way is None:
            return f"answers of {shape} are of another shape than the pictures; scale is not possible", ""
        return _seen(pack, way, size), "stated"
    if "scale" in ways:
        return _seen(pack, ways["scale"], size), "scaled"
    pairs = [p for one in sample if (p := _first(pack, one)) is not None]
    here = sides(pack)

    def near(way: Placement) -> float:
        fit = []
        for theirs, first, last in pairs:
            seen = shrink(theirs, way, *here)
            fit.append(max(psnr(seen, shrink(ours, pack.picture, *here)) for ours in (first, last)))
        return float(np.median(fit)) if fit else 0.0

    ranked = sorted(((near(way), name) for name, way in ways.items()), reverse=True)
    (best, name), (second, _) = ranked[:2]
    if best < ALIKE_DB or best < second + AHEAD_DB:
        told = ", ".join(f"{n} {v:.1f} dB" for v, n in ranked)
        return (
            f"answers of {shape} are of another shape than the pictures ({pack.canvas[0]} x "
            f"{pack.canvas[1]}), and their first frames do not tell how these lie in them ({told}); say "
            "it with --set geometry=letterbox|crop|stretch|X,Y,WIDTH,HEIGHT"
        ), ""
    start = ways[name]
    finer = _refined(pack, sample, pairs, start) if len(pairs) >= ENOUGH else start
    how = f"{name}, {best:.1f} dB beside the context"
    return _seen(pack, finer, size), how if finer == start else f"{how}, refined"


def _refined(
    pack: Pack, sample: Sequence[Found], pairs: Sequence[tuple[NDArray[np.uint8], ...]], start: Placement
) -> Placement:
    """Return a finer placement if under it the videos begin with context frames beyond doubt."""
    for which, mode in ((1, "all"), (2, "last")):
        made = refined([(p[0], p[which]) for p in pairs], start, pack.picture)
        if made == start:
            continue
        heads = [b for one in sample if (b := _head(pack, one, made)) is not None]
        told = [b.mode for b in heads if b.mode is not None]
        if len(told) >= ENOUGH and all(m == mode for m in told):
            return made
    return start


def _seen(pack: Pack, place: Placement, size: Size) -> Placement | str:
    """Return a placement, or why answers cannot be judged by it."""
    lost = place.cut_away(*size)
    if lost > CUT_AWAY:
        return (
            f"answers of {size[0]} x {size[1]} px cut away {lost:.0%} of the picture ({place.said()}); give "
            "the model the picture whole, as with `wmeval export --canvas`"
        )
    if place.width < pack.view.width * 0.98 or place.height < pack.view.height * 0.98:
        return (
            f"answers of {size[0]} x {size[1]} px show the picture in {place.width:.0f} x {place.height:.0f} "
            f"px; at least {pack.view.width} x {pack.view.height} are needed"
        )
    return place


def _first(pack: Pack, one: Found) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Return the first frame of an answer with the first and the last picture of its context."""
    folder = pack.folder / layout.QUESTIONS / one.question.id
    try:
        theirs = next(decoded(one, [0]), None)
    except Unreadable:
        return None
    if theirs is None:
        return None
    ours = shown.context(folder)
    return theirs, ours[0], ours[-1]


def _head(pack: Pack, one: Found, place: Placement) -> Beginning | None:
    wanted = one.indices(one.question.shown, pack.view.fps)
    try:
        seen = [shrink(f, place, *sides(pack)) for f in decoded(one, wanted)]
    except Unreadable:
        return None
    return beginning(np.stack(seen), context(pack, one.question.id)) if seen else None


def _rates(pack: Pack, found: Sequence[Found]) -> list[str]:
    ours, told = pack.view.fps, []
    for fps in sorted({one.fps for one in found if one.footage is not None}):
        count = sum(one.footage is not None and one.fps == fps for one in found)
        if abs(fps / ours - round(fps / ours)) < 1e-6:
            every = round(fps / ours)
            if every > 1:
                told.append(f"{_answers(count)} of {fps:.5g} fps: every {_ordinal(every)} frame is taken")
        else:
            told.append(
                f"{_answers(count)} of {fps:.5g} fps: the nearest frame to each {1 / ours:g} s is taken, off "
                f"by at most {500 / fps:.0f} ms"
            )
    return told


def _answers(count: int) -> str:
    return f"{count} answer{'s' * (count != 1)}"


def _ordinal(n: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(n, f"{n}th")
