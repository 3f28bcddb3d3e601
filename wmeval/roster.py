"""Who can be asked: of every registered model what it can do, its classes, its licence, and what it needs.

It reads static cards only; with `check` each model is opened too, which tells whether it runs here.
"""

from __future__ import annotations

from typing import Any

from wmeval import registry
from wmeval.errors import UsageError, WmevalError
from wmeval.model import Adapter


def roster(*, check: bool = False) -> list[dict[str, Any]]:
    """Return a row a model, with name, from, problem and what its card says.

    These are capabilities, context and training (its classes), actions, licence, needs and here. `here` is
    None without `check`, then "runs" or the sentence that says what is missing.
    """
    rows = registry.listing("models")["models"]
    return [_row(row, check) for row in rows if row["problem"] or not registry.is_reference(row["name"])]


def _row(row: dict[str, str], check: bool) -> dict[str, Any]:
    try:
        if row["problem"]:
            raise UsageError(row["problem"])
        adapter = registry.load_adapter(row["name"])
    except WmevalError as fault:
        return {**row, "problem": str(fault), "here": str(fault) if check else None}
    card = adapter.card
    return {
        **row,
        "capabilities": sorted(card.capabilities),
        "context": card.classes[0],
        "training": card.classes[1],
        "actions": f"{card.actions.kind}, {card.actions.fidelity}" if card.actions.kind != "none" else "none",
        "licence": card.licence,
        "needs": needs(row["name"], adapter),
        "here": _here(row["name"], adapter) if check else None,
    }


def needs(name: str, adapter: Adapter) -> str:
    """Return what must be given or made before a model can be opened, or nothing.

    Of a model whose weights are still to be shipped no size is known; where one is, missing weights are a
    broken installation.
    """
    if adapter.needs:
        return adapter.needs
    if adapter.shipped is not None and not adapter.shipped.exists() and adapter.card.parameters is None:
        made = f"or `wmeval train --model {name} --set data=FOLDER`" if adapter.train else ""
        return f"--weights PATH {made}".strip()
    return ""


def _here(name: str, adapter: Adapter) -> str:
    if wanted := needs(name, adapter):
        return f"needs {wanted}"
    try:
        registry.load_model(name)
    except WmevalError as fault:
        return str(fault)
    return "runs"
