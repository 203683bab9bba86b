"""Where a constructed model looks: the weights of its attention on one input, query by query."""

from __future__ import annotations

import torch

from separatrix.constructions import create
from separatrix.models.trace import trace
from separatrix.report.explain.drawing import CELL, Drawing
from separatrix.report.explain.examples import words_of
from separatrix.tasks import stream
from separatrix.tasks.base import context_task

LENGTH, ALPHABET = 8, 4
BEND = 46


def lookup_frames(length: int = LENGTH, alphabet: int = ALPHABET, seed: int = 1) -> list[Drawing]:
    """The construction of index lookup on one context, asked for each of its positions in turn."""
    built = create("index-lookup", length=length, alphabet=alphabet)
    task = context_task(built.task)
    context = task.sample(1, stream(seed, "test")).context[0]
    words = words_of(task, context)
    frames = []
    for asked in range(length):
        shown = trace(built.model, context, torch.tensor(asked))
        heads = shown.layers[0].attention
        assert heads is not None
        weights = heads[0, -1].tolist()
        drawing = Drawing((length + 1) * CELL + 44, 150, f"asked for position {asked}, attention reads {words[asked]}")
        x_query = 30 + length * CELL
        for place, word in enumerate(words):
            x = 4 + place * CELL
            drawing.cell(x, 68, word, "held", 0.7 * weights[place])
            drawing.text(x + CELL / 2, 116, f"{weights[place]:.2f}", kind="soft")
            if weights[place] >= 0.005:
                bend = 14 + BEND * (length - place) / length
                drawing.arrow(x_query + CELL / 2, 66, x + CELL / 2, 66, "held", weights[place], bend)
        drawing.cell(x_query, 68, asked, "other")
        drawing.text(x_query + CELL / 2, 116, f"{weights[length]:.2f}", kind="soft")
        drawing.text(4, 142, f"the query asks for position {asked}", "start", "soft")
        drawing.text(drawing.width - 4, 142, f"answer: {task.show_answer(shown.answer)}", "end", "answer")
        frames.append(drawing)
    return frames
