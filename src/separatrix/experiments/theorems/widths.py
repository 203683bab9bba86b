"""Width bounds run: models as narrow as a construction makes them, what crosses a cut of theirs, and the bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from separatrix import constructions
from separatrix.bounds import memory_profile
from separatrix.bounds.arithmetic import ANY, ArithmeticModel, FixedPointSums, FloatingPointSums, RoundedSums
from separatrix.bounds.protocols import Transcript, attention_protocol
from separatrix.bounds.sizes import smallest_state
from separatrix.constructions.check import check
from separatrix.experiments.theorems.findings import Finding, title
from separatrix.experiments.theorems.lower import every_context
from separatrix.experiments.theorems.weighing import powers, weighing
from separatrix.models.state import tensors
from separatrix.numerics import FORMATS, FloatingPoint
from separatrix.tasks import stream
from separatrix.tasks.base import context_task

_E4M3, _BF16 = FORMATS["e4m3"], FORMATS["bf16"]
assert isinstance(_E4M3, FloatingPoint)
assert isinstance(_BF16, FloatingPoint)

WEIGHED: list[tuple[ArithmeticModel, list[int]]] = [
    (FixedPointSums(16, 0), [1, 2, 4, 8, 16]),
    (FloatingPointSums(_E4M3), [1, 2, 4, 8, 16]),
    (FloatingPointSums(_E4M3, subtract=True), [1, 2, 4, 8, 16]),
    (RoundedSums(8, _E4M3), [1, 2, 4, 8, 16, 32]),
]
"""In which arithmetic, and how wide, equality of as many bits as fit is weighed."""

LOOKED_UP: list[ArithmeticModel] = [FloatingPointSums(_BF16, subtract=True), RoundedSums(16, _BF16)]
"""In which arithmetic index lookup is run."""

STATES: list[tuple[str, dict[str, Any]]] = [
    ("shift-register", {"length": 8, "alphabet": 2}),
    ("shift-register", {"length": 5, "alphabet": 4}),
    ("equality-interleaved", {"length": 8}),
    ("disjointness-interleaved", {"length": 8}),
    ("bounded-dyck-stack", {"length": 6, "kinds": 2, "depth": 2}),
    ("bounded-dyck-automaton", {"length": 8, "kinds": 1, "depth": 2}),
    ("parity", {"length": 10}),
    ("modular-counter", {"length": 8, "modulus": 3}),
    ("group-word", {"length": 5, "group": "S3"}),
]
"""Recurrent constructions whose numbers are 0 or 1, so that units are bits."""


def width_bounds() -> list[tuple[Callable[..., Finding], tuple[Any, ...]]]:
    """Everything here, as functions with their arguments."""
    runs: list[tuple[Callable[..., Finding], tuple[Any, ...]]] = [(weighed_widths, case) for case in WEIGHED]
    runs += [(lookup_width, (arithmetic,)) for arithmetic in LOOKED_UP]
    return runs + [(state_width, case) for case in STATES]


def weighed_widths(arithmetic: ArithmeticModel, widths: list[int]) -> Finding:
    """Equality of as many bits as so many numbers carry, at each width: transcript and bound. The last is shown."""
    holds, bound, said = True, 0, ""
    for width in widths:
        model = weighing(arithmetic, width)
        task, half = context_task(model.task), model.task.length // 2
        context = task.sample(64, stream(0, "test")).context
        run = _sent(model, context, list(range(half)), arithmetic)
        wrong, needed = _wrong(run, task, context), arithmetic.needed(task) or 0.0
        bound = arithmetic.smallest_width(needed, 1, task.length)
        fewer = arithmetic.capacity(bound - 1, 1, task.length) if bound > 1 else 0
        fits = fewer < needed <= run.bits == arithmetic.capacity(width, 1, task.length)
        holds &= wrong == 0 and run.exact is True and bound <= width and fits
        short = f", {bound - 1} numbers carry {fewer}" if bound > 1 else ""
        said = (
            f"{half} bits, the most that {width} numbers weigh ({half - len(powers(arithmetic))} for one fewer): "
            f"{wrong} of {len(context)} pairs wrong; the transcript takes {run.bits} bits, {needed:.0f} needed{short}"
        )
    return Finding(
        subject=f"equality, lengths up to {2 * widths[-1] * len(powers(arithmetic)):,}",
        statement="no exact one-layer Transformer's values are narrower than the bound, and a built one is so wide",
        source=f"{arithmetic.formula}",
        kind="lower bound",
        ran=f"equality by weighing at widths {', '.join(map(str, widths))}; the last: {said}",
        measured=widths[-1],
        bound=bound,
        unit="width",
        holds=holds,
        arithmetic=arithmetic.words,
        known="proved",
    )


def lookup_width(arithmetic: ArithmeticModel) -> Finding:
    """Index lookup: its bound asks for one number, whatever the length; Theorem 1 builds a logarithmic width."""
    built = constructions.create("index-lookup", length=6, alphabet=4, format="bf16")
    task = context_task(built.task)
    context = every_context(task)
    run = _sent(built.model, context, [0, 1, 2], arithmetic)
    wrong, needed = _wrong(run, task, context), arithmetic.needed(task) or 0.0
    width, bound = (
        built.config.model_dump()["head_width"] or built.width,
        arithmetic.smallest_width(needed, 1, task.length),
    )
    return Finding(
        subject="index-lookup, length 6, alphabet 4",
        statement="no exact one-layer Transformer's values are narrower than the bound, and a built one is so wide",
        source=f"{arithmetic.formula}",
        kind="lower bound",
        ran=f"the construction of Theorem 1, half the context held, all {len(context):,} contexts and queries: {wrong} "
        f"wrong; each query's transcript takes {run.bits // task.query_count} bits, {needed:.0f} are needed",
        measured=width,
        bound=bound,
        unit="width",
        holds=wrong == 0 and run.exact is True and needed <= run.bits / task.query_count and bound <= width,
        arithmetic=arithmetic.words,
        known="proved",
    )


def state_width(name: str, parameters: dict[str, Any]) -> Finding:
    """Units of one bit against all prefix cuts: as many numbers, at one bit a number, as the most rows need."""
    built = constructions.create(name, **parameters)
    check(built.model, built.certificate)
    task = context_task(built.task)
    contexts = every_context(task)
    contexts = contexts[task.valid(contexts)]
    queries = torch.tensor(list(task.query_values)).expand(len(contexts), -1)
    with torch.no_grad():
        wrong = int((built.model(contexts, queries).argmax(-1) != task.answer(contexts, queries)).sum())
        after = [
            torch.cat(tensors(built.model.prefill(contexts[:, :t])), dim=-1).flatten(1)
            for t in range(1, task.length + 1)
        ]
    bits = all(bool(((state == 0) | (state == 1)).all()) for state in after)
    states = max(len(state.unique(dim=0)) for state in after)
    rows = max(found.count for found in memory_profile(task))
    bound = smallest_state(math.log2(rows), 1)
    return Finding(
        subject=title(name, parameters),
        statement="no exact recurrent model of one bit a number is narrower than the bound, and a built one is so wide",
        source="m p >= log2 rows",
        kind="lower bound",
        ran=f"all prefix cuts: at most {rows} rows; the construction on all {len(contexts):,} contexts: {wrong} wrong, "
        f"at most {states} states after one length, each unit {'0 or 1' if bits else 'NOT A BIT'}",
        measured=after[0].shape[1],
        bound=bound,
        unit="width",
        holds=wrong == 0 and bits and rows <= states and bound <= after[0].shape[1],
        arithmetic=ANY,
        known="proved",
    )


def _sent(model: Any, context: torch.Tensor, held: list[int], arithmetic: ArithmeticModel) -> Transcript:
    """The protocol run on contexts with every query."""
    queries = torch.tensor(list(model.task.query_values)).expand(len(context), -1)
    return attention_protocol(model, context, queries, held, arithmetic)


def _wrong(run: Transcript, task: Any, context: torch.Tensor) -> int:
    queries = torch.tensor(list(task.query_values)).expand(len(context), -1)
    return int((run.answers != task.answer(context, queries)).sum())
