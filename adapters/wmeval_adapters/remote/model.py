"""The model that a server offers, with the capabilities that its card declares and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Card, Clip, Floats, Frames, Observation, Prediction, WorldModel
from wmeval.remote import asked
from wmeval.remote.card import read_card
from wmeval.remote.wire import Malformed, Message, read_json
from wmeval_adapters.remote.reach import Reach, RemoteFault

IDENTITY_DIGITS = 16
NOTE = "asked over HTTP: its answers are what its server sent"


def offered(reach: Reach, within_s: float) -> tuple[Card, str]:
    """Return the card that a server tells within seconds, renamed "remote:NAME", and its identity.

    Raises:
        UsageError: what answers is no server of this protocol. EnvironmentFault: nobody answers.
    """
    try:
        told = read_json(replace(reach, patience_s=min(reach.patience_s, within_s)).card())
        identity = told.get("identity")
        if not isinstance(identity, str) or not 0 < len(identity) <= 256 or not identity.isprintable():
            raise Malformed(
                f"'identity' is {str(identity)[:60]!r}; expected text that changes with the model"
            )
        card = read_card(told.get("card"))
    except (Malformed, RemoteFault) as fault:
        raise UsageError(f"{reach.url} serves no model that can be asked: {fault}") from fault
    version = f"{card.version}+{identity[:IDENTITY_DIGITS]}"
    return replace(card, name=f"remote:{card.name}", version=version, notes=(*card.notes, NOTE)), identity


def opened(reach: Reach, within_s: float) -> WorldModel:
    """Return the model of a server; see `offered`."""
    card, identity = offered(reach, within_s)
    bases = tuple(does for capability, does in DOES.items() if capability in card.capabilities)
    made = type("RemoteModel", bases, {"__doc__": "A model behind HTTP."})
    return cast(WorldModel, made(card, identity, reach))


@dataclass(frozen=True)
class Stepping:
    """A session of the server and how many steps were made in it; only handed back."""

    session: str
    step: int


class Remote:
    """A served model: its card, and one question after another."""

    def __init__(self, card: Card, identity: str, reach: Reach) -> None:
        self.card = card
        self._identity, self._reach = identity, reach

    def _ask(self, path: str, message: Message) -> Message:
        """Return the server's answer.

        Raises:
            EnvironmentFault: it is of another model than the one whose card was read; see `Reach.post`.
        """
        answer = self._reach.post(path, message)
        if answer.header.get("identity") != self._identity:
            raise EnvironmentFault(
                f"{self._reach.url} serves another model than when {self.card.name!r} was opened; start that "
                "one again and issue the same command, or begin another run with --out"
            )
        return answer

    def _continued(self, path: str, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        return asked.told(self._ask(path, asked.ask_to_continue(batch, seeds)), len(batch))

    def _judged(self, path: str, batch: list[Clip]) -> list[Prediction]:
        return asked.told(self._ask(path, asked.ask_of_clips(batch)), len(batch))


class Generates(Remote):
    """Continues in pixels."""

    def generate(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one Prediction with `frames` per observation."""
        return self._continued("/generate", batch, seeds)


class Steps(Remote):
    """Continues frame by frame, in a session of the server."""

    def reset(self, batch: list[Observation], seeds: list[int]) -> Stepping:
        """Return the state after the contexts."""
        session = self._ask("/reset", asked.ask_to_continue(batch, seeds)).header.get("session")
        if not isinstance(session, str):
            raise Malformed(f"the server answered /reset with session {session!r}; expected text")
        return Stepping(session, 0)

    def step(self, state: Stepping, actions: Floats) -> tuple[Stepping, Frames]:
        """Return the next state and frames (B, H, W, 3) under actions (B, 12).

        A session goes forward only: a state can be stepped once.
        """
        given = np.asarray(actions, dtype=np.float64)
        header = {"session": state.session, "step": state.step}
        told = self._ask("/step", Message(header, {"actions": given}))
        frames = told.array("frames", "uint8", (len(given), None, None, 3))
        return replace(state, step=state.step + 1), frames


class Scores(Remote):
    """Says how surprising frames are."""

    def score(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `surprise` (T,) per clip."""
        return self._judged("/score", batch)


class Encodes(Remote):
    """Turns frames into latents."""

    def encode(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `latents` (T, tokens, D) per clip."""
        return self._judged("/encode", batch)


class Imagines(Remote):
    """Continues in latents."""

    def imagine(self, batch: list[Observation], seeds: list[int]) -> list[Prediction]:
        """Return one Prediction with `latents` (horizon, tokens, D) per observation."""
        return self._continued("/imagine", batch, seeds)


class Reconstructs(Remote):
    """Encodes and decodes."""

    def reconstruct(self, batch: list[Clip]) -> list[Prediction]:
        """Return one Prediction with `frames` (T, H, W, 3) per clip."""
        return self._judged("/reconstruct", batch)


class InfersActions(Remote):
    """Says which actions explain a video."""

    def infer_actions(self, batch: list[Clip]) -> list[NDArray[np.float64]]:
        """Return native actions (T - 1, size) per clip."""
        told = self._ask("/infer-actions", asked.ask_of_clips(batch))
        return [one[0].astype(np.float64) for one in asked.rows(told, ["actions"], len(batch))]


class PredictsReward(Remote):
    """Predicts reward and end of episode."""

    def rewards(self, batch: list[Clip]) -> list[tuple[Floats, Floats]]:
        """Return reward (T - 1,) and probability of the end (T - 1,) per clip."""
        told = self._ask("/rewards", asked.ask_of_clips(batch))
        return [
            (reward.astype(np.float64), end.astype(np.float64))
            for reward, end in asked.rows(told, ["reward", "end"], len(batch))
        ]


DOES: Mapping[str, Any] = {
    "generates": Generates, "steps": Steps, "scores": Scores, "encodes": Encodes, "imagines": Imagines,
    "reconstructs": Reconstructs, "infers-actions": InfersActions, "predicts-reward": PredictsReward,
}  # fmt: skip
