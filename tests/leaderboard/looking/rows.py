"""Rows of MADE-UP models: numbers and pictures that are drawn at random, and that nobody measured."""

import hashlib

import numpy as np

from wmeval.report.sample import Motion, Sample

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
PROBES = (
    "permanence@0.1",
    "continuity@0.1",
    "interpenetration@0.1",
    "gravity@0.1",
    "collision@0.1",
    "control@0.1",
)
CLASSES = (("clip + actions", "on our split"), ("clip", "never"), ("one frame", "never"))
TASKS = ("push@0.2", "catch@0.2")
CASES = 24


def sha(text):
    return hashlib.sha256(str(text).encode()).hexdigest()


def card(name, family, classes, parameters=1_000_000):
    return {
        "name": name,
        "family": family,
        "version": "0.1",
        "licence": "Apache-2.0",
        "source": f"made up {EVIL}",
        "capabilities": ["generates"],
        "context": [1, 16],
        "horizon": None,
        "view": {"fps": 10.0, "height": 64, "width": 64, "supersample": 2, "shadows": False},
        "actions": {"kind": "continuous", "size": 12, "fidelity": "exact"},
        "classes": list(classes),
        "parameters": parameters,
        "deterministic": True,
        "max_batch": 8,
        "causal": True,
        "context_step": 1,
        "reference": False,
        "notes": ["This model is made up; nobody measured it."],
    }


def references(rng):
    level = {"oracle": 0.98, "linear": 0.45, "freeze": 0.0, "vanish": 0.0, "blur": 0.01, "noise": 0.0}
    return {
        n: {"skill": v, "lo": max(0, v - 0.05), "hi": min(1, v + 0.05), "error": 1 - v, "found": 1.0, "n": 64}
        for n, v in level.items()
    }


def score_row(rng, probe, instrument, tag, skill, *, matching=None, reason=""):
    values = np.clip(rng.normal(skill, 0.25, CASES), -0.5, 1.0)
    mean = float(np.clip(values.mean(), 0, 1))
    half = 2 * float(values.std()) / np.sqrt(CASES)
    control = tag == "control"
    row = {
        "probe": probe,
        "instrument": instrument,
        "tag": tag,
        "matching": matching,
        "skill": None if control else mean,
        "lo": max(0.0, mean - half),
        "hi": min(1.0, mean + half),
        "error": 1 - mean,
        "unit": "relative error",
        "n": CASES,
        "failed": 0,
        "found": 0.9,
        "given_found": 0.1,
        "alarms": mean if control else None,
        "null": 0.5 if instrument == "surprise" else 0.7,
        "ceiling": 0.0 if instrument == "surprise" else 0.1,
        "detectable": 0.1,
        "false_alarms": 0.02,
        "rows": references(rng),
        "anchors": "stored",
        "reason": reason,
        "energy": None,
        "split": {
            "perception": 0.05,
            "codec": 0.1,
            "physics": max(0.0, 1 - mean - 0.15),
            "n": CASES,
            "reason": "",
        },
    }
    return row, {sha(f"{probe}{tag}{i}")[:16]: float(v) for i, v in enumerate(values)}


def fidelity_row(rng, metric, unit, better, value, tag="iid"):
    curve = [float(value * (1 + (0.4 if better == "lower" else -0.2) * t / 20)) for t in range(20)]
    return {
        "metric": metric,
        "entry": metric,
        "unit": unit,
        "better": better,
        "tag": tag,
        "value": float(value),
        "lo": float(value * 0.96),
        "hi": float(value * 1.04),
        "n": 96,
        "reason": "",
        "curve": curve,
        "curve_n": [96] * 20,
        "failed": 0,
    }


def plan_row(task, protocol, skill, budget=None):
    return {
        "task": task,
        "protocol": protocol,
        "tag": "iid",
        "dynamics": "model",
        "cost": "state",
        "budget": budget,
        "n": 32,
        "failed": 0,
        "success": skill,
        "lo": max(0, skill - 0.1),
        "hi": min(1, skill + 0.1),
        "any": skill,
        "skill": skill,
        "skill_lo": skill - 0.12,
        "skill_hi": skill + 0.12,
        "random": 0.1,
        "oracle": 0.95,
        "regret": 1 - skill,
        "kendall": skill * 0.8,
        "unit": "m",
        "verdict": "",
        "reason": "",
        "read": "frames",
    }


def motion_sample(rng, probe, case, off):
    """A ball that falls, and a made-up prediction that drifts off."""
    times = np.arange(24) / 10
    x = 8 + 2.0 * np.arange(24)
    y = 10 + 0.09 * np.arange(24) ** 2
    path = np.stack([x, y], -1)[:, None]
    predicted = path.copy()
    drift = np.maximum(0, np.arange(24) - 8)
    predicted[:, 0, 1] -= off * drift**1.3
    predicted[20:, 0] = np.nan if off > 0.5 else predicted[20:, 0]
    grid = np.mgrid[0:64, 0:64]

    def film(track, colour):
        frames = np.full((len(track), 64, 64, 3), (226, 224, 218), np.uint8)
        frames[:, 52:] = (150, 148, 140)
        for i, (u, v) in enumerate(track[:, 0]):
            if np.isfinite(u):
                frames[i][(grid[1] - u) ** 2 + (grid[0] - v) ** 2 < 25] = colour
        return frames

    truth, made = film(path, (40, 110, 200)), film(predicted, (50, 118, 205))[8:]
    motion = Motion(
        10.0, 8, times, path, np.ones((24, 1), bool), predicted, (215.0,), 64, lambda: (truth, made)
    )
    return Sample(probe, "rollout", "iid", case, 0, "main", float(off), 1.0, "ok", motion=motion)
