"""NVIDIA's guardrail around Cosmos: on for every published checkpoint; toys have none and say so.

Their licence does not allow published weights without it, so there is no option that takes it off.
"""

from __future__ import annotations

from typing import Any

from wmeval_adapters.diffusers_video.folder import Folder
from wmeval_adapters.diffusers_video.profiles import Profile

TOY = 50_000_000  # parameters; the smallest published Cosmos has 2 billion
OFF = "guardrail off: these weights have too few parameters to be a published Cosmos"
ON = "guardrail on: prompts and videos that it refuses come back as refused"


class NoGuardrail:
    """What stands in a toy's place of a guardrail: everything passes."""

    device = "cpu"
    dtype = None

    def check_text_safety(self, prompt: str) -> bool:
        """Return that a prompt may be used."""
        return True

    def check_video_safety(self, video: Any) -> Any:
        """Return a video as it is."""
        return video

    def to(self, *args: Any, **named: Any) -> NoGuardrail:
        """Return itself: it lies on no device."""
        return self


def guardrail(folder: Folder, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what to open a pipeline with so that it is guarded as it must be, and the note that says so."""
    if not profile.guarded:
        return {}, ()
    third = profile.pipeline == "Cosmos3OmniPipeline"
    if folder.parameters() < TOY:
        return ({"enable_safety_checker": False} if third else {"safety_checker": NoGuardrail()}), (OFF,)
    return ({"enable_safety_checker": True} if third else {}), (ON,)
