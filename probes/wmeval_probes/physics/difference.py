"""How one body's motion differs between two arms of a case, in a prediction and in truth.

Both arms start alike, so whatever a model gets wrong in both cancels, and what is left is what the one
thing that differs does to the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.tracks import Tracks
from wmeval.truth import Truth

Floats = NDArray[np.float64]
FEWEST = 3  # frames from which a difference is told
NOISE_M = 0.004  # least error of a position that a track is trusted to have: 0.06 px at 64 px


@dataclass(frozen=True)
class Difference:
    """Position in one arm minus position in another, along x and z, over the F frames asked for.

    Where one of the arms does not show the body, nothing differs: `seen` is 0.
    """

    times: Floats  # (F,) s
    seen: Floats  # (F, 2) m
    true: Floats  # (F, 2) m
    sigma: Floats  # (F, 2) m, of `seen`
    found: NDArray[np.bool_]  # (F,) in both arms

    @property
    def known(self) -> bool:
        """Whether there are enough frames to tell."""
        return int(self.found.sum()) >= FEWEST

    @property
    def size(self) -> float:
        """Root mean square of the true difference [m]."""
        return float(np.sqrt((self.true**2).sum(-1).mean()))

    @property
    def miss(self) -> float:
        """Root mean square of what is seen minus what is true [m]."""
        return float(np.sqrt(((self.seen - self.true) ** 2).sum(-1).mean()))


def difference(name: str, tracks: tuple[Tracks, Tracks], truths: tuple[Truth, Truth]) -> Difference:
    """Return how body `name` comes to differ in the first arm from the second after the cut.

    The difference in the last frame of the context that shows it in both is taken off, in the prediction
    and in truth: what is left is what came of it.
    """
    cut = truths[1].scene.cut_s
    rows = [t[name] for t in tracks]
    frames = min(len(r.times) for r in rows)
    at, other = (r.position[:frames][:, (0, 2)] for r in rows)
    variance = sum(t.sigma[:frames, t.names.index(name)][:, (0, 2)] ** 2 + NOISE_M**2 for t in tracks)
    times = rows[0].times[:frames]
    both = rows[0].found[:frames] & rows[1].found[:frames] & np.isfinite(at + other).all(axis=1)
    asked = times > cut + 1e-9
    shown = np.flatnonzero(both & ~asked)
    found = both[asked] & (len(shown) > 0)
    last = shown[-1:] if len(shown) else np.zeros(1, np.int64)
    seen = np.where(found[:, None], (at - other)[asked] - (at - other)[last], 0.0)
    true = _true(name, truths, times[asked]) - _true(name, truths, times[last])
    sigma = np.where(found[:, None], np.sqrt(np.asarray(variance)[asked]), 0.0)
    return Difference(times[asked], seen, true, sigma, found)


def _true(name: str, truths: tuple[Truth, Truth], times: Floats) -> Floats:
    one, two = (t.poses_at(times)[0][:, t.names.index(name)][:, (0, 2)] for t in truths)
    return one - two


def response(differences: list[Difference]) -> tuple[float, float]:
    """Return <seen, true> / |true|^2 over some differences, and its sigma: 1 = the true one, 0 = none.

    The sigma holds the noise of the tracks and, where there are several, how far they are from agreeing.
    """
    power = sum(float((d.true**2).sum()) for d in differences)
    if power == 0:
        return float("nan"), float("inf")
    value = sum(float((d.seen * d.true).sum()) for d in differences) / power
    noise = sum(float((d.sigma**2 * d.true**2).sum()) for d in differences) / power**2
    parts = [float((d.seen * d.true).sum() / (d.true**2).sum()) for d in differences if d.size > 0]
    apart = float(np.std(parts, ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else 0.0
    return value, max(float(np.sqrt(noise)), apart)
