"""What the small files of a pipeline folder say, read without torch: class, rules, licence, parameters.

The folder is what `save_pretrained` writes: model_index.json and one folder a component. `wmeval.json`
beside it, where there is one, holds options that fit these weights ({"height": 480, "fps": 16}); what a user
sets comes before it. Nothing in a folder is ever run: components must be classes of diffusers or
transformers, and weights safetensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError
from wmeval_adapters.diffusers_video.profiles import Profile, Rules

MOST_BYTES = 4 << 20  # of a configuration file or of the header of a safetensors file's first entries
MOST_HEADER = 100 << 20
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class Folder:
    """One folder of weights."""

    path: Path
    pipeline: str  # class that model_index.json names
    components: Mapping[str, tuple[str, str]]  # name -> library, class
    options: Mapping[str, str] = field(default_factory=dict)  # of wmeval.json
    licence: str = ""  # tag in the head of README.md

    def config(self, component: str) -> Mapping[str, Any]:
        """Return config.json of a component, empty where there is none."""
        path = self.path / component / "config.json"
        return _object(path) if path.is_file() else {}

    def rules(self, otherwise: Rules) -> Rules:
        """Return the rules that the configurations tell; `otherwise` fills what they leave unsaid."""
        vae, body = self.config("vae"), self.config("transformer")
        kind = self.components.get("vae", ("", ""))[1]
        if kind == "AutoencoderKLTemporalDecoder":
            levels = len(vae["block_out_channels"]) - 1 + len(self.config("unet")["block_out_channels"]) - 1
            return Rules(1, 2**levels)
        if kind == "AutoencoderKLLTXVideo":
            halved = 2 ** sum(vae["spatio_temporal_scaling"])
            time = _first(vae, ("temporal_compression_ratio",), vae["patch_size_t"] * halved)
            space = _first(vae, ("spatial_compression_ratio",), vae["patch_size"] * halved)
            return Rules(time, space * patch(body))
        if kind == "AutoencoderKLCogVideoX":
            shrink = 2 ** (len(vae["block_out_channels"]) - 1)
            return Rules(2 * int(vae["temporal_compression_ratio"]), shrink * patch(body))
        time = _first(vae, ("scale_factor_temporal", "temporal_compression_ratio"), otherwise.time)
        shrink = _first(vae, ("scale_factor_spatial", "spatial_compression_ratio"), 0)
        return Rules(time, shrink * patch(body) if shrink else otherwise.space)

    def trained(self, otherwise: Profile, rules: Rules) -> tuple[tuple[int, int], int]:
        """Return the size (height, width) [px] and most frames that are configured, or `otherwise`."""
        body = self.config("transformer")
        frames = self.config("unet").get("num_frames", body.get("sample_frames", otherwise.frames))
        height, width = body.get("sample_height"), body.get("sample_width")
        if not (body.get("use_learned_positional_embeddings") and height and width):
            return otherwise.size, int(frames)
        shrink = rules.space // patch(body)
        return (height * shrink, width * shrink), int(frames)

    def parameters(self) -> int:
        """Return how many numbers the safetensors of the folder hold, from their headers."""
        return sum(_numbers(p) for p in sorted(self.path.rglob("*.safetensors")))

    def check(self, allow_pickle: bool) -> None:
        """Raise UsageError for a folder that would run code, or holds pickles that nobody allowed."""
        for name, (library, kind) in self.components.items():
            if kind == "CosmosSafetyChecker":
                continue  # diffusers' own, whatever module it was saved from
            if library not in ("diffusers", "transformers"):
                raise UsageError(
                    f"{self.path}/model_index.json takes {name} ({kind}) from {library!r}, which is code "
                    "of its own; only classes of diffusers and transformers are loaded"
                )
        pickled = sorted(p for p in self.path.rglob("*") if p.suffix in PICKLES and p.is_file())
        safe = any(self.path.rglob("*.safetensors"))
        if pickled and not safe and not allow_pickle:
            raise UsageError(
                f"{self.path} holds its weights pickled ({pickled[0].relative_to(self.path)}) and not as "
                "safetensors; convert them with `save_pretrained`, or, where you trust their author, "
                "`--set allow-pickle=yes`"
            )


def opened(path: Path) -> Folder:
    """Return what the small files of a folder say.

    Raises:
        UsageError: it is no pipeline folder, or one of its files is not what it should be.
    """
    index = path / "model_index.json"
    if not index.is_file():
        raise UsageError(
            f"{path} has no model_index.json; expected a folder as diffusers' `save_pretrained` writes it "
            "(a repository in the diffusers layout, often called ...-Diffusers)"
        )
    said = _object(index)
    kind = said.get("_class_name")
    if not isinstance(kind, str):
        raise UsageError(
            f"{index} names its class as {kind!r}; expected a class of diffusers, not code of its own"
        )
    components = {
        name: (str(value[0]), str(value[1]))
        for name, value in said.items()
        if isinstance(value, list) and len(value) == 2 and value[0] is not None
    }
    extra = path / "wmeval.json"
    options = {k: _word(v) for k, v in _object(extra).items()} if extra.is_file() else {}
    return Folder(path, kind, components, options, _licence(path / "README.md"))


def patch(config: Mapping[str, Any]) -> int:
    """Return the larger side [latent px] of a transformer's patches, from its configuration.

    Cosmos 3, which calls it `latent_patch_size`, fills up what is no whole patch.
    """
    size = config.get("patch_size", 1)
    if isinstance(size, (list, tuple)):
        return int(max(size[-2:]))
    return int(size or 1)


def _first(config: Mapping[str, Any], names: tuple[str, ...], otherwise: int) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    return otherwise


def _object(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} is over {MOST_BYTES >> 20} MB; a configuration is a few kB")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise UsageError(f"{path} is no JSON: {fault}") from fault
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds a {type(value).__name__}; expected a JSON object")
    return value


def _word(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _licence(path: Path) -> str:
    """Return the licence tag that a model card's head (YAML between two lines of ---) gives, or nothing."""
    if not path.is_file():
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(1 << 16)
    head = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    if not head:
        return ""
    found = dict(re.findall(r"^(license|license_name):[ \t]*['\"]?([\w.+ -]+?)['\"]?[ \t]*$", head[1], re.M))
    return str(found.get("license_name") or found.get("license", ""))


def _numbers(path: Path) -> int:
    """Return how many numbers a safetensors file holds; its head is JSON after 8 bytes of length."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= MOST_HEADER:
            raise UsageError(f"{path} is no safetensors file: its head would be {size} bytes")
        try:
            head = json.loads(file.read(size))
        except ValueError as fault:
            raise UsageError(f"{path} is no safetensors file: {fault}") from fault
    total = 0
    for name, tensor in head.items():
        if name != "__metadata__":
            count = 1
            for side in tensor["shape"]:
                count *= int(side)
            total += count
    return total
