"""Categorical latents: unimix, divergence with free bits, and two-hot codes of real numbers.

DreamerV3 (Hafner et al. 2023): one per cent of every categorical is uniform, so that no divergence is
infinite; the divergence trains the prior more than the posterior and not at all below the free nats; a real
number is spread over the two bins around it.
"""

from __future__ import annotations

import torch
from torch import Tensor

UNIMIX = 0.01


def mixed(logits: Tensor, unimix: float = UNIMIX) -> Tensor:
    """Return log probabilities (..., C) of logits with a share `unimix` of the uniform distribution.

    >>> import torch
    >>> [round(p, 3) for p in mixed(torch.tensor([1000.0, 0.0]), 0.1).exp().tolist()]
    [0.95, 0.05]
    """
    if unimix == 0:
        return torch.log_softmax(logits, -1)
    probs = torch.softmax(logits, -1) * (1 - unimix) + unimix / logits.shape[-1]
    return probs.log()


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """Return KL(one || other) [nats] (...,) of log probabilities (..., C).

    >>> import math, torch
    >>> half, skew = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
    >>> abs(float(divergence(half, skew)) - 0.5 * math.log(4 / 3)) < 1e-6
    True
    """
    return (one.exp() * (one - other)).sum(-1)


def balanced(
    post: Tensor, prior: Tensor, *, free: float, dynamics: float = 0.5, representation: float = 0.1
) -> Tensor:
    """Return the two-sided loss (...,) of log probabilities (..., K, C), summed over K before the free nats.

    The prior learns from a fixed posterior with weight `dynamics`, the posterior from a fixed prior with
    weight `representation`.
    """
    told = divergence(post.detach(), prior).sum(-1).clamp(min=free)
    kept = divergence(post, prior.detach()).sum(-1).clamp(min=free)
    return dynamics * told + representation * kept


def symlog(x: Tensor) -> Tensor:
    """Return sign(x) ln(1 + |x|)."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: Tensor) -> Tensor:
    """Return sign(x) (e^|x| - 1), the inverse of symlog.

    >>> import torch
    >>> x = torch.tensor([-3.0, 0.0, 120.0])
    >>> torch.allclose(symexp(symlog(x)), x)
    True
    """
    return torch.sign(x) * torch.expm1(x.abs())


def two_hot(x: Tensor, bins: Tensor) -> Tensor:
    """Return weights (..., C) on the two bins around x (...,), whose mean is x within the bins' range.

    >>> import torch
    >>> two_hot(torch.tensor(0.25), torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [0.0, 0.75, 0.25]
    """
    held = x.clamp(bins[0], bins[-1])
    above = torch.searchsorted(bins, held.detach().contiguous()).clamp(1, len(bins) - 1)
    below = above - 1
    share = (held - bins[below]) / (bins[above] - bins[below])
    out = torch.zeros(*x.shape, len(bins), dtype=x.dtype)
    out.scatter_(-1, below[..., None], (1 - share)[..., None])
    return out.scatter_(-1, above[..., None], share[..., None])


def mean_of(logits: Tensor, bins: Tensor) -> Tensor:
    """Return the real number (...,) that symlog two-hot logits (..., C) over bins of symlog values mean."""
    return symexp((torch.softmax(logits, -1) * bins).sum(-1))
