"""Checkpoints of dreamerv3-torch on disk: which sizes they have, and whether they fit.

`latest.pt` holds `agent_state_dict` (and the optimisers', which are not read). The world model's tensors
begin with `_wm.`; a compiled one has `_orig_mod.` in its names. Sizes are read from shapes; what no shape
tells (number of categoricals, unimix, how the decoder ends) is told by options.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wmeval.errors import EnvironmentFault, UsageError
from wmeval_adapters.dreamer.published import Config, WorldModel

MAX_BYTES = 4 * 2**30
PREFIX = "_wm."
ACTOR = ("_task_behavior.", "_expl_behavior.")


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the world model in a checkpoint, without `_wm.` and `_orig_mod.`.

    Raises: EnvironmentFault when the file is missing, UsageError when it is no such checkpoint.
    """
    if not path.is_file():
        raise EnvironmentFault(f"no checkpoint at {path}; expected the latest.pt of a dreamerv3-torch run")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is {path.stat().st_size >> 20} MiB; a checkpoint is at most 4096 MiB")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, struct.error, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as tensors alone ({str(error).splitlines()[0]}); save it with torch.save "
            "of {'agent_state_dict': agent.state_dict()}"
        ) from error
    agent = held.get("agent_state_dict") if isinstance(held, Mapping) else None
    if not isinstance(agent, Mapping):
        raise UsageError(f"{path} holds no agent_state_dict; expected the latest.pt of a dreamerv3-torch run")
    out: dict[str, Tensor] = {}
    for name, value in agent.items():
        plain = str(name).replace("_orig_mod.", "")
        if plain.startswith(PREFIX) and isinstance(value, Tensor):
            out[plain[len(PREFIX) :]] = value.float()
    if not out:
        raise UsageError(f"{path} holds no tensor whose name begins with {PREFIX}; expected a world model")
    return out


def sizes(tensors: Mapping[str, Tensor], path: Path) -> Config:
    """Return the sizes that the shapes of a checkpoint tell.

    `discrete` is taken to be equal to `stoch`, as published, unless an option says otherwise.

    Raises: UsageError naming a tensor without which nothing can be told.
    """

    def shape(name: str) -> tuple[int, ...]:
        if name not in tensors:
            raise UsageError(
                f"{path}: tensor '{PREFIX}{name}' is missing; expected a model that sees images and has "
                "categorical states, a reward and a continue head (dreamerv3-torch's defaults for pixels)"
            )
        return tuple(tensors[name].shape)

    first = shape("encoder._cnn.layers.0.weight")
    vectors = [n for n in tensors if n.startswith(("encoder._mlp", "heads.decoder._mlp"))]
    if vectors:
        raise UsageError(f"{path}: tensor {vectors[0]!r} reads vectors beside images; expected images alone")
    if first[1] != 3:
        raise UsageError(f"{path} sees images of {first[1]} channels; expected 3 (RGB)")
    convolutions = [n for n in tensors if re.fullmatch(r"encoder\._cnn\.layers\.\d+\.weight", n)]
    stages = len(convolutions)
    depth, kernel = first[0], first[2]
    widest = depth * 2 ** (stages - 1)
    hidden = shape("dynamics._img_in_layers.0.weight")[0]
    inward = shape("dynamics._img_in_layers.0.weight")[1]
    deter = shape("dynamics._cell.layers.GRU_norm.weight")[0] // 3
    codes = shape("dynamics._imgs_stat_layer.weight")[0]
    smallest = round((shape("heads.decoder._cnn._linear_layer.weight")[0] / widest) ** 0.5)
    stoch = round(codes**0.5)
    if stoch**2 != codes:
        stoch = 32 if codes % 32 == 0 else 1

    def layers(head: str) -> int:
        return sum(bool(re.fullmatch(rf"heads\.{head}\.layers\.\w+_linear\d+\.weight", n)) for n in tensors)

    reward = shape("heads.reward.mean_layer.weight")
    if reward[0] != 255:
        raise UsageError(f"{path} tells rewards by {reward[0]} numbers; expected 255 (symlog_disc)")
    return Config(
        actions=inward - codes, size=smallest * 2**stages, depth=depth, smallest=smallest, kernel=kernel,
        deter=deter, hidden=hidden, stoch=stoch, discrete=codes // stoch, units=reward[1],
        reward_layers=layers("reward"), cont_layers=layers("cont"), learned="dynamics.W" in tensors,
    )  # fmt: skip


def settled(config: Config, options: Mapping[str, str]) -> Config:
    """Return the sizes with what options say of stoch, unimix and the decoder's end.

    Raises: UsageError where an option does not fit.
    """
    codes = config.stoch * config.discrete
    try:
        stoch, unimix = int(options.get("stoch", config.stoch)), float(options.get("unimix", config.unimix))
    except ValueError as error:
        raise UsageError(f"stoch and unimix are numbers: {error}") from error
    if stoch < 1 or codes % stoch or not 0 <= unimix < 1:
        raise UsageError(
            f"given stoch={stoch}, unimix={unimix:g}; expected a divisor of {codes}, which is how many codes "
            "this checkpoint has, and a share from 0 to 1"
        )
    ends = options.get("decoder", "half")
    if ends not in ("half", "sigmoid"):
        raise UsageError(f"given decoder={ends}; expected half (a half is added) or sigmoid")
    return replace(
        config, stoch=stoch, discrete=codes // stoch, unimix=unimix, sigmoid=ends == "sigmoid"
    )  # fmt: skip


def load(path: Path, options: Mapping[str, str]) -> WorldModel:
    """Return the world model of a checkpoint, filled strictly.

    Raises: EnvironmentFault or UsageError, see `read`, `sizes`, `settled`, and `learn.weights.fill`.
    """
    from wmeval_adapters.learn import weights

    tensors = read(path)
    with torch.random.fork_rng():
        model = WorldModel(settled(sizes(tensors, path), options))
    weights.fill(model, tensors, path)
    return model.eval()


def kinds(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a world model's tensors under the names that a checkpoint has."""
    return {f"{PREFIX}{name}": value for name, value in state.items()}
