"""planning@0.2 and planning-quick@0.2: can one plan with a model? Every task, by choice and by control."""

from wmeval.suite import Suite

_TASKS = ("push", "steer", "catch", "billiard", "keep", "topple")

SUITE = Suite(
    name="planning",
    version="0.2",
    probes=(),
    metrics=(),
    cases=100,
    tags=(),
    instruments=("choose", "control"),
    tasks=_TASKS,
    instances=100,
    episodes=32,
    budgets=(16, 64, 256),
    summary="Every planning task: 100 choices, and 32 episodes of control at three budgets.",
)
QUICK = Suite(
    name="planning-quick",
    version="0.2",
    probes=(),
    metrics=(),
    cases=8,
    instruments=("choose", "control"),
    tasks=("push", "catch"),
    instances=8,
    episodes=8,
    budgets=(16,),
    summary="Two planning tasks, few problems and one small budget: is a first look worth a longer one?",
)
