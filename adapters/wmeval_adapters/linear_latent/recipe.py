"""`wmeval train --model linear-latent`: encode the training clips, then one ridge regression.

Clips are encoded in blocks that are kept, so that the command can be killed and given again; the sums of the
regression are the same whatever was kept. Clips at the end of the data are left out and tell the errors.
`python -m wmeval_adapters.linear_latent.recipe RUN` puts what was trained into the package.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.world.dataset import data_digest, load
from wmeval_adapters.learn.shipped import digest
from wmeval_adapters.linear_latent import CARD, NOTES, WEIGHTS, weights
from wmeval_adapters.linear_latent.dynamics import INPUTS, PAST, Dynamics, imagined, inputs, there
from wmeval_adapters.linear_latent.eye import HUES, WIDTH, tokens

Floats = NDArray[np.float64]
BLOCK = 64  # clips
PENALTY = 1e-6  # of ridge, on inputs of unit mean square
HORIZONS = (1, 4, 8, 12)  # frames
CONTEXT = 6  # frames before what is told of held-out clips
VERSION = "0.1"


def train(out: Path, options: Mapping[str, str]) -> None:
    """Fit the map into out/linear-latent.safetensors, continuing what is there.

    Options: `data` FOLDER of `wmeval data make`; `clips` how many of them (all).

    Raises: UsageError naming the option that does not fit.
    """
    for name in options:
        if name not in ("data", "clips"):
            raise UsageError(f"training linear-latent has no option {name!r}; it has data, clips")
    if "data" not in options:
        raise UsageError(
            "linear-latent is fitted on a folder of clips: --set data=FOLDER (`wmeval data make`)"
        )
    folder = Path(options["data"])
    arrays, meta = load(folder)
    most = options.get("clips", str(meta["count"]))
    if not most.isdigit() or not 20 <= int(most) <= meta["count"]:
        raise UsageError(f"linear-latent was given clips={most}; expected 20 to {meta['count']}")
    count = int(most)
    begun = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)

    def log(**said: Any) -> None:
        with (out / "log.jsonl").open("a") as file:
            file.write(json.dumps({"seconds": round(time.monotonic() - begun, 1), **said}) + "\n")

    seen = _encoded(out, arrays["frames"], count, log)
    actions = np.asarray(arrays["actions"][:count], dtype=np.float64)
    held = count - max(1, min(200, count // 10))
    dynamics = fit(seen[:held], actions[:held], seen[held:], actions[held:])
    found = evaluate(dynamics, seen[held:], actions[held:])
    log(stage="fitted", **found)
    made = {
        "version": VERSION, "clips": held, "penalty": PENALTY, "held out": found,
        "data": {"split": meta["split"], "clips": count, "digest": data_digest(folder)},
        "command": "wmeval train --model linear-latent --set data=FOLDER",
    }  # fmt: skip
    path = out / WEIGHTS.name
    weights.save(path, dynamics, made)
    card = {
        **made, "parameters": int(dynamics.step.size), "sha256": digest(path),
        "bytes": path.stat().st_size, "notes": list(NOTES),
    }  # fmt: skip
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def _encoded(out: Path, frames: NDArray[np.uint8], count: int, log: Callable[..., None]) -> Floats:
    """Return the tokens (count, T, 6, 13) of clips; blocks on disk are read, others made and kept."""
    kept = out / "tokens"
    kept.mkdir(exist_ok=True)
    blocks = []
    for start in range(0, count, BLOCK):
        path = kept / f"{start}.npy"
        end = min(start + BLOCK, count)
        wanted = (end - start, frames.shape[1], HUES, WIDTH)
        try:
            block = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            block = np.zeros(0)
        if block.shape != wanted:
            block = np.stack([tokens(np.asarray(clip)) for clip in frames[start:end]])
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, block)
            part.replace(path)
            log(stage="encode", clips=end, of=count)
        blocks.append(block.astype(np.float64))
    return np.concatenate(blocks)


def fit(seen: Floats, actions: Floats, held: Floats, held_actions: Floats) -> Dynamics:
    """Return the map of tokens (n, T, 6, 13) and actions (n, T - 1, 12); held-out clips give its noise."""
    total, reach, size = np.zeros((INPUTS, INPUTS)), np.zeros((INPUTS, WIDTH)), 0
    for given, change in _lessons(seen, actions):
        total, reach, size = total + given.T @ given, reach + given.T @ change, size + len(given)
    unit = np.sqrt(np.maximum(np.diag(total) / max(size, 1), 1e-12))
    scaled = total / np.outer(unit, unit) + PENALTY * size * np.eye(INPUTS)
    step = np.linalg.solve(scaled, reach / unit[:, None]) / unit[:, None]
    missed = [change - given @ step for given, change in _lessons(held, held_actions)]
    noise = np.sqrt(np.mean(np.concatenate(missed) ** 2, axis=0))
    # whether a hue is in view never changes where it can be learnt; one unit of it is a plain surprise
    return Dynamics(step, np.maximum(noise, 0.01))


def _lessons(seen: Floats, actions: Floats) -> list[tuple[Floats, Floats]]:
    """Return what the map is given and what it should say, wherever a hue is in view four times in a row."""
    out = []
    for t in range(PAST - 1, seen.shape[1] - 1):
        past = seen[:, t - PAST + 1 : t + 1]
        ok = there(past).all(axis=1) & there(seen[:, t + 1])
        out.append((inputs(past, actions[:, t])[ok], (seen[:, t + 1] - seen[:, t])[ok]))
    return out


def evaluate(dynamics: Dynamics, seen: Floats, actions: Floats) -> dict[str, float]:
    """Return the mean keypoint error [half images] at some horizons beside that of standing still."""
    last = CONTEXT + max(HORIZONS)
    found: dict[str, float] = {}
    told = np.stack([
        imagined(dynamics, z[:CONTEXT], a[CONTEXT - 1 : last - 1]) for z, a in zip(seen, actions, strict=True)
    ])  # fmt: skip
    for ahead in HORIZONS:
        at = CONTEXT + ahead - 1
        both = there(seen[:, CONTEXT - 1]) & there(seen[:, at])
        off = np.linalg.norm((told[:, ahead - 1] - seen[:, at])[..., :2], axis=-1)[both]
        still = np.linalg.norm((seen[:, CONTEXT - 1] - seen[:, at])[..., :2], axis=-1)[both]
        found |= {
            f"error@{ahead}": round(float(off.mean()), 4),
            f"freeze@{ahead}": round(float(still.mean()), 4),
        }
    return found


def ship(run: Path) -> None:
    """Put the weights and the card of a training folder into the package."""
    WEIGHTS.parent.mkdir(exist_ok=True)
    for name in (WEIGHTS.name, CARD.name):
        shutil.copyfile(run / name, WEIGHTS.with_name(name))


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
