"""What sizes say: accuracy against state where a panel asks for it, and of a sweep against width too.

At each size it is the best setting of everything else that counts.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from separatrix.config import canonical_json
from separatrix.experiments.search.best import BEST, best_settings
from separatrix.report.figures.panel_data import PanelTrial, PanelTrials
from separatrix.report.figures.scaling import PROVED, scaling
from separatrix.report.figures.series import Row
from separatrix.report.html.labels import count, family_name, percent, span
from separatrix.report.html.section import Column, Figure, Table
from separatrix.words import plural

AXES = {"width": "width", "state": "bits of state handed over, as stored"}
"""What accuracy is drawn against."""

NEEDED = "an exact recurrent model needs"
"""The name of the proved line."""

Size = tuple[str, int, int]
"""An architecture with its layers, the context length, and the width."""


def figures(panel: PanelTrials) -> list[Figure]:
    """Accuracy against state, and against width of trials that no preset asked for, where there are several widths."""
    drawn = rows(panel)
    if panel.panel.draw == "state":
        return [_figure(panel, drawn, "state")]
    widths = defaultdict(set)
    for row in drawn:
        widths[row["model"], row["length"]].add(row["width"])
    if panel.panel.figure or max(map(len, widths.values()), default=0) < 2:
        return []
    return [_figure(panel, drawn, axis) for axis in AXES]


def rows(panel: PanelTrials) -> list[Row]:
    """One row for each architecture, length and width: the setting with the highest median over its seeds."""
    found: dict[Size, dict[str, list[PanelTrial]]] = defaultdict(lambda: defaultdict(list))
    for trial in panel.measured:
        config = trial.result.config
        size = (_family(trial), trial.length, config["model"].get("width", 0))
        found[size][canonical_json({**config, "seed": 0})].append(trial)
    drawn = []
    for (model, length, width), settings in sorted(found.items()):
        best = max(settings.values(), key=lambda trials: median(trial.accuracy for trial in trials))
        drawn.append(_row(model, length, width, best, len(settings)))
    return drawn


def _row(model: str, length: int, width: int, trials: list[PanelTrial], settings: int) -> Row:
    accuracies = [trial.accuracy for trial in trials]
    bits, rate = trials[0].result.state_bits, trials[0].result.config["training"]["learning_rate"]
    return {
        "model": model,
        "kind": "observed",
        "length": length,
        "width": width,
        "state": bits,
        "y": round(median(accuracies), 4),
        "low": round(min(accuracies), 4),
        "high": round(max(accuracies), 4),
        "short": False,
        "text": f"width {width}, {count(bits)} bits: {percent(median(accuracies))} "
        f"({span(min(accuracies), max(accuracies))} over {plural(len(trials), 'seed')}), "
        + (f"the best of {settings} settings, " if settings > 1 else "")
        + f"at rate {rate:g}",
    }


def _family(trial: PanelTrial) -> str:
    layers, name = trial.model.get("layers", 1), family_name(trial.model["name"])
    return f"{name}, {plural(layers, 'layer')}" if layers > 1 or trial.kind == "attention" else name


def _figure(panel: PanelTrials, drawn: list[Row], axis: str) -> Figure:
    models = list(dict.fromkeys(row["model"] for row in drawn))
    shown = max(row["length"] for row in drawn)
    against = [row | {"x": row[axis]} for row in drawn]
    needed = _needed(panel) if axis == "state" else []
    ends = [f"{row['model']}: {row['text']}" for row in drawn if row["length"] == shown]
    hues = {model: index for index, model in enumerate(models)}
    dot = "Dot: a width" if panel.panel.figure else "Dot: the best of all settings tried at its size"
    see = f"{dot}, by the median over seeds. Band: their range."
    see += " Dashed: the bits that the state of an exact recurrent model needs (proved)." if needed else ""
    return Figure(
        name=f"by-{axis}",
        title=f"Test accuracy against {axis}",
        at=f"context length {shown}",
        see=see,
        alt_text=f"Test accuracy against {axis} at context length {shown}. {'; '.join(ends)}.",
        rows=[*against, *needed],
        chart=scaling(
            [*against, *needed], models, {NEEDED: PROVED} if needed else {}, hues, AXES[axis], "test accuracy",
            log=(True, False), share=True, pick="length",
        ),
    )  # fmt: skip


def _needed(panel: PanelTrials) -> list[Row]:
    """At each length an upright line at the proved number of bits, where there is one."""
    known = {trial.length: trial.result.recurrent_bits for trial in panel.measured}
    return [
        {"model": NEEDED, "kind": PROVED, "length": length, "x": bits, "y": y, "short": False}
        | {"text": f"at least {count(bits)} bits"}
        for length, bits in known.items()
        if bits
        for y in (0, 1)
    ]


def tables(panel: PanelTrials) -> list[Table]:
    """The best setting of each model at each length, of trials that no preset asked for."""
    best = best_settings([trial.result for trial in panel.measured])
    if panel.panel.figure or len(panel.labels) <= len({row["model"] for row in best}):
        return []
    kept = [name for name in BEST if name != "task"]
    numeric = {"N", "layers", "width", "rate", "accuracy", "lowest", "highest", "seeds", "state, bits"}
    shares = {"accuracy", "lowest", "highest"}
    return [
        Table(
            caption="The best setting of each model, by the median over seeds",
            columns=[Column(name, "observed" if name in shares else None, numeric=name in numeric) for name in kept],
            rows=[[percent(row[name]) if name in shares else _cell(row[name]) for name in kept] for row in best],
        )
    ]


def _cell(value: object) -> str:
    return count(value) if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
