"""Where rows are kept: SQLite in WAL mode, or PostgreSQL by its address; one writer at a time on both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from wmeval.errors import EnvironmentFault, UsageError

BUSY_S = 10.0  # how long a writer waits for another on SQLite
_POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 30}  # handlers run in up to 40 threads
_WRITERS = 0x776D6576  # the number of the lock that writers take on PostgreSQL


def open_database(url: str) -> Engine:
    """Return the database at SQLAlchemy's address `url`; a SQLite file and its folder are made where lacking.

    Raises:
        UsageError: the address is malformed, or of another kind of database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError(
            f"the database was given as {_shown(url)!r}; expected sqlite:///PATH or "
            "postgresql://USER@HOST/NAME"
        ) from None  # which holds the password
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), json_serializer=_json, pool_pre_ping=True,
            hide_parameters=True, **_POOL,
        )  # fmt: skip
    if kind != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise UsageError(f"the database was given as {kind}; expected sqlite:///PATH or postgresql://...")
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, json_serializer=_json, hide_parameters=True,
                           connect_args={"timeout": BUSY_S}, **_POOL)  # fmt: skip
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a transaction that writes: committed at the end, undone where anything is raised.

    No other one runs beside it, so what is read in it stays true until it ends. Keep it short.
    """
    with Session(engine.execution_options(writes=True), expire_on_commit=False) as session, session.begin():
        session.connection()  # begins now, not at the first statement
        if engine.dialect.name == "postgresql":
            session.execute(select(func.pg_advisory_xact_lock(_WRITERS)))
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a transaction that only reads, and never waits for a writer."""
    with Session(engine, expire_on_commit=False, autoflush=False) as session:
        yield session


def upgrade(engine: Engine) -> None:
    """Bring the tables to what this version expects; does nothing where they are.

    Raises:
        EnvironmentFault: a later version has changed them already.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with writing(engine) as session:
        config.attributes["connection"] = session.connection()
        try:
            command.upgrade(config, "head")
        except CommandError as fault:
            raise EnvironmentFault(
                f"the tables are of another version of wmeval than this one ({fault}); install the one that "
                "served them last, or a later one"
            ) from fault


def _shown(url: str) -> str:
    """Return how an address begins, without who logs in and by what password.

    >>> _shown("postgresql:://me:secret@host/name"), _shown("elsewhere")
    ('postgresql:...', '...')
    """
    kind, colon, _ = url.partition(":")
    return f"{kind[:20]}:..." if colon and kind.isalnum() else "..."


def _prepare(connection: Any, _: Any) -> None:
    # the driver must not begin transactions itself: it would do so late, and never as IMMEDIATE
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # a transaction that becomes a writer half-way fails at once where another wrote: take the lock first
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
