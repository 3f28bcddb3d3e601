"""What a handler asks for by the types of its arguments: database, files, settings, who is asking."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine

from wmeval_leaderboard.accounts import team_of
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Team

M = TypeVar("M", bound=BaseModel)


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _blobs(request: Request) -> Blobs:
    blobs: Blobs = request.app.state.blobs
    return blobs


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _team(request: Request) -> Team:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unknown("this needs a token: send it as `Authorization: Bearer TOKEN`")
    with reading(request.app.state.engine) as session:
        team = team_of(session, token.strip())
    if team is None:
        raise _unknown(
            "the token is not known here, was revoked or has expired; ask the operator for another"
        )
    return team


def _admin(team: TeamOf) -> Team:
    if not team.admin:
        raise HTTPException(403, f"the team {team.name!r} may not do this; it is for the operator")
    return team


async def _body(request: Request, team: TeamOf) -> bytes:
    return await request.body()


def parsed(model: type[M], data: bytes) -> M:
    """Return what a body says, which was read by hand: after the token, so that no stranger's is.

    Raises:
        RequestValidationError: it is not of this form.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as fault:
        raise RequestValidationError(fault.errors(include_input=False, include_context=False)) from fault


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the description of the API says of a body that is read by hand."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _unknown(sentence: str) -> HTTPException:
    return HTTPException(401, sentence, {"WWW-Authenticate": "Bearer"})


Engine_ = Annotated[Engine, Depends(_engine)]
Blobs_ = Annotated[Blobs, Depends(_blobs)]
Settings_ = Annotated[Settings, Depends(_settings)]
TeamOf = Annotated[Team, Depends(_team)]
BodyOf = Annotated[bytes, Depends(_body)]  # all of it, read of nobody but a team
AdminOf = Annotated[Team, Depends(_admin)]
