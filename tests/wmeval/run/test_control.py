"""Closed-loop planning: what is tried is what happens, and a perfect model plans like the simulator."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.errors import ProbeFault, UsageError
from wmeval.model import ActionSpace, Prediction, Status
from wmeval.plan import ICEM, search
from wmeval.references import REFERENCES
from wmeval.run import control, problems, simulated, standing
from wmeval.run.episode import acted, compared, planned
from wmeval.run.foresight import Modelled, Simulated, SimulatedToGoal, farthest
from wmeval.run.playing import Playing, goal_picture, horizon, on_clock
from wmeval.run.sight import Latents, Lost, Pixels, sight_of
from wmeval.run.store import Store
from wmeval.run.units import Unit
from wmeval.task import States
from wmeval.world import actions as scene_actions
from wmeval.world import film
from wmeval_probes.planning.push import TASK as PUSH

_spec = importlib.util.spec_from_file_location("perfect", Path(__file__).parent / "perfect.py")
perfect = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(perfect)
VIEW = perfect.VIEW


def shortened(task=PUSH, seconds=0.8):
    """Return the task with short episodes, so that a test takes no minute."""

    def instance(rng, tag):
        drawn = task.instance(rng, tag)
        block = drawn.scene["block"]
        x = block.position[0] + 0.35 * np.sign(drawn.goal["x"] - block.position[0])
        scene = replace(drawn.scene, duration_s=drawn.scene.cut_s + seconds)
        return replace(
            drawn, scene=scene, goal={"x": x}, posed={"block": ((x, 0.0, block.position[2]), (0, 0, 0, 1.0))}
        )

    return replace(task, instance=instance, look=4)


SHORT = shortened()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WMEVAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def problem():
    return problems.instance(SHORT, "iid", 1)


def drawn(count, length, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, length, 1))


# The world that is acted in


def test_what_was_tried_is_what_happens_when_it_is_carried_out_bit_for_bit():
    instance, plans = problems.instance(SHORT, "obstacle", 0), drawn(5, 3)
    with Playing(SHORT, instance) as play:
        play.act([0.3])
        tried = play.tried(plans)
        assert play.now_s == pytest.approx(instance.scene.cut_s + 0.2)
        for action in plans[3]:
            play.act(action)
        assert np.array_equal(play.states().position, tried.position[3])
        np.testing.assert_allclose(tried.times, instance.scene.cut_s + np.arange(1, 9) / 10)
    direct = acted(SHORT, instance, np.concatenate([[[0.3]], plans[3]]))
    assert np.array_equal(direct.position, tried.position[3])


@pytest.mark.parametrize("fps", [5.0, 7.0, 10.0, 15.0])
@pytest.mark.parametrize("kind", ["force", "impulse"])
def test_a_model_is_told_the_commands_of_each_frame_interval_as_the_world_tells_them(problem, fps, kind):
    task = replace(SHORT, drive=replace(SHORT.drive, kind=kind, most=0.5))
    plans, view = drawn(3, 2), View(fps=fps, supersample=1)
    with Playing(task, problem) as play:
        play.act([0.7])
        seen = play.observations(plans, view, 64)
        assert all(one.frames is seen[0].frames for one in seen)
        assert len(seen[0].frames) == int((problem.scene.cut_s + 0.2) * fps + 1e-9) + 1
        few = play.observations(plans, view, 2)[1]
        for action in plans[1]:
            play.act(action)
        truth = play.live.truth()
    count = len(seen[1].frames) + seen[1].horizon
    times = np.arange(count) / fps
    assert times[-1] >= problem.scene.cut_s + 0.6 - 1e-9 > times[-2]
    wanted = scene_actions(truth.scene, times)
    np.testing.assert_allclose(seen[1].actions, wanted, atol=1e-5)
    np.testing.assert_allclose(few.actions, wanted[len(seen[1].frames) - 2 :], atol=1e-5)
    assert np.array_equal(few.frames, seen[1].frames[-2:])


def test_frames_that_were_seen_are_those_of_the_world(problem):
    with Playing(SHORT, problem) as play:
        play.shown(VIEW)
        play.tried(drawn(2, 2))
        play.act([1.0])
        play.act([-0.5])
        assert np.array_equal(play.shown(VIEW), film(play.live.truth(), VIEW, VIEW.frame_times(play.now_s)))


def test_an_action_out_of_bounds_is_refused_and_changes_nothing(problem):
    with Playing(SHORT, problem) as play:
        for wrong in ([1.5], [np.nan], [0.1, 0.1]):
            with pytest.raises(ValueError, match="numbers from -1 to 1"):
                play.act(wrong)
        assert play.now_s == pytest.approx(problem.scene.cut_s)
        assert len(play.done) == 0


def test_states_between_frames_are_joined_by_straight_lines_and_never_made_of_what_was_not_found():
    times, clock = np.arange(8) / 7, np.arange(1, 10) / 10
    path = np.broadcast_to((3 * times - 1)[:, None, None], (8, 2, 3)).copy()
    np.testing.assert_allclose(on_clock(times, path[None], clock)[0, :, 1, 2], 3 * clock - 1, atol=1e-12)
    path[4] = np.nan
    told = np.isnan(on_clock(times, path, clock)[:, 0, 0])
    assert told.tolist() == [(3 / 7 < t < 5 / 7) for t in clock]
    assert np.array_equal(on_clock(clock, path[: len(clock), :][[0] * 9], clock), path[[0] * 9])


def test_the_picture_of_the_goal_shows_it(problem):
    from wmeval.perceive import track

    picture = goal_picture(problem, VIEW)
    seen = track(picture[None], problem.scene, VIEW, np.zeros(1))
    assert abs(seen["block"].position[0, 0] - problem.goal["x"]) < 0.05
    with pytest.raises(ValueError, match="no picture"):
        goal_picture(replace(problem, posed={}), VIEW)


# A model in the simulator's place


def exact(problem, **more):
    return perfect.Exact(problem.scene, **more)


def latent(problem, **more):
    return perfect.ExactLatents(problem.scene, card=perfect.LATENT_CARD, **more)


def foresight(model, **more):
    if "imagines" in model.card.capabilities:
        return Modelled(model, Latents(model, perfect.Plain(len(model.scene.moving))), VIEW, **more)
    return Modelled(model, Pixels(model), VIEW, **more)


@pytest.mark.parametrize("kind", [exact, latent])
def test_states_read_from_a_perfect_models_predictions_are_the_true_ones_at_the_right_time(problem, kind):
    plan = np.array([[1.0], [-1.0], [1.0]])  # a frame early or late is .1 m or more off somewhere
    off = []
    for late in (0, 1):
        looking = foresight(kind(problem, late=late))
        with Playing(SHORT, problem) as play:
            play.act([1.0])
            true = play.tried(plan[None]).position[0]
            told = looking.states(play, plan, 0)
        assert told.shape == true.shape
        off.append(np.abs(told - true)[..., 0].max())
    assert off[0] < 0.05
    assert off[1] > 0.05


def test_a_perfect_model_plans_as_the_simulator_does(problem):
    settings = replace(ICEM, candidates=8, iterations=2)
    model = latent(problem)
    by_model = planned(SHORT, problem, foresight(model), settings, SHORT.look, 5)
    by_world = planned(SHORT, problem, Simulated(), settings, SHORT.look, 5)
    # the one difference is that its latents are kept in single precision, and its past is perceived
    np.testing.assert_allclose(by_model.actions[0], by_world.actions[0], atol=1e-9)
    ends = [p.position[-1, 0, 0] for p in (by_model, by_world)]
    assert abs(ends[0] - ends[1]) < 0.05
    gap = by_model.predicted - by_model.true
    assert np.nanmax(np.abs(gap)) < 0.03
    assert np.array_equal(by_world.predicted, by_world.true, equal_nan=True)
    assert np.array_equal(by_world.imagined[-1], by_world.position)
    assert by_world.calls.tolist() == by_model.calls.tolist()


def test_distance_to_the_goal_is_least_at_the_goal_in_latents_and_in_pixels(problem):
    start = problem.scene["block"].position[0]
    push = np.sign(problem.goal["x"] - start)
    plans = push * np.array([[[1.0], [-0.2], [-0.2]], [[0.0], [0.0], [0.0]], [[-1.0], [-1.0], [-1.0]]])
    for model in (latent(problem), exact(problem)):
        by_model = foresight(model, to_goal=True)
        by_world = SimulatedToGoal(sight_of_plain(model), VIEW)
        with Playing(SHORT, problem) as play:
            told = [f.costs(play, plans, 0) for f in (by_model, by_world)]
        for costs in told:
            assert (np.diff(costs) > 0).all(), costs
        np.testing.assert_allclose(told[0], told[1], rtol=0.1, atol=0.02 * told[0].max())


def sight_of_plain(model):
    return sight_of(model, VIEW, reads=False)


def test_more_candidates_find_a_plan_of_no_higher_cost_in_one_search(problem):
    found = []
    with Playing(SHORT, problem) as play:
        for budget in (4, 32):
            settings = replace(ICEM, candidates=budget, look=3, iterations=2)
            rng = np.random.default_rng(0)
            found.append(search(lambda p: Simulated().costs(play, p, 0), settings, 1, rng).cost)
    assert found[1] <= found[0]


def states_of(instance, played):
    times = instance.scene.cut_s + np.arange(1, len(played.position) + 1) / 10
    return States(instance.scene.names, times, played.position)


@pytest.mark.slow
def test_success_does_not_fall_as_the_budget_grows_under_the_true_cost():
    rates = []
    for budget in (16, 64, 256):
        reached = []
        for index in range(6):
            instance = problems.instance(PUSH, "iid", index)
            played = simulated.simulator(PUSH, instance, replace(ICEM, candidates=budget), 1)
            reached.append(bool(PUSH.succeeded(states_of(instance, played), instance)[0]))
        rates.append(np.mean(reached))
    assert rates == sorted(rates)
    assert rates[-1] == 1.0


def test_an_episode_without_a_model_is_played_once(problem, monkeypatch):
    settings = replace(ICEM, candidates=4, iterations=1)
    first = simulated.simulator(SHORT, problem, settings, 3)
    other = simulated.random(SHORT, problem, 3)
    monkeypatch.setattr(simulated, "planned", None)
    monkeypatch.setattr(simulated, "acted", None)
    again = simulated.simulator(SHORT, problem, settings, 3)
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(again, name), equal_nan=True), name
    assert np.array_equal(simulated.random(SHORT, problem, 3).actions, other.actions)
    for changed in ((SHORT, problem, settings, 4), (replace(SHORT, worst=2.0), problem, settings, 3)):
        with pytest.raises(TypeError):
            simulated.simulator(*changed)


def test_the_candidates_compared_are_the_cheapest_and_others_of_all_ranks():
    from wmeval.plan import Found

    costs = np.random.default_rng(0).permutation(50).astype(float)
    costs[costs == 40] = np.inf
    nothing = np.zeros((1, 1))
    found = Found(nothing, 0.0, np.zeros((50, 1, 1)), costs, nothing, np.zeros((0, 1, 1)), 50)
    told = costs[compared(found)]
    assert told[:8].tolist() == list(range(8))
    assert len(told) == len(set(told)) == 16
    assert told[-1] == 49


def test_a_model_with_a_short_horizon_looks_less_far(problem):
    short = exact(problem, card=replace(perfect.CARD, horizon=5))
    assert farthest(short, SHORT, problem, VIEW) == 2
    assert farthest(None, SHORT, problem, VIEW) == 4
    assert horizon(0.4, 0.4, VIEW) == 4


# The stages


def unit(arm, problem, count=1):
    return Unit("key", SHORT.key, "push", "iid", (1,) * count, (problem.digest,) * count, 0, "control", arm)


def staged(tmp_path, problem, arm, model, task=SHORT):
    store = Store(tmp_path / "store")
    one = unit(arm, problem)
    made = control.generate(one, task, model, VIEW, 0, store)
    return made["samples"][0], control.measure(one, task, VIEW, (), made, store)["samples"][0], store


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(control, "PLANNER", replace(ICEM, iterations=1))


@pytest.mark.parametrize(
    "arm", ["random||", "still||", "simulator|state|4", "model|goal|4", "simulator|goal|4"]
)
def test_an_episode_goes_through_the_stages(tmp_path, problem, small, arm):
    shown, row, store = staged(tmp_path, problem, arm, exact(problem))
    assert shown["arms"][arm]["status"] == row["status"] == "ok", row["detail"]
    told = row["control"]
    assert told["success"] in (0.0, 1.0)
    assert row["error"] == 1 - told["success"]
    kept = store.get(shown["arms"][arm]["prediction"])
    assert kept["position"].shape == (8, 1, 3)
    planned = arm.startswith(("model", "simulator"))
    assert (told["calls"] is None) != planned
    assert (told["elite_regret"] is None) != planned
    assert (told["optimism"] is None) == (not arm.startswith("simulator|state"))
    assert ("decide" in row["seconds"] or "decide" in shown["seconds"]) == planned
    if arm == "simulator|state|4":
        assert (told["elite_regret"], told["optimism"]) == (0.0, 0.0)


class Broken:
    """A model with something wrong."""

    def __init__(self, scene, fault):
        self.card, self.fault, self.good = perfect.CARD, fault, perfect.Exact(scene)

    def generate(self, batch, seeds):
        if self.fault == "raises":
            raise RuntimeError("no gradient flows here")
        if self.fault == "few":
            return []
        if self.fault == "refuses":
            return [Prediction(status=Status("refused", "not today"))] * len(batch)
        good = self.good.generate(batch, seeds)
        if self.fault == "half":
            return [p if i % 2 else Prediction(status=Status("failed", "odd")) for i, p in enumerate(good)]
        return [Prediction(frames=p.frames.astype(float) * np.nan) for p in good]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "no gradient"),
        ("few", "a list of as many"),
        ("refuses", "not today"),
        ("nan", "NaN"),
    ],
)
def test_a_model_that_fails_fails_the_episode_with_a_sentence(tmp_path, problem, small, fault, words):
    shown, row, _ = staged(tmp_path, problem, "model|goal|4", Broken(problem.scene, fault))
    assert row["status"] == "failed"
    assert words in row["detail"]
    assert shown["fault"] == ""
    assert row["error"] == 1.0
    (made,) = standing.rows(SHORT, "iid", [row | {"seconds": shown["seconds"]}], posed=True)
    assert (made["success"], made["n"], made["failed"]) == (0.0, 1, 1)
    assert made["reason"]


def test_a_plan_that_a_model_fails_on_is_not_chosen(problem):
    looking = Modelled(Broken(problem.scene, "half"), Pixels(Broken(problem.scene, "half")), VIEW)
    with Playing(SHORT, problem) as play:
        costs = looking.costs(play, drawn(4, 1), 0)
    assert np.isinf(costs).tolist() == [True, False, True, False]


def test_a_cost_of_nan_is_the_tasks_fault_and_told(tmp_path, problem, small):
    wrong = replace(SHORT, cost=lambda states, instance: np.full(states.position.shape[:-3], np.nan))
    shown, row, _ = staged(tmp_path, problem, "simulator|state|4", exact(problem), wrong)
    assert row["status"] == "failed"
    assert "NaN" in shown["fault"]
    with pytest.raises(ProbeFault, match="NaN"):
        planned(wrong, problem, Simulated(), replace(ICEM, candidates=4), 1, 0)


def test_an_engine_that_crashes_costs_the_episode(tmp_path, problem, small, monkeypatch):
    def crash(*_):
        raise RuntimeError("the engine is gone")

    monkeypatch.setattr("wmeval.world.bullet.Client.step", crash)
    _, row, _ = staged(tmp_path, problem, "still||", exact(problem))
    assert row["status"] == "failed"
    assert "the engine is gone" in row["detail"]


def test_what_cannot_be_planned_with_is_told_in_words(problem):
    deaf = replace(perfect.CARD, actions=ActionSpace("none"))
    assert "none of a scene reaches" in control.lacking(deaf, SHORT)
    assert "neither generates" in control.lacking(replace(perfect.CARD, capabilities=frozenset()), SHORT)
    assert "reference" in control.lacking(REFERENCES["oracle"].card, SHORT)
    assert control.lacking(perfect.CARD, SHORT) == control.lacking(perfect.LATENT_CARD, SHORT) == ""
    arm = control.Arm.of("model|goal|4")
    with pytest.raises(UsageError, match="no picture"):
        control.play(arm, SHORT, replace(problem, posed={}), exact(problem), VIEW, 0)
    short = exact(problem, card=replace(perfect.CARD, horizon=1))
    with pytest.raises(UsageError, match="less than one action"):
        control.play(arm, SHORT, problem, short, VIEW, 0)
    with pytest.raises(ValueError, match="no drive"):
        Playing(replace(SHORT, drive=None, choice=lambda rng, tag: None), problem)
    with pytest.raises(Lost, match="NaN"):
        planned(SHORT, problem, Nan(), replace(ICEM, candidates=4), 1, 0)


class Nan(Simulated):
    def costs(self, play, plans, seed):
        return np.full(len(plans), np.nan)


# Rows


def record(arm, index, success, **more):
    told = {"success": success, "any": success, "cost": 1.0, "elite_regret": 0.1, "optimism": 0.2,
            "rank": 0.5, "calls": 40.0, **more}  # fmt: skip
    return {
        "arm": arm, "case_id": f"c{index}", "status": "ok", "detail": "", "control": told,
        "seconds": {"decide": 0.5},
    }  # fmt: skip


def played(arm, outcomes):
    return [record(arm, i, float(s)) for i, s in enumerate(outcomes)]


def test_rows_hold_success_skill_and_verdict():
    n = 24
    records = [
        *played("model|state|64", [1] * 12 + [0] * 12), *played("model|goal|64", [0] * n),
        *played("simulator|state|64", [1] * n), *played("simulator|goal|64", [1] * n),
        *played("random||", [0] * n), *played("still||", [0] * n),
    ]  # fmt: skip
    made = {(r["dynamics"], r["cost"]): r for r in standing.rows(PUSH, "iid", records, posed=True)}
    model = made["model", "state"]
    assert (model["success"], model["skill"], model["random"], model["oracle"]) == (0.5, 0.5, 0.0, 1.0)
    assert 0.2 < model["skill_lo"] < 0.5 < model["skill_hi"] < 0.8
    assert model["verdict"].startswith("bad model: success changes by -50 %")
    assert (model["budget"], model["n"], model["failed"], model["calls"]) == (64, n, 0, 40.0)
    assert made["simulator", "goal"]["skill"] == 1.0
    assert made["simulator", "state"]["skill"] is None
    assert made["random", ""]["budget"] is None
    assert made["random", ""]["verdict"] == ""


def test_what_has_no_picture_has_the_reason_in_its_cell():
    made = standing.rows(PUSH, "iid", played("simulator|state|64", [1] * 8), posed=False)
    cells = {(r["dynamics"], r["cost"]): r for r in made}
    assert cells["model", "goal"]["reason"] == cells["simulator", "goal"]["reason"] == standing.UNPOSED
    assert cells["model", "goal"]["success"] is None
