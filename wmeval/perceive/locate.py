"""One body in one clip: which component it is, where its outline lies, and whether that is to be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.camera import View
from wmeval.perceive.blobs import choose, components
from wmeval.perceive.evidence import STRONG, Evidence
from wmeval.perceive.fit import Fits, Geometry, Patches, best_of, offset, refine, search, soft
from wmeval.perceive.hiding import Hidden, Statics, hidden
from wmeval.perceive.outline import Lens, depth_reach, start_turn, symmetry
from wmeval.perceive.window import cut
from wmeval.scene import Body, Scene

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
LEAST_SHARE = 0.13  # of its silhouette that a body must show to be found
LEAST_AREA = 2.5  # px that it must show
LEAST_CONFIDENCE = 0.35  # agreement of outline and pixels that it must reach
LEAST_PIECE = 0.3  # of the area that it shows must hang together
PLAIN = 0.7  # agreement from which it may be in smaller pieces, cut up by what stands before it
CROWDED, STRICTER = 0.3, 1.2  # share of coloured pixels around it from which the agreement must be better


@dataclass(frozen=True)
class Sight:
    """A body in the F frames where a component of its hue was seen; `edge` NaN = cannot be told."""

    slot: int
    geometry: Geometry
    rows: Ints  # (F,) frames
    component: Bools  # (T, H, W) pixels of the chosen components
    piece: Floats  # (F,) px, their areas
    behind: Hidden
    pixel: Floats  # (F, 2) px
    angle: Floats  # (F,) rad
    edge: Floats  # (F,) width of its edge [px]
    expected: float  # px, the area of the whole silhouette in mid image
    size: float  # px, the radius around it there


@dataclass(frozen=True)
class Seen:
    """What is said of a body in the F frames of its Sight; `explained` are the pixels it accounts for."""

    found: Bools  # (F,)
    fits: Fits
    visible: Floats  # (F,) share of the silhouette
    area: Floats  # (F,) px
    confidence: Floats  # (F,)
    hue: Floats  # (F,) degrees
    explained: Bools  # (T, H, W)


def plane(body: Body, times: Floats) -> Floats:
    """Return the y [m] of the plane that a body is taken to move in, (T,)."""
    return body.position[1] + body.velocity[1] * times


def locate(slot: int, scene: Scene, view: View, times: Floats, evidence: Evidence, statics: Statics) -> Sight:
    """Find the component of a body in each frame and lay its outline over it, for edges of unknown width."""
    body = scene.moving[slot]
    y = plane(body, times)
    lens = Lens.of(scene.camera, view, times)
    whole = Geometry(body, lens, y)
    middle = np.broadcast_to(lens.centre, (len(times), 2))
    size, expected = whole.size(middle), whole.area(middle)
    blobs = components((evidence.owner == slot + 1) & evidence.strong)
    blobs = blobs.only(blobs.area >= np.maximum(LEAST_AREA / 2, LEAST_SHARE / 5 * expected[blobs.frame]))
    # where the scene starts is only used to choose between components, never as a position
    start = lens.take(np.zeros(1, np.int64)).project(np.array(body.position)[None, None])[0][0, 0]
    chosen = choose(blobs, len(times), expected, float(size.max()), start if times[0] < 1e-6 else None)
    rows = np.flatnonzero(chosen >= 0)
    front = y + np.sign(lens.eye[:, 1] - y) * depth_reach(body)
    behind = hidden(statics, view, front)
    geometry = whole.take(rows)
    pixel, angle = blobs.centre[chosen[rows]], np.full(len(rows), start_turn(body)[1])
    edge = np.full(len(rows), np.nan)
    if len(rows):
        big = float(size.max())
        patches = cut(evidence, behind, slot, rows, pixel, int(np.ceil((1 + offset(body)) * big)) + 3, 1)
        guesses = search(patches, geometry, pixel, angle)
        patches = cut(evidence, behind, slot, rows, guesses.pixel[0], int(np.ceil(1.4 * big)) + 3, 1)
        rough = max(1.0, big / 6)
        widths = (2 * rough, rough, max(1.5, rough / 2), 1.2, 1.2)
        fits = best_of(patches, geometry, guesses, widths, times[rows])
        pixel, angle = fits.pixel, fits.angle
        edge = _edge_width(patches, fits, expected[rows])
    return Sight(
        slot,
        geometry,
        rows,
        blobs.pixels(chosen[rows]),
        blobs.area[chosen[rows]],
        behind,
        pixel,
        angle,
        edge,
        float(expected[0]),
        float(size[0]),
    )


def _edge_width(patches: Patches, fits: Fits, expected: Floats) -> Floats:
    """Return how wide [px] the edge of a body is in each frame, NaN where too little of it is seen.

    Along a straight edge that falls linearly over a width b, the integral of share (1 - share) is b / 6.
    """
    mixture = patches.share * (1 - patches.share) * patches.weight
    away = np.abs(fits.distance)
    ring, beyond = away < 3.0, (away >= 3.0) & (away < 5.0)
    # noise mixes pixels far from the edge as well
    noise = (mixture * beyond).sum(-1) / np.maximum((patches.weight * beyond).sum(-1), 1.0)
    mixed = (mixture * ring).sum(-1) - noise * (patches.weight * ring).sum(-1)
    # pixels within half a pixel of the outline are as many as it is long
    on = np.abs(fits.distance) < 0.5
    length, clear = on.sum(-1), (on * patches.weight).sum(-1)
    seen = (patches.share * (fits.distance < 1.5)).sum(-1) > 0.6 * expected
    width: Floats = np.where(seen & (clear > 0.6 * length), 6 * mixed / np.maximum(clear, 1.0), np.nan)
    return width


def settle(sight: Sight, evidence: Evidence, width: float) -> Seen:
    """Fit once more with the clip's own edge width [px], and judge what is there."""
    rows, slot, geometry = sight.rows, sight.slot, sight.geometry
    margin = max(1, round(width / 2))
    size = float(geometry.size(sight.pixel).max())
    half = int(np.ceil(size + width)) + 4
    patches = cut(evidence, sight.behind.grown(margin - 1), slot, rows, sight.pixel, half, margin)
    fits = refine(patches, geometry, sight.pixel, sight.angle, (width, width, width))
    whole = soft(fits.distance, width)
    near = fits.distance < 1.0 + width / 2
    expected, area = whole.sum(-1), (patches.share * near).sum(-1)
    confidence = _agreement(patches, whole, fits.distance < 2.5 + width / 2)
    visible = np.clip(area / np.maximum(expected, 1e-6), 0.0, 1.0)
    enough = (visible >= LEAST_SHARE) & (area >= LEAST_AREA)
    # the more colour there is all around, the better must the outline agree: noise has a bit of all
    crowding = np.maximum(_crowding(evidence, rows, fits, patches, near, 1.6 * size + 2) - CROWDED, 0.0)
    one_piece = (sight.piece >= LEAST_PIECE * area) | ((confidence >= PLAIN) & (crowding == 0))
    found = enough & one_piece & (confidence >= LEAST_CONFIDENCE + STRICTER * crowding)
    # a component too small to be the body is still what is left of it; one of a wrong form is not
    explained = sight.component.copy()
    explained[rows[enough & ~found]] = False
    covered = (fits.distance < 2.0 + width / 2) & (found | ~enough)[:, None]
    _paint(explained, rows, patches, covered)
    hue = _mean_hue(evidence, rows, patches, near)
    return Seen(
        found, fits, np.where(enough & ~found, 0.0, visible).astype(np.float64), area.astype(np.float64),
        confidence.astype(np.float64), hue, explained,
    )  # fmt: skip


