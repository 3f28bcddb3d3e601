"""The JSON of a submission: what manifest, results and a unit's record must hold, and that they agree.

Only what is read on the other side is named here; what stands beside it is bounded by `shapes.read`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from wmeval.errors import UsageError
from wmeval.run.units import Unit
from wmeval.submission.limits import Limits
from wmeval.submission.parts import MANIFEST, RESULTS, unit_path
from wmeval.submission.shapes import (
    DIGEST,
    NAME,
    WORD,
    anything,
    exactly,
    fields,
    flag,
    many,
    named,
    number,
    optional,
    read,
    text,
    whole,
)
from wmeval.suite import Instrument

_LINE, _KEY, _DIGEST = text(WORD, 100), text(NAME, 120), text(DIGEST, 64)
_SHARE, _COUNT = optional(number(0, 1)), whole(0, 10_000_000)
_NUMBER = optional(number(-1e15, 1e15))  # what can be squared and summed
_INSTRUMENT = exactly(*get_args(Instrument))
_METRIC = text(r"[A-Za-z0-9][^<>\"'&\\]{0,199}", 200)  # fvd[r3d18-0f1e]
_TAG = text(r"[a-z0-9-]{0,40}", 40)

_VIEW = fields(
    fps=number(0.1, 1000), height=whole(1, 8192), width=whole(1, 8192), supersample=whole(1, 16),
    shadows=flag,
)  # fmt: skip
_CARD = fields(
    name=_LINE, family=_LINE, version=text(most=400), licence=text(most=400), source=text(),
    capabilities=many(_LINE, 20), view=_VIEW, context=many(whole(0, 1 << 30), 2),
    horizon=optional(whole(1, 1 << 30)), actions=fields(kind=_LINE, size=whole(0, 10_000), fidelity=_LINE),
    classes=many(text(most=200), 2), parameters=optional(whole()), deterministic=flag, max_batch=whole(1),
    causal=flag, reference=flag, notes=many(text(), 50),
)  # fmt: skip
_UNIT = fields(
    key=_DIGEST, probe=_KEY, given=text(most=1000), tag=_TAG, indices=many(whole(0, 1_000_000), 1000),
    case_ids=many(_DIGEST, 1000), replicate=whole(0, 10_000), instrument=_INSTRUMENT,
)  # fmt: skip
_NA = fields(probe=_KEY, instrument=_INSTRUMENT, tag=_TAG, reason=text(most=8000))
_MANIFEST = fields(
    schema=exactly(1), card=_CARD, suite=_KEY, view=_VIEW, weights=optional(_DIGEST),
    request=fields(
        model=text(most=1000), seed=whole(), replicates=whole(1, 10_000), options=named(text()),
        truth=optional(text()), instruments=optional(many(_INSTRUMENT, 10)),
        **dict.fromkeys(("probes", "tasks"), optional(many(text(), 200))),
        budgets=optional(many(whole(2), 20)), limit=optional(whole(1)), view=optional(_VIEW),
    ),
    metrics=many(text(most=400), 100), units=many(_UNIT, 100_000), na=many(_NA, 2000), partial=flag,
    wmeval=text(most=40), machine=fields(versions=named(text(most=100))), created=text(most=40),
)  # fmt: skip
_INTERVAL = {"lo": _NUMBER, "hi": _NUMBER, "reason": text(most=8000)}
_PLAN = fields(
    task=_KEY, protocol=_INSTRUMENT, tag=_TAG, dynamics=_LINE, cost=text(most=40),
    budget=optional(whole(1)), success=_SHARE, random=_SHARE, oracle=_SHARE, n=_COUNT, failed=_COUNT,
    verdict=text(most=400), **dict.fromkeys(("skill", "skill_lo", "skill_hi", "kendall"), _NUMBER),
    **_INTERVAL,
)  # fmt: skip
_READ = exactly("frames", "latents")


def _planned(value: Any, where: str) -> None:
    """Raise unless the value is a row of planning; one of choices says what their outcomes were read from."""
    _PLAN(value, where)
    if value["protocol"] == "choose" or "read" in value:
        _READ(value.get("read"), f"{where}.read")


_RESULTS = fields(
    schema=exactly(1), inputs=_DIGEST,
    model=fields(
        name=_LINE, version=text(most=400), weights=optional(_DIGEST), options=named(text()), reference=flag
    ),
    suite=_KEY, card=_CARD, complete=flag, partial=flag, samples=_COUNT, failed=_COUNT,
    nondeterminism=_COUNT,
    scores=many(fields(
        probe=_KEY, instrument=_INSTRUMENT, tag=_TAG, skill=_SHARE, error=_NUMBER, n=_COUNT, failed=_COUNT,
        alarms=_SHARE, matching=optional(_LINE), found=_SHARE, unit=text(most=200),
        anchors=exactly("stored", "local", "chance"), rows=named(anything), **_INTERVAL,
    )),
    fidelity=many(fields(
        metric=_METRIC, entry=text(most=400), unit=text(most=200), tag=_TAG, value=_NUMBER, n=_COUNT,
        better=exactly("higher", "lower"), curve=many(_NUMBER), **_INTERVAL,
    )),
    planning=many(_planned),
    implied=many(fields(
        probe=_KEY, instrument=_INSTRUMENT, tag=_TAG, name=text(most=200), value=_NUMBER, **_INTERVAL,
    )),
    speed=named(anything), na=many(_NA),
)  # fmt: skip
_ARM = fields(
    status=exactly("ok", "refused", "failed", "partial"), detail=text(most=16_384),
    prediction=optional(_DIGEST), shown=whole(0, 1 << 20), asked=whole(0, 1 << 20),
)  # fmt: skip
_RECORD = fields(
    stage=exactly("generate"), unit=_UNIT,
    samples=many(fields(
        index=whole(), case_id=_DIGEST, fault=text(most=16_384), arms=named(_ARM, 200),
        seconds=named(number(0)),
    ), 1000),
)  # fmt: skip


@dataclass(frozen=True)
class Documents:
    """What a submission says of itself; both files have the shape that `wmeval run` gives them."""

    manifest: Mapping[str, Any]
    results: Mapping[str, Any]

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that were planned."""
        return tuple(_unit(u) for u in self.manifest["units"])


