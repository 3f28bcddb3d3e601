"""What a planner is: a few numbers. CEM, iCEM and MPPI differ in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How plans are drawn, and how the next ones follow from what the last ones cost.

    Every iteration draws `candidates` plans around a mean, fewer by the factor `decay` from one iteration to
    the next (never fewer than twice the elites); their noise has a power spectrum of 1 / f^beta. "elites"
    fits mean and spread to the best plans (the cross-entropy method); "weights" to all of them, weighted by
    exp(-cost / temperature), cost in standard deviations of what was tried (MPPI). The defaults are iCEM's.
    """

    candidates: int = 64
    iterations: int = 3
    look: int = 12  # K, actions in a plan
    elites: int = 10  # at most a quarter of the candidates
    beta: float = 2.0
    keep: float = 0.3  # share of the elites that go on to the next iteration and, shifted, to the next plan
    decay: float = 1.25
    spread: float = 0.5  # standard deviation at the start of every search
    least: float = 0.05  # standard deviation that is never gone below
    momentum: float = 0.1  # share of the old mean and spread that stays
    refit: Literal["elites", "weights"] = "elites"
    temperature: float = 0.5

    def __post_init__(self) -> None:
        whole = {"candidates": 2, "iterations": 1, "look": 1, "elites": 1}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} was given as {getattr(self, name)}; expected at least {least}")
        if not (0 <= self.keep <= 1 and 0 <= self.momentum < 1 and self.decay >= 1 and self.beta >= 0):
            raise ValueError(
                f"keep={self.keep}, momentum={self.momentum}, decay={self.decay}, beta={self.beta} were "
                "given; expected keep in [0, 1], momentum in [0, 1), decay from 1 on, beta from 0 on"
            )
        if not (self.spread >= self.least > 0 and self.temperature > 0):
            raise ValueError(
                f"spread={self.spread}, least={self.least}, temperature={self.temperature} were given; "
                "expected spread >= least > 0 and temperature > 0"
            )

    @property
    def best(self) -> int:
        """How many plans count as elites."""
        return min(self.elites, max(1, self.candidates // 4))

    def drawn(self, iteration: int) -> int:
        """Return how many plans an iteration draws, from 0 on.

        >>> [Settings().drawn(i) for i in range(3)], [Settings(candidates=16).drawn(i) for i in range(3)]
        ([64, 51, 41], [16, 13, 10])
        """
        return max(round(self.candidates * self.decay**-iteration), 2 * self.best)


# Pinneri et al. 2020 (arXiv:2008.06389): noise of one colour, elites kept and shifted, fewer plans each time.
ICEM = Settings()
# Rubinstein 1999, as planners use it: independent noise, nothing kept but mean and spread.
CEM = Settings(beta=0.0, keep=0.0, decay=1.0, momentum=0.0)
# Williams et al. 2017 (arXiv:1509.01149): all plans count, by how little they cost.
MPPI = Settings(beta=0.0, keep=0.0, decay=1.0, momentum=0.0, refit="weights")
PLANNERS: Mapping[str, Settings] = {"icem": ICEM, "cem": CEM, "mppi": MPPI}
