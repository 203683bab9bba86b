"""Finite automata: any regular decision, given as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import ClassVar, Generic, Literal, TypeVar

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.state_tracking import StateTracking

H = TypeVar("H", bound=Hashable)

WINDOW = 1000
"""Prefix lengths looked at from either end of the context: bounds are exact up to twice as many tokens."""


class FiniteAutomaton(StateTracking):
    """The output of a finite automaton in the state it ends in. Outputs 0 and 1 make it an acceptor.

    Example: the default accepts strings of two tokens in which no two ones are adjacent; `1 0 1` is answered 1.

    transitions[state][token] is the next state, outputs[state] the answer given there.
    """

    summary: ClassVar[str] = "where does this automaton end?"
    name: Literal["automaton"] = "automaton"
    transitions: tuple[tuple[int, ...], ...] = Field(
        ((0, 1), (0, 2), (2, 2)), description="transitions[state][token] = next state"
    )
    outputs: tuple[int, ...] = Field((1, 1, 0), description="answer given in each state, 0 or 1 for an acceptor")
    start: int = Field(0, ge=0, description="state before the first token")

    @model_validator(mode="after")
    def _is_automaton(self) -> FiniteAutomaton:
        states, rows = len(self.transitions), {len(row) for row in self.transitions}
        if len(rows) != 1 or 0 in rows:
            raise ValueError(
                f"automaton: transitions must have one row a state, all of one length (the alphabet), got lengths "
                f"{sorted(rows)}"
            )
        wrong = [state for row in self.transitions for state in row if not 0 <= state < states]
        if wrong:
            raise ValueError(f"automaton: transitions must lead to states 0 … {states - 1}, got {wrong[0]}")
        if len(self.outputs) != states or min(self.outputs) < 0:
            raise ValueError(f"automaton: outputs must be {states} answers of 0 or more, got {list(self.outputs)}")
        if self.start >= states:
            raise ValueError(f"automaton: start must be in 0 … {states - 1}, got {self.start}")
        return self

    @property
    def alphabet_size(self) -> int:
        return len(self.transitions[0])

    @property
    def answers(self) -> int:
        return max(2, *(output + 1 for output in self.outputs))

    def fold(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        table, outputs = (torch.tensor(x, device=context.device) for x in (self.transitions, self.outputs))
        state = torch.full_like(context[:, 0], self.start)
        for t in range(context.shape[1]):
            state = table[state, context[:, t]]
        return outputs[state]

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """log2 of the most states that can be met after t tokens and told apart by the N - t tokens that remain.

        Exact up to 2,000 tokens; a lower bound beyond, from prefixes and suffixes of at most 1,000.
        """
        met = _Sequence(frozenset({self.start}), self._after)
        told = _Sequence(self.outputs, self._before)
        last = self.length
        prefixes = {*range(min(last, WINDOW) + 1), *range(max(0, last - WINDOW), last + 1)}
        return math.log2(max(len({told[last - t][state] for state in met[t]}) for t in prefixes))

    def attention_bits(self) -> float:
        """The whole context held: log2 of the answers that occur."""
        met = _Sequence(frozenset({self.start}), self._after)
        return math.log2(len({self.outputs[state] for state in met[self.length]}))

    def two_way_bits(self, prefix: bool = False) -> float:
        """The whole context held, one for each answer that occurs."""
        return self.attention_bits()

    def _after(self, states: frozenset[int]) -> frozenset[int]:
        """Where one more token leads."""
        return frozenset(after for state in states for after in self.transitions[state])

    def _before(self, classes: tuple[int, ...]) -> tuple[int, ...]:
        """The class of every state when one more token is to come: classes are numbered as they are met."""
        numbers: dict[tuple[int, ...], int] = {}
        rows = (tuple(classes[after] for after in row) for row in self.transitions)
        return tuple(numbers.setdefault(row, len(numbers)) for row in rows)


class _Sequence(Generic[H]):
    """first, f(first), f(f(first)), …: computed once, and found by its period when that is short."""

    def __init__(self, first: H, step: Callable[[H], H]) -> None:
        self.terms, self.step = [first], step
        self.places = {first: 0}

    def __getitem__(self, index: int) -> H:
        while index >= len(self.terms):
            following = self.step(self.terms[-1])
            if following in self.places:
                loop = self.places[following]
                return self.terms[loop + (index - loop) % (len(self.terms) - loop)]
            self.places[following] = len(self.terms)
            self.terms.append(following)
        return self.terms[index]
