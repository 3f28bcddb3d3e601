"""`wmeval train --model genie`: tokenizer, latent actions, their binding, dynamics, polish, one file.

Every stage keeps a checkpoint in the output folder and goes on from there when the command is given again;
every random draw depends on seed, stage and step only, and step counts are fixed, so a run can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wmeval.errors import UsageError
from wmeval_adapters.genie import corpus, net
from wmeval_adapters.genie.actions import UNBOUND
from wmeval_adapters.genie.learning import dynamics_loss, polish_loss
from wmeval_adapters.genie.net import Config, Genie
from wmeval_adapters.genie.stages import (
    binding,
    latent_loss,
    reader_loss,
    tokenizer_loss,
    write_backgrounds,
    write_codes,
    write_sights,
    write_tokens,
)
from wmeval_adapters.learn.clips import Clips, open_clips
from wmeval_adapters.learn.loop import Log, Stage, alone, fit
from wmeval_adapters.learn.options import data_folder
from wmeval_adapters.learn.shipped import digest
from wmeval_adapters.learn.snapshots import OPTION, Snapshots, asked, header, points

STAGES = (
    Stage("tokenizer", 1100, 1.5e-3),
    Stage("latent", 360, 2e-3),
    Stage("reader", 800, 3e-3),
    Stage("dynamics", 2200, 1.2e-3, ema=0.99),
    Stage("polish", 200, 3e-4),
)
OPTIONS = ("data", "seed", "threads", "minutes", "until", OPTION)
FILE = "genie-small.safetensors"
MINUTES = 54.0  # what STAGES took on two cores that others used as well


@dataclass(frozen=True)
class Plan:
    """What a training run does."""

    data: Path
    seed: int
    threads: int
    stages: tuple[Stage, ...]
    config: Config
    until: str  # the last stage
    keep: int = 0  # points of the dynamics at which weights are left


def plan(options: Mapping[str, str]) -> Plan:
    """Return the plan that options ask for.

    `data` FOLDER of `wmeval data make`; `seed` (0); `threads` (2); `minutes` scales all step counts from
    the shipped ones; `until` names the last stage;
    `keep-stages` at how many points of the dynamics weights, not yet polished, are left in stages/STEP (0).

    Raises: UsageError naming the option that does not fit.
    """
    data = data_folder("genie", options, OPTIONS)
    try:
        seed, threads = int(options.get("seed", "0")), int(options.get("threads", "2"))
        minutes = float(options.get("minutes", MINUTES))
    except ValueError as error:
        raise UsageError(f"seed, threads and minutes are numbers: {error}") from error
    until = options.get("until", STAGES[-1].name)
    if until not in [s.name for s in STAGES] or minutes <= 0 or threads < 1:
        raise UsageError(
            f"given until={until}, minutes={minutes:g}, threads={threads}; expected a stage of "
            f"{', '.join(s.name for s in STAGES)}, and numbers above 0"
        )
    scaled = tuple(replace(s, steps=max(4, round(s.steps * minutes / MINUTES))) for s in STAGES)
    return Plan(data, seed, threads, scaled, net.SMALL, until, asked(options))


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into the folder `out`, continuing what is there; the model is in out/genie-small.safetensors."""
    run(plan(options), out)


def run(given: Plan, out: Path) -> Path | None:
    """Return the file of weights that a plan makes; None where it stops before the dynamics."""
    out.mkdir(parents=True, exist_ok=True)
    clips = open_clips(given.data)
    log = Log(out / "log.jsonl")
    with alone(given.threads):
        return _stages(given, out, clips, log)


def _stages(given: Plan, out: Path, clips: Clips, log: Log) -> Path | None:
    seed, trained = given.seed, clips.trained
    torch.manual_seed(seed)
    model = Genie(given.config, UNBOUND)
    first, second, reading, third, last = given.stages
    write_backgrounds(clips, out)
    write_sights(clips, out)
    fit(first, model.tokenizer, tokenizer_loss(clips, model.tokenizer, seed), out, log)
    if given.until == first.name:
        return None
    write_tokens(clips, model.tokenizer, out)
    both = tuple(corpus.read(clips, out, mirrored=m) for m in (False, True))
    fit(second, model.actions, latent_loss((both[0], both[1]), trained, model.actions, seed), out, log)
    for name, each in zip(("plain", "mirrored"), both, strict=True):
        write_codes(each, model.actions, out / f"{name}-codes.npy")
    both = tuple(corpus.read(clips, out, mirrored=m) for m in (False, True))
    model.binding = binding(both[0], trained)
    log(stage="binding", **asdict(model.binding))
    if given.until == second.name:
        return None
    assert both[0].tokens is not None
    fit(
        reading,
        model.dynamics.reader,
        reader_loss(clips, both[0].tokens, model.dynamics.reader, seed),
        out,
        log,
    )
    model.dynamics.reader.requires_grad_(False)
    model.book.fit(both[0].tokens[:trained], clips.bodies[:trained])
    if given.until == reading.name:
        return None
    made: dict[str, Any] = {
        "version": "0.1", "seed": seed, "steps": {s.name: s.steps for s in given.stages},
        "clips": trained, "command": f"wmeval train --model genie --set data=FOLDER --set seed={seed}",
    }  # fmt: skip

    def write(step: int, folder: Path) -> None:
        told = header(made, third.name, step)
        # The last step of the dynamics is not the finished model: polishing follows.
        whole = {**told, "version": f"0.1-step{step}", "steps": {**told["steps"], last.name: 0}}
        net.save(folder / FILE, model, whole)

    kept = Snapshots(out, points(third.steps, given.keep), write)
    learnt = dynamics_loss((both[0], both[1]), trained, model.dynamics, model.binding, seed, third.steps)
    fit(third, model.dynamics, learnt, out, log, snapshots=kept)
    if given.until != third.name:
        polish = polish_loss((both[0], both[1]), clips, model, seed)
        fit(last, model.tokenizer.decoder, polish, out, log)
    path = out / FILE
    net.save(path, model.eval(), made)
    (out / "made.json").write_text(json.dumps({**made, "sha256": digest(path)}, indent=1))
    return path
