"""Where the state of a given model repeats: one token read over and over, until two lengths are the same to it.

A state of finitely many bits cannot tell all lengths apart. The map from one state to the next is run in the model's
own number format, one token at a time, until it comes back to a state it has been in; from there on it goes round.
Two lengths that leave the same state are answered alike, whatever is asked and whatever follows. That is a proof about
this very model with these very weights, not about its architecture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from separatrix.errors import InputError
from separatrix.notebook import Shown

STEPS = 100_000
"""Tokens read before giving up: about 20 megabytes of digests."""

GROWS = 256
"""Tokens past a model's windows after which a state that has grown with every one of them grows for ever."""

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Repeats(Shown):
    """When the state of one model repeats on one token over and over.

    first:   the least length whose state comes back; None where none did in the tokens read
    period:  after how many further tokens it does: every length n >= first leaves the state that n + period leaves
    read:    tokens read before the answer, verification not counted
    numbers: scalars of the state, every layer's, windows of convolutions included
    bits:    bits of the state as it is stored
    finite:  whether no scalar of the repeating state is infinite or no number

    >>> sx.bounds.Repeats(token=1, first=678, period=2, read=680, numbers=8, bits=256).lengths
    (678, 680)
    """

    token: int
    first: int | None
    period: int | None
    read: int
    numbers: int
    bits: int
    finite: bool = True

    @property
    def lengths(self) -> tuple[int, int] | None:
        """Two lengths with one state, or None."""
        return None if self.first is None or self.period is None else (self.first, self.first + self.period)

    def ends_counting(self, modulus: int) -> bool:
        """Whether the repeat proves that this model does not count the token modulo `modulus` at every length.

        It does when the period is no multiple of the modulus: the counts of the two lengths then differ, their answers
        do not. Otherwise nothing is proved, which is not to say that the model counts.

        >>> sx.bounds.Repeats(token=1, first=47, period=1, read=48, numbers=8, bits=256).ends_counting(2)
        True
        """
        return self.period is not None and self.period % modulus != 0


@torch.no_grad()
def repeats(model: Any, token: int = 1, steps: int = STEPS) -> Repeats:
    """The first length at which the state of a model repeats on `token` over and over, and its period.

    model: anything with `prefill(context, state, start)`, in evaluation mode here; its number format is its own
    steps: tokens to read at most; memory grows by about 200 bytes a token
    The tokens are read one by one, as a recurrent model runs after its prompt; forms that read a whole context in
    chunks round otherwise, and nothing is said of them. States are compared by every bit of every tensor. A repeat is
    found by digests of 128 bits, and then verified: all is read again up to the second of the two lengths, and on
    through one more period, and the states are compared themselves.
    Raises InputError for tokens the model does not have, for models told positions, for states that grow, and for
    models that do not compute the same state twice.

    >>> model = sx.models.create("lstm", sx.tasks.create("parity", length=8), width=2).double()
    >>> found = sx.bounds.repeats(model, token=1, steps=10_000)
    >>> one, other = (model.prefill(torch.ones(1, found.first, dtype=torch.int64))[0] for _ in range(2))
    >>> torch.equal(one[0], other[0]), found.period
    (True, 1)
    """
    _check(model, token, steps)
    with evaluating(model):
        found = _find(model, token, steps)
        if found.lengths is not None:
            _verify(model, found)
    return found


def _check(model: Any, token: int, steps: int) -> None:
    task: Any = getattr(model, "task", None)
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    if getattr(task, "vector_size", None) is not None:
        raise InputError(f"{task.name} has vectors for tokens: a token to repeat needs a task over an alphabet")
    size = getattr(task, "alphabet_size", token + 1)
    if not 0 <= token < size:
        raise InputError(f"token must be in 0 … {size - 1}, the model's alphabet, got {token}")
    if getattr(model, "positions", None) is not None:
        raise InputError("the model is told the position of every token, so that its state alone is not what repeats")


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Inside, a model is in evaluation mode; afterwards as it was."""
    training = [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    try:
        if training:
            model.eval()
        yield
    finally:
        for module in training:
            module.training = True


def states(model: Any, token: int) -> Iterator[Any]:
    """The state after 1, 2, 3, … times the token, each from the one before, for one example."""
    device = next(model.parameters()).device if isinstance(model, nn.Module) else None
    read = torch.tensor([[token]], device=device)
    state, length = model.prefill(read), 1
    while True:
        yield state
        state, length = model.prefill(read, state, start=length), length + 1


def written(model: Any, state: Any) -> bytes:
    """Everything of a state as bytes: shapes, types and bits of its tensors, and the plain values between them.

    A model whose state holds more than its pytree shows gives that as `counters(state)`.
    """
    leaves = pytree.tree_leaves(state)
    parts = [str([type(leaf).__name__ for leaf in leaves]).encode()]
    for leaf in [*leaves, *getattr(model, "counters", lambda _: ())(state)]:
        if isinstance(leaf, Tensor):
            parts.append(f"{tuple(leaf.shape)}{leaf.dtype}".encode())
            parts.append(leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(leaf, _PLAIN):
            parts.append(repr(leaf).encode())
        else:
            raise InputError(
                f"the state holds a {type(leaf).__name__}, which cannot be compared: tensors and numbers can"
            )
    return b"|".join(parts)


def _find(model: Any, token: int, steps: int) -> Repeats:
    """The first repeat by digests."""
    seen: dict[bytes, int] = {}
    before, grown, patience = 0, 0, GROWS + _window(model)
    numbers, bits, length, state = 0, 0, 0, None
    for length, state in zip(range(1, steps + 1), states(model, token), strict=False):
        digest = hashlib.blake2b(written(model, state), digest_size=16).digest()
        if (first := seen.setdefault(digest, length)) < length:
            return Repeats(token, first, length - first, length, *_sizes(state), _finite(state))
        numbers, bits = _sizes(state)
        grown = grown + 1 if numbers > before else 0
        before = numbers
        if grown > patience:
            raise InputError(
                f"the state grows with every token ({numbers:,} numbers after {length}), as attention's does: "
                "a state that grows never repeats"
            )
    return Repeats(token, None, None, length, numbers, bits, _finite(state))


def _verify(model: Any, found: Repeats) -> None:
    """Read everything again, and one period on: the states themselves must be the same."""
    assert found.first is not None and found.period is not None
    kept: bytes | None = None
    places = [found.first + turn * found.period for turn in range(3)]
    for length, state in zip(range(1, places[-1] + 1), states(model, found.token), strict=False):
        if length not in places:
            continue
        now = written(model, state)
        if kept is not None and now != kept:
            raise InputError(
                f"the model does not compute the same state twice: the repeat at {places[0]} and {places[1]} tokens "
                "did not come again"
            )
        kept = now


def _window(model: Any) -> int:
    """The longest window of attention that a layer has, 0 for none: a state stops growing there."""
    layers = model.modules() if isinstance(model, nn.Module) else []
    windows = [getattr(layer, "window", None) for layer in layers]
    return max((window for window in windows if isinstance(window, int)), default=0)


def _tensors(state: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(state) if isinstance(leaf, Tensor)]


def _sizes(state: Any) -> tuple[int, int]:
    """Scalars of one example's state, and the bits they take."""
    found = _tensors(state)
    numbers = sum(tensor[0].numel() for tensor in found)
    return numbers, sum(
        tensor[0].numel() * (1 if tensor.dtype == torch.bool else tensor.dtype.itemsize * 8) for tensor in found
    )


def _finite(state: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in _tensors(state) if tensor.is_floating_point())
