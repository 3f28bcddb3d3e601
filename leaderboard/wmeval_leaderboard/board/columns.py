"""The columns of the board: a profile of every model, and behind each of its parts a view of its own.

Nothing is summed over parts of a profile. A mean over probes says of how many it is, and whoever lacks one of
them is shown but not ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from wmeval_leaderboard.board import known
from wmeval_leaderboard.board.entry import Cell, Entry, Key
from wmeval_leaderboard.tables import TIERS

VIEWS = {
    "profile": "Profile",
    "physics": "Physics",
    "imagination": "Imagined",
    "surprise": "Surprise",
    "fidelity": "Fidelity",
    "planning": "Planning",
}
FIRST = ("lpips", "body-psnr")  # metrics of the profile, where they are there
CONTROL = "control"  # the probe of what actions do


@dataclass(frozen=True)
class Column:
    """A number that every model may have. `parts` are the rows that it is, or is the mean of."""

    key: str
    title: str
    words: str
    read: Callable[[Entry], Cell | None]
    unit: str = ""
    higher: bool = True
    digits: int = 2
    skill: bool = False  # whether it lies from 0 to 1, so that it can be drawn on that axis
    ranked: bool = True
    parts: tuple[Key, ...] = ()
    link: str = ""  # the probe whose page tells more


def columns(view: str, tag: str, entries: Sequence[Entry]) -> list[Column]:
    """Return the columns of a view of entries on one tag, those of which anyone has a number."""
    if view == "profile":
        return _profile(tag, entries)
    if view == "fidelity":
        return [_metric(key, entries) for key in _keys(entries, "fidelity", "", tag)]
    if view == "planning":
        return [_task(name, protocol, tag) for name, protocol in _tasks(entries, tag)]
    instrument = "rollout" if view == "physics" else view
    return [_single(key) for key in _keys(entries, "scores", instrument, tag)]


def tags(entries: Iterable[Entry]) -> list[str]:
    """Return the tags that anything was asked on, "iid" first; control scenes are none."""
    found = {key[3] for e in entries for key in e.cells if key[3] != "control"}
    found |= {str(row["tag"]) for e in entries for row in e.plans}
    return sorted(found, key=lambda t: (t != "iid", t))


def views(entries: Sequence[Entry], tag: str) -> dict[str, str]:
    """Return the views that have a column, with their titles."""
    return {name: title for name, title in VIEWS.items() if columns(name, tag, entries)}


def mean(cells: Sequence[Cell], out_of: int) -> Cell | None:
    """Return the mean of independent numbers; its interval adds theirs in squares, as far as all have one.

    >>> mean([Cell(0.2, 0.1, 0.3, 16), Cell(0.4, 0.3, 0.5, 16)], 2).n
    32
    """
    known_ = [c for c in cells if c.value is not None]
    if not known_:
        return None
    k = len(known_)
    value = sum(c.value or 0.0 for c in known_) / k
    lo = hi = None
    if all(c.lo is not None and c.hi is not None for c in known_):
        below = sqrt(sum(((c.value or 0.0) - (c.lo or 0.0)) ** 2 for c in known_)) / k
        above = sqrt(sum(((c.hi or 0.0) - (c.value or 0.0)) ** 2 for c in known_)) / k
        lo, hi = value - below, value + above
    least = min((c.tier for c in known_), key=TIERS.index)
    lows = [c.lowest for c in known_]
    lowest = None if None in lows else min(v for v in lows if v is not None)
    return Cell(
        value, lo, hi, sum(c.n for c in known_), sum(c.failed for c in known_), least, k, out_of, lowest
    )


def planned(entry: Entry, tag: str) -> dict[tuple[str, str], Cell]:
    """Return planning skill by task and protocol, on the task's cost; see `Entry.planned`."""
    return {
        key: Cell(
            row["skill"], row["skill_lo"], row["skill_hi"], row["n"], int(row["failed"] or 0), row["tier"]
        )
        for key, row in entry.planned(tag).items()
    }


def _profile(tag: str, entries: Sequence[Entry]) -> list[Column]:
    fidelity = _keys(entries, "fidelity", "", tag)
    first = [k for name in FIRST for k in fidelity if k[1].partition("@")[0] == name] or fidelity[:1]
    physics = _keys(entries, "scores", "rollout", tag)
    control = [k for k in physics if k[1].partition("@")[0] == CONTROL]
    alarms = _keys(entries, "scores", "rollout", "control")
    made = [_metric(key, entries) for key in first]
    made += _means("physics", "Physics", "Mean skill over probes, continued in pixels", physics)
    made += _means(
        "imagination", "Imagined", "Mean skill over probes, imagined in latents",
        _keys(entries, "scores", "imagination", tag),
    )  # fmt: skip
    made += _means(
        "surprise", "Surprise", "Mean skill over probes whose clips are exactly matched",
        _keys(entries, "scores", "surprise, matched", tag),
    )  # fmt: skip
    made += _means("actions", "Control", "Does what a push brings about follow the push?", control)
    tasks = _tasks(entries, tag)
    if tasks:
        made.append(_planning(tasks, tag))
    made += [
        replace(c, higher=False, skill=False)
        for c in _means("alarms", "False alarms", "Share of scenes without the concept that alarm", alarms)
    ]
    made += _beyond(physics, tag, entries)
    if any(e.gap is not None for e in entries):
        words = (
            "Mean skill on public seeds minus on hidden ones, over the probes that were asked both ways: "
            "what knowing the scenes was worth"
        )
        made.append(Column("gap", "Public − hidden", words, _gap, higher=False, ranked=False))
    if any(e.speed for e in entries):
        words = "Predicted frames a second on the sender's machine, as reported"
        made.append(Column("speed", "Speed", words, _speed, "frames/s", digits=3, ranked=False))
    return made


