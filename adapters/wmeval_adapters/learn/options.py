"""What is asked of a training run: options that exist, and the folder of clips that all of them need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wmeval.errors import UsageError


def data_folder(name: str, options: Mapping[str, str], known: Sequence[str]) -> Path:
    """Return the folder of clips that options name, for the model that goes by `name`.

    Raises: UsageError where there is none, or an option that is not among the known ones.
    """
    for option in options:
        if option not in known:
            raise UsageError(f"training {name} has no option {option!r}; it has {', '.join(known)}")
    if "data" not in options:
        raise UsageError(f"training {name} needs a folder of clips: --set data=FOLDER (`wmeval data make`)")
    return Path(options["data"])
