"""`wmeval train --model diamond`: one stage, which goes on from its own predictions towards the end.

The stage keeps a checkpoint in the output folder and goes on from there when the command is given again;
every random draw depends on seed and step only, and the step count is fixed, so a run can be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wmeval.errors import UsageError
from wmeval_adapters.diamond import net
from wmeval_adapters.diamond.corpus import prepare
from wmeval_adapters.diamond.learning import denoising_loss
from wmeval_adapters.diamond.small import Config, SmallDenoiser
from wmeval_adapters.learn.clips import open_clips
from wmeval_adapters.learn.loop import Log, Stage, alone, fit
from wmeval_adapters.learn.options import data_folder
from wmeval_adapters.learn.shipped import digest
from wmeval_adapters.learn.snapshots import OPTION, Snapshots, asked, header, points

STAGE = Stage("denoiser", 16000, 8e-4, warm_up=200, ema=0.999)
OPTIONS = ("data", "seed", "threads", "steps", "batch", OPTION)
FILE = "diamond-small.safetensors"


@dataclass(frozen=True)
class Plan:
    """What a training run does."""

    data: Path
    seed: int
    threads: int
    batch: int
    stage: Stage
    config: Config
    keep: int = 0  # points of training at which weights are left


def plan(options: Mapping[str, str]) -> Plan:
    """Return the plan that options ask for.

    `data` FOLDER of `wmeval data make`; `seed` (0); `threads` (2); `steps` (16000); `batch` (16);
    `keep-stages` at how many points of training weights are left in stages/STEP (0).

    Raises: UsageError naming the option that does not fit.
    """
    data = data_folder("diamond", options, OPTIONS)
    try:
        seed, threads = int(options.get("seed", "0")), int(options.get("threads", "2"))
        steps, batch = int(options.get("steps", STAGE.steps)), int(options.get("batch", "16"))
    except ValueError as error:
        raise UsageError(f"seed, threads, steps and batch are whole numbers: {error}") from error
    if min(threads, steps, batch) < 1 or seed < 0:
        raise UsageError(
            f"given seed={seed}, threads={threads}, steps={steps}, batch={batch}; expected a seed from 0 on "
            "and the others from 1 on"
        )
    return Plan(data, seed, threads, batch, replace(STAGE, steps=steps), Config(), asked(options))


def train(out: Path, options: Mapping[str, str]) -> None:
    """Train into `out`, continuing what is there; the model is in out/diamond-small.safetensors."""
    run(plan(options), out)


def run(given: Plan, out: Path) -> Path:
    """Return the file of weights that a plan makes."""
    out.mkdir(parents=True, exist_ok=True)
    clips = open_clips(given.data)
    made = {
        "version": "0.1", "seed": given.seed, "steps": {given.stage.name: given.stage.steps},
        "batch": given.batch, "clips": clips.trained,
        "command": f"wmeval train --model diamond --set data=FOLDER --set seed={given.seed} "
                   f"--set steps={given.stage.steps}",
    }  # fmt: skip
    with alone(given.threads):
        torch.manual_seed(given.seed)
        model = SmallDenoiser(given.config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        corpus = prepare(clips, out)
        small = net.Small(model, torch.from_numpy(corpus.scale))

        def write(step: int, folder: Path) -> None:
            net.save(folder / FILE, small, header(made, given.stage.name, step))

        kept = Snapshots(out, points(given.stage.steps, given.keep), write)
        loss = denoising_loss(corpus, model, given.seed, given.stage.steps, batch=given.batch)
        fit(given.stage, model, loss, out, Log(out / "log.jsonl"), snapshots=kept)
    model.eval()
    path = out / FILE
    net.save(path, small, made)
    (out / "made.json").write_text(json.dumps({**made, "sha256": digest(path)}, indent=1))
    return path
