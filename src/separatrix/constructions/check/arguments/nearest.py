"""Argument "copy and compare": labels hold the point beside them, and a query votes for the labels of the nearest.

First layer (the lemma of `two_layers`): points and queries read themselves and are doubled, labels read the point
before them. Second layer: labels score beta <q, x>, points and the query far less. A margin of gamma between the best
inner product and the best of another label leaves other labels' votes at 0, if beta gamma still vanishes after
everything that rounding can do to scores.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.constructions.check.arguments.two_layers import HeadWeights, Reading, TwoLayers, reading
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.models import SequenceModel
from separatrix.numerics import FixedPoint, FloatingPoint
from separatrix.tasks.nearest_neighbor import NearestNeighbor

ARGUMENT = "copy and compare"


def claim(task: NearestNeighbor, gamma: float, norm: float) -> str:
    """What the argument proves, as a sentence."""
    return (
        f"every query of margin {gamma:.4g} or more among 1 to {task.points} points, none longer than {norm:g}, is "
        "answered with the label of the nearest"
    )


def allowed(certificate: Certificate) -> Collection[str]:
    """Inputs are any numbers, so inner products of them are rounded: the lemma counts by how much."""
    return ("inputs",)


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    weights, task = TwoLayers(model, certificate), model.task
    if not isinstance(task, NearestNeighbor):
        raise CertificateError(f"{ARGUMENT} is about nearest-neighbor, got {task.name}")
    gamma, norm = (float(certificate.quantities.get(name, math.nan)) for name in ("gamma", "norm"))
    if not (gamma > 0 and norm > 0):
        raise CertificateError(
            "the certificate must say which margin it needs, gamma, and how long points may be, norm"
        )
    if not weights.causal:
        raise CertificateError(f"{ARGUMENT} is about causal attention: one set of weights for all lengths")
    read, beta, demotion = _structure(weights, task)
    needed = _needed(weights, task.dimension, read, beta, norm)
    if not gamma >= needed * (1 - 1e-9):
        raise CertificateError(f"the certificate is about margins from {gamma:g} on, {needed:.6g} is needed")
    _check_demotion(weights, task.dimension, beta, demotion, norm)
    _check_differences(weights, task.dimension, beta, demotion, norm)
    wanted = certificate.parameters.get("gamma")
    if wanted is not None and not (isinstance(wanted, float) and wanted >= gamma * (1 - 1e-9)):
        raise CertificateError(f"margins from {gamma:g} on were proved, the parameters say {wanted}")
    return Proved(
        claim=claim(task, gamma, norm),
        scope="inputs of a margin",
        margin=_margin(weights, task, certificate, read),
        order="sequential" if _needs_order(weights, task) else "any",
        equal={"width": weights.width, "gamma": gamma, "norm": norm, "compare_beta": beta},
        at_least={"copy_beta": read.gap / 2},
        at_most={"copy_leak": 0.0 if weights.exact.rounds else drift.leak(len(weights.positions), read.gap)},
    )


def _needs_order(weights: TwoLayers, task: NearestNeighbor) -> bool:
    """Whether so many votes may add up to anything, unless they are added one by one."""
    return isinstance(weights.format, FloatingPoint) and task.points * weights.format.unit > 1


@dataclass(frozen=True)
class Demotion:
    """What is taken from scores, over beta. least: of points and of the query itself; points: of points at most."""

    least: float
    points: float
    own: float


def _structure(weights: TwoLayers, task: NearestNeighbor) -> tuple[Reading, float, Demotion]:
    """(first layer, beta, how far points and the query itself are demoted): read from the weights."""
    d, embed = task.dimension, weights.embed
    if any(mlp is not None and not mlp.idle for mlp in weights.mlps):
        raise CertificateError("the MLPs must be 0")
    read = reading(weights, weights.base[None])
    places = np.arange(len(weights.positions))
    if read.targets.shape[1] != 1 or (read.targets[:, 0] != places - places % 2).any():
        raise CertificateError("the first layer must read the point of each pair, from the point and from the label")
    copied = np.concatenate([embed[:, :d], np.zeros((weights.width, task.labels))], axis=1)
    if (copied != read.outputs[0].T).any() or not _selects(embed):
        raise CertificateError("the first layer must copy points as they are, each number in a coordinate of its own")
    (first,) = [each for each in weights.heads[0] if not each.idle]
    if not _selects(first.value) or not _selects(first.out):
        raise CertificateError("the first layer must pass points on as they are: nothing is added up")
    head = weights.heads[1][0]
    if any(not other.idle for other in weights.heads[1][1:]):
        raise CertificateError("one head must work in the second layer")
    beta = _compared(head, embed[:, :d], embed[:, d:])
    votes = weights.answer @ head.out @ head.value
    base = np.concatenate([weights.base[None], weights.base + weights.positions])
    if (votes @ embed != np.eye(task.labels, embed.shape[1], k=d)).any() or (base @ votes.T).any():
        raise CertificateError("what the second layer reads must be the label, and nothing from points")
    if (weights.answer * weights.base).any():
        raise CertificateError("logits must come from votes alone: the query itself has some")
    if (embed[:, :d].T @ weights.answer.T).any() or head.value_bias.any() or weights.answer_bias.any():
        raise CertificateError("logits must come from votes alone")
    if not all(_selects(each.T) for each in (head.value, head.out, weights.answer)):
        raise CertificateError("votes must be passed on as they are")
    return read, beta, _demotion(weights, head, beta)


def _selects(matrix: np.ndarray) -> bool:
    """Whether every column has one entry at most, which is 1, and no two share a row: nothing is added up."""
    used = matrix != 0
    return bool((used.sum(axis=0) <= 1).all() and (used.sum(axis=1) <= 1).all() and (matrix[used] == 1).all())


def _compared(head: HeadWeights, points: np.ndarray, labels: np.ndarray) -> float:
    """beta: doubled queries meet points with a score of beta <q, x>, in which each product has one term."""
    asked, held = 2 * head.query @ points, head.key @ points  # [K, d]
    used = (asked != 0).sum(axis=0)
    if (
        (used != 1).any()
        or ((held != 0).sum(axis=0) != 1).any()
        or (held != 0).sum(axis=1).max() > 1
        or (asked != 0).sum(axis=1).max() > 1
    ):
        raise CertificateError("queries and points must be compared number by number")
    scores = asked.T @ held
    beta = float(scores[0, 0])
    if beta <= 0 or math.frexp(beta)[0] != 0.5 or (scores != beta * np.eye(len(scores))).any():
        raise CertificateError("scores must be inner products times one power of two")
    if (head.query @ labels).any() or (head.key @ labels).any():
        raise CertificateError("scores must not depend on labels' numbers")
    return beta


def _demotion(weights: TwoLayers, head: HeadWeights, beta: float) -> Demotion:
    """What is taken from the scores of points and of the query itself. Labels' get 0."""
    base = weights.exact.add(weights.base[None], weights.positions, what="positions")
    query = weights.exact.linear(weights.base[None], head.query, head.query_bias, "queries of the second layer")[0]
    keys = weights.exact.linear(base, head.key, head.key_bias, "keys of the second layer")
    own = weights.exact.linear(weights.base[None], head.key, head.key_bias, "the query's own key")
    points = weights.embed[:, : weights.task.vector_size]
    mixed = [(head.query @ points).T @ np.concatenate([keys, own]).T, (head.key @ points).T @ query]
    if any(each.any() for each in mixed):
        raise CertificateError("scores must be inner products and a constant")
    constants = np.concatenate([keys * query, own * query])
    labels, others = constants[1:-1:2], np.concatenate([constants[0:-1:2], constants[-1:]])
    if labels.any():
        raise CertificateError("labels' scores must be inner products alone")
    if ((others != 0).sum(axis=1) > 1).any():
        raise CertificateError("points must be demoted by a single term")
    taken = -others.sum(axis=1) / beta
    return Demotion(float(taken.min()), float(taken[:-1].max()), float(taken[-1]))


