"""The residual automaton: the smallest machine that reads the context token by token and can then answer any query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from separatrix.bounds.stream_table import BUDGET as LABELS
from separatrix.bounds.stream_table import stream_table
from separatrix.bounds.table import BUDGET, truth_table, unique_rows
from separatrix.errors import InputError
from separatrix.tasks import UNLABELLED, Problem, StreamTask
from separatrix.tasks.base import context_task


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
    labels: tuple[tuple[tuple[int | None, ...], ...], ...] = ()
    """Of a stream: what is said with each transition, None where nothing is asked."""

    @property
    def profile(self) -> list[int]:
        """States per prefix length: the memory profile."""
        return [1, *(1 + max(max(row) for row in layer) for layer in self.transitions)]

    @property
    def bits(self) -> float:
        """log2 of the widest layer: what a recurrent model needs, and what this automaton uses."""
        return math.log2(max(self.profile))

    def run(self, context: list[int]) -> tuple[int, ...]:
        """The answers to all queries about a context, or the labels of a stream, -100 where it has none.

        Raises InputError for a token that cannot stand there.
        """
        state, said = 0, []
        for place, token in enumerate(context):
            if token not in self.tokens[place]:
                raise InputError(f"token {token} cannot stand at position {place}")
            index = self.tokens[place].index(token)
            if self.labels:
                label = self.labels[place][state][index]
                said.append(UNLABELLED if label is None else label)
            state = self.transitions[place][state][index]
        return tuple(said) if self.labels else self.answers[state]

    def rows(self) -> list[dict[str, int]]:
        """The transitions as a table: position, state, token, next."""
        return [
            {"position": t, "state": state, "token": token, "next": after}
            for t, layer in enumerate(self.transitions)
            for state, row in enumerate(layer)
            for token, after in zip(self.tokens[t], row, strict=True)
        ]

    def _words(self, place: int, state: int, token: int) -> str:
        """A token as it is written on its edge, and the label that it brings."""
        label = self.labels[place][state][self.tokens[place].index(token)] if self.labels else None
        return str(token) if label is None else f"{token}/{label}"

    def dot(self) -> str:
        """The automaton as Graphviz source."""
        lines = ["digraph residuals {", "  rankdir=LR;", "  node [shape=circle];"]
        for state, said in enumerate(self.answers):
            lines.append(
                f'  "{len(self.transitions)}.{state}" [label="{" ".join(map(str, said))}", shape=doublecircle];'
            )
        for (t, state, after), tokens in self._edges().items():
            lines.append(f'  "{t}.{state}" -> "{t + 1}.{after}" [label="{",".join(tokens)}"];')
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
            label = escape(",".join(tokens))
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

    def _edges(self) -> dict[tuple[int, int, int], list[str]]:
        edges: dict[tuple[int, int, int], list[str]] = {}
        for row in self.rows():
            place, state = row["position"], row["state"]
            edges.setdefault((place, state, row["next"]), []).append(self._words(place, state, row["token"]))
        return edges


def residual_automaton(task: Problem, budget: int = BUDGET) -> Automaton:
    """The minimal automaton of a task at its length (Myhill–Nerode): states are residual classes of prefixes.

    That of a stream says a label with each token. Raises InputError past the budget, and for promise problems, where
    the smallest automaton need not be unique.

    >>> sx.bounds.residual_automaton(sx.tasks.create("bounded-dyck", length=6, kinds=1, depth=2)).profile
    [1, 2, 3, 2, 3, 2, 2]
    >>> machine = sx.bounds.residual_automaton(sx.tasks.create("state-tracking", length=4, machine="parity"))
    >>> machine.profile, machine.run([1, 0, 1, 1])
    ([1, 2, 2, 2, 1], (1, 1, 0, 1))
    """
    if isinstance(task, StreamTask):
        return _of_stream(task, min(budget, LABELS))
    table = truth_table(context_task(task), budget)
    if not table.total:
        raise InputError(f"{task.name} leaves contexts undefined: its smallest automaton need not be unique")
    kinds, firsts = _as_met(table.residuals)
    last = table.matrix(range(task.length))[firsts[-1]]
    return Automaton(
        tuple(tuple(alphabet) for alphabet in table.alphabets),
        _transitions(kinds, firsts, table.shape),
        tuple(tuple(int(a) for a in row) for row in last),
    )


def _of_stream(task: StreamTask, budget: int) -> Automaton:
    """Prefixes are equivalent when every next token is labelled alike and leads to equivalent ones."""
    table = stream_table(task, budget)
    labels = [place.reshape(-1, table.shape[t]) for t, place in enumerate(table.places)]
    asked = [each != table.undefined for each in labels]
    if not table.total or any(each.any() and not each.all() for each in asked):
        raise InputError(f"{task.name} leaves streams or labels undefined: its smallest automaton need not be unique")
    classes = [np.zeros(math.prod(table.shape), dtype=np.int64)]
    for t in reversed(range(task.length)):
        after = classes[0].reshape(-1, table.shape[t])
        classes.insert(0, unique_rows(np.concatenate([after, labels[t]], axis=1))[1])
    kinds, firsts = _as_met(classes)
    said = tuple(
        tuple(tuple(int(label) if asked[t].all() else None for label in row) for row in labels[t][firsts[t]])
        for t in range(task.length)
    )
    return Automaton(
        tuple(tuple(alphabet) for alphabet in table.alphabets),
        _transitions(kinds, firsts, table.shape),
        ((),),
        said,
    )


def _as_met(classes: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The class of each prefix of each length, numbered as they are met, and the first prefix of each class."""
    kinds, firsts = [], []
    for each in classes:
        first = np.unique(each, return_index=True)[1]
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        firsts.append(first[order])
        kinds.append(rank[each])
    return kinds, firsts


def _transitions(
    kinds: list[np.ndarray], firsts: list[np.ndarray], shape: tuple[int, ...]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    layers = (kinds[t + 1].reshape(-1, size)[firsts[t]] for t, size in enumerate(shape))
    return tuple(tuple(tuple(int(state) for state in row) for row in steps) for steps in layers)
