"""How well perception sees: errors in px over rendered scenes, and how they grow when pictures get worse.

    python benchmarks/perception.py [--scenes 204] [--degraded 60] [--json]

The scenes are of five kinds in turn: the training split, the three physics probes, and tumbling boxes,
balls and cylinders between a wall, a ramp and a screen. Errors are distances [px] from the projected true
centre; "whole" bodies show at least 95 % of their silhouette, "half" 50 to 95 %, "quarter" 25 to 50 %.
Bodies that have rolled or tilted out of their plane are left out. A body is lost where 25 % of it are in
view and it is not found; invented where under 1 % is and it is. "share" is the mean error of the visible
share, "z rms" that of position errors over their sigmas, "ms" CPU time a frame.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wmeval.camera import View
from wmeval.perceive import track
from wmeval.scene import HUES, Scene, ball, box, cylinder, floor, occluder, ramp, side_camera, wall
from wmeval.seeds import scene_rng
from wmeval.tracks import Tracks
from wmeval.truth import Truth
from wmeval.world import exact_tracks, render, simulate
from wmeval_probes.physics import gravity, interpenetration, permanence
from wmeval_probes.suites.train import SPLIT

Frames = NDArray[np.uint8]
SIZES = (64, 128, 256)
SHARES = {"whole": (0.95, 1.01), "half": (0.5, 0.95), "quarter": (0.25, 0.5)}


def tumble(rng: np.random.Generator) -> Scene:
    """Return three bodies of different shapes that fall and turn between a wall, a ramp and a screen."""
    hues = rng.permutation(sorted(HUES))[:3]
    places = rng.permutation([-1.5, -0.4, 0.8])
    bodies = []
    for i, (hue, x) in enumerate(zip(hues, places, strict=True)):
        size = float(rng.uniform(0.22, 0.36))
        given: dict[str, Any] = {
            "position": (float(x + rng.uniform(-0.2, 0.2)), 0.0, float(rng.uniform(1.2, 3.5))),
            "hue": str(hue), "value": float(rng.uniform(0.7, 0.95)),
            "velocity": (float(rng.uniform(-1, 1)), 0.0, float(rng.uniform(-1, 2))),
            "spin": (0.0, float(rng.uniform(-4, 4)), 0.0), "restitution": 0.6,
        }  # fmt: skip
        if i == 0:
            bodies.append(box(f"box{i}", half=(size, size, size * float(rng.uniform(0.6, 1.0))), **given))
        elif i == 1:
            tall = size * float(rng.uniform(0.8, 1.6))
            bodies.append(cylinder(f"can{i}", radius=size * 0.8, half_height=tall, **given))
        else:
            bodies.append(ball(f"ball{i}", radius=size, **given))
    still = (
        floor(value=float(rng.uniform(0.35, 0.65)), restitution=0.8),
        wall("wall", half=(0.1, 0.5, 1.0), position=(2.0, 0.0, 1.0), restitution=0.8),
        ramp("ramp", half=(0.6, 0.5, 0.05), position=(-1.2, 0.0, 0.3), slope_deg=-20.0),
        occluder("screen", half=(float(rng.uniform(0.2, 0.6)), 0.05, 0.7),
                 position=(float(rng.uniform(-1, 1)), -1.0, float(rng.uniform(0.6, 1.5))),
                 value=float(rng.uniform(0.12, 0.35))),
    )  # fmt: skip
    return Scene((*still, *bodies), side_camera(), 3.0, 1.0, 0.5, "impact")


def scenes(count: int) -> Iterator[Scene]:
    """Yield `count` scenes, the same ones every time."""
    probes = [permanence.PROBE, interpenetration.PROBE, gravity.PROBE]
    for i in range(count):
        if i % 5 == 0:
            yield SPLIT.scene(scene_rng("dev", SPLIT.key, "iid", i))
        elif i % 5 < 4:
            probe = probes[i % 5 - 1]
            arms = probe.case(scene_rng("dev", probe.key, probe.tags[0], i), probe.tags[0]).arms
            yield next(iter(arms.values()))
        else:
            yield tumble(scene_rng("dev", "benchmark", "tumble", i))


def h264(crf: int) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return what H.264 in 4:2:0 at a constant rate factor does to frames (T, H, W, 3)."""

    def through(frames: Frames, _: np.random.Generator) -> Frames:
        file = BytesIO()
        with av.open(file, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=10, options={"crf": str(crf)})
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        file.seek(0)
        with av.open(file) as container:
            return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])

    return through


def blur(sigma: float) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return a Gaussian blur of sigma [px]."""
    return lambda frames, _: ndimage.gaussian_filter(frames, (0, sigma, sigma, 0))


def noise(sigma: float) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return independent Gaussian noise of sigma [of 255]."""
    return lambda frames, rng: np.clip(frames + rng.normal(0, sigma, frames.shape), 0, 255).astype(np.uint8)


def gamma(power: float) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return frames to a power."""
    return lambda frames, _: np.rint(255 * (frames / 255.0) ** power).astype(np.uint8)


def turned(degrees: float) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return frames with all hues moved by some degrees (HSV)."""

    def through(frames: Frames, _: np.random.Generator) -> Frames:
        high, low = frames.max(-1).astype(np.float64), frames.min(-1).astype(np.float64)
        r, g, b = (frames[..., c].astype(np.float64) for c in range(3))
        hue = np.rad2deg(np.arctan2(np.sqrt(3) / 2 * (g - b), r - (g + b) / 2)) + degrees
        away = [np.abs((hue - top + 180) % 360 - 180) for top in (0, 120, 240)]
        rgb = [low + (high - low) * np.clip(2 - a / 60, 0, 1) for a in away]
        return np.rint(np.stack(rgb, -1)).astype(np.uint8)

    return through


