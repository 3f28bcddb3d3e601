"""The probe and the metric of this package, asked together."""

from wmeval.suite import Suite

SUITE = Suite("coasting", "0.3", ("coasting",), ("brightness", "psnr"), 8, summary="What this package adds.")
