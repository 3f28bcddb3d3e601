"""What code a result rests on: the file of a function, and what that imports of its own."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

from wmeval.registry import load_probe, load_task
from wmeval.run import code
from wmeval.run.instruments import judged_by


def imported(file):
    spec = spec_from_file_location(file.stem, file)
    module = module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def digest(file):
    code._with_imports.cache_clear()
    return code.defined_in(imported(file).judge)


def test_an_edited_helper_is_another_judge(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "judge_far.py").write_text("FAR = 1\n")
    (tmp_path / "judge_near.py").write_text("import json\nfrom judge_far import FAR\n")
    (tmp_path / "judge_other.py").write_text("FAR = 1\n")
    judge = tmp_path / "judge_it.py"
    judge.write_text("import numpy as np\nimport judge_near\ndef judge():\n    return judge_near.FAR\n")
    before = digest(judge)
    (tmp_path / "judge_other.py").write_text("FAR = 2\n")
    assert digest(judge) == before
    (tmp_path / "judge_far.py").write_text("FAR = 2\n")
    assert digest(judge) != before


def test_a_package_is_followed_through_relative_imports_and_no_further(tmp_path, monkeypatch):
    inner = tmp_path / "judged_pack" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "judged_pack" / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("")
    (inner / "places.py").write_text("NEAR = 1\n")
    (tmp_path / "judged_pack" / "shown.py").write_text("from .inner import places\n")
    (inner / "push.py").write_text("import numpy\nfrom ..shown import places\ndef cost(): pass\n")
    files = code._with_imports(inner / "push.py")
    told = {str(f.relative_to(tmp_path / "judged_pack")) for f in files}
    assert told == {"inner/__init__.py", "inner/places.py", "inner/push.py", "shown.py"}


def test_what_tasks_and_probes_share_is_in_their_judges():
    push, billiard = (code._with_imports(_file(load_task(n).cost)) for n in ("push", "billiard"))
    assert {"places.py", "shown.py", "draw.py"} <= {f.name for f in push}
    assert "billiard.py" not in {f.name for f in push}
    assert "draw.py" in {f.name for f in code._with_imports(_file(load_probe("collision").measure))}
    assert judged_by(load_task("push")) != judged_by(load_task("billiard"))
    assert push != billiard


def _file(function):
    import inspect
    from pathlib import Path

    return Path(inspect.getfile(function))
