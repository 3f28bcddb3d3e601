"""survey@0.2: every concept and every task, at small n, in whatever way needs no acting: a whole profile."""

from dataclasses import replace

from wmeval_probes.suites.core import SUITE as CORE
from wmeval_probes.suites.planning import SUITE as PLANNING

SUITE = replace(
    CORE,
    name="survey",
    version="0.2",
    cases=16,
    tags=("iid", "place", "take"),  # the last two are of the task keep
    instruments=(*CORE.instruments, "choose"),
    controls=0,
    tasks=PLANNING.tasks,
    instances=16,
    summary="Every concept and task but closed-loop control, 16 cases each: a whole profile, wide intervals.",
)
