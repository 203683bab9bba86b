"""Random finite automata, as parameters of the task `automaton`."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def automata(draw, lengths, states: int = 6, alphabet: int = 3, answers: int = 3) -> dict:
    count, tokens = draw(st.integers(1, states)), draw(st.integers(1, alphabet))
    row = st.lists(st.integers(0, count - 1), min_size=tokens, max_size=tokens)
    return {
        "length": draw(lengths),
        "transitions": draw(st.lists(row, min_size=count, max_size=count)),
        "outputs": draw(st.lists(st.integers(0, answers - 1), min_size=count, max_size=count)),
        "start": draw(st.integers(0, count - 1)),
    }
