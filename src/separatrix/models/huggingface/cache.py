"""What a model of Transformers hands over: the tensors of its cache, and those its modules hold."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from separatrix.errors import InputError
from separatrix.models.huggingface.configuration import one_line

SLOTS = ("past_key_values", "cache_params", "state", "past_buckets_states", "mems")
"""What Transformers' models call their cache."""

Held = dict[str, Tensor]
"""Tensors that modules hold from one call to the next, by `module.attribute`."""


class CacheState:
    """A Transformers cache as a pytree: its tensors with a leading batch dimension are the state."""

    def __init__(self, cache: Any, batch: int) -> None:
        self.cache, self.batch = cache, batch


def walk(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """A copy of a cache with `change` applied to every tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        parts = [walk(item, change) for item in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: walk(item, change) for key, item in value.items()}
    if type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        new = copy.copy(value)
        for name, item in vars(value).items():
            if not name.endswith("config"):
                setattr(new, name, walk(item, change))
        return new
    return value


def visit(value: Any, batch: int, change: Callable[[Tensor], Any]) -> Any:
    """A copy of a cache with `change` applied to every tensor whose first dimension is the batch."""
    return walk(value, lambda tensor: change(tensor) if tensor.ndim and tensor.shape[0] == batch else tensor)


def leaves(cache: Any, batch: int) -> list[Tensor]:
    """The tensors of a cache with a leading batch dimension, in the order it keeps them, none of them twice."""
    found: dict[int, Tensor] = {}

    def take(tensor: Tensor) -> Tensor:
        found.setdefault(id(tensor), tensor)
        return tensor

    visit(cache, batch, take)
    return list(found.values())


def counters(value: Any, batch: int) -> list[Any]:
    """What a cache keeps beside the tensors of its examples, such as how many tokens it has read."""
    if isinstance(value, Tensor):
        return [] if value.ndim and value.shape[0] == batch else [value]
    if isinstance(value, bool | int | float):
        return [value]
    if isinstance(value, list | tuple):
        return [found for item in value for found in counters(item, batch)]
    if isinstance(value, dict):
        return [found for item in value.values() for found in counters(item, batch)]
    if type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        return [c for name, item in vars(value).items() if not name.endswith("config") for c in counters(item, batch)]
    return []


def _flatten(state: CacheState) -> tuple[list[Tensor], Any]:
    return leaves(state.cache, state.batch), state


def _unflatten(tensors: Any, state: CacheState) -> CacheState:
    before = leaves(state.cache, state.batch)
    after = dict(zip(map(id, before), tensors, strict=True))
    first = next(iter(after.values()), None)
    batch = first.shape[0] if isinstance(first, Tensor) else state.batch
    return CacheState(visit(state.cache, state.batch, lambda tensor: after[id(tensor)]), batch)


pytree.register_pytree_node(CacheState, _flatten, _unflatten)


def slot(body: nn.Module, what: str) -> str:
    """What a model calls its cache. Raises InputError when it takes none."""
    arguments = inspect.signature(body.forward).parameters
    for name in SLOTS:
        if name in arguments:
            return name
    raise InputError(f"{what}: is no causal language model with a cache")


def positions(kind: str, before: Any, tokens: Tensor) -> dict[str, Tensor]:
    """Where tokens stand after what a cache has read, for models that count from 0 again unless they are told."""
    if kind not in _UNTOLD or before is None:
        return {}
    past = one_line(kind, before.get_seq_length)
    return {"position_ids": torch.arange(past, past + tokens.shape[1], device=tokens.device)[None]}


_UNTOLD = ("bamba",)
"""Model types of Transformers that `generate` tells positions, and that are wrong by some thousandths without."""


def held(body: nn.Module) -> Held:
    """All tensors that modules hold beside their parameters: buffers, attributes, and what is inside of those."""
    return {
        f"{path}.{name}": tensor
        for path, module in body.named_modules()
        for name, tensor in _inside({k: v for k, v in vars(module).items() if k not in _REGISTRIES} | module._buffers)
    }


_REGISTRIES = ("_parameters", "_buffers", "_modules", "config")


def _inside(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        yield name, value
    elif isinstance(value, dict | list | tuple) and depth < 3:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _inside(item, f"{name}.{key}" if name else str(key), depth + 1)


def held_apart(body: nn.Module, run: Callable[[int], Any]) -> list[str]:
    """Where modules hold what depends on the context: `run(i)` reads context i = 0, 1, of one shape."""
    run(0)
    first = {place: tensor.clone() for place, tensor in held(body).items()}
    run(1)
    second = held(body)
    return [place for place in second if place not in first or not same(first[place], second[place])]


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal in shape, type and every bit that matters (NaN equals NaN)."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))


def hold(body: nn.Module, places: list[str], tensors: Held | None, fresh: Held) -> None:
    """Put tensors back where modules hold them; None: what was there before the first context (`fresh`), or nothing.

    Raises InputError for places that are no attributes.
    """
    source = fresh if tensors is None else tensors
    for place in places:
        path, _, attribute = place.rpartition(".")
        try:
            module = body.get_submodule(path)
        except AttributeError:
            raise InputError(f"holds its state in {place}, where it cannot be put back") from None
        setattr(module, attribute, source[place].clone() if place in source else None)
