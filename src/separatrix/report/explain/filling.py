"""A state filling up: the shift register's units after each token, as the constructed network holds them."""

from __future__ import annotations

import torch

from separatrix.constructions import create
from separatrix.models.trace import trace
from separatrix.report.explain.drawing import CELL, Drawing
from separatrix.report.explain.examples import words_of
from separatrix.tasks import stream
from separatrix.tasks.base import context_task

LENGTH, ALPHABET = 6, 4
SMALL = 20


def register_frames(length: int = LENGTH, alphabet: int = ALPHABET, seed: int = 2) -> list[Drawing]:
    """The shift register after each token: every unit is one bit of one token, and none is free in the end."""
    built = create("shift-register", length=length, alphabet=alphabet)
    task = context_task(built.task)
    context = task.sample(1, stream(seed, "test")).context[0]
    states = trace(built.model, context, torch.tensor(0)).layers[0].state
    assert states is not None
    words, needed = words_of(task, context), task.recurrent_bits()
    frames = []
    for read in range(1, length + 1):
        units = states[read - 1].tolist()
        width = max(length * CELL + 8, len(units) * SMALL + 8, 330)
        drawing = Drawing(width, 132, f"after {read} of {length} tokens the units hold {[int(unit) for unit in units]}")
        for place, word in enumerate(words):
            drawing.cell(4 + place * CELL, 4, word, "held" if place < read else "plain")
        for place, unit in enumerate(units):
            drawing.cell(4 + place * SMALL, 62, "", "held" if unit else "plain", min(1.0, abs(unit)), SMALL)
        drawing.text(4, 54, f"{read} of {length} tokens are read", "start", "soft")
        drawing.text(
            4, 102, f"the state: {len(units)} units of one bit; an exact one needs {needed:g} bits", "start", "soft"
        )
        past, same = alphabet**read, alphabet**length
        drawing.text(4, 124, f"pasts it must tell apart now: {past:,} (in the end {same:,})", "start", "soft")
        frames.append(drawing)
    return frames
