"""Numbers that others published, or that follow from a formula, found again by our own code.

Where a published score is not one of ours, its formula stands here and not in the package.
"""

from math import ceil

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from wmeval import registry
from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.measure.energy import energy_score
from wmeval.measure.pixels import body_psnr, psnr
from wmeval.measure.surprise import over_clip, share_above
from wmeval.perceive import track
from wmeval.scene import Scene, ball, side_camera
from wmeval.seeds import scene_rng
from wmeval.stats import auroc, free_mean, wilson
from wmeval.world import clip, exact_tracks, resume, simulate

# Physics-IQ: subscores to scores


def original_iq(mse, st, spatial, weighted, of):
    """Ratios of means to physical variance, from its first paper."""
    raw = (st / of["st"] + spatial / of["spatial"] + weighted / of["weighted"]) / 3 - (mse - of["mse"])
    return raw, 100 * min(1.0, max(0.0, raw))


def verified_iq(mse, st, spatial, weighted, of):
    """Each ratio clipped for itself, of the later form."""
    ratios = (st / of["st"], spatial / of["spatial"], weighted / of["weighted"], of["mse"] / mse)
    return sum(min(1.0, max(0.0, r)) for r in ratios) / 4


VARIANCE = {"mse": 0.05, "st": 0.3, "spatial": 0.25, "weighted": 0.5}


def test_physics_iq_clips_ratios_before_and_not_after_averaging():
    raw, score = original_iq(0.1, 0.4, 0.5, 0.6, VARIANCE)
    assert raw == pytest.approx(1.46111, abs=5e-6)
    assert score == 100.0
    assert verified_iq(0.1, 0.4, 0.5, 0.6, VARIANCE) == pytest.approx(0.875)
    assert original_iq(3.0, 0.0, 0.0, 0.0, VARIANCE)[1] == 0.0


def test_physics_iq_of_cosmos3_edge():
    assert np.mean([46.85, 31.91, 29.89, 22.29]) == pytest.approx(32.735)
    original = np.mean([46.23, 31.33, 26.67]) - 0.70
    assert original == pytest.approx(34.043, abs=5e-4)


@pytest.mark.parametrize(
    ("seeds", "mean", "sd"),
    [
        ((44.8119, 44.4944, 45.46, 45.7751), 45.1353, 0.5860),
        ((45.44, 47.27, 46.88, 48.64), 47.06, 1.32),
        ((33.42, 31.78, 33.85, 31.90), 32.74, 1.05),
    ],
)
def test_mean_and_spread_of_seeds(seeds, mean, sd):
    told = free_mean(seeds)
    assert told.mean == pytest.approx(mean, abs=0.006)
    assert np.std(seeds, ddof=1) == pytest.approx(sd, abs=0.006)
    assert told.reason == "n = 4: no interval below n = 8"  # four seeds make no interval of ours


# IntPhys 2019: relative and absolute error of plausibilities, possible clips first marked 1


def relative_error(plausible, possible):
    """Sum rule over a quadruplet; ties count one half."""
    p, ok = np.array(plausible), np.array(possible, dtype=bool)
    return 1 - share_above([-p[~ok].sum()], [-p[ok].sum()])


def absolute_error(plausible, possible):
    p, ok = np.array(plausible), np.array(possible, dtype=bool)
    return 1 - share_above(-p[~ok], -p[ok])


@pytest.mark.parametrize(
    ("submitted", "error"),
    [((0.8, 0.1, 0.6, 0.55), 0.0), ((0.5, 0.5, 0.5, 0.5), 0.5), ((0.2, 0.9, 0.4, 0.45), 1.0)],
)
def test_intphys_errors_of_right_constant_and_inverted_answers(submitted, error):
    reference = (1, 0, 1, 0)
    assert relative_error(submitted, reference) == error
    assert absolute_error(submitted, reference) == error


