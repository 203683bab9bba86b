"""Finite automata with an answer in every state, for contexts of all lengths, and their minimal forms."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks import Task
from separatrix.tasks.automaton import FiniteAutomaton
from separatrix.tasks.bounded_dyck import BoundedDyck
from separatrix.tasks.state_tracking import GroupWord, ModularCounter, Parity

H = TypeVar("H", bound=Hashable)
Stack = tuple[int, ...] | None
"""Open brackets, the innermost last; None after a mistake."""
EMPTY: Stack = ()


@dataclass(frozen=True)
class Machine:
    """A Moore machine that starts in state 0.

    transitions[state, token] is the next state, outputs[state] the answer to the end of the string.
    """

    transitions: np.ndarray
    outputs: np.ndarray

    @property
    def states(self) -> int:
        """Number of states |Q|."""
        return len(self.transitions)

    @property
    def alphabet(self) -> int:
        """Number of tokens."""
        return self.transitions.shape[1]

    def minimal(self) -> Machine:
        """The smallest machine with the same answers: reachable states, then Moore's partition refinement."""
        classes, count = np.unique(self.outputs, return_inverse=True)[1], 0
        while count < (count := int(classes.max()) + 1):
            rows = np.column_stack([classes, classes[self.transitions]])
            classes = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        firsts = np.unique(classes, return_index=True)[1]
        quotient = classes[self.transitions[firsts]]
        start = int(classes[0])
        met = explored(start, self.alphabet, lambda state, token: int(quotient[state, token]))
        return Machine(met[1], self.outputs[firsts][met[0]])


@dataclass(frozen=True)
class MinskyUnits:
    """A machine with a unit for every state and token read in it (Minsky 1967), as matrices of 0 and 1.

    arriving: [|Q|, D], 1 where a unit that is on leads to a state; embed: [tokens + 1, D], units that a token drives,
    the end of the string as token 0; head: [answers, D], the answer in the state of a unit of token 0
    """

    arriving: Float[Tensor, "Q D"]
    embed: Float[Tensor, "V D"]
    head: Float[Tensor, "answers D"]


def minsky_units(machine: Machine, answers: int) -> MinskyUnits:
    """The matrices of a machine's units; unit (q, a) is number q * tokens + a of D = |Q| * tokens."""
    states, tokens = machine.states, machine.alphabet
    arriving = torch.zeros(states, states * tokens)
    arriving[torch.from_numpy(machine.transitions).reshape(-1), torch.arange(states * tokens)] = 1
    head = torch.zeros(answers, states, tokens)
    head[torch.from_numpy(machine.outputs), torch.arange(states), 0] = 1
    drive = torch.eye(tokens).repeat(1, states)
    return MinskyUnits(arriving, torch.cat([drive, drive[:1]]), head.flatten(1))


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
    n, k = task.kinds, task.depth

    def step(stack: Stack, token: int) -> Stack:
        if stack is not None and token < n:
            return (*stack, token) if len(stack) < k else None
        return stack[:-1] if stack and stack[-1] == token - n else None

    stacks, transitions = explored(EMPTY, 2 * n, step)
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
