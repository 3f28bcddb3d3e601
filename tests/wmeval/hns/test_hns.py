"""Human-normalised scores: published numbers come out again, mistakes in a file are told."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import trim_mean

from wmeval.cli.hns import command
from wmeval.errors import UsageError
from wmeval.hns.atari import agents, game_called, games
from wmeval.hns.given import read
from wmeval.hns.total import standing, trimmed
from wmeval.report.hns import picture, told

BY_NAME = {a.name: a for a in agents()}
KNOWN = [  # mean, median, interquartile mean, games above a human
    ("DIAMOND", 1.459, 0.373, 0.641, 11),
    ("IRIS", 1.046, 0.289, 0.501, 9),
    ("DreamerV3 (2023)", 1.124, 0.485, 0.487, 9),
    ("DreamerV3", 1.245, 0.480, 0.523, 7),
    ("STORM", 1.222, 0.425, 0.561, 9),
    ("TWM", 0.956, 0.505, 0.459, 8),
    ("SimPLe", 0.332, 0.134, 0.130, 1),
    ("REM", 1.222, 0.280, 0.673, 12),
    ("MuZero", 0.562, 0.228, 0.288, 5),
    ("EfficientZero", 1.943, 1.090, 1.047, 14),
]


@pytest.mark.parametrize(("name", "mean", "median", "iqm", "above"), KNOWN)
def test_published_runs_come_to_what_is_known_of_them(name, mean, median, iqm, above):
    found = standing(BY_NAME[name].runs)
    got = [found.mean.value, found.median.value, found.iqm.value]
    assert np.abs(np.array(got) - [mean, median, iqm]).max() < 6e-4
    assert (found.above, found.games) == (above, 26)


@pytest.mark.parametrize("agent", [a for a in agents() if a.name != "STORM"], ids=lambda a: a.name)
def test_what_papers_print_agrees_with_the_runs(agent):
    found = standing(agent.runs, draws=10)
    for name, printed in agent.printed.items():
        assert getattr(found, name).value == pytest.approx(printed, abs=0.0101 if printed > 0.4 else 6e-4)


def test_the_freeway_of_storm_is_the_whole_difference_from_print():
    storm = BY_NAME["STORM"]
    mended = standing({**storm.runs, "Freeway": (33.5,) * 5}, draws=10)
    assert mended.mean.value == pytest.approx(storm.printed["mean"], abs=6e-4)
    assert "Freeway" in storm.note


def test_intervals_agree_with_an_outside_reckoning():
    found = standing(BY_NAME["DIAMOND"].runs)
    assert [found.mean.lo, found.mean.hi] == pytest.approx([1.359, 1.570], abs=0.01)
    assert [found.iqm.lo, found.iqm.hi] == pytest.approx([0.578, 0.706], abs=0.01)
    again = standing(BY_NAME["DIAMOND"].runs)
    assert (again.iqm, again.mean) == (found.iqm, found.mean)


def test_one_run_a_game_has_no_interval():
    found = standing(BY_NAME["MuZero"].runs)
    assert (found.iqm.lo, found.iqm.hi) == (None, None)
    assert found.iqm.reason == "one run of 26 games: no interval"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 50), min_size=1, max_size=40))
def test_the_trimmed_mean_is_that_of_scipy(values):
    assert float(trimmed(np.array(values))) == pytest.approx(float(trim_mean(values, 0.25)), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 3))
def test_a_human_scores_one_and_random_play_nothing(share):
    for game in games().values():
        at = game.random + share * (game.human - game.random)
        assert float(game.normalised(np.array(at))) == pytest.approx(share)


@pytest.mark.parametrize(
    ("given", "name"),
    [("ALE/UpNDown-v5", "UpNDown"), ("atari_ms_pacman", "MsPacman"), ("BreakoutNoFrameskip-v4", "Breakout"),
     ("kung fu master", "KungFuMaster"), ("PongDeterministic-v4", "Pong")],
)  # fmt: skip
def test_games_are_known_by_the_names_of_environments(given, name):
    assert game_called(given) == name


def write(tmp_path, text, name="runs.json"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"Pogn": [1]}', "'Pogn' is none of the 26 games of Atari 100k; the nearest is 'Pong'"),
        ('{"Pong": [NaN]}', "Pong: the score nan is not finite"),
        ('{"Pong": [Infinity]}', "not finite"),
        ('{"Pong": ["a"]}', "'a' is no score"),
        ('{"Pong": [true]}', "True is no score"),
        ('{"Pong": []}', "has no scores of Pong"),
        ('[{"game": "Pong"}]', "holds a list; expected JSON"),
        ('{"Pong": [1', "is no JSON"),
        ("", "has no scores; expected"),
    ],
)
def test_mistakes_in_json_are_told(tmp_path, text, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("game,a\nPong,1\nBoxing,x", "line 3: 'x' is no score"),
        ("Pong,nan", "line 1: the score 'nan' is not finite"),
        ("Pong", "has no scores of Pong"),
        ("Tetris,3", "'Tetris' is none of the 26 games"),
    ],
)
def test_mistakes_in_csv_are_told_with_their_line(tmp_path, text, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        read(write(tmp_path, text, "runs.csv"))


def test_csv_long_and_wide_and_json_say_the_same(tmp_path):
    wide = read(write(tmp_path, "game,1,2,3\nPong,1,2,3\nBoxing,4,5,\n", "a.csv"))
    long = read(write(tmp_path, "game,score\nPong,1\nBoxing,4\nPong,2\n\nPong,3\nBoxing,5\n", "b.csv"))
    assert wide == long == read(write(tmp_path, '{"Pong": [1, 2, 3], "Boxing": [4, 5]}'))
    assert wide == {"Boxing": (4.0, 5.0), "Pong": (1.0, 2.0, 3.0)}


def test_missing_games_are_named_and_others_are_shown_on_the_same_games():
    of = told("me", {"Pong": (14.6, 14.6), "Boxing": (0.1, 0.1)})
    assert len(of.missing) == 24
    assert "Alien" in of.notes[0]
    assert "24 of 26 games have no runs" in of.notes[0]
    assert of.own.mean.value == pytest.approx(0.5)
    diamond = dict(of.others)["DIAMOND"]
    assert diamond.games == 2
    assert diamond.above == 2


def test_the_command_prints_writes_and_gives_json(tmp_path):
    path = write(tmp_path, json.dumps(dict(BY_NAME["DIAMOND"].runs)))
    printed = CliRunner().invoke(command, [str(path), "--out", str(tmp_path / "out"), "--name", "<mine>"])
    assert printed.exit_code == 0, printed.output
    assert "0.641" in printed.output
    assert "0.58 to 0.71" in printed.output
    as_json = json.loads(CliRunner().invoke(command, [str(path), "--json"]).output)
    assert as_json["iqm"]["value"] == pytest.approx(0.641, abs=5e-4)
    assert {a["name"] for a in as_json["agents"]} == set(BY_NAME)
    assert all(a["source"] and a["paper"] for a in as_json["agents"])
    drawn = (tmp_path / "out" / "hns.svg").read_text()
    assert "&lt;mine&gt;" in drawn
    assert "<mine>" not in drawn


def test_every_game_and_agent_is_drawn_inside_the_picture():
    drawn = str(picture(told("me", BY_NAME["EfficientZero"].runs)))
    assert all(f">{game}</text>" in drawn for game in games())
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', drawn).groups())
    for x, y in re.findall(r'cx="(-?[\d.]+)" cy="(-?[\d.]+)"', drawn):
        assert 0 < float(x) < width
        assert 0 < float(y) < height
