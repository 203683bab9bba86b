"""Diagonal recurrences on a constant input: every orbit there is in formats of eight bits."""

from __future__ import annotations

import pytest
import torch

import separatrix as sx
from separatrix.errors import InputError
from separatrix.numerics import parse

FORMATS = ["e4m3", "e5m2", "fixed(8)"]


def values(name: str) -> torch.Tensor:
    """All values of a format of eight bits that are no NaN, in order, -0 before 0."""
    if name == "fixed(8)":
        return torch.arange(-128, 128, dtype=torch.float64) * parse(name).smallest
    dtype = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}[name]
    every = torch.arange(256, dtype=torch.uint8).view(dtype).double()
    kept = every[~every.isnan()]
    return kept[torch.argsort(kept + torch.where(kept.signbit(), -1e-9, 0.0) * (kept == 0), stable=True)]


def maps(name: str, factors: torch.Tensor, fused: bool) -> torch.Tensor:
    """Int[a * b, x]: where x' = fl(fl(a x) + b) stands among the values, NaN last, for all a of `factors` and all b."""
    chosen, xs = parse(name), values(name)
    product = factors[:, None, None] * xs
    product = product if fused else chosen.round(product)
    after = chosen.round(product + xs[None, :, None]).flatten(0, 1)
    place = torch.searchsorted(xs, after.nan_to_num(0.0, posinf=torch.inf, neginf=-torch.inf))
    zero = (after == 0) & ~after.signbit() & bool((xs == 0).sum() == 2)
    place = torch.where(after.isnan(), len(xs), place + zero)
    return torch.cat([place, torch.full_like(place[:, :1], len(xs))], dim=1).to(torch.int32).long()


def test_the_number_of_values():
    assert [sx.bounds.values_of(name) for name in FORMATS] == [len(values(name)) for name in FORMATS]
    assert sx.bounds.values_of("bf16") == int(
        (~torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16).isnan()).sum()
    )
    with pytest.raises(InputError, match="has no number of values"):
        sx.bounds.values_of("real")


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_every_orbit_with_factors_in_0_1_is_monotone_and_stops(name, fused):
    xs = values(name)
    longest = 0
    for factors in xs[(xs >= 0) & (xs <= 1) & ~((xs == 0) & xs.signbit())].split(16):
        after = maps(name, factors, fused)
        inside = after[:, :-1]  # NaN apart
        numbers = torch.where(inside == len(xs), -1, inside)
        assert bool((numbers.cummax(1).values == numbers)[numbers >= 0].all())
        far, steps = after, 1
        while bool((far.gather(1, after) != far).any()):  # far is the map taken `steps` times
            far, steps = far.gather(1, far), 2 * steps
            assert steps <= 2 * len(xs)
        longest = max(longest, steps)
    settled = sx.bounds.settling(name, layers=1, transitions="nonnegative")
    assert settled.period == 1 and settled.steps == len(xs) >= longest // 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_orbit_with_factors_in_1_1_has_a_period_of_1_or_2(name):
    xs = values(name)
    two = 0
    for factors in xs[(xs >= -1) & (xs <= 1)].split(16):
        after = maps(name, factors, fused=False)
        far, steps = after, 1
        while steps < 2 * len(xs):
            far, steps = far.gather(1, far), 2 * steps
        twice = after.gather(1, after)
        assert torch.equal(twice.gather(1, far), far)
        two += int((after.gather(1, far) != far).sum())
    assert two > 0  # and 2 does occur
    assert sx.bounds.settling(name, layers=1, transitions="signed").steps == 2 * len(xs)


def test_two_signed_layers_have_a_period_of_4_and_no_more_than_they_may():
    """The second layer's factor alternates in sign with the first layer's state: its own state has period 4."""
    found, round_ = set(), parse("fixed(8)").round
    for start in (0.0, 1.0):
        x, y, met = torch.tensor(start), torch.tensor(0.0), []
        for _ in range(600):
            x = round_(-x + 1)
            factor = torch.where(x > 0.5, 1.0, -1.0)  # a function of the input: the first layer's state
            y = round_(round_(factor * y) + x)
            met.append((float(x), float(y)))
        period = next(p for p in range(1, 64) if met[-p - 1] == met[-1] and met[-200 - p] == met[-200])
        found.add(period)
    settled = sx.bounds.settling("fixed(8)", layers=2, transitions="signed")
    assert found == {4} and settled.period == 4
    assert settled.ends_counting(3) and not settled.ends_counting(2) and not settled.ends_counting(4)


