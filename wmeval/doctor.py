"""Whether this machine can make trustworthy numbers, and the line that mends what it lacks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wmeval.errors import WmevalError

GB = 1e9
NEEDED_GB = 2.0  # a run of the quick suite and the cache of truths, with room to spare


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `problem` is empty where nothing is wrong, `mend` is the line that betters it."""

    what: str
    says: str
    problem: str = ""
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.problem


def examine() -> Iterator[Finding]:
    """Yield the findings in the order in which one would mend them; nothing is changed or fetched."""
    for look in LOOKS:
        try:
            yield from look()
        except Exception as fault:  # a machine in which a check itself breaks is what doctor is for
            what = look.__name__.strip("_")
            yield Finding(what, "", f"{type(fault).__name__}: {fault}", "reinstall with `make install`")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    right = sys.version_info[:2] == (3, 11)
    yield Finding(
        "python", f"{version}, {sys.executable}", "" if right else f"Python {version} has no PyBullet wheel",
        "" if right else "make a virtual environment with python3.11",
    )  # fmt: skip


def _pybullet() -> Iterator[Finding]:
    from importlib.metadata import version

    from wmeval.world.bullet import numpy_support

    fast = numpy_support()
    yield Finding(
        "pybullet", f"{version('pybullet')}, {'with' if fast else 'without'} numpy",
        "" if fast else "this build hands over images as tuples, which is a hundred times slower",
        "" if fast else "pip install --only-binary :all: --force-reinstall pybullet -c constraints.txt",
    )  # fmt: skip


def _torch() -> Iterator[Finding]:
    import torch

    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name(0) if gpu else f"cpu, {torch.get_num_threads()} threads"
    try:
        import torchvision

        # a torchvision that was built for another torch imports, and fails at its first operator
        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except Exception as fault:
        yield Finding(
            "torch", f"{torch.__version__} on {device}", f"torchvision does not work with it ({fault})",
            "pip install torch torchvision -c constraints.txt",
        )  # fmt: skip
        return
    yield Finding("torch", f"{torch.__version__} with torchvision {torchvision.__version__} on {device}")


def _entries() -> Iterator[Finding]:
    from wmeval import registry

    broken = [row for rows in registry.listing(check=True).values() for row in rows if row["problem"]]
    if broken:
        for row in broken:
            yield Finding(row["name"], row["from"], row["problem"], "wmeval list --check")
        return
    yield Finding("plug-ins", f"{sum(map(len, registry.listing().values()))} names, all can be imported")


def _weights() -> Iterator[Finding]:
    """Yield a finding for each model and extractor: it is opened, which checks its weights."""
    from wmeval import registry
    from wmeval.roster import needs
    from wmeval.run.code import file_digest

    for name in registry.entries("models"):
        adapter = registry.load_adapter(name)
        if wanted := needs(name, adapter):
            yield Finding(f"model {name}", f"is opened with {wanted}")
            continue
        shipped = adapter.shipped
        try:
            registry.load_model(name)
        except WmevalError as fault:
            yield Finding(
                f"model {name}",
                "",
                str(fault),
                f"reinstall wmeval, or `wmeval run --model {name} --weights PATH`",
            )
            continue
        digest = f", SHA-256 {file_digest(shipped)[:12]}" if shipped else ""
        yield Finding(f"model {name}", f"opens{digest}")
    for name in registry.entries("features"):
        extractor = registry.load_features(name)
        try:
            yield Finding(f"features {name}", f"opens, {extractor.open(None).name}")
        except WmevalError as fault:
            # what only others can give is missed by its own metrics alone; what we ship must be there
            ours = extractor.train is not None
            yield Finding(f"features {name}", str(fault), str(fault) if ours else "")


def _lpips() -> Iterator[Finding]:
    from wmeval.measure.perceptual import FETCH, backbone_path

    path = backbone_path()
    # not a problem: every other number is made without it, and its cell is null with this reason
    says = str(path) if path.exists() else f"no backbone at {path}, so `lpips` is null until it is fetched"
    yield Finding("lpips", says, mend="" if path.exists() else FETCH)


def _disk() -> Iterator[Finding]:
    from wmeval.run.truths import cache_folder

    for what, folder in (("disk", Path.cwd()), ("cache", cache_folder())):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free / GB
        small = free < NEEDED_GB
        yield Finding(
            what, f"{free:.0f} GB free, {folder}",
            f"{free:.1f} GB are free, {NEEDED_GB:g} are needed" if small else "",
            "free some space, or `--out DIR` and WMEVAL_CACHE=DIR on another disk" if small else "",
        )  # fmt: skip


def _determinism() -> Iterator[Finding]:
    from wmeval.camera import View
    from wmeval.run.store import content_digest
    from wmeval.scene import Scene, ball, floor, side_camera
    from wmeval.world import render, simulate

    scene = Scene(
        (floor(), ball("ball", radius=0.2, position=(-0.5, 0.0, 1.0), velocity=(1.0, 0.0, 0.0), hue="red")),
        side_camera(), duration_s=1.0, cut_s=0.5, needs_s=0.2, profile="impact",
    )  # fmt: skip

    def once() -> str:
        truth = simulate(scene)
        frames = render(truth, View()).frames
        return content_digest({"position": truth.position, "frames": frames})

    first, second = once(), once()
    same = first == second
    yield Finding(
        "determinism", f"one scene twice, {'the same bytes' if same else 'other bytes'} ({first[:12]})",
        "" if same else "the same scene gave other bytes the second time, so no number could be reproduced",
        "" if same else "pip install --force-reinstall pybullet numpy -c constraints.txt",
    )  # fmt: skip


LOOKS = (_python, _pybullet, _torch, _entries, _weights, _lpips, _disk, _determinism)
