"""The made-up run of the report's own tests."""

import importlib.util
from pathlib import Path

_path = Path(__file__).parents[1] / "wmeval" / "report" / "conftest.py"
_spec = importlib.util.spec_from_file_location("report_conftest", _path)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

about, html, results, samples = _module.about, _module.html, _module.results, _module.samples
