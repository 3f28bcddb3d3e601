"""Models that know the world exactly, through nothing but what every model is given: frames and actions.

Their dynamics are those of the very scene, carried out in an engine of their own under the actions that they
are given; `late` shifts those by frames. The latents of `ExactLatents` are positions in metres.
"""

from dataclasses import dataclass, replace

import numpy as np

from wmeval.camera import View
from wmeval.model import ActionSpace, Card, Prediction
from wmeval.perceive.readout import Readout
from wmeval.world import Live, film

VIEW = View(fps=10.0)
CARD = Card(
    name="exact", family="test", version="1", licence="-", source="a test",
    capabilities=frozenset({"generates"}), view=VIEW, context=(1, 64), horizon=None,
    actions=ActionSpace("continuous", 12, "exact"), classes=("clip + actions", "never"), max_batch=16,
)  # fmt: skip


@dataclass
class Exact:
    """Generates the frames that will be: it holds the scene, and does in it what the actions say."""

    scene: object
    late: int = 0
    card: Card = CARD
    asked: int = 0

    def futures(self, seen):
        """Return the live scene's truth when everything that was commanded has been carried out."""
        fps, shown = seen.fps, len(seen.frames)
        body = self.scene.actuated
        with Live(self.scene) as live:
            begun = len(seen.actions) + 1 - (shown + seen.horizon)
            assert begun == 0
            for i in range(len(seen.actions)):
                given = seen.actions[i - self.late] if i >= self.late else np.zeros(12)
                live.advance(1 / fps, force={body: tuple(given[3:6])}, impulse={body: tuple(given[:3])})
            return live.truth()

    def generate(self, batch, seeds):
        self.asked += len(batch)
        out = []
        for seen in batch:
            truth = self.futures(seen)
            shown = len(seen.frames)
            times = np.arange(shown, shown + seen.horizon) / seen.fps
            out.append(Prediction(frames=film(truth, self.card.view, times)))
        return out


class ExactLatents(Exact):
    """Imagines where bodies will be (horizon, n, 3); encodes frames by finding the bodies in them."""

    def imagine(self, batch, seeds):
        self.asked += len(batch)
        out = []
        for seen in batch:
            shown = len(seen.frames)
            times = np.arange(shown, shown + seen.horizon) / seen.fps
            out.append(Prediction(latents=self.futures(seen).poses_at(times)[0].astype(np.float32)))
        return out

    def encode(self, batch):
        from wmeval.perceive import track

        out = []
        for clip in batch:
            times = np.arange(len(clip.frames)) / clip.fps
            position = track(clip.frames, self.scene, self.card.view, times).position
            out.append(Prediction(latents=position.astype(np.float32)))
        return out


LATENT_CARD = replace(CARD, capabilities=frozenset({"encodes", "imagines"}))


class Plain(Readout):
    """A readout of latents that are positions."""

    def __init__(self, bodies):
        object.__setattr__(self, "shape", (bodies, 3))
        object.__setattr__(self, "view", VIEW)

    def read(self, latents, scene, view, times):
        class Told:
            position = np.asarray(latents, np.float64)

        return Told()
