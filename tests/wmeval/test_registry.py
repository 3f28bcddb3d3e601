import subprocess
import sys
import textwrap

import pytest

from wmeval import load_probe, registry
from wmeval.errors import UsageError
from wmeval.metric import Extractor, Metric, SetMetric
from wmeval.model import Adapter
from wmeval.probe import Probe
from wmeval.suite import Split, Suite

LOADERS = {
    "models": (registry.load_adapter, Adapter),
    "probes": (registry.load_probe, Probe),
    "suites": (registry.load_suite, Suite),
    "metrics": (registry.load_metric, (Metric, SetMetric)),
    "features": (registry.load_features, Extractor),
    "splits": (registry.load_split, Split),
}


def install(folder, distribution, group, points):
    """Lay out what pip would: metadata with entry points."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in LOADERS for name in registry.entries(kind)],
)
def test_everything_registered_loads_as_what_it_says(kind, name):
    load, wanted = LOADERS[kind]
    value = load(name)
    assert isinstance(value, wanted)
    assert kind not in ("probes", "suites", "splits") or value.name == name
    assert kind != "models" or value.card.name == name


def test_listing_imports_nothing():
    code = """
import sys
from wmeval import registry
rows = registry.listing()
assert "gravity" in [r["name"] for r in rows["probes"]]
assert "oracle" in [r["name"] for r in rows["models"]]
print([m for m in sys.modules if m.startswith(("wmeval_", "numpy", "torch", "pybullet"))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_distributions_with_one_name_are_both_named(site):
    install(site, "one", "wmeval.probes", {"tide": "one:PROBE"})
    install(site, "two", "wmeval.probes", {"tide": "two:PROBE"})
    with pytest.raises(UsageError, match=r"'tide' is offered by one 1\.0 and by two 1\.0; uninstall one"):
        load_probe("tide")
    rows = {r["name"]: r["problem"] for r in registry.listing("probes")["probes"]}
    assert rows["tide"]
    assert not rows["gravity"]


def test_a_broken_plugin_is_one_sentence_and_the_rest_goes_on(site):
    install(site, "broken", "wmeval.probes", {"tide": "tide_broken:PROBE"})
    (site / "tide_broken.py").write_text("import a_package_that_is_not_there\n")
    with pytest.raises(UsageError, match=r"'tide' of broken 1\.0 cannot be imported.*not_there") as told:
        load_probe("tide")
    assert "\n" not in str(told.value)
    assert load_probe("gravity").name == "gravity"
    problems = {r["name"]: r["problem"] for r in registry.listing("probes", check=True)["probes"]}
    assert "cannot be imported" in problems.pop("tide")
    assert problems["gravity"] == ""


def test_a_plugin_of_another_kind_is_told(site):
    install(site, "odd", "wmeval.probes", {"tide": "tide_odd:PROBE"})
    (site / "tide_odd.py").write_text("PROBE = 3\n")
    with pytest.raises(UsageError, match="holds a int; a probe is a Probe"):
        load_probe("tide")


def test_names_of_references_are_kept(site):
    install(site, "greedy", "wmeval.adapters", {"oracle": "greedy:ADAPTER"})
    with pytest.raises(UsageError, match="a name kept for a reference"):
        registry.load_adapter("oracle")
    assert registry.load_model("oracle").card.reference
    rows = registry.listing("models")["models"]
    assert [r["problem"] for r in rows if r["name"] == "oracle"] == [
        "",
        "takes a name that is kept for a reference",
    ]


@pytest.mark.parametrize(
    ("load", "name", "sentence"),
    [
        (load_probe, "gravty", "did you mean 'gravity'"),
        (load_probe, "zzz", "known: .*gravity"),
        (registry.load_model, "genei", "did you mean 'genie'"),
        (registry.load_model, "vansih", "did you mean 'vanish'"),
        (registry.load_suite, "quick@9.9", "installed is quick@"),
        (load_probe, "nowhere.py", "there is no file"),
    ],
)
def test_unknown_names_get_the_nearest(load, name, sentence):
    with pytest.raises(UsageError, match=sentence):
        load(name)


def test_files_are_read_by_path_and_name(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        textwrap.dedent("""
        from __future__ import annotations
        from dataclasses import dataclass, replace
        from wmeval import load_probe

        @dataclass
        class Knob:  # needs its module in sys.modules
            turn: float = 1.0

        PROBE = replace(load_probe("gravity"), name="mine")
        OTHER = replace(PROBE, name="other")
        """)
    )
    assert load_probe(file).name == "mine"
    assert load_probe(f"{file}:OTHER").name == "other"
    with pytest.raises(UsageError, match=r"has no THIRD; it defines PROBE, OTHER"):
        load_probe(f"{file}:THIRD")
    file.write_text("PROBE = 1 / 0\n")
    with pytest.raises(UsageError, match="cannot be imported: ZeroDivisionError"):
        load_probe(file)


def test_weights_must_be_there(tmp_path):
    with pytest.raises(UsageError, match="no file or folder is there"):
        registry.weights_path(tmp_path / "w.pt")
    with pytest.raises(UsageError, match="expected hf:ORG/NAME"):
        registry.weights_path("hf:a")
    assert registry.weights_path(tmp_path) == tmp_path


def test_public_names_come_lazily():
    code = (
        "import sys, wmeval\n"
        "assert 'numpy' not in sys.modules\n"
        "from wmeval import (Case, Scene, Truth, View, Tracks, Measurement, Probe, Prediction, Observation,\n"
        "                    Run, run, load_model, load_probe)\n"
        "assert callable(run) and set(wmeval.__all__) <= set(dir(wmeval))\n"
        "import wmeval.run.store\n"
        "assert callable(wmeval.run)\n"
        "print(sorted({'torch', 'pybullet', 'pandas', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
