"""Argument "fetch and count": every position evaluates a local function, and the end token averages them, exactly.

First layer: each head reads one position (the lemma of `two_layers`), and all assignments of tokens are tried at
every kind of position. Second layer: all scores are 0, so all weights are the same number w = fl(1 / (N + 1)); what a
position adds is fl(w v) where its function holds and 0 elsewhere, and sums of that are exact. The MLP and the head
compare the sum with the threshold.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.local import Seen, claim, collect, evaluated, meaning, require_same, sizes
from separatrix.constructions.check.arguments.two_layers import HeadWeights, TwoLayers, reading
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.exact import units
from separatrix.constructions.check.kernel.ranges import Range
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint
from separatrix.tasks.base import context_task

ARGUMENT = "fetch and count"


def allowed(certificate: Certificate) -> Collection[str]:
    """The average and what follows are found exact here, not by the envelope. Weights are equal."""
    return ("average", "ties")


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    if model.task.vector_size is not None:
        raise CertificateError(f"{ARGUMENT} is about contexts of tokens, got {model.task.name}")
    weights = TwoLayers(model, certificate)
    end = weights.embed[[model.task.query_offset]]
    read = reading(weights, end)
    after = weights.after_mlp(0, weights.exact.add(end, read.own, what="the end token"), "the end token")
    head = _uniform(weights, after)
    used = np.asarray(head.value.any(axis=0))
    if weights.mlps[0] is not None:
        used = used | weights.mlps[0].read.any(axis=0)
    value, seen = 0.0, Seen(weights.width)
    coordinate = int(np.flatnonzero(head.out.any(axis=1))[0])

    def look(rows: np.ndarray) -> np.ndarray:
        nonlocal value
        said = _said(weights, head, seen.watch(rows))
        value = value or float(said.max())
        if value < 0 or not np.isin(said, (0.0, value)).all():
            raise CertificateError("positions must say 0 or one value above it, the same everywhere")
        return said > 0

    found = collect(evaluated(weights, read, used, look))
    meant = meaning(context_task(model.task))
    require_same(found, meant.functions, repeated=True)
    if _said(weights, head, after).any():
        raise CertificateError("the end token must say nothing itself")
    ranges = (Range.of(seen.rows, used), Range.of(after))
    possible = sum(len(places) for places in found.values())  # the others never hold
    counts = np.arange(possible + 1)
    sums = counts * _share(weights, value, possible)
    margins = _margins(weights, after, coordinate, sums, counts >= meant.threshold, meant.answer)
    margin = float(margins.min())
    if not weights.exact.rounds:
        moved = drift.after_first_layer(weights, read)
        moved = moved + drift.outputs(head, moved)
        mlp = weights.mlps[1]
        if mlp is not None:
            moved = moved + np.abs(mlp.write) @ (np.abs(mlp.read) @ moved)
        margin -= 2 * float((np.abs(weights.answer) @ moved).max())
    if not margin > 0:
        raise CertificateError(f"the least difference of the logits is {margin:g}: some strings are answered wrongly")
    said = {"value": value, "share": _share(weights, value, possible)}
    leak = 0.0 if weights.exact.rounds else drift.leak(len(weights.positions), read.gap)
    return Proved(
        claim=claim(context_task(model.task)),
        scope="length N",
        margin=margin,
        equal={
            **sizes(weights, read),
            "threshold": model.task.definition()[1],  # type: ignore[attr-defined]
            **(said if possible else {}),
        },
        streams=ranges,
        at_least={"fetch_beta": read.gap / 2},
        at_most={"fetch_leak": leak, **({} if possible else said)},  # nobody ever says anything: 0
    )


def _uniform(weights: TwoLayers, after: np.ndarray) -> HeadWeights:
    """The second layer's one working head, which must ask for nothing and write to one coordinate."""
    working = [head for head in weights.heads[1] if not head.idle]
    if len(working) != 1:
        raise CertificateError(f"one head must work in the second layer, {len(working)} do")
    (head,) = working
    if (after @ head.query.T + head.query_bias).any():
        raise CertificateError("the end token's query must be 0: then all positions have the same weight")
    if head.query.any() or head.query_bias.any():
        raise CertificateError("the second layer must ask for nothing")
    if head.out.any(axis=1).sum() != 1:
        raise CertificateError("the average must be written to one coordinate")
    return head


def _said(weights: TwoLayers, head: HeadWeights, rows: np.ndarray) -> np.ndarray:
    """[M] what these rows add to the coordinate, before they are weighted."""
    values = weights.exact.linear(rows, head.value, head.value_bias, "values of the second layer")
    nonzero = head.out[head.out != 0]
    if len(nonzero) != 1 or nonzero[0] != 1:
        raise CertificateError("the average must be passed on as it is")
    return values[:, head.out.any(axis=0)][:, 0]


def _share(weights: TwoLayers, value: float, count: int) -> float:
    """What one true function adds to the average, of which CertificateError unless all multiples are exact."""
    total = len(weights.positions) + 1
    weights.exact.sums(np.array([float(total)]), np.array([1.0]), "the sums of equal weights")
    if not weights.exact.rounds:
        share = value / total
        if Fraction(share) * total != Fraction(value):
            raise CertificateError(f"{value:g} / {total} is not exact in float64, in which it is checked")
    else:
        weight = weights.format.round_number(1 / total)
        share = weights.format.round_number(weight * value)
        grown = isinstance(weights.format, FloatingPoint) and share >= 2.0**weights.format.lowest
        nearby = {weights.format.round_number(weight * value * (1 + sign * 2.0**-50)) for sign in (-1, 1)}
        if (
            nearby != {share} and not grown
        ):  # a tie, which a fused multiply-add to a sum as coarse could break elsewhere
            raise CertificateError(f"{weight:g} times {value:g} is halfway between two numbers of {weights.format}")
    weights.exact.sums(np.array([share * (count + 1)]), units(np.array([share])), "averages")
    return share


def _margins(
    weights: TwoLayers, after: np.ndarray, coordinate: int, sums: np.ndarray, holds: np.ndarray, answer: int
) -> np.ndarray:
    """[counts] the right logit less the other, for every number of true functions."""
    rows = np.repeat(after, len(sums), axis=0)
    rows[:, coordinate] = weights.exact.add(after[:, coordinate], sums[:, None], what="the average")[:, 0]
    rows = weights.after_mlp(1, rows, "second layer")
    logits = weights.exact.linear(rows, weights.answer, weights.answer_bias, "the logits")
    signed = logits[:, answer] - logits[:, 1 - answer]
    return np.where(holds, signed, -signed)
