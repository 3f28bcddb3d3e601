"""What `benchmarks/models.py control` asks: closed-loop control of every task at one small budget."""

from dataclasses import replace

from wmeval_probes.suites.planning import SUITE as PLANNING

SUITE = replace(
    PLANNING, name="acting", tags=("iid",), instruments=("control",), episodes=8, budgets=(16,),
    summary="Every task that can be controlled, 8 episodes at 16 candidates a round.",
)  # fmt: skip
