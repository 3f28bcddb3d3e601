"""From a folder of weights to a pipeline on its device, with what must not happen refused before it can."""

from __future__ import annotations

import sys
from typing import Any

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.diffusers_video.cards import INSTALL, installed
from wmeval_adapters.diffusers_video.folder import Folder
from wmeval_adapters.diffusers_video.guard import guardrail
from wmeval_adapters.diffusers_video.rules import rules_of
from wmeval_adapters.diffusers_video.settings import Settings


def pipeline_class(name: str) -> type:
    """Return a pipeline class of diffusers by its name.

    Raises:
        UsageError: diffusers has no such pipeline.
        EnvironmentFault: diffusers is not installed, or not whole.
    """
    has = installed()
    try:
        import diffusers

        found = getattr(diffusers, name, None)
    except (ImportError, RuntimeError) as fault:
        raise EnvironmentFault(f"diffusers {has} cannot be imported: {fault}; `{INSTALL}`") from fault
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise UsageError(f"diffusers {has} has no pipeline {name!r}; give another by `--set pipeline=CLASS`")
    return found


def device_of(asked: str) -> str:
    """Return the device that "auto" means here, or the one that was asked for.

    Raises:
        EnvironmentFault: a GPU was asked for, and there is none.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise EnvironmentFault(f"`--device {asked}` was asked for, and torch sees no GPU; `--device cpu`")
    return asked


def opened_pipeline(folder: Folder, settings: Settings, device: str) -> Any:
    """Return the pipeline on its device.

    Raises:
        UsageError: weights that do not fit the class, or whose rules are not the ones they told.
        EnvironmentFault: a package that the pipeline needs is missing.
    """
    import torch

    name = settings.profile.pipeline
    kind = pipeline_class(name)
    folder.check(settings.allow_pickle)
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    more, _ = guardrail(folder, settings.profile)
    try:
        pipe = kind.from_pretrained(  # type: ignore[attr-defined]
            str(folder.path), dtype=getattr(torch, dtype), local_files_only=True,
            use_safetensors=None if settings.allow_pickle else True, **more,
        )  # fmt: skip
    except ImportError as fault:
        raise EnvironmentFault(f"{name} cannot be opened: {' '.join(str(fault).split())}") from fault
    except (OSError, ValueError, TypeError, RuntimeError) as fault:
        raise UsageError(
            f"{folder.path} cannot be opened as {name}: {' '.join(str(fault).split())}"
        ) from fault
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    told = rules_of(pipe)
    if told != settings.rules:
        raise UsageError(
            f"{folder.path} tells lengths of 1 + n x {settings.rules.time} and sizes of n x "
            f"{settings.rules.space} px, and the loaded {name} {told.time} and {told.space}; its "
            "configuration files do not belong to its weights"
        )
    pipe.set_progress_bar_config(disable=True)
    if settings.offload == "none" or not device.startswith("cuda"):
        pipe.to(device)
    elif settings.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)
    return pipe


def tell(sentence: str) -> None:
    """Say something to whoever loads a model; a worker's standard output belongs to its driver."""
    print(sentence, file=sys.stderr, flush=True)
