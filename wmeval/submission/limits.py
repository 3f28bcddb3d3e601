"""How large, how many and how deep the files of a submission may be."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What is taken at most; the defaults hold a large model's answers to the largest suite."""

    parts: int = 60_000
    part: int = 64 * MIB  # bytes of one file
    whole: int = 2048 * MIB  # bytes of all files
    document: int = 16 * MIB  # bytes of manifest.json and of results.json
    record: int = 8 * MIB  # bytes of the record of one unit
    unpacked: int = 512 * MIB  # bytes of all arrays of one file
    arrays: int = 64  # in one file
    depth: int = 24  # of JSON
    values: int = 1_000_000  # of one JSON document
    text: int = 16_384  # characters of one string
    frames: int = 4096  # of one video
