"""How tinyworlds fills a masked frame: in rounds, the surest places first (MaskGIT, Chang et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wmeval_adapters.tinyworlds.nets import Dynamics, Quantizer

STEEPNESS = 5.0  # of the exponential schedule, as published


def known_after(done: int, steps: int, places: int) -> int:
    """Return how many of the places are to be known after round `done` of `steps`, the first being 0.

    >>> [known_after(i, 10, 256) for i in (0, 5, 8, 9)]
    [0, 20, 94, 256]
    """
    if done == steps - 1:
        return places
    return math.ceil(places * math.expm1(STEEPNESS * done / steps) / math.expm1(STEEPNESS))


def next_tokens(
    model: Dynamics, quantizer: Quantizer, past: Tensor, actions: Tensor, *, steps: int, temperature: float,
    generators: Sequence[torch.Generator],
) -> Tensor:  # fmt: skip
    """Return the codes (B, P) of the frame after codes `past` (B, T, P), under actions (B, T, C).

    Each round fills at least a sixteenth of the places, so that few rounds may be needed. Temperature 0 takes
    the likeliest code; else each is drawn, by the generator of its video.
    """
    count, _, places = past.shape
    values = torch.cat([quantizer.values(past), torch.zeros(count, 1, places, quantizer.size)], 1)
    masked = torch.zeros(values.shape[:3], dtype=torch.bool)
    masked[:, -1] = True
    found = torch.zeros(count, places, dtype=torch.long)
    for done in range(steps):
        logits = model(values, masked, actions)[:, -1]
        chances = torch.softmax(logits / temperature if temperature > 0 else logits, -1)
        sure, codes = chances.max(-1)
        if temperature > 0:
            codes = torch.stack(
                [torch.multinomial(c, 1, generator=g)[:, 0] for c, g in zip(chances, generators, strict=True)]
            )
        hidden = masked[:, -1]
        left = int(hidden[0].sum())
        wanted = known_after(done, steps, places) - (places - left)
        fill = left if done == steps - 1 else min(left, max(wanted, places // 16, 1))
        chosen = sure.masked_fill(~hidden, -1.0).topk(fill, -1).indices
        found.scatter_(1, chosen, codes.gather(1, chosen))
        masked[:, -1].scatter_(1, chosen, False)
        values[:, -1] = quantizer.values(found)
        if fill == left:
            break
    return found
