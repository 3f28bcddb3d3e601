"""Tiny genies and tiny data for them: random weights, discs that move, seconds in all."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_genie():
    """A genie of random weights that does depend on all it is given."""
    torch = pytest.importorskip("torch")
    from wmeval_adapters.genie.actions import Binding
    from wmeval_adapters.genie.dynamics import DynamicsConfig
    from wmeval_adapters.genie.net import Config, Genie
    from wmeval_adapters.genie.tokenizer import TokenizerConfig

    config = Config(
        TokenizerConfig(encoder=16, decoder=16, fine=8),
        DynamicsConfig(width=16, heads=2, blocks=("conv", "time", "conv", "time"), window=6),
        latent=8,
        book=64,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Genie(config, Binding((1.0, 2.0), (10.0, 20.0), tuple(i % 25 for i in range(12, 61))))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        net.book.codes[1:] = torch.randint(0, 7, (63, 6), generator=generator).to(torch.uint8)
        net.book.hues[1:] = torch.rand(63, 6, generator=generator)
    return net.eval()


def moving_discs(count: int, frames: int, seed: int = 0):
    """Return frames (count, T, 64, 64, 3), slots, actions and states of discs that fly and fall."""
    rng = np.random.default_rng(seed)
    pure = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]) * 0.8 + 0.1
    v, u = np.mgrid[:64, :64] + 0.5
    pictures = np.zeros((count, frames, 64, 64, 3), np.uint8)
    bodies = np.zeros((count, frames, 64, 64), np.uint8)
    actions = np.zeros((count, frames - 1, 12), np.float32)
    state = np.full((count, frames, 6, 5), np.nan, np.float32)
    state[..., 4] = 0
    for i in range(count):
        hue = int(rng.integers(6))
        at, speed = rng.uniform(16, 40, 2), rng.uniform(-2, 2, 2)
        for t in range(frames):
            share = np.clip(5.5 - np.hypot(u - at[0], v - at[1]), 0, 1)[..., None]
            wall = np.where(v < 50, 0.6, 0.4)[..., None]
            pictures[i, t] = np.rint(255 * ((1 - share) * wall + share * pure[hue]))
            bodies[i, t] = (share[..., 0] > 0.5) * (hue + 1)
            state[i, t, hue] = (*at, *speed, 1.0)
            if t < frames - 1 and rng.random() < 0.3:
                push = rng.uniform(-2, 2, 2)
                actions[i, t, [0, 2]] = push
                speed = speed + push * (1, -1)
            at = np.clip(at + speed, 6, 58)
    return pictures, bodies, actions, state


@pytest.fixture(scope="session")
def disc_folder(tmp_path_factory) -> Path:
    """A training folder of 24 clips of 12 frames."""
    folder = tmp_path_factory.mktemp("discs")
    for name, array in zip(("frames", "bodies", "actions", "state"), moving_discs(24, 12), strict=True):
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.fixture(scope="session")
def discs():
    """The function that makes discs."""
    return moving_discs