def test_a_constant_is_a_tie_however_its_sums_are_rounded():
    assert relative_error((0.1, 0.3, 0.3, 0.1), (1, 0, 1, 0)) == 0.5
    assert 0.1 + 0.2 != 0.3
    assert share_above([0.1 + 0.2], [0.3]) == 0.5


# V-JEPA: relative accuracy by mean and maximum, a threshold, AUROC


def clips(seed, n=40, ties=False):
    rng = np.random.default_rng(seed)
    scene = rng.normal(0, 1, (n, 1))
    possible = scene + rng.normal(0, 1, (n, 16))
    impossible = scene + rng.normal(0, 1, (n, 16))
    impossible[:, 6:9] += 1.5
    if ties:
        impossible[: n // 4] = possible[: n // 4]
    return possible, impossible


@pytest.mark.parametrize("which", [0, 1], ids=["mean", "maximum"])
def test_relative_accuracy_is_their_formula_without_ties(which):
    possible, impossible = clips(1)
    p, q = (np.array([over_clip(c)[which] for c in x]) for x in (possible, impossible))
    theirs = np.mean(p < q)
    ours = np.mean([share_above([b], [a]) for a, b in zip(p, q, strict=True)])
    assert ours == theirs
    direct = [(x.mean(1), x.max(1))[which] for x in (possible, impossible)]
    assert theirs == np.mean(direct[0] < direct[1])


def test_ties_are_one_half_here_and_wrong_there():
    possible, impossible = clips(2, ties=True)
    p, q = (np.array([over_clip(c)[0] for c in x]) for x in (possible, impossible))
    theirs = np.mean(p < q)
    ours = np.mean([share_above([b], [a]) for a, b in zip(p, q, strict=True)])
    assert ours == pytest.approx(theirs + 0.25 / 2)


def test_auroc_is_mann_and_whitneys():
    possible, impossible = clips(3)
    p, q = possible.max(1), impossible.max(1)
    area = mannwhitneyu(q, p).statistic / len(p) ** 2
    assert share_above(q, p) == pytest.approx(area)
    assert auroc(p, q).mean == pytest.approx(area)


def test_their_threshold_needs_more_than_nine_clips_and_ours_none():
    def threshold(possible):
        return sorted(possible)[ceil(0.9 * len(possible))]

    possible, impossible = clips(4)
    cut = threshold(possible.max(1))
    assert np.mean(possible.max(1) > cut) == pytest.approx(0.1 - 1 / 40)
    with pytest.raises(IndexError):
        threshold(possible.max(1)[:9])
    assert share_above(impossible.max(1)[:9], possible.max(1)[:9]) > 0.5


# phyworld: discs that are drawn and read back, and an elastic collision


VIEW = View(fps=20.0)
HIT_S = 0.51  # when they touch


def discs(r1=0.25, r2=0.36, v1=1.6, v2=-0.8):
    """Two balls with masses as their areas that meet head-on after half a second, without gravity."""
    gap = (v1 - v2) * HIT_S + r1 + r2
    start = -v1 * HIT_S - r1
    bodies = (
        ball("one", radius=r1, position=(start, 0, 2), hue="red", mass=r1**2, velocity=(v1, 0, 0),
             restitution=1.0, friction=0.0),
        ball("two", radius=r2, position=(start + gap, 0, 2), hue="blue", mass=r2**2, velocity=(v2, 0, 0),
             restitution=1.0, friction=0.0),
    )  # fmt: skip
    return Scene(bodies, side_camera(), 1.1, 0.3, 0.2, "impact", gravity=0.0)


def read_back(truth):
    shown = clip(truth, VIEW)
    times = VIEW.frame_times(truth.scene.duration_s)
    return track(shown.frames, truth.scene, VIEW, times)


def velocities(tracks, scene):
    """Slopes [m/s] (2 bodies, before and after the hit), each over the frames that are clear of it."""
    out = []
    for name in scene.names:
        t, x = tracks.times, tracks[name].position[:, 0]
        spans = (t < HIT_S - 0.03, t > HIT_S + 0.03)
        out.append([np.polyfit(t[s], x[s], 1)[0] for s in spans])
    return np.array(out)


@pytest.mark.parametrize(("r1", "r2"), [(0.25, 0.36), (0.3, 0.3), (0.36, 0.25)])
def test_an_elastic_collision_is_drawn_and_read_back(r1, r2):
    scene = discs(r1, r2)
    truth = simulate(scene)
    m1, m2, v1, v2 = r1**2, r2**2, 1.6, -0.8
    after = ((m1 - m2) * v1 + 2 * m2 * v2) / (m1 + m2), ((m2 - m1) * v2 + 2 * m1 * v1) / (m1 + m2)
    assert truth.velocity[-1, :, 0] == pytest.approx(after, abs=1e-6)
    tracks = read_back(truth)
    assert tracks.found.all()
    told = velocities(tracks, scene)
    # 0.25 px of error of position over .4 s at 14.5 px / m: three standard errors of a slope of 9 frames
    assert told == pytest.approx(np.array([[v1, after[0]], [v2, after[1]]]), abs=0.06)
    mass = np.array([[m1], [m2]])
    momentum, energy = (mass * told).sum(0), (mass * told**2 / 2).sum(0)
    assert momentum[1] == pytest.approx(momentum[0], abs=0.02 * (m1 * v1 - m2 * v2))
    assert energy[1] == pytest.approx(energy[0], rel=0.05)


def test_a_ball_that_vanishes_is_flagged_and_not_put_where_nothing_moves():
    scene = discs()
    truth = simulate(scene)
    tracks = read_back(resume(truth, 0.7, remove=("two",)))
    gone = tracks.times > 0.7
    assert not tracks["two"].found[gone].any()
    assert np.isnan(tracks["two"].position[gone]).all()
    assert np.isinf(tracks["two"].sigma[gone]).all()
    assert tracks["one"].found.all()
    exact = exact_tracks(truth, VIEW, tracks.times)
    still = energy_score([{"main": tracks}] * 4, {"main": exact}, {"main": scene})
    assert still > 4  # body sizes, root mean square over two bodies and 0.8 s: no default stands in for it


# Stable world models: five seeds of fifty episodes


def test_five_seeds_of_lewm_and_what_one_of_them_says():
    seeds = np.array([88.0, 84, 96, 92, 80])
    assert seeds.mean() == 88
    assert seeds.std(ddof=1) == pytest.approx(6.32, abs=0.005)
    told = wilson(44, 50)
    assert (round(100 * told.lo, 1), round(100 * told.hi, 1)) == (76.2, 94.4)


# WorldArena: a perfect answer is finite, and the best there is


@pytest.mark.parametrize("name", ["gravity", "permanence", "interpenetration"])
def test_the_truth_itself_has_a_finite_and_the_greatest_value(name):
    probe = registry.load_probe(name)
    case = probe.case(scene_rng("dev", probe.key, "iid", 0), "iid")
    from wmeval.run.truths import truth_of

    truths = {arm: truth_of(scene, probe.futures) for arm, scene in case.arms.items()}
    exact = {arm: exact_tracks(t, View()) for arm, t in truths.items()}
    error = probe.judge(exact, truths).error
    assert 0 <= error < 0.02
    for ceiling in (0.0, 0.02):
        assert Anchor(probe.key, "iid", View(), null=0.5, ceiling=ceiling, n=1).value(0.0) == 1.0
    assert energy_score([exact] * 4, exact, case.arms) == 0.0


def test_equal_videos_are_as_alike_as_videos_can_be():
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    other = 255 - frames
    bodies = np.ones((3, 32, 32), bool)
    for metric in (psnr, body_psnr):
        same = np.asarray(metric(frames, frames, bodies))
        assert np.isfinite(same).all()
        assert (same > np.asarray(metric(frames, other, bodies))).all()
