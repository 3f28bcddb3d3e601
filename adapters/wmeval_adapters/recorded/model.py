"""Recorded answers as a model: a question is looked up by what it shows, and its answer read from a file."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from wmeval.errors import EnvironmentFault
from wmeval.model import Card, Clip, Observation, Prediction, Status
from wmeval.pack import surprise
from wmeval.pack.answers import Reading, look, read
from wmeval.pack.checked import SAID
from wmeval.pack.footage import Unreadable
from wmeval.pack.layout import SURPRISE, Pack, clip_id, question_id
from wmeval.pack.overlap import frames_of
from wmeval.pack.settings import Settings
from wmeval.pack.settle import settle
from wmeval.pack.surprise import Judgements


class Recorded:
    """Generates what was answered, and scores clips as they were judged; see wmeval.model."""

    def __init__(self, card: Card, pack: Pack, settings: Settings) -> None:
        self.pack, self.settings = pack, settings
        self.found = {(f.question.id, f.seed): f for f in look(pack, settings)}
        self.settled = settle(pack, list(self.found.values()), settings)
        self.judged, self.unjudged = Judgements(), ""
        if "scores" in card.capabilities:
            try:
                self.judged = surprise.read(pack)
            except Unreadable as why:
                self.unjudged = str(why)
        states = Counter(f.state for f in self.found.values())
        told = ", ".join(f"{n} {'there' if s == 'ok' else SAID[s]}" for s, n in states.most_common())
        notes = [f"answers: {told}"] if "generates" in card.capabilities else []
        self._card = replace(card, notes=(*card.notes, *notes, *self.settled.notes))

    @property
    def card(self) -> Card:
        """What is known of the answers, and what is done with them."""
        return self._card

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return what was answered to each question; what is not there has failed, with the reason.

        Raises:
            EnvironmentFault: the pack does not hold a question at all.
        """
        return [self._answer(one, seed) for one, seed in zip(batch, seeds, strict=True)]

    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return how surprising each clip was said to be; what is not there has failed, with the reason.

        Raises:
            EnvironmentFault: the pack does not hold a clip at all.
        """
        return [self._judgement(one) for one in batch]

    def _answer(self, observation: Observation, seed: int) -> Prediction:
        begun = time.perf_counter()
        name = question_id(self.pack.salt, observation)
        question = self.pack.questions.get(name)
        if question is None:
            raise self._unknown("a question", "")
        if (name, seed) not in self.found:
            raise self._unknown(f"question {name}", f" for the seed {seed}")
        told = read(self.pack, self.found[name, seed], self.settled, self.settings)
        status, spent = _status(told, question.shown), time.perf_counter() - begun
        return Prediction(frames=told.frames, status=status, seconds=spent)

    def _judgement(self, clip: Clip) -> Prediction:
        name = clip_id(self.pack.salt, clip)
        if name not in self.pack.clips:
            raise self._unknown("a clip", "")
        if name in self.judged.told:
            return Prediction(surprise=self.judged.told[name])
        why = self.unjudged or f"{SURPRISE}, clip {name}: {self.judged.bad.get(name, 'is not there')}"
        return Prediction(status=Status("failed", why))

    def _unknown(self, what: str, more: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"the pack {self.pack.folder} does not hold {what} that was asked{more}; it answers "
            f"`{self.pack.command()}` of the release that wrote it, and nothing else"
        )


def _status(told: Reading, shown: int) -> Status:
    if told.state == "short":
        return (
            Status("partial", told.sentence) if told.frames is not None else Status("failed", told.sentence)
        )
    if told.state != "ok":
        return Status("refused" if told.state == "refused" else "failed", told.sentence)
    if told.mode is None or told.begins is None or not (drop := frames_of(told.mode, shown)):
        return Status()
    near = told.begins.psnr_all if drop == shown else told.begins.psnr_last if drop == 1 else None
    beside = f" ({near:.1f} dB)" if near is not None else ""
    return Status("ok", f"began with {drop} context frame{'s' * (drop > 1)}{beside}, dropped")
