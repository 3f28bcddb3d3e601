"""How a context becomes keywords of a pipeline's call, one function a way, and where the new frames begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wmeval.model import Observation
from wmeval_adapters.diffusers_video.actions import CODECS
from wmeval_adapters.diffusers_video.profiles import Mode
from wmeval_adapters.diffusers_video.settings import Settings


@dataclass(frozen=True)
class Asked:
    """One call."""

    keywords: Mapping[str, Any]
    length: int  # frames that its output must have
    reproduced: int  # of which the first ones are the context again
    shown: int  # context frames that went in


def asked(settings: Settings, seen: Observation) -> Asked:
    """Return the call that continues an observation, without text, seed and output keywords."""
    shown = min(settings.rules.context(len(seen.frames)), settings.shows[1])
    context = pictures(seen.frames[len(seen.frames) - shown :])
    least = shown + seen.horizon + settings.lost
    length = settings.num_frames or settings.rules.length(least)
    keywords, again = _WAYS[settings.mode](context, length, settings, seen)
    if settings.mode != "actions":
        height, width = settings.profile.size
        keywords |= {"height": height, "width": width}
        if settings.mode != "masked":
            keywords |= {"num_frames": length}
    if settings.profile.rate:
        keywords[settings.profile.rate] = _plain(settings.profile.fps)
    made = length - settings.lost + (shown if settings.mode == "overlap" else 0)
    return Asked(keywords, made, again if settings.reproduced is None else settings.reproduced, shown)


def pictures(frames: Any) -> list[Any]:
    """Return frames (T, H, W, 3) uint8 as PIL images, which every pipeline takes."""
    from PIL import Image

    return [Image.fromarray(f) for f in frames]


Way = Callable[[list[Any], int, Settings, Observation], tuple[dict[str, Any], int]]


def _image(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    return {"image": context[-1]}, 1


def _video(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    more = {}
    if settings.profile.pipeline == "Cosmos2_5_PredictBasePipeline":
        more = {"num_latent_conditional_frames": (len(context) - 1) // settings.rules.time + 1}
    return {"video": context, **more}, len(context)


def _conditions(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    return {"conditions": [LTXVideoCondition(video=context, frame_index=0, strength=1.0)]}, len(context)


def _overlap(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    """SkyReels: the output is the given video, then the generated one, which begins with the overlap."""
    window = min(length, settings.profile.frames)
    keywords = {"video": context, "overlap_history": len(context), "base_num_frames": window}
    return keywords, 2 * len(context)


def _masked(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    """Wan VACE: what is to be generated is grey under a white mask."""
    from PIL import Image

    grey = Image.new("RGB", context[0].size, (128, 128, 128))
    black, white = (Image.new("L", context[0].size, v) for v in (0, 255))
    ahead = length - len(context)
    keywords = {
        "video": [*context, *[grey] * ahead], "mask": [*[black] * len(context), *[white] * ahead],
        "num_frames": length,
    }  # fmt: skip
    return keywords, len(context)


def _latent_frames(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    """Cosmos 3: which latent frames are kept clean is told by index."""
    kept = tuple(range((len(context) - 1) // settings.rules.time + 1))
    keywords = {"video": context, "condition_frame_indexes_vision": kept, "condition_video_keep": "last"}
    return keywords, len(context)


def _actions(
    context: list[Any], length: int, settings: Settings, seen: Observation
) -> tuple[dict[str, Any], int]:
    """Cosmos 3 forward dynamics: one action a step between frames; after the horizon nothing acts."""
    import numpy as np
    import torch
    from diffusers.pipelines.cosmos.pipeline_cosmos3_omni import CosmosActionCondition

    step_s = 1 / seen.fps
    ahead = seen.actions[len(seen.frames) - 1 :]
    still = np.zeros((length - 1 - len(ahead), ahead.shape[1]))
    native = CODECS[settings.domain].encode(np.concatenate([ahead, still]), step_s)
    height = settings.profile.size[0]
    tier = min((t for t in (256, 480, 704) if t >= height), default=704)
    condition = CosmosActionCondition(
        mode="forward_dynamics", chunk_size=length - 1, domain_name=settings.domain, resolution_tier=tier,
        raw_actions=torch.from_numpy(native).float(), image=context[-1], view_point="third_person_view",
    )  # fmt: skip
    return {"action": condition}, 1


def _plain(fps: float) -> float | int:
    return int(fps) if fps == int(fps) else fps


_WAYS: Mapping[Mode, Way] = {
    "image": _image, "video": _video, "conditions": _conditions, "overlap": _overlap, "masked": _masked,
    "latent-frames": _latent_frames, "actions": _actions,
}  # fmt: skip
