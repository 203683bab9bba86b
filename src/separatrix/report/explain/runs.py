"""What a model does with one input, drawn small: the attention of its query, or its state after every token."""

from __future__ import annotations

import torch
from torch import Tensor

from separatrix.constructions import Construction
from separatrix.models import create, state_bits
from separatrix.models.trace import Trace, trace
from separatrix.report.explain.drawing import CELL, Drawing, Tone
from separatrix.report.explain.examples import words_of
from separatrix.tasks import UNLABELLED, Problem, StreamTask, stream
from separatrix.tasks import create as create_task
from separatrix.tasks.base import context_task

UNITS = 36
"""Numbers of a state that are drawn at most."""

SMALL = 16
LENGTHS = (8, 16, 32, 64)
WIDTH = 16


def run_of(built: Construction, seed: int = 1) -> Drawing:
    """A constructed model on the first example of a seed: where its query looks, or what it holds after each token.

    Of a stream the last token that is answered is the query.
    """
    task, generator = built.task, stream(seed, "test")
    if isinstance(task, StreamTask):
        read = task.sample(1, generator)
        last = int(torch.nonzero(read.labels[0] != UNLABELLED)[-1])
        context, query = read.inputs[0, :last], read.inputs[0, last]
    else:
        drawn = context_task(task).sample(1, generator)
        context, query = drawn.context[0], drawn.queries[0, 0]
    shown = trace(built.model, context, query)
    vectors = task.vector_size is not None
    words = [str(place + 1) for place in range(len(context))] if vectors else words_of(task, context)
    states = [layer.state for layer in shown.layers if layer.state is not None]
    return _state(task, words, states[0], shown) if states else _looks(task, words, shown)


def _looks(task: Problem, words: list[str], shown: Trace) -> Drawing:
    """A row of cells for each head of each layer, filled by the weights of the query's row."""
    rows = [
        (f"layer {number}" + (f", head {head}" if len(layer.attention) > 1 else ""), weights[-1].tolist())
        for number, layer in enumerate(shown.layers, start=1)
        if layer.attention is not None
        for head, weights in enumerate(layer.attention, start=1)
    ]
    left = 110
    drawing = Drawing(
        left + (len(words) + 1) * CELL + 12, len(rows) * (CELL + 6) + 34, f"what the query of {task.name} reads"
    )
    for number, (name, weights) in enumerate(rows):
        y = 4 + number * (CELL + 6)
        drawing.text(4, y + 20, name, "start", "soft")
        for place, (word, weight) in enumerate(zip([*words, "?"], weights, strict=False)):
            drawing.cell(left + place * CELL + (6 if place == len(words) else 0), y, word, "held", 0.8 * weight)
    drawing.text(drawing.width - 4, drawing.height - 8, f"answer: {task.show_answer(shown.answer)}", "end", "answer")
    return drawing


def _state(task: Problem, words: list[str], state: Tensor, shown: Trace) -> Drawing:
    """A row of cells for each token: the numbers of the state after it, the deeper the further from 0."""
    kept, most = min(state.shape[1], UNITS), float(state.abs().max()) or 1.0
    width = max(40 + kept * SMALL + 8, 300)
    drawing = Drawing(width, len(words) * SMALL + 46, f"the state of {task.name} after each token")
    for row, (word, numbers) in enumerate(zip(words, state[:, :kept].tolist(), strict=True)):
        drawing.text(20, 4 + row * SMALL + 12, word, kind="soft")
        for column, number in enumerate(numbers):
            tone: Tone = "held" if number > 0 else "other" if number < 0 else "plain"
            drawing.cell(40 + column * SMALL, 4 + row * SMALL, "", tone, 0.8 * abs(number) / most, SMALL)
    of = f"of {state.shape[1]:,} numbers" if kept < state.shape[1] else "numbers"
    drawing.text(4, drawing.height - 10, f"{kept} {of}, after each token", "start", "soft")
    drawing.text(width - 4, drawing.height - 10, f"answer: {task.show_answer(shown.answer)}", "end", "answer")
    return drawing


@torch.no_grad()
def state_of(name: str) -> Drawing:
    """Bits that an architecture of width 16 hands over after 8 to 64 tokens, measured, on one scale."""
    measured = []
    for length in LENGTHS:
        task = create_task("index-lookup", length=length, alphabet=4)
        model = create(name, task, width=WIDTH).eval()
        measured.append(int(state_bits(model.prefill(task.sample(1, stream(0, "test")).context))))
    drawing = Drawing(360, len(LENGTHS) * 22 + 10, f"bits of state after {LENGTHS} tokens: {measured}")
    for row, (length, bits) in enumerate(zip(LENGTHS, measured, strict=True)):
        y = 4 + row * 22
        drawing.text(56, y + 13, f"N = {length}", "end", "soft")
        drawing.bar(64, y, 190 * bits / max(measured), 17, "held")
        drawing.text(70 + 190 * bits / max(measured), y + 13, f"{bits:,} bits", "start", "soft")
    return drawing
