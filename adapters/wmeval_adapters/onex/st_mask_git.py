"""ST-MaskGIT, 1X's GENIE: a space-time transformer over tokens of two small vocabularies, names as published.

A token of 2^18 is two numbers below 512, its low and its high half; both are embedded and predicted side by
side. Time is causal in every layer, so a frame's logits depend on nothing after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MUP_WIDTH = 256  # of the model that others are scaled from (Yang et al. 2022)
MUP_HEAD = 8.0


@dataclass(frozen=True)
class Config:
    """What config.json of a checkpoint says of its network; the rest of that file is of training."""

    num_layers: int
    num_heads: int
    d_model: int
    T: int = 16  # frames
    S: int = 256  # tokens of a frame
    image_vocab_size: int = 262144
    use_mup: bool = False
    num_factored_vocabs: int = 1
    qkv_bias: bool = False
    proj_bias: bool = True
    qk_norm: bool = True
    mlp_ratio: float = 4.0
    mlp_bias: bool = True

    @property
    def vocabulary(self) -> int:
        """Size of one of the factored vocabularies."""
        size: int = round(self.image_vocab_size ** (1 / self.num_factored_vocabs))
        return size


def factored(tokens: Tensor, config: Config) -> Tensor:
    """Return the parts (..., V) of tokens, lowest first.

    >>> factored(torch.tensor([3 + 512 * 5]), Config(1, 1, 1, num_factored_vocabs=2)).tolist()
    [[3, 5]]
    """
    powers = config.vocabulary ** torch.arange(config.num_factored_vocabs, device=tokens.device)
    return tokens[..., None] // powers % config.vocabulary


def joined(parts: Tensor, config: Config) -> Tensor:
    """Return the tokens (...) of parts (..., V)."""
    powers = config.vocabulary ** torch.arange(config.num_factored_vocabs, device=parts.device)
    return (parts * powers).sum(-1)


class Attention(nn.Module):
    """Attention whose queries and keys may be normalised a head."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.num_heads
        size = config.d_model // config.num_heads
        self.scale = MUP_HEAD / size if config.use_mup else size**-0.5
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model, bias=config.qkv_bias)
        self.proj = nn.Linear(config.d_model, config.d_model, bias=config.proj_bias)
        self.norm = nn.LayerNorm(size) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, allowed: Tensor | None) -> Tensor:
        """Return what tokens x (..., N, C) attend to, where `allowed` (N, N) lets them."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).movedim(-3, 0).transpose(-3, -2)
        told = F.scaled_dot_product_attention(self.norm(q), self.norm(k), v, allowed, scale=self.scale)
        shaped: Tensor = self.proj(told.transpose(-3, -2).flatten(-2))
        return shaped


class MLP(nn.Module):
    """Two layers with a GELU between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden = int(config.d_model * config.mlp_ratio)
        self.fc1 = nn.Linear(config.d_model, hidden, bias=config.mlp_bias)
        self.fc2 = nn.Linear(hidden, config.d_model, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., C)."""
        told: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return told


class Block(nn.Module):
    """Space, then time, which has no norm before it, then the MLP."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        bare = config.qk_norm
        self.norm1 = nn.Identity() if bare else nn.LayerNorm(config.d_model)
        self.spatial_attn = Attention(config)
        self.temporal_attn = Attention(config)
        self.norm2 = nn.Identity() if bare else nn.LayerNorm(config.d_model)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """Return x (B, T, S, C); frames see frames where `allowed` (T, T)."""
        x = x + self.spatial_attn(self.norm1(x), None)
        x = x + self.temporal_attn(x.transpose(1, 2), allowed).transpose(1, 2)
        shaped: Tensor = x + self.mlp(self.norm2(x))
        return shaped


class Decoder(nn.Module):
    """The blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))


class TokenEmbedding(nn.Module):
    """The sum over a token's parts of their embeddings, or the one of a masked token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mask_token_embed = nn.Parameter(torch.zeros(1, config.d_model))
        self.factored_embeds = nn.ModuleList(
            nn.Embedding(config.vocabulary, config.d_model) for _ in range(config.num_factored_vocabs)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (..., C) of tokens (...), of which image_vocab_size is the masked one."""
        masked = tokens == self.config.image_vocab_size
        parts = factored(tokens.masked_fill(masked, 0), self.config).unbind(-1)
        known = torch.stack([e(p) for e, p in zip(self.factored_embeds, parts, strict=True)]).sum(0)
        return torch.where(masked[..., None], self.mask_token_embed, known)


class STMaskGIT(nn.Module):
    """The logits of every token of every frame."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.pos_embed_TSC = nn.Parameter(torch.zeros(1, config.T, config.S, config.d_model))
        self.token_embed = TokenEmbedding(config)
        self.decoder = Decoder(config)
        self.out_x_proj = nn.Linear(config.d_model, config.vocabulary * config.num_factored_vocabs)
        self.narrowed = config.d_model / MUP_WIDTH if config.use_mup else 1.0

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (B, T, S, V, vocabulary) of tokens (B, T, S), T at most that of the config.

        Frames that are left out at the end would be masked and change nothing, since time is causal.
        """
        count = tokens.shape[1]
        return self._told(tokens, torch.arange(count), _causal(count))

    def each_hidden(self, tokens: Tensor) -> Tensor:
        """Return the logits of each frame when it is masked and those before it are known; as `forward`.

        All in one pass: the masked frames stand beside the known ones and see those before them, which never
        see a masked one, so the logits are those of T passes.
        """
        count = tokens.shape[1]
        hidden = torch.full_like(tokens, self.config.image_vocab_size)
        known, own = _causal(count), torch.eye(count, dtype=torch.bool)
        allowed = torch.cat(
            [torch.cat([known, torch.zeros_like(own)], 1), torch.cat([known & ~own, own], 1)]
        )  # fmt: skip
        times = torch.arange(count).repeat(2)
        return self._told(torch.cat([tokens, hidden], 1), times, allowed)[:, count:]

    def _told(self, tokens: Tensor, times: Tensor, allowed: Tensor) -> Tensor:
        where = self.pos_embed_TSC
        x = self.token_embed(tokens) + where[:, times.to(where.device)]
        for block in self.decoder.layers:
            x = block(x, allowed.to(where.device))
        told: Tensor = self.out_x_proj(x / self.narrowed)
        return torch.unflatten(told, -1, (self.config.num_factored_vocabs, self.config.vocabulary))


def _causal(count: int) -> Tensor:
    return torch.ones(count, count, dtype=torch.bool).tril()
