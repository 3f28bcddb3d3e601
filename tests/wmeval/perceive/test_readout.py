"""A readout finds what a linear map can find, in closed form, and nothing that lies in another time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval.camera import View
from wmeval.perceive.linear import components, logistic, ridge, sigmoid
from wmeval.perceive.readout import SLOTS, fit, from_arrays, slot_of
from wmeval.scene import Scene, ball, floor, side_camera
from wmeval.tracks import Tracks

VIEW = View()
FRAMES = 8
TOKENS, WIDTH = 4, 16


def scene(*hues):
    bodies = tuple(
        ball(f"b{i}", radius=0.3, position=(0.9 * i - 0.9, 0.0, 1.0), hue=h) for i, h in enumerate(hues)
    )
    return Scene((*bodies, floor()), side_camera(), 2.0, 1.0, 0.5, "flight")


def tracks(of, pixel, visible, times):
    """Return exact Tracks of bodies at given pixels (T, N, 2), seen where `visible` (T, N) is 1."""
    shape = visible.shape
    found = visible >= 0.1
    hue = np.broadcast_to(np.array([b.hue for b in of.moving]), shape)
    gone = np.where(found, 0.0, np.inf)
    return Tracks(
        of.names, times, np.where(found[..., None], pixel, np.nan), np.full((*shape, 3), np.nan),
        np.repeat(gone[..., None], 3, -1), np.full(shape, np.nan), gone, visible, found,
        np.where(found, 40.0 + pixel[..., 0], np.nan), np.where(found, hue, np.nan), found.astype(float),
        np.zeros(len(times), np.int64), of.camera, VIEW,
    )  # fmt: skip


def world(seed, clips):
    """Return latents that mix image positions, presence and shares linearly, and the Tracks they are of."""
    rng = np.random.default_rng(99)
    mixing = rng.normal(size=(4 * len(SLOTS), TOKENS * WIDTH))
    rng = np.random.default_rng(seed)
    latents, told = [], []
    for _ in range(clips):
        chosen = sorted(rng.choice(len(SLOTS), size=2, replace=False))
        of = scene(*(SLOTS[s] for s in chosen))
        times = np.arange(FRAMES) / 10
        pixel = rng.uniform(4, 60, (1, 2, 2)) + np.arange(FRAMES)[:, None, None] * rng.uniform(
            -1, 1, (1, 2, 2)
        )
        pixel = np.clip(pixel, 1, 63)
        visible = np.ones((FRAMES, 2))
        start = int(rng.integers(0, FRAMES))
        visible[start : start + 3, 0] = 0.0
        state = np.zeros((FRAMES, len(SLOTS), 4))
        for i, s in enumerate(chosen):
            state[:, s, :2] = pixel[:, i] / 64 * visible[:, i, None]
            state[:, s, 2] = visible[:, i]
            state[:, s, 3] = (40.0 + pixel[:, i, 0]) / 100 * visible[:, i]
        z = state.reshape(FRAMES, -1) @ mixing
        latents.append(z.reshape(FRAMES, TOKENS, WIDTH).astype(np.float32))
        told.append(tracks(of, pixel, visible, times))
    return latents, told


@pytest.fixture(scope="module")
def readout():
    return fit(*world(0, 400))


def test_positions_areas_and_presence_are_read_from_linear_latents(readout):
    latents, truths = world(1, 20)
    for z, true in zip(latents, truths, strict=True):
        of = Scene(
            tuple(ball(n, radius=0.3, position=(0, 0, 1 + i), hue=float(np.nanmax(true.colour[:, i])))
                  for i, n in enumerate(true.names)),
            side_camera(), 2.0, 1.0, 0.5, "flight",
        )  # fmt: skip
        seen = readout.read(z, of, VIEW, true.times)
        assert np.array_equal(seen.found, true.found)
        assert np.abs(seen.pixel - true.pixel)[true.found].max() < 0.05
        assert np.abs(seen.area - true.area)[true.found].max() < 0.5
        # the plane y = 0 under the side camera: 4.4 m in 64 px around the centre at z = 1.9
        metres = np.stack([(true.pixel[..., 0] - 32), (32 - true.pixel[..., 1])], -1) * 4.4 / 64 + [0, 1.9]
        assert np.abs(seen.position[..., (0, 2)] - metres)[true.found].max() < 0.01
        assert np.isinf(seen.sigma[..., 1]).all()
        assert not seen.extras.any()
        assert np.isnan(seen.position[~true.found]).all()


def test_sigma_is_the_error_on_clips_left_out():
    latents, truths = world(2, 440)
    rng = np.random.default_rng(5)
    noisy = [z + rng.normal(0, 0.02, z.shape).astype(np.float32) for z in latents]
    made = fit(noisy[:400], truths[:400])
    off, told = [], []
    for z, true in zip(noisy[400:], truths[400:], strict=True):
        slots = [SLOTS.index(h) for h in np.nanmax(true.colour, axis=0)]
        seen = made.read(z, scene(*(SLOTS[s] for s in slots)), VIEW, true.times)
        both = seen.found & true.found
        off.append((seen.pixel - true.pixel)[both])
        told.append(
            np.concatenate(
                [np.repeat(made.sigma[s, :1], n, 0) for s, n in zip(slots, both.sum(0), strict=True)]
            )
        )
    ratio = np.sqrt(np.mean(np.concatenate(off) ** 2)) / np.sqrt(np.mean(np.concatenate(told) ** 2))
    assert 0.8 < ratio < 1.25


@settings(max_examples=20, deadline=None)
@given(t=st.integers(0, FRAMES - 1), seed=st.integers(0, 1000))
def test_a_latent_is_read_for_its_own_time_only(readout, t, seed):
    (z,), (true,) = world(3, 1)
    of = scene(*np.nanmax(true.colour, axis=0))
    before = readout.read(z, of, VIEW, true.times)
    z[t:] += np.random.default_rng(seed).normal(0, 10, z[t:].shape).astype(np.float32)
    after = readout.read(z, of, VIEW, true.times)
    for name in ("pixel", "position", "sigma", "visible", "found", "area", "colour", "confidence", "extras"):
        assert np.array_equal(getattr(before, name)[:t], getattr(after, name)[:t], equal_nan=True), name


def test_latents_that_are_not_finite_or_of_another_shape_are_refused(readout):
    (z,), (true,) = world(4, 1)
    of = scene(*np.nanmax(true.colour, axis=0))
    bad = z.copy()
    bad[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="1 values of the latents are NaN"):
        readout.read(bad, of, VIEW, true.times)
    with pytest.raises(ValueError, match="expected"):
        readout.read(z[:, :2], of, VIEW, true.times)
    with pytest.raises(ValueError, match="finite"):
        fit([bad], [true])


def test_what_was_never_shown_is_never_found():
    latents, truths = world(6, 80)
    kept = [i for i, t in enumerate(truths) if not (t.colour == SLOTS[0]).any()]
    made = fit([latents[i] for i in kept], [truths[i] for i in kept])
    seen = made.read(latents[kept[0]], scene(SLOTS[0]), VIEW, truths[kept[0]].times)
    assert not seen.found.any()
    assert (seen.extras > 0).any(), "the two bodies that are there belong to no body of this scene"


def test_a_readout_survives_the_store(readout):
    again = from_arrays(readout.to_arrays())
    (z,), (true,) = world(7, 1)
    of = scene(*np.nanmax(true.colour, axis=0))
    one, two = (r.read(z, of, VIEW, true.times) for r in (readout, again))
    assert np.array_equal(one.pixel, two.pixel, equal_nan=True)
    assert again.fitted == readout.fitted


def test_a_hue_between_slots_belongs_to_none():
    assert slot_of(ball("a", radius=0.3, position=(0, 0, 0), hue=30.0)) is None


def test_components_of_wide_tall_and_large_tables_span_the_same_space():
    rng = np.random.default_rng(0)
    low = (
        rng.normal(size=(1500, 6))
        @ np.diag([9, 7, 5, 3, 2, 1])
        @ np.linalg.qr(rng.normal(size=(1300, 6)))[0].T
    )
    large = components(low.astype(np.float32), 6)
    few = components(low[:400].astype(np.float32), 6)
    _, sizes, right = np.linalg.svd(low - low.mean(0), full_matrices=False)
    assert np.allclose(large.spread, sizes[:6] / np.sqrt(1500), rtol=1e-4)
    overlap = np.abs(np.sum(large.basis * right[:6].T, axis=0))
    assert np.allclose(overlap, 1, atol=1e-3)
    assert np.linalg.matrix_rank(np.concatenate([large.basis, few.basis], 1), tol=1e-2) == 6


def test_ridge_without_noise_is_exact_and_left_out_rows_were_not_used():
    rng = np.random.default_rng(1)
    rows, group = rng.normal(size=(200, 5)), np.repeat(np.arange(20), 10)
    wanted = rows @ rng.normal(size=(5, 2)) + 3.0
    found = ridge(rows, wanted, group, np.ones(200))
    assert np.allclose(rows @ found.weights + found.bias, wanted, atol=1e-6)
    noise = rng.normal(size=(200, 2))
    blind = ridge(rng.normal(size=(200, 5)), noise, group, np.ones(200))
    assert np.mean(blind.missed**2) > 0.97 * np.mean((noise - noise.mean(0)) ** 2), (
        "nothing can be learnt there"
    )


def test_logistic_regression_finds_the_shares_it_was_made_of():
    rng = np.random.default_rng(2)
    rows, group = rng.normal(size=(4000, 2)), np.repeat(np.arange(400), 10)
    shares = sigmoid(rows @ np.array([2.0, -1.0]) + 0.5)
    weights, bias = logistic(rows, (rng.uniform(size=4000) < shares).astype(float), group)
    assert np.allclose([*weights, bias], [2.0, -1.0, 0.5], atol=0.2)
