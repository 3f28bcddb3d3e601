"""The season that comes with the project: run, handed in through the real API, measured again, and packed.

    python seasons/season.py make [--runs runs/season] [--only genie]   runs what is missing, then packs all
    python seasons/season.py load leaderboard-data                      unpacks it for `leaderboard serve`

`make` runs every model on survey@0.1, opens a season on a server of its own, submits each run with `wmeval
submit`, waits until the server has measured it, closes the season (its secret is told: whoever has this
archive could read it anyway), prunes the answers, of which samples stay, and packs the server's folder, at
most 20 MB. Runs go on where they stopped. `load` also opens seasons that runs can be handed in to, with
secrets of their own; a folder that is there stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from wmeval.submission.signing import new_key

SUITE, NAME, TEAM = "survey", "first", "wmeval"
MODELS = ("genie", "diamond", "dreamer", "jepa")  # references stand on every board by themselves
OPEN = {"open": SUITE, "open-quick": "quick"}  # seasons to hand runs in to, by their suites
ARCHIVE = Path(__file__).with_name("first.zip")
LARGEST = 20_000_000  # bytes
WAIT_S = 4 * 3600.0
DATABASE = "leaderboard.sqlite"


def wmeval(*said: str | Path, **environment: str) -> str:
    """Return what a `wmeval` command prints; it must not fail."""
    done = subprocess.run(
        [sys.executable, "-m", "wmeval.cli.main", *map(str, said)], env={**os.environ, **environment},
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a leaderboard from a folder, with two workers; what comes is its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wmeval.cli.main", "leaderboard", "serve", "--dir", str(folder), "--port", "0",
         "--workers", "2", "--set", "submissions_a_day=100"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0]
    finally:
        process.terminate()
        process.wait(60)


def published(url: str, slug: str, token: str) -> dict[str, Any]:
    """Return the status of a submission when the server is done with it."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        asked = httpx2.get(
            f"{url}/api/v1/submissions/{slug}/status",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        told: dict[str, Any] = asked.raise_for_status().json()
        if told["state"] in ("published", "quarantined"):
            return told
        time.sleep(2)
    raise SystemExit(f"{slug} was not measured within {WAIT_S:g} s")


def make(runs: Path, only: list[str]) -> None:
    """Run what is missing, hand all of it in, and pack the folder of the server."""
    for model in only or MODELS:
        print(f"run     {model}", flush=True)
        wmeval("run", "--model", model, "--suite", SUITE, "--out", runs / model)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        wmeval("leaderboard", "admin", "open", NAME, "--suite", SUITE, "--dir", folder)
        token = wmeval("leaderboard", "admin", "team", TEAM, "--dir", folder).splitlines()[-1]
        with served(folder) as url:
            keys = {"WMEVAL_TOKEN": token, "WMEVAL_KEY": new_key()}
            slugs = {
                model: json.loads(wmeval("submit", runs / model, "--server", url, "--json", **keys))["slug"]
                for model in only or MODELS
            }
            for model, slug in slugs.items():
                told = published(url, slug, token)
                print(f"{told['state']:12}{model}  {told.get('reason', '')}", flush=True)
                if told["state"] != "published":
                    raise SystemExit(f"{model} was set aside; mend that and make the season again")
        wmeval("leaderboard", "admin", "close", NAME, "--dir", folder)
        print(wmeval("leaderboard", "admin", "prune", NAME, "--days", "0", "--dir", folder))
        print(wmeval("leaderboard", "admin", "check", "--dir", folder))
        pack(folder)


def pack(folder: Path) -> None:
    """Write a server's folder into the archive, all or nothing."""
    with sqlite3.connect(folder / DATABASE) as database:
        database.execute("delete from token")  # nobody is to be let in by what is in here
        database.commit()
        database.execute("pragma wal_checkpoint(truncate)")
        database.execute("vacuum")
    part = ARCHIVE.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if not path.name.endswith(("-wal", "-shm")):
                packed.write(path, path.relative_to(folder))
    size = part.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{part} has {size / 1e6:.1f} MB, more than the {LARGEST / 1e6:g} MB that may ship")
    part.replace(ARCHIVE)
    print(f"{ARCHIVE}: {size / 1e6:.1f} MB")


def load(folder: Path) -> None:
    """Unpack the archive into a folder that is not there yet."""
    if folder.exists():
        print(f"{folder} is there and stays as it is")
        return
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(ARCHIVE) as packed:
        packed.extractall(part)
    for name, suite in OPEN.items():
        wmeval("leaderboard", "admin", "open", name, "--suite", suite, "--dir", part)
    part.rename(folder)
    print(f"{folder}: the season {NAME!r}, which is over, and {' and '.join(OPEN)} for runs of yours")
    print(f"who submits: wmeval leaderboard admin team NAME --dir {folder}, which prints a token")


def main() -> None:
    """Do what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ways = asked.add_subparsers(dest="what", required=True)
    making = ways.add_parser("make")
    making.add_argument("--runs", type=Path, default=Path("runs/season"))
    making.add_argument("--only", nargs="*", default=[])
    ways.add_parser("load").add_argument("folder", type=Path)
    given = asked.parse_args()
    if given.what == "make":
        make(given.runs, given.only)
    else:
        load(given.folder)


if __name__ == "__main__":
    main()
