"""Interleaved equality and disjointness: constant networks, and how many states the languages have."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from recurrent_networks import right_on_every_string, tampered, wrong

import separatrix as sx
from separatrix.bounds import residual_automaton
from separatrix.constructions import CertificateError
from separatrix.constructions.check import check
from separatrix.constructions.check.arguments.languages import language
from separatrix.constructions.check.arguments.product import WrongAnswer, explore


@pytest.mark.parametrize("alphabet", [2, 3, 4, 5, 8])
def test_equality(alphabet):
    built = sx.constructions.create("equality-interleaved", length=100, alphabet=alphabet)
    assert built.width == 3 * (alphabet - 1).bit_length() + 3
    assert check(built.model, built.certificate).margin == 1
    assert built.certificate.order == "any"
    assert right_on_every_string(built, even=True)
    batch = built.task.replace(length=20_000).sample(4, torch.Generator().manual_seed(0))
    assert not wrong(built.model, built.task, batch.context)


def test_disjointness():
    built = sx.constructions.create("disjointness-interleaved", length=100)
    assert built.width == 5
    assert check(built.model, built.certificate).margin == 1
    assert right_on_every_string(built, even=True)
    batch = built.task.replace(length=100_000).sample(4, torch.Generator().manual_seed(0))
    assert not wrong(built.model, built.task, batch.context)


@pytest.mark.parametrize(("name", "alphabet"), [("equality", 2), ("equality", 3), ("disjointness", 2)])
def test_the_machine_that_is_checked_against_has_as_many_classes_as_the_residual_automaton(name, alphabet):
    """After t tokens, of the states of the definition: S + 1 (3 for disjointness) can be told apart, or fewer."""
    parameters = {"alphabet": alphabet} if name == "equality" else {}
    task = sx.tasks.create(name, length=8 if alphabet == 2 else 6, layout="interleaved", **parameters)
    machine = language(task)

    def met(t: int) -> set:
        states = {machine.start}
        for _ in range(t):
            states = {machine.step(state, token) for state in states for token in range(alphabet)}
        return states

    def future(state, steps: int) -> tuple:
        ends = []
        for rest in product(range(alphabet), repeat=steps):
            end = state
            for token in rest:
                end = machine.step(end, token)
            ends.append(machine.answer(end))
        return tuple(ends)

    profile = [len({future(state, task.length - t) for state in met(t)}) for t in range(task.length + 1)]
    assert profile == residual_automaton(task).profile
    assert max(profile) == alphabet + 1
    assert task.recurrent_bits() == pytest.approx(math.log2(alphabet + 1))


def test_formats_and_the_strings_they_fail_on():
    assert sx.constructions.create("disjointness-interleaved", length=8, format="fixed(2,0)").certificate.order == (
        "sequential"
    )
    with pytest.raises(WrongAnswer, match=r"equality is answered 1 instead of 0 in fixed\(2,0\) on 1 0"):
        sx.constructions.create("equality-interleaved", length=8, format="fixed(2,0)")
    for number_format in ("e4m3", "e5m2", "fixed(3,0)"):
        built = sx.constructions.create("equality-interleaved", length=8, format=number_format)
        assert check(built.model, built.certificate).margin == 1


def test_a_network_that_forgets_is_refused():
    built = sx.constructions.create("equality-interleaved", length=8)
    forgetful = tampered(built, "blocks.0.mixer.cell.bias_ih_l0", (built.width - 2,), 2.0)  # the flag rises again
    with pytest.raises(WrongAnswer) as caught:
        explore(forgetful, "fp32")
    assert wrong(forgetful, built.task, torch.tensor([caught.value.context])) == 1


def test_concatenated_strings_are_refused():
    with pytest.raises(CertificateError, match="layout interleaved"):
        sx.constructions.create("equality-interleaved", length=8, layout="concatenated")
