"""Boolean features of a few positions: declared by a truth table, evaluated and set for whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Int, UInt8
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.config import Config
from separatrix.tasks.bitstrings import pack, unpack
from separatrix.tasks.sampling import below, true_places

_SLICED = 6
"""Bits of the widest feature that is evaluated as a polynomial of its bits; others are looked up in their tables."""


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
    """M features at work on B strings of N bits, in bytes of 0 and 1.

    Features of few bits are evaluated eight strings to a byte. Narrow features get positions of their own a second
    time, so that all look at s bits; the bits that do not count are ignored in the tables. Equal tables are kept once.
    """

    def __init__(self, features: Sequence[Feature], device: torch.device) -> None:
        self.width = max(len(feature.positions) for feature in features)
        positions, tables = [], []
        for feature in features:
            spare = self.width - len(feature.positions)
            positions.append([*feature.positions, *[feature.positions[0]] * spare])
            tables.append(feature.table * 2**spare)
        kinds = {table: kind for kind, table in enumerate(dict.fromkeys(tables))}
        self.sizes = torch.tensor([len(feature.positions) for feature in features], device=device)
        self.positions = torch.tensor(positions, device=device).T.contiguous()
        self.kind = torch.tensor([kinds[table] for table in tables], device=device)
        self.tables = torch.tensor(list(kinds), dtype=torch.uint8, device=device)
        self.ones = self.tables.sum(dim=1)
        self._binary = torch.arange(self.width, device=device)

    def __len__(self) -> int:
        return len(self.kind)

    def values(self, bits: UInt8[Tensor, "B N"]) -> UInt8[Tensor, "B M"]:
        """Every feature's value on every string."""
        if self.width > _SLICED:
            code = torch.zeros(len(bits), len(self), dtype=torch.int64, device=bits.device)
            for j, position in enumerate(self.positions):
                code |= bits.index_select(1, position).long() << j
            return self.tables[self.kind, code]
        packed, value = pack(bits), self._polynomials
        for position in self.positions:
            value = value[0::2] ^ (value[1::2] & packed.index_select(0, position))
        return unpack(value[0], len(bits))

    def changeable(self, values: UInt8[Tensor, "B M"], wished: Bool[Tensor, " B"]) -> Bool[Tensor, "B M"]:
        """Which features have another value than their string wishes and can take it."""
        other = values ^ wished.to(torch.uint8)[:, None]
        return (other & self._can_be.index_select(0, wished.long())).view(torch.bool)

    def turn(
        self,
        bits: UInt8[Tensor, "B N"],
        string: Int[Tensor, " pairs"],
        feature: Int[Tensor, " pairs"],
        generator: torch.Generator,
    ) -> None:
        """Give, in place, features of strings the value they do not have.

        One random bit of a feature turns where that is enough, otherwise its bits become a random assignment with the
        value. Features that share bits may spoil one another's.
        """
        flat, codes = bits.view(-1), self.tables.shape[1]
        places = self.positions.index_select(1, feature) + string * bits.shape[1]
        now = flat.index_select(0, places.view(-1)).view(places.shape)
        code = (now.long() << self._binary[:, None]).sum(dim=0)
        entry = self.kind.index_select(0, feature) * codes + code
        enough = self._enough.view(-1).index_select(0, entry)
        many, member = self._members
        many = many.index_select(0, enough)
        turning = member.view(-1).index_select(0, enough * self.width + below(many, self.width, generator))
        turned = turning * len(string) + torch.arange(len(string), device=bits.device)
        stuck = true_places(many == 0)
        if len(stuck):
            other = self._other_code(entry.index_select(0, stuck), generator) ^ code.index_select(0, stuck)
            real = self._binary[:, None] < self.sizes[feature[stuck]]
            turns = (other >> self._binary[:, None] & 1 == 1) & real
            anywhere = (self._binary[:, None] * len(string) + stuck)[turns]
            turned = torch.cat([turned.index_select(0, true_places(many)), anywhere])
        flat.scatter_(0, places.view(-1).index_select(0, turned), 1 - now.view(-1).index_select(0, turned))

    def _other_code(self, entry: Int[Tensor, " pairs"], generator: torch.Generator) -> Int[Tensor, " pairs"]:
        """For each entry of a table a random code with the other value."""
        codes = self.tables.shape[1]
        kind = entry // codes
        ones, value = self.ones[kind], self.tables.view(-1)[entry] == 1
        which = below(torch.where(value, codes - ones, ones), codes, generator)
        return self._sorted_codes[kind, torch.where(value, ones + which, which)]

    @cached_property
    def _polynomials(self) -> UInt8[Tensor, "codes M 1"]:
        """Each feature as a polynomial modulo 2: the coefficient (0 or 255) of the product of the bits in each code."""
        coefficients = self.tables.T.clone()
        for j in range(self.width):
            halves = coefficients.view(-1, 2, 1 << j, len(self.tables))
            halves[:, 1] ^= halves[:, 0]
        return (coefficients * 255)[:, self.kind, None]

    @cached_property
    def _can_be(self) -> UInt8[Tensor, "2 M"]:
        """Whether each feature ever is 0, and ever 1."""
        return torch.stack([self.ones < self.tables.shape[1], self.ones > 0])[:, self.kind].to(torch.uint8)

    @cached_property
    def _enough(self) -> Int[Tensor, "kinds codes"]:
        """The single bits, as a code, that change a table's value when they turn."""
        codes = torch.arange(self.tables.shape[1], device=self.tables.device)
        changing = torch.zeros(self.tables.shape, dtype=torch.int32, device=self.tables.device)
        for j in range(self.width):
            changing |= (self.tables != self.tables[:, codes ^ 1 << j]).to(torch.int32) << j
        return changing

    @cached_property
    def _members(self) -> tuple[Int[Tensor, " codes"], Int[Tensor, "codes s"]]:
        """How many ones each code has, and where, the places behind the last of them filled by others."""
        there = torch.arange(self.tables.shape[1], device=self.tables.device)[:, None] >> self._binary & 1
        return there.sum(dim=1), there.argsort(dim=1, descending=True, stable=True)

    @cached_property
    def _sorted_codes(self) -> Int[Tensor, "kinds codes"]:
        """The codes of each table, those of value 1 first."""
        return self.tables.argsort(dim=1, descending=True, stable=True)
