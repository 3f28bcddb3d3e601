"""A message is one npz: an array `header` that holds JSON as UTF-8 bytes, and plain arrays beside it.

What arrives is not trusted, whichever side it comes from. Nothing is unpickled or decompressed, and no array
is made before its shape has been multiplied out and found to be exactly the bytes that came.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 1
MEDIA = "application/x-npz"  # of every message but the card, which is JSON
MOST_BYTES = 256 << 20  # of one message, unless both sides are told otherwise
MOST_ARRAYS = 1024
MOST_HEADER = 1 << 20  # bytes of JSON
MOST_AXES = 5
_NPY_HEADER = 1024  # bytes of the text that names shape and dtype; numpy writes 128
DTYPES = tuple(np.dtype(t) for t in ("u1", "<i8", "<f2", "<f4", "<f8"))


class Malformed(ValueError):
    """A message that does not keep the protocol: what came, and what was expected."""


class TooLarge(Malformed):
    """A message above a limit of size."""


@dataclass(frozen=True)
class Message:
    """What is said, as JSON values, and the arrays that go with it; `items` is the header's list of them."""

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def items(self) -> list[Mapping[str, Any]]:
        """The samples of a batch, in order.

        Raises:
            Malformed: there is no such list.
        """
        told = self.header.get("items")
        if not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
            raise Malformed("the header has no list of objects under 'items'")
        return told

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Return an array by name; None in `shape` is any length.

        Raises:
            Malformed: it is not there, or is another.
        """
        wanted = f"{dtype} ({', '.join('any' if n is None else str(n) for n in shape)})"
        array = self.arrays.get(name)
        if array is None:
            raise Malformed(f"the array {name!r} is not there; expected {wanted}")
        fits = array.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if array.dtype != np.dtype(dtype) or not fits:
            raise Malformed(f"the array {name!r} is {array.dtype} {array.shape}; expected {wanted}")
        return array


def pack(message: Message) -> bytes:
    """Return the bytes of a message; the protocol's number is put into its header.

    Raises:
        Malformed: an array of a dtype that is not sent.
    """
    for name, array in message.arrays.items():
        if array.dtype not in DTYPES or array.ndim > MOST_AXES:
            raise Malformed(f"the array {name!r} is {array.dtype} {array.shape}; {_SENT}")
    text = json.dumps({"protocol": PROTOCOL, **message.header}, allow_nan=False).encode()
    out = io.BytesIO()
    arrays = {"header": np.frombuffer(text, np.uint8), **message.arrays}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return out.getvalue()


def unpack(data: bytes, most_bytes: int = MOST_BYTES) -> Message:
    """Return the message of some bytes; its arrays are new and may be written to.

    Raises:
        Malformed: they are no message, or one of another protocol. TooLarge: it is above a limit.
    """
    if len(data) > most_bytes:
        raise TooLarge(f"the message has {len(data)} bytes; at most {most_bytes} are taken")
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, most_bytes)
            for member in members:
                arrays[member.filename.removesuffix(".npy")] = npy_array(
                    member.filename, archive.read(member)
                )
    except Malformed:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as fault:
        raise Malformed(f"the message is no npz archive ({fault}); it starts with {data[:16]!r}") from fault
    return Message(header_of(arrays.pop("header", None)), arrays)


def header_of(array: NDArray[Any] | None) -> dict[str, Any]:
    """Return the JSON object in the array `header`.

    Raises:
        Malformed: there is none, or it is of another protocol.
    """
    if array is None or array.dtype != np.uint8 or array.ndim != 1 or array.size > MOST_HEADER:
        raise Malformed(
            f"the npz has no array 'header' of uint8 (any,), at most {MOST_HEADER} bytes of JSON as UTF-8"
        )
    return read_json(array.tobytes())


def read_json(data: bytes) -> dict[str, Any]:
    """Return a JSON object of this protocol.

    Raises:
        Malformed: it is something else, or of another protocol.
    """
    try:
        told = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"expected JSON and got {data[:40]!r} ({fault})") from fault
    if not isinstance(told, dict):
        raise Malformed(f"expected a JSON object and got {data[:40]!r}")
    if told.get("protocol") != PROTOCOL:
        raise Malformed(
            f"the message is of protocol {told.get('protocol')!r} and this side speaks {PROTOCOL}; "
            "install the same version of wmeval on both sides, or serve as docs/remote.md says"
        )
    return told


_SENT = f"expected one of {', '.join(d.name for d in DTYPES)}, little-endian, at most {MOST_AXES} axes"


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _check_members(members: list[zipfile.ZipInfo], most_bytes: int) -> None:
    """Raise before anything is read: what the directory claims is what will be allocated."""
    if len(members) > MOST_ARRAYS:
        raise TooLarge(f"the message has {len(members)} arrays; at most {MOST_ARRAYS} are taken")
    if sum(m.file_size for m in members) > most_bytes:
        raise TooLarge(f"the arrays of the message claim more than {most_bytes} bytes")
    names = [m.filename for m in members]
    if len(set(names)) < len(names):
        raise Malformed("the message has two arrays of one name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise Malformed(f"{member.filename!r} is compressed; write with np.savez, not savez_compressed")
        if not member.filename.endswith(".npy"):
            raise Malformed(f"{member.filename!r} is no .npy array")


def npy_header(name: str, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether in Fortran's order, dtype and size [bytes] that the head of a .npy file claims.

    The file is left where its values begin.

    Raises:
        Malformed: it is no such head, or one of arrays that are not taken.
    """
    try:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[version](file, max_header_size=_NPY_HEADER)
    except Exception as fault:  # of hostile text numpy raises whatever its parsers and tokenizers do
        raise Malformed(f"{name!r} is no .npy array of version 1 or 2 ({str(fault)[:200]})") from fault
    if dtype not in DTYPES or len(shape) > MOST_AXES:
        raise Malformed(f"{name!r} is {dtype.str} with {len(shape)} axes; {_SENT}")
    count = 1
    for length in shape:
        count *= length  # Python's numbers do not overflow
    if min(shape, default=0) < 0:
        raise Malformed(f"{name!r} claims shape {shape}; expected lengths of at least 0")
    return shape, fortran, dtype, count * dtype.itemsize


def npy_array(name: str, data: bytes) -> NDArray[Any]:
    """Return the array of a .npy file, once its shape is known to be exactly the bytes that follow.

    Raises:
        Malformed: it is not, or no .npy file.
    """
    file = io.BytesIO(data)
    shape, fortran, dtype, claimed = npy_header(name, file)
    there = len(data) - file.tell()
    if claimed != there:
        raise Malformed(f"{name!r} claims shape {shape} of {dtype.name}, {claimed} bytes; {there} bytes came")
    flat = np.frombuffer(data, dtype, claimed // dtype.itemsize, file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="C")
