"""Tokens let in who holds them, for as long as they may, and cannot be read back."""

import time

import pytest

from wmeval.errors import UsageError
from wmeval_leaderboard import accounts
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Token


def who(engine, token):
    with reading(engine) as session:
        team = accounts.team_of(session, token)
        return team and team.name


def test_a_token_lets_in_until_it_is_revoked(engine, team, token, settings):
    assert who(engine, token) == "north"
    assert who(engine, token + "x") is None
    assert who(engine, "") is None
    with writing(engine) as session:
        accounts.revoke_token(session, session.query(Token).one().id)
    assert who(engine, token) is None


def test_a_token_expires(engine, team):
    with writing(engine) as session:
        token = accounts.issue_token(session, team, days=1)
    assert who(engine, token) == "north"
    with writing(engine) as session:
        session.query(Token).update({"expires": time.time() - 1})
    assert who(engine, token) is None


def test_no_token_is_in_the_database(engine, token, settings):
    engine.dispose()
    for path in settings.url.removeprefix("sqlite:///"), settings.url.removeprefix("sqlite:///") + "-wal":
        try:
            with open(path, "rb") as file:
                assert token.encode() not in file.read()
        except FileNotFoundError:
            assert path.endswith("-wal")


@pytest.mark.parametrize("name", ["", " north", "<script>", "a" * 49, "north\n", "é"])
def test_names_that_could_mislead_are_refused(engine, name):
    with writing(engine) as session, pytest.raises(UsageError, match="1 to 48 letters"):
        accounts.add_team(session, name)


def test_a_key_is_of_one_team(engine, team):
    with writing(engine) as session:
        other = accounts.add_team(session, "south")
        first = accounts.add_key(session, team, "a" * 64)
        assert accounts.add_key(session, team, "a" * 64).id == first.id
        with pytest.raises(UsageError, match="another team's"):
            accounts.add_key(session, other, "a" * 64)
        with pytest.raises(UsageError, match="64 hexadecimal"):
            accounts.add_key(session, team, "A" * 64)
        for i in range(accounts.MOST_KEYS - 1):
            accounts.add_key(session, team, f"{i:064x}")
        with pytest.raises(UsageError, match="the most"):
            accounts.add_key(session, team, "b" * 64)