def _check_demotion(weights: TwoLayers, d: int, beta: float, demotion: Demotion, norm: float) -> None:
    """CertificateError unless points and the query itself, at most 2 |q| |x| - lower, vanish beside any label.

    All over beta. A sum of d + 1 terms is off by (d + 1) u / (1 - (d + 1) u) times the terms' sizes.
    """
    found, lower = weights.format, demotion.least
    if isinstance(found, FloatingPoint):
        error, length = (d + 1) * found.unit / (1 - (d + 1) * found.unit), (norm * (1 + found.unit)) ** 2
        distance = lower * (1 - error) - 3 * length * (1 + error) - 2 * d * found.smallest
        enough = error > 0 and vanishes(found, beta * distance / (1 + 2 * found.unit))
    elif isinstance(found, FixedPoint):
        length = (norm + found.smallest / 2 * math.sqrt(d)) ** 2
        enough = vanishes(found, beta * (lower - 3 * length) - 2 * d * found.smallest - found.smallest)
    else:
        enough = beta * (lower - 3.01 * norm**2) >= 150 * math.log(2)
    if not enough:
        raise CertificateError("points and queries do not score far enough below labels")


def _check_differences(weights: TwoLayers, d: int, beta: float, demotion: Demotion, norm: float) -> None:
    """CertificateError where a score, or its difference from the largest, a label's, may leave the format.

    Over beta, labels' scores are at most |q| |x|, points' at least -2 |q| |x| less their demotion, both off by as much
    as in `_check_demotion`. The query's own is one term below 0 and squares: rounding keeps the order of numbers, so no
    partial sum, in any order, falls below that term rounded.
    """
    found = weights.format
    if isinstance(found, FloatingPoint):
        error, length = (d + 1) * found.unit / (1 - (d + 1) * found.unit), (norm * (1 + found.unit)) ** 2
        lost = 2 * d * found.smallest
    else:
        error, length = 0.0, (norm + found.smallest / 2 * math.sqrt(d)) ** 2
        lost = (d + 1) * found.smallest
    label = length * (1 + error) + lost
    point = (2 * length + demotion.points) * (1 + error) + lost
    own = max(-found.round_number(-beta * demotion.own), 2 * beta * label)
    largest = beta * label + max(beta * point, own)
    if not largest <= found.largest:
        raise CertificateError(f"differences of scores up to {largest:g} overflow in {found}")


