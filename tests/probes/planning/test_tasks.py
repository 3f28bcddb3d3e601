"""What every registered task promises: nothing is solved at the start, and chance finds little."""

from functools import lru_cache

import numpy as np
import pytest

from wmeval.camera import View
from wmeval.registry import entries, load_task
from wmeval.seeds import scene_rng
from wmeval.task import CLOCK_HZ, States, instance_from_json
from wmeval.world import Live
from wmeval_probes.planning.shown import held, outcome, succeeds

TASKS = sorted(entries("tasks"))
ASKED = [(name, tag) for name in TASKS for tag in load_task(name).tags]
DRIVEN = [name for name in TASKS if load_task(name).drive]
each = pytest.mark.parametrize(("name", "tag"), ASKED)


@lru_cache(maxsize=64)
def drawn(name, tag, index=0):
    task = load_task(name)
    return task, task.instance(scene_rng("dev", task.key, tag, index), tag)


@lru_cache(maxsize=2)
def chosen(name, tag, index=0):
    task = load_task(name)
    return task, task.choice(scene_rng("dev", task.key, tag, index), tag)


def played(task, made, actions):
    scene, body = made.scene, made.scene.actuated
    with Live(scene) as live:
        live.advance(scene.cut_s)
        for action in actions:
            push = {body: task.drive.push(action, scene[body].mass)}
            live.advance(task.block_s, **{task.drive.kind: push})
        times = scene.cut_s + np.arange(1, round((live.time_s - scene.cut_s) * CLOCK_HZ) + 1) / CLOCK_HZ
        return States(scene.names, times, live.poses_at(np.rint(times * 240).astype(int))[0])


def test_six_tasks_are_registered():
    assert set(TASKS) >= {"push", "steer", "catch", "billiard", "keep", "topple"}


@each
def test_an_instance_is_drawn_from_its_seed_alone_and_survives_json(name, tag):
    task, made = drawn(name, tag)
    assert drawn(name, tag)[1].digest == made.digest != drawn(name, tag, 1)[1].digest
    assert instance_from_json(made.to_json()).digest == made.digest
    assert made.scene.tag == tag
    assert made.scene.profile in ("rest", "impact", "flight")
    assert all(abs(b.position[1]) < 1e-9 for b in made.scene.moving)
    if task.drive:
        assert task.decisions(made) >= 1
        assert made.scene.actuated in made.scene.names


@each
def test_nothing_is_solved_at_the_start_nor_by_doing_nothing(name, tag):
    for index in range(2):
        task, made = drawn(name, tag, index)
        states = outcome(made)
        assert not task.success(states, made)[0]
        assert not task.succeeded(states, made)[0]
        assert task.value(states, made) > 0.05


