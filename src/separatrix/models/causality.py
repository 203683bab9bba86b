"""Whether a module looks ahead, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from separatrix.errors import InputError


def check_causal(
    function: Callable[[Tensor], Tensor],
    width: int,
    what: str,
    length: int = 12,
    tolerance: float = 1e-5,
    device: torch.device | None = None,
) -> None:
    """InputError when an output of `function`, (B, N, D) -> (B, N, D), depends on a later input or another example.

    Every input is perturbed in turn, and the outputs before it compared.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, length, width, generator=generator, device="cpu").to(device)
    with torch.no_grad():
        try:
            y = function(x)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{what}: failed on an input of shape (2, {length}, {width}): {error}") from error
        if not isinstance(y, Tensor) or y.shape != x.shape:
            got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise InputError(f"{what}: must map shape (2, {length}, {width}) to the same shape, got {got}")
        if len(wrong := (~torch.isfinite(y)).any(-1).any(0).nonzero()):
            raise InputError(f"{what}: gives a number that is not finite at position {int(wrong[0])}, for finite input")
        if not torch.equal(function(x), y):
            raise InputError(f"{what}: gives different outputs for the same input, so its causality cannot be checked")
        scale = y.abs().max().clamp_min(1e-12)
        for later in range(length):
            changed = x.clone()
            changed[0, later] += torch.randn(width, generator=generator, device="cpu").to(device)
            moved = (function(changed) - y).abs().amax(-1) / scale  # (2, N)
            if (moved[1] > tolerance).any():
                raise InputError(f"{what}: the output of one example depends on another example of the batch")
            ahead = (moved[0, :later] > tolerance).nonzero()
            if len(ahead):
                raise InputError(
                    f"{what}: looks ahead: the output at position {int(ahead[0])} changes with the input at position "
                    f"{later}; mixers must be causal"
                )


def check_forms(
    scan: Callable,
    step: Callable,
    width: int,
    what: str,
    length: int = 6,
    tolerance: float = 1e-4,
    device: torch.device | None = None,
) -> None:
    """InputError when `scan` and `step` give different outputs, naming the first position where they do."""
    x = torch.randn(2, length, width, generator=torch.Generator().manual_seed(0), device="cpu").to(device)
    with torch.no_grad():
        whole, _ = scan(x)
        start, state = scan(x[:, :1])
        outputs = [start[:, 0]]
        for t in range(1, length):
            y, state = step(state, x[:, t])
            outputs.append(y)
        apart = (torch.stack(outputs, dim=1) - whole).abs().amax((0, 2)) / whole.abs().max().clamp_min(1e-12)
    wrong = (apart > tolerance).nonzero()
    if len(wrong):
        raise InputError(
            f"{what}: scan and step disagree at position {int(wrong[0])} by {float(apart[wrong[0]]):.2g} of the "
            "largest output: both must be the same function"
        )


def quiet(module: nn.Module, function: Callable) -> Callable:
    """`function` with the module's dropout switched off while it runs."""

    def run(*arguments: Any) -> Any:
        training = module.training
        module.eval()
        try:
            return function(*arguments)
        finally:
            module.train(training)

    return run
