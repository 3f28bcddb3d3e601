"""Scores in the tables that they may share: what was continued, what was judged, what alarmed for nothing.

Surprise on exactly matched clips, on clips played backwards and on pairs never stands in one table: what
each of them proves differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wmeval.report import words

Row = Mapping[str, Any]
TITLES: Mapping[str, tuple[str, str]] = {
    "asked": ("", ""),
    "matched": (
        "Surprise, exactly matched",
        "Possible and impossible clips hold the same frames in another order, so that no single picture and "
        "no amount of change tells them apart. Skill 0 is chance, 1 is always finding the impossible clip "
        "the more surprising one where the violation shows.",
    ),
    "reversal": (
        "Surprise, played backwards",
        "The impossible clip is the possible one played backwards. A model may know that things come to rest "
        "and not the law behind it, so this is a class of its own.",
    ),
    "pairs": (
        "Surprise, pairs",
        "The truth against the truth with one law broken. Cheap cues may tell such clips apart: a skill says "
        "something of the concept only where it is above what they score.",
    ),
    "control": (
        "False alarms",
        "Scenes in which the concept has nothing to do. An alarm is an error above what the truth itself "
        "gets; they count here and never in skill.",
    ),
}
SIDES = ("perception", "codec", "physics")


@dataclass(frozen=True)
class Group:
    """Scores that share a table. `columns` and `rows` are empty for what is asked by continuing."""

    kind: str
    scores: Sequence[Row]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def title(self) -> str:
        """What the table is called."""
        return TITLES[self.kind][0]

    @property
    def words(self) -> str:
        """What it can and cannot show."""
        return TITLES[self.kind][1]

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What is to be known of single scores: probe and sentence."""
        return [(str(s["probe"]), note) for s in self.scores for note in s.get("notes") or ()]


def kind(score: Row) -> str:
    """Return which table a score belongs to."""
    return "control" if score["tag"] == "control" else str(score.get("matching") or "asked")


def grouped(scores: Sequence[Row]) -> list[Group]:
    """Return the scores in the tables that they may share, those that are there, in their order."""
    made = []
    for name in TITLES:
        of = [s for s in scores if kind(s) == name]
        if of and name == "asked":
            made.append(Group(name, of))
        elif of:
            tell = _alarms if name == "control" else _judged
            rows = [tell(s) for s in of]
            made.append(Group(name, of, tuple(rows[0]), tuple(tuple(r.values()) for r in rows)))
    return made


def splits(scores: Sequence[Row]) -> list[dict[str, Any]]:
    """Return where the errors of rollouts come from: a row a score with its parts as shares of the null."""
    made = []
    for score in scores:
        split = score.get("split")
        if not split or split["physics"] is None:
            continue
        whole = max(filter(None, (score.get("null"), score["error"])), default=1.0)
        made.append(
            {
                "probe": score["probe"],
                "tag": score["tag"],
                "error": words.number(score["error"]),
                **{side: words.number(split[side]) for side in SIDES},
                "widths": [(side, _share(split[side], whole)) for side in SIDES],
                "n": words.number(split["n"]),
                "reason": split["reason"],
                "unit": score["unit"],
                "words": ", ".join(f"{side} {words.number(split[side])}" for side in SIDES),
            }
        )
    return made


def split_reasons(rows: Sequence[Row]) -> list[str]:
    """Return why a codec has no number, each reason once."""
    return list(dict.fromkeys(str(r["reason"]) for r in rows if r["reason"]))


def _share(value: float | None, whole: float) -> float:
    return round(100 * min(1.0, max(0.0, (value or 0.0) / whole)), 2)


def _judged(score: Row) -> dict[str, str]:
    cues = {n: 1 - r["error"] for n, r in (score.get("rows") or {}).items() if r.get("error") is not None}
    best = max(cues, key=lambda n: cues[n], default="")
    area = words.number(score.get("auroc"), 2)
    if score.get("auroc_lo") is not None:
        area += f" ({words.interval({'lo': score['auroc_lo'], 'hi': score['auroc_hi']})})"
    chance = score.get("localised_by_chance")
    return {
        "probe": score["probe"],
        "tag": score["tag"],
        "skill": words.number(score["skill"], 2),
        "95 %": words.interval(score),
        "n": words.number(score["n"]),
        "failed": words.number(score["failed"]),
        "won": words.percent(score.get("accuracy")),
        "AUROC": area,
        "by mean": words.percent(score.get("clip_mean")),
        "by max": words.percent(score.get("clip_max")),
        "peak": words.percent(score.get("localised")),
        "by chance": words.percent(chance),
        "best cheap cue": f"{best} {words.percent(cues[best])}" if best else words.NONE,
    }


def _shares(score: Row) -> str:
    if score.get("lo") is None or score.get("hi") is None:
        return words.NONE
    return f"{100 * score['lo']:.0f} to {words.percent(score['hi'])}"


def _alarms(score: Row) -> dict[str, str]:
    return {
        "probe": score["probe"],
        "alarms": words.percent(score.get("alarms")),
        "95 %": _shares(score),
        "n": words.number(score["n"]),
        "failed": words.number(score["failed"]),
        "error": words.number(score["error"]),
        "ceiling": words.number(score["ceiling"]),
        "unit": score["unit"],
    }
