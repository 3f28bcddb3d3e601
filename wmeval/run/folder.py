"""A Run is a folder on disk, and what can be read from it, also while another process works on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmeval.anchor import Anchor
from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.run.instruments import PLANNING, failed, loaded
from wmeval.run.plan import Plan, Unit, draw, measure_key
from wmeval.run.store import Store, read_json
from wmeval.scene import Case
from wmeval.tracks import Tracks

if TYPE_CHECKING:
    import pandas as pd

    from wmeval.scene import Scene
    from wmeval.task import Instance, Task


@dataclass(frozen=True)
class Clips:
    """What one arm of one sample looked like, at the frames of the run's View.

    `truth` is the context and the true continuation, `predicted` only what the model made of the frames
    after the `cut` context frames (None where it failed, or where it imagined latents). `tracks` were read
    from the context and the prediction, `true_tracks` are exact; both lie on the measuring grid (10 Hz),
    whose times they carry.
    """

    fps: float
    cut: int
    times: NDArray[np.float64]  # (T,) s, of the true frames
    truth: NDArray[np.uint8]  # (T, H, W, 3)
    bodies: NDArray[np.uint8]  # (T, H, W) 0 = none, i + 1 = dynamic body i
    predicted: NDArray[np.uint8] | None  # (T - cut, H, W, 3)
    tracks: Tracks | None
    true_tracks: Tracks
    hues: tuple[float, ...]  # degrees, one a dynamic body


class Run:
    """A run's folder: `results`, `frame()`, `records()`, `clips()`, `manifest`, `status()`.

    Raises:
        UsageError: the folder holds no run.
    """

    def __init__(self, path: str | Path, *, plan: Plan | None = None) -> None:
        self.path = Path(path)
        self.store = Store(self.path)
        self.plan = plan  # what was planned just now; None for a run that was only opened
        if plan is None:
            read_json(self.path / "manifest.json")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was asked, of which model, with which versions, on which machine; and the units."""
        manifest: dict[str, Any] = read_json(self.path / "manifest.json")
        return manifest

    @property
    def results(self) -> dict[str, Any]:
        """The scores, fidelity, implied physics and speed, as in results.json.

        Raises:
            UsageError: the run has not been scored yet.
        """
        results: dict[str, Any] = read_json(self.path / "results.json")
        return results

    @property
    def report(self) -> Path:
        """Where `wmeval report` writes the page."""
        return self.path / "report.html"

    @cached_property
    def view(self) -> View:
        """How the model looks at the scenes."""
        return View(**self.manifest["view"])

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units of the plan."""
        return tuple(Unit.from_json(u) for u in self.manifest["units"])

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield one dict a finished sample, in the order of the plan.

        Keys: probe, instrument, tag, index, case_id, replicate, status (ok, failed, refused, partial),
        detail, error (bounded, in the probe's unit), value (its unclipped skill, None before scoring), event,
        found (share of visible body-frames), given_found (the error before the event counts; None where too
        little is found), measured ("ok" or why nothing could be), arm, implied {name: [value, sigma]},
        evidence, metrics {name: {mean, curve, reason}}, arms {arm: blobs}, seconds {stage: s}.
        """
        anchors = self._anchors()
        for unit in self.units:
            for row in self.unit_records(unit):
                anchor = anchors.get((row["probe"], row["instrument"], row["tag"]))
                row["value"] = anchor.value(row["error"]) if anchor else None
                yield row

    def unit_records(self, unit: Unit) -> list[dict[str, Any]]:
        """Return the finished samples of one unit; none where it is not measured yet."""
        if not self.store.has(unit.key):
            return []
        generated = self.store.read(unit.key)
        metrics = tuple(self.manifest["metrics"])
        key = measure_key(unit, loaded(unit.instrument, unit.given), metrics, generated)
        if not self.store.has(key):
            return []
        rows = []
        for shown, judged in zip(generated["samples"], self.store.read(key)["samples"], strict=True):
            arms = {a: {**blobs, **judged["arms"].get(a, {})} for a, blobs in shown["arms"].items()}
            seconds = {**shown["seconds"], **judged["seconds"]}
            about = {"probe": unit.probe, "tag": unit.tag, "replicate": unit.replicate}
            about["instrument"] = unit.instrument
            rows.append({**about, **shown, **judged, "arms": arms, "seconds": seconds, "value": None})
        return rows

    def frame(self) -> pd.DataFrame:
        """Return one row a sample: identity, status, error, value, found, and a column a metric."""
        import pandas as pd

        flat = ("probe", "instrument", "tag", "index", "case_id", "replicate", "status", "detail",
                "measured", "error", "value", "event", "found", "given_found")  # fmt: skip
        rows = []
        for r in self.records():
            row = {k: r[k] for k in flat}
            row |= {f"metric.{n}": m["mean"] for n, m in r["metrics"].items()}
            row |= {f"implied.{n}": v[0] for n, v in r["implied"].items()}
            row |= {f"seconds.{n}": s for n, s in r["seconds"].items()}
            rows.append(row)
        return pd.DataFrame(rows, columns=None if rows else list(flat))

    def case(self, record: Mapping[str, Any]) -> Case:
        """Return the case that a record answers, drawn again; of a choice, an arm a candidate.

        Raises:
            UsageError: the record was asked by surprise; its `arms` hold the digests of whole clips. Or its
                scenes are hidden, and the secret that draws them is not there.
        """
        from wmeval import registry

        if record["instrument"] == "surprise":
            raise UsageError(
                "a record asked by surprise has whole clips and no case to continue; its frames are "
                "`run.store.get(record['arms'][NAME]['truth'])['frames']`"
            )
        if record["instrument"] in PLANNING:
            _, offered = self.problem(record)
            if record["instrument"] == "control":
                return Case.single(offered[0].scene)
            return Case({str(i): one.scene for i, one in enumerate(offered)})
        return draw(registry.load_probe(self._given(record)), record["tag"], record["index"])

    def problem(self, record: Mapping[str, Any]) -> tuple[Task, tuple[Instance, ...]]:
        """Return the task of a planning record and its problem, drawn again: of a choice all candidates.

        Raises:
            UsageError: the scenes are hidden, and the secret that draws them is not there.
        """
        from wmeval.run import problems

        task = self.task(record)
        if record["instrument"] == "control":
            return task, (problems.instance(task, record["tag"], record["index"]),)
        return task, problems.choice(task, record["tag"], record["index"]).candidates

    def task(self, record: Mapping[str, Any]) -> Task:
        """Return the task of a planning record."""
        from wmeval import registry

        return registry.load_task(self._given(record))

    def _given(self, record: Mapping[str, Any]) -> str:
        """Return the name under which a record's probe or task was asked for, once it may be drawn."""
        from wmeval.run.request import Request

        Request.from_json(self.manifest["request"]).drawable()
        asked = record["probe"], record["instrument"]
        return next(u.given for u in self.units if (u.probe, u.instrument) == asked)

    def clips(self, record: Mapping[str, Any], arm: str | None = None) -> Clips:
        """Return the videos and tracks of a record, of the arm that went worst unless one is named.

        Raises:
            EnvironmentFault: a blob is missing or damaged.
        """
        name = arm or record["arm"]
        blobs = record["arms"][name]
        scene = self.case(record).arms[name]
        truth = self.store.get(blobs["truth"])
        predicted = self.store.get(blobs["prediction"]).get("frames") if blobs["prediction"] else None
        kept = self.store.get(blobs["tracks"]) if "tracks" in blobs else {}

        def tracks(prefix: str) -> Tracks:
            arrays = {k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)}
            return Tracks(names=scene.names, camera=scene.camera, view=self.view, **arrays)

        return Clips(
            self.view.fps, blobs["shown"], truth["times"], truth["frames"], truth["bodies"], predicted,
            tracks("seen.") if "seen.times" in kept else None,
            tracks("true.") if "true.times" in kept else self._true_tracks(scene, truth["times"]),
            tuple(float(b.hue or 0.0) for b in scene.moving),
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Return how far the run has come: state, units, samples, failures, how to continue."""
        from wmeval.run.request import Request

        units = self.units
        rows = [row for unit in units for row in self.unit_records(unit)]
        measured = sum(1 for unit in units if self.unit_records(unit))
        scored = (self.path / "results.json").exists()
        complete = measured == len(units)
        state = "complete" if complete and scored else "unscored" if complete else "unfinished"
        request = Request.from_json(self.manifest["request"])
        counts = {
            "units": f"{measured} of {len(units)}",
            "samples": f"{len(rows)} of {sum(len(u.indices) for u in units)}",
            "failed": sum(map(failed, rows)),
        }
        if request.truth is not None:
            from wmeval.own import loop

            told = loop.status(Plan.from_json(self.manifest), self.store)
            complete = told["complete"]
            state = "complete" if complete and scored else "unscored" if complete else "unfinished"
            counts = {k: "{} of {}".format(*told[k]) for k in ("units", "samples")} | {
                "failed": told["failed"]
            }
        return {
            "run": str(self.path),
            "model": request.model,
            "suite": self.manifest["suite"],
            "state": state,
            **counts,
            "partial": self.manifest["partial"],
            "nondeterminism": len(self.store.events("nondeterminism")),
            "continue": "" if complete and scored else request.command(self.path),
        }

    def _true_tracks(self, scene: Scene, times: NDArray[np.float64]) -> Tracks:
        from wmeval.run.measure import on_grid
        from wmeval.run.truths import truth_of
        from wmeval.world import exact_tracks

        return exact_tracks(truth_of(scene), self.view, times[on_grid(times)])

    def _anchors(self) -> dict[tuple[str, str, str], Anchor]:
        if not (self.path / "results.json").exists():
            return {}
        rows = [r for r in self.results["scores"] if r["null"] is not None and r["null"] > r["ceiling"]]
        return {
            (r["probe"], r["instrument"], r["tag"]): replace(_BLANK, null=r["null"], ceiling=r["ceiling"])
            for r in rows
        }


_BLANK = Anchor("", "", View(), null=1.0, ceiling=0.0, n=0)
