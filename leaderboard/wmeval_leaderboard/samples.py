"""Which cases of a run can be looked at on the board, and what is shown of them.

Of each probe's first tag these are the best, the median and the worst, so that neither luck nor harm is
hidden, and of every tag one that is drawn by a fixed key: the same case of every model, chosen by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wmeval.report.plans import worth_showing
from wmeval.report.read import measured
from wmeval.report.read import sample as read
from wmeval.report.sample import Sample as Shown
from wmeval.report.sample import telling
from wmeval.run import Run
from wmeval.run.instruments import CONTROL, UNASKED
from wmeval.run.store import plain
from wmeval.seeds import digest
from wmeval_leaderboard.media import evidence

DRAWN = "drawn"


@dataclass(frozen=True)
class Kept:
    """What a row of `tables.Sample` says, with the files (name -> path in a folder) that its media become."""

    name: str
    instrument: str
    tag: str
    case_id: str
    position: str
    error: float
    files: Mapping[str, str]
    about: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def write(run: Run, folder: Path) -> list[Kept]:
    """Return the samples of a scored run that are kept, whose files are written into a folder."""
    records = worth_showing([r for r in measured(run) if r["status"] != UNASKED and r["tag"] != CONTROL])
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["probe"], record["instrument"], record["tag"]), []).append(record)
    first: dict[tuple[str, str], str] = {}
    for probe, instrument, tag in groups:
        first.setdefault((probe, instrument), tag)
    kept: list[Kept] = []
    for (probe, instrument, tag), of in groups.items():
        for position, shown in _chosen(run, of, whole=first[probe, instrument] == tag):
            kept.append(_kept(position, shown, folder, len(kept)))
    return kept


def drawn(case_ids: Sequence[str]) -> str:
    """Return the one of some cases that is shown of every model.

    >>> drawn(["a", "b"]) == drawn(["b", "a", "a"])
    True
    """
    return min(case_ids, key=lambda case: digest([DRAWN, case]))


def _chosen(run: Run, records: Sequence[Mapping[str, Any]], *, whole: bool) -> Iterator[tuple[str, Shown]]:
    case = drawn([r["case_id"] for r in records])
    if whole:
        yield from telling([read(run, r) for r in records]).items()
    yield DRAWN, read(run, next(r for r in records if r["case_id"] == case))


def _kept(position: str, shown: Shown, folder: Path, number: int) -> Kept:
    files = {}
    for name, data in evidence(shown).items():
        files[name] = f"sample-{number}-{name}"
        (folder / files[name]).write_bytes(data)
    about = asdict(replace(shown, motion=None, judged=None))
    for name in ("probe", "instrument", "tag", "case_id", "error", "motion", "judged"):
        del about[name]
    return Kept(
        shown.probe, shown.instrument, shown.tag, shown.case_id, position, shown.error, files, plain(about)
    )
