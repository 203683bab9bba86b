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


def found() -> bool:
    """Whether flash-linear-attention is installed."""
    return find_spec("fla") is not None


@cache
def kernel(module: str, name: str) -> Callable[..., Any] | None:
    """A function of flash-linear-attention, None where it is not installed or has no such function."""
    if not found():
        return None
    try:
        if module in ONE_DECAY and refused():
            log.warning("flash-linear-attention refuses gradients of %s with this Triton: the PyTorch form runs", name)
            return None
        return getattr(import_module(f"fla.ops.{module}"), name)
    except (ImportError, AttributeError) as error:
        log.warning("flash-linear-attention has no %s.%s (%s): the PyTorch form runs", module, name, error)
        return None


ONE_DECAY = ("simple_gla", "gated_delta_rule")
"""Modules whose kernels have one decay a head."""

WIDTHS = range(16, 257)
"""Of keys and values, with which all its kernels work."""

DECAY = -40.0
"""Log decays below are taken for this: its kernels subtract sums of them, which must stay finite. exp(-40) is 4e-18."""


def refused() -> bool:
    """Whether it refuses the gradients of one decay a head here: Triton 3.4 to 3.7.0 gets them wrong on Hopper."""
    utils = import_module("fla.utils")
    wrong = utils.IS_NVIDIA_HOPPER and utils.TRITON_ABOVE_3_4_0 and not getattr(utils, "TRITON_ABOVE_3_7_1", False)
    return bool(wrong) and find_spec("tilelang") is None


def fast(module: str, name: str, k: Tensor, v: Tensor) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """`kernel` where it can serve these keys and values, with what all its functions take filled in.

    Their layout is ours: (B, N, H, ·) for tokens and (B, H, K, V) for states. Queries are scaled before the call. In
    float32 its kernels multiply in TF32, so they run only where PyTorch's own products may
    (`torch.set_float32_matmul_precision("high")`), and the delta rule's not at all.
    """
    if v.device.type != "cuda" or not v.shape[1] or not allowed(name, v.dtype):
        return None
    if k.shape[-1] not in WIDTHS or v.shape[-1] not in WIDTHS:
        return None
    if (function := kernel(module, name)) is None:
        return None

    def run(
        q: Tensor, k: Tensor, v: Tensor, *, state: Tensor | None, g: Tensor | None = None, beta: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        gates = {} if beta is None else {"beta": beta.to(v.dtype)}
        gates |= {} if g is None else {"g": g.float().clamp(min=DECAY)}
        held = None if state is None else state.float()
        tokens = (q.to(v.dtype), k.to(v.dtype), v)  # of several formats where autocast is at work
        y, after = function(*tokens, **gates, scale=1.0, initial_state=held, output_final_state=True)
        return y, after.to(v.dtype)

    return run


def allowed(name: str, dtype: torch.dtype) -> bool:
    """Whether its kernel is right, in the format's own precision."""
    if dtype == torch.float32:
        return torch.get_float32_matmul_precision() != "highest" and name != "chunk_delta_rule"
    return dtype in (torch.bfloat16, torch.float16)