def test_lengths_from_which_no_string_of_one_length_is_safe():
    found = sx.bounds.settling("e4m3", layers=2, transitions="nonnegative", taps=4)
    assert (found.steps, found.ends_from(2)) == (2 * (254 + 3), 4 * (254 + 3) + 1)
    signed = sx.bounds.settling("e4m3", layers=2, transitions="signed")
    assert signed.ends_from(2) is None and signed.ends_from(3) == 2 * signed.steps + 4
    for options in ({"layers": 0}, {"layers": 1, "taps": 0}, {"layers": 1, "stages": 0}):
        with pytest.raises(InputError, match="must be at least 1"):
            sx.bounds.settling("bf16", transitions="nonnegative", **options)
    with pytest.raises(InputError, match="nothing is proved of rotating transitions"):
        sx.bounds.settling("bf16", 1, "rotating")


@pytest.mark.parametrize("transitions", ["nonnegative", "signed"])
def test_small_machines_of_the_class_never_beat_the_length(transitions):
    """Random two-layer diagonal machines in fixed(4): states at T and T + period, and the strings 0^a 1^b."""
    number = parse("fixed(4)")
    draw = torch.Generator().manual_seed(0)
    settled = sx.bounds.settling(number, 2, transitions, taps=2)
    low = 0.0 if transitions == "nonnegative" else -1.0
    for _ in range(4):
        factor = number.round(torch.rand(2, 8, 8, generator=draw) * (1 - low) + low).clamp(low, 1)
        added = number.round(torch.randn(2, 8, 8, generator=draw))

        def run(tokens, factor=factor, added=added):
            state = torch.zeros(2, dtype=torch.float64)
            before = 0
            for token in tokens:
                taken, signal = (token + before) % 8, token  # two taps: the token and the one before it
                for layer in range(2):
                    key = taken if layer == 0 else int(signal) % 8
                    state[layer] = number.round(
                        number.round(factor[layer, key, 0] * state[layer]) + added[layer, key, 1]
                    )
                    signal = state[layer] * number.smallest**-1
                before = token
            return tuple(state.tolist())

        t, p = settled.steps, settled.period
        assert run([1] * t) == run([1] * (t + p))
        assert run([0] * (t + p) + [1] * t) == run([0] * t + [1] * (t + p))


@pytest.mark.parametrize(("transitions", "order"), [("nonnegative", 2), ("signed", 3)])
def test_every_machine_of_one_scalar_fails_before_the_length(transitions, order):
    """All of them in three bits, two maps x' = fl(fl(a x) + b) each, any start, any readout: none counts for long."""
    number = parse("fixed(3)")
    xs = torch.arange(-4, 4, dtype=torch.float64) * number.smallest
    factors = xs[(xs >= (0 if transitions == "nonnegative" else -1)) & (xs <= 1)]
    product_ = number.round(factors[:, None, None] * xs)
    after = torch.searchsorted(xs, number.round(product_ + xs[None, :, None])).flatten(0, 1).unique(dim=0)
    first, second = torch.cartesian_prod(torch.arange(len(after)), torch.arange(len(after))).T
    moves = torch.nn.functional.one_hot(after, len(xs)).bool()  # [maps, W, W]
    settled = sx.bounds.settling(number, 1, transitions)
    for start in range(len(xs)):
        reached = torch.zeros(len(first), order, len(xs), dtype=torch.bool)  # by how often the second map was taken
        reached[:, 0, start] = True
        longest = 0
        for length in range(1, 2 * settled.steps + settled.period + 1):
            steps = [(reached[..., None] & moves[which][:, None]).any(dim=2) for which in (first, second)]
            reached = steps[0] | steps[1].roll(1, dims=1)
            if bool((reached.sum(dim=1) <= 1).all(dim=1).any()):
                longest = length
        assert longest < 2 * settled.steps + settled.period
        assert longest >= order - 1  # short strings are counted by some machine: the search can succeed


