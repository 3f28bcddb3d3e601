"""`wmeval train --model jepa`: the eye, features by masked latent prediction, the predictor, one file.

Every stage keeps a checkpoint in the output folder and goes on from there when the command is given again;
every random draw depends on seed, stage and step only, and step counts are fixed, so a run can be repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wmeval.errors import UsageError
from wmeval_adapters.jepa import WEIGHTS, evaluate, net
from wmeval_adapters.jepa.corpus import Corpus, Sights, write_backgrounds, write_latents, write_sights
from wmeval_adapters.jepa.eye import pictures
from wmeval_adapters.jepa.features import Masked
from wmeval_adapters.jepa.learning import features_loss, predictor_loss
from wmeval_adapters.jepa.net import Config, Jepa
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.loop import Log, Stage, alone, fit
from wmeval_adapters.learn.options import data_folder
from wmeval_adapters.learn.shipped import digest
from wmeval_adapters.learn.snapshots import OPTION, Snapshots, asked, header, points

STAGES = (Stage("features", 2500, 1.5e-3), Stage("predictor", 12000, 1e-3, ema=0.995))
OPTIONS = ("data", "seed", "threads", "minutes", "clips", OPTION)
MINUTES = 55.0  # what STAGES take on two cores
MEASURED = 4096  # glimpses whose features set mean and spread
FEWEST = 20  # clips


@dataclass(frozen=True)
class Plan:
    """What a training run does."""

    data: Path
    seed: int
    threads: int
    stages: tuple[Stage, ...]
    config: Config
    clips: int | None = None  # how many of the folder; None = all
    keep: int = 0  # points of the last stage at which weights are left


def plan(options: Mapping[str, str]) -> Plan:
    """Return the plan that options ask for.

    `data` FOLDER of `wmeval data make`; `seed` (0); `threads` (2); `minutes` scales all step counts from
    the shipped ones; `clips` how many of the folder (all); `keep-stages` at how many points of the last stage
    weights are left in stages/STEP (0).

    Raises: UsageError naming the option that does not fit.
    """
    data = data_folder("jepa", options, OPTIONS)
    try:
        seed, threads = int(options.get("seed", "0")), int(options.get("threads", "2"))
        minutes = float(options.get("minutes", MINUTES))
        clips = int(options["clips"]) if "clips" in options else None
    except ValueError as error:
        raise UsageError(f"seed, threads, minutes and clips are numbers: {error}") from error
    if not 0 < minutes < float("inf") or threads < 1 or (clips is not None and clips < FEWEST):
        raise UsageError(
            f"given minutes={minutes:g}, threads={threads}, clips={clips}; expected numbers above 0 and at "
            f"least {FEWEST} clips"
        )
    scaled = tuple(replace(s, steps=max(4, round(s.steps * minutes / MINUTES))) for s in STAGES)
    return Plan(data, seed, threads, scaled, net.SMALL, clips, asked(options))


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; the model is in out/jepa-small.safetensors."""
    run(plan(options), out)


def run(given: Plan, out: Path) -> Path:
    """Return the file of weights that a plan makes."""
    out.mkdir(parents=True, exist_ok=True)
    clips = open_clips(given.data)
    if given.clips is not None:
        clips = clips.part(0, given.clips)
    _same(out, given, len(clips.frames))
    log = Log(out / "log.jsonl")
    with alone(given.threads):
        return _stages(given, out, clips, log)


def _same(out: Path, given: Plan, count: int) -> None:
    """Raise UsageError where a folder holds a run of another plan, whose parts would not fit."""
    path = out / "plan.json"
    wanted = {"seed": given.seed, "steps": {s.name: s.steps for s in given.stages}, "clips": count}
    if path.is_file() and (kept := json.loads(path.read_text())) != wanted:
        raise UsageError(f"{out} holds a run of {kept}; this one is {wanted}: give another --out")
    path.write_text(json.dumps(wanted))


def _stages(given: Plan, out: Path, clips: Clips, log: Log) -> Path:
    seed, trained = given.seed, clips.trained
    torch.manual_seed(seed)
    model, masked = Jepa(given.config), Masked(given.config.features, given.config.channels)
    first, second = given.stages
    begun = time.monotonic()
    seen, behind = write_sights(clips, out), write_backgrounds(clips, out)
    log(said="eye", seconds=time.monotonic() - begun, glimpses=len(seen.glimpses))
    fit(first, masked, features_loss(seen, trained, masked, seed), out, log)
    model.features.load_state_dict(masked.target.state_dict())
    _measure(model, seen, trained)
    corpus = Corpus(write_latents(seen, model, out), behind, np.asarray(clips.actions))
    held = np.arange(trained, len(clips.frames))
    made: dict[str, Any] = {
        "version": "0.1", "seed": seed, "steps": {s.name: s.steps for s in given.stages}, "clips": trained,
        "command": f"wmeval train --model jepa --set data=FOLDER --set seed={seed}",
    }  # fmt: skip

    def write(step: int, folder: Path) -> None:
        model.eval()
        model.noise.copy_(evaluate.noise(model, corpus, held))
        net.save(folder / WEIGHTS.name, model, header(made, second.name, step))

    kept = Snapshots(out, points(second.steps, given.keep), write)
    learnt = predictor_loss(corpus, trained, model.predictor, seed, second.steps)
    fit(second, model.predictor, learnt, out, log, snapshots=kept)
    model.eval()
    model.noise.copy_(evaluate.noise(model, corpus, held))
    made["held out"] = evaluate.report(model, corpus, clips, held)
    log(said="held out", **made["held out"])
    path = out / WEIGHTS.name
    net.save(path, model, made)
    (out / "made.json").write_text(json.dumps({**made, "sha256": digest(path)}, indent=1))
    return path


@torch.no_grad()
def _measure(model: Jepa, seen: Sights, trained: int) -> None:
    """Set mean and spread of the features from glimpses of training clips."""
    rows = seen.row[:trained][seen.row[:trained] >= 0]
    some = rows[:: max(1, len(rows) // MEASURED)]
    told = model.features(pictures(seen.glimpses[some]))
    model.mean.copy_(told.mean(0))
    model.spread.copy_(told.std(0).clamp(min=1e-3))
