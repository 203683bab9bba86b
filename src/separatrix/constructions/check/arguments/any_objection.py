"""Argument "fetch and veto": positions evaluate local functions, and the end token sees whether any of them is true.

First layer: each head reads one position (the lemma of `two_layers`). All assignments of tokens are tried at every
kind of position: those that score above the end token must be the task's local functions, or their negations. Second
layer: nobody objects, and the end token reads itself alone; or the objectors, alone or tied, and nothing else, whose
outputs all move one logit the same way.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.constructions.check.arguments.local import (
    Functions,
    Seen,
    claim,
    collect,
    evaluated,
    meaning,
    require_same,
    sizes,
)
from separatrix.constructions.check.arguments.two_layers import (
    HeadWeights,
    Reading,
    TwoLayers,
    exact_scores,
    reading,
)
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.ranges import Range
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint

ARGUMENT = "fetch and veto"


def allowed(certificate: Certificate) -> Collection[str]:
    """What may be rounded: an average of objectors, whose sign alone counts; objectors tie, or weigh nothing."""
    return ("average", "ties")


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    if model.task.vector_size is not None:
        raise CertificateError(f"{ARGUMENT} is about contexts of tokens, got {model.task.name}")
    weights = TwoLayers(model, certificate)
    end = weights.embed[[model.task.query_offset]]
    read = reading(weights, end)
    after = weights.after_mlp(0, weights.exact.add(end, read.own, what="the end token"), "the end token")[0]
    second = Second(weights, read, after)
    if weights.mlps[1] is not None and not weights.mlps[1].idle:
        raise CertificateError("the second layer's MLP must be 0")
    seen = Seen(weights.width)
    objections = collect(evaluated(weights, read, second.used, lambda rows: second.objects(seen.watch(rows))))
    quiet, margin = second.margin()
    _same_task(weights, objections, quiet)
    check_order(weights, certificate, second)
    second.check_ties()
    layout = weights.task.model_dump().get("layout")
    every = layout == "interleaved" and weights.causal  # pairs stand where they stand at any length
    finite = isinstance(weights.format, FloatingPoint) and weights.format.finite
    places, gap = len(weights.positions), second.distance
    found = sizes(weights, read)
    leaks = {} if weights.exact.rounds else {"fetch_leak": drift.leak(places, read.gap)}
    leaks |= {"object_leak": 0.0 if weights.exact.rounds else drift.leak(places, gap)}
    return Proved(
        claim=claim(weights.task, every),
        scope="lengths up to N" if every else "length N",
        margin=margin,
        order="sequential" if finite else "any",
        equal=found,
        loudest=second.loudest,
        streams=(Range.of(seen.rows, second.used), Range.of(after[None])),
        at_least={"fetch_beta": read.gap / 2, "object_beta": gap},
        at_most={"fetch_leak": 0.0, **leaks},
    )


def check_order(weights: TwoLayers, certificate: Certificate, second: Second) -> None:
    """Ties are averaged: without infinities the sums must not overflow."""
    if isinstance(weights.format, FloatingPoint) and weights.format.finite:
        largest = 2 ** (weights.format.mantissa + 2) * max(1.0, second.largest)
        if certificate.order == "any" or largest > weights.format.largest:
            raise CertificateError(f"sums over ties may overflow in {weights.format}, in {certificate.order} order")


def _same_task(weights: TwoLayers, objections: Functions, quiet: int) -> None:
    """What is objected to must be what decides the task, answered otherwise than when nobody objects."""
    wanted = [found for negated in (False, True) if (found := meaning(weights.task, negated)).threshold == 1]
    wanted = [found for found in wanted if found.answer != quiet]
    if not wanted:
        raise CertificateError(f"the task is not decided by one local function answered {1 - quiet}")
    for number, found in enumerate(wanted, start=1):
        try:
            return require_same(objections, found.functions, repeated=False)
        except CertificateError:
            if number == len(wanted):
                raise


@dataclass
class Second:
    """The second layer, seen from the end token. `after`: [D] its residual stream after the first."""

    weights: TwoLayers
    read: Reading
    after: np.ndarray

    def __post_init__(self) -> None:
        working = [head for head in self.weights.heads[1] if not head.idle]
        if len(working) != 1:
            raise CertificateError(f"one head must work in the second layer, {len(working)} do")
        self.head: HeadWeights = working[0]
        exact = self.weights.exact
        self.query = exact.linear(self.after[None], self.head.query, self.head.query_bias, "the end token's query")
        self.own, self.said, _ = self.read_rows(self.after[None])
        mlp = self.weights.mlps[0]
        self.used: np.ndarray = np.logical_or(self.head.key.any(axis=0), self.head.value.any(axis=0))
        if mlp is not None:
            self.used = self.used | mlp.read.any(axis=0)
        self.above = self.below = np.inf
        self.distances: set[float] = set()
        self.loudest = 0.0
        self.lowest, self.highest = np.full(self.weights.width, np.inf), np.full(self.weights.width, -np.inf)
        self.largest = self.widest = float(np.abs(self.said).max())
        self.most_key = np.abs(self.own)

    def read_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys [M, K], outputs [M, D] and values [M, K] of these rows."""
        exact, head = self.weights.exact, self.head
        keys = exact.linear(rows, head.key, head.key_bias, "keys of the second layer")
        exact_scores(self.weights, self.query, keys, "the second layer")
        values = exact.linear(rows, head.value, head.value_bias, "values of the second layer")
        said = exact.linear(values, head.out, np.zeros(self.weights.width), "outputs of the second layer")
        return keys, said, values

    def objects(self, rows: np.ndarray) -> np.ndarray:
        """[M] which rows score above the end token."""
        keys, said, values = self.read_rows(rows)
        distance = (keys @ self.query[0]) - (self.own @ self.query[0])
        above = distance > 0
        self.loudest = max(self.loudest, float(np.abs(values[above]).max(initial=0)))
        self.distances.update(np.unique(distance[above]).tolist())
        self.above = min(self.above, distance[above].min(initial=np.inf))
        self.below = min(self.below, (-distance[~above]).min(initial=np.inf))
        self.lowest = np.minimum(self.lowest, said[above].min(axis=0, initial=np.inf))
        self.highest = np.maximum(self.highest, said[above].max(axis=0, initial=-np.inf))
        self.largest = max(self.largest, float(np.abs(said[above]).max(initial=0)))
        self.widest = max(self.widest, float(np.abs(said).max(initial=0)))
        self.most_key = np.maximum(self.most_key, np.abs(keys).max(axis=0, initial=0))
        return above

    @property
    def distance(self) -> float:
        """How far scores of objectors and of others are from the end token's own, at least."""
        return float(min(self.above, self.below))

    def check_ties(self) -> None:
        """Where sums of many terms are not bounded otherwise, objectors must tie or weigh nothing beside others."""
        found, apart = self.weights.format, np.diff(sorted(self.distances)).min(initial=np.inf)
        many = isinstance(found, FloatingPoint) and 2 * (len(self.weights.positions) + 1) > 2 ** (found.mantissa + 1)
        if many and not vanishes(found, float(apart)):
            raise CertificateError(f"objectors {apart:g} apart share their weight: averages are not bounded")

    def margin(self) -> tuple[int, float]:
        """The answer when nobody objects, and the least difference of logits over all inputs, after `objects`."""
        weights = self.weights
        read = np.flatnonzero(weights.answer.any(axis=0))
        if len(read) != 1 or weights.answer_bias.any():
            raise CertificateError("the answer must be read from one coordinate, without a bias")
        (coordinate,) = read
        sizes = np.abs(weights.answer[:, coordinate])
        if (np.frexp(sizes)[0] % 0.5).any() or (self.head.out[coordinate] != 0).sum() > 1:
            raise CertificateError("the verdict must be one average, passed on times powers of two")
        weights.exact.linear(self.after[None] * [[2]], weights.answer, weights.answer_bias, "the logits")
        slope = weights.answer[1, coordinate] - weights.answer[0, coordinate]
        quiet = weights.exact.add(self.after, self.said[0], what="the end token")[coordinate]
        loud = self.after[coordinate]  # plus what the objectors say
        rising = self.lowest[coordinate] >= 0 and quiet < 0 < loud
        falling = self.highest[coordinate] <= 0 and loud < 0 < quiet
        if not slope or not (rising or falling):
            raise CertificateError("objections do not move the answer's coordinate away from where it is without them")
        distance = self.distance
        if weights.exact.rounds:
            weights.require_vanishing(float(distance), "second layer")
            moved = 0.0
        else:
            moved = self._drift(distance)[coordinate]
        margin = abs(slope) * (min(abs(quiet), abs(loud)) - moved)
        if not margin > 0:
            raise CertificateError(f"leaks move the answer by {moved:g}: nothing is left of its margin")
        return int((quiet > 0) == (slope > 0)), float(margin)

    def _drift(self, distance: float) -> np.ndarray:
        """[D] how far leaks of both layers move the end token."""
        moved = drift.after_first_layer(self.weights, self.read)
        scores = drift.scores(self.head, moved, self.query, self.most_key)
        wrong = drift.leak(len(self.weights.positions) + 1, distance - 2 * scores)
        return moved + drift.outputs(self.head, moved) + 2 * wrong * self.widest