def scalar_maps(number_format: str, transitions: str) -> torch.Tensor:
    """Int[maps, W]: every map x' = fl(fl(a x) + b) of a fixed-point format, once."""
    number = parse(number_format)
    xs = torch.arange(-(2 ** (number.p - 1)), 2 ** (number.p - 1), dtype=torch.float64) * number.smallest
    factors = xs[(xs >= (0 if transitions == "nonnegative" else -1)) & (xs <= 1)]
    after = number.round(number.round(factors[:, None, None] * xs) + xs[None, :, None])
    return torch.searchsorted(xs, after).flatten(0, 1).unique(dim=0)


@pytest.mark.parametrize(
    ("number_format", "layer"),
    [("fixed(3)", 2), ("fixed(4)", 2), ("fixed(2)", 3), ("fixed(3)", 3)],
)
def test_every_scalar_of_a_deeper_layer_has_a_period_that_divides_2_to_the_layers(number_format, layer):
    """Below it goes round with a period of 2^(l - 1): all choices of so many maps, every start; all of it occurs."""
    maps, turn = scalar_maps(number_format, "signed"), 2 ** (layer - 1)
    assert sx.bounds.settling(number_format, layer, "signed").period == 2 * turn
    full, rest = False, maps
    for _ in range(turn - 2):  # all of the last maps, composed: what they are matters, not how they come about
        rest = maps[:, None].expand(-1, len(rest), -1).gather(2, rest[None].expand(len(maps), -1, -1))
        rest = rest.flatten(0, 1).unique(dim=0)
    for first in maps:
        round_ = rest[:, first]
        far, steps = round_, 1
        while steps < 2 * maps.shape[1]:
            far, steps = far.gather(1, far), 2 * steps
        twice = round_.gather(1, round_)
        assert torch.equal(twice.gather(1, far), far)  # 2 P steps lead back
        full = full or bool((round_.gather(1, far) != far).any())
    assert full


def kept_parity(first: torch.Tensor, second: torch.Tensor, length: int) -> torch.Tensor:
    """Bool[n]: which machines tell the parity of the ones of every string of a length, by some readout of their state.

    first, second: Int[n, W] where a state goes with either token; state 0 is the start
    """
    count, size = first.shape
    even, odd = torch.zeros(2, count, size, dtype=torch.uint8)
    even[:, 0] = 1

    def image(states: torch.Tensor, move: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(states).scatter_reduce_(1, move, states, "amax")

    for _ in range(length):
        even, odd = image(even, first) | image(odd, second), image(odd, first) | image(even, second)
    return (even & odd).sum(dim=1) == 0


@pytest.mark.parametrize("second_layer", [100, pytest.param(None, marks=pytest.mark.long)])
def test_every_machine_of_two_layers_fails_parity_before_the_length(second_layer):
    """fixed(2), factors in [0, 1]: every first layer and start, every second layer that hears the first one's state."""
    maps, settled = scalar_maps("fixed(2)", "nonnegative"), sx.bounds.settling("fixed(2)", 2, "nonnegative")
    size = maps.shape[1]
    chosen = torch.cartesian_prod(*[torch.arange(len(maps))] * size)  # [maps^W, W]: a map for each state below
    if second_layer:
        chosen = chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))[:second_layer]]
    longest = 0
    for below in torch.cartesian_prod(torch.arange(len(maps)), torch.arange(len(maps))):
        for start in range(size * size):
            moves = []
            for which in below:
                after = maps[which]  # [W] of the first layer
                upper = maps[chosen[:, after]]  # [n, W below, W]: by the state below after the token
                joint = after[None, :, None] * size + upper
                order = (torch.arange(size * size) + start) % (size * size)  # state 0 is the start
                moves.append(((joint.flatten(1)[:, order]) - start) % (size * size))
            if longest < 2 and bool(kept_parity(*moves, length=1).any()):
                longest = 1
            end = 2 * settled.steps + settled.period
            assert not kept_parity(*moves, length=end).any()
    assert longest == 1 and settled.ends_from(2) == end
