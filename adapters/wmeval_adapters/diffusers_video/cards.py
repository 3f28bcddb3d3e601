"""The card of a pipeline: what is known before weights are given, and what their small files complete."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wmeval.camera import View
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import ActionSpace, Card
from wmeval_adapters.diffusers_video.folder import Folder, opened
from wmeval_adapters.diffusers_video.guard import guardrail
from wmeval_adapters.diffusers_video.profiles import ANY, Profile, profiles
from wmeval_adapters.diffusers_video.settings import Settings, settle

INSTALL = "pip install 'wmeval[foundation]'"
_CLIP = "only whole clips are denoised, so a later action may change an earlier frame"


def static(model: str) -> Card:
    """Return the card of a model before any weights are given: its first pipeline as published."""
    first = ANY if model == ANY.model else profiles(model)[0]
    many = first.modes[:1] not in ((), ("image",))
    height, width = first.size if first.pipeline else (480, 832)
    return Card(
        name=model, family="diffusers", version="no weights", licence=first.licence, source=first.source,
        capabilities=frozenset({"generates"}), view=View(first.fps or 16.0, height, width),
        context=first.shows if many else (1, 1), horizon=max(first.frames - 1, 0) or None,
        actions=ActionSpace("text", 0, "lossy") if first.text else ActionSpace("none"),
        classes=("clip" if many else "one frame", "never"), max_batch=1,
        context_step=first.rules.time if many else 1,
        notes=("size, rate and context are those of the weights; these are the published ones", *first.notes),
    )  # fmt: skip


def completed(model: str, weights: Path | None, options: Mapping[str, str]) -> Card:
    """Return the card that a folder of weights and the options make.

    Raises:
        UsageError: the folder is none of this model's, or an option does not fit.
        EnvironmentFault: there are no weights, or no diffusers.
    """
    folder = there(model, weights)
    return card_of(folder, settle(model, folder, options))


def there(model: str, weights: Path | None) -> Folder:
    """Return the folder of weights.

    Raises:
        EnvironmentFault: none were given.
        UsageError: it is no pipeline folder.
    """
    if weights is None:
        known = profiles(model)
        given = known[0].source if model != ANY.model else "hf:ORG/NAME"
        raise EnvironmentFault(
            f"{model} comes without weights; give a folder in the diffusers layout, or a repository, as in "
            f"`--weights {given}`"
        )
    if not weights.is_dir():
        raise UsageError(f"{weights} is a file; {model} is loaded from a folder in the diffusers layout")
    return opened(weights)


def card_of(folder: Folder, settings: Settings) -> Card:
    """Return the card of settled weights."""
    profile, (height, width) = settings.profile, settings.profile.size
    fewest, most = settings.shows
    length = settings.num_frames or profile.frames
    classes = ("one frame" if most == 1 else "clip") + (" + actions" if settings.domain != "none" else "")
    return Card(
        name=profile.model, family="diffusers", version=f"{profile.pipeline}, diffusers {installed()}",
        licence=_licence(folder, profile), source=profile.source, capabilities=frozenset({"generates"}),
        view=View(profile.fps, height, width), context=(fewest, most),
        horizon=length - most - settings.lost if length else None, actions=_actions(settings),
        classes=(classes, "never"),
        parameters=folder.parameters() or None, max_batch=1,
        causal=settings.domain == "none", context_step=1 if most == 1 else profile.rules.time,
        notes=(*profile.notes, *_acting(settings), *guardrail(folder, profile)[1]),
    )  # fmt: skip


def installed() -> str:
    """Return the version of diffusers.

    Raises:
        EnvironmentFault: it is not installed.
    """
    try:
        version("transformers")
        return version("diffusers")
    except PackageNotFoundError as fault:
        raise EnvironmentFault(f"{fault.name} is not installed; `{INSTALL}`") from fault


def _licence(folder: Folder, profile: Profile) -> str:
    if folder.licence:
        return f"{folder.licence} (tag of the weights' README.md)"
    return profile.licence


def _acting(settings: Settings) -> tuple[str, ...]:
    if settings.domain == "none":
        return ()
    from wmeval_adapters.diffusers_video.actions import CODECS

    return (_CLIP, f"the codec {settings.domain} loses {CODECS[settings.domain].drops}")


def _actions(settings: Settings) -> ActionSpace:
    if settings.domain != "none":
        from wmeval_adapters.diffusers_video.actions import CODECS

        codec = CODECS[settings.domain]
        return ActionSpace(
            "camera" if settings.domain == "camera_pose" else "continuous", codec.size, codec.fidelity
        )
    if settings.profile.text and settings.prompt is None:
        return ActionSpace("text", 0, "lossy")
    return ActionSpace("none")
