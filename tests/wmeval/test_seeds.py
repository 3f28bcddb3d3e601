"""Seeds are hashes of what they are for; of what is hidden they tell nothing."""

from wmeval.seeds import hidden_by, sample_seed

ASKED = (0, "gravity@0.1", "ab" * 32, 0)


def test_the_seed_of_a_hidden_case_confirms_no_guess_of_it():
    public = sample_seed(*ASKED)
    with hidden_by(bytes(32)):
        one = sample_seed(*ASKED)
        assert one == sample_seed(*ASKED)  # the same for all that ask the season's scenes
    with hidden_by(bytes(range(32))):
        other = sample_seed(*ASKED)
    assert len({public, one, other}) == 3
    assert sample_seed(*ASKED) == public
