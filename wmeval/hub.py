"""Weights by the name of a repository: `hf:ORG/NAME`, `hf:ORG/NAME@REVISION`, `hf:ORG/NAME/a/file@REVISION`.

The download is huggingface_hub's own, into its own cache, with its own token (HF_TOKEN). Of a whole
repository only configurations and safetensors are fetched; a file that is asked for by its path is fetched
whatever it is, and the adapter decides whether to open it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wmeval.errors import EnvironmentFault, UsageError

SMALL = (".json", ".txt", ".md", ".model", ".jinja", ".yaml")
WEIGHTS = ".safetensors"
_FORM = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:/([^@]+))?(?:@([\w./-]+))?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A repository, its revision where one was given, and a path inside it where one was."""

    repository: str
    revision: str | None = None
    inside: str | None = None

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"hf:{self.repository}{f'/{self.inside}' if self.inside else ''}{at}"


def source(text: str) -> Source:
    """Return what `hf:...` names.

    Raises:
        UsageError: it is not of that form, or its path leaves the repository.

    >>> source("hf:org/name@main")
    Source(repository='org/name', revision='main', inside=None)
    >>> source("hf:org/name/models/Breakout.pt").inside
    'models/Breakout.pt'
    """
    found = _FORM.fullmatch(text)
    if not found or ".." in PurePosixPath(found[2] or "").parts:
        raise UsageError(
            f"weights {text!r} are no repository; expected hf:ORG/NAME, hf:ORG/NAME/path/of/a/file, "
            "and @REVISION after either"
        )
    return Source(found[1], found[3], found[2])


def chosen(files: Sequence[str]) -> list[str]:
    """Return which files of a repository are fetched.

    Of a diffusers pipeline (one with model_index.json) its components and not what else lies there. Where
    plain weights lie beside variants of them (`model.fp16.safetensors`), the variants are left.

    >>> chosen(["a.bin", "config.json", "m.fp16.safetensors", "m.safetensors", "x.py"])
    ['config.json', 'm.safetensors']
    """
    piped = "model_index.json" in files
    out = []
    for name in sorted(files):
        path = PurePosixPath(name)
        if path.suffix not in (*SMALL, WEIGHTS) or any(p.startswith(".") for p in path.parts):
            continue
        if path.suffix == WEIGHTS:
            if piped and len(path.parts) == 1:
                continue  # the whole pipeline once more in one file
            if _plain(path) != path and any(_plain(path) == PurePosixPath(f) for f in files):
                continue
        out.append(name)
    return out


def fetched(text: str, cache: Path | None = None) -> Path:
    """Return the folder, or the file, that `hf:...` names, downloaded where it is not there yet.

    Without a network, what was downloaded before is taken.

    Raises:
        UsageError: no such repository, revision or file, or no safetensors in it.
        EnvironmentFault: it cannot be reached, or huggingface_hub is missing.
    """
    wanted = source(text)
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError as fault:
        raise EnvironmentFault(
            f"{wanted} needs huggingface_hub, which is not installed; `pip install 'wmeval[foundation]'`"
        ) from fault
    repository, revision = wanted.repository, wanted.revision
    try:
        if wanted.inside and PurePosixPath(wanted.inside).suffix:
            return Path(hub.hf_hub_download(repository, wanted.inside, revision=revision, cache_dir=cache))
        here = [f for f in hub.HfApi().list_repo_files(repository, revision=revision) if _within(f, wanted)]
        names = chosen(here)
        if not any(n.endswith(WEIGHTS) for n in names):
            raise UsageError(
                f"{wanted} holds no safetensors; give one of its files by its path, or download it yourself "
                f"(`hf download {repository}`) and give the folder"
            )
        folder = hub.snapshot_download(repository, revision=revision, allow_patterns=names, cache_dir=cache)
        return Path(folder) / (wanted.inside or "")
    except errors.GatedRepoError as fault:
        raise EnvironmentFault(
            f"{wanted} is given only to who accepted its licence; do so on its page and set HF_TOKEN"
        ) from fault
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as fault:
        raise UsageError(
            f"{wanted} is not there, or not public; check the name, and set HF_TOKEN where it is private"
        ) from fault
    except errors.RemoteEntryNotFoundError as fault:
        raise UsageError(f"{repository} has no file {wanted.inside!r}; check the path") from fault
    except UsageError:
        raise
    except Exception as fault:  # a network fails in more ways than can be named
        before = _downloaded(wanted, cache)
        if before is not None:
            return before
        why = (str(fault).strip().splitlines() or [""])[0]
        raise EnvironmentFault(
            f"{wanted} cannot be reached ({type(fault).__name__}: {why}); download it where there is a "
            f"network (`hf download {repository}`) and give the folder as --weights"
        ) from fault


def _within(name: str, wanted: Source) -> bool:
    return wanted.inside is None or PurePosixPath(name).is_relative_to(wanted.inside)


def _downloaded(wanted: Source, cache: Path | None) -> Path | None:
    """Return what lies in the cache of a repository, or None."""
    import huggingface_hub as hub

    try:
        folder = hub.snapshot_download(
            wanted.repository, revision=wanted.revision, cache_dir=cache, local_files_only=True
        )
    except Exception:
        return None
    path = Path(folder) / (wanted.inside or "")
    whole = path.is_file() or any(path.rglob(f"*{WEIGHTS}"))
    return path if whole else None


def _plain(path: PurePosixPath) -> PurePosixPath:
    """Return the name that weights have without their variant: "m.fp16.safetensors" is "m.safetensors"."""
    stem = re.sub(r"\.(?:fp16|bf16|fp32|fp8|non_ema)(?=$|-\d)", "", path.stem)
    return path.with_name(stem + path.suffix)
