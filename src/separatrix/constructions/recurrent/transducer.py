"""Finite automata with an answer at every token, for the streams of tasks that have one."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import numpy as np

from separatrix.constructions.recurrent.moore_machine import EMPTY, H, Stack, Transducer, explored, pushed_and_popped
from separatrix.errors import InputError
from separatrix.tasks import Problem
from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.streams.flip_flop import READ, WRITE, FlipFlop
from separatrix.tasks.streams.next_bracket import NextBracket
from separatrix.tasks.streams.tracking import RunningProduct


def _transducer(start: H, alphabet: int, step: Callable[[H, int], H], answer: Callable[[H], int | None]) -> Transducer:
    """The machine of a step and of answers in states, minimal."""
    states, transitions = explored(start, alphabet, step)
    said = np.array([UNLABELLED if (label := answer(state)) is None else label for state in states])
    return Transducer(transitions, said[transitions]).minimal()


@singledispatch
def transducer(task: Problem) -> Transducer:
    """The smallest machine that answers a stream task at every length. Raises InputError for tasks that have none."""
    raise InputError(
        f"{task.name} is answered by no finite automaton known here: expected state-tracking, flip-flop or next-bracket"
    )


@transducer.register
def _(task: RunningProduct) -> Transducer:
    if task.counts is not None:
        counts = task.counts
        return _transducer(0, 2, lambda count, token: (count + token) % counts, lambda count: count)
    table = task.elements
    return _transducer(task.start, task.alphabet_size, lambda state, token: table[state][token], lambda state: state)


@transducer.register
def _(task: FlipFlop) -> Transducer:
    """States: the instruction whose bit is due, if one is, and the bit written last; a read tells the bit itself."""

    def step(state: tuple[int, int], token: int) -> tuple[int, int]:
        due, bit = state
        if token >= WRITE:
            return token, bit
        return 0, token if due == WRITE else bit

    return _transducer((0, 0), task.alphabet_size, step, lambda state: state[1] if state[0] == READ else None)


@transducer.register
def _(task: NextBracket) -> Transducer:
    kinds, depth, step = task.kinds, task.depth, pushed_and_popped(task.kinds, task.depth)

    def answer(stack: Stack) -> int | None:
        return None if stack is None else (stack[-1] if stack else kinds) + (kinds + 1) * (len(stack) < depth)

    return _transducer(EMPTY, 2 * kinds, step, answer)
