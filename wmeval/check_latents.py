"""Do latents keep the contract: one shape, encoded or imagined, finite, and causal under actions?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wmeval.model import Clip, Encodes, Imagines, Observation

SEEDS = (11, 2**63 + 5)  # the full 64 bits are used


def encoded(model: Encodes, clips: Sequence[Clip]) -> str:
    """Return what is wrong with the latents of clips, or nothing."""
    return _shapes([p.latents for p in model.encode(list(clips))], len(clips[0].frames))


def imagined(model: Imagines, batch: Sequence[Observation], clips: Sequence[Clip]) -> str:
    """Return what is wrong with imagined latents, beside encoded ones where there are some, or nothing."""
    told = [p.latents for p in model.imagine(list(batch), list(SEEDS[: len(batch)]))]
    wrong = _shapes(told, batch[0].horizon)
    if wrong or not isinstance(model, Encodes):
        return wrong
    seen = model.encode(list(clips[:1]))[0].latents
    if seen is not None and told[0] is not None and seen.shape[1:] != told[0].shape[1:]:
        return (
            f"imagined latents are {told[0].shape[1:]} a frame and encoded ones {seen.shape[1:]}; "
            "one readout must fit both"
        )
    return ""


def causal(model: Imagines, one: Observation) -> str:
    """Return what is wrong where later actions change earlier latents, or a seed is not kept, or nothing."""
    card = model.card
    if not card.deterministic:
        return ""
    first, again = (model.imagine([one], [SEEDS[0]])[0].latents for _ in range(2))
    if first is None or again is None or not np.array_equal(first, again):
        return "the same seed gave other latents; draw from a generator made of the seed and nothing else"
    if card.actions.kind in ("none", "text"):
        return ""
    cut = one.horizon // 2
    actions = one.actions.copy()
    actions[len(one.frames) - 1 + cut :] += 30.0
    after = model.imagine([replace(one, actions=actions)], [SEEDS[0]])[0].latents
    if after is None or not np.array_equal(first[:cut], after[:cut]):
        return f"actions from imagined frame {cut} on changed latents before them; shift actions by one"
    return ""


def _shapes(latents: Sequence[Any], frames: int) -> str:
    for one in latents:
        if one is None or np.ndim(one) != 3 or len(one) != frames or not np.isfinite(one).all():
            shape = None if one is None else np.shape(one)
            return f"latents have shape {shape}; expected finite ({frames}, tokens, D)"
    return ""
