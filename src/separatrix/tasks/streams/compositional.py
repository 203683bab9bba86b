"""Recall by keys of several tokens: no token of a key tells which key it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import distinct, repeated
from separatrix.tasks.streams.contract import StreamTask


class CompositionalRecall(StreamTask):
    """Pairs of a key of c tokens and a value of v tokens, then all of them again in another order, their values asked.

    Example: of 2 pairs, c = 2, v = 1, keys over 2 tokens: `a0 a1 v3 a1 a1 v0 | a1 a1 v0 a0 a1 v3` is labelled
    `· · · · · · · 0 · · 3 ·`.

    Key tokens are 0 … K - 1, value tokens K … K + V - 1. The keys of a stream are distinct as wholes, all choices of
    them alike; values and the order of asking are uniform. A value is asked token by token, from the last token of its
    key on, and fed while it is. With c = v = 1 it is associative recall of all keys.
    """

    summary: ClassVar[str] = "which value stood beside this key of several tokens?"
    name: Literal["compositional-recall"] = "compositional-recall"
    pairs: int = Field(4, ge=1, description="key-value pairs k; each is shown once and asked once")
    keys: int = Field(8, ge=1, le=2**20, description="tokens K that keys are made of")
    key_tokens: int = Field(2, ge=1, le=8, description="tokens c of a key")
    values: int = Field(16, ge=2, le=2**20, description="tokens V that values are made of")
    value_tokens: int = Field(1, ge=1, le=64, description="tokens v of a value")

    @model_validator(mode="after")
    def _fits(self) -> CompositionalRecall:
        if self.length != (needed := 2 * self.pairs * self.item):
            raise ValueError(
                f"{self.pairs} pairs of {self.key_tokens} and {self.value_tokens} tokens, shown and asked, make a "
                f"length of {needed}, got {self.length}"
            )
        if self.keys**self.key_tokens < self.pairs:
            raise ValueError(
                f"{self.keys} tokens make {self.keys**self.key_tokens} keys of {self.key_tokens}, too few for "
                f"{self.pairs} pairs"
            )
        if self.keys**self.key_tokens > 2**40:
            raise ValueError(f"keys ** key_tokens must be at most 2^40, got {self.keys} ** {self.key_tokens}")
        return self

    @property
    def item(self) -> int:
        """Tokens of a key and its value."""
        return self.key_tokens + self.value_tokens

    @property
    def alphabet_size(self) -> int:
        return self.keys + self.values

    @property
    def answers(self) -> int:
        return self.values

    @property
    def lengths(self) -> Sequence[int]:
        return range(self.length, self.length + 1)

    def position_alphabet(self, position: int) -> range:
        return range(self.keys) if position % self.item < self.key_tokens else range(self.keys, self.alphabet_size)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device, pairs = generator.device, self.pairs
        keys = self._tokens(distinct(self.keys**self.key_tokens, pairs, batch_size, generator))  # (B, k, c)
        shape = (batch_size, pairs, self.value_tokens)
        values = self.keys + torch.randint(self.values, shape, generator=generator, device=device)
        shown = torch.cat([keys, values], dim=2)  # (B, k, c + v)
        order = distinct(pairs, pairs, batch_size, generator)
        asked = shown.gather(1, order[..., None].expand_as(shown))
        return torch.cat([shown, asked], dim=1).flatten(1), None

    def _tokens(self, codes: Int[Tensor, "B k"]) -> Int[Tensor, "B k c"]:
        """Keys by their tokens, the last one least significant."""
        weights = self.keys ** torch.arange(self.key_tokens - 1, -1, -1, device=codes.device)
        return codes[..., None] // weights % self.keys

    def _codes(self, items: Int[Tensor, "B k c_v"]) -> Int[Tensor, "B k"]:
        """The number of each key."""
        weights = self.keys ** torch.arange(self.key_tokens - 1, -1, -1, device=items.device)
        return (items[..., : self.key_tokens] * weights).sum(dim=2)

    def _halves(self, inputs: Int[Tensor, "B T"]) -> tuple[Int[Tensor, "B k c_v"], Int[Tensor, "B k c_v"]]:
        """What is shown, and what is asked."""
        items = inputs.unflatten(1, (2 * self.pairs, self.item))
        return items[:, : self.pairs], items[:, self.pairs :]

    def _found(self, inputs: Int[Tensor, "B T"]) -> tuple[Bool[Tensor, "B k k"], Int[Tensor, "B k v"]]:
        """Which shown key each asked one is, and its value."""
        shown, asked = self._halves(inputs)
        same = self._codes(asked)[:, :, None] == self._codes(shown)[:, None]  # (B, asked, shown)
        place = same.to(torch.uint8).argmax(dim=2)[..., None].expand(-1, -1, self.value_tokens)
        return same, shown[..., self.key_tokens :].gather(1, place)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        same, values = self._found(inputs)
        said = torch.full((len(inputs), 2, self.pairs, self.item), UNLABELLED, device=inputs.device)
        known = same.any(dim=2)[..., None]
        said[:, 1, :, self.key_tokens - 1 : -1] = torch.where(known, values - self.keys, UNLABELLED)
        return said.flatten(1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        shown, asked = self._halves(inputs)
        same, values = self._found(inputs)
        parts = torch.cat([shown, asked], dim=1)
        keys, said = parts[..., : self.key_tokens], parts[..., self.key_tokens :]
        kinds = (keys < self.keys).flatten(1).all(dim=1) & (said >= self.keys).flatten(1).all(dim=1)
        once = ~(repeated(self._codes(shown)) | repeated(self._codes(asked))).any(dim=1)
        fed = (asked[..., self.key_tokens :] == values).flatten(1).all(dim=1)
        return kinds & once & same.any(dim=2).all(dim=1) & fed

    def recurrent_bits(self) -> float:
        """K v log2 V: after all pairs, of any two tables with the same keys, in the same order, one value tells.

        The first place where what is said of that value differs is reached with the same tokens fed.
        """
        return self.pairs * self.value_tokens * math.log2(self.values)

    def attention_bits(self) -> float:
        """K log2 V: the first tokens of the values are held, and which of them the asked key has is the rest's."""
        return self.pairs * math.log2(self.values)

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join(f"a{t}" if t < self.keys else f"v{t - self.keys}" for t in inputs.tolist())
