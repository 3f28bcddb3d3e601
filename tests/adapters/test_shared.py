"""A past that many observations share is watched once, and nothing of what is told changes for it."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from wmeval.model import Observation  # noqa: E402
from wmeval_adapters import dreamer, jepa  # noqa: E402
from wmeval_adapters.dreamer.model import DreamerModel  # noqa: E402
from wmeval_adapters.dreamer.net import Dreamer  # noqa: E402
from wmeval_adapters.dreamer.slots import RssmConfig  # noqa: E402
from wmeval_adapters.jepa import net as jepa_net  # noqa: E402
from wmeval_adapters.jepa.model import JepaModel  # noqa: E402
from wmeval_adapters.shared import Remembered, different, past  # noqa: E402

SHOWN, AHEAD = 5, 4


def shaken(module):
    """Move every parameter, so that all of them matter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return module


def small(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "dreamer":
            tiny = RssmConfig(deter=12, hidden=10, around=6, message=5)
            return DreamerModel(dreamer.CARD_STATIC, shaken(Dreamer(tiny)))
        tiny = jepa_net.Config(features=4, channels=4, hidden=16, scene=4)
        return JepaModel(jepa.CARD_STATIC, shaken(jepa_net.Jepa(tiny)))


@pytest.fixture(scope="module")
def asked(discs):
    frames, _, actions, _ = discs(2, SHOWN + AHEAD)
    rng = np.random.default_rng(0)
    out = []
    for video, led in zip(frames, actions, strict=True):
        given = np.repeat(40.0 * led[None].astype(np.float64), 3, axis=0)
        given[:, SHOWN - 1 :] += rng.normal(0, 100, given[:, SHOWN - 1 :].shape)
        seen = np.ascontiguousarray(video[:SHOWN])
        out += [Observation(seen, 10.0, a, AHEAD, "", np.eye(3)) for a in given]
    return out


@pytest.mark.parametrize("name", ["dreamer", "jepa"])
def test_what_is_imagined_is_what_each_would_be_told_alone(name, asked):
    apart = [small(name).imagine([o], [0])[0].latents for o in asked]
    model = small(name)
    for batch in (asked[:3], asked, asked[3:], asked[:3], asked[1:2]):
        told = model.imagine(batch, [0] * len(batch))
        for one, seen in zip(told, batch, strict=True):
            wanted = apart[next(i for i, o in enumerate(asked) if o is seen)]
            np.testing.assert_allclose(one.latents, wanted, atol=1e-4)
    assert not np.allclose(apart[0], apart[1])


@pytest.mark.parametrize("name", ["dreamer", "jepa"])
def test_a_past_that_is_shared_is_watched_once(name, asked, monkeypatch):
    model, watched = small(name), []
    make = model._watch
    monkeypatch.setattr(model, "_watch", lambda pasts: watched.append(len(pasts)) or make(pasts))
    model.imagine(asked[:3], [0, 0, 0])
    model.imagine([replace(o, frames=o.frames.copy()) for o in asked[:2]], [0, 0])
    assert watched == [1]
    model.imagine(asked, [0] * 6)
    assert watched == [1, 2]


@pytest.mark.parametrize("name", ["dreamer", "jepa"])
def test_a_past_that_was_written_over_is_another_past(name, asked):
    model, frames = small(name), asked[0].frames.copy()
    model.imagine([replace(asked[0], frames=frames)], [0])
    frames[:] = asked[3].frames
    told = model.imagine([replace(asked[0], frames=frames)], [0])[0].latents
    wanted = small(name).imagine([replace(asked[0], frames=asked[3].frames)], [0])[0].latents
    np.testing.assert_allclose(told, wanted, atol=1e-5)


def test_pasts_differ_by_frames_or_by_what_was_done(asked):
    pushed = asked[0].actions.copy()
    pushed[0, 3] += 1
    kinds, which = different([asked[0], asked[4], asked[1], replace(asked[0], actions=pushed)])
    assert which.tolist() == [0, 1, 0, 2]
    made = []
    kept = Remembered()
    for kind in (kinds[0], kinds[0], kinds[1], kinds[0]):
        kept.of([kind], lambda pasts: made.append(pasts) or len(made))
    assert len(made) == 3
    assert past(asked[0]).actions.shape == (SHOWN - 1, 12)
