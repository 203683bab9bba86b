"""The tokens that strings shown to a language model are made of, and pairs of keys and values made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.models.huggingface.pretrained import first_token, special_tokens
from separatrix.tasks.randomness import keyed_generator

POOL = 10_000
"""Tokens are drawn from so many first ones of a vocabulary: byte pairs are in order of how common they are, and of rare
ones a model has hardly seen any."""


@dataclass(frozen=True)
class Drawn:
    """T tokens, the one that stands between two showings, and what begins a text (None: nothing does)."""

    tokens: Int[Tensor, "T"]
    separator: int
    beginning: int | None

    def begun(self, shown: Int[Tensor, "B N"]) -> Tensor:
        """A text that begins as the model's texts do."""
        if self.beginning is None:
            return shown
        return torch.cat([shown.new_full((len(shown), 1), self.beginning), shown], dim=1)

    def separators(self, count: int) -> Int[Tensor, "B 1"]:
        """The separator, for each string."""
        return torch.full((count, 1), self.separator)


@dataclass(frozen=True)
class DrawnPairs:
    """Keys of some tokens each, all different, with a value after each.

    shown: Int[B, N], the tokens in order; keys: Int[B, M, L], tokens; values: Int[B, M], numbers below T
    """

    shown: Tensor
    keys: Tensor
    values: Tensor


def drawn(config: Any, count: int, seed: int, separator: int | None = None) -> Drawn:
    """T different tokens of a vocabulary, none with a meaning of its own, and a separator that is none of them.

    Raises InputError when the vocabulary has too few, or no such separator.
    """
    vocabulary = int(config.vocab_size)
    if separator is not None and not 0 <= separator < vocabulary:
        raise InputError(f"separator: expected a token below {vocabulary}, got {separator}")
    taken = special_tokens(config) | ({separator} if separator is not None else set())
    pool = [token for token in range(min(vocabulary, POOL)) if token not in taken]
    needed = count + (separator is None)
    if count < 2 or needed > len(pool):
        raise InputError(f"tokens: expected 2 to {len(pool) - (separator is None)} of this vocabulary, got {count}")
    order = torch.randperm(len(pool), generator=keyed_generator(f"separatrix/tokens/{seed}"))[:needed].tolist()
    chosen = [pool[i] for i in order]
    between = chosen.pop() if separator is None else separator
    return Drawn(torch.tensor(sorted(chosen)), between, first_token(config))


def draw_pairs(alphabet: Drawn, length: int, count: int, generator: torch.Generator) -> DrawnPairs:
    """Pairs that take at most `length` tokens: keys of as few tokens as give enough different ones."""
    tokens, size = len(alphabet.tokens), 1
    while tokens**size < length // (size + 1):
        size += 1
    pairs = max(1, length // (size + 1))
    powers = tokens ** torch.arange(size)
    numbers = torch.stack([torch.randperm(tokens**size, generator=generator)[:pairs] for _ in range(count)])
    keys = alphabet.tokens[numbers[..., None] // powers % tokens]
    values = torch.randint(tokens, (count, pairs), generator=generator)
    shown = torch.cat([keys, alphabet.tokens[values][..., None]], dim=-1).flatten(1)
    return DrawnPairs(shown, keys, values)
