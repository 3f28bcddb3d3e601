"""Doctor sees what is wrong, says what mends it, and breaks on nothing."""

import json
import shutil
from collections import namedtuple

from wmeval import doctor
from wmeval.cli.main import main


def findings(monkeypatch, *looks):
    monkeypatch.setattr(doctor, "LOOKS", looks)
    return list(doctor.examine())


def test_a_sound_machine_is_told_so(capsys, monkeypatch):
    looks = (doctor._python, doctor._pybullet, doctor._torch, doctor._disk, doctor._determinism)
    monkeypatch.setattr(doctor, "LOOKS", looks)
    assert main(["doctor", "--json"]) == 0
    found = {f["what"]: f for f in json.loads(capsys.readouterr().out)}
    assert set(found) == {"python", "pybullet", "torch", "disk", "cache", "determinism"}
    assert "with numpy" in found["pybullet"]["says"]
    assert "the same bytes" in found["determinism"]["says"]


def test_a_full_disk_is_a_problem_with_its_mending_line(monkeypatch, capsys):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9e9, 8.9e9, 1e8))
    monkeypatch.setattr(doctor, "LOOKS", (doctor._disk,))
    assert main(["doctor"]) == 3
    told = capsys.readouterr().out
    assert "0.1 GB are free, 2 are needed" in told
    assert "WMEVAL_CACHE=DIR" in told


def test_a_world_that_differs_from_itself_is_a_problem(monkeypatch):
    counter = iter("ab")
    monkeypatch.setattr("wmeval.run.store.content_digest", lambda arrays: next(counter))
    (found,) = findings(monkeypatch, doctor._determinism)
    assert "no number could be reproduced" in found.problem


def test_weights_that_are_gone_are_a_problem(monkeypatch, tmp_path):
    from dataclasses import replace

    from wmeval import registry

    adapter = registry.load_adapter("genie")
    monkeypatch.setattr(registry, "load_adapter", lambda name: replace(adapter, shipped=tmp_path / "gone"))
    (found,) = findings(monkeypatch, doctor._weights)
    assert "gone" in found.problem
    assert "--weights DIR" in found.mend


def test_a_check_that_itself_breaks_is_a_problem_and_the_others_go_on(monkeypatch):
    def _broken():
        raise ImportError("no such wheel")
        yield

    first, second = findings(monkeypatch, _broken, doctor._python)
    assert first.problem == "ImportError: no such wheel"
    assert second.ok
