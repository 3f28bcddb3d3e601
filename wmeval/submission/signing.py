"""Who hands a run in: an Ed25519 signature over the root of its files.

A signed root cannot be passed off as another team's, and no file can be changed after it was signed.
"""

from __future__ import annotations

from typing import Any

from wmeval.errors import EnvironmentFault

_SAYS = b"wmeval submission\n"  # so that a signature of something else never fits


def new_key() -> str:
    """Return a new private key (32 bytes, hex).

    Raises:
        EnvironmentFault: `cryptography` is not installed.
    """
    made = _ed25519().Ed25519PrivateKey.generate()
    return str(made.private_bytes_raw().hex())


def public_key(key: str) -> str:
    """Return the public key (32 bytes, hex) of a private one."""
    return str(_private(key).public_key().public_bytes_raw().hex())


def sign(key: str, root: str) -> str:
    """Return the signature (64 bytes, hex) of a root by a private key."""
    return str(_private(key).sign(_SAYS + root.encode()).hex())


def signed(public: str, signature: str, root: str) -> bool:
    """Return whether a signature (hex) of a root was made with the private key of a public one (hex)."""
    known = _ed25519().Ed25519PublicKey
    from cryptography.exceptions import InvalidSignature

    try:
        key = known.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), _SAYS + root.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(key: str) -> Any:
    return _ed25519().Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key))


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as fault:
        raise EnvironmentFault(
            'signing needs the package cryptography; `pip install "wmeval[leaderboard]"` installs it'
        ) from fault
    return ed25519
