"""flash-linear-attention's kernels for tensors on a GPU (extra `fla`), in place of the chunked forms in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from separatrix.ops.native import log


@cache
def kernel(module: str, name: str) -> Callable[..., Any] | None:
    """A function of flash-linear-attention, None where it is not installed or has no such function."""
    if find_spec("fla") is None:
        return None
    try:
        return getattr(import_module(f"fla.ops.{module}"), name)
    except (ImportError, AttributeError) as error:
        log.warning("flash-linear-attention has no %s.%s (%s): the PyTorch form runs", module, name, error)
        return None


def fast(module: str, name: str, on: Tensor) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """`kernel` where it can serve this tensor, with what all its functions take filled in.

    Their layout is ours: (B, N, H, ·) for tokens and (B, H, K, V) for states. Queries are scaled before the call.
    """
    if on.device.type != "cuda" or on.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return None
    if (function := kernel(module, name)) is None:
        return None

    def run(*tensors: Tensor, state: Tensor | None, **options: Tensor) -> tuple[Tensor, Tensor]:
        held = None if state is None else state.float()
        y, after = function(*tensors, **options, scale=1.0, initial_state=held, output_final_state=True)
        return y.to(on.dtype), after.to(on.dtype)

    return run
