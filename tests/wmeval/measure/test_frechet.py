"""Frechet and kernel distances against closed forms, published vectors and the laws of merging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from wmeval.measure.frechet import (
    frechet,
    frechet_distance,
    kernel_distance,
    kernel_interval,
    merge,
    moments,
    polynomial_mmd2,
)

A = np.arange(1, 10, dtype=float).reshape(3, 3)
B = np.array([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]], float)


@pytest.mark.parametrize(
    ("degree", "offset", "scale", "wanted"),
    [(2, 0.0, 1 / 3, 270.7222222222), (2, 0.0, 1.0, 2436.5), (3, 1.0, 1 / 3, 23088.0833333333)],
)
def test_biased_kernel_distance_has_the_published_values(degree, offset, scale, wanted) -> None:
    told = polynomial_mmd2(A, B, degree=degree, offset=offset, scale=scale, unbiased=False)
    assert told == pytest.approx(wanted, rel=1e-9)


def test_unbiased_kernel_distance_by_counting_pairs() -> None:
    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    xx = np.mean([k(A[i], A[j]) for i in range(3) for j in range(3) if i != j])
    yy = np.mean([k(B[i], B[j]) for i in range(4) for j in range(4) if i != j])
    xy = np.mean([k(x, y) for x in A for y in B])
    assert polynomial_mmd2(A, B) == pytest.approx(xx + yy - 2 * xy)
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    paired = np.mean([k(A[i], A[j]) + k(B[i], B[j]) - k(A[i], B[j]) - k(A[j], B[i]) for i, j in pairs])
    assert kernel_distance(A, B[:3]) == pytest.approx(paired)


def test_kernel_distance_is_unbiased_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)

    def draw(shift: float) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.normal(size=(16, 8))
        return truth, 0.8 * truth + 0.6 * rng.normal(size=(16, 8)) + shift

    none = [kernel_distance(*draw(0.0)) for _ in range(400)]
    assert abs(np.mean(none)) < 3 * np.std(none) / 20
    same = draw(0.0)[0]
    assert kernel_distance(same, same) == pytest.approx(0, abs=1e-12)
    true = np.mean([kernel_distance(*draw(0.5)) for _ in range(4000)])
    hits = [lo <= true <= hi for lo, hi in (kernel_interval(*draw(0.5)) for _ in range(500))]
    assert np.mean(hits) > 0.93


def gauss(mean: np.ndarray, root: np.ndarray, n: int = 24) -> np.ndarray:
    """A set of vectors whose mean and covariance (n - 1) are exactly the ones asked for."""
    d = len(mean)
    z = np.random.default_rng(0).normal(size=(n, d))
    z -= z.mean(0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T
    return z @ root.T + mean


def test_frechet_of_equal_covariances_is_the_squared_shift() -> None:
    root = np.random.default_rng(1).normal(size=(5, 5))
    shift = np.array([1.0, -2, 0.5, 0, 3])
    told = frechet_distance(gauss(np.zeros(5), root), gauss(shift, root))
    assert told == pytest.approx(shift @ shift, rel=1e-9)


def test_frechet_of_diagonal_covariances_is_the_sum_of_squared_differences() -> None:
    a, b = np.array([1.0, 2, 3]), np.array([2.0, 2, 0.5])
    told = frechet_distance(gauss(np.zeros(3), np.diag(a)), gauss(np.zeros(3), np.diag(b)))
    assert told == pytest.approx(((a - b) ** 2).sum(), rel=1e-9)


def test_frechet_is_the_formula_with_scipys_matrix_root() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + 1
    cx, cy = np.cov(x.T), np.cov(y.T)  # n - 1: with n the value is another one
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cx + cy - 2 * np.real(sqrtm(cx @ cy)))
    assert frechet_distance(x, y) == pytest.approx(wanted, rel=1e-9)
    other = np.trace(np.cov(x.T, ddof=0)) - np.trace(cx)
    assert abs(other) > 1e-3


def test_frechet_stands_singular_covariances() -> None:
    x = np.random.default_rng(3).normal(size=(8, 40))  # 8 vectors in 40 dimensions
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + 1) == pytest.approx(40, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_merging_is_independent_of_order_and_grouping_of_keys(data) -> None:
    n = data.draw(st.integers(2, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    parts = {f"clip-{i}": moments(rng.normal(0, 10.0 ** rng.integers(-6, 7), size=(1, 3))) for i in range(n)}
    order = data.draw(st.permutations(sorted(parts)))
    a, b = merge(parts), merge({k: parts[k] for k in order})
    assert a.total.tobytes() == b.total.tobytes()
    assert a.outer.tobytes() == b.outer.tobytes()
    assert a.n == b.n == n


def test_merged_sums_give_the_distance_of_the_whole_sets() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 4)), rng.normal(1, 2, size=(40, 4))
    a = merge({f"{i:03}": moments(x[i : i + 1]) for i in range(40)})
    b = merge({f"{i:03}": moments(y[8 * i : 8 * i + 8]) for i in range(5)})
    assert frechet(a, b) == pytest.approx(frechet_distance(x, y), rel=1e-10)


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="NaN"):
        moments(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="shape"):
        moments(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="nothing to merge"):
        merge({})
    with pytest.raises(ValueError, match="2 vectors"):
        frechet_distance(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="2 vectors a side"):
        polynomial_mmd2(A[:1], B)
    with pytest.raises(ValueError, match="as many"):
        kernel_distance(A, B)
