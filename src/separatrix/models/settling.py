"""What is proved of every model of an architecture on a constant input, whatever its width and its weights."""

from __future__ import annotations

from separatrix.bounds.monotone import Settling, Transitions, settling
from separatrix.models.mixer import declared
from separatrix.models.registry import architecture
from separatrix.models.sequence import SequenceModel
from separatrix.numerics import Format
from separatrix.tasks import create

WIDTH = 8
"""Width at which an architecture's layers are looked at; what is proved does not depend on it."""


def transitions(name: str) -> tuple[Transitions, ...]:
    """What a step does to the state of each layer that an architecture has by default, as its mixers declare it.

    >>> transitions("mamba"), transitions("mamba+attention")
    (('nonnegative',), ('nonnegative', 'attention'))
    """
    model = architecture(name).for_task(create("parity", length=4), width=WIDTH)
    return tuple(declared(block.mixer) for block in model.blocks) if hasattr(model, "blocks") else ("unknown",)


def settles(model: SequenceModel, number_format: str | Format) -> Settling | None:
    """From which length on no model of these layers, states kept in the format, counts a repeated token.

    It holds for every width and all weights. Where one layer's factors have both signs, all are taken to have. None
    where nothing is proved: a layer turns, mixes or keeps its past, or does not declare what it does, or positions are
    told.

    >>> model = sx.models.create("mamba", sx.tasks.create("parity", length=8), width=8, layers=2)
    >>> found = settles(model, "bf16")
    >>> found.steps, found.period
    (130570, 1)
    """
    mixers = [block.mixer for block in getattr(model, "blocks", [])]
    kinds = {declared(each) for each in mixers}
    if not mixers or model.positions is not None or not kinds <= {"nonnegative", "signed"}:
        return None
    taps, stages = [getattr(each, "taps", 1) for each in mixers], [each.stages for each in mixers]
    if kinds == {"nonnegative"}:
        parts = [settling(number_format, 1, "nonnegative", *each) for each in zip(taps, stages, strict=True)]
        return Settling(sum(part.steps for part in parts), 1)
    return settling(number_format, len(mixers), "signed", max(taps)) if max(stages) == 1 else None
