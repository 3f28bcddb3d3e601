"""The small video encoder behind `fvd[wmeval-enc]`, `kvd[wmeval-enc]` and `lpips[wmeval-enc]`.

It is trained on the training split to tell poses, velocities, contacts and visibility of the six hues. It is
not I3D and has seen no natural video: its distances say whether predicted clips of our scenes move as true
ones do, and compare only with distances of the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wmeval.metric import Extractor, Features

__all__ = ["FEATURES"]


def _open(weights: Path | None) -> Features:
    from wmeval_probes.encoder.extractor import open_encoder

    return open_encoder(weights)


def _train(out: Path, options: Mapping[str, str]) -> None:
    from wmeval_probes.encoder.recipe import train

    train(out, options)


FEATURES = Extractor(
    name="wmeval-enc",
    summary="small video encoder trained on our training split (64 px, 10 Hz, windows of 8 frames)",
    open=_open,
    train=_train,
    options={
        "data": "folder of the training split (`wmeval data make`)",
        "steps": "optimiser steps (1500)",
        "batch": "windows a step (16)",
        "seed": "of initial weights and batches (0)",
        "threads": "CPU threads (1)",
    },
)
