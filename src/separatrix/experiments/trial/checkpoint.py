"""A trial's whole state in one safetensors file, so that a run cut off anywhere goes on to the same bits.

The file says whose it is and carries the hash of its bytes: one that was damaged, changed or put into another trial's
folder is refused. Those of versions before that are checked for their parts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from separatrix.experiments.trial.seal import Damaged, read_stamped, stamp, unstamped


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


def pack(model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, identity: str) -> bytes:
    """The checkpoint of a trial as the bytes of one safetensors file."""
    tensors: dict[str, Tensor] = {f"model.{name}": t.contiguous() for name, t in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
    return stamp(save(tensors, metadata=unstamped(identity, progress=json.dumps(asdict(progress)))))


def unpack(data: bytes, model: nn.Module, optimizer: torch.optim.Optimizer, identity: str | None = None) -> Progress:
    """Put a checkpoint back into a model and its optimiser. Raises Damaged, and has changed nothing then.

    identity: of the trial the checkpoint must belong to
    """
    progress = read_progress(data, identity)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise Damaged(str(error)) from None
    weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    _check(weights, model.state_dict())
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = (*name.split(".", 2), "", "")[:3]
            state.setdefault(int(index) if index.isdigit() else -1, {})[key] = tensor
    _check_moments(state, [p for group in optimizer.param_groups for p in group["params"]], progress.step)
    model.load_state_dict(weights)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def read_progress(data: bytes, identity: str | None = None) -> Progress:
    """Where the training of a checkpoint stands. Raises Damaged."""
    said = read_stamped(data, identity)["progress"]
    try:
        progress = Progress(**json.loads(said))
        last = progress.history[-1]["step"] if progress.history else progress.step
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise Damaged(f"its progress cannot be read: {error}") from None
    counts = progress.step, progress.tokens, progress.solved, progress.stale
    if not all(isinstance(count, int) and count >= 0 for count in counts) or last != progress.step:
        raise Damaged("its progress contradicts itself")
    if not isinstance(progress.stopped, str | None):
        raise Damaged(f"its training ended as {progress.stopped!r}")
    return progress


def _check_moments(state: dict[int, dict[str, Any]], parameters: list[Tensor], step: int) -> None:
    """Damaged unless the optimiser has both moments of what it says it has trained, and has trained something."""
    if bool(state) != bool(step) or not set(state) <= set(range(len(parameters))):
        raise Damaged("its optimiser is not whole")
    for index, kept in state.items():
        shape = parameters[index]
        _check(kept, {"step": kept.get("step", shape), "exp_avg": shape, "exp_avg_sq": shape})


def _check(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Damaged unless tensors have the names, shapes and number formats expected."""
    if set(found) != set(expected):
        wrong = sorted(set(found) ^ set(expected))[0]
        raise Damaged(f"tensor {wrong!r} is {'too many' if wrong in found else 'missing'}")
    for name, tensor in found.items():
        if (tensor.shape, tensor.dtype) != (expected[name].shape, expected[name].dtype):
            is_, right = (f"{tuple(each.shape)} {str(each.dtype)[6:]}" for each in (tensor, expected[name]))
            raise Damaged(f"tensor {name!r} is {is_}, expected {right}")
