"""A plausible run, drawn with numpy: discs that fall and pass screens, and a model that does it badly."""

import hashlib
from functools import cache

import numpy as np
import pytest

from wmeval.report.html import page
from wmeval.report.sample import Motion, Sample
from wmeval.report.sections import About

HUES = (0.0, 240.0)
COLOURS = np.array([[217, 40, 40], [45, 60, 217]], float)


def draw(path, size):
    """Discs of radius size/16 at path (T, N, 2) px over a grey floor; NaN draws nothing."""
    v, u = np.mgrid[0:size, 0:size] + 0.5
    frames = np.empty((len(path), size, size, 3))
    frames[:] = np.linspace(225, 205, size)[:, None, None]
    frames[:, int(0.88 * size) :] = 140
    for t, points in enumerate(path):
        for colour, (x, y) in zip(COLOURS, points, strict=True):
            if np.isfinite(x + y):
                reach = size / 16 - np.hypot(u - x, v - y)
                a = np.clip(reach + 0.5, 0, 1)[..., None]
                frames[t] = (1 - a) * frames[t] + a * colour * (
                    0.75 + 0.25 * np.clip(reach / size * 16, 0, 1)
                )[..., None]
    return frames.round().astype(np.uint8)


def motion(rng, size=64, fps=10.0, frames=30, cut=10, skill=0.7, lost=0.0):
    t = np.arange(frames) / fps
    start = rng.uniform([0.1, 0.15], [0.3, 0.3], (2, 2)) * size
    speed = rng.uniform([0.12, -0.1], [0.3, 0.05], (2, 2)) * size
    g = rng.uniform(0.1, 0.22) * size
    path = start + speed * t[:, None, None]
    path[..., 1] = np.minimum(path[..., 1] + g * t[:, None] ** 2 / 2, 0.82 * size)
    made = path.copy()
    after = np.maximum(t - t[cut - 1], 0)
    made += (1 - skill) * rng.normal(0, 0.25 * size, (2, 2)) * after[:, None, None]
    made[..., 1] = np.clip(made[..., 1], 0, 0.82 * size)
    if rng.random() < lost:
        made[(cut + frames) // 2 :, 1] = np.nan
    seen = np.ones((frames, 2), bool)
    videos = cache(lambda: (draw(path, size), draw(made[cut:], size)))
    return Motion(fps, cut, t, path, seen, made, HUES, size, videos)


def make_samples(rng, probe, skill, *, cases=16, worst=1.0, unit="", lost=0.2, size=64):
    samples = []
    for i in range(cases):
        moving = motion(rng, size=size, skill=skill, lost=lost)
        gap = moving.distance
        error = float(min(worst, np.where(np.isfinite(gap), 6 * gap, 1).mean()))
        status = "ok" if i != 3 else "failed: the model returned NaN at frame 7"
        samples.append(
            Sample(
                probe,
                "rollout",
                "iid",
                hashlib.sha256(f"{probe}{i}".encode()).hexdigest(),
                0,
                "main",
                worst if status != "ok" else error,
                0.93,
                status,
                caption="A red and a blue ball are thrown to the right over a grey floor.",
                evidence={"fitted_g": round(9.81 * skill, 3), "frames_used": 12, "contact": None},
                reproduce=f"wmeval run --model genie --probe {probe.partition('@')[0]} --limit {i + 1}",
                motion=None if status != "ok" else moving,
            )
        )
    return samples


def make_results():
    rows = {
        "oracle": {"skill": 0.99},
        "linear": {"skill": 0.41},
        "blur": {"skill": 0.02},
        "freeze": {"skill": 0.0},
        "vanish": {"skill": -0.11},
        "noise": {"skill": -0.13},
    }

    def score(probe, skill, half, unit, **more):
        return {
            "probe": probe,
            "instrument": "rollout",
            "tag": "iid",
            "skill": skill,
            "lo": None if half is None else round(skill - half, 3),
            "hi": None if half is None else round(skill + half, 3),
            "error": 0.31,
            "unit": unit,
            "n": 16,
            "failed": 1,
            "found": 0.87,
            "given_found": 0.24,
            "energy": None,
            "null": 0.86,
            "ceiling": 0.031,
            "detectable": 0.1,
            "rows": rows,
            "anchors": "local",
            "reason": "",
            **more,
        }

    return {
        "schema": 1,
        "model": {
            "name": "genie-small",
            "version": "0.1",
            "weights": "ab" * 32,
            "options": {},
            "reference": False,
        },
        "card": {
            "name": "genie-small",
            "family": "genie",
            "version": "0.1",
            "licence": "Apache-2.0",
            "source": "trained here on PyBullet scenes, iid",
            "capabilities": ["generates", "reconstructs", "scores", "steps"],
            "view": {"fps": 10.0, "height": 64, "width": 64, "supersample": 2, "shadows": False},
            "context": [4, 24],
            "horizon": None,
            "actions": {"kind": "latent", "size": 8, "fidelity": "fitted"},
            "classes": ["clip + actions", "trained on our split"],
            "parameters": 3_100_000,
            "deterministic": True,
            "max_batch": 8,
            "reference": False,
            "notes": ["A small open Genie that this project trains; it is not the published model."],
        },
        "suite": "quick@0.1",
        "complete": True,
        "partial": False,
        "samples": 48,
        "failed": 3,
        "nondeterminism": 0,
        "scores": [
            score("permanence@0.1", 0.21, 0.14, "share of body-frames wrong"),
            score("interpenetration@0.1", 0.04, 0.17, "depth / radius"),
            score("gravity@0.1", 0.62, 0.09, "relative error of g"),
        ],
        "fidelity": [
            {
                "metric": "psnr@0.1",
                "tag": "iid",
                "value": 27.31,
                "lo": 26.4,
                "hi": 28.2,
                "n": 48,
                "unit": "dB",
                "better": "higher",
                "reason": "",
                "rows": {"freeze": 24.9, "linear": 26.2},
                "curve": [33.0, 31.2, 29.0, None, 27.1, 26.0, 25.2],
            },
            {
                "metric": "fvd[wmeval-enc]@0.1",
                "tag": "iid",
                "value": None,
                "lo": None,
                "hi": None,
                "n": 48,
                "unit": "",
                "better": "lower",
                "reason": "48 clips; at least 64 are needed",
                "rows": {},
            },
        ],
        "planning": [],
        "implied": [
            {
                "probe": "gravity@0.1",
                "name": "g",
                "value": 7.12,
                "lo": 6.81,
                "hi": 7.43,
                "unit": "m/s²",
                "truth": 6.4,
                "n": 15,
                "tag": "iid",
                "reason": "",
            },
            {
                "probe": "permanence@0.1",
                "name": "memory_half_life",
                "value": 1.4,
                "lo": 0.9,
                "hi": 2.2,
                "unit": "s",
                "n": 16,
                "tag": "iid",
                "reason": "",
            },
        ],
        "speed": {
            "wall_s": 46.1,
            "model_s": 60.2,
            "outside_s": 16.0,
            "load_s": 1.4,
            "frames": 1152,
            "ms_per_frame": 27.1,
            "frames_per_s": 36.9,
            "workers": 2,
            "threads": 1,
            "sessions": 1,
            "stages": {"simulate": 4.1, "render": 3.3, "model": 60.2, "perceive": 9.6, "measure": 2.2},
        },
        "na": [{"probe": "gravity@0.1 surprise", "reason": "the model scores no frames"}],
    }


def make_about():
    return About(
        "0.1.0",
        made="22 November 2026",
        summaries={"gravity@0.1": "Balls are thrown; do they fall as fast as the context has shown?"},
        worst={"gravity@0.1": 1.0, "permanence@0.1": 1.0, "interpenetration@0.1": 1.0},
        provenance=[("command", "wmeval run --model genie --suite quick"), ("torch", "2.12.1")],
    )


@pytest.fixture(scope="session")
def samples():
    rng = np.random.default_rng(7)
    return [
        s
        for probe, skill in (("permanence@0.1", 0.5), ("interpenetration@0.1", 0.3), ("gravity@0.1", 0.8))
        for s in make_samples(rng, probe, skill)
    ]


@pytest.fixture(scope="session")
def about():
    return make_about()


@pytest.fixture
def results():
    return make_results()


@pytest.fixture(scope="session")
def html(samples, about):
    return page(make_results(), samples, about)
