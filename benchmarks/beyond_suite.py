"""What `benchmarks/models.py beyond` asks: the concepts of survey at speeds that no training scene has."""

from dataclasses import replace

from wmeval_probes.suites.survey import SUITE as SURVEY

SUITE = replace(
    SURVEY, name="beyond", metrics=(), tags=("ood-speed",), instruments=("rollout", "imagination"), tasks=(),
    summary="Every concept beyond the training split, at small n.",
)  # fmt: skip
