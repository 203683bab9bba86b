"""The residual automaton: the smallest machine that reads the context token by token and can then answer any query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from separatrix.bounds.table import BUDGET, truth_table
from separatrix.errors import InputError
from separatrix.tasks import Task


@dataclass(frozen=True)
class Automaton:
    """One layer of states per prefix length; layer 0 has one state, the empty context.

    transitions[t][state][k]: the state of layer t + 1 after token `tokens[t][k]`
    answers[state][q]: what the states of the last layer answer to query q

    >>> automaton = sx.bounds.residual_automaton(sx.tasks.create("parity", length=3))
    >>> automaton.profile  # states after 0, 1, 2 and 3 tokens
    [1, 2, 2, 2]
    >>> automaton.transitions[1], automaton.answers
    (((0, 1), (1, 0)), ((0,), (1,)))
    """

    tokens: tuple[tuple[int, ...], ...]
    transitions: tuple[tuple[tuple[int, ...], ...], ...]
    answers: tuple[tuple[int, ...], ...]

    @property
    def profile(self) -> list[int]:
        """States per prefix length: the memory profile."""
        return [1, *(1 + max(max(row) for row in layer) for layer in self.transitions)]

    @property
    def bits(self) -> float:
        """log2 of the widest layer: what a recurrent model needs, and what this automaton uses."""
        return math.log2(max(self.profile))

    def run(self, context: list[int]) -> tuple[int, ...]:
        """The answers to all queries about a context. Raises InputError for a token that cannot stand there."""
        state = 0
        for place, token in enumerate(context):
            if token not in self.tokens[place]:
                raise InputError(f"token {token} cannot stand at position {place}")
            state = self.transitions[place][state][self.tokens[place].index(token)]
        return self.answers[state]

    def rows(self) -> list[dict[str, int]]:
        """The transitions as a table: position, state, token, next."""
        return [
            {"position": t, "state": state, "token": token, "next": after}
            for t, layer in enumerate(self.transitions)
            for state, row in enumerate(layer)
            for token, after in zip(self.tokens[t], row, strict=True)
        ]

    def dot(self) -> str:
        """The automaton as Graphviz source."""
        lines = ["digraph residuals {", "  rankdir=LR;", "  node [shape=circle];"]
        for state, said in enumerate(self.answers):
            lines.append(
                f'  "{len(self.transitions)}.{state}" [label="{" ".join(map(str, said))}", shape=doublecircle];'
            )
        for (t, state, after), tokens in self._edges().items():
            lines.append(f'  "{t}.{state}" -> "{t + 1}.{after}" [label="{",".join(map(str, tokens))}"];')
        return "\n".join([*lines, "}"])

    def svg(self, states: int = 200) -> str:
        """The automaton drawn layer by layer. Raises InputError for one of more than `states` states."""
        if sum(self.profile) > states:
            raise InputError(f"an automaton of {sum(self.profile)} states is too large to draw: at most {states}")
        across, down, radius = 110, 60, 16
        height = down * (max(self.profile) + 1)

        def at(layer: int, state: int) -> tuple[float, float]:
            return across * (layer + 0.6), height / 2 + down * (state - (self.profile[layer] - 1) / 2)

        parts = []
        for (t, state, after), tokens in self._edges().items():
            (x1, y1), (x2, y2) = at(t, state), at(t + 1, after)
            label = escape(",".join(map(str, tokens)))
            parts.append(f'<line x1="{x1 + radius}" y1="{y1}" x2="{x2 - radius}" y2="{y2}" stroke="#888"/>')
            x, y = x1 + 0.35 * (x2 - x1), y1 + 0.35 * (y2 - y1) - 3
            parts.append(f'<text x="{x}" y="{y}" font-size="11" text-anchor="middle">{label}</text>')
        for t, count in enumerate(self.profile):
            for state in range(count):
                x, y = at(t, state)
                said = self.answers[state] if t == len(self.profile) - 1 else ()
                text = escape(" ".join(map(str, said))) if len(said) <= 3 else ""
                parts.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="#eef" stroke="#335"/>')
                parts.append(f'<text x="{x}" y="{y + 4}" font-size="11" text-anchor="middle">{text}</text>')
        width = across * (len(self.profile) + 0.2)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
        return "\n".join([head, *parts, "</svg>"])

    def _edges(self) -> dict[tuple[int, int, int], list[int]]:
        edges: dict[tuple[int, int, int], list[int]] = {}
        for row in self.rows():
            edges.setdefault((row["position"], row["state"], row["next"]), []).append(row["token"])
        return edges


def residual_automaton(task: Task, budget: int = BUDGET) -> Automaton:
    """The minimal automaton of a task at its length (Myhill–Nerode): states are residual classes of prefixes.

    Raises InputError past the budget, and for promise problems, where the smallest automaton need not be unique.

    >>> sx.bounds.residual_automaton(sx.tasks.create("bounded-dyck", length=6, kinds=1, depth=2)).profile
    [1, 2, 3, 2, 3, 2, 2]
    """
    table = truth_table(task, budget)
    if not table.total:
        raise InputError(f"{task.name} leaves contexts undefined: its smallest automaton need not be unique")
    kinds, firsts = [], []
    for classes in table.residuals:
        first = np.unique(classes, return_index=True)[1]
        order = np.argsort(first)  # states are numbered as they are met
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        firsts.append(first[order])
        kinds.append(rank[classes])
    transitions = []
    for t in range(task.length):
        size = table.shape[t]
        steps = kinds[t + 1].reshape(-1, size)[firsts[t]]
        transitions.append(tuple(tuple(int(state) for state in row) for row in steps))
    last = table.matrix(range(task.length))[firsts[-1]]
    return Automaton(
        tuple(tuple(alphabet) for alphabet in table.alphabets),
        tuple(transitions),
        tuple(tuple(int(a) for a in row) for row in last),
    )
