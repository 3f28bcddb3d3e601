"""Twins: what is crossed over holds the same frames, and what is not exact is refused in a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from wmeval import View
from wmeval.audit import Audit, audit, classified, logistic
from wmeval.model import Clip
from wmeval.probe import Twin
from wmeval.registry import load_probe
from wmeval.scene import Scene, ball, floor, occluder, side_camera
from wmeval.stats import bounded_mean
from wmeval.twins import Member, Refused, backwards, crossed, members, multiset, paired, prefix, question
from wmeval.world import simulate

VIEW = View()


def clip(*levels, actions=0.0):
    """A clip of grey frames 16 x 16, one a level."""
    frames = np.repeat(np.array(levels, np.uint8), 16 * 16 * 3).reshape(len(levels), 16, 16, 3)
    return Clip(frames, 10.0, np.full((len(levels) - 1, 12), actions))


def twin(kind="swap", splice_s=0.2, window_s=(0.3, 0.5)):
    body = ball("a", radius=0.3, position=(0, 0, 1), hue="red")
    scene = Scene((body, floor()), side_camera(), 0.6, 0.3, 0.2, "flight")
    return Twin(kind, scene, scene, splice_s, window_s)


ONE, TWO = clip(10, 11, 50, 50, 12, 13), clip(20, 21, 50, 50, 22, 23)


def split(made):
    return ([m for m in made if m.possible is side] for side in (True, False))


def test_crossing_over_keeps_the_multiset_of_frames_and_the_common_start():
    one, two = replace(ONE, actions=ONE.actions + 1), replace(TWO, actions=TWO.actions + 2)
    possible, impossible = split(crossed(twin(), one, two))
    assert multiset([m.clip.frames for m in possible]) == multiset([m.clip.frames for m in impossible])
    assert [m.clip.frames[:, 0, 0, 0].tolist() for m in impossible] == [
        [10, 11, 50, 50, 22, 23],
        [20, 21, 50, 50, 12, 13],
    ]
    assert impossible[0].clip.actions[:, 0].tolist() == [1, 1, 2, 2, 2]  # each step acts as in its own clip
    assert {m.window for m in [*possible, *impossible]} == {(3, 6)}
    assert prefix(possible[0].clip.frames, impossible[0].clip.frames) == 4
    assert prefix(possible[0].clip.frames, possible[0].clip.frames) == 6


@pytest.mark.parametrize(
    ("one", "two", "how", "sentence"),
    [
        (ONE, clip(20, 21, 51, 50, 22, 23), {}, "256 pixels differ between the two scenes"),
        (ONE, clip(20, 21, 50), {}, "6 and 3 frames"),
        (ONE, clip(20, 21, 50, 50, 12, 13), {}, "look the same after the splice"),
        (ONE, clip(10, 11, 50, 50, 22, 23), {}, "look the same before the splice"),
        (ONE, TWO, {"window_s": (0.0, 0.2)}, "no frame after the splice"),
    ],
)
def test_what_cannot_be_crossed_over_is_refused(one, two, how, sentence):
    with pytest.raises(Refused, match=sentence):
        crossed(twin(**how), one, two)


def test_backwards_mirrors_the_steps_of_the_window():
    possible, impossible = backwards(twin("reversal", window_s=(0.3, 0.4)), ONE)
    assert impossible.clip.frames[:, 0, 0, 0].tolist() == [13, 12, 50, 50, 11, 10]
    assert (possible.window, impossible.window) == ((3, 5), (2, 4))

    def steps(member):
        levels = member.clip.frames[:, 0, 0, 0].astype(int)
        return sorted(abs(levels[t] - levels[t - 1]) for t in range(*member.window))

    assert steps(possible) == steps(impossible) == [0, 38]
    with pytest.raises(Refused, match="cannot be played backwards"):
        backwards(twin("reversal"), clip(1, 2, 3, actions=1.0))


def test_pairs_are_looked_at_where_the_picture_differs():
    seen = clip(10, 11, 50, 60, 70, 13)
    made = paired({"a": ONE, "b": TWO}, {"a": seen, "b": TWO})
    assert [(m.possible, m.window, m.group) for m in made] == [(True, (3, 5), "a"), (False, (3, 5), "a")]
    with pytest.raises(Refused, match="changes no pixel"):
        paired({"a": ONE}, {"a": ONE})


def veiled(hue, start=-1.6):
    """A ball that passes behind a screen without gravity."""
    body = ball("a", radius=0.25, position=(start, 0, 1), hue=hue, velocity=(1.6, 0, 0))
    screen = occluder("screen", half=(0.55, 0.05, 0.6), position=(0, -0.6, 1))
    return Scene((body, screen, floor()), side_camera(), 2.0, 0.5, 0.3, "flight", gravity=0.0)


@pytest.fixture(scope="module")
def hides():
    """A probe whose twins are a red and a blue ball behind one screen."""

    def draw(rng, tag):
        start = float(rng.uniform(-1.7, -1.5))
        return Twin("swap", veiled("red", start), veiled("blue", start), 1.0, (1.2, 1.9))

    return replace(load_probe("gravity"), twin=draw)


def test_members_of_a_rendered_swap(hides):
    asked = question(hides, "iid", 0)
    made = members(asked, hides, "iid", 0, VIEW, lambda scene, _: simulate(scene))
    possible, impossible = split(made)
    assert (asked.matching, len(possible), len(impossible)) == ("matched", 2, 2)
    assert multiset([m.clip.frames for m in possible]) == multiset([m.clip.frames for m in impossible])
    assert question(hides, "iid", 0).case_id == asked.case_id != question(hides, "iid", 1).case_id
    # what comes first tells nothing: of many questions, either kind leads as often
    first = [
        members(question(hides, "iid", i), hides, "iid", i, VIEW, lambda s, _: simulate(s))[0].possible
        for i in range(8)
    ]
    assert 0 < sum(first) < 8


def test_the_audit_passes_a_swap_and_sees_one_that_shows(hides):
    told = audit(hides, "iid", VIEW, 10)
    assert told.ok, told.sentence
    assert (told.matching, told.n, told.unequal, told.short) == ("matched", 10, 0, 0)
    assert {round(i.mean, 9) for i in told.cues.values()} == {0.5}

    def quick(rng, tag):
        one, two = (
            replace(s, bodies=tuple(replace(b, velocity=(5.4, 0, 0)) if b.mass else b for b in s.bodies))
            for s in (veiled("red", -1.62), veiled("blue", -1.62))
        )
        return Twin("swap", one, two, 0.3, (0.4, 0.6))

    short = audit(replace(hides, twin=quick), "iid", VIEW, 2)
    assert not short.ok
    assert "2 swaps are hidden for fewer than 3 frames" in short.sentence

    bare = replace(hides, twin=lambda rng, tag: replace(hides.twin(rng, tag), splice_s=0.4))
    refused = audit(bare, "iid", VIEW, 3)
    assert not refused.ok
    assert "pixels differ between the two scenes" in refused.sentence


def test_the_classifiers_find_a_cue_that_is_there():
    """Impossible clips that are brighter, or move more, are told apart by what reads just that."""
    rng = np.random.default_rng(0)

    def scene(bright=0, faster=0):
        made = []
        for possible in (True, False):
            frames = rng.integers(90, 110, (6, 16, 16, 3)).astype(np.uint8) + (not possible) * bright
            for t in range(6):
                frames[t, 4:8, t * (1 + faster * (not possible)) :][:, :3] = 250
            made.append(
                Member(Clip(frames.astype(np.uint8), 10.0, np.zeros((5, 12))), possible, (1, 6), "main")
            )
        return made

    bright = [scene(bright=4) for _ in range(15)]
    assert np.mean(classified(bright, "single frames")) == 1.0
    moving = [scene(faster=1) for _ in range(15)]
    assert np.mean(classified(moving, "frame differences")) > 0.9
    nothing = [scene() for _ in range(60)]
    interval = bounded_mean(classified(nothing, "single frames"), 0.0, 1.0)
    assert interval.lo < 0.5 < interval.hi


def test_an_audit_names_the_cue_that_is_off_chance():
    off, on = bounded_mean([0.9] * 30, 0, 1), bounded_mean([0.5] * 30, 0, 1)
    told = Audit("p@0.1", "iid", "matched", 30, (), 0, 0, {"flow": off, "copy-last": on})
    assert (told.ok, told.telling) == (False, ("flow",))
    assert "flow must be at 0.5 and are not" in told.sentence
    assert replace(told, matching="pairs").ok  # baselines are printed beside pairs, not demanded


def test_logistic_regression_is_the_minimum_of_its_loss():
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(80, 4)), (rng.random(80) < 0.4).astype(float)

    def loss(w):
        z = x @ w[:4] + w[4]
        return float(np.sum(np.logaddexp(0, z) - y * z) + 0.5 * w[:4] @ w[:4])

    best = minimize(loss, np.zeros(5), tol=1e-12).x
    np.testing.assert_allclose(logistic(x, y), best[:4], atol=1e-4)
