"""An Entry is a submission as it is shown; a Cell is one number of it and who measured that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wmeval_leaderboard.tables import TIERS, Source, Tier

SOURCES: tuple[Source, ...] = (
    "reported",
    "rescored",
    "challenged",
    "verified",
)  # as TIERS, least trusted first
TIER_OF: Mapping[str, Tier] = dict(zip(SOURCES, TIERS, strict=True))
Key = tuple[str, str, str, str]  # section, name@version, instrument and how clips were matched, tag


@dataclass(frozen=True)
class Cell:
    """A number with its 95 % interval (None below n = 8), over n cases of which `failed` had no answer."""

    value: float | None
    lo: float | None = None
    hi: float | None = None
    n: int = 0
    failed: int = 0
    tier: Tier = "self-reported"
    of: int = 1  # how many numbers this is the mean of
    out_of: int = 1  # how many it ought to be
    lowest: float | None = None  # what one case can have at least, where that is known
    reason: str = ""
    submission: int = 0  # id of the entry that it is from

    @property
    def whole(self) -> bool:
        """Whether nothing is missing that others have."""
        return self.value is not None and self.of == self.out_of


@dataclass(frozen=True)
class Season:
    """A season as everyone may see it: the secret is there only when it was told."""

    name: str
    suite: str
    versions: Mapping[str, Any]
    commitment: str
    secret: str | None
    opens: float  # s since 1970
    closes: float | None

    def asks(self, section: str, name: str) -> bool:
        """Return whether a row of results is of what this season fixed; yes where it fixed no list."""
        lists = {"scores": "probes", "fidelity": "metrics", "planning": "tasks"}
        fixed = self.versions.get(lists[section])
        return fixed is None or (name.partition("@")[0] if section == "fidelity" else name) in fixed

    @property
    def over(self) -> bool:
        """Whether its hidden seeds are public."""
        return self.secret is not None


@dataclass(frozen=True)
class Entry:
    """A submission that was published, with its numbers by what they are of; also when withdrawn."""

    id: int
    slug: str
    model: str  # slug of the model
    name: str
    family: str
    team: str
    season: str
    kind: str
    suite: str
    tier: Tier
    state: str
    reason: str
    classes: tuple[str, ...]
    reference: bool
    card: Mapping[str, Any]
    about: Mapping[str, Any]
    gap: float | None  # mean skill on public cases minus on hidden ones
    created: float
    published: float
    cells: Mapping[Key, Cell] = field(default_factory=dict)
    plans: tuple[Mapping[str, Any], ...] = ()  # rows of planning, each with the tier of its source
    metrics: tuple[Mapping[str, Any], ...] = ()  # rows of fidelity, without their curves
    gap_over: int = 0  # numbers that the gap is the mean over
    gap_half: float | None = None  # of its 95 % interval

    @property
    def standing(self) -> bool:
        """Whether it takes part in rankings."""
        return self.state == "published"

    def planned(self, tag: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Return the row that stands for each task and protocol: of its own prediction on the true cost.

        It is the most trusted one, of these the one at the largest budget; see `best_first`.
        """
        rows = [r for r in self.plans if (r["tag"], r["dynamics"], r["cost"]) == (tag, "model", "state")]
        return {(r["task"], r["protocol"]): r for r in reversed(best_first(rows))}

    @property
    def speed(self) -> float | None:
        """Predicted frames a second, on the machine of who ran it."""
        told = figures(self.about.get("speed")).get("frames_per_s")
        return float(told) if isinstance(told, int | float) else None

    @property
    def fps(self) -> float:
        """Frames a second of what it predicts."""
        return float(self.card["view"]["fps"])


def best_first(plans: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows of planning in the order in which they stand: the first one of a kind is what is shown.

    The most trusted ones come first, of these the ones at the largest budget; no sender's order counts.

    >>> one, two = {"tier": "self-reported", "budget": 9}, {"tier": "re-scored", "budget": None}
    >>> best_first([one, two]) == [two, one]
    True
    """
    return sorted(
        plans, key=lambda r: (-TIERS.index(r["tier"]), -(r["budget"] or 0), str(r.get("read") or ""))
    )


def figures(told: Any) -> dict[str, Any]:
    """Return the finite numbers of what a sender says of speed, also inside of it; all else is dropped.

    >>> figures({"wall_s": 1.5, "load_s": "soon", "stages": {"model": 2, "render": None}})
    {'wall_s': 1.5, 'stages': {'model': 2}}
    """
    if not isinstance(told, Mapping):
        return {}
    deep = {k: figures(v) if isinstance(v, Mapping) else v for k, v in told.items()}
    return {k: v for k, v in deep.items() if isinstance(v, dict) or _finite(v)}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def most_trusted(*sources: str) -> str:
    """Return the source whose numbers are shown.

    >>> most_trusted("reported", "challenged", "rescored")
    'challenged'
    """
    return max(sources, key=SOURCES.index)
