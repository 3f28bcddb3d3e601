"""genie's parts against what they must do whatever their weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wmeval_adapters.genie import memory
from wmeval_adapters.genie.actions import UNBOUND, bind, measured
from wmeval_adapters.genie.background import hued, running
from wmeval_adapters.genie.dynamics import Frame
from wmeval_adapters.learn.clips import MIRRORED, channels


def test_background_forgets_a_body_that_moves_and_guesses_behind_one_that_rests():
    frames = np.full((1, 6, 64, 64, 3), 150, np.uint8)
    for t in range(6):
        frames[0, t, 20:30, 8 * t : 8 * t + 8] = (220, 20, 20)
        frames[0, t, 40:50, 30:40] = (20, 20, 220)
    told = running(channels(frames))
    assert not bool(hued(told).any())
    assert int((told.int() - 150).abs().max()) <= 1


def test_background_of_a_frame_does_not_know_later_frames(discs):
    frames = channels(discs(2, 8)[0])
    later = frames.clone()
    later[:, 5:] = 255 - later[:, 5:]
    assert torch.equal(running(frames)[:, :5], running(later)[:, :5])


def test_background_keeps_a_moved_screen_where_it_was_last_seen():
    frames = np.full((1, 3, 64, 64, 3), 150, np.uint8)
    frames[0, 0, 10:30, 10:20] = 40
    frames[0, 1:, 30:50, 10:20] = 40
    assert torch.equal(running(channels(frames))[0, 2], channels(frames)[0, 2])


def test_empty_patches_have_the_centre_token_and_bodies_touch_only_theirs(tiny_genie, discs):
    frames = channels(discs(1, 4)[0])
    own = running(frames)
    tokens = tiny_genie.tokenizer.encode(frames[0], own[0])
    body = hued(frames[0]).view(4, 8, 8, 8, 8).any(4).any(2)
    assert tokens.shape == (4, 8, 8, 6)
    assert bool((tokens[~body] == 3).all())
    assert bool((tokens[body] != 3).any())


def test_decoder_gets_digits_back_on_the_levels(tiny_genie):
    x = torch.linspace(-0.999, 0.999, 101)
    told = tiny_genie.tokenizer.quantised(x)
    assert set(np.round(told.numpy() * 3).astype(int)) == set(range(-3, 4))
    assert float((told - x).abs().max()) <= 1 / 6 + 1e-6


@settings(max_examples=50, deadline=None)
@given(st.floats(4.0, 60.0), st.floats(4.0, 60.0))
def test_shares_of_a_point_have_the_point_as_their_mean(u, v):
    points = torch.zeros(6, 2)
    points[2] = torch.tensor([u, v])
    present = torch.arange(6) == 2
    share = memory.shares(points, present, 64)
    centre = memory.cells(64)
    assert float(share.sum()) == pytest.approx(1, abs=1e-5)
    assert float((share[2].sum(0) * centre).sum()) == pytest.approx(u, abs=1e-3)
    assert float((share[2].sum(1) * centre).sum()) == pytest.approx(v, abs=1e-3)


def test_inertia_goes_on_in_a_straight_line_and_starts_from_rest():
    history = memory.empty(1)
    seen = torch.ones(1, 6, dtype=torch.bool)
    for t in range(3):
        history = history.then(torch.full((1, 6, 2), 10.0 + 3 * t), seen)
        assert float(history.inertia[0, 0, 0]) == (10.0 if t == 0 else 13.0 + 3 * t)


def test_histories_of_a_clip_are_those_of_its_frames_one_by_one():
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2, 7, 6, 2, generator=generator) * 64
    present = torch.rand(2, 7, 6, generator=generator) < 0.7
    at_once, step = memory.histories(points, present).maps(64), memory.empty(2)
    for t in range(7):
        assert torch.allclose(at_once[:, t], step.maps(64), atol=1e-5)
        step = step.then(points[:, t], present[:, t])


def test_a_body_is_known_from_when_it_is_seen_until_it_leaves():
    state = torch.zeros(1, 5, 6, 5)
    state[..., :2] = torch.nan
    state[0, :, 0, :2] = torch.tensor([[-9.0, 30], [4, 30], [20, 30], [30, 30], [90, 30]])
    state[0, :, 0, 4] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    assert memory.known(state, 64)[1][0, :, 0].tolist() == [False, True, True, True, False]


def _frame(net, t: int) -> Frame:
    generator = torch.Generator().manual_seed(3)

    def digits() -> torch.Tensor:
        return torch.randint(0, 7, (2, t, 8, 8, 6), generator=generator).to(torch.uint8)

    return Frame(
        digits(), torch.rand(2, t, 8, 8, generator=generator) < 0.5, (digits(), digits()),
        torch.rand(2, t, 60, 8, 8, generator=generator), torch.rand(2, t, 18, 8, 8, generator=generator),
        torch.rand(2, t, generator=generator) < 0.5, torch.rand(2, t, 30, 8, 8, generator=generator),
        torch.rand(2, t, 2, generator=generator),
    )  # fmt: skip


def _cut(frame: Frame, part: slice) -> Frame:
    return Frame(
        frame.tokens[:, part], frame.hidden[:, part], tuple(b[:, part] for b in frame.before),
        frame.maps[:, part], frame.place[:, part], frame.placed[:, part], frame.sight[:, part],
        frame.action[:, part],
    )  # fmt: skip


@torch.inference_mode()
def test_dynamics_frame_by_frame_are_those_of_all_frames_at_once(tiny_genie):
    # 9 frames and a window of 6 in each of two attentions: the cache has to slide as the mask does.
    net, frame = tiny_genie.dynamics, _frame(tiny_genie, 9)
    behind = net.behind(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    logits, belief, _ = net(frame, behind)
    past = None
    for t in range(9):
        one, told, past = net(_cut(frame, slice(t, t + 1)), behind, past)
        assert torch.allclose(one[:, 0], logits[:, t], atol=1e-4)
        assert torch.allclose(told.departure[:, 0], belief.departure[:, t], atol=1e-4)
    assert all(kept.shape[4] == 6 for kept in past)


@torch.inference_mode()
def test_dynamics_see_no_masked_token_and_no_later_frame(tiny_genie):
    net, frame = tiny_genie.dynamics, _frame(tiny_genie, 4)
    behind = net.behind(torch.zeros(2, 3, 64, 64))
    before = net(frame, behind)[0]
    frame.tokens[frame.hidden] = 0
    frame.tokens[:, 3] = 1
    frame.maps[:, 3] = 0
    assert torch.equal(net(frame, behind)[0][:, :3], before[:, :3])


def test_binding_finds_the_code_of_each_direction_and_measures_its_purity():
    rng = np.random.default_rng(0)
    actions = np.zeros((4000, 12))
    turn = rng.integers(0, 8, 4000) * np.pi / 4
    pushed = rng.random(4000) < 0.5
    actions[:, 0], actions[:, 2] = np.cos(turn) * pushed * 5, np.sin(turn) * pushed * 5
    truth = np.where(pushed, np.rint(turn / np.pi * 4).astype(int) + 1, 12)
    wrong = rng.random(4000) < 0.2
    codes = np.where(wrong, rng.integers(0, 25, 4000), truth)
    bound = bind(actions, codes)
    assert (bound.code(actions) == truth).all()
    assert bound.purity == pytest.approx(0.8 + 0.2 / 25, abs=0.03)
    assert bound.rest == pytest.approx(0.8 + 0.2 / 25, abs=0.03)
    assert measured(bound, actions, truth).purity == 1.0


def test_small_pushes_that_look_like_rest_are_still_told_from_it():
    actions, codes = np.zeros((300, 12)), np.full(300, 12)
    actions[:100, 0] = 1.0
    codes[:40] = 13
    assert bind(actions, codes).code(actions)[[0, 99, 200]].tolist() == [13, 13, 12]


def test_impulses_and_forces_have_buckets_of_their_own():
    bound = replace(UNBOUND, codes=tuple(range(49)))
    actions = np.zeros((3, 12))
    actions[0, 0], actions[1, 3], actions[2, 0], actions[2, 3] = 1.5, 1.5, 1.5, 1.5
    assert bound.bucket(actions).tolist() == [9, 33, 9]


def test_mirrored_actions_turn_what_points_sideways():
    assert MIRRORED.tolist() == [-1, 1, 1, -1, 1, 1, -1, 1, 1, 1, -1, -1]
