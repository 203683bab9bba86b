"""Motifs, keys and values of several tokens, whole batches at once: drawn, laid out in a stream, and read from one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import ordered, sort_rows, true_places


@dataclass(frozen=True)
class Motifs:
    """Motifs of tokens, of which the first `sizes` count.

    tokens: the first of each, the second, …; each Int32[B, n]
    sizes:  Int32[B, n]
    """

    tokens: tuple[Int[Tensor, "B n"], ...]
    sizes: Int[Tensor, "B n"]

    def at(self, order: Int[Tensor, "B m"]) -> Motifs:
        """These motifs of each row."""
        return Motifs(tuple(token.gather(1, order) for token in self.tokens), self.sizes.gather(1, order))

    def and_again(self, chosen: Int[Tensor, "B 1"]) -> Motifs:
        """All of them, and behind them one of them once more."""
        once = self.at(chosen)
        tokens = (torch.cat(both, dim=1) for both in zip(self.tokens, once.tokens, strict=True))
        return Motifs(tuple(tokens), torch.cat([self.sizes, once.sizes], dim=1))

    def shifted(self, by: int) -> Motifs:
        """The same of other tokens."""
        return Motifs(tuple(token + by for token in self.tokens), self.sizes)

    def codes(self, alphabet: int) -> Int[Tensor, "B n"]:
        """A number for each, equal for equal motifs alone."""
        code = self.tokens[0].long() + 1
        for i, token in enumerate(self.tokens[1:], 1):
            code = torch.where(i < self.sizes, code * (alphabet + 1) + token + 1, code)
        return code


def motifs(alphabet: int, most: int, shape: tuple[int, int], varied: bool, generator: torch.Generator) -> Motifs:
    """Uniform motifs of distinct tokens, of a uniform size from 1 to `most`, or all of that size.

    A token is drawn among those left, and raised past the smaller ones that are taken.
    """

    def drawn(low: int, high: int) -> Int[Tensor, "B n"]:
        return torch.randint(low, high, shape, generator=generator, device=generator.device, dtype=torch.int32)

    taken: list[Tensor] = []  # ascending
    tokens = []
    for i in range(most):
        token = drawn(0, alphabet - i)
        for smaller in taken:
            token = token + (token >= smaller)
        tokens.append(token)
        above, kept = token, []
        for other in taken:
            kept.append(torch.minimum(above, other))
            above = torch.maximum(above, other)
        taken = [*kept, above]
    return Motifs(tuple(tokens), drawn(1 if varied else most, most + 1))


def with_first_value(keys: Motifs, values: Motifs, alphabet: int) -> Motifs:
    """The values, but equal keys of a row all have that of the first."""
    count = keys.sizes.shape[1]
    shift = count.bit_length()
    place = torch.arange(count, device=keys.sizes.device)
    order = sort_rows((keys.codes(alphabet) << shift) + place)
    code, where = order >> shift, order & ((1 << shift) - 1)
    new = torch.ones_like(code, dtype=torch.bool)
    new[:, 1:] = code[:, 1:] != code[:, :-1]
    leader = where.gather(1, place.masked_fill(~new, 0).cummax(dim=1).values)  # the first place of an equal key
    return values.at(torch.empty_like(where).scatter_(1, where, leader))


def laid_out(keys: Motifs, values: Motifs, shown: Bool[Tensor, "B n"], length: int, blank: int) -> Int[Tensor, "B T"]:
    """The pairs that are shown, one after the other to the end of the stream, behind as many blanks as are needed.

    All tokens are written, later ones of a motif first. Those that do not count reach as far into what stands behind
    their motif as nothing there does that is written before them, and so are written over.
    """
    sizes = (keys.sizes + values.sizes) * shown
    end = sizes.cumsum(dim=1) + (length - sizes.sum(dim=1, keepdim=True))
    begin = (end - sizes).masked_fill_(~shown, length)  # out of sight
    beyond = len(keys.tokens) + len(values.tokens)
    stream = torch.full((len(shown), length + beyond), blank, dtype=torch.int32, device=shown.device)
    for i in reversed(range(max(len(keys.tokens), len(values.tokens)))):
        for side, place in ((keys, begin), (values, begin + keys.sizes)):
            if i < len(side.tokens):
                stream.scatter_(1, place + i, side.tokens[i])
    return stream[:, :length].long()


class Read:
    """What a stream of keys and values says: which keys were met before, and with which values.

    A key ends where a value's token follows. Where a key may end it is compared with those that have: what is known at
    a place depends on the tokens up to it alone.
    """

    def __init__(self, inputs: Int[Tensor, "B T"], keys: int, values: int, most: int) -> None:
        self.inputs, self.keys, self.values, self.most = inputs, keys, values, most
        self.in_key = inputs < keys
        self.in_value = ~self.in_key & (inputs < keys + values)
        self.ends = torch.zeros_like(self.in_key)
        self.ends[:, :-1] = self.in_key[:, :-1] & self.in_value[:, 1:]
        self.place = torch.arange(inputs.shape[1], device=inputs.device).expand_as(inputs)

    @property
    def asked(self) -> Bool[Tensor, "B T"]:
        """Where an answer is asked, if there is one: at the ends of keys and in values."""
        return self.ends | self.in_value

    @cached_property
    def _flat(self) -> Int[Tensor, " places"]:
        """All streams with a blank before and behind each: the place of a token is where it stands among these."""
        blank = self.keys + self.values
        return torch.nn.functional.pad(self.inputs.to(torch.int32), (1, 1), value=blank).flatten()

    @cached_property
    def _flat_in_value(self) -> Bool[Tensor, " places"]:
        return torch.nn.functional.pad(self.in_value, (1, 1)).flatten()

    def _codes(self, where: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """A number for the key's tokens up to each of these places (of no meaning for keys that are too long)."""
        token = self._flat.index_select(0, where).long() + 1
        code, weight = token, 1
        for i in range(1, self.most):
            before = self._flat.index_select(0, (where - i).clamp_(min=0)).long()
            token = torch.where((token > 0) & (before < self.keys), before + 1, 0)
            weight *= self.keys + 1
            code = code + token * weight
        return code

    def _known(self, among: Bool[Tensor, "B T"]) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Of these places of keys, those whose tokens so far ended a key before, and where that was first."""
        where = true_places(torch.nn.functional.pad(among, (1, 1)))  # ascending
        ended = self._flat_in_value.index_select(0, where + 1)
        row = where // (self.inputs.shape[1] + 2)
        key = (row * (self.keys + 1) ** self.most + self._codes(where)) * 2 + ~ended  # of equal ones, ends come first
        order, key = ordered(key, 2 * len(self.inputs) * (self.keys + 1) ** self.most)
        new = torch.ones_like(ended)
        new[1:] = key[1:] >> 1 != key[:-1] >> 1
        index = torch.arange(len(where), device=where.device)
        first = order.index_select(0, index.masked_fill(~new, 0).cummax(dim=0).values)
        earlier = (first < order) & ended.index_select(0, first)
        found = true_places(earlier)
        order, first = order.index_select(0, found), first.index_select(0, found)
        return where.index_select(0, order), where.index_select(0, first)

    def labels(self, among: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """At these places of keys, and in values behind them: the next token of the value that the key had first."""
        at, said_at = self._known(among)
        label = torch.full_like(self._flat, UNLABELLED)
        said_at = said_at + 1
        while len(at):
            label.scatter_(0, at, self._flat.index_select(0, said_at) - self.keys)
            at, said_at = at + 1, said_at + 1
            go_on = self._flat_in_value.index_select(0, at) & self._flat_in_value.index_select(0, said_at)
            left = true_places(go_on)
            at, said_at = at.index_select(0, left), said_at.index_select(0, left)
        return label.view(len(self.inputs), -1)[:, 1:-1].to(self.inputs)

    @property
    def consistent(self) -> Bool[Tensor, " B"]:
        """Whether every key that is met again has the value it had, and the last key is one."""
        batch, width = len(self.inputs), self.inputs.shape[1] + 2
        at, first = self._known(self.ends)
        last = (self.place * self.ends).amax(dim=1) + 1 + width * torch.arange(batch, device=at.device)
        right = torch.zeros_like(self._flat_in_value).index_fill_(0, at, True).index_select(0, last)
        value = self._flat.masked_fill(~self._flat_in_value, -1)
        while len(at):
            at, first = at + 1, first + 1
            now, before = value.index_select(0, at), value.index_select(0, first)
            right.index_fill_(0, at.index_select(0, true_places(now != before)) // width, False)
            left = true_places((now == before) & (now >= 0))
            at, first = at.index_select(0, left), first.index_select(0, left)
        return right

    @property
    def in_order(self) -> Bool[Tensor, " B"]:
        """Whether blanks stand at the beginning alone, a key is the first, and a value the last."""
        blank = ~(self.in_key | self.in_value)
        mixed = (blank[:, 1:] & ~blank[:, :-1]).any(dim=1) | (blank[:, :-1] & self.in_value[:, 1:]).any(dim=1)
        return ~mixed & ~self.in_value[:, 0] & self.in_value[:, -1]

    @cached_property
    def run(self) -> Int[Tensor, "B T"]:
        """Which token of its key, value or blanks each is, from 1."""
        change = torch.ones_like(self.in_key)
        change[:, 1:] = (self.in_key[:, 1:] != self.in_key[:, :-1]) | (self.in_value[:, 1:] != self.in_value[:, :-1])
        return self.place - self.place.masked_fill(~change, 0).cummax(dim=1).values + 1

    def sized(self, least: tuple[int, int], most: tuple[int, int]) -> Bool[Tensor, " B"]:
        """Whether keys and values have sizes in these ranges."""
        ended = torch.ones_like(self.ends)
        ended[:, :-1] = self.run[:, 1:] == 1
        right = torch.ones(len(self.inputs), dtype=torch.bool, device=self.inputs.device)
        for kind, low, high in zip((self.in_key, self.in_value), least, most, strict=True):
            right &= (~(kind & ended) | ((self.run >= low) & (self.run <= high))).all(dim=1)
        return right

    def distinct(self, most: int) -> Bool[Tensor, " B"]:
        """Whether no key and no value has a token twice."""
        right = torch.ones(len(self.inputs), dtype=torch.bool, device=self.inputs.device)
        filled = self.in_key | self.in_value
        for back in range(1, most):
            same = (self.inputs[:, back:] == self.inputs[:, :-back]) & (self.run[:, back:] > back) & filled[:, back:]
            right &= ~same.any(dim=1)
        return right
