"""Boolean features of a few positions: declared by a truth table, evaluated and set for whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Int, UInt8
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.config import Config

_PACKED = 3
"""Bits of the widest feature whose truth table fits in a byte."""


class Feature(Config):
    """A Boolean function g of a few positions: `table[b]` is its value where position j holds bit j of b."""

    positions: tuple[int, ...] = Field(min_length=1, max_length=16)
    table: tuple[Literal[0, 1], ...]

    @model_validator(mode="after")
    def _fits(self) -> Feature:
        if len(set(self.positions)) < len(self.positions) or min(self.positions) < 0:
            raise ValueError(f"positions must be distinct and at least 0, got {list(self.positions)}")
        if len(self.table) != 2 ** len(self.positions):
            entries = 2 ** len(self.positions)
            raise ValueError(f"a table of {len(self.positions)} bits has {entries} entries, got {len(self.table)}")
        return self


class FeatureBank:
    """M features at work on B strings, which are columns: each position is one stretch of memory.

    Narrow features get positions of their own a second time, so that all look at s bits; the bits that do not count
    are ignored in the tables.
    """

    def __init__(self, features: Sequence[Feature], device: torch.device) -> None:
        self.width = max(len(feature.positions) for feature in features)
        positions, tables = [], []
        for feature in features:
            spare = self.width - len(feature.positions)
            positions.append([*feature.positions, *[feature.positions[0]] * spare])
            tables.append(list(feature.table) * 2**spare)
        self.sizes = torch.tensor([len(feature.positions) for feature in features], device=device)
        self.positions = torch.tensor(positions, device=device)
        self.tables = torch.tensor(tables, dtype=torch.uint8, device=device)
        self.ones = self.tables.sum(dim=1)
        self.codes = self.tables.argsort(dim=1, descending=True, stable=True)  # those with value 1 first
        self.packed = (self.tables[:, :8] << torch.arange(min(8, 2**self.width), device=device)).sum(1).byte()

    def values(self, bits: UInt8[Tensor, "N B"]) -> UInt8[Tensor, "M B"]:
        """Every feature's value on every string."""
        kind = torch.uint8 if self.width <= _PACKED else torch.int32
        code = torch.zeros(len(self.positions), bits.shape[1], dtype=kind, device=bits.device)
        for j, position in enumerate(self.positions.T):
            code |= bits.index_select(0, position).to(kind) << j
        if self.width <= _PACKED:
            return self.packed[:, None] >> code & 1
        return self.tables.gather(1, code.long())

    def changeable(self, values: UInt8[Tensor, "M B"], wished: Bool[Tensor, " B"]) -> Bool[Tensor, "M B"]:
        """Which features have another value than their string wishes and can take it."""
        possible = torch.where(wished, (self.ones > 0)[:, None], (self.ones < self.tables.shape[1])[:, None])
        return (values != wished) & possible

    def set(
        self,
        bits: UInt8[Tensor, "N B"],
        string: Int[Tensor, " pairs"],
        feature: Int[Tensor, " pairs"],
        wished: Bool[Tensor, " B"],
        generator: torch.Generator,
    ) -> UInt8[Tensor, "N B"]:
        """The strings after these features of theirs were given the value their string wishes.

        One random bit of a feature turns where that is enough, otherwise its bits become a random assignment with the
        value. Features that share bits may spoil one another's.
        """
        device, places, wish = bits.device, self.positions[feature], wished[string]
        binary = torch.arange(self.width, device=device)
        now = (bits[places, string[:, None]].long() << binary).sum(dim=1)
        near = now[:, None] ^ (1 << binary)
        enough = self.tables[feature[:, None], near] == wish[:, None]
        draws = torch.rand(near.shape, generator=generator, device=device).masked_fill_(~enough, -1)
        single = near.gather(1, draws.argmax(dim=1, keepdim=True))[:, 0]
        ones = self.ones[feature]
        options = torch.where(wish, ones, self.tables.shape[1] - ones)
        drawn = torch.randint(1 << 62, (len(feature),), generator=generator, device=device) % options
        anywhere = self.codes[feature, torch.where(wish, drawn, ones + drawn)]
        turned = torch.where(enough.any(dim=1), single, anywhere) ^ now
        turns = (turned[:, None] >> binary & 1 == 1) & (binary < self.sizes[feature, None])
        flips = torch.zeros(bits.numel(), dtype=torch.uint8, device=device)
        flips[(places * bits.shape[1] + string[:, None])[turns]] = 1
        return bits ^ flips.view(bits.shape)


def random_bits(places: int, strings: int, generator: torch.Generator) -> UInt8[Tensor, "N B"]:
    """Uniform bits, eight to a byte drawn."""
    count, device = places * strings, generator.device
    words = torch.empty(-(-count // 64), dtype=torch.int64, device=device).random_(-(2**63), None, generator=generator)
    bits = words.view(torch.uint8)[:, None] >> torch.arange(8, dtype=torch.uint8, device=device) & 1
    return bits.flatten()[:count].view(places, strings)


def columns(context: Int[Tensor, "B N"]) -> UInt8[Tensor, "N B"]:
    """Strings as columns of bytes."""
    return context.to(torch.uint8).T.contiguous()


def rows(bits: UInt8[Tensor, "N B"]) -> Int[Tensor, "B N"]:
    """Strings as rows of tokens."""
    return bits.T.contiguous().long()
