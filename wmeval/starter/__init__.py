"""What `wmeval new` writes: the two files beside this one, which are modules that run, with another name."""

from __future__ import annotations

import re
from pathlib import Path

from wmeval import registry
from wmeval.errors import UsageError

KINDS = {"probe": "probes", "adapter": "models"}  # file beside this one -> kind of the registry


def write(kind: str, name: str, folder: Path) -> Path:
    """Write the starter of a kind of KINDS as `folder`/NAME.py and return its path.

    Raises:
        UsageError: the name is no name, is taken, or a file is there already.
    """
    name = name.removesuffix(".py")
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} was given as a name; expected small letters, digits and hyphens, as in "
            f"`wmeval new {kind} free-fall`"
        )
    kept = registry.REFERENCE_NAMES if kind == "adapter" else ()
    if name in kept or name in registry.entries(KINDS[kind]):
        raise UsageError(f"the name {name!r} is taken (`wmeval list {KINDS[kind]}`); choose another")
    path = folder / f"{name}.py"
    text = (Path(__file__).parent / f"{kind}.py").read_text()
    title = "".join(part.title() for part in re.split("[_-]", name))
    text = re.sub(r"\bstarter\b", name, text).replace("Starter", title)
    try:
        with open(path, "x") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} is already there and is left as it is; choose another name or move it"
        ) from None
    return path
