"""Names of cases are drawn once, and again as soon as any code that draws them may differ."""

import os

import pytest

from wmeval.run import drawn
from wmeval.run.drawn import remembered
from wmeval.run.plan import make_plan
from wmeval.run.request import Request


@pytest.fixture
def ids(kit, tmp_path, monkeypatch):
    """Return a function: the planned case ids of a probe file, and how many cases were drawn for them."""
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path / "cache"))
    from wmeval.run import plan

    count = []
    draw = plan.draw
    monkeypatch.setattr(plan, "draw", lambda *a: count.append(a) or draw(*a))

    def go(text, name="probe.py", **asked):
        file = tmp_path / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            os.utime(file, ns=(len(count) * 10**9 + 10**18,) * 2)
        count.clear()
        made = make_plan(Request("freeze", str(kit / "mini.py"), (str(file),), **asked))
        return [c for u in made.units for c in u.case_ids], len(count)

    return go


def test_a_plan_draws_its_cases_once(ids, kit):
    text = (kit / "falls.py").read_text()
    first, drawn_first = ids(text)
    again, drawn_again = ids(text)
    assert first == again
    assert (drawn_first, drawn_again) == (6, 0)
    assert ids(text, limit=2) == (first[:2], 2)


def test_an_edit_of_the_probe_or_of_what_lies_beside_it_draws_again(ids, kit, tmp_path):
    text = (kit / "falls.py").read_text()
    first, _ = ids(text)
    other, count = ids(text.replace("rng.uniform(2.4, 3)", "rng.uniform(2.5, 3)"))
    assert (count, set(first) & set(other)) == (6, set())
    (tmp_path / "beside.py").write_text("A = 1\n")
    assert ids(text.replace("rng.uniform(2.4, 3)", "rng.uniform(2.5, 3)"))[1] == 6


def test_two_probes_of_one_name_in_one_folder_are_two(ids, kit):
    text = (kit / "falls.py").read_text()
    first, _ = ids(text)
    other, count = ids(text.replace("rng.uniform(2.4, 3)", "rng.uniform(2.5, 3)"), "second.py")
    assert count == 6
    assert not set(first) & set(other)


def test_a_damaged_or_unwritable_cache_is_only_slower(tmp_path, monkeypatch):
    from wmeval.registry import load_probe

    probe = load_probe("gravity")
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path))
    assert remembered(probe, ["x"], lambda: ["a"]) == ["a"]
    assert remembered(probe, ["x"], lambda: ["b"]) == ["a"]
    for file in (tmp_path / "drawn").iterdir():
        file.write_text("{")
    assert remembered(probe, ["x"], lambda: ["b"]) == ["b"]
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(drawn, "cache_folder", lambda: tmp_path / "file")
    assert remembered(probe, ["x"], lambda: "cannot be asked") == "cannot be asked"
