"""matrix@0.2: every concept as trained on, 64 cases each and no fidelity; what organisms are asked."""

from wmeval.suite import Suite
from wmeval_probes.suites.core import SUITE as CORE

SUITE = Suite(
    name="matrix",
    version="0.2",
    probes=CORE.probes,
    metrics=(),
    cases=64,
    anchors=CORE.anchors,
    summary="Every concept by rollout, 64 cases each: which of them does a fault cost, and which not?",
)
