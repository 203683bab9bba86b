"""The section of a card on its speed: in tokens a second here, and as ratios to a baseline of the same run."""

from __future__ import annotations

from separatrix.experiments.card.card import SpeedAt, Timing
from separatrix.report.card.rows import Entrant, Field
from separatrix.report.html.labels import count, listed, short_name
from separatrix.report.html.section import Column, Section, Table


def section(field: Field) -> Section:
    """The section. At least one of the page's cards has measured speeds."""
    own = [(entrant, at) for entrant in field.subjects if entrant.card.speed for at in entrant.card.speed.at]
    speed = next(e.card.speed for e in field.subjects if e.card.speed and e.card.speed.at)
    devices = listed(sorted({e.card.environment["machine"] for e in field.subjects}))
    longest = max(at.length for _, at in own)
    baseline = f"{short_name(speed.baseline.partition('-(')[0])}-({speed.baseline.partition('-(')[2]}"
    beside = [
        (entrant, at)
        for entrant in field.entrants
        if entrant.card.speed and entrant.card.speed.baseline == speed.baseline
        for at in entrant.card.speed.at
        if at.length == longest
    ]
    return Section(
        id="speed",
        title="Speed: reading, training, answering",
        about=f"One thread, {speed.device} ({devices}), {speed.batch_size} contexts at a time, float32. Speeds depend "
        f"on the machine; their ratios to {baseline}, timed in turn in the same run by processor time, travel better.",
        tables=[
            Table(
                caption="On the machine that made the card: median (lowest to highest repeat)",
                columns=[
                    Column("Model"),
                    Column("N", numeric=True),
                    Column("Prefill, tokens/s", "observed", numeric=True),
                    Column("Training, tokens/s", "observed", numeric=True),
                    Column("Decode, µs a query", "observed", numeric=True),
                ],
                rows=[_speeds(entrant, at) for entrant, at in own],
            ),
            Table(
                caption=f"Times as fast as {baseline}, N = {longest}; above 1 is faster",
                columns=[
                    Column("Model"),
                    Column("Prefill", "observed", numeric=True),
                    Column("Training", "observed", numeric=True),
                    Column("Decode", "observed", numeric=True),
                ],
                rows=[
                    [entrant.label, *(f"{part.ratio:.2g} ×" for part in (at.prefill, at.training, at.decode))]
                    for entrant, at in beside
                ],
            ),
        ],
    )


def _speeds(entrant: Entrant, at: SpeedAt) -> list[str]:
    return [entrant.label, str(at.length), _range(at.prefill), _range(at.training), _range(at.decode, 1e6)]


def _range(timing: Timing, scale: float = 1.0) -> str:
    value, low, high = (count(float(f"{scale * x:.3g}")) for x in (timing.value, timing.low, timing.high))
    return f"{value} ({low} to {high})"
