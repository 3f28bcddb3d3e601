"""Options that several commands share, so that each has one name, one form and one mistake."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def as_json(function: Function) -> Function:
    """Add `--json`: print JSON on stdout instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def settings(function: Function) -> Function:
    """Add `--set key=value`, given any number of times, as the mapping `options`."""
    option = click.option(
        "--set", "options", multiple=True, metavar="KEY=VALUE", callback=pairs,
        help="An option of the model (`wmeval describe NAME` lists them); repeat for more.",
    )  # fmt: skip
    return option(function)


def device(function: Function) -> Function:
    """Add `--device auto|cpu|cuda|cuda:N`."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]",
        help="Where the model computes.",
    )(function)  # fmt: skip


def out(help: str, *, required: bool = False) -> Callable[[Function], Function]:
    """Return the option `--out PATH`."""
    return click.option("--out", type=click.Path(path_type=Path), required=required, help=help)


run_folder = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))


def print_json(value: Any) -> None:
    """Print one JSON document; NaN is refused, since readers of JSON do."""
    click.echo(json.dumps(value, indent=2, allow_nan=False, default=str))


class CountOr(click.ParamType[Any]):
    """A whole number of at least `least`, or one word such as `auto`."""

    def __init__(self, word: str, least: int = 1) -> None:
        self.word, self.least = word, least
        self.name = f"{word}|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number or the word."""
        if value == self.word or isinstance(value, int):
            return value  # type: ignore[no-any-return]
        if str(value).isdecimal() and int(value) >= self.least:
            return int(value)
        self.fail(
            f"{value!r} is neither {self.word!r} nor a whole number of at least {self.least}", param, ctx
        )


def processes(workers: int | str) -> int:
    """Return how many processes `--workers` means: one a core for auto."""
    return workers if isinstance(workers, int) else len(os.sched_getaffinity(0))


def pairs(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Mapping[str, str]:
    """Return `KEY=VALUE`s as a mapping, as a callback of an option."""
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(
                f"{text!r} was given; expected KEY=VALUE, as in --set steps=8", ctx, param
            )
        found[key] = value
    return found
