"""voe@0.2: violation of expectation; does a model that judges videos find the impossible one surprising?"""

from wmeval.suite import Suite
from wmeval_probes.suites.core import SUITE as CORE

SUITE = Suite(
    name="voe",
    version="0.2",
    probes=CORE.probes,
    metrics=(),
    cases=64,
    instruments=("surprise",),
    anchors=CORE.anchors,
    summary="Possible against impossible clips, exactly matched wherever that can be; nothing is generated.",
)
