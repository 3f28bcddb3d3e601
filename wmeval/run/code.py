"""What code determines a result: digests of sources, so that an edited measure never meets old numbers."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Iterator
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
    """Return the SHA-256 over the file that defines a function or class, and what that imports of its own.

    Its own are the modules of its package, or beside a file that is in none the files of the same folder.
    """
    sha = hashlib.sha256()
    for file in _with_imports(Path(inspect.getfile(value))):
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


@cache
def _with_imports(file: Path) -> tuple[Path, ...]:
    """Return a file and, in order of their paths, those of its own that it imports, and that they import."""
    top = file
    while (top.parent / "__init__.py").exists():
        top = top.parent
    found, todo = {file}, [file]
    while todo:
        new = set(_imported(todo.pop(), top)) - found
        found |= new
        todo += new
    return tuple(sorted(found))


def _imported(file: Path, top: Path) -> Iterator[Path]:
    """Yield the files below `top` (a package, or a lone file with its neighbours) that a file imports."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            within = file.parents[node.level - 1].relative_to(top.parent).parts if node.level else ()
            module = ".".join((*within, *([node.module] if node.module else ())))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            own = name.partition(".")[0] == top.name if top.is_dir() else name and "." not in name
            place = top.parent.joinpath(*name.split("."))
            for origin in (place.with_suffix(".py"), place / "__init__.py") if own else ():
                if origin.is_file():
                    yield origin


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
