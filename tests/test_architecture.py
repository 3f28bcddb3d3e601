"""The house has rooms: who may import whom, what is heavy, and what the wheel holds."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    *("errors", "seeds", "camera", "scene", "caption", "truth", "tracks", "model", "probe", "metric"),
    *("suite", "task", "anchor", "stats", "chance", "power", "registry", "promises", "patience", "hub"),
}
WORKSHOPS = {"world", "perceive", "measure", "plan"}
LAYERS = [
    CONTRACTS,
    WORKSHOPS,
    {"references", "faults", "organisms", "disturb", "twins"},
    {
        "audit",
        "calibrate",
        "calibration",
        "check",
        "check_adapter",
        "check_latents",
        "check_cases",
        "doctor",
        "hns",
        "own",
        "pack",
        "remote",
        "roster",
        "run",
        "starter",
        "stress",
        "submission",
        "trial",
    },
    {"report"},
    {"cli"},
]
OUTER = {"wmeval_probes": "probes", "wmeval_adapters": "adapters", "wmeval_leaderboard": "leaderboard"}
HEAVY = (
    "torch",
    "torchvision",
    "torchmetrics",
    "lpips",
    "transformers",
    "diffusers",
    "ray",
    "fastapi",
    "pybullet",
)


def imports(path):
    """Yield every module that a file imports, wherever in the file, with whether it is at the top."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    typing_only = {
        id(inner)
        for node in tree.body
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top


def sources(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def layer(module):
    for depth, rooms in enumerate(LAYERS):
        if module in rooms:
            return depth
    raise AssertionError(f"wmeval.{module} stands in no layer; give it one in {Path(__file__).name}")


@pytest.mark.parametrize("path", sources("wmeval"), ids=lambda p: str(p.relative_to(ROOT)))
def test_wmeval_imports_downwards_only(path):
    inside = path.relative_to(ROOT / "wmeval").with_suffix("").parts
    if inside == ("__init__",):
        return
    for name, _ in imports(path):
        assert name.split(".")[0] not in OUTER, (
            f"{path} names {name}; only the registry reaches outer packages"
        )
        if not name.startswith("wmeval."):
            continue
        mine, theirs = inside[0], name.split(".")[1]
        if mine == theirs:
            continue
        assert layer(theirs) <= layer(mine), f"{path} imports {name}, which stands above it"
        if mine in WORKSHOPS:
            assert theirs not in WORKSHOPS, f"{path} imports {name}; workshops do not import one another"


@pytest.mark.parametrize("package", sorted(OUTER))
def test_outer_packages_know_wmeval_and_themselves(package):
    for path in sources(OUTER[package]):
        for name, _ in imports(path):
            root = name.split(".")[0]
            assert root == package or root not in OUTER, f"{path} imports {name}"


def test_only_one_file_talks_to_pybullet():
    users = {
        str(path.relative_to(ROOT))
        for folder in ("wmeval", *OUTER.values())
        for path in sources(folder)
        for name, _ in imports(path)
        if name.split(".")[0] == "pybullet"
    }
    assert users == {"wmeval/world/bullet.py"}


def test_contracts_stay_light():
    for module in CONTRACTS:
        path = ROOT / "wmeval" / f"{module}.py"
        if path.exists():
            for name, _ in imports(path):
                assert name.split(".")[0] not in HEAVY, f"{path} imports {name}"


def test_importing_wmeval_and_its_contracts_loads_nothing_heavy():
    code = (
        "import sys, wmeval, wmeval.scene, wmeval.probe, wmeval.model, wmeval.registry\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_says_its_idea_and_keeps_to_one():
    for folder in ("wmeval", *OUTER.values()):
        for path in sources(folder):
            tree = ast.parse(path.read_text())
            assert ast.get_docstring(tree), f"{path} has no docstring that says its idea"
            assert len(path.read_text().splitlines()) <= 400, f"{path} is over 400 lines: split it"


@pytest.mark.slow
def test_the_wheel_holds_our_packages_and_nothing_else(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)], check=True
    )
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if ".dist-info" not in n}
    assert tops == {"wmeval", *OUTER}
    assert any(n.endswith(".safetensors") for n in names)
    assert sum(i.file_size for i in zipfile.ZipFile(wheel).infolist()) < 60e6