def paler(share: float) -> Callable[[Frames, np.random.Generator], Frames]:
    """Return frames with a share of their contrast."""
    return lambda frames, _: np.rint(128 + share * (frames - 128.0)).astype(np.uint8)


CHANGES: dict[str, Callable[[Frames, np.random.Generator], Frames]] = {
    "none": lambda frames, _: frames,
    "blur 0.5 px": blur(0.5), "blur 1 px": blur(1.0), "blur 2 px": blur(2.0),
    "noise 5": noise(5), "noise 10": noise(10), "noise 20": noise(20),
    "hue +10": turned(10), "hue +20": turned(20), "hue -20": turned(-20),
    "gamma 0.8": gamma(0.8), "gamma 1.25": gamma(1.25), "contrast 0.7": paler(0.7),
    "h264 crf 18": h264(18), "h264 crf 23": h264(23), "h264 crf 28": h264(28),
}  # fmt: skip


def in_plane(truth: Truth, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where (T, N) a body is in its plane and turned about y only, as perception takes it to be."""
    position, quaternion = truth.poses_at(times)
    start = np.array([b.position[1] for b in truth.scene.moving])
    round_ones = np.array([b.shape == "sphere" for b in truth.scene.moving])
    # the body's own y axis stays along y: R_yy = 1 - 2 (x^2 + z^2)
    upright = 2 * (quaternion[..., 0] ** 2 + quaternion[..., 2] ** 2) < 1e-3
    return (np.abs(position[..., 1] - start) < 0.03) & (upright | round_ones)


def look(frames: Frames, truth: Truth, view: View, exact: Tracks) -> dict[str, Any]:
    """Return errors and counts of one clip."""
    begun = time.process_time()
    seen = track(frames, truth.scene, view, exact.times)
    spent = time.process_time() - begun
    flat = in_plane(truth, exact.times)
    error = np.linalg.norm(seen.pixel - exact.pixel, axis=-1)
    row: dict[str, Any] = {
        "ms": 1e3 * spent / len(frames),
        "frames": len(frames),
        "left out": int((~flat).sum()),
    }
    for name, (low, high) in SHARES.items():
        row[name] = error[(exact.visible >= low) & (exact.visible < high) & seen.found & flat]
    off = (seen.position - exact.position)[..., [0, 2]] / seen.sigma[..., [0, 2]]
    row["z"] = off[seen.found & flat & (exact.visible >= 0.5)].ravel()
    row["lost"] = int(((exact.visible >= 0.25) & ~seen.found).sum())
    row["invented"] = int(((exact.visible < 0.01) & seen.found).sum())
    row["due"] = int((exact.visible >= 0.25).sum())
    row["extras"] = int(seen.extras.sum())
    row["share"] = np.abs(seen.visible - exact.visible)[seen.found]
    return row


def summed(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return medians, 95th percentiles and counts over clips."""
    out: dict[str, float] = {}
    for name in SHARES:
        all_of = np.concatenate([r[name] for r in rows])
        out[f"{name} n"] = len(all_of)
        out[f"{name} median"] = float(np.median(all_of)) if len(all_of) else float("nan")
        out[f"{name} p95"] = float(np.percentile(all_of, 95)) if len(all_of) else float("nan")
    for name in ("lost", "invented", "due", "extras", "left out"):
        out[name] = sum(r[name] for r in rows)
    z = np.concatenate([r["z"] for r in rows])
    out["z sd"] = float(np.sqrt(np.mean(np.clip(z, -10, 10) ** 2)))
    out["share error"] = float(np.mean(np.concatenate([r["share"] for r in rows])))
    out["ms"] = sum(r["ms"] * r["frames"] for r in rows) / sum(r["frames"] for r in rows)
    return out


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=204, help="scenes per image size")
    parser.add_argument("--degraded", type=int, default=60, help="scenes per degradation, at 64 px")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    truths = [simulate(s) for s in scenes(max(asked.scenes, asked.degraded))]
    tables: dict[str, dict[str, dict[str, float]]] = {"size": {}, "degradation": {}}
    for size in SIZES:
        view = View(height=size, width=size)
        rows = []
        for truth in truths[: asked.scenes]:
            exact = exact_tracks(truth, view)
            rows.append(look(render(truth, view).frames, truth, view, exact))
        if rows:
            tables["size"][f"{size} px"] = summed(rows)
    view = View()
    kept = [(t, render(t, view).frames, exact_tracks(t, view)) for t in truths[: asked.degraded]]
    for name, change in CHANGES.items() if kept else ():
        rng = np.random.default_rng(7)
        clips = [look(change(frames, rng), t, view, exact) for t, frames, exact in kept]
        tables["degradation"][name] = summed(clips)
    if asked.json:
        print(json.dumps(tables, indent=1))
        return
    heads = ["whole", "p95", "half", "p95", "quarter", "p95", "lost", "of", "invented", "extras", "share",
             "z rms", "ms"]  # fmt: skip
    for title, table in tables.items():
        print(" ".join([f"{title:12s}", *(f"{h:>8s}" for h in heads)]))
        for name, r in table.items():
            errors = [f"{r[f'{share} {q}']:8.3f}" for share in SHARES for q in ("median", "p95")]
            counts = [f"{r[k]:8.0f}" for k in ("lost", "due", "invented", "extras")]
            others = [f"{r['share error']:8.3f}", f"{r['z sd']:8.2f}", f"{r['ms']:8.2f}"]
            print(" ".join([f"{name:12s}", *errors, *counts, *others]))


if __name__ == "__main__":
    main()
