"""A season promises its hidden seeds by hash, tells them at its end, and never measures by other code."""

import hashlib

import pytest
from sqlalchemy import select

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_leaderboard import seasons
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Ledger, Season


def told(engine):
    with reading(engine) as session:
        return [str(entry.body) for entry in session.scalars(select(Ledger))]


def test_the_secret_is_promised_kept_and_told(engine, season):
    secret = season.sealed
    assert len(secret) == 32
    assert season.commitment == hashlib.sha256(secret).hexdigest()
    assert not any(secret.hex() in body for body in told(engine))
    with writing(engine) as session:
        closed = seasons.close_season(session, "first")
        assert (closed.sealed, closed.secret) == (None, secret.hex())
        assert seasons.secret_of(closed) == secret
        with pytest.raises(UsageError, match="no season 'first' is open"):
            seasons.close_season(session, "first")
    assert any(secret.hex() in body for body in told(engine))


def test_two_seasons_have_two_secrets_and_names(engine, season):
    with writing(engine) as session:
        other = seasons.open_season(session, "second", "quick")
        assert other.sealed != season.sealed
        assert seasons.current(session).name == "second"
        assert seasons.current(session, "first").name == "first"
        with pytest.raises(UsageError, match="already"):
            seasons.open_season(session, "second", "quick")
        seasons.close_season(session, "second")
        assert seasons.current(session).name == "first"
        with pytest.raises(UsageError, match="is over"):
            seasons.current(session, "second")


def test_a_season_without_name_needs_one_that_is_open(engine):
    with reading(engine) as session, pytest.raises(UsageError, match="no season is open"):
        seasons.current(session)


@pytest.mark.parametrize("what", ["world", "anchors", "probes", "wmeval"])
def test_other_code_does_not_measure_for_a_season(engine, season, what):
    assert seasons.suite_of(season).key == "tiny@1"
    with writing(engine) as session:
        row = session.get_one(Season, season.id)
        row.versions = {**row.versions, what: "other"}
        with pytest.raises(EnvironmentFault, match=f"other {what}"):
            seasons.suite_of(row)
