"""A process takes the network from itself, so that what it runs can ask nobody for an answer."""

from __future__ import annotations

import ctypes
import os
import sys

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # of sched.h


def cut_off() -> bool:
    """Leave every network for good, and return whether the system let us; only Linux does."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # who may not leave the network alone may do so within a user namespace, where the system has these
    ways = (_NEW_NET,) if os.geteuid() == 0 else (_NEW_USER | _NEW_NET,)
    return any(libc.unshare(way) == 0 for way in ways)
