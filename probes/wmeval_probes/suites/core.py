"""core@0.2: every concept, 64 cases each, as trained on and beyond; what a comparison of models rests on."""

from wmeval.suite import Suite
from wmeval_probes.suites.quick import SUITE as QUICK

SUITE = Suite(
    name="core",
    version="0.2",
    probes=(
        "permanence", "continuity", "interpenetration", "containment", "constancy", "revisit",
        "gravity", "inertia", "friction", "ramp", "pendulum",
        "collision", "bounce", "support", "causality", "chain",
        "counterfactual", "control",
    ),
    metrics=QUICK.metrics,
    cases=64,
    tags=("iid", "ood-speed", "ood-size"),
    instruments=("rollout", "imagination", "surprise"),
    controls=16,
    anchors=QUICK.anchors,
    summary="Every concept, by every instrument that the model allows; within the training split and beyond.",
)  # fmt: skip
