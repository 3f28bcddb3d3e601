"""What is done with a season's hidden scenes: a pack is made of them, or a model is measured on them.

It is a process of its own (`python -m wmeval_leaderboard.hidden FOLDER`), so that no request and no upload is
ever looked at where hidden scenes are drawn. The secret comes in a file of the folder, which is gone as soon
as it is read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wmeval import registry
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Card
from wmeval.pack import archive, layout
from wmeval.pack.export import export, export_arrays
from wmeval.remote.card import read_card
from wmeval.run import Run, engine
from wmeval.run.hidden import hidden
from wmeval.run.plan import described, plan_of
from wmeval.run.request import Request
from wmeval.seeds import asked_by
from wmeval.suite import Suite
from wmeval_leaderboard import limited, scores
from wmeval_leaderboard.limited import Bounds
from wmeval_leaderboard.offline import cut_off
from wmeval_leaderboard.rescoring import check_anchors
from wmeval_leaderboard.scores import Line

MODULE = "wmeval_leaderboard.hidden"
TASK, SECRET, PACK, ZIP, RUN, TOLD = "task.json", "secret", "pack", "pack.zip", "run", "told.json"
# by which questions can be put to a model that is not here
BY_PACK = ("rollout", "surprise", "choose")


def do(folder: Path, secret: bytes, task: Mapping[str, Any], bounds: Bounds, beat: Callable[[], None]) -> Any:
    """Return what a process of this module tells of a task, done in a folder.

    Raises:
        UsageError, EnvironmentFault, Died: see `limited.run`.
    """
    (folder / TASK).write_text(json.dumps(task))
    handle = os.open(folder / SECRET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
    try:
        limited.run(MODULE, [str(folder)], bounds, beat)
    finally:
        (folder / SECRET).unlink(missing_ok=True)
    return json.loads((folder / TOLD).read_text())


def main() -> None:
    """Do the task in the folder that is the first argument, and write there what came of it."""
    folder = Path(sys.argv[1])
    task, secret = json.loads((folder / TASK).read_text()), (folder / SECRET).read_bytes()
    (folder / SECRET).unlink()
    with hidden(secret):
        told = {"pack": _pack, "answers": _answers, "model": _model}[task["do"]](folder, task, secret)
    (folder / TOLD).write_text(json.dumps(told, allow_nan=False))


def declared(card: Card, form: str) -> Card:
    """Return the card by which it is decided what a model is asked: as it was told before any question."""
    limited_ = layout.limited(card)
    if form == "arrays":
        return limited_
    # whoever shows pictures to a model by hand can show it all of them
    wide = layout.card(card.view)
    return replace(wide, capabilities=limited_.capabilities, classes=card.classes)


def _pack(folder: Path, task: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    card, asked = read_card(task["card"]), _request(task)
    check_anchors(plan_of(asked, declared(card, task["form"]), None))
    if task["form"] == "arrays":
        pack = export_arrays(card, asked, folder / PACK)
    else:
        pack = export(asked.suite, folder / PACK, instruments=asked.instruments, limit=asked.limit)
    given = pack.unlabelled()
    (folder / PACK / layout.MANIFEST).write_text(json.dumps(given.to_json(), indent=1, allow_nan=False))
    archive.packed(folder / PACK, folder / ZIP)
    return {"salt": pack.salt.hex(), "questions": len(pack.questions), "clips": len(pack.clips)}


def _answers(folder: Path, task: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    pack = layout.read(folder / PACK)
    asked = _request(task)
    labelled = replace(pack, salt=bytes.fromhex(task["salt"]), ask={**_ask(asked), "suite": task["suite"]})
    (folder / PACK / layout.MANIFEST).write_text(json.dumps(labelled.to_json(), allow_nan=False))
    view = pack.view
    options = {
        "folder": str(folder / PACK), "overlap": "none", "geometry": f"0,0,{view.width},{view.height}",
    }  # fmt: skip
    there = registry.load_adapter("recorded").completed
    assert there is not None
    told = read_card(task["card"])
    card = replace(
        declared(told, task["form"]), name=there(None, options).name, version=there(None, options).version
    )
    plan = plan_of(replace(asked, options=options), card, None)
    return _lines(engine.carry_out(plan, folder / RUN), secret)


def _model(folder: Path, task: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    model = {k: task[k] for k in ("model", "weights", "options")}
    card, weights = described(Request(**model))
    asked = task["identity"]
    for what, here in (("name", card.name), ("version", card.version), ("weights", weights)):
        if here != asked[what]:
            raise EnvironmentFault(
                f"the model has {what} {here!r} here, and {asked[what]!r} was submitted; verify with the "
                "adapter and the weights that the submission was made with"
            )
    alone = cut_off()  # from here on nobody can be asked for an answer
    done = engine.run(
        suite=task["suite"], limit=task["cases"], device=task["device"], executor="inline",
        out=folder / RUN, **model,
    )  # fmt: skip
    return {**_lines(done, secret), "offline": alone}


def _request(task: Mapping[str, Any]) -> Request:
    suite: Suite = registry.load_suite(task["suite"])
    ways = [i for i in suite.instruments if i in BY_PACK]
    if not ways:
        raise UsageError(
            f"{suite.key} asks nothing that can be put into a pack; the operator may verify models"
        )
    if "scores" not in task["card"]["capabilities"]:
        ways = [i for i in ways if i != "surprise"]
    return Request(
        "recorded", task["suite"], instruments=tuple(ways), limit=task["cases"], executor="inline",
        hidden=asked_by(),
    )  # fmt: skip


def _ask(asked: Request) -> dict[str, Any]:
    return {"probes": None, "instruments": None, "limit": asked.limit, "seed": 0, "replicates": 1}


def _lines(done: Run, secret: bytes) -> dict[str, Any]:
    """Return the rows of the board, their cases under names that only the secret tells."""
    made = [
        line.to_json() for line in map(lambda one: _masked(one, secret), scores.lines(done.results, done))
    ]
    return {"lines": made, "failed": done.results["failed"], "samples": done.results["samples"]}


def _masked(line: Line, secret: bytes) -> Line:
    # the same case has the same name for every model of a season, so that they can be compared in pairs
    cases = {mask(secret, name): value for name, value in line.cases.items()}
    return replace(line, cases=cases)


def mask(secret: bytes, case: str) -> str:
    """Return what a hidden case is called where people may look, until the secret is told."""
    return "hidden-" + hmac.digest(secret, hashlib.sha256(case.encode()).digest(), "sha256").hex()[:16]


if __name__ == "__main__":
    limited.serve(main)
