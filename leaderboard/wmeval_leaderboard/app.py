"""The service as one ASGI application, made of its settings."""

from __future__ import annotations

from fastapi import FastAPI

from wmeval_leaderboard.api import board, challenges, submissions
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.database import open_database, upgrade
from wmeval_leaderboard.faults import tell_faults
from wmeval_leaderboard.guard import Guard
from wmeval_leaderboard.human import routes as human
from wmeval_leaderboard.pages import routes as pages
from wmeval_leaderboard.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return the service; its database is opened and brought up to date.

    Raises:
        UsageError: an address of the settings is malformed.
    """
    # the usual pages about an API load scripts from elsewhere
    app = FastAPI(
        title="wmeval leaderboard",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.settings = settings
    app.state.engine = open_database(settings.url)
    upgrade(app.state.engine)
    app.state.blobs = Blobs(settings.files)
    app.state.blobs.sweep()
    for room in (submissions, challenges, board, pages, human):
        app.include_router(room.router)
    tell_faults(app)
    app.add_middleware(Guard, settings=settings)
    return app
