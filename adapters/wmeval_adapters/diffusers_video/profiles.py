"""What is told of each pipeline before it is loaded: its class, how it takes a context, rate, size, licence.

Numbers of published checkpoints; where a folder's own configuration files say otherwise, they win
(`folder.py`), and the loaded pipeline has the last word (`rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# how a context becomes keywords of a call (`asking.py`)
Mode = Literal["image", "video", "conditions", "overlap", "masked", "latent-frames", "actions"]


@dataclass(frozen=True)
class Rules:
    """Lengths are 1 + a multiple of `time` frames; heights and widths are multiples of `space` [px]."""

    time: int = 4
    space: int = 16

    def length(self, frames: int) -> int:
        """Return the shortest length that fits and is not below `frames`.

        >>> [Rules(time=4).length(n) for n in (1, 2, 5, 6)]
        [1, 5, 5, 9]
        """
        return 1 + -(-(frames - 1) // self.time) * self.time

    def context(self, frames: int) -> int:
        """Return the longest length that fits and is not above `frames`."""
        return 1 + (frames - 1) // self.time * self.time


@dataclass(frozen=True)
class Profile:
    """One pipeline class of diffusers as one of our models."""

    model: str  # the name that it is asked for by
    pipeline: str  # class of diffusers; empty: whatever the weights or `--set pipeline=` name
    modes: tuple[Mode, ...]  # the first is the usual one
    fps: float
    size: tuple[int, int]  # height, width [px]
    frames: int  # of one call as published, context included
    rules: Rules
    licence: str
    source: str
    shows: tuple[int, int] = (1, 1)  # fewest and most context frames, where the mode takes more than one
    rate: str = ""  # keyword that is told the frames per second
    text: bool = True
    guarded: bool = False  # diffusers puts NVIDIA's guardrail around it
    serves: tuple[str, ...] = ()  # other classes with the same components, which a folder may name
    notes: tuple[str, ...] = field(default=())


_WEIGHTS = "pipeline Apache-2.0; weights under terms of their own, unverified"
_NVIDIA = "pipeline Apache-2.0; weights NVIDIA Open Model License, unverified"
_STILL = "sees only the last frame before the cut, so it cannot know how fast anything moves"

TABLE: tuple[Profile, ...] = (
    Profile(
        "wan", "WanImageToVideoPipeline", ("image",), 16.0, (480, 832), 81, Rules(4, 16), _WEIGHTS,
        "hf:Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", notes=(_STILL,),
    ),
    Profile(
        "wan", "WanVACEPipeline", ("masked",), 16.0, (480, 832), 81, Rules(4, 16), _WEIGHTS,
        "hf:Wan-AI/Wan2.1-VACE-1.3B-diffusers", shows=(5, 17),
        notes=("the context is the unmasked start of a video whose rest is to be filled in",),
    ),
    Profile(
        "ltx", "LTXConditionPipeline", ("conditions", "image"), 25.0, (512, 704), 161, Rules(8, 32), _WEIGHTS,
        "hf:Lightricks/LTX-Video-0.9.5", shows=(9, 33), rate="frame_rate",
    ),
    Profile(
        "ltx", "LTXImageToVideoPipeline", ("image",), 25.0, (512, 704), 161, Rules(8, 32), _WEIGHTS,
        "hf:Lightricks/LTX-Video", rate="frame_rate", serves=("LTXPipeline",), notes=(_STILL,),
    ),
    Profile(
        "cogvideox", "CogVideoXImageToVideoPipeline", ("image",), 8.0, (480, 720), 49, Rules(8, 16), _WEIGHTS,
        "hf:THUDM/CogVideoX-5b-I2V",
        notes=(_STILL, "its size is that of its training: other sizes are refused by the weights"),
    ),
    Profile(
        "hunyuan", "HunyuanVideoImageToVideoPipeline", ("image",), 24.0, (720, 1280), 129, Rules(4, 16),
        "pipeline Apache-2.0; weights Tencent Hunyuan Community License, with territorial limits, unverified",
        "hf:hunyuanvideo-community/HunyuanVideo-I2V", notes=(_STILL,),
    ),
    Profile(
        "svd", "StableVideoDiffusionPipeline", ("image",), 7.0, (576, 1024), 25, Rules(1, 64),
        "pipeline Apache-2.0; weights Stability AI community licence, unverified",
        "hf:stabilityai/stable-video-diffusion-img2vid-xt", rate="fps", text=False,
        notes=(_STILL, "takes no text, so nobody tells it of a push"),
    ),
    Profile(
        "skyreels", "SkyReelsV2DiffusionForcingVideoToVideoPipeline", ("overlap",), 24.0, (544, 960), 97,
        Rules(4, 16), _WEIGHTS, "hf:Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers", shows=(5, 17), rate="fps",
        serves=("SkyReelsV2DiffusionForcingPipeline", "SkyReelsV2DiffusionForcingImageToVideoPipeline"),
    ),
    Profile(
        "skyreels", "SkyReelsV2ImageToVideoPipeline", ("image",), 24.0, (544, 960), 97, Rules(4, 16),
        _WEIGHTS, "hf:Skywork/SkyReels-V2-I2V-1.3B-540P-Diffusers", notes=(_STILL,),
    ),
    Profile(
        "cosmos", "Cosmos2VideoToWorldPipeline", ("video", "image"), 16.0, (704, 1280), 93, Rules(4, 16),
        _NVIDIA, "hf:nvidia/Cosmos-Predict2-2B-Video2World", shows=(5, 5), rate="fps", guarded=True,
    ),
    Profile(
        "cosmos", "Cosmos2_5_PredictBasePipeline", ("video", "image"), 16.0, (704, 1280), 93, Rules(4, 16),
        _NVIDIA, "hf:nvidia/Cosmos-Predict2.5-2B@diffusers/base/post-trained", shows=(5, 5), guarded=True,
    ),
    Profile(
        "cosmos", "Cosmos3OmniPipeline", ("latent-frames", "image", "actions"), 24.0, (720, 1280), 189,
        Rules(4, 16), "pipeline Apache-2.0; licence of the weights unverified", "hf:nvidia/Cosmos3-Nano",
        shows=(5, 5), rate="fps", guarded=True,
    ),
)  # fmt: skip
ANY = Profile(
    "diffusers", "", (), 0.0, (0, 0), 0, Rules(1, 1), "that of the pipeline and of its weights, unverified",
    "any image- or video-conditioned pipeline of diffusers, by its class name",
)  # fmt: skip
NAMES = tuple(dict.fromkeys(p.model for p in TABLE))


def profiles(model: str) -> tuple[Profile, ...]:
    """Return the pipelines that a model's name stands for; `diffusers` knows all of them."""
    return TABLE if model == ANY.model else tuple(p for p in TABLE if p.model == model)
