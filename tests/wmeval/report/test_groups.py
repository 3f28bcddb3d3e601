"""Tables that scores may share, and how a page shows what was judged instead of continued."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from wmeval.report import words
from wmeval.report.groups import TITLES, grouped, splits
from wmeval.report.html import page
from wmeval.report.sample import Judged, Sample
from wmeval.report.table import show
from wmeval.report.traces import trace, typical


def judged_score(base, probe, matching, **more):
    cues = {"copy-last": {"skill": 0.1, "lo": 0.0, "hi": 0.3, "error": 0.45, "n": 16}}
    return {
        **base, "probe": probe, "instrument": "surprise", "matching": matching, "rows": cues, "skill": 0.6,
        "lo": 0.4, "hi": 0.8, "error": 0.2, "accuracy": 0.8, "auroc": 0.71, "auroc_lo": 0.6, "auroc_hi": 0.8,
        "clip_mean": 0.55, "clip_max": 0.5, "localised": 0.75, "localised_by_chance": 0.3, "null": 0.5,
        "ceiling": 0.0, "found": None, "given_found": None, "detectable": None, "anchors": "chance",
        "unit": "share of comparisons lost", "notes": [], **more,
    }  # fmt: skip


@pytest.fixture
def scores(results):
    base = results["scores"][0]
    split = {"perception": 0.01, "codec": 0.1, "physics": 0.2, "n": 16, "reason": ""}
    return [
        {**base, "split": split},
        {**base, "tag": "control", "skill": None, "null": None, "alarms": 0.125, "lo": 0.03, "hi": 0.36,
         "reason": "control scenes count as false alarms, never in skill"},
        judged_score(base, "bounce@0.1", "matched"),
        judged_score(base, "friction@0.1", "reversal"),
        judged_score(base, "gravity@0.1", "pairs", notes=["on 3 of 16 scenes <b>something</b> differs"]),
    ]  # fmt: skip


def judged(i=0, flat=False, frames=20):
    rng = np.random.default_rng(i)
    possible = np.concatenate([[np.nan], rng.uniform(1, 2, frames - 1)])
    impossible = possible.copy()
    impossible[12:15] += 0 if flat else 3
    videos = rng.integers(0, 255, (2, frames, 16, 16, 3), dtype=np.uint8)
    return Judged(10.0, (12, 15), possible, impossible, lambda: (videos[0], videos[1]))


def judged_samples(probe, matching, n=5):
    return [
        Sample(
            probe, "surprise", "iid", f"{i:x}".ljust(64, "f"), 0, "main", i / 4, 1.0, "ok", matching=matching,
            evidence={"window": "1.2 to 1.4 s"}, judged=judged(i),
        )
        for i in range(n)
    ]  # fmt: skip


def test_matched_reversed_and_paired_clips_never_share_a_table(scores):
    groups = grouped(scores)
    assert [g.kind for g in groups] == list(TITLES)
    for group in groups:
        assert len(group.scores) == 1
        assert len({s.get("matching") for s in group.scores}) == 1
    cells = dict(zip(groups[1].columns, groups[1].rows[0], strict=True))
    assert (cells["won"], cells["AUROC"]) == ("80\u00a0%", "0.71 (0.60 to 0.80)")
    assert (cells["peak"], cells["by chance"]) == ("75\u00a0%", "30\u00a0%")
    assert dict(zip(groups[4].columns, groups[4].rows[0], strict=True))["95 %"] == "3 to 36\u00a0%"
    assert cells["best cheap cue"] == "copy-last 55\u00a0%"
    assert grouped([]) == []


def test_parts_of_an_error_are_shares_of_what_knowing_nothing_costs(scores):
    (row,) = splits(scores)
    widths = dict(row["widths"])
    null = scores[0]["null"]
    assert widths["physics"] == pytest.approx(100 * 0.2 / null, abs=0.01)
    assert widths["codec"] == pytest.approx(100 * 0.1 / null, abs=0.01)
    scores[0]["split"]["physics"] = -0.01  # better than the truth by luck is no negative bar
    assert dict(splits(scores)[0]["widths"])["physics"] == 0.0


def test_the_terminal_shows_every_table(results, scores):
    results["scores"] = scores
    out = io.StringIO()
    show(results, {}, out)
    text = out.getvalue()
    for title in (
        "exactly matched",
        "played backwards",
        "pairs",
        "False alarms",
        "Where the error comes from",
    ):
        assert title in text
    assert text.count("80\u00a0%") >= 3
    assert "12\u00a0%" in text  # alarms
    assert "<b>something</b>" in text


def test_the_page_shows_both_clips_their_surprise_and_every_table(results, scores, about, samples):
    results["scores"] = scores
    asked = [s for s in samples if s.probe == scores[0]["probe"]]
    made = [
        s
        for name, m in (("bounce@0.1", "matched"), ("gravity@0.1", "pairs"))
        for s in judged_samples(name, m)
    ]
    html = page(results, [*asked, *made], about)
    for kind in ("matched", "reversal", "pairs", "control", "split"):
        assert f'id="{kind}"' in html
    scenes = json.loads(re.search(r'id="scenes">(.*?)</script>', html, re.DOTALL)[1])
    both = [s for s in scenes.values() if s.get("judged")]
    assert len(both) == 10
    assert {tuple(s["window"]) for s in both} == {(12, 14)}
    assert html.count('class="line impossible"') == 10
    assert "<figcaption>impossible</figcaption>" in html
    assert "&lt;b&gt;something&lt;/b&gt;" in html
    assert not re.search(r">\s*(None|nan|NaN)\s*<", html)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "in 80\u00a0% of comparisons: above chance."),
        ({"lo": 0.02}, "not told apart from chance."),
        ({"lo": None, "hi": None, "reason": "n = 4"}, "over 16 cases: n = 4."),
    ],
)
def test_verdicts_on_judgements(results, more, says):
    score = judged_score(results["scores"][0], "p@0.1", "matched", **more)
    assert words.verdict(score).endswith(says)


def test_on_pairs_cheap_cues_are_what_knowing_nothing_is(results):
    score = judged_score(results["scores"][0], "p@0.1", "pairs")
    score["rows"]["copy-last"]["skill"] = 0.5
    assert words.verdict(score).endswith("not told apart from cheap cues.")
    assert words.knowing_nothing({**score, "matching": "matched"}) == 0.05
    assert "not told apart" in words.lead({**results, "scores": [score]})


def test_many_scores_are_counted_by_how_they_were_asked(scores, results):
    many = [
        {**scores[0], "probe": f"law{i}@0.1", "instrument": way, "tag": "iid", "lo": 0.3 * (i % 2), "hi": 1.0}
        for way in ("rollout", "imagination") for i in range(5)
    ]  # fmt: skip
    told = words.lead({**results, "scores": many})
    assert "by rollout 2 of 5 (law1, law3); by imagination 2 of 5 (law1, law3)." in told
    assert "law2" not in told


def test_alarms_are_said_in_a_sentence_and_not_in_the_lead(scores, results):
    assert words.verdict(scores[1]).startswith("False alarms in 12\u00a0% of 16 scenes")
    assert "control" not in words.lead({**results, "scores": scores})


def test_traces_of_one_scene_and_of_the_median_scene():
    assert 'class="shade" x="60' in trace(judged())["plot"]
    told = typical(judged_samples("p@0.1", "matched"))
    assert told["n"] == 5
    assert {t["text"] for t in told["ticks"]} >= {"event", "+0.5 s"}
    assert typical(judged_samples("p@0.1", "matched", n=2)) is None
    silent = replace(judged(), possible=np.full(20, np.nan), impossible=np.full(20, np.nan))
    assert trace(silent) is None
    assert trace(replace(judged(), impossible=np.full(20, 1.0), possible=np.full(20, 1.0))) is not None
