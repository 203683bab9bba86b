"""The two cuts: who holds what, and how many different messages the holder must have, counted."""

from __future__ import annotations

from collections.abc import Collection

from separatrix.bounds import attention_cut, recurrent_cut
from separatrix.report.explain.drawing import CELL, Drawing, Tone
from separatrix.tasks import Task, create
from separatrix.tasks.base import context_task
from separatrix.words import plural

LENGTH = 8
SWATCH = 13


def prefix_frames(length: int = LENGTH) -> list[Drawing]:
    """The recurrent cut of equality of two strings, at every prefix: the state is the message, the query unknown."""
    task = context_task(create("equality", length=length))
    frames = []
    for prefix in range(1, length + 1):
        rows = recurrent_cut(task, prefix).count
        frames.append(_cut(task, range(prefix), "read so far", "still to come", rows))
    return frames


def half_frames(length: int = LENGTH) -> list[Drawing]:
    """The attention cut of the same task, for four ways to share the places out; the query is public."""
    task, half = context_task(create("equality", length=length)), length // 2
    ways = [range(half), range(0, length, 2), [0, half], range(half, length)]
    return [_cut(task, list(held), "held by Alice", "held by Bob", attention_cut(task, held).count) for held in ways]


def _cut(task: Task, held: Collection[int], here: str, there: str, rows: int) -> Drawing:
    bits = (rows - 1).bit_length()
    said = f"{rows} different messages: {plural(bits, 'bit')}"
    drawing = Drawing(max(task.length * CELL + 8, 330), 116, f"{here}: places {sorted(held)}; {said}")
    half = task.length // 2
    for place in range(task.length):
        letter = f"x{place + 1}" if place < half else f"y{place + 1 - half}"
        tone: Tone = "held" if place in held else "other"
        drawing.cell(4 + place * CELL, 4, letter, tone, 0.3)
    drawing.cell(4, 48, "", "held", 0.3, SWATCH)
    drawing.text(22, 60, here, "start", "held")
    drawing.cell(drawing.width / 2, 48, "", "other", 0.3, SWATCH)
    drawing.text(drawing.width / 2 + 18, 60, there, "start", "other")
    drawing.text(4, 86, said, "start")
    drawing.text(4, 108, f"of {2 ** len(held):,} things that may be held; counted, x = y", "start", "soft")
    return drawing
