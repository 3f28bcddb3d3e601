"""The energy score of whole runs: known where the answer is, null with its reason where it is not."""

import numpy as np
import pytest

from wmeval import run
from wmeval.run.scoring import fidelity

pytestmark = pytest.mark.usefixtures("anchored")


@pytest.fixture
def ask(kit):
    def go(out, model, **asked):
        return run(model, suite=str(kit / "mini.py"), executor="inline", out=out, limit=2, **asked)

    return go


def energy(done):
    (row,) = done.results["scores"]
    return row


def test_of_the_truth_it_is_what_the_eye_adds_and_of_freeze_the_distance(ask, tmp_path):
    oracle = energy(ask(tmp_path / "o", "oracle", replicates=4))
    assert 0 <= oracle["energy"] < 0.03  # body sizes
    assert (oracle["energy_n"], oracle["energy_lo"]) == (2, None)
    done = ask(tmp_path / "f", "freeze", replicates=4)
    distances = []
    for record in [r for r in done.records() if r["replicate"] == 0]:
        clips = done.clips(record)
        later = clips.true_tracks.after(0.3)
        made = clips.tracks.after(0.3)
        gap = (later.position - made.position)[:, 0][:, [0, 2]] / 0.7
        distances.append(np.sqrt((gap**2).sum(1).mean()))
    assert energy(done)["energy"] == pytest.approx(np.mean(distances))


def test_below_four_replicates_it_is_null_and_says_what_to_do(ask, tmp_path):
    row = energy(ask(tmp_path, "freeze", replicates=3))
    assert row["energy"] is None
    assert "there are 3; `--replicates 4` asks for them" in row["energy_reason"]


def test_what_fails_shows_nothing(ask, kit, tmp_path):
    row = energy(ask(tmp_path, str(kit / "mimic.py"), replicates=4, options={"fault": "refuse"}))
    # the one ball, of 0.7 m, is 6.3 m before the middle of the picture instead of where it is
    assert 9.0 <= row["energy"] <= np.hypot(6.3, 3.2) / 0.7


def test_fidelity_is_of_cases_and_not_of_their_replicates(ask, tmp_path, monkeypatch):
    from wmeval import registry
    from wmeval.metric import Metric

    gap = Metric("gap", "1", "", "lower", lambda t, p, b: np.abs(t.astype(float) - p).mean((1, 2, 3)))
    monkeypatch.setattr(registry, "load_metric", lambda name: gap)
    done = ask(tmp_path, "noise", replicates=4)
    from dataclasses import replace

    records = [
        {**r, "metrics": {"gap": {"mean": float(i), "curve": [float(i)], "reason": ""}}}
        for i, r in enumerate(done.records())
    ]
    (row,) = fidelity(replace(done.plan, metrics=("gap",)), records, done.store)
    assert (row["n"], row["value"], row["lo"]) == (2, 3.5, None)
