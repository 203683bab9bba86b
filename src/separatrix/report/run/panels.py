"""A preset's panel as a section of the page: its figures, and the proved numbers beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from separatrix import tasks
from separatrix.bounds.arithmetic import ANY, TRAINED
from separatrix.report.figures.panel_data import PanelCell, PanelTrials
from separatrix.report.figures.series import by_position
from separatrix.report.html.labels import count, listed, percent, span
from separatrix.report.html.section import Column, Section, Table
from separatrix.report.run import bits_recalled as recalled
from separatrix.report.run import panel_figures, sizes
from separatrix.words import plural

UNKNOWN = "unknown: no closed form; `separatrix analyze` enumerates"
"""What stands where a task has no bound."""

SOLVED = 0.99
"""Median test accuracy from which a model is said to do the task at a length."""


def section(panel: PanelTrials, hues: Mapping[str, int]) -> Section:
    """The section of one panel; hues: the colour of each model of the page."""
    drawn = []
    if panel.measured:
        drawn = [*sizes.figures(panel), *panel_figures.figures(panel, hues), *recalled.figures(panel, hues)]
    return Section(
        id=panel.id,
        title=panel.panel.title,
        kicker=panel.panel.figure.replace("figure", "Figure "),
        about=panel.panel.about,
        measured=_measured(panel),
        notes=_notes(panel),
        figures=drawn,
        tables=[*sizes.tables(panel), *_tables(panel), *recalled.tables(panel)] if panel.measured else [],
    )


# tables --------------------------------------------------------------------------------------------------------------
_CEILING = "Accuracy ceiling of that state"
_COLUMNS = (
    Column("Model"),
    Column("State handed over, bits", "observed", numeric=True),
    Column("Lower bound for an exact model", "proved"),
    Column(_CEILING, "proved", numeric=True),
    Column("Test accuracy, median (range)", "observed", numeric=True),
    Column("Ended", "observed"),
    Column("Reading"),
)


def _tables(panel: PanelTrials) -> list[Table]:
    return [
        Table(
            caption=f"Proved beside measured, context length {length}",
            columns=_COLUMNS,
            rows=[_row(label, panel.cells[label, length]) for label in panel.labels if (label, length) in panel.cells],
            folded=length != panel.lengths[-1],
        ).without(_CEILING if not _capped(panel, length) else None)
        for length in reversed(panel.lengths)
    ]


def _capped(panel: PanelTrials, length: int) -> bool:
    """Whether the state of any model of a length has a ceiling below 100 %."""
    return any(cell.one.result.accuracy_ceiling < 1 for (_, at), cell in panel.cells.items() if at == length)


def _row(label: str, cell: PanelCell) -> list[str]:
    result = cell.one.result
    accuracy = percent(cell.median)
    if percent(cell.low) != percent(cell.high):
        accuracy += f" ({span(cell.low, cell.high)})"
    kind = cell.one.kind
    if kind != "attention":
        holder = "the state of a recurrent model" if kind == "recurrent" else "whatever state is handed over"
        bits = result.recurrent_bits
        bound = UNKNOWN if bits is None else f"{count(bits)} bits in {holder} ({ANY})"
    elif cell.one.model["layers"] == 1:
        bound = _through_attention(cell)
    else:
        bound = "none proved for two or more attention layers"
    return [
        label,
        count(result.state_bits) + (" (grows with N)" if kind == "attention" else ""),
        bound,
        f"{result.accuracy_ceiling:.1%}" if result.accuracy_ceiling < 1 else "–",
        accuracy,
        _ended(cell),
        _reading(cell),
    ]


def _through_attention(cell: PanelCell) -> str:
    """What must cross one attention layer, and what can, in the arithmetic that training comes closest to."""
    told, model = cell.one.result.config["task"], cell.one.model
    known = {*tasks.names(), *tasks.stream_names()}  # runs no user's file
    needed = TRAINED.needed(tasks.create(**told)) if told["name"] in known else None
    if needed is None:
        return UNKNOWN
    heads = model.get("heads", 1)
    values = heads * (model.get("head_width") or model["width"] // heads)
    carried = TRAINED.capacity(values, heads, cell.one.length)
    return f"{count(needed)} bits through one attention layer, across which {count(carried)} fit ({TRAINED.words})"


def _ended(cell: PanelCell) -> str:
    """How the seeds' trials ended, and at which learning rate where it was chosen."""
    ends = ", ".join(f"{seeds} {end}" for end, seeds in cell.endings.items()) or "–"
    choice = cell.one.choice
    if choice is None:
        return ends
    window = ", ".join(f"{rate:g}" for rate in choice.window)
    edge = "; an end of the grid" if choice.at_edge else ""
    return f"{ends}; rate {choice.rate:g} of {len(choice.tuning.rates)} (within two points: {window}{edge})"


