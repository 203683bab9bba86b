"""Argument "count, match and veto": every place knows its depth, every closing bracket what it closes, the end all.

First layer: the lemma of `levels`. Second layer: the lemma of `matching`. The MLP after it is evaluated for every
token with all it may read: it must object just where the definition rejects, in whole numbers. Third layer: a veto, by
the lemma of `any_objection`. Induction over the places, nobody having objected: depth and innermost bracket are the
definition's stack's, so the next place objects just where that rejects; at the end the stack is empty if depth is 0.

What brackets read that have nothing to close, and those after a mistake, is a mean that nothing is known of: it may
make them objectors of any size, but no less of objectors than they are without it, nor silence the one that came
first: what is said rises with the score, so that what speaks for the string weighs little, or says little.
All that must be exact is proved to be so here; the envelope sees to it that nothing overflows.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from copy import copy

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.any_objection import Second
from separatrix.constructions.check.arguments.languages import language
from separatrix.constructions.check.arguments.levels import Levels, levels
from separatrix.constructions.check.arguments.matching import Matching, matching
from separatrix.constructions.check.arguments.two_layers import Reading, TwoLayers
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint
from separatrix.tasks.base import context_task
from separatrix.tasks.bounded_dyck import BoundedDyck

ARGUMENT = "count, match and veto"
SHARE = 0.5
"""Of what an end that objects starts from, how much objectors of little weight may take away."""
LARGEST = 2**11
"""Kinds at most: pairs of them are tried."""


def claim(task: BoundedDyck) -> str:
    """What the argument proves, as a sentence."""
    return (
        f"every string of every even length up to {task.length} is accepted if it is in bounded Dyck-({task.kinds}, "
        f"{task.depth}), and rejected if not"
    )


def allowed(certificate: Certificate) -> Collection[str]:
    """Averages of the first layer are rounded, and what follows them: the argument says where results are exact."""
    return ("inputs", "average", "ties")


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    task = context_task(model.task)
    if not isinstance(task, BoundedDyck) or task.depth < 2:
        raise CertificateError(f"{ARGUMENT} is about bounded-dyck of depth 2 and more, got {model.task.name}")
    if task.kinds > LARGEST:
        raise CertificateError(f"more than {LARGEST:,} kinds of brackets: the checker tries all pairs")
    weights = TwoLayers(model, certificate, layers=3)
    if not weights.causal:
        raise CertificateError(f"{ARGUMENT} is about causal attention: one set of weights for all lengths")
    if weights.mlps[2] is not None and not weights.mlps[2].idle:
        raise CertificateError("the third layer's MLP must be 0")
    both = weights.positions.any(axis=0) & weights.embed.any(axis=0)
    if weights.positions[:, both].any() and weights.embed[: task.alphabet_size, both].any():
        raise CertificateError("tokens and places must be told in different coordinates")
    found = levels(weights, task.kinds)
    rows = _Rows(weights, found, matching(weights, found, task.kinds, task.depth), task)
    rows.same_language()
    quiet, margin = rows.verdict()
    if quiet != 1:
        raise CertificateError("strings are rejected where nobody objects")
    return Proved(
        claim=claim(task),
        scope="lengths up to N",
        margin=margin,
        order="any",
        equal={"width": weights.width},
        at_least={"match_beta": rows.gap, "object_beta": rows.second.distance},
        at_most={"match_leak": 0.0 if weights.exact.rounds else drift.leak(len(weights.positions) + 1, rows.gap)},
    )


class _Rows:
    """The residual stream before the third layer, and who objects there."""

    def __init__(self, weights: TwoLayers, found: Levels, read: Matching, task: BoundedDyck) -> None:
        self.found, self.read, self.task = found, read, task
        self.gap = min(read.gap, 2.0**60)
        rest = copy(weights)
        rest.heads, rest.mlps = weights.heads[1:], weights.mlps[1:]
        self.weights, self.second_mlp = rest, weights.mlps[1]
        self.unknown = np.flatnonzero(read.garbage)
        after = self._after(rest.embed[[task.query_offset]], "zero", garbage=True)[0]
        zeros = np.zeros_like(after[None])
        outputs = read.outputs[None] if any(not head.idle for head in rest.heads[0]) else np.zeros((0, 0, rest.width))
        self.second = Second(
            rest, Reading(np.zeros((1, len(outputs)), dtype=np.int64), outputs, zeros, self.gap), after
        )
        head, own = self.second.head, [*found.coordinates, *self.unknown]
        placed = np.flatnonzero(rest.positions.any(axis=0)).tolist()
        readers = np.concatenate([head.query, head.key, head.value, rest.answer])
        if readers[:, [*own, *placed]].any():
            raise CertificateError("the third layer must read neither places, nor levels, nor what was read")
        mlp = self.second_mlp
        if mlp is None or mlp.read[:, [found.average, *placed]].any() or (mlp.read[:, found.coordinates] > 0).any():
            raise CertificateError("the second layer's MLP must be told levels alone, and be shut by them")
        self.least_distance = math.inf

    def _after(self, rows: np.ndarray, active: Collection[int] | str, garbage: bool) -> np.ndarray:
        """Rows after the second layer's MLP. active: levels above 0, the others being 0; `zero`: those of the end.

        garbage: what the head reads is not known, and must be of no account
        """
        mlp, found = self.second_mlp, self.found
        assert mlp is not None
        before, shut = self._sums(rows), np.zeros(len(mlp.read), dtype=bool)
        levels_read = mlp.read[:, found.coordinates] != 0
        if isinstance(active, str):  # of the end: levels that are 0 at depth 0, others unknown
            known = np.array([c in found.at_end for c in found.coordinates])
            shut = (levels_read & ~known).any(axis=1)
            if (before[:, shut] > 0).any():
                raise CertificateError("the end must know whether its depth is 0")
        else:
            for coordinate in active:
                told = mlp.read[:, coordinate]
                shut |= told < 0
                if (before[:, told < 0] + told[told < 0] * found.least > 0).any():
                    raise CertificateError("a level above 0 must shut the units that read it")
        if garbage:
            reads = (mlp.read[:, self.unknown] != 0).any(axis=1)
            worst = before + np.abs(mlp.read) @ self.read.garbage
            if (worst[:, reads] > 0).any():
                raise CertificateError("what a bracket reads that closes nothing must be of no account")
            shut |= reads
        return self._written(rows, np.where(shut, 0.0, np.maximum(before, 0)))

    def _sums(self, rows: np.ndarray) -> np.ndarray:
        """[B, M] what rows tell the second layer's MLP, levels not counted."""
        mlp = self.second_mlp
        assert mlp is not None
        return self.weights.exact.linear(rows, mlp.read, mlp.read_bias, "sums into the second layer's MLP")

    def _written(self, rows: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Rows and what the MLP's units [B, M] write to them."""
        mlp = self.second_mlp
        assert mlp is not None
        written = self.weights.exact.linear(inside, mlp.write, mlp.write_bias, "sums out of the second layer's MLP")
        return self.weights.exact.add(rows, written, what="the residual stream")

    def same_language(self) -> None:
        """CertificateError where brackets object otherwise than the definition rejects."""
        task, definition = self.task, language(self.task)
        kinds, tokens, step = task.kinds, self.weights.embed[: self.task.alphabet_size], definition.step

        def same(objects: np.ndarray, stacks: list[tuple[int, ...]], token: int) -> None:
            wanted = [step(stack, token) == "rejected" for stack in stacks]
            if objects.tolist() != wanted:
                raise CertificateError(f"token {token}: objections are not where the task's definition rejects")

        for height in range(task.depth + 1):
            below = (0,) * (height - 1)
            opened = self.second.objects(self._after(tokens[:kinds], self.found.active(height + 1), garbage=True))
            for x in range(kinds):
                same(opened[x : x + 1], [(*below, 0) if height else ()], x)
            for x in range(kinds, 2 * kinds):
                if not height:
                    continue
                row = self.weights.exact.add(tokens[[x]], self.read.outputs[:kinds], what="the residual stream")
                objects = self.second.objects(self._after(row, self.found.active(height - 1), garbage=False))
                same(objects, [(*below, z) for z in range(kinds)], x)
        ends = definition.start == () and definition.answer(()) == 1
        if not ends or definition.answer((0,)) or any(step((), x) != "rejected" for x in range(kinds, 2 * kinds)):
            raise CertificateError("the definition accepts otherwise than where all brackets are closed")
        if any(step("rejected", x) != "rejected" for x in range(2 * kinds)):
            raise CertificateError("the definition goes on after a mistake")
        self._mistakes(tokens)

    def _mistakes(self, tokens: np.ndarray) -> None:
        """After a mistake: no bracket is less of an objector for what it reads, nor is one that closes nothing."""
        mlp, head = self.second_mlp, self.second.head
        assert mlp is not None
        rises = (self.second.query @ head.key) @ mlp.write  # [1, M] what a unit adds to a score
        reads = (mlp.read[:, self.unknown] != 0).any(axis=1)
        if (rises[0, reads] < 0).any():
            raise CertificateError("what a bracket reads must not take objections back")
        before = np.maximum(self._sums(tokens), 0)
        closing = np.arange(len(tokens)) >= self.task.kinds
        shut = (mlp.read[:, list(self.found.active(-1))] < 0).any(axis=1)
        rows = self._written(tokens[closing], np.where(shut | reads, 0.0, before)[closing])
        if not self.second.objects(rows).all():
            raise CertificateError("a bracket that closes nothing must object")
        pull = np.where(rises[0] < 0, before * rises[0], 0).sum(axis=1)  # whatever the levels are
        kept = np.where((rises[0] > 0) & ~(mlp.read[:, self.found.coordinates] != 0).any(axis=1) & ~reads, before, 0)
        base = (tokens @ head.key.T + head.key_bias) @ self.second.query[0] - self.second.own[0] @ self.second.query[0]
        self.least_distance = float((base + pull + kept @ rises[0]).min())

    def verdict(self) -> tuple[int, float]:
        """The answer where nobody objects, and the least difference of logits over all inputs."""
        second, weights = self.second, self.weights
        end = self._loud_end()
        quiet, margin = second.margin()
        coordinate = int(np.flatnonzero(weights.answer.any(axis=0))[0])  # the only one, or there is no margin
        if np.sign(second.after[coordinate]) * (end[coordinate] - second.after[coordinate]) < 0:
            raise CertificateError("an end that objects starts from the side of those that accept")
        loud, slope = abs(second.after[coordinate]), self._slope(coordinate)
        start = abs(second.said[0, coordinate])  # at distance 0 the verdict is this much against objecting
        first, most = float(second.above), start / slope  # from `most` on what is said is no longer against it
        lightest = first - most + SHARE * loud / slope
        taken = len(weights.positions) * math.exp(-min(lightest, 700.0)) * (start - slope * min(0, self.least_distance))
        moved = 0.0 if weights.exact.rounds else 2 * second._drift(second.distance)[coordinate]
        if isinstance(weights.format, FloatingPoint):  # an average of so many rounded terms
            moved = (1 + weights.format.unit) ** (2 * len(weights.positions) + 8) - 1
        left = loud * (1 - SHARE) - taken - moved
        if not left > 0 or not first >= most:
            raise CertificateError("objectors after a mistake may speak for a string")
        step = abs(weights.answer[1, coordinate] - weights.answer[0, coordinate])
        return quiet, float(min(margin, step * left))

    def _loud_end(self) -> np.ndarray:
        """[D] the end where its depth is above 0, which must be an objector as any other."""
        found, mlp, row = self.found, self.second_mlp, self.weights.embed[[self.task.query_offset]]
        assert mlp is not None
        before, told = self._sums(row)[0], mlp.read[:, sorted(found.at_end)]
        if (before + told.min(axis=1, initial=0) > 0)[(told < 0).any(axis=1)].any():
            raise CertificateError("a depth above 0 must shut what the end says otherwise")
        shut = (mlp.read[:, found.coordinates] < 0).any(axis=1) | (mlp.read[:, self.unknown] != 0).any(axis=1)
        end = self._written(row, np.where(shut, 0.0, np.maximum(before, 0))[None])
        if (end @ self.second.head.query.T + self.second.head.query_bias != self.second.query).any():
            raise CertificateError("the end's query must be the same whatever its depth")
        if not self.second.objects(end).all():
            raise CertificateError("the end must object to a depth above 0")
        return np.asarray(end[0])

    def _slope(self, coordinate: int) -> float:
        """What is said rises by so much for each unit of a score; CertificateError where it is no function of it."""
        head, second = self.second.head, self.second
        keys, values = second.query @ head.key, head.out[[coordinate]] @ head.value  # [1, D] each
        used = np.flatnonzero(keys[0])
        if not len(used):
            raise CertificateError("the third layer must read objections")
        ratio = float(values[0, used[0]] / keys[0, used[0]])
        same = np.array_equal(values, keys * ratio)
        sign = np.sign(second.after[coordinate])
        if not same or ratio * sign <= 0 or np.flatnonzero(head.out.any(axis=1)).tolist() != [coordinate]:
            raise CertificateError("what objectors say must rise with their scores, on the side of rejection")
        return abs(ratio)
