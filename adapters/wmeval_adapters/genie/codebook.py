"""The tokens that are in use, and the hue each one shows.

Digits are predicted independently, and six likely digits need not be a likely token: left alone, bodies
change colour. A predicted token is the likeliest of those that training clips hold, of a hue that the
memory has near its patch; where the memory has no body near, the patch is empty.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wmeval_adapters.genie.memory import cells
from wmeval_adapters.learn.clips import HUES

REACH_PX = 7.0  # from a body's point to a patch that may show it: the largest radius, and some
STILL_PX = 0.25  # motion in a frame beyond which a body does not count as resting
STAYS = 20.0  # nats by which the token before is preferred where bodies rest
DOUBT = 0.01  # share of a strange hue that every token may show


class Codebook(nn.Module):
    """K tokens, the empty one first, and the hues they show."""

    def __init__(self, size: int, digits: int, levels: int, patch: int) -> None:
        super().__init__()
        self.levels, self.patch = levels, patch
        self.register_buffer("codes", torch.full((size, digits), levels // 2, dtype=torch.uint8))
        self.register_buffer("hues", torch.zeros(size, HUES))
        self.codes: Tensor
        self.hues: Tensor

    def fit(self, tokens: NDArray[np.uint8], bodies: NDArray[np.uint8]) -> float:
        """Take the commonest tokens (n, T, h, w, digits) of clips with masks (n, T, H, W) of hue slots + 1.

        Returns: the share of all tokens with a body that are in the book.
        """
        place = self.levels ** np.arange(tokens.shape[-1])
        empty = int((self.levels // 2 * place).sum())
        total = np.zeros(self.levels ** tokens.shape[-1], np.int64)
        shown = np.zeros((len(total), HUES), np.float32)
        for clip, mask in zip(tokens, bodies, strict=True):
            name = (clip.astype(np.int64) * place).sum(-1)
            there = name != empty
            np.add.at(total, name[there], 1)
            patches = mask.reshape(*name.shape[:2], self.patch, name.shape[2], self.patch).swapaxes(2, 3)
            patches = patches.reshape(*name.shape, -1)[there]
            for h in range(HUES):
                np.add.at(shown[:, h], name[there], (patches == h + 1).sum(1))
        common = np.argsort(-total, kind="stable")[: len(self.codes) - 1]
        common = common[total[common] > 0]
        codes = common[:, None] // place % self.levels
        share = shown[common] / np.maximum(shown[common].sum(1, keepdims=True), 1)
        self.codes[1 : 1 + len(codes)] = torch.from_numpy(codes.astype(np.uint8))
        self.hues[1 : 1 + len(codes)] = torch.from_numpy(share)
        return float(total[common].sum() / max(1, total.sum()))

    def near(self, points: Tensor, present: Tensor, grid: int) -> Tensor:
        """Return which hues may show in each patch, (B, h, w, 6), given points (B, 6, 2) and present."""
        centre = cells(grid * self.patch)
        over = ((points[..., None] - centre).abs() - self.patch / 2).clamp(min=0)  # (B, 6, 2, cells)
        away = torch.hypot(over[..., 1, :, None], over[..., 0, None, :])
        return ((away < REACH_PX) & present[..., None, None]).permute(0, 2, 3, 1)

    def choose(
        self, logits: Tensor, points: Tensor, present: Tensor, before: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return tokens (B, h, w, digits) and their log probability (B, h, w) of logits over digits.

        `logits` are (B, h, w, digits, levels); points (B, 6, 2) and present (B, 6) are the memory. `before`
        are the tokens and points of the frame before, which patches keep whose bodies rest.
        """
        near = self.near(points, present, logits.shape[1])
        possible = near.any(-1)
        chance = logits.log_softmax(-1)
        one_hot = F.one_hot(self.codes.long(), self.levels).flatten(1).float()
        score = chance[possible].flatten(1) @ one_hot.T
        fits = near[possible].float() @ self.hues.T
        fits[:, 0] = 1.0
        best = (score + (fits + DOUBT).log()).argmax(1)
        tokens = torch.full(logits.shape[:-1], self.levels // 2, dtype=torch.uint8)
        tokens[possible] = self.codes[best]
        if before is not None:
            moved = torch.hypot(*(points - before[1]).unbind(-1))[:, None, None]
            most = (moved * near).amax(-1)
            held = STAYS * torch.exp(-((most / STILL_PX) ** 2))
            old = chance.gather(-1, before[0][..., None].long())[..., 0].sum(-1)
            new = chance.gather(-1, tokens[..., None].long())[..., 0].sum(-1)
            tokens = torch.where((possible & (old + held > new))[..., None], before[0], tokens)
        sure = chance.gather(-1, tokens[..., None].long())[..., 0].sum(-1)
        return tokens, torch.where(possible, sure, torch.zeros_like(sure))
