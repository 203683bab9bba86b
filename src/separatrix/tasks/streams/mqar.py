"""Multi-query associative recall as a stream, in the layout of Zoology (Arora et al. 2023), for published settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import distinct, repeated, true_places, weighted
from separatrix.tasks.streams.contract import StreamTask


class MultiQueryRecall(StreamTask):
    """Key-value pairs, then the keys again at power-law gaps, each to be answered with its value.

    Example: of 2 pairs in 8 tokens, keys 1 … 3, values 4 … 7: `1 6 3 4 3 0 1 2` is labelled `· · · · 4 · 6 ·`.

    Keys are tokens 1 … vocabulary/2 - 1, values vocabulary/2 … vocabulary - 1, both without repetition. The label
    stands at the place of the key, where the model is to say the value. The gap g before a query has weight
    g^(power - 1). Places that ask nothing hold uniform tokens, or token 0.

    The pairs may be shown in several passes (Arora et al. 2024, "Just read twice"); then `updates` of the keys get
    another value, and a key is asked for its latest.
    """

    summary: ClassVar[str] = "which value stood beside this key, asked of many keys on the way?"
    name: Literal["mqar"] = "mqar"
    length: int = Field(64, ge=4, le=2**24, description="tokens of a stream, even")
    pairs: int = Field(8, ge=1, description="key-value pairs at its start; the rest has room for as many queries")
    vocabulary_size: int = Field(8192, ge=4, description="tokens: half of them keys and fillers, half of them values")
    passes: int = Field(1, ge=1, description="times that all pairs are shown, in the same order")
    updates: int = Field(0, ge=0, description="keys that are shown once more, with another value, before any is asked")
    power: float = Field(0.01, ge=-16, le=16, description="a: the gap g before a query has weight g^(a - 1)")
    random_non_queries: bool = Field(True, description="uniform tokens at the places that ask nothing, else token 0")

    @model_validator(mode="after")
    def _fits(self) -> MultiQueryRecall:
        if self.length % 2 or self.vocabulary_size % 2:
            raise ValueError(f"length and vocabulary_size must be even, got {self.length} and {self.vocabulary_size}")
        if self.updates > self.pairs:
            raise ValueError(f"of {self.pairs} pairs at most so many get another value, got {self.updates} updates")
        if self.length < (least := self.shown + 2 * self.pairs):
            raise ValueError(f"{self.pairs} pairs and as many queries need a length of {least}, got {self.length}")
        if self.vocabulary_size // 2 - 1 < self.pairs:
            raise ValueError(
                f"{self.pairs} distinct keys need a vocabulary_size of {2 * self.pairs + 2} at least, got "
                f"{self.vocabulary_size}"
            )
        return self

    @property
    def shown(self) -> int:
        """Tokens before the first place that may ask."""
        return 2 * (self.pairs * self.passes + self.updates)

    @property
    def alphabet_size(self) -> int:
        return self.vocabulary_size

    @property
    def answers(self) -> int:
        return self.vocabulary_size

    @property
    def lengths(self) -> Sequence[int]:
        return range(self.shown + 2 * self.pairs, self.length + 1, 2)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
        half, device, pairs = self.vocabulary_size // 2, generator.device, self.pairs
        room = (length - self.shown) // 2
        keys = 1 + distinct(half - 1, pairs, batch_size, generator)
        values = half + distinct(half, pairs, batch_size, generator)
        weights = torch.arange(1, room + 1, device=device, dtype=torch.float64) ** (self.power - 1)
        gaps = weighted(weights, pairs, batch_size, generator)
        shape = (batch_size, length)
        if self.random_non_queries:
            inputs = torch.randint(self.vocabulary_size, shape, generator=generator, device=device)
        else:
            inputs = torch.zeros(shape, dtype=torch.int64, device=device)
        pass_ = torch.stack([keys, values], dim=2).flatten(1)  # (B, 2k)
        inputs[:, : 2 * pairs * self.passes] = pass_.repeat(1, self.passes)
        if self.updates:
            again = distinct(pairs, self.updates, batch_size, generator)
            other = torch.randint(1, half, again.shape, generator=generator, device=device)
            changed = half + (values.gather(1, again) - half + other) % half  # any value but the one before
            latest = torch.stack([keys.gather(1, again), changed], dim=2).flatten(1)
            inputs[:, 2 * pairs * self.passes : self.shown] = latest
        places = self.shown + 2 * gaps
        asked = torch.zeros(shape, dtype=torch.bool, device=device)
        return inputs.scatter_(1, places, keys), asked.scatter_(1, places, True)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        begin = self.shown
        found = self._latest(inputs, inputs[:, begin:].contiguous())
        return torch.cat([torch.full_like(inputs[:, :begin], UNLABELLED), found], dim=1)

    def answer_where(self, asked: Bool[Tensor, "B T"], inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        batch, length = inputs.shape
        many = asked.sum(dim=1)
        if bool(asked[:, : self.shown].any()) or bool((many != many[:1]).any()):
            return super().answer_where(asked, inputs)
        places = true_places(asked)
        found = self._latest(inputs, inputs.flatten().index_select(0, places).view(batch, -1))
        labels = inputs.new_full((batch * length,), UNLABELLED)
        return labels.scatter_(0, places, found.flatten()).view(batch, length)

    def _latest(self, inputs: Int[Tensor, "B T"], keys: Int[Tensor, "B n"]) -> Int[Tensor, "B n"]:
        """The value that each key has behind the pairs, UNLABELLED for what is none of the stream's keys."""
        known, order = inputs[:, 0 : self.shown : 2].sort(dim=1, stable=True)  # the latest pair of a key comes last
        values = inputs[:, 1 : self.shown : 2].gather(1, order)
        place = (torch.searchsorted(known, keys, right=True) - 1).clamp(min=0)
        return torch.where(known.gather(1, place) == keys, values.gather(1, place), UNLABELLED)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        begin, half, first = self.shown, self.vocabulary_size // 2, 2 * self.pairs
        keys, values = inputs[:, 0:first:2], inputs[:, 1:first:2]
        apart = ~(repeated(keys) | repeated(values)).any(dim=1)
        kinds = ((keys >= 1) & (keys < half)).all(dim=1) & (values >= half).all(dim=1)
        passes = inputs[:, : first * self.passes].unflatten(1, (self.passes, first))
        same = (passes == passes[:, :1]).flatten(1).all(dim=1)
        if not self.updates:
            return apart & kinds & same
        latest = inputs[:, first * self.passes : begin]
        key, value = latest[:, 0::2], latest[:, 1::2]
        match = key[:, :, None] == keys[:, None]  # (B, updates, k)
        known = match.any(dim=2).all(dim=1) & ~repeated(key).any(dim=1)
        before = values.gather(1, match.to(torch.uint8).argmax(dim=2))
        return apart & kinds & same & known & ((value >= half) & (value != before)).all(dim=1)

    def recurrent_bits(self) -> float:
        """log2 of V (V - 1) … (V - k + 1), V values and k pairs: of any two tables of the same keys one key tells.

        A lower bound where keys are updated: before that if one of them is left as it was, and after it if none is.
        """
        half = self.vocabulary_size // 2
        return sum(math.log2(half - i) for i in range(self.pairs))

    def attention_bits(self) -> float:
        """The same number: the values are held, and where the asked key stands among the pairs is the rest's."""
        return self.recurrent_bits()
