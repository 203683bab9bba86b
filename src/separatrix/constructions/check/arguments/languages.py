"""What the tasks with finite automata mean, as plain machines over Python values: the checker's own definitions.

Of a stream task the answer of a state is what to say at the place of the token that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from separatrix.constructions.certificate import CertificateError
from separatrix.tasks import Problem


@dataclass(frozen=True)
class Language:
    """A machine read token by token. answer(state) is None where nothing is asked: the string is no input."""

    start: Hashable
    step: Callable[[Any, int], Hashable]
    answer: Callable[[Any], int | None]


def language(task: Problem) -> Language:
    """The definition of a task. Raises CertificateError for tasks that are solved by no finite automaton."""
    told = task.model_dump()
    kind = f"{task.name}, {told['layout']}" if "layout" in told else task.name
    if kind not in LANGUAGES:
        raise CertificateError(f"no finite automaton is known to the checker for {kind}")
    return LANGUAGES[kind](task)


def _stacks(task: Any) -> Callable[[Any, int], Hashable]:
    kinds, depth = task.kinds, task.depth

    def step(stack: tuple[int, ...] | str, token: int) -> tuple[int, ...] | str:
        if isinstance(stack, str):
            return stack
        if token < kinds:
            return (*stack, token) if len(stack) < depth else "rejected"
        return stack[:-1] if stack and stack[-1] == token - kinds else "rejected"

    return step


def _dyck(task: Any) -> Language:
    return Language((), _stacks(task), lambda stack: int(stack == ()))


def _next_bracket(task: Any) -> Language:
    """What may be closed, or that nothing is open; and whether another bracket may be opened."""

    def answer(stack: tuple[int, ...] | str) -> int | None:
        if isinstance(stack, str):
            return None
        return (stack[-1] if stack else task.kinds) + (task.kinds + 1) * (len(stack) < task.depth)

    return Language((), _stacks(task), answer)


def _flip_flop(task: Any) -> Language:
    """Instructions w, r, i are tokens 2, 3, 4; a state is the instruction whose bit is due, and the bit written."""

    def step(state: tuple[int | None, int | None] | str, token: int) -> tuple[int | None, int | None] | str:
        if isinstance(state, str):
            return state
        due, bit = state
        if due is None:
            return (token, bit) if token == 2 or (token > 2 and bit is not None) else "no stream"
        if token > 1 or (due == 3 and token != bit):
            return "no stream"
        return (None, token if due == 2 else bit)

    return Language((None, None), step, lambda state: state[1] if state[0] == 3 else None)


def _interleaved(violated: Callable[[int, int], bool]) -> Callable[[Any], Language]:
    """Two strings, symbol by symbol: is no pair violated?"""

    def step(state: tuple[int | None, int], token: int) -> tuple[int | None, int]:
        first, holds = state
        return (token, holds) if first is None else (None, int(holds and not violated(first, token)))

    return lambda task: Language((None, 1), step, lambda state: None if state[0] is not None else state[1])


def _counter(modulus: Callable[[Any], int]) -> Callable[[Any], Language]:
    return lambda task: Language(0, lambda count, token: (count + token) % modulus(task), lambda count: count)


def _group(task: Any) -> Language:
    table = task.elements
    order = range(len(table))
    identity = next(e for e in order if all(table[e][a] == a for a in order))
    return Language(identity, lambda product, element: table[product][element], lambda product: product)


def _automaton(task: Any) -> Language:
    return Language(task.start, lambda state, token: task.transitions[state][token], lambda state: task.outputs[state])


def _running(task: Any) -> Language:
    """The sum, the product or the state after each token."""
    if task.machine in ("parity", "counter"):
        return _counter(lambda _: 2 if task.machine == "parity" else task.modulus)(task)
    if task.machine == "automaton":
        return Language(0, lambda state, token: task.table[state][token], lambda state: state)
    return _group(task)


LANGUAGES: dict[str, Callable[[Any], Language]] = {
    "bounded-dyck": _dyck,
    "equality, interleaved": _interleaved(lambda x, y: x != y),
    "disjointness, interleaved": _interleaved(lambda x, y: x == y == 1),
    "parity": _counter(lambda task: 2),
    "modular-counter": _counter(lambda task: task.modulus),
    "group-word": _group,
    "automaton": _automaton,
    "state-tracking": _running,
    "flip-flop": _flip_flop,
    "next-bracket": _next_bracket,
}
