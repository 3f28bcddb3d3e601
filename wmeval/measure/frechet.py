"""Distances between two sets of feature vectors: Frechet in float64 from mergeable sums, and a kernel one.

Frechet: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau 1982; Heusel et al. 2017), with
covariances that divide by n - 1. It is biased: two halves of one set are not at distance 0 but above it,
the more so the fewer vectors, so that values of different n never compare. The kernel distance (Gretton et
al. 2012; Binkowski et al. 2018) is unbiased and may come out below 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mergeable sums of feature vectors: how many, sum of x (D,), sum of x x^T (D, D)."""

    n: int
    total: Floats
    outer: Floats

    @property
    def mean(self) -> Floats:
        """Mean vector (D,)."""
        return self.total / self.n

    @property
    def covariance(self) -> Floats:
        """Covariance (D, D), dividing by n - 1."""
        if self.n < 2:
            raise ValueError(f"a covariance needs 2 vectors or more, got {self.n}")
        return (self.outer - self.n * np.outer(self.mean, self.mean)) / (self.n - 1)


def moments(features: Floats) -> Moments:
    """Return the sums of a set of feature vectors (n, D).

    Raises:
        ValueError: the set is empty, or holds what is not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"expected features (n, D) with n >= 1, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(
            "features hold NaN or infinity; a clip that failed has no features and is counted apart"
        )
    return Moments(len(x), x.sum(0), x.T @ x)


def merge(parts: Mapping[str, Moments]) -> Moments:
    """Return the sums of all parts, key -> sums.

    Floating-point addition depends on the order, so they are added in the order of their keys: the same
    parts give the same bytes whatever order they were finished in.
    """
    if not parts:
        raise ValueError("there is nothing to merge: no clip gave features")
    ordered = [parts[k] for k in sorted(parts)]
    return Moments(
        sum(p.n for p in ordered), _sum([p.total for p in ordered]), _sum([p.outer for p in ordered])
    )


def _sum(arrays: list[Floats]) -> Floats:
    total = np.zeros_like(arrays[0])
    for a in arrays:
        total = total + a
    return total


def frechet(a: Moments, b: Moments) -> float:
    """Return the Frechet distance of two sets of which the sums are given; at least 0.

    The trace of (C1 C2)^(1/2) is the sum of singular values of S1 S2, with S the symmetric root of each
    covariance: it stays real and needs no small number added to singular covariances.
    """
    shift = a.mean - b.mean
    cross = np.linalg.svd(_root(a.covariance) @ _root(b.covariance), compute_uv=False).sum()
    distance = shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross
    return max(0.0, float(distance))


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def frechet_distance(a: Floats, b: Floats) -> float:
    """Return the Frechet distance of two feature sets (n, D) and (m, D), n, m >= 2.

    >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
    9.0
    """
    return frechet(moments(a), moments(b))


def polynomial_mmd2(
    a: Floats,
    b: Floats,
    *,
    degree: int = 3,
    offset: float = 1.0,
    scale: float | None = None,
    unbiased: bool = True,
) -> float:
    """Return the squared kernel distance of two feature sets (n, D) and (m, D).

    The kernel is (scale x.y + offset)^degree, scale 1 / D where None: with degree 3 and offset 1 it is the
    one of the kernel Inception distance. The unbiased form leaves a vector's product with itself out.

    Raises:
        ValueError: the unbiased form is asked of a set with fewer than 2 vectors.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    gamma = 1.0 / x.shape[1] if scale is None else scale
    n, m = len(x), len(y)
    if unbiased and min(n, m) < 2:
        raise ValueError(f"an unbiased kernel distance needs 2 vectors a side, got {n} and {m}")

    def kernel(p: Floats, q: Floats) -> Floats:
        k: Floats = (gamma * (p @ q.T) + offset) ** degree
        return k

    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    if unbiased:
        same = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    else:
        same = xx.mean() + yy.mean()
    return float(same - 2 * xy.mean())


def _paired(truth: Floats, predicted: Floats) -> Floats:
    """Return h(i, j) = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i) with a diagonal of 0."""
    x, y = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if x.shape != y.shape or len(x) < 2:
        raise ValueError(
            f"expected as many true as predicted vectors, 2 or more; got {x.shape} and {y.shape}"
        )
    cross = (x @ y.T / x.shape[1] + 1) ** 3
    h: Floats = (x @ x.T / x.shape[1] + 1) ** 3 + (y @ y.T / x.shape[1] + 1) ** 3 - cross - cross.T
    np.fill_diagonal(h, 0.0)
    return h


def kernel_distance(truth: Floats, predicted: Floats) -> float:
    """Return the unbiased squared kernel distance (degree 3, offset 1, scale 1 / D) of paired sets (n, D).

    Row i of both sets is the same scene, so that products of a true clip with its own prediction are left
    out too (Gretton et al. 2012, eq. 4): they are not products of independent draws.
    """
    h = _paired(truth, predicted)
    n = len(h)
    return float(h.sum() / (n * (n - 1)))


def kernel_interval(truth: Floats, predicted: Floats) -> tuple[float, float]:
    """Return a 95 % interval of `kernel_distance`: Student's t over jackknife pseudo-values of scenes.

    A bootstrap would repeat vectors, whose products with themselves an unbiased form must not hold
    (Arvesen 1969 for the jackknife of U-statistics).

    Raises:
        ValueError: fewer than 3 scenes.
    """
    from scipy.stats import t

    h = _paired(truth, predicted)
    n = len(h)
    if n < 3:
        raise ValueError(f"an interval needs 3 scenes or more, got {n}")
    whole = h.sum() / (n * (n - 1))
    without = (h.sum() - 2 * h.sum(1)) / ((n - 1) * (n - 2))
    pseudo = n * whole - (n - 1) * without
    half = float(t.ppf(0.975, n - 1)) * float(pseudo.std(ddof=1)) / n**0.5
    return float(whole - half), float(whole + half)