def _needed(weights: TwoLayers, d: int, read: Reading, beta: float, norm: float) -> float:
    """The least margin at which every other label's weight is 0, whatever the order of the sums.

    Rounded inner products of d terms are off by d u / (1 - d u) times the sum of the terms' sizes (Higham 2002,
    (3.5)), and by what products below the smallest number lose; rounding the inputs changes them by (2u + u^2) |q|
    |x|.
    """
    found = weights.format
    smallest = found.smallest
    match found:
        case FloatingPoint(mantissa=_):
            u = found.unit
            vanish = (math.log(2 / smallest) + 0.01) * (1 + 2 * u) / beta
            product = (norm * (1 + u)) ** 2
            scores = d * u / (1 - d * u) * product + d * smallest if d * u < 1 else math.inf
            inputs = (2 * u + u * u) * product + 2 * d * smallest
        case FixedPoint():
            vanish = (math.log(2 / smallest) + 0.01 + smallest) / beta
            scores = d * smallest / 2 / beta
            inputs = smallest * math.sqrt(d) * norm + d * smallest**2 / 4
        case _:
            gap = -math.log(2.0**-150)  # votes for other labels weigh at most k 2^-150
            vanish = (gap + 0.01) / beta
            scores, inputs = 16 * drift.leak(len(weights.positions), read.gap), 0.0
    return vanish + 2 * (scores + inputs)


def _margin(weights: TwoLayers, task: NearestNeighbor, certificate: Certificate, read: Reading) -> float:
    """The right label's votes less any other's.

    Rounded: others' are exactly 0, and the nearest point's weight is 1 / Z, where Z, a sum of at most k exponentials of
    at most 1, is at most 4k: (1 + u)^k <= e in any order where k u <= 1, and one by one sums stop growing at 2k.
    """
    k, found = task.points, weights.format
    if not weights.exact.rounds:
        others = drift.leak(2 * k + 1, math.log(2) * 150)
        return 1 - 4 * others - 4 * drift.leak(len(weights.positions), read.gap)
    if _needs_order(weights, task) and certificate.order != "sequential":
        raise CertificateError(f"{k} votes may add up to anything in {found}, unless one by one")
    if 1 / (4 * k) < found.smallest or 4 * k > found.largest:
        raise CertificateError(f"{found} cannot hold the votes of {k} points")
    return 1 / (4 * k)
