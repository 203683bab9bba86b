"""One example of a task, drawn: the context, what is asked, and the oracle's answer."""

from __future__ import annotations

import torch
from torch import Tensor

from separatrix.report.explain.drawing import CELL, Drawing
from separatrix.tasks import UNLABELLED, Problem, StreamTask, Task, stream
from separatrix.tasks.base import END, context_task

MOST = 20
"""Cells in a row."""


def example(task: Problem, seed: int = 0) -> Drawing:
    """The first test example of a task under a seed.

    A context task's tokens are cells, the query and the answer stand under them; where the query is a position, an
    arrow leads to its token. A stream has its labels under the tokens that they follow. Vectors are columns of squares.
    """
    if isinstance(task, StreamTask):
        read = task.sample(1, stream(seed, "test"))
        return _stream(task, read.inputs[0], read.labels[0])
    asked = context_task(task)
    drawn = asked.sample(1, stream(seed, "test"))
    return _asked(asked, drawn.context[0], drawn.queries[0, 0], int(drawn.targets[0, 0]))


def words_of(task: Problem, context: Tensor) -> list[str]:
    """Each token as the task shows it (brackets, say), one word a token; its number where it is shown otherwise."""
    words = task.show(context).replace("|", " ").split() if isinstance(task, Task | StreamTask) else []
    joined = words[0] if len(words) == 1 else ""
    words = list(joined) if len(joined) == len(context) else words
    return words if len(words) == len(context) else [str(token) for token in context.tolist()]


def _asked(task: Task, context: Tensor, query: Tensor, answer: int) -> Drawing:
    said = f"{task.summary}: the answer here is {task.show_answer(answer)}"
    if task.vector_size is not None:
        return _vectors(task, context, query, said, task.show_answer(answer))
    words = words_of(task, context)
    width = max(len(words) * CELL + 8, 300)
    position = task.name == "index-lookup"
    foot = CELL + (50 if position else 24)
    drawing = Drawing(width, foot + 10, f"{said}, of {' '.join(words)}")
    for place, word in enumerate(words):
        drawing.cell(4 + place * CELL, 4, word, "held" if position and place == int(query) else "plain")
    asked = task.show_query(query)
    if position:
        x = 4 + int(query) * CELL + CELL / 2
        drawing.arrow(x, CELL + 30, x, CELL + 8, "held")
    drawing.text(4, foot, "asked at the end" if asked == END else f"asked: {asked}", "start", "soft")
    drawing.text(width - 4, foot, f"answer: {task.show_answer(answer)}", "end", "answer")
    return drawing


def _vectors(task: Task, context: Tensor, query: Tensor, said: str, answer: str) -> Drawing:
    """A column of squares for each vector, blue above 0 and orange below, the deeper the larger."""
    columns, size = torch.cat([context, query[None]]), 14
    rows = columns.shape[1]
    width = max(len(columns) * (size + 4) + 40, 300)
    drawing = Drawing(width, rows * size + 44, said)
    for place, column in enumerate(columns.tolist()):
        x = 4 + place * (size + 4) + (16 if place == len(context) else 0)
        for row, value in enumerate(column):
            share = min(1.0, abs(value))
            drawing.cell(x, 4 + row * size, "", "held" if value > 0 else "other" if value else "plain", share, size)
    drawing.text(4, rows * size + 32, "point, label, point …; the last is asked", "start", "soft")
    drawing.text(width - 4, rows * size + 32, f"answer: {answer}", "end", "answer")
    return drawing


def _stream(task: StreamTask, inputs: Tensor, labels: Tensor) -> Drawing:
    words = words_of(task, inputs)
    shown = [f"{label}" if label != UNLABELLED else "" for label in labels.tolist()]
    width = max(len(words) * CELL + 70, 300)
    drawing = Drawing(width, 2 * CELL + 16, f"{task.summary}: {' '.join(words)}; answers {task.show_labels(labels)}")
    for place, (word, label) in enumerate(zip(words, shown, strict=True)):
        drawing.cell(66 + place * CELL, 4, word)
        if label:
            drawing.cell(66 + place * CELL, CELL + 10, label, "answer")
    drawing.text(0, 4 + 20, "read", "start", "soft")
    drawing.text(0, CELL + 10 + 20, "say", "start", "soft")
    return drawing
