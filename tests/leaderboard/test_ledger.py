"""Whatever is changed in the ledger afterwards is found."""

import pytest
from sqlalchemy import delete, update

from wmeval.errors import EnvironmentFault
from wmeval_leaderboard import ledger
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.tables import Ledger


@pytest.fixture
def told(engine):
    with writing(engine) as session:
        for i in range(4):
            ledger.record(session, "told", str(i), {"number": i / 3, "text": "é"})
    return engine


def test_a_chain_is_whole(told):
    with reading(told) as session:
        assert ledger.verify(session) == 4
        assert ledger.head(session) != ledger.FIRST


@pytest.mark.parametrize(
    "change",
    [
        update(Ledger).where(Ledger.seq == 2).values(body={"number": 7}),
        update(Ledger).where(Ledger.seq == 3).values(subject="other"),
        update(Ledger).where(Ledger.seq == 1).values(at=1.0),
        delete(Ledger).where(Ledger.seq == 2),
    ],
    ids=["body", "subject", "time", "left out"],
)
def test_a_change_is_found(told, change):
    with writing(told) as session:
        session.execute(change)
    with reading(told) as session, pytest.raises(EnvironmentFault, match="does not follow"):
        ledger.verify(session)


def test_what_is_no_number_is_never_written(told):
    with pytest.raises(ValueError, match="not JSON compliant"), writing(told) as session:
        ledger.record(session, "told", "nan", {"number": float("nan")})
    with reading(told) as session:
        assert ledger.verify(session) == 4
