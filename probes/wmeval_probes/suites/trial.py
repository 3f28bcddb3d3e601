"""trial@0.1: three concepts and two tasks by every instrument: a first season that a laptop can hold."""

from dataclasses import replace

from wmeval_probes.suites.core import SUITE as CORE
from wmeval_probes.suites.planning import QUICK as PLANNING
from wmeval_probes.suites.quick import SUITE as QUICK

SUITE = replace(
    QUICK,
    name="trial",
    version="0.1",
    instruments=(*CORE.instruments, *PLANNING.instruments),
    tags=("iid",),
    tasks=PLANNING.tasks,
    instances=PLANNING.instances,
    episodes=PLANNING.episodes,
    budgets=PLANNING.budgets,
    summary="What quick and planning-quick ask, by every instrument: a season to try the leaderboard with.",
)