def _reading(cell: PanelCell) -> str:
    """What the proved and the measured numbers say together, and no more than that: alike for all kinds of models."""
    solved = sum(accuracy >= SOLVED for accuracy in cell.accuracies)
    if _below(cell):
        return "too small to be exact: proved"
    if solved == len(cell.trials):
        part = f"done in all {solved} seeds" if solved > 1 else "done"
    else:
        part = f"done in {solved} of {plural(len(cell.trials), 'seed')}" if solved else "did not learn it"
        part += "; still improving when cut off" if cell.endings.get("cut off") else ""
    if beyond := _beyond(cell):
        part += f"; {beyond}"
    met = max((trial.result.overlap or 0 for trial in cell.trials), default=0)
    return f"{part}; {percent(met)} of the test contexts had occurred in training" if met else part


def _beyond(cell: PanelCell) -> str:
    """Accuracy at the lengths trained on and beyond them, where the test was longer and tells positions apart."""
    longest = cell.one.result.config["training"].get("longest")
    profiles = [by_position(trial.result) for trial in cell.trials] if longest else []
    if not profiles or not all(profiles):
        return ""
    parts = [
        median(fmean(share for at, share in profile.items() if (at < longest) is within) for profile in profiles)
        for within in (True, False)
    ]
    return f"{percent(parts[0])} within the {longest} tokens trained on, {percent(parts[1])} beyond"


def _below(cell: PanelCell) -> bool:
    """Whether a proved bound rules a recurrent model of this size out, as an exact one, in every arithmetic."""
    return cell.one.kind != "attention" and cell.one.result.state_bits < (cell.one.result.recurrent_bits or 0)


# words ---------------------------------------------------------------------------------------------------------------
def _measured(panel: PanelTrials) -> str:
    if not panel.measured:
        return ""
    training = [trial.result.config["training"] for trial in panel.measured]
    seeds = sorted({trial.seed for trial in panel.measured})
    steps = sorted({setting["steps"] for setting in training})
    batch = sorted({setting["batch_size"] for setting in training})
    rates = sorted({setting["learning_rate"] for setting in training})
    lengths = {setting["lengths"] for setting in training}
    longest = sorted({setting["longest"] for setting in training if setting.get("longest")})
    answers = sorted({trial.result.test.answers for trial in panel.measured if trial.result.test})
    sentences = [
        f"{plural(len(panel.measured), 'trial')} with seed{'s' if len(seeds) > 1 else ''} "
        f"{listed([str(seed) for seed in seeds])}; at most {_range(steps)} steps of {_range(batch)} contexts",
        f"AdamW at {listed([f'{rate:g}' for rate in rates])}{_chosen(panel)}",
        "contexts of random lengths up to N in training"
        if lengths == {"random"}
        else "contexts of the full length in training"
        if lengths == {"full"}
        else "contexts of full or random lengths in training",
        *([f"trained and validated on at most {_range(longest)} tokens, tested on all N"] if longest else []),
        f"each test accuracy from {_range(answers)} answers never seen before",
    ]
    return "; ".join(sentences) + "."


def _chosen(panel: PanelTrials) -> str:
    """How the rates were come by, where they were chosen."""
    choice = next((trial.choice for trial in panel.measured if trial.choice), None)
    if choice is None:
        return ", set beforehand"
    rates = listed([f"{rate:g}" for rate in choice.tuning.rates])
    return f", chosen for each model and length from {rates} on {plural(len(choice.seeds), 'seed')} not reported"


def _range(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _notes(panel: PanelTrials) -> list[str]:
    notes = []
    if panel.missing:
        total = len(panel.missing) + len(panel.measured) + len(panel.failed)
        shown = list(panel.missing[:6]) + (["…"] if len(panel.missing) > 6 else [])
        notes.append(f"{len(panel.missing)} of {plural(total, 'trial')} not finished: {', '.join(shown)}.")
    notes += [
        f"Failed: {trial.label}, length {trial.length}, seed {trial.seed}: {trial.result.error}"
        for trial in panel.failed
    ]
    if not panel.measured:
        notes.append("No trial of this panel has a measurement, so there is no figure.")
    return notes
