"""What `benchmarks/models.py` asks: every concept of core, in the training split and beyond, at small n."""

from dataclasses import replace

from wmeval_probes.suites.core import SUITE as CORE

SUITE = replace(
    CORE, name="models", metrics=("psnr", "body-psnr"), cases=16, tags=("iid", "ood-speed"), controls=0,
    summary="Every concept, by the instrument that fits a model best, at reduced n.",
)  # fmt: skip
