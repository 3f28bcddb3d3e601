"""What the encoder can tell on clips it has never seen, and whether its distances grow with graded faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmeval.measure.frechet import frechet_distance, kernel_distance
from wmeval.measure.perceptual import layer_distances
from wmeval_probes.encoder.corruptions import LADDERS
from wmeval_probes.encoder.extractor import VideoEncoder, starts
from wmeval_probes.encoder.network import PX, SPEED, WINDOW
from wmeval_probes.encoder.windows import Dataset

Floats = NDArray[np.float64]
CLIPS = 256
LOOKED_AT = 48  # clips of which layers are compared: means of frames need fewer than covariances
SPAN = 16  # frames of the clips that are compared as sets


def evaluate(encoder: VideoEncoder, data: Dataset) -> dict[str, Any]:
    """Return errors of what is told, and the ladders of distances, on at most 256 held-out clips."""
    clips = list(data.testing)[:CLIPS]
    return {"clips": len(clips), "told": told(encoder, data, clips), "ladders": ladders(encoder, data, clips)}


def told(encoder: VideoEncoder, data: Dataset, clips: list[int]) -> dict[str, float]:
    """Return errors in px and px a frame where a quarter or more of a body is seen; accuracies as shares.

    `constant` is the error of always telling the mean place: what knowing nothing costs.
    """
    frame, recalled, truth = [], [], []
    for clip in clips:
        answer = encoder.windows(data.frames[clip])
        at = np.array(starts(data.frames.shape[1]))[:, None] + np.arange(WINDOW)
        truth.append(data.targets(clip)[at])
        frame.append(answer.frame.numpy())
        recalled.append(answer.recalled.numpy())
    y, a, b = (np.concatenate(x).astype(np.float64) for x in (truth, frame, recalled))
    seen = y[..., 4] > 0.25
    here = np.isfinite(y[..., 0])

    def places(guess: Floats) -> Floats:
        return np.asarray(np.linalg.norm(guess[..., :2] - y[..., :2], axis=-1)[seen] * PX)

    mean = y[seen][:, :2].mean(0)
    constant = np.linalg.norm(y[seen][:, :2] - mean, axis=-1) * PX
    touched = y[..., 5] > 0
    return {
        "place_median_px": float(np.median(places(a))), "place_p90_px": float(np.quantile(places(a), 0.9)),
        "clip_place_median_px": float(np.median(places(b))),
        "clip_place_p90_px": float(np.quantile(places(b), 0.9)),
        "constant_place_median_px": float(np.median(constant)),
        "velocity_median_px": _speed(a, y, seen), "clip_velocity_median_px": _speed(b, y, seen),
        "constant_velocity_median_px": _speed(np.zeros_like(a), y, seen),
        "visible_accuracy": float(((a[..., 4] > 0) == (y[..., 4] > 0.5))[here].mean()),
        "clip_visible_accuracy": float(((b[..., 4] > 0) == (y[..., 4] > 0.5))[here].mean()),
        "contact_auroc": auroc(a[..., 5][here], touched[here]),
        "clip_contact_auroc": auroc(b[..., 5][here], touched[here]),
    }  # fmt: skip


def _speed(guess: Floats, y: Floats, seen: NDArray[np.bool_]) -> float:
    return float(np.median(np.linalg.norm(guess[..., 2:4] - y[..., 2:4], axis=-1)[seen]) * SPEED)


def auroc(score: Floats, label: NDArray[np.bool_]) -> float:
    """Return the share of (True, False) pairs in which the True one scores higher; ties are half."""
    from scipy.stats import rankdata

    positive = int(label.sum())
    if not 0 < positive < len(label):
        return float("nan")
    rank = rankdata(score)
    return float((rank[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def ladders(encoder: VideoEncoder, data: Dataset, clips: list[int]) -> Mapping[str, Any]:
    """Return, per corruption, strengths and the distances of corrupted clips to the same true clips.

    "none" holds the distances of one half of the true clips to the other: what sampling alone makes.
    """
    rng = np.random.default_rng(0)
    span = min(SPAN, data.frames.shape[1])
    where = [int(rng.integers(data.frames.shape[1] - span + 1)) for _ in clips]
    video = [np.asarray(data.frames[c, s : s + span]) for c, s in zip(clips, where, strict=True)]
    bodies = [np.asarray(data.bodies[c, s : s + span]) for c, s in zip(clips, where, strict=True)]
    features = np.stack([encoder(v) for v in video])
    layers = [encoder.layers(v) for v in video[:LOOKED_AT]]
    half = len(clips) // 2
    none = {
        "fvd": frechet_distance(features[:half], features[half : 2 * half]),
        "kvd": kernel_distance(features[:half], features[half : 2 * half]),
    }
    table: dict[str, Any] = {"none": none}
    for name, (corrupt, strengths) in LADDERS.items():
        rows: dict[str, list[float]] = {"strength": list(strengths), "fvd": [], "kvd": [], "lpips": []}
        for strength in strengths:
            draw = np.random.default_rng(1)  # the same direction and order at every strength
            worse = [corrupt(v, b, strength, draw) for v, b in zip(video, bodies, strict=True)]
            told_worse = np.stack([encoder(w) for w in worse])
            rows["fvd"].append(frechet_distance(features, told_worse))
            rows["kvd"].append(kernel_distance(features, told_worse))
            distances = [
                layer_distances(a, encoder.layers(w)) / np.array(encoder.scales)[:, None]
                for a, w in zip(layers, worse[:LOOKED_AT], strict=True)
            ]
            rows["lpips"].append(float(np.mean(distances)))
        table[name] = rows
    return table
