import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from wmeval import run
from wmeval.run import score
from wmeval.run.scoring import median_interval, speed

METRICS = """
from pathlib import Path
import numpy as np
from wmeval.errors import EnvironmentFault, UsageError
from wmeval.metric import Metric, SetMetric

HERE = Path(__file__).parent


def gap(truth, predicted, bodies):
    return np.abs(truth.astype(float) - predicted).mean((1, 2, 3))


def lacks(truth, predicted, bodies):
    if not (HERE / "weights").exists():
        raise EnvironmentFault("the weights are not there; `touch weights` makes them")
    return gap(truth, predicted, bodies)


def refuses(truth, predicted, bodies):
    raise UsageError("frames of 64 px are too small; expected 99")


def crashes(truth, predicted, bodies):
    return truth / None


class Mean:
    name, min_frames = "mean:0", FRAMES

    def __call__(self, frames):
        return frames.mean((0, 1, 2))


GAP = Metric("gap", "1", "grey", "lower", gap)
HALF = Metric("half", "1", "grey", "lower", lambda t, p, b: np.where(np.arange(len(t)), 1.0, np.nan), "first")
NEVER = Metric("never", "1", "grey", "lower", lambda t, p, b: np.full(len(t), np.nan), "there is nothing")
LACKS = Metric("lacks", "1", "grey", "lower", lacks)
REFUSES = Metric("refuses", "1", "grey", "lower", refuses)
CRASHES = Metric("crashes", "1", "grey", "lower", crashes)
SET = SetMetric("set[mean]", "1", "", "lower", Mean, lambda t, p: float(np.abs(t - p).mean()), LEAST)
"""


@pytest.fixture
def fidelity(kit, tmp_path, anchored):
    """Return a function that runs the oracle or freeze with metrics of a file and returns name -> row."""

    def go(model, *names, frames=2, least=2, options=None, out="run"):
        file = tmp_path / "metrics.py"
        file.write_text(METRICS.replace("FRAMES", str(frames)).replace("LEAST", str(least)))
        suite = tmp_path / "suite.py"
        asked = repr(tuple(f"{file}:{n}" for n in names))
        text = (kit / "mini.py").read_text().replace("6)", "3)").replace("()", asked)
        suite.write_text(text.replace("Path(__file__).parent", f"Path({str(kit)!r})"))
        done = run(model, str(suite), executor="inline", out=tmp_path / out, options=options)
        return done, {row["metric"]: row for row in done.results["fidelity"]}

    return go


def test_metrics_are_means_over_clips_with_curves_over_frames(fidelity):
    done, rows = fidelity("freeze", "GAP", "HALF")
    cells = [r["metrics"] for r in done.records()]
    gap = rows["gap"]
    assert gap["value"] == pytest.approx(np.mean([next(iter(c.values()))["mean"] for c in cells]))
    assert (gap["n"], gap["lo"], gap["reason"], gap["curve_n"]) == (3, None, "", [3, 3, 3])
    assert gap["curve"][0] < min(gap["curve"][1:])
    assert rows["half"]["curve"] == [None, 1.0, 1.0]
    assert fidelity("oracle", "GAP", out="o")[1]["gap"]["value"] == 0.0


def test_what_cannot_be_said_is_null_with_its_reason(fidelity):
    done, rows = fidelity("freeze", "NEVER", "LACKS", "REFUSES", "CRASHES", "SET", frames=9)
    assert {n: r["value"] for n, r in rows.items()} == dict.fromkeys(rows)
    assert rows["never"]["reason"] == "there is nothing"
    assert rows["lacks"]["reason"].endswith("`touch weights` makes them")
    assert rows["refuses"]["reason"] == "frames of 64 px are too small; expected 99"
    assert "TypeError" in rows["crashes"]["reason"]
    assert "the extractor needs 9" in rows["set[mean]"]["reason"]
    assert done.results["failed"] == 0


def test_score_tries_again_what_was_lacking(fidelity, tmp_path):
    done, rows = fidelity("freeze", "LACKS")
    assert rows["lacks"]["value"] is None
    (tmp_path / "weights").touch()
    (row,) = score(done.path).results["fidelity"]
    assert row["value"] > 0


def test_sets_are_compared_above_their_least_n(fidelity):
    _, rows = fidelity("freeze", "SET")
    assert rows["set[mean]"]["n"] == 3
    assert rows["set[mean]"]["value"] > 0
    _, rows = fidelity("freeze", "SET", least=4, out="few")
    assert rows["set[mean]"]["value"] is None
    assert "4" in rows["set[mean]"]["reason"]


def test_failed_samples_are_counted_beside_fidelity(fidelity, kit):
    _, rows = fidelity(str(kit / "mimic.py"), "GAP", options={"fault": "short"})
    assert (rows["gap"]["n"], rows["gap"]["failed"], rows["gap"]["value"]) == (0, 3, None)
    assert rows["gap"]["reason"] == "no clip was predicted"


def test_what_a_model_implies_is_a_median_over_cases(fidelity):
    done, _ = fidelity("oracle", "GAP")
    (row,) = done.results["implied"]
    heights = [r["implied"]["height"][0] for r in done.records()]
    assert row["value"] == pytest.approx(np.median(heights))
    assert (row["name"], row["n"], row["lo"]) == ("height", 3, None)


@given(st.integers(8, 60))
def test_median_interval_covers_by_the_binomial(n):
    lo, hi = median_interval(list(range(1, n + 1)))
    k = int(lo)
    assert hi == n + 1 - k
    below = reference.binom.cdf(k - 1, n, 0.5)
    assert below <= 0.025 < reference.binom.cdf(k, n, 0.5)


def test_no_interval_below_eight():
    assert median_interval([1.0] * 7) == (None, None)


def test_speed_splits_time_inside_and_outside_the_model():
    arms = {"main": {"asked": 8, "prediction": "x"}}
    one = {"instrument": "rollout", "seconds": {"simulate": 1.0, "model": 3.0}, "arms": arms}
    bad = {**one, "seconds": {"model": 2.0}, "arms": {"main": {"asked": 8, "prediction": None}}}
    scored = {"instrument": "surprise", "seconds": {"model": 1.0}, "arms": arms}
    sessions = [{"wall_s": 3.0}, {"wall_s": 4.0, "workers": 2, "threads": 1, "load_s": 0.5}]
    told = speed([one, bad, scored], sessions)
    assert (told["wall_s"], told["model_s"], told["outside_s"]) == (7.0, 6.0, 4.0)
    assert told["ms_per_frame"] == pytest.approx(5000 / 8)  # frames are made by rollouts alone
    assert speed([], [])["ms_per_frame"] is None
