"""Finite automata as networks: minimal by an independent library, right on every string and on long ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from automata.fa.dfa import DFA
from hypothesis import given, settings
from hypothesis import strategies as st
from random_automata import automata
from recurrent_networks import right_on_every_string, wrong

import separatrix as sx
from separatrix import InputError
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.constructions.check.arguments.product import WrongAnswer, explore
from separatrix.constructions.recurrent.automaton import elman
from separatrix.constructions.recurrent.moore_machine import Machine, minimal_machine

TASKS = [
    ("bounded-dyck-automaton", {"kinds": 1, "depth": 3}),
    ("bounded-dyck-automaton", {"kinds": 2, "depth": 2}),
    ("bounded-dyck-automaton", {"kinds": 3, "depth": 2}),
    ("parity", {}),
    ("modular-counter", {"modulus": 5}),
    ("group-word", {"group": "S3"}),
    ("group-word", {"table": ((1, 2, 0), (2, 0, 1), (0, 1, 2))}),  # the identity is element 2
    ("automaton", {}),
]


def acceptor(machine: Machine, output: int) -> DFA:
    """The strings that end in an output, in the other library's terms."""
    states, symbols = range(machine.states), [str(token) for token in range(machine.alphabet)]
    return DFA(
        states=set(states),
        input_symbols=set(symbols),
        transitions={q: dict(zip(symbols, map(int, machine.transitions[q]), strict=True)) for q in states},
        initial_state=0,
        final_states={q for q in states if machine.outputs[q] == output},
    )


@pytest.mark.parametrize(("kinds", "depth"), [(1, 1), (1, 4), (2, 1), (2, 3), (3, 2)])
def test_the_automaton_of_stacks_is_minimal(kinds, depth):
    machine = minimal_machine(sx.tasks.create("bounded-dyck", length=4, kinds=kinds, depth=depth))
    assert machine.states == 1 + sum(kinds**height for height in range(depth + 1))
    assert len(acceptor(machine, 1).minify().states) == machine.states


@settings(max_examples=40, deadline=None)
@given(automata(st.integers(1, 6), answers=2))
def test_minimal_machines_agree_with_an_independent_library(parameters):
    task = sx.tasks.create("automaton", **parameters)
    given_ = Machine(np.array(task.transitions), np.array(task.outputs))
    if task.start:  # the library's machines start in state 0
        order = [task.start, *(q for q in range(given_.states) if q != task.start)]
        place = np.argsort(order)
        given_ = Machine(place[given_.transitions[order]], given_.outputs[order])
    machine = minimal_machine(task)
    assert acceptor(machine, 1) == acceptor(given_, 1)
    assert machine.states == len(acceptor(given_, 1).minify(retain_names=False).states)


@pytest.mark.parametrize(("name", "parameters"), TASKS)
def test_networks_are_right_on_every_string_and_on_long_ones(name, parameters):
    built = sx.constructions.create(name, length=100, **parameters)
    machine = minimal_machine(built.task)
    assert built.width == machine.states * machine.alphabet == built.certificate.quantities["units"]
    assert built.certificate.quantities["states"] == built.width + 1  # one per unit, and the empty string's
    assert built.certificate.order == "any"
    assert check(built.model, built.certificate).margin == built.certificate.margin == 1
    assert right_on_every_string(built)
    for length in (1000, 100_000):
        context = torch.randint(built.task.alphabet_size, (2, length), generator=torch.Generator().manual_seed(1))
        assert not wrong(built.model, built.task, context)


@settings(max_examples=30, deadline=None)
@given(automata(st.integers(1, 20)))
def test_every_automaton_of_a_user_is_a_network(parameters):
    built = sx.constructions.create("automaton", **parameters)
    assert check(built.model, built.certificate).margin == 1
    assert right_on_every_string(built, most=250)


def test_long_members_are_accepted():
    built = sx.constructions.create("bounded-dyck-automaton", length=2000, kinds=2, depth=3)
    batch = built.task.sample(8, torch.Generator().manual_seed(0))
    assert set(batch.targets.flatten().tolist()) == {0, 1}
    with torch.no_grad():
        assert torch.equal(built.model(batch.context, batch.queries).argmax(dim=-1), batch.targets)


@pytest.mark.parametrize(
    ("number_format", "order"),
    [(f, "any") for f in ("real", "fp32", "bf16", "fp16", "e4m3", "e5m2", "fixed(3,0)")]
    + [("fixed(2,0)", "sequential")],
)
def test_every_format_that_holds_zero_and_plus_minus_one_will_do(number_format, order):
    built = sx.constructions.create("bounded-dyck-automaton", length=10, kinds=2, depth=2, format=number_format)
    assert built.certificate.order == order
    assert check(built.model, built.certificate).margin == 1


def test_a_format_without_one_fails_on_the_shortest_input_shown():
    with pytest.raises(WrongAnswer, match=r"answered 1 as much as 0 in fixed\(2,1\) on 0"):
        sx.constructions.create("bounded-dyck-automaton", length=10, kinds=2, depth=2, format="fixed(2)")


def test_another_automaton_is_found_out_by_a_shortest_string():
    task = sx.tasks.create("bounded-dyck", length=10, kinds=2, depth=3)
    shallow = minimal_machine(task.replace(depth=2))
    with pytest.raises(WrongAnswer) as caught:
        explore(elman(task, shallow), "fp32")
    assert len(caught.value.context) == 6  # three deep
    assert wrong(elman(task, shallow), task, torch.tensor([caught.value.context])) == 1


def test_limits_and_tasks_without_an_automaton():
    with pytest.raises(CertificateError, match="use bounded-dyck-stack"):
        sx.constructions.create("bounded-dyck-automaton", length=10, kinds=8, depth=9)
    with pytest.raises(CertificateError, match="120 states times 120 tokens are more than the 8,192 units"):
        sx.constructions.create("group-word", length=10, group="S5")
    with pytest.raises(InputError, match="index-lookup is solved by no finite automaton"):
        minimal_machine(sx.tasks.create("index-lookup", length=4))