def _agreement(patches: Patches, whole: Singles, around: Bools) -> Floats:
    """Return how well outline and pixels agree, the common part of both as a share of either, (F,).

    Where a static body may hide this one, its colour speaks for it and its absence not against it; under
    another colour, its absence counts half.
    """
    share, known = patches.share, patches.weight > 0
    shown = np.where(share > STRONG, share, np.float32(0))
    both, either = np.minimum(share, whole), np.maximum(share, whole)
    both = np.where(known, both, np.where(patches.away, np.minimum(shown, whole), both / 2))
    either = np.where(known, either, np.where(patches.away, shown, either / 2))
    agreement: Floats = (around * both).sum(-1) / np.maximum((around * either).sum(-1), 1e-6)
    return agreement


def _crowding(
    evidence: Evidence, rows: Ints, fits: Fits, patches: Patches, near: Bools, half: float
) -> Floats:
    """Return which share of the pixels around a body, within a square, is strongly coloured, (F,).

    Where colour is all around, as in noise, a piece of it in the right place is no body.
    """
    side = 2 * int(np.ceil(half))
    corner = np.floor(fits.pixel).astype(np.int64) - side // 2
    strong, pixels = evidence.strong_in(rows, corner, side)
    u, v = patches.x.astype(np.int64), patches.y.astype(np.int64)
    height, width = evidence.strong.shape[1:]
    inside = near & (patches.x >= 0) & (patches.y >= 0) & (u < width) & (v < height)
    own = evidence.strong[rows[:, None], np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)] & inside
    around: Floats = (strong - own.sum(-1)) / np.maximum(pixels - inside.sum(-1), 1)
    return around


def _paint(mask: Bools, rows: Ints, patches: Patches, where: Bools) -> None:
    f, p = np.nonzero(where)
    u, v = patches.x[f, p].astype(np.int64), patches.y[f, p].astype(np.int64)
    inside = (patches.x[f, p] >= 0) & (patches.y[f, p] >= 0) & (u < mask.shape[2]) & (v < mask.shape[1])
    mask[rows[f[inside]], v[inside], u[inside]] = True


def _mean_hue(evidence: Evidence, rows: Ints, patches: Patches, near: Bools) -> Floats:
    """Return the mean hue [degrees] of a body's pixels, (F,)."""
    u = np.clip(patches.x.astype(np.int64), 0, evidence.hue.shape[2] - 1)
    v = np.clip(patches.y.astype(np.int64), 0, evidence.hue.shape[1] - 1)
    hue = np.deg2rad(evidence.hue[rows[:, None], v, u])
    weight = patches.share * near
    turn = np.arctan2((weight * np.sin(hue)).sum(-1), (weight * np.cos(hue)).sum(-1))
    degrees: Floats = np.rad2deg(turn).astype(np.float64) % 360.0
    return degrees


def continued(angle: Floats, times: Floats, body: Body) -> Floats:
    """Return angles (F,) [rad] moved by whole symmetries of the body onto one continuous motion.

    The motion starts with the scene's own angle and spin; in (-pi, pi].
    """
    period = symmetry(body)
    last, seen_at, rate = start_turn(body)[1], 0.0, -body.spin[1]
    out = np.empty_like(angle)
    for i, (a, now) in enumerate(zip(angle, times, strict=True)):
        ahead = last + rate * (now - seen_at)
        a = a + period * np.round((ahead - a) / period)
        if now > seen_at:
            rate = (a - last) / (now - seen_at)
        last, seen_at, out[i] = a, now, a
    return np.pi - (np.pi - out) % (2 * np.pi)
