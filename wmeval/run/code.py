"""What code determines a result: digests of sources, so that an edited measure never meets old numbers."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from functools import cache
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError


@cache
def source_digest(*modules: str) -> str:
    """Return the SHA-256 over the Python sources of modules and packages, importing none of them.

    It is taken once a process: what is edited later is not what this process has imported.

    >>> source_digest("wmeval.errors") == source_digest("wmeval.errors")
    True
    """
    sha = hashlib.sha256()
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise UsageError(f"the module {name} is not installed whole; reinstall wmeval")
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        for file in files:
            sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


def defined_in(value: Any) -> str:
    """Return the SHA-256 of the file that defines a function or class."""
    return hashlib.sha256(Path(inspect.getfile(value)).read_bytes()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names."""
    sha = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            sha.update(str(file.relative_to(path)).encode() + b"\0")
        with open(file, "rb") as data:
            while chunk := data.read(1 << 20):
                sha.update(chunk)
    return sha.hexdigest()
