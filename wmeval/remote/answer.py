"""What a served model answers: one function a capability, from a message to a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wmeval.model import Capability
from wmeval.remote import asked
from wmeval.remote.sessions import Sessions
from wmeval.remote.wire import PROTOCOL, Malformed, Message


class Unable(LookupError):
    """A path that nothing answers, or one for what the model cannot do."""


@dataclass
class Served:
    """A model with the sessions that step it; `identity` changes with whatever changes its answers."""

    model: Any
    identity: str
    sessions: Sessions = field(default_factory=Sessions)

    def card(self) -> dict[str, Any]:
        """Return what GET /card answers, as JSON values."""
        return {"protocol": PROTOCOL, "identity": self.identity, "card": self.model.card.to_json()}

    def answer(self, path: str, message: Message) -> Message:
        """Return the answer to what was posted to a path; its header names who answered.

        Raises:
            Unable: the model cannot. Malformed: the message, or the answer of the model, breaks the contract.
            Gone, OutOfStep: of sessions. Whatever the model raises.
        """
        needed, does = PATHS.get(path, ("", None))
        if does is None or needed not in self.model.card.capabilities:
            can = sorted(p for p, (c, _) in PATHS.items() if c in self.model.card.capabilities)
            raise Unable(f"{path} is not answered here; this model answers /card, {', '.join(can)}")
        told = does(self, message)
        return Message({"identity": self.identity, **told.header}, told.arrays)


def _generate(served: Served, message: Message) -> Message:
    batch, seeds = asked.asked_to_continue(message)
    return asked.tell(served.model.generate(batch, seeds), len(batch))


def _imagine(served: Served, message: Message) -> Message:
    batch, seeds = asked.asked_to_continue(message)
    return asked.tell(served.model.imagine(batch, seeds), len(batch))


def _score(served: Served, message: Message) -> Message:
    clips = asked.asked_of_clips(message)
    return asked.tell(served.model.score(clips), len(clips))


def _encode(served: Served, message: Message) -> Message:
    clips = asked.asked_of_clips(message)
    return asked.tell(served.model.encode(clips), len(clips))


def _reconstruct(served: Served, message: Message) -> Message:
    clips = asked.asked_of_clips(message)
    return asked.tell(served.model.reconstruct(clips), len(clips))


def _infer_actions(served: Served, message: Message) -> Message:
    told = served.model.infer_actions(asked.asked_of_clips(message))
    return Message({}, {f"actions.{i}": np.asarray(a, np.float64) for i, a in enumerate(told)})


def _rewards(served: Served, message: Message) -> Message:
    arrays = {}
    for i, (reward, end) in enumerate(served.model.rewards(asked.asked_of_clips(message))):
        arrays[f"reward.{i}"], arrays[f"end.{i}"] = np.asarray(reward, float), np.asarray(end, float)
    return Message({}, arrays)


def _reset(served: Served, message: Message) -> Message:
    batch, seeds = asked.asked_to_continue(message)
    return Message({"session": served.sessions.open(served.model.reset(batch, seeds), len(batch))})


def _step(served: Served, message: Message) -> Message:
    name, step = message.header.get("session"), asked.whole(message.header, "step", 0, 1 << 40)
    if not isinstance(name, str):
        raise Malformed(f"'session' is {name!r}; expected what /reset answered")
    actions = message.array("actions", "float64", (None, None))
    session = served.sessions.at(name, step, actions)
    if step < session.made and session.answer is not None:
        return session.answer  # asked for again since the answer was lost: a step is never made twice
    if len(actions) != session.batch:
        raise Malformed(f"{len(actions)} actions came for {session.batch} videos")
    session.state, frames = served.model.step(session.state, actions.copy())
    session.made, session.actions = step + 1, actions
    session.answer = Message({}, {"frames": np.array(frames)})
    return session.answer


Answering = Callable[[Served, Message], Message]
PATHS: Mapping[str, tuple[Capability | str, Answering]] = {
    "/generate": ("generates", _generate),
    "/reset": ("steps", _reset),
    "/step": ("steps", _step),
    "/score": ("scores", _score),
    "/encode": ("encodes", _encode),
    "/imagine": ("imagines", _imagine),
    "/reconstruct": ("reconstructs", _reconstruct),
    "/infer-actions": ("infers-actions", _infer_actions),
    "/rewards": ("predicts-reward", _rewards),
}
