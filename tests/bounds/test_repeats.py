"""Repeats of a state: against functional graphs whose repeats are known, and against every state of real models."""

from __future__ import annotations

import pytest
import torch

import separatrix as sx
from separatrix.bounds.repeats import written
from separatrix.errors import InputError


class Graph:
    """A model whose state runs through a functional graph, node by node."""

    def __init__(self, after: list[int], start: int = 0) -> None:
        self.after, self.start = after, start

    def prefill(self, context, state=None, start=0):
        node = self.start if state is None else int(state[0])
        for _ in range(context.shape[1]):
            node = self.after[node]
        return (torch.tensor([node]),)


def brute(after: list[int], start: int = 0) -> tuple[int, int]:
    """First length and period, by the list of all nodes met."""
    met, node = [], after[start]
    while node not in met:
        met.append(node)
        node = after[node]
    return met.index(node) + 1, len(met) - met.index(node)


@pytest.mark.parametrize("seed", range(60))
def test_first_length_and_period_of_random_graphs(seed):
    nodes = 1 + seed
    after = torch.randint(nodes, (nodes,), generator=torch.Generator().manual_seed(seed)).tolist()
    found = sx.bounds.repeats(Graph(after), token=0)
    assert (found.first, found.period) == brute(after)
    assert found.read == sum(found.lengths) - found.first


def test_every_tensor_of_the_state_counts_and_every_bit():
    class Two:
        def prefill(self, context, state=None, start=0):
            sign = torch.zeros(1, 6).copysign(torch.tensor([1.0, 1, 1, 1, 1, -1]))
            four, six = (torch.tensor([0]), [sign]) if state is None else state
            return ((four + 1) % 4, [six[0].roll(1, dims=1)])

    found = sx.bounds.repeats(Two(), token=0)
    assert (found.first, found.period) == (1, 12)  # of periods 4 and 6: -0 is not 0
    assert (found.numbers, found.bits) == (7, 64 + 6 * 32)


def test_no_repeat_is_said_and_not_invented():
    found = sx.bounds.repeats(Graph([*range(1, 50), 0]), token=0, steps=49)
    assert (found.first, found.period, found.lengths, found.read) == (None, None, None, 49)
    assert not found.ends_counting(2)
    assert sx.bounds.repeats(Graph([*range(1, 50), 0]), token=0, steps=51).lengths == (1, 51)


def test_counting_is_ended_where_the_period_is_no_multiple():
    for period in range(1, 13):
        found = sx.bounds.repeats(Graph([*range(1, period), 0]), token=0)
        for modulus in range(2, 14):
            one, other = found.lengths
            assert found.ends_counting(modulus) == (one % modulus != other % modulus)


@pytest.mark.parametrize("name", ["lstm", "gru", "deltanet"])
def test_against_all_states_of_a_real_model(name):
    task = sx.tasks.create("parity", length=8)
    model = sx.models.create(name, task, width=8, layers=2).train()
    found = sx.bounds.repeats(model, token=1, steps=1500)
    assert model.training and all(module.training for module in model.modules())
    state, met = None, []
    with torch.no_grad():
        model.eval()
        for length in range(found.lengths[1]):
            state = model.prefill(torch.tensor([[1]]), state, start=length)
            met.append(written(model, state))
    one, other = (length - 1 for length in found.lengths)
    assert met[one] == met[other] and len(set(met)) == other
    asked = sx.bounds.answered(model, found)
    assert bool(asked) == (found.period % 2 == 1)
    if asked:
        assert [each.right for each in asked] == [length % 2 for length in found.lengths]
        assert asked[0].given == asked[1].given


def test_a_model_that_rolls_dice_is_refused():
    class Dice(Graph):
        rolls = 0

        def prefill(self, context, state=None, start=0):
            self.rolls += 1
            return (torch.tensor([min(start, 3) + self.rolls * (self.rolls > 5)]),)

    with pytest.raises(InputError, match="does not compute the same state twice"):
        sx.bounds.repeats(Dice([0]), token=0)


def test_states_that_grow_are_refused_and_windows_are_not():
    task = sx.tasks.create("parity", length=8)
    grows = sx.models.create("transformer", task, width=4, positions="alibi")
    with pytest.raises(InputError, match=r"the state grows with every token \(2,056 numbers after 257\)"):
        sx.bounds.repeats(grows)
    window = sx.models.create("transformer", task, width=4, positions="alibi", window=300, layers=1)
    found = sx.bounds.repeats(window, steps=400)
    assert (found.first, found.period) == (299, 1)  # the window is full of one and the same key


def test_bad_questions_are_one_line():
    task = sx.tasks.create("parity", length=8)
    for options, said in [({"token": 2}, "token must be in 0 … 1"), ({"steps": 0}, "steps must be at least 1")]:
        with pytest.raises(InputError, match=said):
            sx.bounds.repeats(sx.models.create("gru", task, width=2), **options)
    with pytest.raises(InputError, match="is told the position of every token"):
        sx.bounds.repeats(sx.models.create("gru", task, width=2, positions="learned"))
    points = sx.tasks.create("nearest-neighbor", length=8, points=4, dimension=2)
    with pytest.raises(InputError, match="vectors for tokens"):
        sx.bounds.repeats(sx.models.create("gru", points, width=2))


def test_what_cannot_be_compared_is_refused():
    class Odd(Graph):
        def prefill(self, context, state=None, start=0):
            return (object(),)

    with pytest.raises(InputError, match="holds a object, which cannot be compared"):
        sx.bounds.repeats(Odd([0]), token=0)


def test_other_tasks_and_formats():
    counter = sx.tasks.create("modular-counter", length=8, modulus=3)
    model = sx.models.create("gru", counter, width=4).bfloat16()
    found = sx.bounds.repeats(model, token=1)
    assert found.bits == 16 * found.numbers and found.lengths[1] < 200
    asked = sx.bounds.answered(model, found)
    assert [each.right for each in asked] == [length % 3 for length in found.lengths]
    zero = sx.bounds.repeats(model, token=0)
    assert zero.lengths and sx.bounds.answered(model, zero) == ()  # zeros are not counted: nothing to be wrong about
    dyck = sx.models.create("gru", sx.tasks.create("bounded-dyck", length=8, kinds=1, depth=2), width=4)
    assert sx.bounds.answered(dyck, sx.bounds.repeats(dyck, token=0)) == ()  # strings of one bracket are none of it


def test_what_a_cache_counts_is_part_of_the_state():
    pytest.importorskip("transformers")
    task = sx.tasks.create("parity", length=8)
    model = sx.models.create("hf:mamba", task, width=8).eval()
    state = model.prefill(torch.tensor([[1]]))
    assert True in model.counters(state)  # that it has a state already
    windowed = sx.models.create("hf:mistral", task, width=8, sliding_window=4).eval()
    with torch.no_grad():
        states = [windowed.prefill(torch.ones(1, n, dtype=torch.int64)) for n in (6, 7)]
    shapes = [[tuple(tensor.shape) for tensor in torch.utils._pytree.tree_leaves(state)] for state in states]
    assert shapes[0] == shapes[1] and windowed.counters(states[0]) != windowed.counters(states[1])
