"""A package that was written for another wmeval."""

from wmeval import Rust

PROBE = ADAPTER = METRIC = TASK = command = Rust()
