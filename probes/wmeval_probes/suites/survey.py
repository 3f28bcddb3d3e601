"""survey@0.1: every concept and every task, at small n: a whole profile in an hour or two."""

from dataclasses import replace

from wmeval_probes.suites.core import SUITE as CORE
from wmeval_probes.suites.planning import SUITE as PLANNING

SUITE = replace(
    CORE,
    name="survey",
    version="0.1",
    cases=16,
    tags=("iid", "place", "take"),  # the last two are of the task keep
    instruments=(*CORE.instruments, *PLANNING.instruments),
    controls=0,
    tasks=PLANNING.tasks,
    instances=16,
    episodes=8,
    budgets=(16,),
    summary="Every concept and task, 16 cases and 8 episodes each: a whole profile with wide intervals.",
)
