"""The flip-flop language (Liu et al. 2023, arXiv 2306.00946): remember one bit, however much there is to ignore."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.streams.contract import StreamTask

WRITE, READ, IGNORE = 2, 3, 4


class FlipFlop(StreamTask):
    """Instructions, each with a bit: write, read or ignore. A read is answered with the bit written last.

    Example: `w 1 i 0 r 1 i 1 r 1` is labelled `· · · · 1 · · · 1 ·`.

    Bits are tokens 0 and 1; write, read and ignore are tokens 2, 3, 4. The first instruction writes, the last reads;
    others are ignored with probability `ignore`, else write or read. The bit after a read is the one written last.
    """

    summary: ClassVar[str] = "the bit written last, whatever was to be ignored since"
    name: Literal["flip-flop"] = "flip-flop"
    ignore: float = Field(0.8, ge=0, le=1, description="share of instructions between the first and the last to ignore")

    @model_validator(mode="after")
    def _fits(self) -> FlipFlop:
        if self.length % 2 or self.length < 4:
            raise ValueError(f"flip-flop: length must be even and at least 4, got {self.length}")
        return self

    @property
    def alphabet_size(self) -> int:
        return 5

    @property
    def answers(self) -> int:
        return 2

    @property
    def lengths(self) -> Sequence[int]:
        return range(4, self.length + 1, 2)

    def position_alphabet(self, position: int) -> range:
        if position % 2:
            return range(2)
        return {0: range(WRITE, WRITE + 1), self.length - 2: range(READ, READ + 1)}.get(position, range(2, 5))

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape, device = (batch_size, length // 2), generator.device
        other = torch.randint(WRITE, READ + 1, shape, generator=generator, device=device)
        ignored = torch.rand(shape, generator=generator, device=device) < self.ignore
        instructions = other.masked_fill(ignored, IGNORE)
        instructions[:, 0], instructions[:, -1] = WRITE, READ
        bits = torch.randint(2, shape, generator=generator, device=device)
        bits = torch.where(instructions == READ, self._written(instructions, bits), bits)
        return torch.stack([instructions, bits], dim=2).flatten(1), None

    @staticmethod
    def _written(instructions: Int[Tensor, "B n"], bits: Int[Tensor, "B n"]) -> Int[Tensor, "B n"]:
        """The bit of the last write up to each instruction."""
        place = torch.arange(instructions.shape[1], device=bits.device).expand_as(bits)
        last = place.masked_fill(instructions != WRITE, 0).cummax(dim=1).values
        return bits.gather(1, last)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        instructions, bits = inputs[:, 0::2], inputs[:, 1::2]
        said = torch.where(instructions == READ, self._written(instructions, bits), UNLABELLED)
        return torch.stack([said, torch.full_like(said, UNLABELLED)], dim=2).flatten(1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        instructions, bits = inputs[:, 0::2], inputs[:, 1::2]
        formed = ((instructions >= WRITE) & (bits < WRITE)).all(dim=1)
        ends = (instructions[:, 0] == WRITE) & (instructions[:, -1] == READ)
        honest = (bits == self._written(instructions, bits)) | (instructions != READ)
        return formed & ends & honest.all(dim=1)

    def recurrent_bits(self) -> float:
        """log2 3: the bit, or that the bit to come is written; 1 where only the first instruction writes."""
        return math.log2(3) if self.length > 4 else 1.0

    def attention_bits(self) -> float:
        """1: the bit that was written is held."""
        return 1.0

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join("01wri"[token] for token in inputs.tolist())
