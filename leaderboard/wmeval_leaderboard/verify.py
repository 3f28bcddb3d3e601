"""Verified: the operator runs the weights of a submission on the season's hidden scenes.

A model is run only by a name that is installed here, and weights only from a folder that the operator filled,
found by their digest: nothing that a team sent is ever run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.run.code import file_digest
from wmeval.submission.parts import MANIFEST
from wmeval_leaderboard import hidden, jobs, scores, seasons
from wmeval_leaderboard.database import reading, writing
from wmeval_leaderboard.gap import settle
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.publishing import publish
from wmeval_leaderboard.scores import Line
from wmeval_leaderboard.tables import Part, Season, Submission
from wmeval_leaderboard.worker import Workplace

OPENS = ("tokenizer", "folder", "data")  # options of adapters that are files
RUNS = ("allow-pickle", "trust-remote-code")
FILE = re.compile(r"[/\\~]|\.(bin|ckpt|json|np[yz]|pickle|pkl|pth?|py|safetensors|ya?ml)$", re.IGNORECASE)


def verify(place: Workplace) -> None:
    """Run a submission's model here and publish what it is worth; see `worker.Doing`.

    Raises:
        UsageError: the model runs elsewhere, an option names a file, or the submission is not published.
        EnvironmentFault: it or its weights are not here. Either way the submission stays as it is.
    """
    with reading(place.engine) as session:
        submission = session.get_one(Submission, place.lease.submission_id)
        season = session.get_one(Season, submission.season_id)
        manifest = session.get(Part, (submission.id, MANIFEST))
    if manifest is None:
        raise EnvironmentFault(
            f"{submission.slug} is no whole run, so what to run is not known; verify the run of its model"
        )
    jobs.check_shown(submission)
    seasons.suite_of(season)
    check_options(submission.about["model"]["options"])
    asked = json.loads(place.blobs.read(manifest.digest))["request"]
    identity: Mapping[str, Any] = submission.about["model"]
    task = {
        "do": "model", "suite": season.versions["given"], "cases": place.settings.challenge_cases,
        "model": _installed(str(asked["model"])), "options": dict(identity["options"]),
        "weights": _weights(str(asked["model"]), identity["weights"], place.settings.weights),
        "device": place.settings.device, "identity": dict(identity),
    }  # fmt: skip
    bounds = Bounds(place.settings.measuring_s, place.settings.verifying_bytes)
    told = hidden.do(place.folder, seasons.secret_of(season), task, bounds, place.beat)
    with writing(place.engine) as session:
        jobs.finish(session, place.lease)
        mine = session.get_one(Submission, submission.id)
        scores.keep(session, mine.id, "verified", [Line(**line) for line in told["lines"]])
        settle(session, mine)
        publish(
            session, mine, "verified", {"gap": mine.gap, "failed": told["failed"], "offline": told["offline"]}
        )


def check_options(options: Mapping[str, str]) -> None:
    """Raise UsageError for an option that names a file of this machine or lets a file run code.

    Options are the sender's; weights are found by their digest alone.
    """
    for name, value in options.items():
        word = name.replace("_", "-")
        if word in OPENS or FILE.search(value) or (word in RUNS and value != "no"):
            raise UsageError(
                f"the option {name[:40]}={value[:80]} names a file or allows code in one; only a run without "
                "it is verified, whose files lie beside its weights"
            )


def _installed(name: str) -> str:
    if registry.is_reference(name):
        return name
    if name in registry.entries("models"):
        # its options are the sender's: they would have this server call an address, and tell it hidden scenes
        if registry.load_adapter(name).reaches:
            raise UsageError(
                f"the model {name!r} only passes on what another machine answers; a model is verified by the "
                "adapter that runs its weights here"
            )
        return name
    raise EnvironmentFault(
        f"the model {name[:80]!r} is not installed here; install the package that has it, then put the job "
        "up again with `wmeval leaderboard admin again`"
    )


def _weights(name: str, wanted: str | None, folder: str) -> str | None:
    """Return where weights of a digest lie; None of those that ship with their adapter, or of no weights."""
    if registry.is_reference(name) or wanted is None:
        return None
    shipped = registry.load_adapter(name).shipped
    if shipped is not None and shipped.exists() and file_digest(shipped) == wanted:
        return None
    for path in sorted(Path(folder).iterdir()) if folder else ():
        if file_digest(path) == wanted:
            return str(path.absolute())
    # the sentence is shown to all, and where the operator keeps weights is nobody's business
    raise EnvironmentFault(
        f"no weights of {name!r} with digest {wanted[:12]} are in the operator's folder; put them there and "
        "name it with --set weights=FOLDER"
    )
