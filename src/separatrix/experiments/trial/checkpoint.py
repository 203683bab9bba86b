"""A trial's whole state in one safetensors file, so that a run cut off anywhere goes on to the same bits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from separatrix.errors import InputError


@dataclass
class Progress:
    """Where a trial's training stands. Data needs no state: batch i is a function of (seed, split, i)."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    solved: int = 0
    best_loss_bits: float = float("inf")
    stale: int = 0
    train_loss_bits: float = float("inf")
    stopped: str | None = None
    history: list[dict[str, float | int]] = field(default_factory=list)


def pack(model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> bytes:
    """The checkpoint as the bytes of one safetensors file."""
    tensors: dict[str, Tensor] = {f"model.{name}": t.contiguous() for name, t in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    return save(tensors, metadata={"progress": json.dumps(asdict(progress))})


def unpack(data: bytes, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put a checkpoint back into a model and its optimiser. Raises InputError when the file is damaged."""
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise _damaged(error) from None
    progress = read_progress(data)
    weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    model.load_state_dict(weights)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def read_progress(data: bytes) -> Progress:
    """Where the training of a checkpoint stands. Raises InputError when the file is damaged."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return Progress(**json.loads(header["__metadata__"]["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> InputError:
    return InputError(f"checkpoint.safetensors is damaged ({error}): delete it and run again")
