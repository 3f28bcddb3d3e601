"""Where every random draw comes from: seeds are hashes of what they are for, never global state."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np

Split = Literal["eval", "dev", "train", "hidden"]
SECRET_BYTES = 16  # at least: a shorter one could be guessed
_SECRET: ContextVar[bytes | None] = ContextVar("secret", default=None)


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
    use HMAC with a secret that only the operator of a leaderboard holds. Within `hidden_by` what is asked
    for evaluation is drawn from them.

    >>> one, two = (scene_rng("eval", "gravity@0.1", "iid", 0) for _ in range(2))
    >>> one.bytes(8) == two.bytes(8)
    True
    """
    if split == "eval" and (kept := _SECRET.get()):
        split, secret = "hidden", kept
    text = f"{split}|{probe}|{tag}|{index}".encode()
    if (split == "hidden") != (secret is not None):
        raise ValueError("a secret goes with the hidden split, and only with it")
    raw = hmac.digest(secret, text, "sha256") if secret else hashlib.sha256(text).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(raw[:16], "big")))


@contextmanager
def hidden_by(secret: bytes) -> Iterator[None]:
    """Let hidden scenes stand in the place of those for evaluation while this lasts.

    The secret is in the memory of this process and in nothing that it writes.

    Raises:
        ValueError: the secret is so short that it could be guessed.
    """
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret has {len(secret)} bytes; expected {SECRET_BYTES} or more")
    before = _SECRET.set(secret)
    try:
        yield
    finally:
        _SECRET.reset(before)


def asked_split() -> Split:
    """Return the split that evaluation draws from now."""
    return "hidden" if _SECRET.get() else "eval"


def commitment(secret: bytes) -> str:
    """Return the SHA-256 (hex) of a secret: published before it is used, so that it cannot be changed.

    >>> commitment(bytes(16))[:8]
    '374708ff'
    """
    return hashlib.sha256(secret).hexdigest()


def asked_by() -> str:
    """Return the commitment to the secret that evaluation draws by now; nothing where scenes are public."""
    kept = _SECRET.get()
    return commitment(kept) if kept else ""


def sample_seed(run_seed: int, probe: str, case_id: str, replicate: int) -> int:
    """Return the 64-bit seed dictated to a model for one sample of one case.

    All arms of a case share it, so that their differences are not noise. Of a hidden case it is drawn by the
    secret, too: whoever is given the seed could otherwise try whether the case is one that he guesses.
    """
    text = f"{run_seed}|{probe}|{case_id}|{replicate}".encode()
    kept = _SECRET.get()
    raw = hmac.digest(kept, text, "sha256") if kept else hashlib.sha256(text).digest()
    return int.from_bytes(raw[:8], "big")
