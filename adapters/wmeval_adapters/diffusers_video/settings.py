"""Options as they are typed, and what is decided from them before anything is loaded."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from wmeval.errors import UsageError
from wmeval_adapters.diffusers_video.folder import Folder
from wmeval_adapters.diffusers_video.profiles import ANY, Mode, Profile, Rules, profiles

OPTIONS = {
    "pipeline": "class of diffusers in place of the one that the weights name",
    "height": "of the frames [px], a multiple of what the pipeline compresses",
    "width": "of the frames [px], likewise",
    "fps": "frames per second that scenes are drawn at; told to pipelines that take it",
    "num_frames": "frames of every call, cut to what is asked for (as few as fit)",
    "context": "how the context is given: image, video, or what else the pipeline knows (its usual way)",
    "context_frames": "most context frames that it is shown, for what takes more than one",
    "actions": "cosmos 3: forward dynamics under pusht or camera_pose actions (none)",
    "reproduced": "how many frames of the output are the context again (told by the way of asking)",
    "prompt": "text in place of the caption of each scene",
    "dtype": "auto, float32, float16 or bfloat16 (auto: bfloat16 on a GPU, float32 elsewhere)",
    "offload": "none, model or sequential: keep on the GPU only what computes (none)",
    "allow-pickle": "yes: also load weights that are not safetensors (no)",
    "*": "any plain keyword of the pipeline's call: num_inference_steps, guidance_scale, ...",
}
WAYS = {"clip": "video"}  # other words for the same
OFFLOADS, DTYPES = ("none", "model", "sequential"), ("auto", "float32", "float16", "bfloat16")
DOMAINS = ("none", "pusht", "camera_pose")


@dataclass(frozen=True)
class Settings:
    """Everything that is decided before the pipeline is loaded."""

    profile: Profile  # with size, fps and rules as they will be
    mode: Mode
    shows: tuple[int, int]  # fewest and most context frames
    num_frames: int | None
    lost: int  # frames that the pipeline itself leaves out of what it was told to make
    reproduced: int | None
    domain: str  # of actions, or none
    prompt: str | None
    dtype: str
    offload: str
    allow_pickle: bool
    call: Mapping[str, str]  # for the pipeline's own keywords, not checked yet

    @property
    def rules(self) -> Rules:
        """Lengths and sizes that the pipeline takes."""
        return self.profile.rules


def settle(model: str, folder: Folder, options: Mapping[str, str]) -> Settings:
    """Return what options and the small files of the weights decide.

    Raises:
        UsageError: an option that is not what it should be, or weights of another kind.
    """
    given = {**folder.options, **options}
    profile = _profile(model, folder, given)
    try:
        rules = folder.rules(profile.rules)
        size, frames = folder.trained(profile, rules)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as fault:
        raise UsageError(
            f"the config.json of the vae, transformer or unet in {folder.path} are not what their classes "
            f"write ({type(fault).__name__}: {fault}); save the pipeline again with `save_pretrained`"
        ) from fault
    height, width = _whole(given, "height", size[0]), _whole(given, "width", size[1])
    for name, side in (("height", height), ("width", width)):
        if side < 1 or side % rules.space:
            near = max(round(side / rules.space), 1) * rules.space
            raise UsageError(
                f"{profile.pipeline} was given {name}={side}; expected a multiple of {rules.space}, as in "
                f"`--set {name}={near}`"
            )
    fps = _real(given, "fps", profile.fps)
    if fps <= 0:
        raise UsageError(
            f"{profile.pipeline} was given fps={fps:g}; expected frames per second, `--set fps=16`"
        )
    domain = _one_of(given, "actions", DOMAINS, "none")
    modes = profile.modes
    if domain != "none" and "actions" not in modes:
        raise UsageError(f"{profile.pipeline} follows no actions; leave `--set actions={domain}` out")
    named = {_name(m): m for m in modes if m != "actions"}
    way = _one_of(given, "context", tuple(named), next(iter(named)))
    mode: Mode = "actions" if domain != "none" else named[way]
    shows = (1, 1) if mode in ("image", "actions") else _shows(profile, rules, given)
    # HunyuanVideo with its picture in latents of their own cuts the four frames of the first latent off
    lost = 4 if folder.config("transformer").get("image_condition_type") == "latent_concat" else 0
    length = _whole(given, "num_frames", 0) or None
    least = shows[1] + lost + 1
    if length is not None and (length != rules.length(length) or length < least):
        fits = rules.length(max(length, least))
        raise UsageError(
            f"{profile.pipeline} was given num_frames={length}; expected 1 + a multiple of {rules.time}, "
            f"more than the {shows[1]} of the context, as in `--set num_frames={fits}`"
        )
    reproduced = _whole(given, "reproduced", -1)
    settled = replace(profile, model=model, size=(height, width), frames=frames, fps=fps, rules=rules)
    return Settings(
        settled, mode, shows, length, lost,
        None if reproduced < 0 else reproduced, domain, given.get("prompt"),
        _one_of(given, "dtype", DTYPES, "auto"), _one_of(given, "offload", OFFLOADS, "none"),
        _one_of(given, "allow-pickle", ("no", "yes"), "no") == "yes",
        {k: v for k, v in given.items() if k not in OPTIONS},
    )  # fmt: skip


def typed(pipeline: type, call: Mapping[str, str], taken: set[str]) -> dict[str, Any]:
    """Return the keywords of a pipeline's call with the types that its signature gives them.

    `taken` are those that the adapter fills in itself.

    Raises:
        UsageError: a keyword that it does not have, that is no plain value, or that does not fit its type.
    """
    function = inspect.unwrap(pipeline.__call__)
    parameters = inspect.signature(function).parameters
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    kinds = {n: _kinds(hints.get(n, p.annotation), p.default) for n, p in parameters.items()}
    plain = sorted(n for n, k in kinds.items() if k and n not in taken)
    out: dict[str, Any] = {}
    for name, text in call.items():
        if name not in plain:
            raise UsageError(
                f"{pipeline.__name__} takes no option {name!r}; it takes {', '.join(plain)}, and of ours "
                f"{', '.join(o for o in OPTIONS if o != '*')}"
            )
        out[name] = _read(pipeline.__name__, name, text, kinds[name])
    return out


def _profile(model: str, folder: Folder, given: Mapping[str, str]) -> Profile:
    known = profiles(model)
    wanted = given.get("pipeline") or folder.pipeline
    for profile in known:
        if profile.pipeline == wanted:
            return profile
    for profile in known:
        if wanted in profile.serves and "pipeline" not in given:
            return profile
    if model != ANY.model:
        takes = ", ".join(n for p in known for n in (p.pipeline, *p.serves))
        raise UsageError(
            f"{folder.path} holds a {wanted}; {model} takes {takes} (`--model diffusers` takes any that is "
            "conditioned on an image or a video)"
        )
    return _unknown(wanted, given)


def _unknown(name: str, given: Mapping[str, str]) -> Profile:
    """Return the profile of a class that the table lacks, from its signature."""
    from wmeval_adapters.diffusers_video.opening import pipeline_class

    parameters = inspect.signature(inspect.unwrap(pipeline_class(name).__call__)).parameters
    modes: tuple[Mode, ...] = tuple(m for m in ("image", "video") if m in parameters)
    if not modes:
        raise UsageError(f"{name} takes neither an image nor a video, so it cannot continue anything")
    rate = next((k for k in ("fps", "frame_rate") if k in parameters), "")

    def default(keyword: str) -> float:
        value = parameters[keyword].default if keyword in parameters else None
        return value if isinstance(value, (int, float)) else 0

    needs = [
        k for k in ("height", "width", "fps") if k not in given and not default(rate if k == "fps" else k)
    ]
    if needs:
        told = " ".join(f"--set {k}=..." for k in needs)
        raise UsageError(f"{name} does not say its {', '.join(needs)}; give them: `{told}`")
    return replace(
        ANY, pipeline=name, modes=modes, fps=default(rate), rate=rate,
        size=(int(default("height")), int(default("width"))), frames=int(default("num_frames")),
        text="prompt" in parameters, source=f"diffusers.{name}", shows=(1, 9),
        notes=("not in the table: its context, rate and reproduced frames are as the options say",),
    )  # fmt: skip


def _name(mode: Mode) -> str:
    return "image" if mode == "image" else "video"


def _shows(profile: Profile, rules: Rules, given: Mapping[str, str]) -> tuple[int, int]:
    most = _whole(given, "context_frames", profile.shows[1])
    fewest = min(profile.shows[0], most)
    if most < 1 or most != rules.length(most):
        raise UsageError(
            f"{profile.pipeline} was given context_frames={most}; expected 1 + a multiple of {rules.time}, "
            f"as in `--set context_frames={rules.length(max(most, 1))}`"
        )
    return rules.length(fewest), most


def _whole(given: Mapping[str, str], name: str, otherwise: int) -> int:
    value = _real(given, name, otherwise)
    if value != int(value):
        raise UsageError(f"{name}={given[name]!r} was given; expected a whole number")
    return int(value)


def _real(given: Mapping[str, str], name: str, otherwise: float) -> float:
    try:
        value = float(given.get(name, otherwise))
    except ValueError as fault:
        raise UsageError(f"{name}={given[name]!r} was given; expected a number") from fault
    if not math.isfinite(value):
        raise UsageError(f"{name}={given[name]!r} was given; expected a finite number")
    return value


def _one_of(given: Mapping[str, str], name: str, words: tuple[str, ...], otherwise: str) -> str:
    word = given.get(name, otherwise)
    word = WAYS.get(word, word)
    if word not in words:
        raise UsageError(f"{name}={word!r} was given; expected one of {', '.join(words)}")
    return word


def _kinds(hint: Any, default: Any) -> tuple[type, ...]:
    """Return the plain types that a keyword takes, the ones to try first before the others."""
    members: list[Any] = [hint]
    if get_origin(hint) in (Union, types.UnionType):
        members = list(get_args(hint))
    members = [str if get_origin(m) is Literal else m for m in members]
    found = [k for k in (bool, int, float, str) if k in members]
    if not found and type(default) in (bool, int, float, str):
        found = [type(default)]
    if int in found and isinstance(default, float):
        found.append(float)
    return tuple(dict.fromkeys(found))


def _read(pipeline: str, name: str, text: str, kinds: tuple[type, ...]) -> Any:
    for kind in kinds:
        if kind is bool:
            if text.lower() in ("yes", "true", "no", "false"):
                return text.lower() in ("yes", "true")
            continue
        try:
            return kind(text)
        except ValueError:
            continue
    words = {bool: "yes or no", int: "a whole number", float: "a number"}
    expected = " or ".join(words[k] for k in kinds)
    raise UsageError(f"{pipeline} was given {name}={text!r}; expected {expected}")
