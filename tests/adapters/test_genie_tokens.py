"""genie's eyes and its codebook: where hues are seen, which tokens may be drawn, what stays as it was."""

import numpy as np
import pytest
import torch

from wmeval_adapters.genie import memory
from wmeval_adapters.genie.codebook import Codebook
from wmeval_adapters.genie.reader import HUES, WORDS, Reader, shown
from wmeval_adapters.learn.clips import channels, open_clips


def test_every_hue_is_seen_where_the_simulator_has_it(disc_folder):
    clips = open_clips(disc_folder)
    sight = memory.spotted(channels(clips.frames))
    state = torch.from_numpy(np.array(clips.state))
    there = state[..., 4] > 0.5
    assert torch.equal(sight.seen, there)
    assert {int(h) for h in there.nonzero()[:, 2]} == set(range(HUES))
    assert float((sight.points - state[..., :2])[there].abs().max()) < 0.25


def test_what_is_seen_goes_before_inertia_and_nothing_comes_from_nowhere():
    history = memory.empty(1).then(torch.full((1, 6, 2), 10.0), torch.tensor([[True, True] + [False] * 4]))
    sight = memory.Sight(torch.full((1, 6, 2), 40.0), torch.tensor([[True, False, True] + [False] * 3]))
    belief = memory.Belief(torch.full((1, 6), 5.0), torch.zeros(1, 6, 2, 8, 8))
    points, present = belief.decide(history, sight, 64)
    assert present[0].tolist() == [True, True, True, False, False, False]
    assert points[0, :, 0].tolist() == [40.0, 10.0, 40.0, 0.0, 0.0, 0.0]
    assert belief.decide(history, None, 64)[1][0].tolist() == [True, True] + [False] * 4
    gone = memory.Belief(torch.full((1, 6), -5.0), belief.departure)
    assert not bool(gone.decide(history, None, 64)[1].any())


@pytest.fixture
def book() -> Codebook:
    """Two tokens: 000000 shows red, 666666 shows blue."""
    made = Codebook(3, digits=6, levels=7, patch=8)
    tokens, bodies = np.full((1, 3, 8, 8, 6), 3, np.uint8), np.zeros((1, 3, 64, 64), np.uint8)
    tokens[0, :, 1, 1], bodies[0, :, 8:16, 8:14] = 0, 1
    tokens[0, 0, 5, 5], bodies[0, 0, 40:48, 40:44] = 6, 5
    assert made.fit(tokens, bodies) == 1.0
    assert made.codes[:, 0].tolist() == [3, 0, 6]
    assert made.hues.argmax(1)[1:].tolist() == [0, 4]
    return made


def test_tokens_are_in_the_book_of_a_hue_nearby_and_empty_elsewhere(book):
    points = torch.full((1, 6, 2), 20.0)
    blue = torch.arange(6)[None] == 4
    logits = 0.1 * torch.randn(1, 8, 8, 6, 7, generator=torch.Generator().manual_seed(0))
    logits[..., 3] -= 5  # the empty token is out of the question
    logits[..., 0] += 0.3  # and red a little likelier than blue
    tokens, _ = book.choose(logits, points, blue)
    near = book.near(points, blue, 8).any(-1)
    assert 4 <= int(near.sum()) <= 16
    assert bool((tokens[~near] == 3).all())
    assert bool((tokens[near] == 6).all())


def test_patches_of_bodies_at_rest_keep_their_tokens(book):
    points, there = torch.full((1, 6, 2), 20.0), torch.arange(6)[None] == 0
    logits = torch.zeros(1, 8, 8, 6, 7)
    logits[..., 0] = 1.0
    old = torch.full((1, 8, 8, 6), 2, dtype=torch.uint8)
    near = book.near(points, there, 8).any(-1)
    rests, _ = book.choose(logits, points, there, (old, points))
    moves, _ = book.choose(logits, points, there, (old, points - 2.0))
    assert bool((rests[near] == 2).all())
    assert bool((moves[near] == 0).all())


def test_a_body_that_hardly_moves_does_not_move():
    there = torch.ones(1, 6, dtype=torch.bool)
    history = memory.empty(1).then(torch.full((1, 6, 2), 20.0), there)
    for push, moves in ((0.05, False), (0.3, True)):
        belief = memory.Belief(torch.ones(1, 6), torch.full((1, 6, 2, 8, 8), push))
        assert bool((belief.decide(history, None, 64)[0] != 20.0).all()) == moves


def test_words_are_shares_of_hues_and_of_sub_blocks():
    bodies = np.zeros((1, 64, 64), np.uint8)
    bodies[0, 0:2, 2:4] = 3  # one sub-block, row 0, column 1, of the first patch
    told = shown(bodies, 8)
    assert told.shape == (1, 8, 8, WORDS)
    assert float(told[0, 0, 0, 2]) == 4 / 64
    assert told[0, 0, 0, HUES:].nonzero().flatten().tolist() == [1]
    reader = Reader(6, 7)
    assert not bool(reader(reader.one_hot(torch.full((2, 6), 3, dtype=torch.uint8))).any())
