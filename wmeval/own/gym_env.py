"""Recordings played now in a Gymnasium environment: `gym:ALE/Breakout-v5?episodes=8&frames=216&seed=0`.

Atari is prepared as DIAMOND's training data were (Alonso et al. 2024, after Mnih et al. 2015): each action is
held for 4 frames of the emulator, a picture is the maximum of the last two, up to 30 of them pass before the
first, no sticky actions, the smallest set of actions. What is 60 frames a second becomes 15. Any other
environment is recorded as it draws itself. The player is a script: actions at random, each held for a while.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from wmeval.errors import EnvironmentFault, UsageError
from wmeval.model import Frames
from wmeval.own.episode import MOST_FRAMES, Episode, Recordings

SKIP = 4  # emulator frames an action is held
EMULATOR_FPS = 60.0
NOOPS = 30  # most emulator frames that pass before an episode begins
HELD = 8  # most steps that the player holds an action
INSTALL = "`pip install 'wmeval[truth]'`"


@dataclass(frozen=True)
class Played:
    """What `gym:ENV?...` asks for; 216 frames are three windows of 8 shown and 64 predicted ones."""

    env: str
    episodes: int = 8
    frames: int = 216
    seed: int = 0


@dataclass(frozen=True)
class Game:
    """An environment as the player sees it: `step` returns picture, reward, ended, over (no more steps)."""

    fps: float
    space: Any
    reset: Callable[[np.random.Generator], Frames]
    step: Callable[[Any], tuple[Frames, float, bool, bool]]
    close: Callable[[], None]
    notes: tuple[str, ...]


def played(spec: str) -> Played:
    """Return what a spec asks for.

    Raises:
        UsageError: an option that there is not, or no number.

    >>> played("gym:ALE/Pong-v5?episodes=2")
    Played(env='ALE/Pong-v5', episodes=2, frames=216, seed=0)
    """
    env, _, query = spec.removeprefix("gym:").partition("?")
    asked: dict[str, int] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in ("episodes", "frames", "seed") or not value.isdecimal():
            raise UsageError(
                f"--truth was given {key}={value}; expected episodes, frames or seed with a whole number, "
                "as in gym:ALE/Breakout-v5?episodes=8&frames=216&seed=0"
            )
        asked[key] = int(value)
    told = Played(env, **asked)
    if not env or told.episodes < 1 or not 2 <= told.frames <= MOST_FRAMES:
        raise UsageError(
            f"--truth was given as {spec!r}; expected gym:ENV with 1 episode or more of 2 to {MOST_FRAMES} "
            "frames"
        )
    return told


def record(spec: str, limit: int | None = None) -> Recordings:
    """Return episodes played by the script; the same on every machine with the same versions.

    Raises:
        UsageError: no such environment, or its actions are of no kind that is played here.
        EnvironmentFault: gymnasium, or what the environment needs, is not installed.
    """
    asked = played(spec)
    game = _open(asked.env)
    try:
        count = min(asked.episodes, limit or asked.episodes)
        episodes = [_episode(game, asked, i) for i in range(count)]
    finally:
        game.close()
    told = ("a script played: actions at random, each held for 1 to 8 steps", *game.notes)
    return Recordings(spec, tuple(episodes), "native", told)


def _episode(game: Game, asked: Played, index: int) -> Episode:
    text = f"own|gym|{asked.env}|{asked.seed}|{index}".encode()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text).digest()[:16], "big")))
    frames, actions, rewards, ends = [game.reset(rng)], [], [], []
    left, action = 0, None
    while len(frames) < asked.frames:
        if not left:
            action, left = _drawn(game.space, rng), int(rng.integers(1, HELD + 1))
        left -= 1
        picture, reward, ended, over = game.step(action)
        frames.append(picture)
        actions.append(
            np.atleast_1d(np.asarray(action, np.float64)).ravel() - getattr(game.space, "start", 0)
        )
        rewards.append(reward)
        ends.append(ended)
        if over:
            break
    return Episode(
        f"{asked.seed}-{index:03d}", np.stack(frames), np.stack(actions), game.fps,
        np.array(rewards, np.float64), np.array(ends, np.bool_),
    )  # fmt: skip


def _drawn(space: Any, rng: np.random.Generator) -> Any:
    """Return an action of a space, drawn from our own generator."""
    kind = type(space).__name__
    if kind == "Discrete":
        return int(rng.integers(space.n)) + int(space.start)
    if kind == "MultiBinary":
        return rng.integers(0, 2, space.shape).astype(space.dtype)
    if kind == "Box" and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        return rng.uniform(space.low, space.high).astype(space.dtype)
    raise UsageError(
        f"the environment has actions of {space}; played are Discrete, MultiBinary and bounded Box: record "
        "it yourself into a folder (docs/own-truth.md)"
    )


def _open(env: str) -> Game:
    try:
        import gymnasium
    except ImportError as fault:
        raise EnvironmentFault(f"a gym: truth needs gymnasium, which is not installed; {INSTALL}") from fault
    if env.startswith("ALE/"):
        return _atari(env, gymnasium)
    made = _made(gymnasium, env, render_mode="rgb_array")

    def picture() -> Frames:
        shown: Frames = np.asarray(made.render(), np.uint8)
        return shown

    def reset(rng: np.random.Generator) -> Frames:
        made.reset(seed=int(rng.integers(1 << 31)))
        return picture()

    def step(action: Any) -> tuple[Frames, float, bool, bool]:
        _, reward, ended, cut, _ = made.step(action)
        return picture(), float(reward), bool(ended), bool(ended or cut)

    fps = float(made.metadata.get("render_fps") or 0)
    return Game(fps, made.action_space, reset, step, made.close, ())


def _atari(env: str, gymnasium: Any) -> Game:
    try:
        import ale_py
    except ImportError as fault:
        raise EnvironmentFault(f"{env} needs ale-py, which is not installed; {INSTALL}") from fault
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    made = _made(gymnasium, env, frameskip=1, repeat_action_probability=0.0, full_action_space=False)
    lives = 0

    def reset(rng: np.random.Generator) -> Frames:
        nonlocal lives
        frame, about = made.reset(seed=int(rng.integers(1 << 31)))
        for _ in range(int(rng.integers(NOOPS + 1))):
            frame, _, ended, cut, about = made.step(0)
            if ended or cut:
                frame, about = made.reset()
        lives = about["lives"]
        shown: Frames = frame
        return shown

    def step(action: Any) -> tuple[Frames, float, bool, bool]:
        nonlocal lives
        shown: list[Frames] = []
        total, over = 0.0, False
        for _ in range(SKIP):
            frame, reward, ended, cut, about = made.step(action)
            shown.append(frame)
            total += float(reward)
            over = bool(ended or cut)
            if over:
                break
        fewer, lives = about["lives"] < lives, about["lives"]
        return np.max(shown[-2:], axis=0), total, over or fewer, over

    notes = (
        "Atari as DIAMOND's: frame skip 4, maximum of the last two frames, up to 30 emulator frames of "
        "nothing first, no sticky actions, minimal actions; 15 frames a second",
        "an end is a lost life or the end of the game; the recording goes on after a lost life",
    )
    return Game(EMULATOR_FPS / SKIP, made.action_space, reset, step, made.close, notes)


def _made(gymnasium: Any, env: str, **settings: Any) -> Any:
    logging.getLogger("gymnasium").setLevel(logging.ERROR)
    try:
        return gymnasium.make(env, disable_env_checker=True, **settings)
    except gymnasium.error.DependencyNotInstalled as fault:
        raise EnvironmentFault(f"the environment {env!r} needs something more: {fault}") from fault
    except (gymnasium.error.Error, TypeError, ModuleNotFoundError) as fault:
        raise UsageError(f"gymnasium cannot make {env!r}: {fault}") from fault
