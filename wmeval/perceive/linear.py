"""The linear maps of a readout: principal components, ridge regression, logistic regression.

Everything is closed form or convex, seeded, and validated on whole groups of rows (frames of one clip are
nearly copies of one another, so a fold never divides a clip).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
EXACT = 1024  # rows or columns up to which components are found exactly
PENALTIES = 10.0 ** np.arange(-10.0, 2.0)  # of ridge, in units of the largest component's variance
SHRINK = (1e-5, 1e-3, 1e-1)  # penalties tried for logistic regression, on components of unit variance
FOLDS = 5
FAINTEST = 1e-10  # of the largest component's variance: below that is rounding


@dataclass(frozen=True)
class Components:
    """Principal components: `basis` (F, K) orthonormal columns, `spread` (K,) their standard deviations."""

    mean: Singles  # (F,)
    basis: Singles  # (F, K)
    spread: Floats  # (K,)

    def scores(self, rows: NDArray[np.floating]) -> Floats:
        """Return the coordinates (N, K) of rows (N, F)."""
        return np.asarray((rows - self.mean) @ self.basis.astype(np.float64), dtype=np.float64)


@dataclass(frozen=True)
class Ridge:
    """A linear map with what it misses on rows that it was not fitted to."""

    weights: Floats  # (K, M)
    bias: Floats  # (M,)
    missed: Floats  # (N, M) each row's residual under the map of the folds without it


def components(rows: Singles, most: int, seed: int = 0) -> Components:
    """Return the first `most` principal components of rows (N, F), or as many as are above rounding.

    Large tables go through a randomised range finder with power iterations (Halko, Martinsson and Tropp
    2011, algorithm 4.4), which needs no covariance matrix.
    """
    count, width = rows.shape
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = rows - mean
    if min(count, width) <= EXACT:
        if width <= count:
            power, basis = np.linalg.eigh(centred.T.astype(np.float64) @ centred / count)
        else:
            power, left = np.linalg.eigh(centred @ centred.T.astype(np.float64) / count)
            basis = centred.T @ (left / np.sqrt(np.maximum(power, 1e-300) * count))
    else:
        wide = min(most + 16, count, width)
        rng = np.random.default_rng(seed)
        found = centred @ rng.standard_normal((width, wide)).astype(np.float32)
        for _ in range(3):
            found = centred @ np.linalg.qr(centred.T @ np.linalg.qr(found)[0])[0]
        frame = np.linalg.qr(found)[0]
        _, sizes, right = np.linalg.svd(frame.T @ centred, full_matrices=False)
        power, basis = (sizes.astype(np.float64) ** 2 / count)[::-1], right[::-1].T
    kept = np.flatnonzero(power > max(FAINTEST * float(power[-1]), 1e-30))[::-1][:most]
    basis = np.asarray(basis)[:, kept]
    # eigenvectors have no sign of their own: the largest entry is made positive, on every machine
    turn = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(len(kept))])
    return Components(mean, (basis * turn).astype(np.float32), np.sqrt(power[kept]))


def ridge(rows: Floats, wanted: Floats, group: Ints, weight: Floats) -> Ridge:
    """Return the ridge regression of `wanted` (N, M) on rows (N, K) that count with `weight` (N,) >= 0.

    The penalty is that of `PENALTIES` with the least squared error over folds of whole groups (N,). Rows
    without weight get residuals too, under the map that did not see their group.
    """
    used = weight > 0
    unit = float(np.var(rows[used], axis=0).max(initial=0.0)) * PENALTIES
    fold = group % FOLDS
    guesses = np.full((len(PENALTIES), *wanted.shape), np.nan)
    for one in range(FOLDS):
        use, out = used & (fold != one), fold == one
        if use.sum() < 2:
            continue
        for k, (weights, bias) in enumerate(_path(rows[use], wanted[use], weight[use], unit)):
            guesses[k, out] = rows[out] @ weights + bias
    missed = wanted - guesses
    best = int(np.nanargmin([np.nansum(weight[:, None] * m**2) for m in missed]))
    (weights, bias), *_ = _path(rows[used], wanted[used], weight[used], unit[best : best + 1])
    return Ridge(weights, bias, missed[best])


def _path(rows: Floats, wanted: Floats, weight: Floats, penalties: Floats) -> list[tuple[Floats, Floats]]:
    """Return weights and bias for each penalty; the bias is not penalised."""
    share = weight / weight.sum()
    centre, level = share @ rows, share @ wanted
    centred = rows - centre
    power, turn = np.linalg.eigh((centred * share[:, None]).T @ centred)
    reach = turn.T @ ((centred * share[:, None]).T @ (wanted - level))
    out = []
    for penalty in penalties:
        weights = turn @ (reach / (np.maximum(power, 0.0) + penalty)[:, None])
        out.append((weights, level - centre @ weights))
    return out


def logistic(rows: Floats, wanted: Floats, group: Ints) -> tuple[Floats, float]:
    """Return weights (K,) and bias of the logistic regression of shares `wanted` (N,) in [0, 1] on rows.

    It minimises cross-entropy; the penalty is that of `SHRINK` that predicts the first fold of groups best.
    """
    held = group % FOLDS == 0
    if held.all() or not held.any():
        held = np.arange(len(rows)) % FOLDS == 0
    starts = [_fitted(rows[~held], wanted[~held], s) for s in SHRINK]
    best = int(np.argmin([_entropy(w, rows[held], wanted[held], 0.0)[0] for w in starts]))
    found = _fitted(rows, wanted, SHRINK[best], starts[best])
    return found[:-1], float(found[-1])


def _fitted(rows: Floats, wanted: Floats, shrink: float, start: Floats | None = None) -> Floats:
    from scipy.optimize import minimize

    zero = np.zeros(rows.shape[1] + 1) if start is None else start
    told = minimize(_entropy, zero, (rows, wanted, shrink), "L-BFGS-B", jac=True, options={"maxiter": 300})
    found: Floats = told.x
    return found


def _entropy(weights: Floats, rows: Floats, wanted: Floats, shrink: float) -> tuple[float, Floats]:
    """Return the mean cross-entropy with its penalty, and its slope."""
    logit = rows @ weights[:-1] + weights[-1]
    loss = float(np.mean(np.logaddexp(0.0, logit) - wanted * logit)) + shrink * float(
        weights[:-1] @ weights[:-1]
    )
    off = (sigmoid(logit) - wanted) / len(rows)
    return loss, np.append(rows.T @ off + 2 * shrink * weights[:-1], off.sum())


def sigmoid(logit: Floats) -> Floats:
    """Return 1 / (1 + exp(-logit)) without overflow.

    >>> sigmoid(np.array([-1e4, 0.0])).tolist()
    [0.0, 0.5]
    """
    out: Floats = np.exp(-np.logaddexp(0.0, -np.asarray(logit, dtype=np.float64)))
    return out
