"""DreamerV3's world model in the layout of dreamerv3-torch checkpoints.

Names of parameters are those of `NM512/dreamerv3-torch` (MIT): `encoder._cnn`, `dynamics`,
`heads.decoder._cnn`, `heads.reward`, `heads.cont`. What they compute is from Hafner et al. 2023; the
normalisation (eps .001), the gated unit (one linear map, layer norm, update bias -1) and the half that is
taken off images are facts of that repository. `action[t]` is the one that led to frame t.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmeval_adapters.dreamer.categorical import divergence, mean_of, mixed

EPS = 1e-3
BUCKETS = 255
RANGE = 20.0  # of symlog values that the reward head tells


@dataclass(frozen=True)
class Config:
    """Sizes of a checkpoint; all but the two activations and the image's range show in its shapes."""

    actions: int
    size: int = 64  # px
    depth: int = 32  # channels of the first convolution
    smallest: int = 4  # px of the last
    kernel: int = 4
    deter: int = 512
    hidden: int = 512
    stoch: int = 32
    discrete: int = 32
    units: int = 512
    reward_layers: int = 2
    cont_layers: int = 2
    unimix: float = 0.01
    learned: bool = True  # the first state is learnt
    sigmoid: bool = False  # the decoder ends in one; otherwise a half is added

    @property
    def stages(self) -> int:
        """How often the encoder halves the image."""
        return (self.size // self.smallest).bit_length() - 1

    @property
    def feature(self) -> int:
        """Numbers that the heads read."""
        return self.stoch * self.discrete + self.deter


class _ChannelNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class _SamePad(nn.Conv2d):
    """A convolution of stride 2 whose output is half the input, padded more at the end where it is odd."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for length, kernel, stride in zip(
            reversed(x.shape[-2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            need = max(0, (-(-length // stride) - 1) * stride + kernel - length)
            pads += [need // 2, need - need // 2]
        return super().forward(F.pad(x, pads))


class _Encoder(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inward = 3
        for i in range(c.stages):
            wide = c.depth * 2**i
            layers += [_SamePad(inward, wide, c.kernel, 2, bias=False), _ChannelNorm(wide), nn.SiLU()]
            inward = wide
        self.layers = nn.Sequential(*layers)
        self.width = inward * c.smallest**2

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings (N, E) of images (N, H, W, 3) in [0, 1], which stay as they are."""
        x: Tensor = self.layers((images - 0.5).permute(0, 3, 1, 2))
        return x.flatten(1)


class _Decoder(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.config = c
        widest = c.depth * 2 ** (c.stages - 1)
        self._linear_layer = nn.Linear(c.feature, widest * c.smallest**2)
        over = c.kernel - 1 - 2 + 1
        pad = -(-over // 2)
        layers: list[nn.Module] = []
        inward = widest
        for i in range(c.stages):
            last = i == c.stages - 1
            wide = 3 if last else inward // 2
            layers.append(nn.ConvTranspose2d(inward, wide, c.kernel, 2, pad, 2 * pad - over, bias=last))
            layers += [] if last else [_ChannelNorm(wide), nn.SiLU()]
            inward = wide
        self.layers = nn.Sequential(*layers)

    def forward(self, feature: Tensor) -> Tensor:
        """Return images (N, H, W, 3) in [0, 1] of features (N, F)."""
        small = self.config.smallest
        x = self._linear_layer(feature).view(len(feature), small, small, -1).permute(0, 3, 1, 2)
        out: Tensor = self.layers(x).permute(0, 2, 3, 1)
        return torch.sigmoid(out) if self.config.sigmoid else out + 0.5


class _Wrapped(nn.Module):
    """The published modules keep their convolutions one level down, beside networks for vectors."""

    def __init__(self, cnn: nn.Module) -> None:
        super().__init__()
        self._cnn = cnn

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._cnn(x)
        return out


class _Head(nn.Module):
    def __init__(self, name: str, inward: int, units: int, layers: int, outward: int) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(layers):
            parts[f"{name}_linear{i}"] = nn.Linear(units if i else inward, units, bias=False)
            parts[f"{name}_norm{i}"] = nn.LayerNorm(units, eps=EPS)
            parts[f"{name}_act{i}"] = nn.SiLU()
        self.layers = nn.Sequential(parts)
        self.mean_layer = nn.Linear(units if layers else inward, outward)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mean_layer(self.layers(x))
        return out


class _Cell(nn.Module):
    def __init__(self, inward: int, size: int) -> None:
        super().__init__()
        linear, norm = nn.Linear(inward + size, 3 * size, bias=False), nn.LayerNorm(3 * size, eps=EPS)
        self.layers = nn.Sequential(OrderedDict(GRU_linear=linear, GRU_norm=norm))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        reset, candidate, update = self.layers(torch.cat([x, state], -1)).chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        share = torch.sigmoid(update - 1)
        out: Tensor = share * candidate + (1 - share) * state
        return out


def _dense(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inward, outward, bias=False), nn.LayerNorm(outward, eps=EPS), nn.SiLU())


@dataclass(frozen=True)
class State:
    """Deterministic (B, deter) and stochastic (B, stoch, discrete) state."""

    deter: Tensor
    stoch: Tensor

    @property
    def feature(self) -> Tensor:
        """What the heads read, (B, F)."""
        return torch.cat([self.stoch.flatten(1), self.deter], -1)


class Rssm(nn.Module):
    """The recurrent state space model of the published layout."""

    def __init__(self, c: Config, embedding: int) -> None:
        super().__init__()
        self.config = c
        codes = c.stoch * c.discrete
        self._img_in_layers = _dense(codes + c.actions, c.hidden)
        self._cell = _Cell(c.hidden, c.deter)
        self._img_out_layers = _dense(c.deter, c.hidden)
        self._obs_out_layers = _dense(c.deter + embedding, c.hidden)
        self._imgs_stat_layer = nn.Linear(c.hidden, codes)
        self._obs_stat_layer = nn.Linear(c.hidden, codes)
        if c.learned:
            self.W = nn.Parameter(torch.zeros(1, c.deter))

    def initial(self, batch: int) -> State:
        """Return the state before the first frame."""
        c = self.config
        if not c.learned:
            return State(torch.zeros(batch, c.deter), torch.zeros(batch, c.stoch, c.discrete))
        deter = torch.tanh(self.W).repeat(batch, 1)
        return State(deter, chosen(self._told(deter)))

    def ahead(self, state: State, action: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next deterministic state and the prior's log probabilities under actions (B, A)."""
        x = self._img_in_layers(torch.cat([state.stoch.flatten(1), action], -1))
        deter = self._cell(x, state.deter)
        return deter, self._told(deter)

    def told_by(self, deter: Tensor, embedding: Tensor) -> Tensor:
        """Return the posterior's log probabilities (B, stoch, discrete) once a frame is seen."""
        x = self._obs_out_layers(torch.cat([deter, embedding], -1))
        return self._mixed(self._obs_stat_layer(x))

    def _told(self, deter: Tensor) -> Tensor:
        return self._mixed(self._imgs_stat_layer(self._img_out_layers(deter)))

    def _mixed(self, logits: Tensor) -> Tensor:
        c = self.config
        return mixed(logits.view(*logits.shape[:-1], c.stoch, c.discrete), c.unimix)


def chosen(log: Tensor, temperature: float = 0.0, generators: Sequence[torch.Generator] = ()) -> Tensor:
    """Return one-hot codes of log probabilities (B, K, C): the likeliest, or drawn, one generator a row."""
    if temperature > 0:
        noise = torch.stack([torch.rand(log.shape[1:], generator=g) for g in generators])
        log = log / temperature - torch.log(-torch.log(noise.clamp(1e-9, 1 - 1e-7)))
    return F.one_hot(log.argmax(-1), log.shape[-1]).float()


class WorldModel(nn.Module):
    """Encoder, dynamics and heads under the names of the checkpoint, less its `_wm.`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        cnn = _Encoder(config)
        self.encoder = _Wrapped(cnn)
        self.dynamics = Rssm(config, cnn.width)
        self.heads = nn.ModuleDict({
            "decoder": _Wrapped(_Decoder(config)),
            "reward": _Head("Reward", config.feature, config.units, config.reward_layers, BUCKETS),
            "cont": _Head("Cont", config.feature, config.units, config.cont_layers, 1),
        })  # fmt: skip

    def observe(self, images: Tensor, actions: Tensor) -> tuple[list[State], Tensor]:
        """Return the posterior state of each frame, and KL(posterior || prior) [nats] (B, T).

        `images` (B, T, H, W, 3) in [0, 1]; `actions` (B, T, A), entry t led to frame t and the first counts
        for nothing. The stochastic state is the posterior's likeliest.
        """
        embedded = self.encoder(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        state, out, told = self.dynamics.initial(len(images)), [], []
        for t in range(images.shape[1]):
            action = actions[:, t] if t else torch.zeros_like(actions[:, 0])
            deter, prior = self.dynamics.ahead(state, action)
            post = self.dynamics.told_by(deter, embedded[:, t])
            state = State(deter, chosen(post))
            out.append(state)
            told.append(divergence(post, prior).sum(-1))
        return out, torch.stack(told, 1)

    def decoded(self, states: Sequence[State]) -> Tensor:
        """Return frames (B, T, H, W, 3) in [0, 1] of T states."""
        features = torch.stack([s.feature for s in states], 1)
        frames: Tensor = self.heads["decoder"](features.flatten(0, 1))
        return frames.view(*features.shape[:2], *frames.shape[1:])

    def rewarded(self, states: Sequence[State]) -> tuple[Tensor, Tensor]:
        """Return rewards (B, T) and the chance (B, T) that the episode ends, in T states."""
        features = torch.stack([s.feature for s in states], 1)
        bins = torch.linspace(-RANGE, RANGE, BUCKETS)
        reward = mean_of(self.heads["reward"](features), bins)
        return reward, 1 - torch.sigmoid(self.heads["cont"](features)[..., 0])
