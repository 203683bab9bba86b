"""Number formats: recurrences of half formats, and those under autocast, are computed in float32 and rounded once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from separatrix.ops.native import HALF_DTYPES

F = TypeVar("F", bound=Callable[..., Any])


def in_full_precision(function: F) -> F:
    """`function`, with half tensors among its arguments taken as float32 and its results in the first one's format.

    Errors that grow along a sequence thus stay those of float32. Under autocast, tensors of several formats meet and
    the results stay float32, as those of PyTorch's own sums do.
    """

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        like = next(x for x in (*arguments, *options.values()) if isinstance(x, Tensor))
        kind = like.device.type
        mixed = autocasting(kind)
        if not mixed and like.dtype not in HALF_DTYPES:
            return function(*arguments, **options)
        arguments = tuple(_each(full, argument) for argument in arguments)
        options = {name: _each(full, option) for name, option in options.items()}
        with torch.autocast(kind, enabled=False) if mixed else nullcontext():
            outputs = function(*arguments, **options)
        return outputs if mixed else _each(lambda x: x.to(like.dtype) if x.dtype == torch.float32 else x, outputs)

    wrapper: Any = run
    wrapper.__code__ = wrapper.__code__.replace(co_name=function.__name__)  # torch.compile counts recompilations by it
    return wrapper


def autocasting(kind: str) -> bool:
    """Whether autocast is at work on this kind of device."""
    available = kind in ("cpu", "cuda") or torch.amp.is_autocast_available(kind)  # 2.6 cannot compile that
    return available and torch.is_autocast_enabled(kind)


def full(x: Tensor) -> Tensor:
    """A half tensor as float32, any other as it is."""
    return x.float() if x.dtype in HALF_DTYPES else x


def _each(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """`change` applied to a tensor, or to those of a tuple."""
    if isinstance(value, tuple):
        return tuple(_each(change, part) for part in value)
    return change(value) if isinstance(value, Tensor) else value
