"""From results.json to rows of the board: one a probe, metric or task, with the value of every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import delete
from sqlalchemy.orm import Session

from wmeval.measure import choosing
from wmeval.run import Run
from wmeval_leaderboard.tables import Score, Source

Cases = Mapping[str, float]  # case id -> unclipped skill, the metric's value, or success
_NAMED = ("scores", "fidelity", "planning", "implied", "na")


@dataclass(frozen=True)
class Line:
    """What a row of `tables.Score` says, before it is known of which submission."""

    section: str
    name: str
    instrument: str
    tag: str
    value: float | None
    lo: float | None
    hi: float | None
    n: int
    row: Mapping[str, Any]
    cases: Cases = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """What the same row of two sources shares."""
        more = [str(self.row.get(k) or "") for k in ("matching", "read", "dynamics", "cost", "budget")]
        named = str(self.row["name"]) if self.section == "implied" else ""
        return (self.section, self.name, self.instrument, self.tag, named, *more)

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        return asdict(self)


def lines(results: Mapping[str, Any], run: Run | None = None) -> list[Line]:
    """Return the rows of a results.json; the value of each case too, where its run is at hand."""
    cases = _cases(run) if run is not None else {}
    return [line for section in _NAMED for line in _section(section, results[section], cases)]


def keep(session: Session, submission_id: int, source: Source, told: Sequence[Line]) -> None:
    """Store the rows of a submission from one source, in the place of those that were there."""
    session.execute(delete(Score).where(Score.submission_id == submission_id, Score.source == source))
    session.add_all(Score(submission_id=submission_id, source=source, **line.to_json()) for line in told)


def differences(reported: Sequence[Line], measured: Sequence[Line]) -> list[dict[str, Any]]:
    """Return {section, name, instrument, tag, reported, measured, difference}, the largest difference first.

    Only what both have is compared; an interval or a reason says nothing here.
    """
    before = {line.key: line.value for line in reported}
    told = []
    for line in measured:
        was = before.get(line.key)
        if was is not None and line.value is not None and line.section != "implied":
            of = {"section": line.section, "name": line.name, "instrument": line.instrument, "tag": line.tag}
            told.append({**of, "reported": was, "measured": line.value, "difference": line.value - was})
    return sorted(told, key=lambda d: -abs(d["difference"]))


def _section(section: str, rows: Sequence[Mapping[str, Any]], cases: Mapping[Any, Cases]) -> Iterator[Line]:
    for row in rows:
        if section == "fidelity":
            of = cases.get((row["entry"], row["tag"]), {})
            yield _line(section, row["metric"], "rollout", row, ("value", "lo", "hi"), of)
        elif section == "planning":
            way = (row["task"], row["protocol"], row["tag"], _way(row))
            names = ("skill", "skill_lo", "skill_hi")
            yield _line(section, row["task"], row["protocol"], row, names, cases.get(way, {}))
        elif section == "scores":
            asked = (row["probe"], row["instrument"], row["tag"], row.get("matching") or "")
            # control scenes have no skill: what is known of them is the share of false alarms
            value = "alarms" if row["skill"] is None and row["alarms"] is not None else "skill"
            yield _line(
                section, row["probe"], row["instrument"], row, (value, "lo", "hi"), cases.get(asked, {})
            )
        else:
            yield _line(section, row["probe"], row["instrument"], row, ("value", "lo", "hi"), {})


def _line(
    section: str,
    name: str,
    instrument: str,
    row: Mapping[str, Any],
    values: tuple[str, str, str],
    cases: Cases,
) -> Line:
    value, lo, hi = (row.get(k) for k in values)
    return Line(section, name, instrument, row["tag"], value, lo, hi, row.get("n") or 0, row, cases)


def _way(row: Mapping[str, Any]) -> str:
    """Return the arm of the units that a row of planning sums up."""
    if row["protocol"] == "choose":
        return str(row["read"])
    written = "" if row["budget"] is None else str(row["budget"])
    return f"{row['dynamics']}|{row['cost']}|{written}"


def _cases(run: Run) -> dict[Any, Cases]:
    """Return the value of each case, the mean over its replicates, by what its row is known by."""
    from wmeval.report.compare import answers

    told = answers(run)
    made: dict[Any, dict[str, list[float]]] = {}
    for (probe, asked, tag), values in told.values.items():
        instrument, _, matching = asked.partition(", ")
        made[probe, instrument, tag, matching] = {k: [v] for k, v in values.items()}
    for name, of_metric in told.metrics.items():
        for case, value in of_metric.items():
            made.setdefault((name, case.split("|")[1]), {})[case] = [value]
    for record in run.records():
        success = _success(record)
        if success is not None:
            way = (record["probe"], record["instrument"], record["tag"], record["arm"])
            made.setdefault(way, {}).setdefault(record["case_id"], []).append(success)
    return {key: {c: float(np.mean(v)) for c, v in of.items()} for key, of in made.items()}


def _success(record: Mapping[str, Any]) -> float | None:
    """Return whether a problem was solved, 0 to 1; None of a record of a probe."""
    if "choice" in record:
        predicted, true = (np.asarray(record["choice"][k], np.float64) for k in ("predicted", "true"))
        return choosing.judge(predicted, true, np.asarray(record["choice"]["good"], bool)).success
    return float(record["control"]["success"]) if record.get("control") else None
