"""Names to things: entry points read lazily, files by path; built-ins and plugins use the same door.

Listing imports nothing. A plugin that cannot be imported is one sentence when it is asked for, and
every other name keeps working.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, SelectableGroups, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmeval.errors import UsageError, WmevalError, unknown

if TYPE_CHECKING:
    from wmeval.metric import Extractor, Metric, SetMetric
    from wmeval.model import Adapter, WorldModel
    from wmeval.probe import Probe
    from wmeval.references import Reference
    from wmeval.suite import Split, Suite
    from wmeval.task import Task

# reserved: `--model` means these before any adapter, and adapters may not take them
REFERENCE_NAMES = ("oracle", "freeze", "vanish", "blur", "linear", "noise")
# the truth with one fault; `--model organism:NAME[=STRENGTH]`
ORGANISM_NAMES = tuple(
    f"organism:{name}"
    for name in (
        "low-gravity", "no-collisions", "leaky-walls", "forgetful", "vanishing", "teleporting",
        "slow-motion", "ignores-actions", "hue-drift", "size-drift", "super-bounce", "frictionless",
        "restless", "late-reaction", "unstable-towers", "mean-of-futures", "forgetful-camera",
    )
)  # fmt: skip
# kind -> (entry-point group, the name that a file's value goes by)
KINDS: Mapping[str, tuple[str, str]] = {
    "models": ("wmeval.adapters", "ADAPTER"),
    "probes": ("wmeval.probes", "PROBE"),
    "suites": ("wmeval.suites", "SUITE"),
    "metrics": ("wmeval.metrics", "METRIC"),
    "features": ("wmeval.features", "FEATURES"),
    "splits": ("wmeval.splits", "SPLIT"),
    "tasks": ("wmeval.tasks", "TASK"),
}


@dataclass(frozen=True)
class Entry:
    """One registered name: where its value is, and which installed distributions offer it."""

    name: str
    points: tuple[EntryPoint, ...]

    @property
    def origin(self) -> str:
        """Distribution and version: "wmeval 0.1.0"."""
        return ", ".join(f"{p.dist.name} {p.dist.version}" if p.dist else p.value for p in self.points)

    def load(self, kind: str) -> Any:
        """Return the value, importing its module now.

        Raises:
            UsageError: two distributions offer the name, or its module cannot be imported.
        """
        if len(self.points) > 1:
            raise UsageError(
                f"the {kind[:-1]} {self.name!r} is offered by {' and by '.join(self.origin.split(', '))}; "
                "uninstall one of them"
            )
        try:
            return self.points[0].load()
        except WmevalError:
            raise
        except Exception as fault:
            raise UsageError(
                f"the {kind[:-1]} {self.name!r} of {self.origin} cannot be imported from "
                f"{self.points[0].value}: {type(fault).__name__}: {fault}; "
                "reinstall or uninstall that package"
            ) from fault


def entries(kind: str) -> dict[str, Entry]:
    """Return what is registered of a kind of KINDS, by name, importing none of it."""
    return dict(_entries(kind, tuple(sys.path)))


@cache
def _entries(kind: str, path: tuple[str, ...]) -> Mapping[str, Entry]:
    """Order what is on `path`, once: whose name comes first takes reading the metadata of each again."""
    found: dict[str, list[EntryPoint]] = {}
    for point in _points(path).select(group=KINDS[kind][0]):
        found.setdefault(point.name, []).append(point)
    order = {
        name: sorted(points, key=lambda p: (p.dist and p.dist.name) or "") for name, points in found.items()
    }
    return {name: Entry(name, tuple(points)) for name, points in sorted(order.items())}


@cache
def _points(path: tuple[str, ...]) -> SelectableGroups:
    """Read the metadata on `path`, once for each path: it takes 0.08 s."""
    return entry_points()


def listing(kind: str | None = None, *, check: bool = False) -> dict[str, list[dict[str, str]]]:
    """Return kind -> rows of {"name", "from", "problem"}; `check` imports each and says what is broken.

    Raises:
        UsageError: there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"nothing of kind {kind!r} can be listed; expected one of {', '.join(KINDS)}")
    table = {}
    for of in [kind] if kind else KINDS:
        rows = []
        if of == "models":
            rows = [{"name": n, "from": "reference", "problem": ""} for n in REFERENCE_NAMES]
            rows += [{"name": n, "from": "the truth with one fault", "problem": ""} for n in ORGANISM_NAMES]
        for entry in entries(of).values():
            rows.append({"name": entry.name, "from": entry.origin, "problem": _problem(of, entry, check)})
        table[of] = rows
    return table


