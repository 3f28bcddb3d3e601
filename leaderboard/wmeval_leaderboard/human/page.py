"""The pages of the study: what it is and what came of it, and one question at a time."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from wmeval_leaderboard.human.asking import MOST, Question
from wmeval_leaderboard.human.counting import GAMENGEN, Published, Share, Told, attentive, fooled
from wmeval_leaderboard.pages.links import Links
from wmeval_leaderboard.pages.render import render

COLUMNS = (
    "vote", "rater", "attentive", "model", "submission", "check", "length_s", "age_s", "fooled",
    "chosen_left", "seconds", "day",
)  # fmt: skip
_LEFT, _WIDE = 10.0, 280.0  # px of an axis from 0 to 1


@dataclass(frozen=True)
class Row:
    """What was found of one model at one clip length, or at one rollout age."""

    model: str  # slug
    name: str
    at_s: float
    share: Share


def study(told: list[Told], links: Links, pairs: int) -> str:
    """Return the page that tells what the study is and what came of it."""
    counted = attentive(told)
    good = [one for one in told if one.rater in counted]
    asked = [one for one in good if not one.check]
    return render(
        "human.html.j2", links, here="human", by_length=rows(asked, "length_s"), by_age=rows(asked, "age_s"),
        published=GAMENGEN, votes=len(told), raters=len({one.rater for one in told}),
        counted=len(counted), pairs=pairs, strip=strip, whole=fooled(asked),
        checks={kind: fooled([o for o in told if o.check == kind]) for kind in ("plain", "impossible")},
        left=_left(good),
    )  # fmt: skip


def ask(asked: Question | None, links: Links) -> str:
    """Return the page that asks one question, or says that there is none left."""
    return render("vote.html.j2", links, here="human", asked=asked, most=MOST)


def rows(told: Iterable[Told], by: str) -> list[Row]:
    """Return a row for each model and each length or age, models in the order of their names."""
    groups: dict[tuple[str, str, float], list[Told]] = defaultdict(list)
    for one in told:
        groups[one.name, one.model, getattr(one, by)].append(one)
    return [Row(model, name, at, fooled(of)) for (name, model, at), of in sorted(groups.items())]


def strip(share: Share | Published) -> Markup:
    """Return a share with its intervals on an axis from 0 to 1, one half marked: there nobody can tell."""
    value: float | None
    if isinstance(share, Published):
        value, thin, thick = share.fooled, None, None
    else:
        value, thin, thick = share.share, (share.lo, share.hi), (share.clustered_lo, share.clustered_hi)
    drawn = Markup('<path class="half" d="M{0} 2V18"/>').format(_x(0.5))
    for kind, ends in (("wide", thick), ("range", thin)):
        if ends and ends[0] is not None and ends[1] is not None:
            drawn += Markup('<path class="{}" d="M{} 10H{}"/>').format(kind, _x(ends[0]), _x(ends[1]))
    if value is not None:
        shape = "published" if isinstance(share, Published) else "skill"
        drawn += Markup('<circle class="{}" cx="{}" cy="10" r="4.5"/>').format(shape, _x(value))
    width = _LEFT * 2 + _WIDE
    return Markup(
        '<svg class="fooled" viewBox="0 0 {0} 20" width="{0}" height="20" aria-hidden="true">'
        '<path class="axis" d="M{1} 10H{2}"/>{3}</svg>'
    ).format(int(width), _x(0), _x(1), drawn)


def table(told: list[Told]) -> Iterator[dict[str, Any]]:
    """Yield the votes as anyone may have them; nothing in them tells who a rater is."""
    counted = attentive(told)
    for number, one in enumerate(told, 1):
        yield {
            "vote": number, "rater": one.rater, "attentive": one.rater in counted, "model": one.model,
            "submission": one.submission, "check": one.check, "length_s": one.length_s, "age_s": one.age_s,
            "fooled": one.fooled, "chosen_left": one.chosen_left, "seconds": one.seconds,
            "day": int(one.at // 86_400),
        }  # fmt: skip


def as_csv(told: list[Told]) -> str:
    """Return the votes as CSV."""
    kept = io.StringIO()
    writer = csv.DictWriter(kept, COLUMNS)
    writer.writeheader()
    writer.writerows(table(told))
    return kept.getvalue()


def as_json(told: list[Told]) -> str:
    """Return the votes as JSON, with what others published."""
    published = [
        {"name": p.name, "length_s": p.length_s, "real_picked": p.real_picked, "fooled": round(p.fooled, 4),
         "clips": p.clips, "raters": p.raters} for p in GAMENGEN
    ]  # fmt: skip
    return json.dumps({"columns": COLUMNS, "votes": list(table(told)), "published": published})


def _left(told: list[Told]) -> Share:
    """Return how often the left clip was picked where both were the same: 1/2, unless there is a habit."""
    same = [one for one in told if one.check == "impossible"]
    if not same:
        return Share(None, 0, 0)
    return Share(sum(o.chosen_left for o in same) / len(same), len(same), len({o.rater for o in same}))


def _x(value: float) -> float:
    return round(_LEFT + _WIDE * value, 1)
