"""What of a run is handed in: manifest, results, and per unit what the model made; no truth, no judgement.

Truths and measurements are left behind, since whoever re-scores a run makes its own. Each file is a Part by
the name that it has in the run's folder; the root of the Merkle tree over all of them names the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmeval.errors import UsageError
from wmeval.run.code import file_digest
from wmeval.run.folder import Run
from wmeval.seeds import canonical_json
from wmeval.submission.limits import Limits

MANIFEST, RESULTS = "manifest.json", "results.json"
MADE = ("prediction", "codec", "context")  # entries of an arm that name a blob which the model made
_HEX = re.compile(r"[0-9a-f]{64}")
# no other name is ever written, so none can leave the folder, be a link or hide
_NAME = re.compile(
    r"manifest\.json|results\.json"
    r"|units/([0-9a-f]{2})/\1[0-9a-f]{62}\.json|blobs/([0-9a-f]{2})/\2[0-9a-f]{62}\.npz"
)


@dataclass(frozen=True)
class Part:
    """One file: its name in the run's folder, the SHA-256 of its bytes, and how many there are."""

    path: str
    digest: str
    size: int


def unit_path(key: str) -> str:
    """Return the name of a unit's record."""
    return f"units/{key[:2]}/{key}.json"


def blob_path(digest: str) -> str:
    """Return the name of the file of arrays whose content has this digest (`store.content_digest`)."""
    return f"blobs/{digest[:2]}/{digest}.npz"


def made(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the digests of the blobs that a model made for a unit, as its generate record names them."""
    for sample in record["samples"]:
        if sample.get("readout"):
            yield sample["readout"]
        for arm in sample["arms"].values():
            yield from (arm[name] for name in MADE if arm.get(name))


def parts_of(run: Run) -> list[Part]:
    """Return the files of a run that are handed in, in the order of their names; the same every time.

    Raises:
        UsageError: a unit or a blob is missing, so the run is not finished.
    """
    names = {MANIFEST, RESULTS}
    for unit in run.units:
        if not run.store.has(unit.key):
            raise UsageError(f"unit {unit.key[:12]} of {run.path} is not finished; `wmeval run` continues it")
        names |= {unit_path(unit.key), *map(blob_path, made(run.store.read(unit.key)))}
    return [_part(run.path, name) for name in sorted(names)]


def check_list(parts: Sequence[Part], root: str, limits: Limits) -> None:
    """Check the names, sizes and number of parts, and that their root is this one.

    Raises:
        UsageError: something is wrong; the sentence names the first part of which it is.
    """
    if len(parts) > limits.parts:
        raise UsageError(f"the submission has {len(parts)} files; at most {limits.parts} are taken")
    for part in parts:
        if not _NAME.fullmatch(part.path):
            raise UsageError(
                f"the submission has a file named {part.path[:120]!r}; expected manifest.json, results.json, "
                "units/XX/KEY.json and blobs/XX/DIGEST.npz, as `wmeval submit` names them"
            )
        if not _HEX.fullmatch(part.digest):
            raise UsageError(f"{part.path} has digest {part.digest[:80]!r}; expected 64 hexadecimal digits")
        most = largest(part.path, limits)
        if not 0 < part.size <= most:
            raise UsageError(f"{part.path} has {part.size} bytes; between 1 and {most} are taken")
    names = [part.path for part in parts]
    if names != sorted(set(names)):
        raise UsageError("the files of the submission are not in the order of their names, or one is there "
                         "twice; `wmeval submit` lists them as is expected")  # fmt: skip
    for name in (MANIFEST, RESULTS):
        if name not in names:
            raise UsageError(f"the submission has no {name}; hand in the folder of a finished run")
    if (size := sum(part.size for part in parts)) > limits.whole:
        raise UsageError(f"the files of the submission have {size} bytes; at most {limits.whole} are taken")
    if root != (told := root_of(parts)):
        raise UsageError(
            f"the root of the submission's files is {told[:12]}, and {root[:12]!r} was given; send the list "
            "again as `wmeval submit` makes it"
        )


def largest(path: str, limits: Limits) -> int:
    """Return how many bytes a part of this name may have."""
    if path in (MANIFEST, RESULTS):
        return limits.document
    return limits.record if path.startswith("units/") else limits.part


def root_of(parts: Iterable[Part]) -> str:
    """Return the root (hex) of the Merkle tree (SHA-256, as in RFC 6962) over parts in the order of names.

    >>> one, two = Part("a", "0" * 64, 1), Part("b", "1" * 64, 2)
    >>> root_of([one, two]) == root_of([two, one]) != root_of([one])
    True
    """
    level = [
        hashlib.sha256(b"\0" + canonical_json([p.path, p.digest, p.size]).encode()).digest()
        for p in sorted(parts, key=lambda p: p.path)
    ]
    if not level:
        return hashlib.sha256().hexdigest()
    while len(level) > 1:
        # a node without a neighbour goes up as it is: doubled, it could stand for another list
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + p[0] + p[1]).digest() if len(p) == 2 else p[0] for p in pairs]
    return level[0].hex()


def _part(folder: Path, name: str) -> Part:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise UsageError(
            f"{path} is missing or no plain file; `wmeval run` with the same --out makes it again"
        )
    return Part(name, file_digest(path), path.stat().st_size)
