"""Memorisation of a fixed map (Poli et al. 2024): what is asked lies in the weights, and nothing in the state."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.tasks.randomness import keyed_generator
from separatrix.tasks.streams.contract import StreamTask


class Memorisation(StreamTask):
    """Keys, each answered with its value in one map that is the same in all streams.

    Example: with a map of 4 keys that sends 1 to 2 and 3 to 0, `3 1 3` is labelled `0 2 0`.

    Keys are tokens 0 … K - 1, uniform; values are answers 0 … V - 1. The map is drawn from `map_seed`, each value
    independent and uniform.
    """

    summary: ClassVar[str] = "the value of this key in a map that never changes"
    name: Literal["memorisation"] = "memorisation"
    keys: int = Field(256, ge=2, description="keys K of the map")
    values: int = Field(256, ge=2, description="values V they may have")
    map_seed: int = Field(0, ge=0, description="seed of the map, which is part of the task")

    @property
    def alphabet_size(self) -> int:
        return self.keys

    @property
    def answers(self) -> int:
        return self.values

    @property
    def table(self) -> Int[Tensor, " K"]:
        """The value of every key."""
        return torch.randint(self.values, (self.keys,), generator=keyed_generator(f"separatrix/map/{self.map_seed}"))

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape = (batch_size, length)
        return torch.randint(self.keys, shape, generator=generator, device=generator.device), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        return self.table.to(inputs.device)[inputs]

    def recurrent_bits(self) -> float:
        """0: an answer depends on the token it is asked at, and on nothing before it."""
        return 0.0

    def attention_bits(self) -> float:
        """0, for the same reason."""
        return 0.0
