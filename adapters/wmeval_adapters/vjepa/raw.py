"""The published .pt of V-JEPA 2-AC: which encoder and predictor it holds, and the encoder in other names.

The encoder is the one that transformers has as VJEPA2Model; there queries, keys and values are three layers,
in the file one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wmeval.errors import UsageError
from wmeval_adapters.vjepa.ac import Sizes

NAMES = (
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.proj."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"layer.\1.attention.proj."),
    (r"^blocks\.(\d+)\.(norm1|norm2|mlp)\.", r"layer.\1.\2."),
    (r"^norm\.", "layernorm."),
)
IGNORED = ("pos_embed",)  # in the file, but places are turned (RoPE)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's tensors under the names of transformers' VJEPA2Encoder."""
    out: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name in IGNORED:
            continue
        joined = re.fullmatch(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)", name)
        if joined:
            for part, each in zip(("query", "key", "value"), value.chunk(3), strict=True):
                out[f"layer.{joined[1]}.attention.{part}.{joined[2]}"] = each
            continue
        for old, new in NAMES:
            name = re.sub(old, new, name)
        out[name] = value
    return out


def _depth(tensors: Mapping[str, Tensor], stem: str) -> int:
    found = [int(m[1]) for n in tensors if (m := re.match(rf"{stem}\.(\d+)\.", n))]
    return max(found, default=-1) + 1


def encoder_config(tensors: Mapping[str, Tensor], crop: int, heads: int | None) -> dict[str, Any]:
    """Return the VJEPA2Config values of an encoder in the published names.

    Raises: UsageError when the tensors are of something else.
    """
    try:
        width, _, tubelet, patch, _ = tensors["patch_embed.proj.weight"].shape
        inner = tensors["blocks.0.mlp.fc1.weight"].shape[0]
    except (KeyError, ValueError) as fault:
        raise UsageError(
            f"this is no V-JEPA 2 encoder ({fault}); expected patch_embed.proj and blocks"
        ) from fault
    return {
        "crop_size": crop, "patch_size": int(patch), "tubelet_size": int(tubelet), "frames_per_clip": 64,
        "hidden_size": int(width), "num_attention_heads": heads or int(width) // 64,
        # half a unit more: transformers rounds the product down
        "num_hidden_layers": _depth(tensors, "blocks"), "mlp_ratio": (inner + 0.5) / width,
        "pred_hidden_size": 12, "pred_num_attention_heads": 1, "pred_num_hidden_layers": 1,
    }  # fmt: skip


def sizes(tensors: Mapping[str, Tensor], grid: int, heads: int | None) -> Sizes:
    """Return the sizes of a predictor in the published names.

    Raises: UsageError when the tensors are of something else.
    """
    try:
        width, embed = tensors["predictor_embed.weight"].shape
    except (KeyError, ValueError) as fault:
        raise UsageError(f"this is no V-JEPA 2-AC predictor ({fault}); expected predictor_embed") from fault
    return Sizes(int(embed), int(width), _depth(tensors, "predictor_blocks"), heads or int(width) // 64, grid)


def encoder_on_meta(config: Mapping[str, Any]) -> Any:
    """Return transformers' encoder of these values, on the meta device."""
    from transformers import VJEPA2Config, VJEPA2Model

    made = VJEPA2Config(**config)
    made._attn_implementation = "eager"
    with torch.device("meta"):
        return VJEPA2Model(made).encoder
