"""EDM: what a denoiser is given and gives back at a noise level, and the walk from noise to a picture.

Karras et al. 2022 (arXiv 2206.00364): preconditioning of table 1, the schedule of equation 5, algorithm 1
(Heun) and its first order (Euler). Pure functions of tensors; a denoiser is an argument.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]  # (x, sigma) -> expected clean picture


@dataclass(frozen=True)
class Precondition:
    """D(x) = c_skip x + c_out F(c_in x, c_noise), each (B, 1, 1, 1) or shaped like sigma and sigma_data."""

    c_in: Tensor
    c_out: Tensor
    c_skip: Tensor
    c_noise: Tensor


def precondition(sigma: Tensor, sigma_data: Tensor | float, offset: float = 0.0) -> Precondition:
    """Return the coefficients at noise level `sigma` for data of standard deviation `sigma_data`.

    `offset` is the standard deviation of a shift that all pixels of a channel share (offset noise); it adds
    to sigma in quadrature.
    """
    level = (sigma**2 + offset**2).sqrt()
    data = torch.as_tensor(sigma_data, dtype=sigma.dtype, device=sigma.device)
    total = level**2 + data**2
    c_skip = data**2 / total
    return Precondition(1 / total.sqrt(), level * c_skip.sqrt(), c_skip, level.log() / 4)


def schedule(steps: int, low: float, high: float, rho: float = 7.0) -> tuple[float, ...]:
    """Return the noise levels of `steps` steps, from `high` down to `low`, then 0.

    >>> [round(s, 4) for s in schedule(3, 2e-3, 5.0)]
    [5.0, 0.2831, 0.002, 0.0]
    """
    if steps == 1:
        return (high, 0.0)
    a, b = high ** (1 / rho), low ** (1 / rho)
    return (*((a + i / (steps - 1) * (b - a)) ** rho for i in range(steps)), 0.0)


@dataclass(frozen=True)
class Churn:
    """Noise that is added again on the way, in levels [low, high] (algorithm 2)."""

    amount: float = 0.0
    low: float = 0.0
    high: float = math.inf
    scale: float = 1.0


def sample(
    denoise: Denoise, x: Tensor, sigmas: tuple[float, ...], *, order: int = 1,
    churn: Churn | None = None, noise: Callable[[], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """Return the picture that a walk down the noise levels ends at.

    `x` is what it starts from, as it is: DIAMOND starts from unit noise whatever the first level. Order 1 is
    Euler's rule, order 2 Heun's. `noise` draws what churn adds, shaped like x.
    """
    strength = churn or Churn()
    gamma = min(strength.amount / (len(sigmas) - 1), math.sqrt(2) - 1)
    for sigma, after in itertools.pairwise(sigmas):
        hat = sigma
        if gamma > 0 and strength.low <= sigma <= strength.high:
            assert noise is not None
            hat = sigma * (1 + gamma)
            x = x + noise() * strength.scale * math.sqrt(hat**2 - sigma**2)
        slope = (x - denoise(x, hat)) / hat
        ahead = x + (after - hat) * slope
        if order == 2 and after > 0:
            ahead = x + (after - hat) * (slope + (ahead - denoise(ahead, after)) / after) / 2
        x = ahead
    return x
