"""Whether a set of files is a whole run that may be looked into: list, documents, records, then arrays.

Each step reads only what the one before has bounded. It says nothing of whether the run is good enough to be
handed in (`fit`), nor whether its questions are those of a season: only who asks them knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.run.units import Unit
from wmeval.submission import arrays
from wmeval.submission.arrays import Expected
from wmeval.submission.documents import Documents, read_documents, read_record
from wmeval.submission.limits import Limits
from wmeval.submission.parts import MADE, MANIFEST, RESULTS, Part, blob_path, check_list, made, unit_path

Opening = Callable[[Part], BinaryIO]  # the content of a part
Expectation = Mapping[str, Expected] | None  # None: any arrays of numbers
_FLOATS = ("float16", "float32", "float64")
_EPISODE = {  # of run.episode.Played: what is told of plans may be undefined, what was done may not
    "position": Expected(("float64",), (None, None, 3)), "actions": Expected(("float64",), (None, None)),
    "predicted": Expected(("float64",), (None, None), nan=True, infinite=True),
    "true": Expected(("float64",), (None, None), nan=True, infinite=True),
    "imagined": Expected(("float64",), (None, None, None, 3), nan=True, infinite=True),
    "calls": Expected(("int64",), (None,)),
}  # fmt: skip


def check(
    parts: Sequence[Part], root: str, opening: Opening, limits: Limits,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Documents:  # fmt: skip
    """Return the documents of a submission of which everything was looked at.

    Raises:
        UsageError: something is wrong; the sentence names the file.
    """
    check_list(parts, root, limits)
    by_path = {part.path: part for part in parts}
    manifest, results = (_read(by_path[name], opening) for name in (MANIFEST, RESULTS))
    documents = read_documents(manifest, results, limits)
    told = check_records(documents, parts, opening, limits)
    for done, (path, expected) in enumerate(told.items()):
        progress(done, len(told))
        with opening(by_path[path]) as file:
            for one in expected:
                arrays.read(file, path, one, limits)
    progress(len(told), len(told))
    return documents


def check_records(
    documents: Documents, parts: Sequence[Part], opening: Opening, limits: Limits
) -> dict[str, list[Expectation]]:
    """Return what each file of arrays must hold: the records of all units are there, and nothing beside.

    Raises:
        UsageError: a record is malformed, or names a file that is not there, or a file is named by none.
    """
    by_path = {part.path: part for part in parts}
    named = {MANIFEST, RESULTS}
    told: dict[str, list[Expectation]] = defaultdict(list)
    view = View(**documents.manifest["view"])
    for unit in documents.units:
        name = unit_path(unit.key)
        if name not in by_path:
            raise UsageError(f"the submission has no {name}; `wmeval run` with the same --out finishes it")
        record = read_record(_read(by_path[name], opening), unit, limits)
        named |= {name, *map(blob_path, made(record))}
        for path, expected in expectations(unit, record, view, limits):
            if path not in by_path:
                raise UsageError(f"{name} names {path}, which the submission does not hold; hand it in whole")
            if expected not in told[path]:
                told[path].append(expected)
    if strays := sorted(set(by_path) - named):
        raise UsageError(
            f"the submission holds {strays[0]}, which no record names, and {len(strays) - 1} more such; "
            "hand in the files that `wmeval submit` lists"
        )
    return told


def expectations(
    unit: Unit, record: Mapping[str, Any], view: View, limits: Limits
) -> list[tuple[str, Expectation]]:
    """Return the name and the content of each blob that the model made for a unit.

    Raises:
        UsageError: a sample claims more frames than are taken.
    """
    found: list[tuple[str, Expectation]] = []
    for sample in record["samples"]:
        if sample.get("readout"):
            found.append((blob_path(_digest(sample["readout"], unit)), None))
        for arm in sample["arms"].values():
            if arm["shown"] + arm["asked"] > limits.frames:
                raise UsageError(
                    f"{unit_path(unit.key)} has a video of {arm['shown'] + arm['asked']} frames; at most "
                    f"{limits.frames} are taken"
                )
            for role in MADE:
                if arm.get(role):
                    found.append((blob_path(_digest(arm[role], unit)), _expected(unit, role, arm, view)))
    return found


def _expected(unit: Unit, role: str, arm: Mapping[str, Any], view: View) -> Expectation:
    sides = (view.height, view.width, 3)
    if role == "codec":
        return {"frames": Expected(("uint8",), (arm["shown"] + arm["asked"], *sides))}
    if unit.instrument == "control":
        return _EPISODE
    if unit.instrument == "surprise":
        return {"surprise": Expected(("float64",), (arm["shown"],), nan=True)}
    fewest = 0 if arm["status"] == "partial" else None
    if role == "context":
        return {"latents": Expected(_FLOATS, (arm["shown"], None, None), fewest=1)}
    if unit.instrument == "imagination" or unit.arm == "latents":
        return {"latents": Expected(_FLOATS, (arm["asked"], None, None), fewest=fewest)}
    return {"frames": Expected(("uint8",), (arm["asked"], *sides), fewest=fewest)}


def _digest(value: Any, unit: Unit) -> str:
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise UsageError(
            f"{unit_path(unit.key)} names a blob {str(value)[:80]!r}; expected 64 hexadecimal digits"
        )
    return value


def _read(part: Part, opening: Opening) -> bytes:
    with opening(part) as file:
        return file.read(part.size)