@each
def test_a_cost_is_finite_for_what_is_known_and_nan_for_what_is_lost(name, tag):
    task, made = drawn(name, tag)
    states = outcome(made)
    assert np.isfinite(task.cost(states, made))
    many = States(states.names, states.times, np.stack([states.position] * 3))
    assert np.allclose(task.cost(many, made), task.cost(states, made))
    assert task.success(many, made).shape == (3, len(states.times))
    lost = States(states.names, states.times, np.full_like(states.position, np.nan))
    assert np.isnan(task.cost(lost, made))
    assert task.value(lost, made) == task.worst
    assert not task.success(lost, made).any()
    missed = states.position.copy()
    missed[len(missed) // 3] = np.nan  # one frame in which an eye finds nothing
    assert np.isfinite(task.cost(States(states.names, states.times, missed), made))


@each
def test_a_picture_of_the_goal_shows_what_succeeds(name, tag):
    task, made = drawn(name, tag)
    if not made.posed:
        pytest.skip("no picture tells this goal")
    places = np.array([made.posed.get(b.name, (b.position,))[0] for b in made.scene.moving])
    times = made.scene.cut_s + np.arange(1, 6) / CLOCK_HZ
    states = States(made.scene.names, times, np.stack([places] * 5))
    assert task.success(states, made).all()
    assert task.value(states, made) < 0.05


@each
def test_of_a_choice_one_to_three_succeed_and_doing_nothing_does_not(name, tag):
    task, choice = chosen(name, tag)
    after = [outcome(c) for c in choice.candidates]
    good = [bool(task.succeeded(s, c)[0]) for s, c in zip(after, choice.candidates, strict=True)]
    assert 1 <= sum(good) <= 3
    assert len(good) == (6 if name == "keep" else 8) == len(choice.sizes)
    assert choice.sizes.count(0.0) == 1
    assert not good[choice.sizes.index(0.0)]
    assert len({c.digest for c in choice.candidates}) == len(good)
    assert len({tuple(sorted(c.goal.items())) for c in choice.candidates}) == 1
    costs = [float(task.value(s, c)) for s, c in zip(after, choice.candidates, strict=True)]
    assert min(c for c, g in zip(costs, good, strict=True) if g) == min(costs)  # cost and success agree


@each
def test_an_intervention_is_seen_in_three_frames_before_the_cut(name, tag):
    _, choice = chosen(name, tag)
    still = choice.candidates[choice.sizes.index(0.0)].scene
    for scene in [c.scene for c in choice.candidates if c.scene is not still]:
        if scene.actuated is None:  # what is placed or taken away is seen from the start
            assert {b.name: b.position for b in scene.moving} != {b.name: b.position for b in still.moving}
            assert scene.cut_s >= 0.3
            continue
        (push,) = scene.pushes
        assert scene.cut_s - push.start_s >= 0.3 - 1e-9
        with Live(scene) as live:
            live.advance(scene.cut_s)
            ticks = np.rint((scene.cut_s - np.array([0.3, 0.2, 0.1, 0.0])) * 240).astype(int)
            x = live.poses_at(ticks)[0][:, scene.names.index(scene.actuated)]
        assert (np.linalg.norm(np.diff(x, axis=0), axis=-1) > 0.01).all()


@pytest.mark.parametrize("name", DRIVEN)
def test_random_actions_solve_hardly_anything(name):
    task = load_task(name)
    ends = []
    for i in range(8):
        _, made = drawn(name, task.tags[i % len(task.tags)], i)
        rng = np.random.default_rng(i)
        states = played(task, made, rng.uniform(-1, 1, (task.decisions(made), task.drive.size)))
        ends.append(task.succeeded(states, made)[0])
    assert sum(ends) <= 3  # at a true 10 % this fails one time in two hundred


def test_catch_hides_its_ball_when_the_block_has_to_start():
    view = View(10, 64, 64)
    for index, tag in enumerate(("iid", "high", "iid", "high")):
        scene = drawn("catch", tag, index)[1].scene
        screen, ball = scene["screen"], scene.names.index("ball")
        half = np.array(screen.size) * [1, 0, 1]
        low, high = np.sort(scene.camera.project(screen.position + half * [[-1], [1]], 0.0, view)[0], axis=0)
        times = np.array([0.0, scene.cut_s, scene.cut_s + 0.2])
        with Live(scene) as live:
            live.advance(scene.cut_s + 0.2)
            places = live.poses_at(np.rint(times * 240).astype(int))[0][:, ball]
        pixels = scene.camera.project(places, 0.0, view)[0]
        assert ((low < pixels) & (pixels < high)).all(axis=-1).tolist() == [False, True, True]


@pytest.mark.slow
@each
def test_no_blind_way_to_choose_beats_chance(name, tag):
    task = load_task(name)
    good, sizes, costs = [], [], []
    for i in range(40):
        _, choice = chosen(name, tag, i)
        good.append([succeeds(c, task) for c in choice.candidates])
        costs.append([float(task.value(held(c), c)) // 0.02 for c in choice.candidates])
        sizes.append(choice.sizes)
    good, sizes, costs = np.array(good, float), np.array(sizes), np.array(costs)
    chance = good.mean()
    above = 2.8 * np.sqrt(chance * (1 - chance) / len(good))  # a dozen ways are looked at
    rows = np.arange(len(good))
    assert good[rows, sizes.argmin(axis=1)].mean() <= chance
    assert good[rows, sizes.argmax(axis=1)].mean() <= chance + above
    middle = np.abs(sizes - np.median(sizes, axis=1, keepdims=True)).argmin(axis=1)
    assert good[rows, middle].mean() <= chance + above
    least = costs == costs.min(axis=1, keepdims=True)  # 2 cm are a third of a pixel: less looks alike
    assert ((good * least).sum(axis=1) / least.sum(axis=1)).mean() <= chance + above
    assert good.mean(axis=0).max() <= chance + above


def test_held_stays_where_the_cut_left_it():
    one = chosen("push", "iid")[1].candidates[0]
    states, after = held(one), outcome(one)
    assert (np.ptp(states.position, axis=0) == 0).all()
    assert states.times.tolist() == after.times.tolist()
    assert np.abs(states["block"][0] - after["block"][0]).max() < 0.4  # 0.1 s at 3.6 m/s
