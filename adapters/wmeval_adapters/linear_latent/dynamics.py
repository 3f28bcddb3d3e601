"""One linear map moves every token, from its last three states and the action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wmeval.model import ACTION_DIM
from wmeval_adapters.linear_latent.eye import THERE, WIDTH

Floats = NDArray[np.float64]
PAST = 3  # states: two give a velocity, the third an acceleration
INPUTS = PAST * WIDTH + ACTION_DIM
FARTHEST = 8.0  # in units of a token: a latent that runs away stops there


@dataclass(frozen=True)
class Dynamics:
    """The change of a token is `inputs @ step`; `noise` is its standard deviation on clips left out."""

    step: Floats  # (51, 13)
    noise: Floats  # (13,)

    def next(self, past: Floats, action: Floats) -> Floats:
        """Return the tokens (..., 6, 13) after `past` (..., 3, 6, 13), newest last, under actions (..., 12).

        A hue that is not in view stays out of view: nothing in it says where it would be.
        """
        now = past[..., -1, :, :]
        after = now + inputs(past, action) @ self.step
        after = np.clip(after, -FARTHEST, FARTHEST) * there(now)[..., None]
        after[..., THERE] = there(now)
        return after


def there(tokens: Floats) -> NDArray[np.bool_]:
    """Return which hues are in view."""
    return np.asarray(tokens[..., THERE] > 0.5)


def inputs(past: Floats, action: Floats) -> Floats:
    """Return what the map is given (..., 6, 51).

    Which body an action pushes is not told, so it is shared evenly among those in view. Where a hue was not
    in view before, it is taken to have stood still.
    """
    states = [past[..., -1, :, :]]
    for k in range(2, PAST + 1):
        earlier = past[..., -k, :, :]
        states.append(np.where(there(earlier)[..., None], earlier, states[-1]))
    seen = there(states[0])
    share = seen / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    return np.concatenate([*states, action[..., None, :] * share[..., None]], axis=-1)


def history(tokens: Floats) -> Floats:
    """Return the last three states (3, 6, 13) of tokens (T, 6, 13); before the first comes the first."""
    first = np.repeat(tokens[:1], max(0, PAST - len(tokens)), axis=0)
    return np.concatenate([first, tokens[-PAST:]])


def imagined(dynamics: Dynamics, tokens: Floats, actions: Floats) -> Floats:
    """Return the tokens (n, 6, 13) that follow context tokens (T, 6, 13) under actions (n, 12)."""
    past, out = history(tokens), []
    for action in actions:
        after = dynamics.next(past, action)
        out.append(after)
        past = np.concatenate([past[1:], after[None]])
    return np.stack(out) if out else np.zeros((0, *tokens.shape[1:]))


def surprise(dynamics: Dynamics, tokens: Floats, actions: Floats) -> Floats:
    """Return how far each frame (T,) is from what the map says, in standard deviations; NaN for the first.

    It is the root mean square over hues that were in view or are: one that comes or goes was not foreseen.
    """
    out = np.full(len(tokens), np.nan)
    for t in range(1, len(tokens)):
        told = dynamics.next(history(tokens[:t]), actions[t - 1])
        counts = there(told) | there(tokens[t])
        off = ((tokens[t] - told) / dynamics.noise)[counts]
        out[t] = float(np.sqrt(np.mean(off**2))) if counts.any() else 0.0
    return out
