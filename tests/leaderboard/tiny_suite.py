"""tiny@1: two concepts, two cases each, so that a whole run takes a second."""

from wmeval.suite import Suite
from wmeval_probes.suites.quick import SUITE as QUICK

SUITE = Suite(
    name="tiny", version="1", probes=("gravity", "bounce"), metrics=("psnr",), cases=2,
    instruments=("rollout", "surprise"),
    anchors=QUICK.anchors, summary="Two concepts, two cases each.",
)  # fmt: skip
