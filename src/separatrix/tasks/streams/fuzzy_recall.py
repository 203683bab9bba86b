"""Fuzzy recall (Poli et al. 2024): keys and values of several tokens, with nothing between them to tell them apart."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import below
from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.motifs import Read, laid_out, motifs, with_first_value


class FuzzyRecall(StreamTask):
    """Keys of 1 … c tokens, each with its value of 1 … v tokens; a key that was met before is asked for its value.

    Example: keys over 3 tokens, values over 3: `_ _ a0 v1 a0 a2 v2 v0 a0 a2 v2 v0` is labelled
    `· · · · · · · · · 2 0 ·`. (The oracle says 1 at the second `a0` too, where a known key might end.)

    Key tokens are 0 … K - 1, value tokens K … K + V - 1, and token K + V, a blank, fills the beginning. All sizes are
    alike likely (or always the largest, `varied=False`), and so are all motifs of distinct tokens of one size. Pairs
    follow each other until the stream is full; the last repeats a key, that of a uniform one of the pairs before it.
    """

    summary: ClassVar[str] = "which value stood beside this key, both of several tokens?"
    name: Literal["fuzzy-recall"] = "fuzzy-recall"
    keys: int = Field(7, ge=1, le=2**12, description="tokens K that keys are made of")
    key_tokens: int = Field(3, ge=1, le=8, description="most tokens c of a key")
    values: int = Field(7, ge=2, le=2**12, description="tokens V that values are made of")
    value_tokens: int = Field(3, ge=1, le=8, description="most tokens v of a value")
    varied: bool = Field(True, description="keys and values of all sizes, else of the largest alone")

    @model_validator(mode="after")
    def _fits(self) -> FuzzyRecall:
        if self.length < 2 * self.item:
            raise ValueError(
                f"fuzzy-recall: two pairs of {self.key_tokens} and {self.value_tokens} tokens need a length of "
                f"{2 * self.item}, got {self.length}"
            )
        if self.keys < self.key_tokens or self.values < self.value_tokens:
            raise ValueError(
                f"fuzzy-recall: the tokens of a motif are distinct: keys of {self.key_tokens} and values of "
                f"{self.value_tokens} tokens need as many to be made of, got {self.keys} and {self.values}"
            )
        if (self.keys + 1) ** self.key_tokens > 2**31:
            raise ValueError(f"(keys + 1) ** key_tokens must be at most 2^31, got {self.keys + 1} ** {self.key_tokens}")
        return self

    @property
    def item(self) -> int:
        """Most tokens of a key and its value."""
        return self.key_tokens + self.value_tokens

    @property
    def alphabet_size(self) -> int:
        return self.keys + self.values + 1

    @property
    def answers(self) -> int:
        return self.values

    @property
    def lengths(self) -> range:
        return range(2 * self.item, self.length + 1)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
        room = length - self.item
        shape = (batch_size, self._pairs(room))
        keys = motifs(self.keys, self.key_tokens, shape, self.varied, generator)
        values = motifs(self.values, self.value_tokens, shape, self.varied, generator)
        values = with_first_value(keys, values, self.keys).shifted(self.keys)
        fits = (keys.sizes + values.sizes).cumsum(dim=1) <= room
        chosen = below(fits.sum(dim=1), shape[1] + 1, generator)[:, None]
        shown = torch.nn.functional.pad(fits, (0, 1), value=True)
        inputs = laid_out(keys.and_again(chosen), values.and_again(chosen), shown, length, self.keys + self.values)
        return inputs, self._read(inputs).asked

    def _pairs(self, room: int) -> int:
        """Pairs to draw: as many as fill the room in all but one of some thousand streams, or as can do so."""
        if not self.varied:
            return room // self.item
        mean = (self.item + 2) / 2
        spread = math.sqrt((self.key_tokens**2 + self.value_tokens**2 - 2) / 12)
        likely = room / mean
        return max(1, min(room // 2, math.ceil(likely + 4 * spread * math.sqrt(likely) / mean + 1)))

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        read = self._read(inputs)
        return read.labels(read.in_key)

    def answer_where(self, asked: Bool[Tensor, "B T"], inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        read = self._read(inputs)
        return read.labels(read.in_key & asked | read.ends).masked_fill_(~asked, UNLABELLED)

    def _read(self, inputs: Int[Tensor, "B T"]) -> Read:
        return Read(inputs, self.keys, self.values, self.key_tokens)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        read = self._read(inputs)
        least = (1, 1) if self.varied else (self.key_tokens, self.value_tokens)
        sizes = read.sized(least, (self.key_tokens, self.value_tokens))
        return read.in_order & sizes & read.distinct(max(self.key_tokens, self.value_tokens)) & read.consistent

    def recurrent_bits(self) -> float:
        """A lower bound, k log2 of the values of one size, for k keys of one size that fit before the last pair.

        Of any two tables of the same keys one key tells, up to the first token where its values differ. The best sizes
        are taken.
        """
        least = (1, 1) if self.varied else (self.key_tokens, self.value_tokens)
        sizes = [(c, v) for c in range(least[0], self.key_tokens + 1) for v in range(least[1], self.value_tokens + 1)]
        return max(
            min(math.perm(self.keys, c), (self.length - c - v) // (c + v)) * math.log2(math.perm(self.values, v))
            for c, v in sizes
        )

    def attention_bits(self) -> float:
        """log2 V: the first token of a value is held, and everything else is fixed."""
        return math.log2(self.values)

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        high = self.keys + self.values
        return " ".join(f"a{t}" if t < self.keys else f"v{t - self.keys}" if t < high else "_" for t in inputs.tolist())
