"""Challenges: hidden questions that a team answers once, before a deadline; only the server measures them.

What a model is, is told before its questions are seen. The questions are the season's hidden scenes, the
same for all models that are shown the same, under names that each challenge draws anew. Answers are promised
by the root of their list, signed in time; the files may follow within the hour.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from wmeval.errors import UsageError, WmevalError
from wmeval.pack import layout
from wmeval.pack.settings import OPTIONS
from wmeval.pack.settings import Settings as Stated
from wmeval.remote.card import read_card
from wmeval.remote.wire import Malformed
from wmeval.seeds import canonical_json, digest
from wmeval.submission.limits import Limits
from wmeval.submission.parts import Part as Listed
from wmeval.submission.parts import root_of
from wmeval.submission.shapes import DIGEST, WORD, fields, named, optional, read, text
from wmeval.submission.signing import signed
from wmeval_leaderboard import accounts, jobs, ledger, receiving
from wmeval_leaderboard.receiving import Missing, NotAllowed, TooMany
from wmeval_leaderboard.settings import Settings
from wmeval_leaderboard.tables import Challenge, Part, Season, Submission, Team

FORMS = ("arrays", "pictures")  # for programs and for people
TRIES = 5  # for each challenge that a team may have, so many may turn out to be impossible
GRACE_S = 3600.0  # between a promise in time and the last of its files
_MODEL = fields(
    name=text(WORD, 100),
    version=text(most=400),
    weights=optional(text(DIGEST, 64)),
    options=named(text(), 50),
)
_ANSWER = re.compile(
    rf"surprise\.csv|{layout.ANSWERS}/[0-9a-f]{{{layout.ID_HEX}}}(-[1-9][0-9]{{0,3}})?"
    r"(\.npz|\.mp4|\.mov|\.webm|\.refused\.txt|/[A-Za-z0-9_.-]{1,60}\.png)"
)


class Late(WmevalError):
    """The deadline is over."""


class Answered(WmevalError):
    """Something else was answered before, and the first answer counts."""


@dataclass(frozen=True)
class Declared:
    """What a team says of its model before it sees a question."""

    model: Mapping[str, Any]  # name, version, weights, options: as results.json has it
    card: Mapping[str, Any]
    form: str
    nonce: str  # drawn by whoever asks: who asks again by it gets the same challenge

    def __post_init__(self) -> None:
        read(canonical_json([self.model, self.card]).encode(), "the request", Limits())
        _MODEL(self.model, "model")
        if self.form not in FORMS:
            raise UsageError(f"form was given as {self.form[:40]!r}; expected {' or '.join(FORMS)}")
        try:
            card = read_card(dict(self.card))
        except Malformed as fault:
            raise UsageError(f"{fault}") from fault
        if not card.capabilities & {"generates", "scores"}:
            raise UsageError(
                f"the model {card.name!r} neither generates frames nor scores clips, so no pack can ask it; "
                "the operator may verify it"
            )


@dataclass(frozen=True)
class Answers:
    """The list of files that answer a challenge, and who says so."""

    parts: Sequence[Listed]
    root: str
    key: str
    signature: str
    stated: Mapping[str, str]  # of `wmeval.pack.settings`, where the files do not tell

    def check(self, settings: Settings) -> None:
        """Check names, sizes, number, root and signature.

        Raises:
            UsageError: something is wrong; the sentence names the first file of which it is.
        """
        if not 0 < len(self.parts) <= settings.most_parts:
            raise UsageError(f"{len(self.parts)} files answer; from 1 to {settings.most_parts} are taken")
        for part in self.parts:
            if not _ANSWER.fullmatch(part.path):
                raise UsageError(
                    f"an answer is named {part.path[:80]!r}; expected answers/ID.npz, ID.mp4, ID.mov, "
                    "ID.webm, ID/0000.png, ID.refused.txt, or surprise.csv"
                )
            if not re.fullmatch(DIGEST, part.digest) or not 0 < part.size <= settings.largest_part:
                raise UsageError(
                    f"{part.path} has digest {part.digest[:80]!r} and {part.size} bytes; expected 64 hex "
                    f"digits and 1 to {settings.largest_part} bytes"
                )
        names = [part.path for part in self.parts]
        if names != sorted(set(names)):
            raise UsageError("the answers are not in the order of their names, or one is there twice")
        if (size := sum(part.size for part in self.parts)) > settings.largest_submission:
            raise UsageError(
                f"the answers have {size} bytes; at most {settings.largest_submission} are taken"
            )
        if root_of(self.parts) != self.root or not signed(self.key, self.signature, self.root):
            raise UsageError(
                f"the root {self.root[:12]!r} or its signature is not that of these {len(self.parts)} files; "
                "`wmeval submit --challenge` makes both"
            )
        if unknown := sorted(set(self.stated) - set(OPTIONS)):
            raise UsageError(f"{unknown[0][:40]!r} was stated of the answers; known are {', '.join(OPTIONS)}")
        Stated.of(self.stated)


def issue(session: Session, team: Team, season: Season, told: Declared, settings: Settings) -> Challenge:
    """Return a new challenge of a team, whose pack is still to be made.

    Raises:
        TooMany: the team has had as many as it may in this season.
    """
    slug = digest([team.name, season.name, told.nonce])[:16]
    if there := session.scalars(select(Challenge).where(Challenge.slug == slug)).first():
        return there
    of = select(Challenge.model).where(Challenge.team_id == team.id, Challenge.season_id == season.id)
    before = list(session.scalars(of))
    # what could not be made costs the team nothing, and the server not for ever
    had = max(sum("problem" not in asked for asked in before), len(before) // TRIES)
    if not team.admin and had >= settings.challenges_a_season:
        raise TooMany(
            f"{team.name!r} has had {had} challenges in the season {season.name!r}, and "
            f"{settings.challenges_a_season} is the most"
        )
    now = time.time()
    made = Challenge(
        slug=slug, team_id=team.id, season_id=season.id,
        model={
            "model": {k: told.model[k] for k in ("name", "version", "weights", "options")},
            "card": read_card(dict(told.card)).to_json(), "form": told.form,
            "cases": settings.challenge_cases,
        },
        view=dict(told.card["view"]), salt=b"", pack=None, issued=now,
        deadline=now + settings.answer_within_s, answered=None, submission_id=None,
    )  # fmt: skip
    session.add(made)
    session.flush()
    body = {"team": team.name, "season": season.name, "model": told.model["name"]}
    ledger.record(session, "challenge issued", made.slug, body)
    return made


def owned(session: Session, team: Team, slug: str) -> Challenge:
    """Return a team's challenge by its name.

    Raises:
        NotAllowed: it is another team's, or there is none.
    """
    made = session.scalars(select(Challenge).where(Challenge.slug == slug)).first()
    if made is None or made.team_id != team.id:
        raise NotAllowed(f"{team.name!r} has no challenge {slug[:40]!r}")
    return made


def promise(session: Session, team: Team, slug: str, told: Answers, settings: Settings) -> Submission:
    """Return the submission that a team's answers are, put up now unless it is there already.

    Raises:
        Late: the deadline is over. Answered: other answers came first. Missing: its pack is not made yet.
    """
    made = owned(session, team, slug)
    if made.submission_id is not None:
        there = session.get_one(Submission, made.submission_id)
        if there.root != told.root:
            raise Answered(
                f"the challenge {slug} was answered before with other files; the first answer counts"
            )
        return there
    if problem := made.model.get("problem"):
        raise UsageError(f"the challenge {slug} could not be made: {problem}")
    if made.pack is None:
        raise Missing(f"the questions of {slug} are still being made; ask for them again")
    if time.time() > made.deadline:
        raise Late(f"the deadline of {slug} is over; take another challenge")
    season = session.get_one(Season, made.season_id)
    if season.closes is not None:
        raise Late(f"the season {season.name!r} is over, and its hidden scenes are told; nothing counts now")
    if receiving.find(session, team, told.root) is not None:
        raise Answered("these answers were given to another challenge, whose questions had other names")
    told.check(settings)
    key = accounts.add_key(session, team, told.key)
    model = receiving.model_of(session, team, {**made.model["model"], "reference": False}, made.model["card"])
    submission = Submission(
        slug=digest([team.name, told.root])[:12], team_id=team.id, model_id=model.id, season_id=season.id,
        kind="challenge", suite=season.suite, tier="self-reported", state="uploading", reason="",
        root=told.root, signature=told.signature, key_id=key.id, gap=None, created=time.time(),
        about={**made.model, "challenge": slug, "stated": dict(told.stated)},
        classes=list(made.model["card"]["classes"]), published=None, withdrawn=None,
    )  # fmt: skip
    session.add(submission)
    session.flush()
    rows = [{"submission_id": submission.id, "path": p.path, "digest": p.digest, "size": p.size}
            for p in told.parts]  # fmt: skip
    session.execute(insert(Part), rows)
    made.answered, made.submission_id = time.time(), submission.id
    ledger.record(session, "challenge answered", slug, {"submission": submission.slug, "root": told.root})
    return submission


def complete(session: Session, team: Team, slug: str) -> Submission:
    """Put the answers to a challenge up for measuring, once all of their files are here.

    Raises:
        Missing: files are lacking, or nothing was promised. Late: they come more than an hour late.
    """
    made = owned(session, team, slug)
    if made.submission_id is None:
        raise Missing(f"the challenge {slug} has no answers yet; send the list of them first")
    submission = session.get_one(Submission, made.submission_id)
    if submission.state != "uploading":
        return submission
    if left := receiving.lacking(session, submission):
        raise Missing(f"{len(left)} files of {slug} are not here yet, the first is {left[0].path}")
    if time.time() > made.deadline + GRACE_S:
        raise Late(f"the files of {slug} came more than {GRACE_S / 3600:g} h after its deadline")
    submission.state = "queued"
    jobs.add(session, "challenge", submission.id)
    return submission


def told_of(made: Challenge, size: int | None, submission: Submission | None) -> dict[str, Any]:
    """Return what a team may know of its challenge: nothing of salt, seeds or questions."""
    problem = made.model.get("problem", "")
    state = "answered" if made.submission_id else "ready" if made.pack else "preparing"
    if problem:
        state = "refused"
    elif state == "ready" and time.time() > made.deadline:
        state = "over"
    return {
        "challenge": made.slug, "state": state, "issued": made.issued, "deadline": made.deadline,
        "form": made.model["form"], "model": made.model["model"],
        "pack": {"digest": made.pack, "size": size} if made.pack else None,
        "submission": submission.slug if submission else None,
        "submission_state": submission.state if submission else None,
        "reason": submission.reason if submission else problem,
    }  # fmt: skip
