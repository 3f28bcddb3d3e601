"""A Request is what was asked of a run, in plain values, named alike in Python and on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from wmeval.camera import View
from wmeval.errors import UsageError
from wmeval.seeds import asked_by
from wmeval.suite import Instrument


@dataclass(frozen=True)
class Request:
    """What to ask of which model, and how to go about it.

    `identity` is the part that says what the results mean; the rest says how they are come by.
    """

    model: str
    suite: str = "quick"
    probes: tuple[str, ...] | None = None  # in place of the suite's; names or "file.py:NAME"
    instruments: tuple[Instrument, ...] | None = None  # in place of the suite's
    weights: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None  # cases of each probe and tag; fewer than the suite's make the run partial
    seed: int = 0  # of the model's sampling; scenes do not depend on it
    replicates: int = 1
    device: str = "auto"
    executor: str = "local"
    workers: int | str = "auto"
    fail_on_error: float = 0  # a count of samples, or below 1 a share of them
    view: View | None = None  # in place of the one that the model's card states
    truth: str | None = None  # recordings in place of scenes: a folder, an HDF5 file or "gym:ENV"
    tasks: tuple[str, ...] | None = None  # in place of the suite's; names or "file.py:NAME"
    budgets: tuple[int, ...] | None = None  # of control, in place of the suite's
    hidden: str = ""  # commitment to the secret that its scenes are drawn by; "" of public ones

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit was given as {self.limit}; expected at least 1 case")
        for name in self.instruments or ():
            if name not in get_args(Instrument):
                known = ", ".join(get_args(Instrument))
                raise UsageError(f"--instrument was given as {name!r}; expected one of {known}")
        if any(budget < 2 for budget in self.budgets or ()):
            raise UsageError(f"--budget was given as {min(self.budgets or ())}; expected at least 2")
        if self.replicates < 1:
            raise UsageError(f"--replicates was given as {self.replicates}; expected at least 1")
        if isinstance(self.workers, str) and self.workers != "auto":
            raise UsageError(f"--workers was given as {self.workers!r}; expected auto or a number")
        if isinstance(self.workers, int) and self.workers < 1:
            raise UsageError(f"--workers was given as {self.workers}; expected at least 1")
        if self.fail_on_error < 0:
            raise UsageError(f"--fail-on-error was given as {self.fail_on_error}; expected 0 or more")
        if self.hidden and self.executor != "inline":
            raise UsageError(
                f"hidden scenes were to be asked by {self.executor!r}, and the secret that draws them stays "
                "in this process; ask with executor='inline'"
            )

    def drawable(self) -> None:
        """Check that what is drawn now are the scenes that this request asks.

        Raises:
            UsageError: they are hidden and another secret draws now or none, or the other way round.
        """
        if self.hidden != asked_by():
            told = f"hidden by {self.hidden[:12]}" if self.hidden else "public"
            now = f"those of {asked_by()[:12]}" if asked_by() else "public ones"
            raise UsageError(
                f"the scenes of this run are {told}, and {now} are drawn now; open it within "
                "`wmeval.run.hidden.hidden(secret)` of its own secret, and public runs outside of it"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for two commands to write into one folder."""
        planned: dict[str, Any] = {
            k: list(v) for k in ("tasks", "budgets") if (v := getattr(self, k)) is not None
        }
        if self.hidden:
            planned["hidden"] = self.hidden
        return {
            "model": self.model,
            "suite": self.suite,
            "probes": list(self.probes) if self.probes is not None else None,
            "instruments": list(self.instruments) if self.instruments is not None else None,
            "weights": self.weights,
            "options": dict(self.options),
            "seed": self.seed,
            "replicates": self.replicates,
            "view": asdict(self.view) if self.view else None,
            "truth": self.truth,
            **planned,  # left out where not given, so that folders of other runs keep their names
        }

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        values = asdict(self)
        for name in ("probes", "instruments", "tasks", "budgets"):
            values[name] = list(values[name]) if values[name] is not None else None
        if not self.hidden:
            del values["hidden"]
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """Return the request that `to_json` described."""
        view = View(**data["view"]) if data["view"] else None
        lists = ("probes", "instruments", "tasks", "budgets")
        named = {k: tuple(v) for k in lists if (v := data.get(k)) is not None}
        return cls(**{**data, **named, "view": view})

    def command(self, out: Path) -> str:
        """Return the command line that continues this request in the folder `out`."""
        words = ["wmeval", "run", "--model", self.model, "--suite", self.suite]
        if self.truth is not None:
            words += ["--truth", self.truth]
        for name in self.probes or ():
            words += ["--probe", name]
        for instrument in self.instruments or ():
            words += ["--instrument", instrument]
        for name in self.tasks or ():
            words += ["--task", name]
        for budget in self.budgets or ():
            words += ["--budget", str(budget)]
        for key, value in self.options.items():
            words += ["--set", f"{key}={value}"]
        base = Request(self.model)
        for option in ("weights", "limit", "seed", "replicates", "device", "executor", "workers"):
            if getattr(self, option) != getattr(base, option):
                words += [f"--{option}", str(getattr(self, option))]
        if self.fail_on_error:
            words += ["--fail-on-error", f"{self.fail_on_error:g}"]
        return shlex.join([*words, "--out", str(out)])
