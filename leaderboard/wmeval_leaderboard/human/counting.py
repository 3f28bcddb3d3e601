"""What the votes say: how often a generated clip was taken for the real one, with two intervals.

Wilson's takes every vote for itself. The clustered one knows that the votes of one person are alike: the
variance is that between raters, and Wilson's interval is made for as many votes as would have that variance
if they were independent. Only raters who pass the checks are counted, by a rule that was set before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from wmeval.stats import MIN_N, Z, wilson
from wmeval_leaderboard.tables import Model, Pair, Submission, Vote

PASSED = 0.8  # of the plain checks that a rater was asked
FEWEST_CHECKS = 3  # of fewer, who clicks at random passes too often


@dataclass(frozen=True)
class Told:
    """One vote: by whom, of which pair, and whether the generated clip was taken for the real one."""

    rater: int
    pair: int
    fooled: bool
    check: str
    length_s: float
    age_s: float
    model: str  # slug, "" of checks
    name: str
    submission: str
    chosen_left: bool
    seconds: float
    at: float  # seconds since 1970


@dataclass(frozen=True)
class Share:
    """A share of votes with Wilson's 95 % interval and the one that minds raters; None below n = 8."""

    share: float | None
    votes: int
    raters: int
    lo: float | None = None
    hi: float | None = None
    clustered_lo: float | None = None
    clustered_hi: float | None = None


@dataclass(frozen=True)
class Published:
    """What others found: how often raters picked the real clip, of clips of this length."""

    name: str
    length_s: float
    real_picked: float
    clips: int
    raters: int

    @property
    def fooled(self) -> float:
        """The share that took the generated clip for the real one."""
        return 1 - self.real_picked


# Valevski et al. 2024, arXiv:2408.14837: clips of Doom beside GameNGen's; no interval was published
GAMENGEN = (
    Published("GameNGen, as published", 1.6, 0.58, 130, 10),
    Published("GameNGen, as published", 3.2, 0.60, 130, 10),
)


def votes(session: Session) -> list[Told]:
    """Return the votes on what is published now, in the order in which they were given."""
    asked = (
        select(Vote, Pair, Model.slug, Model.name, Submission.slug)
        .join(Pair, Pair.id == Vote.pair_id)
        .outerjoin(Submission, Submission.id == Pair.submission_id)
        .outerjoin(Model, Model.id == Submission.model_id)
        .where((Submission.state == "published") | Pair.submission_id.is_(None))
        .order_by(Vote.id)
    )
    return [
        Told(
            vote.rater_id, pair.id, vote.chosen == "generated", pair.check, pair.length_s, pair.age_s,
            model or "", name or "", submission or "", vote.chosen == vote.left, vote.seconds, vote.at,
        )
        for vote, pair, model, name, submission in session.execute(asked)
    ]  # fmt: skip


def attentive(told: Iterable[Told]) -> set[int]:
    """Return the raters who passed the checks that whoever looks passes."""
    checks: dict[int, list[bool]] = defaultdict(list)
    for one in told:
        if one.check == "plain":
            checks[one.rater].append(not one.fooled)
    return {
        rater for rater, right in checks.items()
        if len(right) >= FEWEST_CHECKS and sum(right) >= PASSED * len(right)
    }  # fmt: skip


def fooled(told: Sequence[Told]) -> Share:
    """Return the share of votes that took the generated clip for the real one."""
    count, hits = len(told), sum(one.fooled for one in told)
    by: dict[int, list[bool]] = defaultdict(list)
    for one in told:
        by[one.rater].append(one.fooled)
    if not count:
        return Share(None, 0, 0)
    plain = wilson(hits, count)
    lo, hi = clustered(list(by.values()))
    return Share(hits / count, count, len(by), plain.lo, plain.hi, lo, hi)


def clustered(by_rater: Sequence[Sequence[bool]]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share whose votes come in clusters; none below 8 raters.

    The variance of the ratio is that of sums by rater (Cochran 1977, section 9.5), the number of votes that
    stands for it takes Student's t of raters - 1 (Korn and Graubard 1998); it is never above the true one.
    """
    raters, count = len(by_rater), sum(map(len, by_rater))
    if raters < MIN_N:
        return None, None
    from scipy.stats import t

    share = sum(map(sum, by_rater)) / count
    spread = sum((sum(v) - share * len(v)) ** 2 for v in by_rater) * raters / (raters - 1) / count**2
    alone = share * (1 - share) / count
    as_many = count * min(1.0, alone / spread) if spread > 0 else float(count)
    worth = max(MIN_N, int(as_many * (Z / float(t.ppf(0.975, raters - 1))) ** 2))
    told = wilson(share * worth, worth)
    return told.lo, told.hi