def load_probe(name: str | Path) -> Probe:
    """Return a probe by its registered name, or from "path/file.py" (its PROBE) or "file.py:NAME".

    Raises:
        UsageError: no such name or file, or what is there is no Probe.
    """
    from wmeval.probe import Probe

    probe: Probe = _load("probes", str(name), Probe)
    return probe


def load_suite(name: str | Path) -> Suite:
    """Return a suite by "quick" or "quick@0.1", or from a file; see `load_probe`.

    Raises:
        UsageError: no such suite, or it is installed in another version.
    """
    from wmeval.suite import Suite

    suite: Suite = _versioned("suites", str(name), Suite)
    return suite


def load_split(name: str | Path) -> Split:
    """Return a split of scenes to train on by "train" or "train@0.1"; see `load_suite`."""
    from wmeval.suite import Split

    split: Split = _versioned("splits", str(name), Split)
    return split


def load_metric(name: str) -> Metric | SetMetric:
    """Return a metric by its registered name or from a file; see `load_probe`."""
    from wmeval.metric import Metric, SetMetric

    return _load("metrics", name, Metric, SetMetric)  # type: ignore[no-any-return]


def load_task(name: str | Path) -> Task:
    """Return a planning task by its registered name or from a file; see `load_probe`."""
    from wmeval.task import Task

    task: Task = _load("tasks", str(name), Task)
    return task


def load_features(name: str) -> Extractor:
    """Return a feature extractor, not opened yet, by its registered name; see `load_probe`."""
    from wmeval.metric import Extractor

    extractor: Extractor = _load("features", name, Extractor)
    return extractor


def load_adapter(name: str | Path) -> Adapter:
    """Return the adapter of a model family, its model not loaded yet; see `load_probe`.

    Raises:
        UsageError: no such adapter, or a plugin took the reserved name of a reference.
    """
    from wmeval.model import Adapter

    if name in REFERENCE_NAMES and (taken := entries("models").get(str(name))):
        raise UsageError(f"{taken.origin} calls a model {name!r}, a name kept for a reference; rename it")
    adapter: Adapter = _load("models", str(name), Adapter)
    return adapter


def load_model(
    name: str | Path,
    weights: str | Path | None = None,
    device: str = "cpu",
    options: Mapping[str, str] | None = None,
) -> WorldModel | Reference:
    """Return a model ready to be asked; the reserved names of references come before adapters.

    Raises:
        UsageError: no such model or option, or something was given that a reference has no use for.
        EnvironmentFault: the weights are not there.
    """
    given = dict(options or {})
    if is_reference(name):
        if weights is not None or given:
            raise UsageError(f"the reference {name!r} has no weights or options; leave them out")
        return load_reference(str(name))
    adapter = load_adapter(name)
    check_options(adapter, given)
    return adapter.load(weights_path(weights), device, given)


def is_reference(name: str | Path) -> bool:
    """Return whether a model's name is kept for a reference or an organism."""
    return name in REFERENCE_NAMES or str(name).startswith("organism:")