def _means(key: str, title: str, words: str, parts: Sequence[Key]) -> list[Column]:
    """Return a column of the mean over parts, or none where there are no parts."""

    def read(entry: Entry) -> Cell | None:
        return mean([entry.cells[p] for p in parts if p in entry.cells], len(parts))

    return [Column(key, title, words, read, skill=True, parts=tuple(parts))] if parts else []


def _beyond(physics: Sequence[Key], tag: str, entries: Sequence[Entry]) -> list[Column]:
    """Return how much physics is lost beyond the training split, on probes that were asked on both."""
    outside = [t for t in tags(entries) if t.startswith("ood-")]
    if tag != "iid" or not outside:
        return []

    def read(entry: Entry) -> Cell | None:
        lost = [
            one.value - other.value
            for key in physics
            for t in outside
            if (one := entry.cells.get(key)) and (other := entry.cells.get((*key[:3], t)))
            if one.value is not None and other.value is not None
        ]
        return Cell(sum(lost) / len(lost), n=len(lost)) if lost else None

    words = f"Mean skill lost from iid to {', '.join(outside)}, on the probes asked on both"
    return [Column("beyond", "Lost beyond", words, read, higher=False, ranked=False)]


def _planning(tasks: Sequence[tuple[str, str]], tag: str) -> Column:
    def read(entry: Entry) -> Cell | None:
        told = planned(entry, tag)
        return mean([told[t] for t in tasks if t in told], len(tasks))

    words = "Mean planning skill over tasks: 0 as at random, 1 as with the simulator"
    return Column("planning", "Planning", words, read, skill=True)


def _task(name: str, protocol: str, tag: str) -> Column:
    told = known.task(name)
    words = f"{told.summary if told else name}; {protocol}"
    bare = name.partition("@")[0]
    return Column(
        f"{bare}-{protocol}",
        f"{bare}, {protocol}",
        words,
        lambda e: planned(e, tag).get((name, protocol)),
        skill=True,
    )


def _single(key: Key) -> Column:
    bare, _, matching = key[1].partition("@")[0], *key[2].partition(", ")[1:]
    told = known.probe(key[1])
    words = told.summary if told else key[1]
    return Column(
        f"{bare}-{matching}" if matching else bare,
        f"{bare}, {matching}" if matching else bare,
        words,
        lambda e: e.cells.get(key),
        skill=True,
        parts=(key,),
        link=key[1],
    )


def _metric(key: Key, entries: Sequence[Entry]) -> Column:
    row = next(r for e in entries for r in e.metrics if (r["metric"], r["tag"]) == (key[1], key[3]))
    bare = key[1].partition("@")[0]
    higher = row["better"] == "higher"
    words = f"{key[1]}, {row['better']} is better"
    return Column(bare, bare, words, lambda e: e.cells.get(key), row["unit"], higher, digits=3, parts=(key,))


def _keys(entries: Iterable[Entry], section: str, instrument: str, tag: str) -> list[Key]:
    """Return what entries were asked, in the order of the suite, or else that of the first who has it."""
    found = dict.fromkeys(
        k
        for e in entries
        for k in e.cells
        if k[0] == section and k[3] == tag and (not instrument or k[2].startswith(instrument))
    )
    order: dict[str, int] = {}
    for suite in sorted({e.suite for e in entries}):
        told = known.suite(suite)
        names = (*told.probes, *told.metrics) if told else ()
        order |= {name: i for i, name in enumerate(names) if name not in order}
    return sorted(found, key=lambda k: order.get(k[1].partition("@")[0], len(order)))


def _tasks(entries: Iterable[Entry], tag: str) -> list[tuple[str, str]]:
    return sorted({t for e in entries for t in planned(e, tag)})


def _gap(entry: Entry) -> Cell | None:
    if entry.gap is None:
        return None
    over, half = entry.gap_over, entry.gap_half
    lo, hi = (None, None) if half is None else (entry.gap - half, entry.gap + half)
    return Cell(entry.gap, lo, hi, tier=entry.tier, of=over, out_of=over)


def _speed(entry: Entry) -> Cell | None:
    return None if entry.speed is None else Cell(entry.speed)
