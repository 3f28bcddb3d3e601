"""Where marks lie on their axes, reckoned by hand."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmeval.report import plots


def numbers(markup, tag, *names):
    return [
        tuple(float(re.search(rf'{n}="(-?[\d.]+)', found)[1]) for n in names)
        for found in re.findall(rf"<{tag} [^>]*>", markup)
    ]


def test_null_and_truth_lie_where_the_axis_says():
    assert plots.at(plots.LOW) == 0
    assert plots.at(plots.HIGH) == 100
    assert plots.at(0.0) == pytest.approx(100 * 0.25 / 1.3, abs=0.01)
    assert plots.at(-9) == 0


def test_a_score_shows_its_interval_and_its_references():
    rows = {"oracle": {"skill": 1.0}, "linear": {"skill": 0.5}, "noise": {"skill": None}}
    drawn = plots.interval({"skill": 0.5, "lo": 0.0, "hi": 1.0, "rows": rows})
    ((x,),) = numbers(drawn, "circle", "cx")
    assert x == plots.at(0.5)
    (ends,) = [e for e in numbers(drawn, 'line class="range"', "x1", "x2")]
    assert ends == (plots.at(0.0), plots.at(1.0))
    assert "oracle 1.00" in drawn
    assert "noise" not in drawn
    assert "skill 0.50, 95 % interval 0.00 to 1.00" in drawn


def test_without_a_skill_the_reason_is_said_and_nothing_drawn():
    drawn = plots.interval({"skill": None, "lo": None, "hi": None, "reason": "no <anchors>", "rows": None})
    assert "no skill: no &lt;anchors&gt;" in drawn
    assert "circle" not in drawn


@given(st.lists(st.floats(0, 5), min_size=1, max_size=400))
def test_every_case_is_a_dot_inside_the_plot_and_none_hides_another(errors):
    drawn = plots.distribution(
        [(e, False, f"c{i}") for i, e in enumerate(errors)], worst=2.0, null=1.0, ceiling=None
    )
    dots = numbers(drawn, "circle", "cx", "cy", "r")
    assert len(dots) == len(errors) == len({d[:2] for d in dots})
    assert all(0 <= x <= 100 and y - r >= -plots.TALL and y + r <= 3 for x, y, r in dots)
    assert len(set(re.findall(r'data-case="(c\d+)"', drawn))) == len(errors)


def test_a_curve_runs_from_corner_to_corner_and_leaves_gaps():
    times = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    middle = np.array([0.0, 1.0, math.nan, 2.0, 4.0])
    drawn = plots.curve(times, {"model": (middle, middle, middle)}, top=4.0, words="rises")
    lines = re.findall(r'class="line model" d="([^"]*)"', drawn)
    assert lines == ["M0.00 100.00L25.00 75.00", "M75.00 50.00L100.00 0.00"]


def test_a_spark_needs_two_values():
    assert plots.spark([None, 3.0]) == ""
    assert 'd="M0.00 100.00L50.00 0.00L100.00 50.00"' in plots.spark([1.0, 3.0, 2.0])
