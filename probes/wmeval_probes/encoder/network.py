"""The network of the video encoder: what each frame shows, where each hue is, how it all moves.

Per frame, convolutions at 32, 16 and 8 px. Six attention maps, one a hue slot, turn the 16 px features into
tokens: the place (a spatial soft-argmax: Finn et al. 2016, "Deep spatial autoencoders") and what stands
there. Convolutions over time join the tokens of WINDOW frames, and SLOT numbers a hue must tell every pose,
velocity, contact and visibility of the window again, so that two sets of clips with equal features move
alike. A hue that is never seen has zeros.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE = 64  # px
WINDOW = 8  # frames
HUES = 6
SLOT = 20  # numbers that the window of one hue is told in
LOOK = 8  # numbers that the look of the whole frames is told in
CLIP = HUES * SLOT + LOOK
TOKEN = 48
PX = SIZE / 2  # one unit of u, v
SPEED = 8.0  # px a frame, one unit of du, dv
STATE = 6  # u, v, du, dv, visible, log contact impulse
WIDTHS = (24, 48, 96)


class Told(NamedTuple):
    """What the network says of windows; u, v in [-1, 1] over the image, du, dv in px / 8."""

    maps: tuple[Tensor, ...]  # layers of each frame, (B * T, C, h, w)
    occupancy: Tensor  # (B, T, 6, 16, 16) logits of the share of a cell that a hue covers
    frame: Tensor  # (B, T, 6, STATE) from each frame and its neighbours
    clip: Tensor  # (B, CLIP)
    recalled: Tensor  # (B, T, 6, STATE) from `clip` alone
    worn: Tensor  # (B, 2) blur sigma [px] and noise sd [grey levels / 16], from `clip` alone


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (N, C, h, w) of the same shape."""
        h = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(h)))


def _enter(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Encoder(nn.Module):
    """Frames (B, T, 3, 64, 64) in [0, 1] to what they show. `tokens` takes any T; the clip needs WINDOW."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.low = nn.Sequential(_enter(12, a, 1), _enter(a, a, 1))
        self.middle = nn.Sequential(_enter(a, b, 2), Block(b))
        self.high = nn.Sequential(_enter(b, c, 2), Block(c))
        self.down = nn.Conv2d(c, b, 1)
        self.attention = nn.Conv2d(b, HUES, 1)
        self.occupancy = nn.Conv2d(b, HUES, 1)
        self.token = nn.Linear(b + 6, TOKEN)
        self.over_time = nn.ModuleList([nn.Conv1d(TOKEN, TOKEN, 3, padding=1) for _ in range(2)])
        self.state = nn.Linear(TOKEN + 6, STATE)
        self.whole = nn.Linear(c, 32)
        self.look = nn.Linear(32, LOOK)
        self.squeeze = nn.Sequential(
            nn.Linear((TOKEN + 6 + STATE) * WINDOW, 192), nn.ReLU(), nn.Linear(192, SLOT)
        )
        self.recall_state = nn.Sequential(nn.Linear(SLOT, 192), nn.ReLU(), nn.Linear(192, WINDOW * STATE))
        self.recall_worn = nn.Sequential(nn.Linear(CLIP, 64), nn.ReLU(), nn.Linear(64, 2))

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the layers of frames (N, 3, 64, 64): (N, C, h, w) at 32, 16 and 8 px."""
        low = self.low(F.pixel_unshuffle(x - 0.5, 2).contiguous(memory_format=torch.channels_last))
        middle = self.middle(low)
        return low, middle, self.high(middle)

    def tokens(
        self, maps: tuple[Tensor, Tensor, Tensor], frames: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return tokens (B, T, 6, TOKEN), places (B, T, 6, 2), whole frames (B, T, 32), occupancy."""
        _, middle, high = (m.float() for m in maps)
        n, _, height, width = middle.shape
        h = F.relu(middle + F.interpolate(self.down(high), scale_factor=2.0, mode="nearest"))
        weight = self.attention(h).flatten(2)  # (N, 6, hw)
        peak = torch.logsumexp(weight, 2, keepdim=True)
        weight = weight.softmax(2)
        v, u = torch.meshgrid(
            (torch.arange(height) + 0.5) / height * 2 - 1, (torch.arange(width) + 0.5) / width * 2 - 1,
            indexing="ij",
        )  # fmt: skip
        grid = torch.stack([u, v, u * u, v * v, u * v], -1).reshape(-1, 5).to(weight)
        moments = weight @ grid  # (N, 6, 5)
        place = moments[..., :2]
        spread = moments[..., 2:] - torch.stack(
            [place[..., 0] ** 2, place[..., 1] ** 2, place[..., 0] * place[..., 1]], -1
        )
        there = weight @ h.flatten(2).transpose(1, 2)  # (N, 6, C)
        token = F.relu(self.token(torch.cat([there, place, spread * 10, peak / 10], -1)))
        token = token.reshape(-1, frames, HUES, TOKEN)
        return (
            token, place.reshape(-1, frames, HUES, 2),
            F.relu(self.whole(high.mean((2, 3)))).reshape(-1, frames, 32),
            self.occupancy(h).reshape(n // frames, frames, HUES, height, width),
        )  # fmt: skip

    def tell(self, token: Tensor, place: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Return states (B, T, 6, STATE) and clip features (B, CLIP) of windows of WINDOW frames."""
        batch, frames = token.shape[:2]
        x = token.permute(0, 2, 3, 1).reshape(batch * HUES, TOKEN, frames)
        for layer in self.over_time:
            x = x + F.relu(layer(x))
        x = x.reshape(batch, HUES, TOKEN, frames).permute(0, 3, 1, 2)
        step = place.diff(dim=1) * (PX / SPEED)
        still = torch.zeros_like(step[:, :1])
        x = torch.cat([x, place, torch.cat([step, still], 1), torch.cat([still, step], 1)], -1)
        state = self.state(x)
        # the soft-argmax is the place but for a learnt offset: near the edge of the image it is biased
        state = torch.cat([place + 0.1 * state[..., :2], state[..., 2:]], -1)
        slot = self.squeeze(torch.cat([x, state], -1).transpose(1, 2).flatten(2))  # (B, 6, SLOT)
        # where a hue is absent its attention is anywhere: without this, noise would pass for features
        slot = slot * state[..., 4].sigmoid().amax(1).unsqueeze(-1)
        return state, torch.cat([slot.flatten(1), self.look(whole.mean(1))], -1)

    def remember(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Return states (B, WINDOW, 6, STATE) and wear (B, 2) that clip features (B, CLIP) tell again."""
        slot = clip[:, : HUES * SLOT].reshape(-1, HUES, SLOT)
        state = self.recall_state(slot).reshape(-1, HUES, WINDOW, STATE).transpose(1, 2)
        return state, self.recall_worn(clip)

    def forward(self, x: Tensor, *, fast: bool = False) -> Told:
        """Return all that is told of windows (B, WINDOW, 3, 64, 64); `fast` convolves in bfloat16."""
        frames = x.shape[1]
        # only the maps: a place read from bfloat16 weights is a quarter of a pixel off
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            maps = self.maps(x.flatten(0, 1))
        token, place, whole, occupancy = self.tokens(maps, frames)
        state, clip = self.tell(token, place, whole)
        return Told(maps, occupancy, state, clip, *self.remember(clip))
