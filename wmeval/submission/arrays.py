"""The npz files of a submission: nothing is unpacked before its head says that it is what was expected.

A head that claims a shape is held against the record that names the file, so that what is unpacked is never
more than what was asked of the model, however well it was compressed.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wmeval.errors import UsageError
from wmeval.remote.wire import Malformed, npy_array, npy_header
from wmeval.run.store import content_digest
from wmeval.submission.limits import Limits

Axes = tuple[int | None, ...]  # None = any length
_MEMBER = re.compile(r"[A-Za-z0-9_. -]{1,64}\.npy")
_HEAD = 1 << 11  # bytes, enough for magic, version, length and the text of at most 1 KiB
_END = struct.Struct("<4s4H2LH")  # the end of a zip's directory


@dataclass(frozen=True)
class Expected:
    """What one array must be. `fewest` and the first of `axes` bound the frames where some may be missing."""

    dtypes: tuple[str, ...]
    axes: Axes | None = None  # None = any
    nan: bool = False
    infinite: bool = False
    fewest: int | None = None  # along the first axis, of which `axes` then tells the most


def read(
    file: BinaryIO, name: str, expected: Mapping[str, Expected] | None, limits: Limits
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file that holds exactly what was expected (None: any numbers).

    `name` is the part's, which must be the digest of the content.

    Raises:
        UsageError: it is no such file, or larger than the limits.
    """
    try:
        arrays = _read(file, name, expected, limits)
    except Malformed as fault:
        raise UsageError(f"{name}: {fault}") from fault
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError,
            ValueError, struct.error) as fault:  # fmt: skip
        raise UsageError(
            f"{name} is no npz file of numpy ({str(fault)[:200]}); hand the run in again"
        ) from fault
    for key, array in arrays.items():
        if expected is not None and (why := _content(array, expected[key])):
            raise UsageError(f"{name}: the array {key!r} {why}")
    if content_digest(arrays) != name.rpartition("/")[2].removesuffix(".npz"):
        raise UsageError(f"{name} does not hold what its name is the digest of; hand the run in again")
    return arrays


def _read(
    file: BinaryIO, name: str, expected: Mapping[str, Expected] | None, limits: Limits
) -> dict[str, NDArray[Any]]:
    _check_end(file, limits)
    arrays: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        there = [m.filename for m in members]
        if expected is not None and sorted(there) != sorted(f"{k}.npy" for k in expected):
            raise Malformed(f"it holds {', '.join(there)[:200]}; expected {', '.join(expected)} and no more")
        if len(set(there)) < len(there):
            raise Malformed("it holds two arrays of one name")
        if (size := sum(m.file_size for m in members)) > limits.unpacked:
            raise Malformed(f"its arrays claim {size} bytes; at most {limits.unpacked} are taken")
        for member in members:
            key = member.filename.removesuffix(".npy")
            _check_member(archive, member, expected[key] if expected is not None else None)
            with archive.open(member) as packed:
                arrays[key] = npy_array(member.filename, packed.read(member.file_size + 1))
    return arrays


def _check_end(file: BinaryIO, limits: Limits) -> None:
    """Raise where the directory is not the plain one of a few arrays; zipfile would read any."""
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - _END.size - 20))
    tail = file.read()
    mark, _, _, _, count, size, start, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\5\6" or comment or b"PK\6\7" in tail[: -_END.size]:
        raise Malformed("it does not end as an npz file of numpy does")
    if count > limits.arrays or size > 512 * limits.arrays or start + size + _END.size != length:
        raise Malformed(
            f"its directory names {count} arrays in {size} bytes; at most {limits.arrays} are taken"
        )
    file.seek(0)


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, expected: Expected | None) -> None:
    """Raise before it is unpacked: what is inside must be what its head says, and that what is expected."""
    name = member.filename
    if not _MEMBER.fullmatch(name):
        raise Malformed(f"it holds {name[:80]!r}, which is no name of an array")
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Malformed(f"{name!r} is encrypted or packed in another way than numpy packs")
    with archive.open(member) as packed:
        head = io.BytesIO(packed.read(_HEAD))
    shape, _, dtype, claimed = npy_header(name, head)
    if head.tell() + claimed != member.file_size:
        raise Malformed(
            f"{name!r} claims shape {shape} of {dtype.name}, {claimed} bytes, in a file of {member.file_size}"
        )
    if expected is not None and (why := _form(shape, dtype, expected)):
        raise Malformed(f"{name!r} {why}")


def _form(shape: Sequence[int], dtype: np.dtype[Any], expected: Expected) -> str:
    axes = expected.axes
    fits = axes is None or len(shape) == len(axes)
    if fits and axes is not None:
        fits = all(most in (None, n) for n, most in list(zip(shape, axes, strict=True))[1:])
        if shape and fits:
            first, most = shape[0], axes[0]
            least = most if expected.fewest is None else expected.fewest
            fits = most is None or (least is not None and least <= first <= most)
    if fits and dtype.name in expected.dtypes:
        return ""
    some = "" if expected.fewest is None else f", at least {expected.fewest} of the first"
    wanted = "any shape" if axes is None else f"({', '.join('any' if n is None else str(n) for n in axes)})"
    return f"is {dtype.name} {tuple(shape)}; expected {' or '.join(expected.dtypes)} {wanted}{some}"


def _content(array: NDArray[Any], expected: Expected) -> str:
    if array.dtype.kind != "f":
        return ""
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    if nan and not expected.nan:
        return f"has {nan} values that are NaN; expected none"
    return f"has {infinite} infinite values; expected none" if infinite and not expected.infinite else ""
