"""Open a model by name and serve it: what `wmeval serve-model` calls."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from wmeval import registry
from wmeval.errors import UsageError
from wmeval.references import Reference
from wmeval.remote.answer import Served
from wmeval.remote.card import read_card
from wmeval.remote.server import TOKEN, ModelServer, check_token
from wmeval.remote.wire import MOST_BYTES
from wmeval.run.code import file_digest
from wmeval.seeds import digest

PORT = 8765


def server_of(
    model: str,
    weights: str | Path | None = None,
    options: Mapping[str, str] | None = None,
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int = PORT,
    most_bytes: int = MOST_BYTES,
) -> ModelServer:
    """Return a server that listens; `serve_forever()` on it answers. The token is WMEVAL_TOKEN's.

    Raises:
        UsageError: no such model, a reference, or a host that others reach without a token.
        EnvironmentFault: weights are missing, or the port is taken.
    """
    token = os.environ.get(TOKEN, "")
    check_token(host, token)  # before a model is opened, which may take minutes
    return ModelServer(served(model, weights, options, device), host, port, token, most_bytes)


def served(
    model: str, weights: str | Path | None, options: Mapping[str, str] | None, device: str = "auto"
) -> Served:
    """Return an opened model with its identity: a digest of name, version, weights and options.

    Raises:
        UsageError, EnvironmentFault: it cannot be opened, or not served.
    """
    opened = registry.load_model(model, weights, device, options)
    if isinstance(opened, Reference):
        raise UsageError(f"{model!r} is a reference, which is shown the truth; adapters are served")
    adapter = registry.load_adapter(model)
    path = registry.weights_path(weights) or adapter.shipped
    held = file_digest(path) if path and path.exists() else ""
    given = {k: v for k, v in (options or {}).items() if k not in adapter.reaches}
    try:
        read_card(json.loads(json.dumps(opened.card.to_json(), allow_nan=False)))
    except ValueError as fault:
        raise UsageError(f"{model!r} cannot be served: {fault}") from fault
    return Served(opened, digest([opened.card.name, opened.card.version, held, given]))
