"""Which lengths and sizes a loaded pipeline takes, read from its own attributes."""

from __future__ import annotations

from typing import Any

from wmeval_adapters.diffusers_video.folder import patch
from wmeval_adapters.diffusers_video.profiles import Rules

_TIME = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")
_SPACE = ("vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_scale_factor")


def rules_of(pipe: Any) -> Rules:
    """Return the rules of a loaded pipeline.

    A transformer takes whole patches of latent pixels; a UNet halves its latents between levels, and its
    pipeline neither compresses time nor takes patches. The decoder of CogVideoX takes latent frames in twos
    and the first by itself, so that only odd numbers of them come out as long as was asked.
    """
    pairs = type(pipe.vae).__name__ == "AutoencoderKLCogVideoX"
    time = _attribute(pipe, _TIME) * (2 if pairs else 1)
    space = _attribute(pipe, _SPACE)
    unet = getattr(pipe, "unet", None)
    if unet is not None:
        return Rules(time, space * 2 ** (len(unet.config.block_out_channels) - 1))
    body = getattr(pipe, "transformer", None) or getattr(pipe, "transformer_2", None)
    return Rules(time, space * (patch(body.config) if body is not None else 1))


def _attribute(pipe: Any, names: tuple[str, ...]) -> int:
    return next((int(getattr(pipe, n)) for n in names if isinstance(getattr(pipe, n, None), int)), 1)
