"""Planners: they look for the actions of least cost, and know nothing of worlds, models or tasks."""

from wmeval.plan.noise import coloured
from wmeval.plan.search import Evaluate, Found, search
from wmeval.plan.settings import CEM, ICEM, MPPI, PLANNERS, Settings

__all__ = ["CEM", "ICEM", "MPPI", "PLANNERS", "Evaluate", "Found", "Settings", "coloured", "search"]
