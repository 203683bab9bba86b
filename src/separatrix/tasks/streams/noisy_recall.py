"""Recall among noise (Poli et al. 2024): keys met again are asked, and noise between the pairs is to be ignored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import one_place
from separatrix.tasks.streams.contract import StreamTask


class NoisyRecall(StreamTask):
    """Key-value pairs and pairs of noise; a key that was met before is asked for its value, which it keeps.

    Example: of 2 keys, 2 values and noise: `k1 v0 ~ ~ k1 v0` is labelled `· · · · 0 ·`.

    Keys are tokens 0 … K - 1, values K … K + V - 1, noise the tokens after that. A pair is noise with probability
    `noise`, one pair at least is not; the last pair repeats a key, a uniform one of the pairs before it. All else is
    uniform.
    """

    summary: ClassVar[str] = "which value stood beside this key, among noise?"
    name: Literal["noisy-recall"] = "noisy-recall"
    keys: int = Field(8, ge=1, description="keys K there are")
    values: int = Field(8, ge=2, description="values V there are")
    noise_tokens: int = Field(16, ge=1, description="tokens of noise there are")
    noise: float = Field(0.2, ge=0, le=1, description="share of pairs that are noise")

    @model_validator(mode="after")
    def _fits(self) -> NoisyRecall:
        if self.length % 2 or self.length < 4:
            raise ValueError(f"noisy-recall: length must be even and at least 4, two pairs, got {self.length}")
        return self

    @property
    def alphabet_size(self) -> int:
        return self.keys + self.values + self.noise_tokens

    @property
    def answers(self) -> int:
        return self.values

    @property
    def lengths(self) -> Sequence[int]:
        return range(4, self.length + 1, 2)

    def position_alphabet(self, position: int) -> range:
        last = self.length - 2
        if position >= last:
            return range(self.keys) if position == last else range(self.keys, self.keys + self.values)
        return range(self.keys, self.alphabet_size) if position % 2 else range(self.alphabet_size)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device, shape = generator.device, (batch_size, length // 2 - 1)

        def drawn(most: int, *size: int) -> Tensor:
            return torch.randint(most, size, generator=generator, device=device)

        noisy = torch.rand(shape, generator=generator, device=device) < self.noise
        noisy.scatter_(1, drawn(shape[1], batch_size, 1), False)
        keys = drawn(self.keys, *shape)
        asked = keys.gather(1, one_place(~noisy, generator)[:, None])
        keys, noisy = torch.cat([keys, asked], dim=1), torch.nn.functional.pad(noisy, (0, 1))
        values = self.keys + drawn(self.values, batch_size, self.keys).gather(1, keys)
        noise = self.keys + self.values + drawn(self.noise_tokens, *keys.shape, 2)
        return torch.where(noisy[..., None], noise, torch.stack([keys, values], dim=2)).flatten(1), None

    def _first(self, inputs: Int[Tensor, "B T"]) -> tuple[Bool[Tensor, "B n"], Int[Tensor, "B n"]]:
        """Which pairs have a key, and the first pair with the same key (of other pairs: of no meaning)."""
        key = inputs[:, 0::2]
        known, place = key < self.keys, torch.arange(key.shape[1], device=key.device).expand_as(key)
        key = key.clamp(max=self.keys - 1)
        never = torch.full((len(key), self.keys), key.shape[1] - 1, device=key.device)
        first = never.scatter_reduce(1, key, place.masked_fill(~known, key.shape[1] - 1), "amin")
        return known, first.gather(1, key)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        known, first = self._first(inputs)
        again = known & (first < torch.arange(first.shape[1], device=first.device))
        value = inputs[:, 1::2].gather(1, first) - self.keys
        said = torch.where(again, value, UNLABELLED)
        return torch.stack([said, torch.full_like(said, UNLABELLED)], dim=2).flatten(1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        known, first = self._first(inputs)
        key, value, high = inputs[:, 0::2], inputs[:, 1::2], self.keys + self.values
        pair = (value >= self.keys) & (value < high) & (value == value.gather(1, first))
        formed = torch.where(known, pair, (key >= high) & (value >= high)).all(dim=1)
        return formed & known[:, -1] & (first[:, -1] < first.shape[1] - 1)

    def recurrent_bits(self) -> float:
        """A lower bound, k log2 V for the k keys that fit before the last pair: of any two tables one key tells."""
        return min(self.keys, self.length // 2 - 1) * math.log2(self.values)

    def attention_bits(self) -> float:
        """The same number: the values are held, and where the asked key stands among the pairs is the rest's."""
        return self.recurrent_bits()

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join(
            f"k{t}" if t < self.keys else f"v{t - self.keys}" if t < self.keys + self.values else "~"
            for t in inputs.tolist()
        )
