"""The world: scenes become truths, truths become pictures. The only package that knows PyBullet."""

from wmeval.world.contact import distances
from wmeval.world.futures import make_futures
from wmeval.world.live import Live, Saved
from wmeval.world.observe import actions, clip, exact_tracks, frame_split, observe
from wmeval.world.render import Rendered, Renderer, film, render
from wmeval.world.simulate import absent, repaint, resume, simulate
from wmeval.world.visibility import visibility

__all__ = [
    "Live",
    "Rendered",
    "Renderer",
    "Saved",
    "absent",
    "actions",
    "clip",
    "distances",
    "exact_tracks",
    "film",
    "frame_split",
    "make_futures",
    "observe",
    "render",
    "repaint",
    "resume",
    "simulate",
    "visibility",
]
