"""Where every random draw comes from: seeds are hashes of what they are for, never global state."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Literal

import numpy as np

Split = Literal["eval", "dev", "train", "hidden"]


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, NaN refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def scene_rng(
    split: Split, probe: str, tag: str, index: int, *, secret: bytes | None = None
) -> np.random.Generator:
    """Return the generator that draws scene `index` of a split.

    Splits are disjoint by construction: the split name is a prefix of what is hashed. Hidden scenes
    use HMAC with a secret that only the operator of a leaderboard holds.

    >>> one, two = (scene_rng("eval", "gravity@0.1", "iid", 0) for _ in range(2))
    >>> one.bytes(8) == two.bytes(8)
    True
    """
    text = f"{split}|{probe}|{tag}|{index}".encode()
    if (split == "hidden") != (secret is not None):
        raise ValueError("a secret goes with the hidden split, and only with it")
    raw = hmac.digest(secret, text, "sha256") if secret else hashlib.sha256(text).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(raw[:16], "big")))


def sample_seed(run_seed: int, probe: str, case_id: str, replicate: int) -> int:
    """Return the 64-bit seed dictated to a model for one sample of one case.

    All arms of a case share it, so that their differences are not noise.
    """
    text = f"{run_seed}|{probe}|{case_id}|{replicate}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
