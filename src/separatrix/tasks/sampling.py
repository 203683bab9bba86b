"""Random choices without replacement that several tasks make: for whole batches at once, and exactly uniform."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

_BITS = 62


def sort_rows(keys: Tensor) -> Tensor:
    """Each row in ascending order. On the CPU NumPy's vectorised sort takes a fraction of PyTorch's time."""
    if keys.device.type == "cpu":
        return torch.from_numpy(np.sort(keys.numpy(), axis=-1))
    return keys.sort(dim=-1).values


def ordered(keys: Int[Tensor, " n"], most: int) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Where keys from 0 to below `most` stand in ascending order, equal ones from left to right; and the keys so."""
    shift = len(keys).bit_length()
    if most << shift >= 1 << 63:
        keys, order = keys.sort(stable=True)
        return order, keys
    tagged = sort_rows((keys << shift) + torch.arange(len(keys), device=keys.device))
    return tagged & ((1 << shift) - 1), tagged >> shift


def true_places(mask: Shaped[Tensor, "*shape"]) -> Int[Tensor, " true"]:
    """Where a mask is true, or numbers are not 0, counting through its rows. NumPy takes a tenth of PyTorch's time."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.flatten().nonzero()[:, 0]


def distinct(population: int, count: int, batch_size: int, generator: torch.Generator) -> Int[Tensor, "B k"]:
    """`count` distinct numbers below `population` for each row, every ordered choice equally likely.

    Few of many are drawn with replacement, repetitions dropped, and rows that come out short drawn again: by symmetry
    every ordered choice stays equally likely. Otherwise all the numbers are shuffled.
    """
    if 3 * count >= population:
        return _places_of(sort_rows(_shuffled(batch_size, population, generator))[:, :count], population)
    repetitions = -population * math.log1p(-count / population) - count  # to be expected, and their spread
    drawn_count = count + math.ceil(repetitions + 4 * math.sqrt(count * (count - 1) / population))
    drawn = torch.randint(population, (batch_size, drawn_count), generator=generator, device=generator.device)
    fresh = ~repeated(drawn)
    rank = fresh.cumsum(dim=1)
    fresh &= rank <= count
    short = rank[:, -1] < count
    missing = int(short.sum())
    if missing == 0:
        return drawn[fresh].view(batch_size, count)
    chosen = drawn.new_empty(batch_size, count)
    chosen[~short] = drawn[fresh & ~short[:, None]].view(batch_size - missing, count)
    chosen[short] = distinct(population, count, missing, generator)
    return chosen


def several(population: int, count: int, batch_size: int, generator: torch.Generator) -> Int[Tensor, "B Q"]:
    """`count` numbers below `population` for each row: distinct when there are enough, independent otherwise."""
    if count <= population:
        return distinct(population, count, batch_size, generator)
    return torch.randint(population, (batch_size, count), generator=generator, device=generator.device)


def places(count: Int[Tensor, " B"], n: int, generator: torch.Generator) -> Bool[Tensor, "B n"]:
    """For each row a uniform choice of that many of n places."""
    keys = _shuffled(len(count), n, generator)
    last = sort_rows(keys).gather(1, (count - 1).clamp(min=0)[:, None])
    return (keys <= last) & (count > 0)[:, None]


def ragged_places(
    count: Int[Tensor, " B"], sizes: Int[Tensor, " B"], generator: torch.Generator
) -> Bool[Tensor, " sizes"]:
    """For each row a uniform choice of `count` of its `sizes` places; the places of all rows, one row after the other.

    The chosen ones, or the others where they are fewer, are drawn with replacement and drawn again where the place was
    taken: by symmetry every choice stays equally likely. Quick where few are drawn of many, or many.
    """
    fewer = torch.minimum(count, sizes - count)
    first, total = sizes.cumsum(0) - sizes, int(sizes.sum())
    taken = torch.zeros(total, dtype=torch.bool, device=count.device)
    drawn_by = torch.empty(total, dtype=torch.int64, device=count.device)
    row = torch.repeat_interleave(fewer)
    while len(row):
        place = first.index_select(0, row) + below(sizes.index_select(0, row), total, generator)
        name = torch.arange(len(row), device=row.device)
        drawn_by.scatter_(0, place, name)  # whichever of several is written last: all of one place are of one row
        again = taken.index_select(0, place) | (drawn_by.index_select(0, place) != name)
        taken.index_fill_(0, place, True)
        row = row.index_select(0, true_places(again))
    return taken ^ torch.repeat_interleave(fewer < count, sizes, output_size=total)


def one_place(among: Bool[Tensor, "B n"], generator: torch.Generator) -> Int[Tensor, " B"]:
    """A uniform one of each row's true places; every row has one at least."""
    many = among.sum(dim=1)
    which = many.cumsum(dim=0) - many + below(many, among.shape[1], generator)
    return true_places(among).index_select(0, which) % among.shape[1]


def below(sizes: Int[Tensor, " n"], most: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """A random number in 0 … size - 1 for each of the sizes, which are at most `most`; uniform to most / 2^61."""
    bits = _BITS - most.bit_length()
    return torch.randint(1 << bits, sizes.shape, generator=generator, device=sizes.device).mul_(sizes) >> bits


def weighted(
    weights: Float[Tensor, " n"], count: int, batch_size: int, generator: torch.Generator
) -> Int[Tensor, "B k"]:
    """`count` places for each row, drawn one after the other in proportion to the weights of those left.

    A race of exponential clocks: place i rings at -ln(u_i) / weight_i, and the first to ring are the draw.
    """
    n = len(weights)
    uniform = torch.rand(batch_size, n, dtype=torch.float64, generator=generator, device=generator.device)
    rings = -torch.log1p(-uniform) / weights.to(uniform)
    keys = rings.view(torch.int64)  # the bits of positive floats have the order of the floats
    return _places_of(sort_rows(_tagged(keys, n))[:, :count], n)


def repeated(numbers: Int[Tensor, "B k"]) -> Bool[Tensor, "B k"]:
    """Which places hold a number that an earlier place of their row holds."""
    count = numbers.shape[1]
    shift = count.bit_length()
    keys = sort_rows(_tagged(numbers << shift, count))
    again = torch.zeros_like(keys, dtype=torch.bool)
    again[:, 1:] = keys[:, 1:] >> shift == keys[:, :-1] >> shift
    return torch.zeros_like(again).scatter_(1, _places_of(keys, count), again)


def _shuffled(rows: int, n: int, generator: torch.Generator) -> Int[Tensor, "rows n"]:
    """Random keys without ties: sorting them shuffles the places in their low bits."""
    shift = n.bit_length()
    keys = torch.randint(1 << (_BITS - shift), (rows, n), generator=generator, device=generator.device)
    return keys.bitwise_left_shift_(shift).add_(torch.arange(n, device=keys.device))


def _tagged(keys: Int[Tensor, "rows n"], n: int) -> Int[Tensor, "rows n"]:
    """Each key with its low bits replaced by its place."""
    shift = n.bit_length()
    return (keys >> shift << shift) + torch.arange(n, device=keys.device)


def _places_of(keys: Int[Tensor, "rows k"], n: int) -> Int[Tensor, "rows k"]:
    return keys & ((1 << n.bit_length()) - 1)
