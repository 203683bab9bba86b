"""The protocols as messages: what Alice and Bob tell each other so that a constructed model's answer follows."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from separatrix.bounds import FixedPointSums, RoundedSums, attention_protocol, recurrent_protocol
from separatrix.bounds.protocols.channel import Message
from separatrix.constructions import create
from separatrix.numerics import parse
from separatrix.report.explain.drawing import Drawing
from separatrix.tasks import stream
from separatrix.tasks.base import context_task

LENGTH, ALPHABET = 8, 4
ROW = 46


def protocol_frames(length: int = LENGTH, alphabet: int = ALPHABET, seed: int = 1) -> list[Drawing]:
    """Three conversations about one input, cut in the middle: the register's, and attention's in two arithmetics.

    Each is executed: the drawn bits are those that were sent, and the answer is the one they gave.
    """
    cut = length // 2
    lookup, register = (create(name, length=length, alphabet=alphabet) for name in ("index-lookup", "shift-register"))
    task = context_task(lookup.task)
    context = task.sample(1, stream(seed, "test")).context
    asked = torch.tensor([[1]])
    told = recurrent_protocol(register.model, context, asked, cut)
    frames = [_talk("a recurrent model, in any arithmetic", told.messages, task.show_answer(int(told.answers[0, 0])))]
    for arithmetic in (FixedPointSums(16), RoundedSums(16, parse("bf16"))):
        run = attention_protocol(lookup.model, context, asked, range(cut), arithmetic)
        title = f"one layer of attention, {arithmetic.words}"
        frames.append(_talk(title, run.messages, task.show_answer(int(run.answers[0, 0]))))
    return frames


def _talk(title: str, messages: Sequence[Message], answer: str) -> Drawing:
    bits = sum(message.bits for message in messages)
    said = "; ".join(f"{each.sender} sends {each.bits} bits, {each.content}" for each in messages)
    height = 74 + ROW * len(messages)
    drawing = Drawing(430, height, f"{title}: {said}")
    left, right = 40, 390
    drawing.text(left, 40, "Alice", kind="held")
    drawing.text(right, 40, "Bob", kind="other")
    drawing.text(4, 16, title, "start")
    for number, message in enumerate(messages):
        y = 76 + number * ROW
        start, end = (left, right) if message.sender == "Alice" else (right, left)
        drawing.arrow(start, y, end, y, "held" if message.sender == "Alice" else "other")
        drawing.text((left + right) / 2, y - 6, f"{message.content}: {message.bits} bits", kind="soft")
    drawing.text(4, height - 8, f"{bits:,} bits in all", "start", "soft")
    drawing.text(drawing.width - 4, height - 8, f"the answer that follows: {answer}", "end", "answer")
    return drawing
