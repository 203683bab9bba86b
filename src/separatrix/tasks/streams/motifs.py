"""Motifs, keys and values of several tokens, whole batches at once: drawn, laid out in a stream, and read from one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import sort_rows, true_places


@dataclass(frozen=True)
class Motifs:
    """Motifs of tokens, of which the first `sizes` count.

    tokens: Int[B, n, most]
    sizes:  Int[B, n]
    """

    tokens: Int[Tensor, "B n most"]
    sizes: Int[Tensor, "B n"]

    def at(self, order: Int[Tensor, "B m"]) -> Motifs:
        """These motifs of each row."""
        index = order[..., None].expand(-1, -1, self.tokens.shape[2])
        return Motifs(self.tokens.gather(1, index), self.sizes.gather(1, order))

    def shifted(self, by: int) -> Motifs:
        """The same of other tokens."""
        return Motifs(self.tokens + by, self.sizes)

    def codes(self, alphabet: int) -> Int[Tensor, "B n"]:
        """A number for each, equal for equal motifs alone."""
        code = torch.zeros_like(self.sizes)
        for i in range(self.tokens.shape[2]):
            code = torch.where(i < self.sizes, code * (alphabet + 1) + self.tokens[..., i] + 1, code)
        return code


def motifs(alphabet: int, most: int, shape: tuple[int, int], varied: bool, generator: torch.Generator) -> Motifs:
    """Uniform motifs of distinct tokens, of a uniform size from 1 to `most`, or all of that size.

    A token is drawn among those left, and raised past the smaller ones that are taken.
    """
    device = generator.device
    taken: list[Tensor] = []  # ascending
    tokens = []
    for i in range(most):
        token = torch.randint(alphabet - i, shape, generator=generator, device=device)
        for smaller in taken:
            token = token + (token >= smaller)
        tokens.append(token)
        above, kept = token, []
        for other in taken:
            kept.append(torch.minimum(above, other))
            above = torch.maximum(above, other)
        taken = [*kept, above]
    low = 1 if varied else most
    return Motifs(torch.stack(tokens, dim=2), torch.randint(low, most + 1, shape, generator=generator, device=device))


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
    """The pairs that are shown, one after the other to the end of the stream, behind as many blanks as are needed."""
    device = shown.device
    counts = [torch.arange(side.tokens.shape[2], device=device) < side.sizes[..., None] for side in (keys, values)]
    used = torch.cat(counts, dim=2) & shown[..., None]  # (B, n, c + v)
    said = torch.cat([keys.tokens, values.tokens], dim=2).flatten().index_select(0, true_places(used))
    blanks = length - ((keys.sizes + values.sizes) * shown).sum(dim=1, keepdim=True)
    stream = torch.full((len(shown), length), blank, device=device)
    return stream.masked_scatter_(torch.arange(length, device=device) >= blanks, said)


class Read:
    """What a stream of keys and values says: which keys were met before, and with which values.

    A key ends where a value's token follows. Where a key may end it is compared with those that have: what is known at
    a place depends on the tokens up to it alone.
    """

    def __init__(self, inputs: Int[Tensor, "B T"], keys: int, values: int, most: int) -> None:
        self.inputs, self.keys, self.most = inputs, keys, most
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
    def codes(self) -> Int[Tensor, "B T"]:
        """A number for the key's tokens up to each place (of no meaning for keys that are too long)."""
        token = (self.inputs + 1) * self.in_key
        more = self.in_key[:, 1:] * (self.keys + 1)
        code = token
        for _ in range(self.most - 1):
            before, code = code, token.clone()
            code[:, 1:].addcmul_(before[:, :-1], more)
        return code

    @cached_property
    def first(self) -> Int[Tensor, "B T"]:
        """For each place of a key where its tokens so far ended a key first; T where nowhere up to here."""
        length = self.inputs.shape[1]
        where = true_places(self.in_key)  # flat, ascending
        row = where // length
        code = self.codes.flatten().index_select(0, where)
        shift = max(1, len(where)).bit_length()
        key = (row * ((self.keys + 1) ** self.most) + code) << shift
        order = sort_rows(key + torch.arange(len(where), device=where.device))
        index, group = order & ((1 << shift) - 1), order >> shift
        new = torch.ones_like(group, dtype=torch.bool)
        new[1:] = group[1:] != group[:-1]
        number = new.cumsum(0) - 1
        place = where.index_select(0, index) % length
        ended = self.ends.flatten().index_select(0, where.index_select(0, index))
        earliest = torch.full_like(place, length)
        earliest.scatter_reduce_(0, number, place.masked_fill(~ended, length), "amin")
        found = torch.full_like(self.inputs, length).flatten()
        found[where.index_select(0, index)] = earliest.index_select(0, number)
        return found.view_as(self.inputs)

    @cached_property
    def key_end(self) -> Int[Tensor, "B T"]:
        """For each place the place where the last key ended; itself in keys; -1 before the first."""
        last = torch.where(self.ends, self.place, -1).cummax(dim=1).values
        return torch.where(self.in_key, self.place, last)

    @cached_property
    def model(self) -> Int[Tensor, "B T"]:
        """For each place the place where an equal key ended first; T where none did before."""
        end = self.key_end
        first = self.first.gather(1, end.clamp(min=0))
        known = (first < end) & (self.in_key | self.in_value) & (end >= 0)
        return torch.where(known, first, self.inputs.shape[1])

    @cached_property
    def labels(self) -> Int[Tensor, "B T"]:
        """The next token of the value that the key had first, UNLABELLED where it has none."""
        length, model = self.inputs.shape[1], self.model
        place = (model + (self.place - self.key_end) + 1).clamp(max=length - 1)
        goes_on = self.in_value.gather(1, place) & (self.key_end.gather(1, place) == model)
        return torch.where(goes_on & (model < length), self.inputs.gather(1, place) - self.keys, UNLABELLED)

    @property
    def consistent(self) -> Bool[Tensor, " B"]:
        """Whether every key that is met again has the value it had, and the last key is one."""
        again = torch.nn.functional.pad(self.in_value[:, 1:] & (self.key_end[:, :-1] >= 0), (0, 1))
        follows = torch.nn.functional.pad(self.inputs[:, 1:], (0, 1)) - self.keys
        known = (self.model < self.inputs.shape[1]) & (self.ends | self.in_value)
        said = torch.where(again, follows, UNLABELLED)  # what does follow within the value
        return (~known | (said == self.labels)).all(dim=1) & known[:, -1]

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