def read_documents(manifest: bytes, results: bytes, limits: Limits) -> Documents:
    """Return manifest and results of a whole run, which agree with each other.

    Raises:
        UsageError: they are malformed or do not agree, or the run is not whole.
    """
    told = Documents(read(manifest, MANIFEST, limits), read(results, RESULTS, limits))
    _MANIFEST(told.manifest, MANIFEST)
    _RESULTS(told.results, RESULTS)
    units = told.units
    keys = [u.key for u in units]
    if len(set(keys)) < len(keys):
        raise UsageError(f"{MANIFEST} has a unit twice; hand in the files as `wmeval run` wrote them")
    samples = 0
    for unit in units:
        samples += len(unit.indices)
        if len(unit.indices) != len(unit.case_ids):
            raise UsageError(f"unit {unit.key[:12]} of {MANIFEST} has {len(unit.indices)} indices and "
                             f"{len(unit.case_ids)} cases; expected one each")  # fmt: skip
    card, model = told.manifest["card"], told.results["model"]
    for what, one, other in (
        ("suite", told.manifest["suite"], told.results["suite"]),
        ("name of the model", card["name"], model["name"]),
        ("name of the opened model", card["name"], told.results["card"]["name"]),
        ("version of the model", card["version"], model["version"]),
        ("digest of the weights", told.manifest["weights"], model["weights"]),
        ("options of the model", told.manifest["request"]["options"], model["options"]),
        ("word on whether it is a reference", card["reference"], model["reference"]),
        ("number of samples", samples, told.results["samples"]),
        ("partial", told.manifest["partial"], told.results["partial"]),
    ):
        if one != other:
            raise UsageError(
                f"the {what} is {str(one)[:80]!r} in {MANIFEST} and {str(other)[:80]!r} in {RESULTS}; "
                "`wmeval score RUN` writes the results anew"
            )
    return told


def read_record(data: bytes, unit: Unit, limits: Limits) -> dict[str, Any]:
    """Return the generate record of a unit, which is of this unit, with every planned sample.

    Raises:
        UsageError: it is malformed, or of something else.
    """
    name = unit_path(unit.key)
    record: dict[str, Any] = read(data, name, limits)
    _RECORD(record, name)
    if _unit(record["unit"]) != unit:
        raise UsageError(f"{name} says that it is of another unit than {MANIFEST}; hand in the run again")
    told = [(s["index"], s["case_id"]) for s in record["samples"]]
    if told != list(zip(unit.indices, unit.case_ids, strict=True)):
        raise UsageError(
            f"{name} has {len(told)} samples that are not the {len(unit.indices)} planned ones, in their "
            "order; hand in the run again"
        )
    return record


def _unit(data: Mapping[str, Any]) -> Unit:
    return Unit(
        data["key"], data["probe"], data["given"], data["tag"], tuple(data["indices"]),
        tuple(data["case_ids"]), data["replicate"], data["instrument"], str(data.get("arm", "")),
    )  # fmt: skip
