"""What JSON must look like, said by small functions that raise with the name of what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from wmeval.errors import UsageError
from wmeval.submission.limits import Limits

Shape = Callable[[Any, str], None]  # (value, where it stands): raises UsageError
WORD = r"[A-Za-z0-9][A-Za-z0-9 ._:+=|-]{0,99}"
NAME = rf"{WORD}@[0-9A-Za-z.+-]{{1,20}}"  # name@version
DIGEST = r"[0-9a-f]{64}"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def read(data: bytes, name: str, limits: Limits) -> Any:
    """Return a JSON document of bounded depth, count of values and length of strings, without NaN.

    Raises:
        UsageError: it is none.
    """
    # each value costs far more memory than its characters, so they are bounded before any is made
    if sum(data.count(mark) for mark in (b",", b"[", b"]", b"{", b"}")) > 2 * limits.values:
        raise UsageError(f"{name} has more than {limits.values} values; hand in a smaller run")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as fault:
        raise UsageError(f"{name} is no JSON document ({str(fault)[:200]}); hand the run in again") from fault
    count, level, depth = 0, [value], 0
    while level:
        depth += 1
        inner: list[Any] = []
        for one in level:
            count += 1
            if isinstance(one, str):
                _check_text(one, name, limits)
            elif isinstance(one, Mapping):
                for key in one:
                    _check_text(key, name, limits)
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if depth > limits.depth or count + len(inner) > limits.values:
            raise UsageError(
                f"{name} is nested deeper than {limits.depth} levels or has more than {limits.values} values"
            )
        level = inner
    return value


def text(pattern: str = "", most: int = 2000) -> Shape:
    """Return the shape of a string that matches a pattern as a whole."""
    wanted = re.compile(pattern) if pattern else None

    def shape(value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > most or (wanted and not wanted.fullmatch(value)):
            like = f" that matches {pattern}" if pattern else ""
            raise _wrong(value, where, f"text of at most {most} characters{like}")

    return shape


def number(lo: float = -math.inf, hi: float = math.inf) -> Shape:
    """Return the shape of a finite number in [lo, hi]."""

    def shape(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lo <= value <= hi:
            raise _wrong(value, where, f"a number from {lo:g} to {hi:g}")

    return shape


def whole(lo: int = 0, hi: int = 1 << 53) -> Shape:
    """Return the shape of a whole number in [lo, hi]."""

    def shape(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not lo <= value <= hi:
            raise _wrong(value, where, f"a whole number from {lo} to {hi}")

    return shape


def flag(value: Any, where: str) -> None:
    """Raise unless the value is true or false."""
    if not isinstance(value, bool):
        raise _wrong(value, where, "true or false")


def anything(value: Any, where: str) -> None:
    """Take any value; `read` has bounded it."""


def exactly(*values: Any) -> Shape:
    """Return the shape of one of some values."""

    def shape(value: Any, where: str) -> None:
        if not any(type(value) is type(v) and value == v for v in values):
            raise _wrong(value, where, " or ".join(map(json.dumps, values)))

    return shape


def optional(of: Shape) -> Shape:
    """Return the shape of null or something."""

    def shape(value: Any, where: str) -> None:
        if value is not None:
            of(value, where)

    return shape


def many(of: Shape, most: int = 20_000) -> Shape:
    """Return the shape of a list of at most so many."""

    def shape(value: Any, where: str) -> None:
        if not isinstance(value, list) or len(value) > most:
            raise _wrong(value, where, f"a list of at most {most}")
        for i, one in enumerate(value):
            of(one, f"{where}[{i}]")

    return shape


def named(of: Shape, most: int = 1000) -> Shape:
    """Return the shape of an object of any names."""

    def shape(value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            raise _wrong(value, where, f"an object of at most {most} entries")
        for name, one in value.items():
            of(one, f"{where}.{name[:80]}")

    return shape


def fields(**wanted: Shape) -> Shape:
    """Return the shape of an object with at least these fields; others may stand beside them."""

    def shape(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, where, f"an object with {', '.join(wanted)}")
        for name, of in wanted.items():
            if name not in value:
                raise UsageError(f"{where} has no {name!r}; hand in the files as `wmeval run` wrote them")
            of(value[name], f"{where}.{name}")

    return shape


def _wrong(value: Any, where: str, wanted: str) -> UsageError:
    return UsageError(f"{where} is {json.dumps(value)[:120]}; expected {wanted}")


def _check_text(value: str, name: str, limits: Limits) -> None:
    if len(value) > limits.text:
        raise UsageError(f"{name} has a text of {len(value)} characters; at most {limits.text} are taken")
    if found := _CONTROL.search(value):
        raise UsageError(f"{name} has a text with the control character U+{ord(found[0]):04X}; remove it")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON; null says that there is no number")


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word[:40]} is larger than any number here")
    return value
