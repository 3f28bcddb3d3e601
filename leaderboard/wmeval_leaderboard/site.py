"""The same pages as files, which open from disk and outlive the server: `wmeval leaderboard site --out DIR`.

What needs a server is left out and said so by its absence: filters, sorting by any column, the human study.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine

from wmeval.errors import UsageError
from wmeval_leaderboard.blobs import Blobs
from wmeval_leaderboard.board import detail, export
from wmeval_leaderboard.board.query import Query
from wmeval_leaderboard.board.snapshot import Snapshot, Snapshots
from wmeval_leaderboard.board.table import board
from wmeval_leaderboard.database import reading
from wmeval_leaderboard.pages import assets, front, model, papers, probe, sample, task, utility
from wmeval_leaderboard.pages.links import Links

TOP, INNER = Links(live=False, root=""), Links(live=False, root="../")


def build(engine: Engine, blobs: Blobs, out: Path) -> int:
    """Write all pages of a leaderboard into an empty folder, and return how many there are.

    Raises:
        UsageError: the folder is not empty, or no season has been opened.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(
            f"{out} is not empty; give --out a new folder, so that no page of another time stays"
        )
    snapshot = Snapshots(engine).now()
    snapshot.season()
    pages = dict(_pages(snapshot, engine, blobs))
    with reading(engine) as session:
        shots = detail.shots(session)
    media = {f"{d}.{'json' if k == 'data' else 'png'}": d for s in shots for k, d in s.media.items()}
    for name, text in pages.items():
        _write(out / name, text.encode())
    for name in assets.names():
        made = assets.asset(name)
        _write(out / "static" / made.name, made.content)
    for name, digest in media.items():
        _write(out / "media" / name, blobs.read(digest))
    for name, content in _data(snapshot, engine).items():
        _write(out / "data" / name, content)
    return len(pages)


def _pages(snapshot: Snapshot, engine: Engine, blobs: Blobs) -> dict[str, str]:
    """Return the pages by the names of their files, which are the ones that Links gives."""
    made = {"index.html": front.page(snapshot, engine, TOP, Query(), per_page=None)}
    for query in _queries(snapshot, engine):
        name = TOP.board(query.address())
        made.setdefault(name, front.page(snapshot, engine, INNER, query, per_page=None))
    made[TOP.to("method")] = papers.method(snapshot, TOP)
    made[TOP.to("probes")] = probe.index(snapshot, TOP)
    made[TOP.to("utility")] = utility.page(snapshot, TOP)
    for season in snapshot.seasons:
        for one, column in utility.variants(snapshot, season.name):
            name = utility.address(TOP, season.name, one, column)
            made[name] = utility.page(snapshot, TOP, season.name, one, column)
    with reading(engine) as session:
        shots = detail.shots(session)
        count = detail.ledger(session, most=0)[1]
    for number in range(1, max(1, -(-count // papers.PER_PAGE)) + 1):
        asked = "" if number == 1 else f"?page={number}"
        made[TOP.to("ledger", query=asked)] = papers.ledger(engine, TOP, number)
    made[TOP.to("ledger", query="?page=1")] = made[TOP.to("ledger")]
    for slug in {e.model for e in snapshot.entries}:
        made[TOP.to("models", slug)] = model.page(snapshot, engine, blobs, INNER, slug)
    for entry in snapshot.entries:
        made[TOP.to("submissions", entry.slug)] = papers.submission(engine, INNER, entry.slug)
    for key in probe.asked(snapshot):
        made[TOP.to("probes", key)] = probe.page(snapshot, engine, blobs, INNER, key)
    for key in task.asked(snapshot):
        made[TOP.to("tasks", key)] = task.page(snapshot, engine, blobs, INNER, key)
    for shot in shots:
        made[TOP.to("samples", str(shot.id))] = sample.page(engine, blobs, INNER, shot.id)
        for other in detail.same_case(shots, shot):
            name = TOP.to("samples", str(shot.id), f"?with={other.id}")
            made[name] = sample.page(engine, blobs, INNER, shot.id, other.id)
    return made


def _queries(snapshot: Snapshot, engine: Engine) -> list[Query]:
    """Return every season, view and tag of the board; the newest season also without its name."""
    out = []
    for season in ("", *(s.name for s in snapshot.seasons)):
        first = board(snapshot, Query(season=season), front.loader(engine))
        for tag in first.tags or ("iid",):
            views = board(snapshot, Query(season=season, tag=tag), front.loader(engine)).views
            out += [Query(season=season, view=view, tag=tag) for view in ("profile", *views)]
    return out


def _data(snapshot: Snapshot, engine: Engine) -> dict[str, bytes]:
    made = {}
    for query in _queries(snapshot, engine):
        shown = board(snapshot, query, front.loader(engine), per_page=None)
        for end, make in export.MAKE.items():
            made[f"{quote(shown.season.name, safe='')}-{query.view}-{query.tag}.{end}"] = make(shown)
    return made


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
