"""The section of a card on its state: what the past is reduced to, and how that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from separatrix.report.card import charts as card_charts
from separatrix.report.card.rows import MARK, Entrant, Field, growth_rows
from separatrix.report.card.words import GROWTH
from separatrix.report.html.labels import count
from separatrix.report.html.section import Column, Figure, Section, Table


def section(field: Field, hues: Mapping[str, int]) -> Section:
    """The section; hues: the colour of each model of the page."""
    drawn = field.drawn
    rows = growth_rows(drawn)
    lengths = sorted({n for entrant in field.entrants for n in entrant.card.state.lengths})
    said = [f"{entrant.label.removeprefix(MARK)} {GROWTH[entrant.card.state.growth]}" for entrant in field.subjects]
    return Section(
        id="state",
        title="State: what the past is reduced to",
        about="Bits handed over from the context to the query, counted on the tensors themselves. "
        + f"{'; '.join(said)}.",
        figures=[
            Figure(
                name="state",
                title="State against context length",
                see="Measured by reading contexts of these lengths. Both axes are logarithmic.",
                alt_text="; ".join(
                    f"{e.label}: {e.card.state.bits[0]:,} bits at {e.card.state.lengths[0]} tokens, "
                    f"{e.card.state.bits[-1]:,} at {e.card.state.lengths[-1]}"
                    for e in drawn
                )
                + ".",
                rows=rows,
                chart=card_charts.growth([entrant.label for entrant in drawn], hues),
            )
        ],
        tables=[
            Table(
                caption="Bits of state by context length",
                columns=[Column("Model"), *(Column(f"N = {n}", "observed", numeric=True) for n in lengths),
                         Column("Grows")],
                rows=[_growth(entrant, lengths) for entrant in field.entrants],
            )
        ],
    )  # fmt: skip


def _growth(entrant: Entrant, lengths: Sequence[int]) -> list[str]:
    state = entrant.card.state
    bits = dict(zip(state.lengths, state.bits, strict=True))
    rate = f", {count(round(state.bits_per_token))} bits a token" if state.growth == "linear" else ""
    return [
        entrant.label,
        *(count(bits[n]) if n in bits else "–" for n in lengths),
        state.growth + rate + (" (the whole past)" if state.whole_past else ""),
    ]
