"""The sections of a card's page: recall, decisions, state and speed, each beside the references."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from separatrix.experiments.card.card import Question
from separatrix.report.card import charts as card_charts
from separatrix.report.card import speed as card_speed
from separatrix.report.card import state as card_state
from separatrix.report.card.rows import Field, grid_rows, recalled_rows
from separatrix.report.figures import charts
from separatrix.report.figures.panel_data import mean_difference
from separatrix.report.html.labels import count, listed, percent
from separatrix.report.html.section import Column, Figure, Section, Table


def sections(field: Field, hues: Mapping[str, int]) -> list[Section]:
    """All sections with something to show."""
    recall = [q for q in field.questions if q.ability == "recall"]
    decided = [q for q in field.questions if q.ability != "recall"]
    found = [_recall(field, recall)] if recall else []
    found += [_decisions(field, decided)] if decided else []
    return [
        *found,
        card_state.section(field, hues),
        *([card_speed.section(field)] if any(e.card.speed and e.card.speed.at for e in field.subjects) else []),
    ]


# recall --------------------------------------------------------------------------------------------------------------
def _recall(field: Field, questions: Sequence[Question]) -> Section:
    questions = sorted(questions, key=lambda q: (q.resized, q.length))
    if len({q.probe for q in questions if not q.resized}) > 1:
        columns, axis = [f"{q.title}, {q.length}" for q in questions], "question and context length N"
        about = "What was shown is asked for again: by its place, by its key, in its order. The state has to hold it."
    else:
        columns = [f"{q.length}, equal state" if q.resized else str(q.length) for q in questions]
        axis, about = "context length N", questions[0].about
    return Section(
        id="recall",
        title="Recall: how much of its context it holds",
        about=about,
        measured=_conditions(questions),
        figures=[
            *_grid(field, "recall-accuracy", "What is given back", axis, questions, columns),
            *(figure for q in _telling(field, questions) if (figure := _recalled(field, q))),
        ],
        tables=[_frontier(field, questions)],
    )


def _telling(field: Field, questions: Sequence[Question]) -> list[Question]:
    """The length of each probe that most cards answer; of several, the one at which they differ most."""

    def telling(question: Question) -> tuple[int, float]:
        answers = [answer for entrant in field.entrants if (answer := field.answer(entrant, question))]
        return len(answers), mean_difference([answer.median or 0.0 for answer in answers])

    probes = dict.fromkeys(question.probe for question in questions)
    return [max((q for q in questions if q.probe == probe), key=telling) for probe in probes]


def _grid(
    field: Field, name: str, title: str, axis: str, questions: Sequence[Question], columns: Sequence[str]
) -> list[Figure]:
    rows = grid_rows(field, questions, columns)
    if not rows:
        return []
    models = [entrant.label for entrant in field.entrants if any(row["model"] == entrant.label for row in rows)]
    met = [column for column in columns if any(row["column"] == column for row in rows)]
    lines = [
        f"{model}: " + ", ".join(f"{row['column']} {row['text']}" for row in rows if row["model"] == model)
        for model in models
    ]
    see = "Median test accuracy over seeds; small, the range where seeds differ. ▸ marks what this page is about."
    if any("≤" in row["small"] for row in rows):
        see += " ≤ is the proved ceiling of any model whose state has that many bits."
    return [
        Figure(
            name=name,
            title=title,
            see=see,
            alt_text=f"Heat map of median test accuracy. {'; '.join(lines)}.",
            rows=rows,
            chart=charts.grid(rows, models, met, axis),
            width=max(3, len(met)) * 92,
            page_width=210 + max(3, len(met)) * 110,
            page_least=130 + len(met) * 74,
        )
    ]


def _recalled(field: Field, question: Question) -> Figure | None:
    rows = recalled_rows(field, question)
    if not any(row["subject"] for row in rows):
        return None
    whole = next(q.recalled.context_bits for e in field.subjects if (q := field.answer(e, question)) and q.recalled)
    crowded = len(rows) > 8
    named = _named(rows, whole) if crowded else {row["model"] for row in rows}
    rows = [row | {"name": row["name"] if row["model"] in named else ""} for row in rows]
    equal = ", at equal state" if question.resized else ""
    return Figure(
        name=f"recalled-{question.length}{'-equal-state' if question.resized else ''}",
        title=f"Bits recalled against bits of state, N = {question.length}{equal}",
        see="Each point is a model, the bar through it the 95% interval over contexts of the middle seed; dotted: the "
        "bits of the whole context. Models further left hold the same with less state."
        + (" Not all points are named: each tells its name when pointed at." if crowded else ""),
        alt_text="; ".join(f"{row['model']} recalls {row['text']} in a state of {row['state']:,} bits" for row in rows)
        + ".",
        rows=rows,
        chart=card_charts.recalled(rows, whole),
    )


def _named(rows: Sequence[dict], whole: float) -> set[str]:
    """The points that get their names: the subjects, and references that do not stand too near a named one.

    whole: bits at the top of the chart. It is about seven names wide, over the range of states, and fourteen high.
    """
    least, most = (math.log2(bound(row["state"] for row in rows)) for bound in (min, max))
    named: dict[str, tuple[float, float]] = {}
    for row in sorted(rows, key=lambda row: (not row["subject"], -row["recalled"])):
        place = (math.log2(row["state"]) - least) / max(most - least, 1e-9) * 7, row["recalled"] / whole * 14
        if row["subject"] or all(abs(place[0] - x) > 1 or abs(place[1] - y) > 1 for x, y in named.values()):
            named[row["model"]] = place
    return set(named)


def _frontier(field: Field, questions: Sequence[Question]) -> Table:
    rows = []
    for entrant in field.subjects:
        for question in questions:
            found = field.answer(entrant, question)
            if found is None or (held := found.recalled) is None:
                continue
            others = [(e, q.recalled) for e, q in field.beside(question) if q.recalled]
            best = max(others, key=lambda pair: pair[1].utilisation, default=None)
            rows.append(
                [
                    entrant.label,
                    f"{question.length} (width {found.model['width']})" if found.resized else str(question.length),
                    percent(found.median or 0.0),
                    f"{_bits(held.recalled_bits)} ({_bits(held.low)} to {_bits(held.high)})",
                    count(held.context_bits),
                    count(held.state_bits),
                    f"{held.utilisation:.2g} ({held.low / held.state_bits:.2g} to {held.high / held.state_bits:.2g})",
                    f"{best[1].utilisation:.2g}, {best[0].label}" if best else "none",
                ]
            )
    return Table(
        caption="Bits recalled and state utilisation, with 95% intervals over contexts",
        columns=[
            Column("Model"),
            Column("N", numeric=True),
            Column("Looked up", "observed", numeric=True),
            Column("Bits recalled, at least", "observed", numeric=True),
            Column("Bits of the context", numeric=True),
            Column("State, bits", "observed", numeric=True),
            Column("Bits recalled per state bit", "observed", numeric=True),
            Column("Best reference, per state bit"),
        ],
        rows=rows,
    )


def _bits(bits: float) -> str:
    return count(round(bits, 1))


# decisions -----------------------------------------------------------------------------------------------------------
def _decisions(field: Field, questions: Sequence[Question]) -> Section:
    repeated = {q.title for q in questions if sum(other.title == q.title for other in questions) > 1}
    columns = [f"{q.title}, {q.length}" if q.title in repeated else q.title for q in questions]
    return Section(
        id="decisions",
        title=listed(list(dict.fromkeys(q.ability for q in questions))).capitalize(),
        about="Tasks that need little state, if it is the right one.",
        measured=_conditions(questions),
        figures=_grid(field, "decisions", "Accuracy by task", "task", questions, columns),
        tables=[
            Table(
                caption="What each task asks, and what an exact recurrent model needs",
                columns=[
                    Column("Task"),
                    Column("N", numeric=True),
                    Column("State needed, bits", "proved", numeric=True),
                    Column("Guessing", numeric=True),
                    Column("What it shows"),
                ],
                rows=[
                    [
                        q.title,
                        str(q.length),
                        "unknown" if q.recurrent_bits is None else f"{q.recurrent_bits:.3g}",
                        f"{q.chance:.1%}",
                        q.about,
                    ]
                    for q in questions
                ],
            )
        ],
    )


def _conditions(questions: Sequence[Question]) -> str:
    """How the models were trained and tested."""
    training = [question.training for question in questions]

    def each(key: str) -> str:
        return listed([f"{value:g}" for value in sorted({settings[key] for settings in training})])

    random = {settings["lengths"] for settings in training} == {"random"}
    return (
        f"Every model under the same conditions: at most {each('steps')} steps of {each('batch_size')} contexts "
        f"{'of random lengths up to N' if random else 'of length N'}, AdamW at {each('learning_rate')}, ended early "
        f"when solved; tests on {each('test_contexts')} contexts never seen before. References have the seeds their "
        "own cards name, one each where no range is shown."
    )
