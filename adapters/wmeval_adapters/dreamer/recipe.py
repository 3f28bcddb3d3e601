"""`wmeval train --model dreamer`: sightings, encoder and decoder, the recurrent model, one file.

Every stage keeps a checkpoint in the output folder and goes on from there when the command is given again;
every random draw depends on seed, stage and step only, and step counts are fixed, so a run can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wmeval.errors import UsageError
from wmeval_adapters.dreamer import corpus, net
from wmeval_adapters.dreamer.learning import common, dynamics_loss
from wmeval_adapters.dreamer.net import Dreamer
from wmeval_adapters.dreamer.seeing import picture_loss
from wmeval_adapters.dreamer.slots import RssmConfig
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.loop import Log, Stage, alone, fit
from wmeval_adapters.learn.options import data_folder
from wmeval_adapters.learn.shipped import digest
from wmeval_adapters.learn.snapshots import OPTION, Snapshots, asked, header, points

STAGES = (Stage("picture", 2500, 3e-3, ema=0.99), Stage("dynamics", 8000, 2e-3, ema=0.995))
OPTIONS = ("data", "seed", "threads", "minutes", "until", "batch", OPTION)
MINUTES = 60.0  # what STAGES take on two cores
FILE = "dreamer-small.safetensors"
BATCH = 96  # clips a step of the recurrent model


@dataclass(frozen=True)
class Plan:
    """What a training run does."""

    data: Path
    seed: int
    threads: int
    stages: tuple[Stage, ...]
    config: RssmConfig
    until: str  # the last stage
    batch: int = BATCH
    keep: int = 0  # points of the last stage at which weights are left


def plan(options: Mapping[str, str]) -> Plan:
    """Return the plan that options ask for.

    `data` FOLDER of `wmeval data make`; `seed` (0); `threads` (2); `minutes` scales all step counts from
    the shipped ones; `until` names the last stage; `batch` (96) clips a step of the recurrent model;
    `keep-stages` at how many points of the last stage weights are left in stages/STEP (0).

    Raises: UsageError naming the option that does not fit.
    """
    data = data_folder("dreamer", options, OPTIONS)
    try:
        seed, threads, batch = (
            int(options.get(k, d)) for k, d in (("seed", "0"), ("threads", "2"), ("batch", str(BATCH)))
        )
        minutes = float(options.get("minutes", MINUTES))
    except ValueError as error:
        raise UsageError(f"seed, threads, batch and minutes are numbers: {error}") from error
    until = options.get("until", STAGES[-1].name)
    if until not in [s.name for s in STAGES] or minutes <= 0 or threads < 1 or batch < 1:
        raise UsageError(
            f"given until={until}, minutes={minutes:g}, threads={threads}, batch={batch}; expected a "
            f"stage of {', '.join(s.name for s in STAGES)}, and numbers above 0"
        )
    scaled = tuple(replace(s, steps=max(4, round(s.steps * minutes / MINUTES))) for s in STAGES)
    return Plan(data, seed, threads, scaled, net.SMALL, until, batch, asked(options))


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; the model becomes dreamer-small.safetensors."""
    run(plan(options), out)


def run(given: Plan, out: Path) -> Path | None:
    """Return the file of weights that a plan makes; None where it stops before the recurrent model."""
    out.mkdir(parents=True, exist_ok=True)
    clips = open_clips(given.data)
    log = Log(out / "log.jsonl")
    with alone(given.threads):
        return _stages(given, out, clips, log)


def _stages(given: Plan, out: Path, clips: Clips, log: Log) -> Path | None:
    torch.manual_seed(given.seed)
    model = Dreamer(given.config)
    first, second = given.stages
    corpus.write_sights(clips, out)
    fit(first, model.picture, picture_loss(clips, out, model.picture, given.seed), out, log)
    if given.until == first.name:
        return None
    corpus.write_screens(clips, model.picture, out)
    both = (
        corpus.read(clips, model.picture, out, turned=False),
        corpus.read(clips, model.picture, out, turned=True),
    )
    model.rssm.unit.copy_(common(both[0].actions[: clips.trained]))
    model.rssm.spawn.fill_(corpus.spawning(both[0], clips.trained))
    made: dict[str, Any] = {
        "version": "0.1", "seed": given.seed, "steps": {s.name: s.steps for s in given.stages},
        "batch": given.batch, "clips": clips.trained,
        "command": f"wmeval train --model dreamer --set data=FOLDER --set seed={given.seed}",
    }  # fmt: skip

    def write(step: int, folder: Path) -> None:
        net.save(folder / FILE, model, header(made, second.name, step))

    kept = Snapshots(out, points(second.steps, given.keep), write)
    learnt = dynamics_loss(both, clips.trained, model.rssm, given.seed, second.steps, batch=given.batch)
    fit(second, model.rssm, learnt, out, log, snapshots=kept)
    path = out / FILE
    net.save(path, model.eval(), made)
    (out / "made.json").write_text(json.dumps({**made, "sha256": digest(path)}, indent=1))
    return path
