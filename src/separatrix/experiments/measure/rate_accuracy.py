"""Rate–accuracy curves: how often a model is right when its state is sent in fewer bits (the executed protocol).

The state after the whole context is quantised, counted in bits and answered from. Bits are exact, accuracy is measured,
and the ceiling on the accuracy of that many bits is proved for any encoder and decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.utils import _pytree as pytree

from separatrix import numerics
from separatrix.bounds.protocols import quantise
from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.experiments.measure.capacity import batches, mean_and_margin, symbols
from separatrix.models import state_bits, state_numbers
from separatrix.tasks import Task

SCHEMES = ("1", "2", "3", "4", "6", "8", "12", "e5m2", "e4m3", "fp16", "bf16", "stored")
"""Uniform quantisation to so many bits a scalar, number formats by name, and the state as it is stored."""


class RatePoint(Config):
    """One way of sending the state: what it takes, and how often the answers are right.

    >>> point = sx.experiments.RatePoint(
    ...     scheme="fp16", bits=512, bits_per_scalar=16, accuracy=0.7, low=0.6, high=0.8, ceiling=0.9
    ... )
    >>> point.accuracy <= point.ceiling
    True
    """

    scheme: str = Field(description="bits a scalar of uniform quantisation, a number format, or `stored`")
    bits: int = Field(description="bits sent per context, exact; the range of each tensor included where it is sent")
    bits_per_scalar: float
    accuracy: float = Field(description="share of right answers, in [0, 1]")
    low: float = Field(description="lower end of the confidence interval over contexts")
    high: float = Field(description="upper end of the confidence interval over contexts")
    ceiling: float = Field(description="proved ceiling on the accuracy of any message of so many bits")


class RateCurve(Config):
    """The points of one model, by bits sent.

    >>> point = sx.experiments.RatePoint(
    ...     scheme="4", bits=128, bits_per_scalar=4, accuracy=0.7, low=0.6, high=0.8, ceiling=0.9
    ... )
    >>> sx.experiments.RateCurve(points=[point], contexts=128, confidence=0.95).points[0].bits
    128
    """

    points: list[RatePoint]
    contexts: int
    confidence: float


@torch.no_grad()
def rate_curve(
    model: Any,
    task: Task,
    seed: int,
    schemes: Sequence[str] = SCHEMES,
    contexts: int = 128,
    confidence: float = 0.95,
) -> RateCurve:
    """Send a model's state in several ways, and measure what it answers from what arrives (split "test").

    Each context is read once and all its symbols are asked for, by every scheme the same. The interval is Student's t
    over contexts. Raises InputError for tasks without such symbols, unknown schemes, or fewer than 2 contexts.

    >>> built = sx.constructions.create("index-lookup", length=16, alphabet=4)
    >>> curve = sx.experiments.rate_curve(built.model, built.task, seed=0, schemes=["1", "8", "stored"], contexts=4)
    >>> [(point.scheme, point.bits, round(point.accuracy, 2)) for point in curve.points]
    [('1', 288, 1.0), ('8', 1408, 1.0), ('stored', 5120, 1.0)]
    """
    asked = symbols(task)
    if contexts < 2:
        raise InputError(f"contexts must be at least 2, got {contexts}")
    device = next(model.parameters()).device
    shares: dict[str, list[Tensor]] = {scheme: [] for scheme in schemes}
    sent: dict[str, int] = {}
    numbers = 1
    for batch in batches(asked, seed, contexts, device):
        state = model.prefill(batch.context)
        numbers = state_numbers(state)
        for scheme in schemes:
            received, sent[scheme] = send(state, scheme)
            right = model.decode(received, batch.queries).argmax(-1) == batch.targets
            shares[scheme].append(right.double().mean(dim=1).cpu())
    points = []
    for scheme in schemes:
        mean, margin = mean_and_margin(torch.cat(shares[scheme]), confidence)
        points.append(
            RatePoint(
                scheme=scheme,
                bits=sent[scheme],
                bits_per_scalar=sent[scheme] / numbers,
                accuracy=mean,
                low=max(0.0, mean - margin),
                high=min(1.0, mean + margin),
                ceiling=task.accuracy_ceiling(sent[scheme]),
            )
        )
    return RateCurve(points=sorted(points, key=lambda point: point.bits), contexts=contexts, confidence=confidence)


def send(state: Any, scheme: str) -> tuple[Any, int]:
    """A state as it arrives, and the bits per example that took.

    A number format rounds each scalar to the nearest of its finite values, which needs no range to be sent.
    Raises InputError for an unknown scheme.
    """
    if scheme == "stored":
        return state, state_bits(state)
    if scheme.isdigit():
        return quantise(state, int(scheme))
    target = numerics.parse(scheme)
    leaves, form = pytree.tree_flatten(state)
    received = [target.round(leaf.double().clamp(-target.largest, target.largest)).to(leaf.dtype) for leaf in leaves]
    return pytree.tree_unflatten(received, form), state_bits(state, target.bits)
