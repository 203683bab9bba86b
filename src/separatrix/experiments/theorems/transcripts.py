"""Protocols run: what the parties say, in exact bits, beside the bits that the bound says they must."""

from __future__ import annotations

import torch

from separatrix import constructions
from separatrix.bounds.arithmetic import ANY, ArithmeticModel, FixedPointSums, FloatingPointSums, RoundedSums
from separatrix.bounds.protocols import attention_protocol, recurrent_protocol
from separatrix.experiments.theorems.findings import Finding
from separatrix.experiments.theorems.lower import every_context
from separatrix.experiments.theorems.weighing import weighing
from separatrix.models.state import tensors
from separatrix.numerics import FORMATS, FloatingPoint
from separatrix.tasks import stream
from separatrix.tasks.base import context_task

_E4M3 = FORMATS["e4m3"]
assert isinstance(_E4M3, FloatingPoint)

WEIGHED: list[tuple[ArithmeticModel, int]] = [
    (FixedPointSums(16, 0), 2),
    (FloatingPointSums(_E4M3), 2),
    (FloatingPointSums(_E4M3, subtract=True), 4),
    (RoundedSums(8, _E4M3), 32),
]
"""In which arithmetic, and how wide, equality is weighed."""


def shift_register_protocol() -> Finding:
    """INDEX by the shift register: Alice's message is as long as the bound allows, and every answer is right."""
    built = constructions.create("shift-register", length=8, alphabet=2)
    task = context_task(built.task)
    contexts = every_context(task)
    queries = torch.arange(8).expand(len(contexts), -1)
    run = recurrent_protocol(built.model, contexts, queries, cut=8, precision=1)
    wrong = int((run.answers != task.answer(contexts, queries)).sum())
    ends = 64 * len(tensors(built.model.prefill(contexts[:1])))  # of each quantised range, not of the state
    bits, bound = run.bits - ends, task.recurrent_bits() or 0.0
    return Finding(
        subject="index-lookup, alphabet 2, length 8",
        statement="the state is a one-way protocol for INDEX, which takes N bits",
        kind="protocol",
        ran=f"the shift register's state sent at one bit a scalar, all {len(contexts)} contexts: {wrong} wrong",
        measured=bits,
        bound=bound,
        unit="bits",
        holds=wrong == 0 and bits >= bound,
        arithmetic=ANY,
        known="proved",
    )


def weighed(arithmetic: ArithmeticModel, width: int) -> Finding:
    """Equality by weighing, split after the first string: every answer right, every logit the model's own."""
    model = weighing(arithmetic, width)
    task, half = context_task(model.task), model.task.length // 2
    context = task.sample(64, stream(0, "test")).context
    context[:2] = torch.tensor([[0], [1]])  # nothing weighs, and everything
    context[2:4], context[2, half - 1], context[3, half] = 0, 1, 1
    queries = torch.zeros(len(context), 1, dtype=torch.int64)
    run = attention_protocol(model, context, queries, range(half), arithmetic)
    wrong = int((run.answers != task.answer(context, queries)).sum())
    needed = arithmetic.needed(task) or 0.0
    same = "equal to the model's own bit for bit" if run.exact else "NOT the model's own"
    return Finding(
        subject=f"equality, length {task.length}",
        statement=f"one-layer attention is a protocol: {arithmetic.formula}",
        kind="protocol",
        ran=f"equality by weighing, width {width}, the first string held, {len(context)} pairs: {wrong} wrong, {same}",
        measured=run.bits,
        bound=needed,
        unit="bits",
        holds=wrong == 0 and run.exact is True and needed <= run.bits == arithmetic.capacity(width, 1, task.length),
        arithmetic=arithmetic.words,
        known="proved",
    )
