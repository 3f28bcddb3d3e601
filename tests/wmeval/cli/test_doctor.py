"""Doctor sees what is wrong, says what mends it, and breaks on nothing."""

import importlib
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
    store = importlib.import_module("wmeval.run.store")  # by name: wmeval.run is a function too
    monkeypatch.setattr(store, "content_digest", lambda arrays: next(counter))
    (found,) = findings(monkeypatch, doctor._determinism)
    assert "no number could be reproduced" in found.problem


def test_a_model_that_does_not_open_is_a_problem(monkeypatch):
    from dataclasses import replace

    from wmeval import registry
    from wmeval.errors import EnvironmentFault

    def load(*_):
        raise EnvironmentFault("no weights at gone.safetensors")

    adapter = replace(registry.load_adapter("genie"), load=load, shipped=None)
    entry = registry.entries("models")["genie"]
    monkeypatch.setattr(registry, "entries", lambda kind: {"genie": entry} if kind == "models" else {})
    monkeypatch.setattr(registry, "load_adapter", lambda name: adapter)
    (found,) = findings(monkeypatch, doctor._weights)
    assert found.what == "model genie"
    assert "gone.safetensors" in found.problem


def test_weights_of_others_may_be_missing_ours_may_not(monkeypatch):
    from wmeval import registry
    from wmeval.errors import EnvironmentFault
    from wmeval.metric import Extractor

    def absent(weights):
        raise EnvironmentFault("not fetched")

    both = {
        "ours": Extractor("ours", "", absent, lambda out, options: None),
        "theirs": Extractor("theirs", "", absent),
    }
    monkeypatch.setattr(registry, "entries", lambda kind: both if kind == "features" else {})
    monkeypatch.setattr(registry, "load_features", both.__getitem__)
    ours, theirs = findings(monkeypatch, doctor._weights)
    assert (ours.ok, theirs.ok) == (False, True)
    assert theirs.says == "not fetched"


def test_a_check_that_itself_breaks_is_a_problem_and_the_others_go_on(monkeypatch):
    def _broken():
        raise ImportError("no such wheel")
        yield

    first, second = findings(monkeypatch, _broken, doctor._python)
    assert first.problem == "ImportError: no such wheel"
    assert second.ok
