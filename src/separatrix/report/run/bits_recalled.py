"""What the states of a panel's models hold: bits recalled, state utilisation, and rate–accuracy curves."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from separatrix.report.figures.panel_data import PanelTrial, PanelTrials
from separatrix.report.figures.scaling import PROVED, scaling
from separatrix.report.figures.series import Row
from separatrix.report.html.labels import count, percent
from separatrix.report.html.section import Column, Figure, Table
from separatrix.words import plural

WHOLE = "all of the context"
CEILING = "ceiling of any code"


def figures(panel: PanelTrials, hues: Mapping[str, int]) -> list[Figure]:
    """The figures of what was measured with `separatrix recall`; none where nothing was."""
    groups = _groups(panel)
    return [_bits(panel, groups, hues), _rates(panel, groups, hues)] if groups else []


def tables(panel: PanelTrials) -> list[Table]:
    """State utilisation beside the state's size, at every length measured."""
    groups = _groups(panel)
    if not groups:
        return []
    one = next(iter(groups.values()))[0].recall
    confidence = one.capacity.confidence if one else 0.95
    return [
        Table(
            caption="Bits recalled, and state utilisation",
            columns=(
                Column("Model"),
                Column("Context length N", numeric=True),
                Column("Bits of the context", "proved", numeric=True),
                Column("State handed over, bits", "observed", numeric=True),
                Column(f"Bits recalled, median (widest {confidence:.0%} interval)", "observed", numeric=True),
                Column("Recalled per bit of state", "observed", numeric=True),
            ),
            rows=[_row(label, length, trials) for (label, length), trials in groups.items()],
            folded=len(groups) > 12,
        )
    ]


def _groups(panel: PanelTrials) -> dict[tuple[str, int], list[PanelTrial]]:
    """Model and length -> the trials over the seeds whose models were measured."""
    found: dict[tuple[str, int], list[PanelTrial]] = {}
    for label in panel.labels:
        for length in panel.lengths:
            cell = panel.cells.get((label, length))
            if cell and (trials := [trial for trial in cell.trials if trial.recall]):
                found[label, length] = trials
    return found


def _row(label: str, length: int, trials: list[PanelTrial]) -> list[str]:
    held = [trial.recall.capacity for trial in trials if trial.recall]
    middle = median(each.recalled_bits for each in held)
    low, high = min(each.low for each in held), max(each.high for each in held)
    return [
        label,
        count(length),
        count(held[0].context_bits),
        count(held[0].state_bits),
        f"{count(round(middle, 1))} ({count(round(low, 1))} … {count(round(high, 1))})",
        f"{middle / held[0].state_bits:.2%}",
    ]


# figures -------------------------------------------------------------------------------------------------------------
def bit_rows(groups: Mapping[tuple[str, int], list[PanelTrial]]) -> list[Row]:
    """Bits recalled by model and length, the median over seeds with the widest interval; and all there is to recall."""
    rows, whole = [], dict[int, float]()
    for (label, length), trials in groups.items():
        held = [trial.recall.capacity for trial in trials if trial.recall]
        middle = median(each.recalled_bits for each in held)
        whole[length] = held[0].context_bits
        rows.append(
            {
                "model": label,
                "kind": "observed",
                "x": length,
                "y": round(middle, 3),
                "low": round(min(each.low for each in held), 3),
                "high": round(max(each.high for each in held), 3),
                "text": f"{count(round(middle, 1))} of {count(held[0].context_bits)} bits at N = {length}, "
                f"{middle / held[0].state_bits:.2%} of the state, {plural(len(held), 'seed')}",
            }
        )
    rows += [
        {"model": WHOLE, "kind": PROVED, "x": length, "y": bits, "text": f"{count(bits)} bits at N = {length}"}
        for length, bits in sorted(whole.items())
    ]
    return rows


def rate_rows(groups: Mapping[tuple[str, int], list[PanelTrial]]) -> list[Row]:
    """Accuracy by bits sent, model and length: the median and range over seeds; and the proved ceiling of the bits."""
    rows, ceilings = [], dict[tuple[int, int], float]()
    for (label, length), trials in groups.items():
        curves = [trial.recall.rates.points for trial in trials if trial.recall]
        for points in zip(*curves, strict=True):
            one, values = points[0], [point.accuracy for point in points]
            ceilings[length, one.bits] = one.ceiling
            way = f"{one.scheme} bits a scalar" if one.scheme.isdigit() else one.scheme
            rows.append(
                {
                    "model": label,
                    "kind": "observed",
                    "length": length,
                    "x": one.bits,
                    "y": round(median(values), 4),
                    "low": round(min(values), 4),
                    "high": round(max(values), 4),
                    "text": f"{percent(median(values))} right from {count(one.bits)} bits ({way}), "
                    f"ceiling {percent(one.ceiling)}, {plural(len(values), 'seed')}",
                }
            )
    rows += [
        {
            "model": CEILING,
            "kind": PROVED,
            "length": length,
            "x": bits,
            "y": round(ceiling, 4),
            "text": f"at most {percent(ceiling)} from {count(bits)} bits",
        }
        for (length, bits), ceiling in sorted(ceilings.items())
    ]
    return rows


def _bits(panel: PanelTrials, groups: Mapping[tuple[str, int], list[PanelTrial]], hues: Mapping[str, int]) -> Figure:
    rows = bit_rows(groups)
    labels = [label for label in panel.labels if any(row["model"] == label for row in rows)]
    ends = [f"{row['model']}: {row['text']}" for row in rows if row["kind"] == "observed"]
    return Figure(
        name="recalled",
        title="Bits of the context that the answers prove to be held",
        see="Line: median over seeds. Band: the widest confidence interval of a seed. Dashed: all there is to recall, "
        "N log2 S. A model that holds everything lies on the dashed line, at every length.",
        alt_text=f"Bits recalled against context length. {'; '.join(ends)}.",
        rows=rows,
        chart=scaling(rows, labels, {WHOLE: PROVED}, hues, "context length N", "bits", log=(False, False)),
    )


def _rates(panel: PanelTrials, groups: Mapping[tuple[str, int], list[PanelTrial]], hues: Mapping[str, int]) -> Figure:
    rows = rate_rows(groups)
    labels = [label for label in panel.labels if any(row["model"] == label for row in rows)]
    longest = max(row["length"] for row in rows)
    best = [
        f"{label}: {max(row['y'] for row in rows if row['model'] == label and row['length'] == longest):.0%} at best"
        for label in labels
        if any(row["model"] == label and row["length"] == longest for row in rows)
    ]
    return Figure(
        name="rates",
        title="Accuracy when the state is sent in fewer bits",
        at=f"context length {longest}",
        see="The state is rounded to ever fewer bits a scalar (uniformly from 1 to 12, to fp8, fp16 and bf16, and as "
        "stored), sent, and answered from. Dashed: the proved ceiling of any model and any code of so many bits. "
        "Line: median over seeds. Band: lowest to highest seed.",
        alt_text=f"Accuracy against bits sent at context length {longest}, below the proved ceiling. "
        f"{'; '.join(best)}.",
        rows=rows,
        chart=scaling(
            rows,
            labels,
            {CEILING: PROVED},
            hues,
            "bits sent per context",
            "accuracy",
            log=(True, False),
            share=True,
            pick="length",
        ),
    )
