"""Finite automata with answers in states (contexts) or at tokens (streams), of all lengths, and their minimal forms."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.errors import InputError
from separatrix.tasks import Task
from separatrix.tasks.automaton import FiniteAutomaton
from separatrix.tasks.bounded_dyck import BoundedDyck
from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.state_tracking import GroupWord, ModularCounter, Parity

H = TypeVar("H", bound=Hashable)
Stack = tuple[int, ...] | None
"""Open brackets, the innermost last; None after a mistake."""
EMPTY: Stack = ()


@dataclass(frozen=True)
class Transitions:
    """A finite automaton that starts in state 0; transitions[state, token] is the next state."""

    transitions: np.ndarray

    @property
    def states(self) -> int:
        """Number of states |Q|."""
        return len(self.transitions)

    @property
    def alphabet(self) -> int:
        """Number of tokens."""
        return self.transitions.shape[1]


@dataclass(frozen=True)
class Machine(Transitions):
    """A Moore machine: outputs[state] is the answer to the end of the string."""

    outputs: np.ndarray

    def minimal(self) -> Machine:
        """The smallest machine with the same answers: reachable states, then Moore's partition refinement."""
        met, transitions = quotient(np.unique(self.outputs, return_inverse=True)[1], self.transitions)
        return Machine(transitions, self.outputs[met])


@dataclass(frozen=True)
class Transducer(Transitions):
    """A Mealy machine: labels[state, token] is the answer at that token, UNLABELLED for none."""

    labels: np.ndarray

    def minimal(self) -> Transducer:
        """The smallest machine with the same answers: states that no string of tokens tells apart are one."""
        told = np.unique(self.labels, axis=0, return_inverse=True)[1].reshape(-1)
        met, transitions = quotient(told, self.transitions)
        return Transducer(transitions, self.labels[met])

    def moore(self) -> Machine:
        """The same as states with answers. Raises CertificateError where a state is reached with several."""
        outputs = np.full(self.states, UNLABELLED)
        for state in range(self.states):
            told = np.unique(self.labels[self.transitions == state])
            if len(told) > 1:
                raise CertificateError("answers must depend on the state after each token alone")
            outputs[state] = told[0] if len(told) else self.labels.min()
        return Machine(self.transitions, outputs)


@dataclass(frozen=True)
class MinskyUnits:
    """A machine with a unit for every state and token read in it (Minsky 1967), as matrices of 0 and 1.

    arriving: [|Q|, D], 1 where a unit that is on leads to a state; embed: [tokens, D], units that a token drives, and
    of a string the end as token 0; head: [answers, D], the answer in the state of a unit of token 0, or at its token
    """

    arriving: Float[Tensor, "Q D"]
    embed: Float[Tensor, "V D"]
    head: Float[Tensor, "answers D"]


def minsky_units(machine: Machine | Transducer, answers: int) -> MinskyUnits:
    """The matrices of a machine's units; unit (q, a) is number q * tokens + a of D = |Q| * tokens."""
    states, tokens = machine.states, machine.alphabet
    arriving = torch.zeros(states, states * tokens)
    arriving[torch.from_numpy(machine.transitions).reshape(-1), torch.arange(states * tokens)] = 1
    head, drive = torch.zeros(answers, states, tokens), torch.eye(tokens).repeat(1, states)
    if isinstance(machine, Machine):
        head[torch.from_numpy(machine.outputs), torch.arange(states), 0] = 1
        return MinskyUnits(arriving, torch.cat([drive, drive[:1]]), head.flatten(1))
    state, token = np.nonzero(machine.labels >= 0)
    head[machine.labels[state, token], state, token] = 1
    return MinskyUnits(arriving, drive, head.flatten(1))


def quotient(classes: np.ndarray, transitions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes of states [Q], split until each token leads from one class to one; of those met, in order of meeting.

    Returns a state of each, and their transitions by number.
    """
    count = 0
    while count < (count := int(classes.max()) + 1):
        rows = np.column_stack([classes, classes[transitions]])
        classes = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    firsts = np.unique(classes, return_index=True)[1]
    after = classes[transitions[firsts]]
    met, numbered = explored(int(classes[0]), transitions.shape[1], lambda state, token: int(after[state, token]))
    return firsts[met], numbered


def explored(start: H, alphabet: int, step: Callable[[H, int], H]) -> tuple[list[H], np.ndarray]:
    """All states met from a start, in the order they are met, and their transitions by number."""
    states, numbers, rows = [start], {start: 0}, []
    for state in states:
        row = []
        for token in range(alphabet):
            after = step(state, token)
            if after not in numbers:
                numbers[after] = len(states)
                states.append(after)
            row.append(numbers[after])
        rows.append(row)
    return states, np.array(rows)


def pushed_and_popped(kinds: int, depth: int) -> Callable[[Stack, int], Stack]:
    """What a bracket does to a stack."""

    def step(stack: Stack, token: int) -> Stack:
        if stack is not None and token < kinds:
            return (*stack, token) if len(stack) < depth else None
        return stack[:-1] if stack and stack[-1] == token - kinds else None

    return step


@singledispatch
def minimal_machine(task: Task) -> Machine:
    """The smallest automaton that solves a task at every length. Raises InputError for tasks that have none."""
    raise InputError(
        f"{task.name} is solved by no finite automaton known here: expected bounded-dyck, parity, modular-counter, "
        "group-word or automaton"
    )


@minimal_machine.register
def _(task: BoundedDyck) -> Machine:
    """States: the stacks of height up to k, and rejection. All stacks differ: each is emptied by its own brackets."""
    stacks, transitions = explored(EMPTY, 2 * task.kinds, pushed_and_popped(task.kinds, task.depth))
    return Machine(transitions, np.array([int(stack == EMPTY) for stack in stacks]))


@minimal_machine.register
def _(task: Parity) -> Machine:
    return Machine(np.array([[0, 1], [1, 0]]), np.arange(2))


@minimal_machine.register
def _(task: ModularCounter) -> Machine:
    count = np.arange(task.modulus)
    return Machine(np.column_stack([count, (count + 1) % task.modulus]), count)


@minimal_machine.register
def _(task: GroupWord) -> Machine:
    """States: the products so far. The empty product, state 0 here, is the identity."""
    table = np.array(task.elements)
    identity = next(e for e in range(len(table)) if (table[e] == np.arange(len(table))).all())
    products, transitions = explored(identity, len(table), lambda state, token: int(table[state, token]))
    return Machine(transitions, np.array(products))


@minimal_machine.register
def _(task: FiniteAutomaton) -> Machine:
    states, transitions = explored(task.start, task.alphabet_size, lambda state, token: task.transitions[state][token])
    return Machine(transitions, np.array(task.outputs)[states]).minimal()
