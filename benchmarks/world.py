"""How much slower the world is than a bare PyBullet loop with the same meshes, poses and contacts.

    python benchmarks/world.py [--scenes 12] [--json]

Prints, at 64 and 128 px without supersampling or shadows: milliseconds a clip here and in the bare loop,
for one process and for two at once (the bare loops then run two at once too).
"""

from __future__ import annotations

import argparse
import json
import time
from multiprocessing import get_context
from typing import Any

from wmeval.camera import View
from wmeval.scene import Scene
from wmeval.seeds import scene_rng
from wmeval.world import render, simulate
from wmeval.world.bullet import CLOCK_HZ, PROFILES, Client
from wmeval.world.shot import body_colour, matrices
from wmeval_probes.suites.train import SPLIT


def scenes(count: int) -> list[Scene]:
    """Return training scenes, the same ones every time."""
    return [SPLIT.scene(scene_rng("train", SPLIT.key, "iid", i)) for i in range(count)]


def ours(scene: Scene, view: View) -> None:
    """Simulate and render one scene as wmeval does."""
    render(simulate(scene), view)


def bare(scene: Scene, view: View, client: Client) -> None:
    """Do the same work in the plainest loop: step, read contacts and poses, draw every frame."""
    import pybullet as pb

    client.reset(scene.profile, scene.gravity)
    solid, drawn = [], []
    for body in scene.bodies:
        if body.collides:
            solid.append(client.add(body, scene.profile))
        uid = client.paint(body, body_colour(body))
        pb.setCollisionFilterGroupMask(uid, -1, 0, 0, physicsClientId=client.id)
        drawn.append((uid, solid[-1] if body.mass > 0 else -1))
    look, lens = matrices(scene.camera, 0.0, view)
    rate = PROFILES[scene.profile].hz
    poses: list[Any] = []
    touches: list[Any] = []
    every_pose, every_frame = rate // CLOCK_HZ, round(rate / view.fps)
    for step in range(round(scene.duration_s * rate) + 1):
        if step % every_pose == 0:
            poses.append([(client.pose(u), client.velocity(u)) for _, u in drawn if u >= 0])
        if step % every_frame == 0:
            for uid, body_id in drawn:
                if body_id >= 0:
                    pb.resetBasePositionAndOrientation(uid, *client.pose(body_id), physicsClientId=client.id)
            client.picture(view.width, view.height, look, lens, shadows=False)
        client.step()
        touches.extend(client.contacts())


def clock(job: tuple[str, int, int]) -> float:
    """Return the seconds that a kind of loop takes for some scenes at a size."""
    kind, count, size = job
    view, client = View(height=size, width=size, supersample=1), Client()
    wanted = scenes(count + 1)

    def go(scene: Scene) -> None:
        ours(scene, view) if kind == "ours" else bare(scene, view, client)

    go(wanted[0])
    start = time.perf_counter()
    for scene in wanted[1:]:
        go(scene)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = []
    with get_context("spawn").Pool(2) as pool:
        for size in (64, 128):
            job = {k: (k, asked.scenes, size) for k in ("ours", "bare")}
            alone = {k: min(clock(j) for _ in range(3)) for k, j in job.items()}
            paired = {k: min(max(pool.map(clock, [j, j])) for _ in range(3)) for k, j in job.items()}
            rows.append(
                {
                    "size_px": size,
                    "ours_ms": 1e3 * alone["ours"] / asked.scenes,
                    "bare_ms": 1e3 * alone["bare"] / asked.scenes,
                    "ratio": alone["ours"] / alone["bare"],
                    "two_processes_rate": paired["bare"] / paired["ours"],
                }
            )
    if asked.json:
        print(json.dumps(rows))
        return
    print("size    ours     bare    ours/bare   two of ours against two bare loops (rate)")
    for row in rows:
        print(
            "{size_px:4d} {ours_ms:7.1f}ms {bare_ms:7.1f}ms {ratio:8.2f} {two_processes_rate:14.2f}".format(
                **row
            )
        )


if __name__ == "__main__":
    main()
