"""Image- and video-conditioned pipelines of diffusers: seven families by name, and any class by its own.

None of their weights are ours, and none come with wmeval.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from wmeval.model import Adapter, WorldModel
from wmeval_adapters.diffusers_video.cards import card_of, completed, static, there
from wmeval_adapters.diffusers_video.profiles import ANY
from wmeval_adapters.diffusers_video.settings import OPTIONS, settle, typed

# what the adapter fills in itself, whatever the pipeline
TAKEN = {
    "image", "video", "mask", "conditions", "action", "prompt", "generator", "output_type", "return_dict",
    "num_frames", "height", "width", "num_videos_per_prompt", "condition_video_keep", "last_image",
    "num_latent_conditional_frames", "enable_safety_check", "enable_sound", "frame_index", "strength",
    "reference_images",
}  # fmt: skip


def load(model: str, weights: Path | None, device: str, options: Mapping[str, str]) -> WorldModel:
    """Return a pipeline, opened on a device.

    Raises:
        UsageError: weights or options that do not fit.
        EnvironmentFault: no weights, or a package is missing.
    """
    folder = there(model, weights)
    settings = settle(model, folder, options)
    card = card_of(folder, settings)
    from wmeval_adapters.diffusers_video import opening

    kind = opening.pipeline_class(settings.profile.pipeline)
    overlap = {"overlap_history", "base_num_frames"} if settings.mode == "overlap" else set()
    call = typed(kind, settings.call, {*TAKEN, settings.profile.rate, *overlap})
    place = opening.device_of(device)
    pipe = opening.opened_pipeline(folder, settings, place)
    opening.tell(f"{model}: {settings.profile.pipeline} of {folder.path}; licence: {card.licence}")
    for note in card.notes:
        opening.tell(f"{model}: {note}")

    from wmeval_adapters.diffusers_video.model import PipelineModel

    return PipelineModel(card, pipe, settings, call, place)


def _adapter(model: str) -> Adapter:
    return Adapter(
        static(model), partial(load, model), OPTIONS, completed=partial(completed, model),
        needs="--weights FOLDER|hf:ORG/NAME (diffusers layout)",
    )  # fmt: skip


WAN, LTX, COGVIDEOX, HUNYUAN, SVD, SKYREELS, COSMOS = map(
    _adapter, ("wan", "ltx", "cogvideox", "hunyuan", "svd", "skyreels", "cosmos")
)
DIFFUSERS = _adapter(ANY.model)
