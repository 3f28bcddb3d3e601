"""Who may submit: teams, the tokens that let them in, and the keys that they sign with."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from wmeval.errors import UsageError
from wmeval_leaderboard import ledger
from wmeval_leaderboard.tables import PublicKey, Team, Token

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,46}[A-Za-z0-9])?")
KEY = re.compile(r"[0-9a-f]{64}")
PREFIX = "wml_"  # so that a token is recognised where it must not be: in a repository, in a log
MOST_KEYS = 20  # a team


def add_team(session: Session, name: str, *, admin: bool = False) -> Team:
    """Return a new team.

    Raises:
        UsageError: the name is taken, too long, or holds other than letters, digits, spaces and . _ -
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"a team was named {name[:80]!r}; expected 1 to 48 letters, digits, spaces and . _ -, "
            "beginning and ending with a letter or digit"
        )
    if session.scalars(select(Team).where(Team.name == name)).first():
        raise UsageError(f"a team is called {name!r} already; choose another name")
    team = Team(name=name, created=time.time(), admin=admin)
    session.add(team)
    session.flush()
    ledger.record(session, "team", name, {})
    return team


def find_team(session: Session, name: str) -> Team:
    """Return a team by its name.

    Raises:
        UsageError: there is none.
    """
    team = session.scalars(select(Team).where(Team.name == name)).first()
    if team is None:
        known = ", ".join(session.scalars(select(Team.name).order_by(Team.name).limit(20))) or "none yet"
        raise UsageError(f"no team is called {name!r}; known: {known}")
    return team


def issue_token(session: Session, team: Team, label: str = "", days: float | None = None) -> str:
    """Return a new token of a team: 256 random bits, of which only the SHA-256 is kept. It is shown once."""
    token = PREFIX + secrets.token_urlsafe(32)
    now = time.time()
    expires = None if days is None else now + days * 86400
    session.add(Token(team_id=team.id, sha256=_hash(token), label=label, created=now, expires=expires))
    return token


def revoke_token(session: Session, token_id: int) -> Token:
    """Make a token worthless from now on and return it.

    Raises:
        UsageError: there is no such token.
    """
    token = session.get(Token, token_id)
    if token is None:
        raise UsageError(f"there is no token {token_id}; `wmeval leaderboard admin tokens` lists them")
    token.revoked = token.revoked or time.time()
    return token


def team_of(session: Session, token: str) -> Team | None:
    """Return whose token this is; None where it is nobody's, was revoked or has expired."""
    made = _hash(token)
    query = select(Token).where(Token.sha256 == made).options(joinedload(Token.team))
    found = session.scalars(query).first()
    if found is None or not hmac.compare_digest(found.sha256, made):
        return None
    expired = found.expires is not None and found.expires <= time.time()
    return None if expired or found.revoked is not None else found.team


def add_key(session: Session, team: Team, key: str) -> PublicKey:
    """Return a team's Ed25519 public key (32 bytes, hex), made known here if it was not.

    Raises:
        UsageError: it is malformed, another team's, or one too many.
    """
    if not KEY.fullmatch(key):
        raise UsageError(
            f"a public key was given as {key[:80]!r}; expected 32 bytes as 64 hexadecimal digits"
        )
    known = session.scalars(select(PublicKey).where(PublicKey.key == key)).first()
    if known is not None:
        if known.team_id != team.id:
            raise UsageError(f"the key {key[:12]} is another team's; `wmeval leaderboard login` makes one")
        return known
    held = session.scalars(select(PublicKey).where(PublicKey.team_id == team.id)).all()
    if len(held) >= MOST_KEYS:
        raise UsageError(f"the team {team.name!r} has {len(held)} keys, and {MOST_KEYS} is the most; use one")
    made = PublicKey(team_id=team.id, key=key, created=time.time())
    session.add(made)
    session.flush()
    ledger.record(session, "key", team.name, {"key": key})
    return made


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
