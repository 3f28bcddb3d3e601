"""quick@0.1: three physical concepts and the fidelity of the same clips, in minutes on two cores."""

from importlib.resources import files

from wmeval.suite import Suite

SUITE = Suite(
    name="quick",
    version="0.1",
    probes=("permanence", "interpenetration", "gravity"),
    metrics=(
        "psnr",
        "body-psnr",
        "ssim",
        "ms-ssim",
        "lpips",
        "lpips-wmeval-enc",
        "kvd-wmeval-enc",
        "fvd-wmeval-enc",
    ),
    cases=16,
    anchors=files("wmeval_probes.suites").joinpath("anchors"),
    summary="Three concepts, 16 cases each: is a first look worth a longer one?",
)
