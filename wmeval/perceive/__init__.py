"""Perception: frames become Tracks, by colour and outline; it knows the Scene and never the Truth."""

from wmeval.perceive.track import track

__all__ = ["track"]
