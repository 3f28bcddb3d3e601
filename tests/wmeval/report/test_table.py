"""The table of a run, on terminals wide and narrow and in a pipe."""

import io
from pathlib import Path

import pytest

from wmeval.report.table import show


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(results, stream, monkeypatch, columns=160):
    monkeypatch.setenv("COLUMNS", str(columns))
    show(results, {"run": Path("runs/a"), "report": Path("runs/a/report.html")}, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "columns"), [(io.StringIO, 40), (Terminal, 160), (Terminal, 120), (Terminal, 80)]
)
def test_every_number_a_score_rests_on_is_shown(results, monkeypatch, stream, columns):
    text = shown(results, stream(), monkeypatch, columns)
    for score in results["scores"]:
        name = score["probe"].partition("@")[0]
        (line, *_) = [row for row in text.splitlines() if row.lstrip().startswith(name)]
        for cell in (f"{score['skill']:.2f}", "16", "87\u00a0%", "0.31", "0.86", "0.03", "0.10"):
            assert cell in line
        assert f"{score['lo']:.2f}".replace("-", "−") in line
        assert f"{score['hi']:.2f}" in line
    text = " ".join(text.split())
    for word in ("memory half life", "psnr", "at least 64", "30.1 s inside the model"):
        assert word in text
    assert "runs/a/report.html" in text
    assert "not applicable, the model scores no frames" in text


def test_markup_of_a_model_s_name_is_only_text(results, monkeypatch):
    results["model"]["name"] = "[red]loud[/red]"
    results["na"] = [{"probe": "[bold]x", "reason": "[/]"}]
    text = shown(results, io.StringIO(), monkeypatch)
    assert "[red]loud[/red]" in text
    assert "[bold]x" in text


def test_no_skill_is_a_dash_with_its_reason(results, monkeypatch):
    results["scores"][0] |= {"skill": None, "lo": None, "hi": None, "reason": "the null does no worse"}
    text = shown(results, io.StringIO(), monkeypatch)
    assert "the null does no worse" in text


def test_energy_is_told_where_there_were_replicates(results):
    out = io.StringIO()
    first, *rest = results["scores"]
    show({**results, "scores": [{**first, "energy": None}, *rest]}, {}, out)
    assert "Energy score" not in out.getvalue()
    show(
        {**results, "scores": [{**first, "energy": 0.5, "energy_lo": None, "energy_hi": None}, *rest]},
        {},
        out,
    )
    name = first["probe"].partition("@")[0]
    assert f"less is better: {name} 0.50 (–)." in out.getvalue()
