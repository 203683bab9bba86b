"""Measuring a state: how many numbers, how many bits the past has been reduced to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.utils import _pytree as pytree

State: TypeAlias = Any
"""A pytree (nested tuples, lists, dicts) of tensors, each with a leading batch dimension."""


def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """`function` applied to every tensor of a state.

    >>> sx.models.map_state(lambda tensor: tensor.half(), (torch.ones(1, 4), [torch.ones(1, 2)]))[1][0].dtype
    torch.float16
    """
    return pytree.tree_map(function, state)


def tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in a fixed order."""
    return [leaf for leaf in pytree.tree_leaves(state) if isinstance(leaf, Tensor)]


def state_numbers(state: State) -> int:
    """How many scalars one example's state holds (measured).

    >>> sx.models.state_numbers((torch.zeros(32, 16), torch.zeros(32, 4, 4)))  # 32 examples
    32
    """
    return sum(tensor[0].numel() for tensor in tensors(state))


def state_bits(state: State, precision: int | None = None) -> int:
    """How many bits one example's state holds: at `precision` bits a scalar, or as stored when None (measured).

    >>> state = (torch.zeros(32, 16), torch.zeros(32, 16, dtype=torch.bfloat16))  # 32 examples
    >>> sx.models.state_bits(state), sx.models.state_bits(state, precision=8)
    (768, 256)
    """
    return sum(tensor[0].numel() * (precision or bits_per_number(tensor.dtype)) for tensor in tensors(state))


def as_real(x: Complex[Tensor, "*B"]) -> Float[Tensor, "*B 2"]:
    """Real and imaginary parts: states are real, so that whoever counts or rounds them sees every scalar."""
    return torch.view_as_real(x)


def as_complex(x: Float[Tensor, "*B 2"]) -> Complex[Tensor, "*B"]:
    """The inverse of `as_real`."""
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x  # there is no complex number of theirs
    return torch.complex(x[..., 0], x[..., 1])


def bits_per_number(dtype: torch.dtype) -> int:
    """Bits one scalar of a dtype takes (a complex number counts both of its parts)."""
    return 1 if dtype == torch.bool else dtype.itemsize * 8


def repeat_queries(state: State, queries: int) -> State:
    """Float[B, …] -> Float[B * Q, …]: each example's state once per query, rows of one example adjacent."""
    return map_state(lambda tensor: tensor[:, None].expand(-1, queries, *tensor.shape[1:]).flatten(0, 1), state)