def load_reference(name: str) -> Reference:
    """Return the reference of a reserved name; like all that is asked for by name, it is imported now.

    Raises:
        UsageError: no organism goes by that name, or it has no such strength.
    """
    if name.startswith("organism:"):
        made: Reference = EntryPoint(name, "wmeval.organisms:organism", "").load()(name)
        return made
    reference: Reference = EntryPoint(name, "wmeval.references:REFERENCES", "").load()[name]
    return reference


def check_options(adapter: Adapter, given: Mapping[str, str]) -> None:
    """Raise UsageError for an option that the adapter does not have; "*" leaves that to its `load`."""
    for option in given if "*" not in adapter.options else ():
        if option not in adapter.options:
            has = ", ".join(sorted(adapter.options)) or "no options"
            raise UsageError(f"the model {adapter.card.name!r} has no option {option!r}; it has {has}")


def weights_path(weights: str | Path | None) -> Path | None:
    """Return the file or folder of weights that was given; a repository (`hf:...`) is downloaded.

    Raises:
        UsageError: nothing is there.
        EnvironmentFault: a repository cannot be reached.
    """
    if weights is None:
        return None
    if str(weights).startswith("hf:"):
        from wmeval.hub import fetched

        return fetched(str(weights))
    path = Path(weights).expanduser()
    if not path.exists():
        raise UsageError(f"weights were given as {str(weights)!r}, but no file or folder is there")
    return path.resolve()


def _problem(kind: str, entry: Entry, check: bool) -> str:
    if kind == "models" and entry.name in REFERENCE_NAMES:
        return "takes a name that is kept for a reference"
    if len(entry.points) > 1:
        return "the name is offered twice"
    if check:
        try:
            entry.load(kind)
        except WmevalError as fault:
            return str(fault)
    return ""


def _versioned(kind: str, name: str, wanted: type) -> Any:
    bare, _, version = name.partition("@")
    value = _load(kind, bare, wanted)
    if version and value.version != version:
        raise UsageError(
            f"{kind[:-1]} {name!r} was asked for; installed is {value.key}: ask for that, or install the "
            f"package version that holds {name}"
        )
    return value


def _load(kind: str, name: str, *wanted: type) -> Any:
    if name.endswith(".py") or ".py:" in name:
        value, place = _from_file(kind, name), name
    else:
        known = entries(kind)
        if name not in known:
            extra: Iterable[str] = (*REFERENCE_NAMES, *ORGANISM_NAMES) if kind == "models" else ()
            raise unknown(kind[:-1], name, [*known, *extra])
        value, place = known[name].load(kind), known[name].points[0].value
    if wanted and not isinstance(value, wanted):
        names = " or ".join(w.__name__ for w in wanted)
        raise UsageError(f"{place} holds a {type(value).__name__}; a {kind[:-1]} is a {names}")
    return value


def _from_file(kind: str, name: str) -> Any:
    text, _, attribute = name.partition(".py:")
    path = Path(text if text.endswith(".py") else text + ".py").expanduser().resolve()
    attribute = attribute or KINDS[kind][1]
    if not path.is_file():
        raise UsageError(f"{name!r} names a Python file, but there is no file {path}")
    module = _module(path, path.stat().st_mtime_ns)
    if not hasattr(module, attribute):
        public = [n for n in vars(module) if n.isupper()]
        near = f"it defines {', '.join(public)}" if public else "it defines no name in capitals"
        raise UsageError(f"{path} has no {attribute}; {near} (`{path.name}:NAME` asks for another)")
    return getattr(module, attribute)


@cache
def _module(path: Path, changed_ns: int) -> Any:
    name = f"wmeval_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses with postponed annotations look their module up here
    try:
        spec.loader.exec_module(module)
    except WmevalError:
        raise
    except Exception as fault:
        sys.modules.pop(name, None)
        steps = traceback.extract_tb(fault.__traceback__)
        line = next((f":{s.lineno}" for s in reversed(steps) if s.filename == str(path)), "")
        raise UsageError(f"{path}{line} cannot be imported: {type(fault).__name__}: {fault}") from fault
    return module
