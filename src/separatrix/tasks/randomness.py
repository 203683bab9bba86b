"""Randomness by key: batch i of a split is a function of (seed, split, i), so no generator state is ever stored.

`torch.Generator.manual_seed` keeps only 32 bits of a seed on the CPU, so two seeds may give one stream. Here the whole
state of the Mersenne twister (624 words) is the SHAKE-256 digest of the key: streams with different keys are as
independent as the digests of different messages, and training, validation and test data never share randomness.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor

from separatrix.errors import InputError, unknown

Split: TypeAlias = Literal["train", "validation", "test"]

_WORDS = 624
_HEAD = 3  # 64-bit words before the twister's: the seed; left and seeded, 32 bits each; next
_STATE_BYTES = 5056
_LEFT_SEEDED = 1 | 1 << 32  # left = 1: the first draw twists the fresh state; seeded = 1


class SplitGenerator(torch.Generator):
    """A generator that knows which split it draws for: finite data sets keep the splits' examples apart by it."""

    split: Split


def stream(seed: int, split: Split | str, index: int = 0) -> torch.Generator:
    """The CPU generator of batch `index` of a split. Raises InputError for an unknown split or a negative number.

    seed:  the run's seed, any integer >= 0
    index: which batch of the split, any integer >= 0

    >>> def draw(seed, split):
    ...     return torch.rand(1, generator=sx.tasks.stream(seed, split)).item()
    ...
    >>> draw(0, "train") == draw(0, "train"), draw(0, "train") == draw(0, "test"), draw(0, "train") == draw(1, "train")
    (True, False, False)
    """
    if split not in get_args(Split):
        raise unknown("split", split, get_args(Split))
    if seed < 0 or index < 0:
        raise InputError(f"seed and index must be at least 0, got {seed} and {index}")
    generator = SplitGenerator()
    generator.split = cast(Split, split)
    generator.set_state(_state_of(f"separatrix/{seed}/{split}/{index}"))
    return generator


def keyed_generator(key: str) -> torch.Generator:
    """The CPU generator whose whole state is the digest of a key."""
    generator = torch.Generator()
    generator.set_state(_state_of(key))
    return generator


def _state_of(key: str) -> Tensor:
    digest = bytearray(hashlib.shake_256(key.encode()).digest(4 * _WORDS))
    state = _fresh_state().clone()
    words = state[: 8 * (_HEAD + _WORDS)].view(torch.int64)
    words[0] = 0
    words[_HEAD:] = torch.frombuffer(digest, dtype=torch.int32).to(torch.int64) & 0xFFFFFFFF
    return state


@lru_cache(maxsize=1)
def _fresh_state() -> Tensor:
    """The state of a generator that was seeded and not drawn from, after a look at whether it is laid out as known."""
    state = torch.Generator().manual_seed(5).get_state()
    words = state[: 8 * (_HEAD + 2)].view(torch.int64).tolist() if state.numel() == _STATE_BYTES else []
    if words != [5, _LEFT_SEEDED, 0, 5, (1812433253 * 5 + 1) % 2**32]:  # Knuth's recurrence starts so
        raise RuntimeError(f"torch {torch.__version__} keeps the state of its CPU generator in a form unknown here")
    return state
