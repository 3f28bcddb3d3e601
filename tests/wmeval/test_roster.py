"""What `wmeval list models` tells: read from cards, and with --check by opening what can be opened."""

import json

import pytest

from wmeval import registry
from wmeval.cli.main import main
from wmeval.roster import roster


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in roster()}


def test_every_registered_model_has_its_row(rows):
    assert set(rows) == set(registry.entries("models"))
    for name, row in rows.items():
        card = registry.load_adapter(name).card
        assert row["capabilities"] == sorted(card.capabilities)
        assert (row["context"], row["training"], row["licence"]) == (*card.classes, card.licence)
        assert row["here"] is None


def test_what_is_needed_is_told_of_all_that_cannot_be_opened_without(rows):
    """A model that needs nothing has its weights with it."""
    for name, row in rows.items():
        shipped = registry.load_adapter(name).shipped
        assert bool(row["needs"]) == (shipped is None or not shipped.exists()), name


def test_the_command_says_the_same(rows, capsys):
    assert main(["list", "models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["models"]
    assert {r["name"]: r for r in told if r["name"] in rows} == rows
    assert "organism:low-gravity" in {r["name"] for r in told}
    assert main(["list", "models"]) == 0
    text = capsys.readouterr().out
    assert "genie           generates" in text
    assert "needs --set url=http://HOST:PORT" in text


def test_a_model_that_opens_runs_here(monkeypatch):
    monkeypatch.setattr(
        registry, "listing", lambda *_, **__: {"models": [_named("linear-latent"), _named("svd")]}
    )
    told = {row["name"]: row["here"] for row in roster(check=True)}
    assert told["linear-latent"] == "runs"
    assert told["svd"].startswith("needs --weights")


def _named(name):
    return {"name": name, "from": "here", "problem": ""}
