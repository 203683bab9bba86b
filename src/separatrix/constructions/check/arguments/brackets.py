"""Argument "match and veto": every bracket sees the one that decides about it, and the end whether any bracket objects.

Places are counted from 1. First layer (the lemma of `recency`): odd places, and the end, read the token before them;
even places the most recent opening bracket at an odd place, of which there is one if the first bracket opens; the
first place itself. All brackets are tried with all they may read, and must object just where the definition rejects.

Induction over the tokens, nobody having objected: after an odd place the definition's stack is (z), z the most recent
opening bracket at an odd place; after an even place it is () if the last token closes, (z, y) if it is y, opening.
Where nobody objects the string is a member if the end reads a closing bracket; else the end objects. A first bracket
that closes objects, and what even places then read is of no account: objections do not cancel one another.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.any_objection import Second, check_order
from separatrix.constructions.check.arguments.languages import Language, language
from separatrix.constructions.check.arguments.recency import Recency, recency
from separatrix.constructions.check.arguments.two_layers import TwoLayers
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.ranges import Range
from separatrix.models import SequenceModel
from separatrix.numerics import FloatingPoint
from separatrix.tasks.base import context_task
from separatrix.tasks.bounded_dyck import BoundedDyck

ARGUMENT = "match and veto"
BUDGET = 2**20
"""Steps of the definition tried at most."""


def claim(task: BoundedDyck) -> str:
    """What the argument proves, as a sentence."""
    return (
        f"every string of every even length up to {task.length} is accepted if it is in bounded Dyck-({task.kinds}, "
        f"{task.depth}), and rejected if not"
    )


def allowed(certificate: Certificate) -> Collection[str]:
    """What may be rounded: an average of objectors, whose sign alone counts; objectors tie, or weigh nothing."""
    return ("average", "ties")


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    task = context_task(model.task)
    if not isinstance(task, BoundedDyck):
        raise CertificateError(f"{ARGUMENT} is about bounded-dyck, got {model.task.name}")
    if 2 * task.kinds**3 > BUDGET:
        raise CertificateError(f"more than {BUDGET:,} steps of the definition to try: the checker takes fewer kinds")
    weights = TwoLayers(model, certificate)
    if not weights.causal:
        raise CertificateError(f"{ARGUMENT} is about causal attention: one set of weights for all lengths")
    if weights.mlps[1] is not None and not weights.mlps[1].idle:
        raise CertificateError("the second layer's MLP must be 0")
    head = recency(weights, opening=task.kinds)
    rows = _Rows(weights, head, task)
    second = rows.second
    _same_language(language(task), task.kinds, rows)
    quiet, margin = second.margin()
    if quiet != 1:
        raise CertificateError("strings are rejected where nobody objects")
    rows.check_end()
    check_order(weights, certificate, second)
    second.check_ties()
    finite = isinstance(weights.format, FloatingPoint) and weights.format.finite
    places = len(weights.positions)
    leaks = [0.0 if weights.exact.rounds else drift.leak(places, gap) for gap in (head.reading.gap, second.distance)]
    return Proved(
        claim=claim(task),
        scope="lengths up to N",
        margin=margin,
        order="sequential" if finite else "any",
        equal={"width": weights.width},
        loudest=second.loudest,
        streams=(Range.of(np.concatenate(rows.seen), second.used), Range.of(rows.end)),
        at_least={"fetch_beta": head.reading.gap, "object_beta": second.distance},
        at_most={"fetch_leak": leaks[0], "object_leak": leaks[1]},
    )


class _Rows:
    """The residual stream after the first layer, and who objects: tables [S] or [S, S], own token first, then the read.

    end: [S, D] the end token, by what it reads
    """

    def __init__(self, weights: TwoLayers, head: Recency, task: BoundedDyck) -> None:
        self.weights, size = weights, task.alphabet_size
        end = weights.exact.add(weights.embed[[task.query_offset]], head.at_even, what="the end token")
        self.end = weights.after_mlp(0, end, "the end token")
        self.opens = np.arange(size) < task.kinds
        self.second = Second(weights, head.reading, self.end[-1])
        self.seen: list[np.ndarray] = []
        tokens, places = weights.embed[:size], weights.positions
        self.first = self._objects(tokens + head.at_odd, places[:1])
        every = [np.repeat(tokens, size, axis=0) + np.tile(read, (size, 1)) for read in (head.at_even, head.at_odd)]
        self.odd, self.even = self._objects(every[0], places[2::2]), self._objects(every[1], places[1::2])
        self._objects(every[0], places[1::2])  # where the first bracket closes, an even place may read an even one

    def _objects(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Which rows object, at all of these places. CertificateError where places are told apart."""
        used = self.second.used
        if not len(places):
            return np.zeros(0, dtype=bool)
        if (places[:, used] != places[:1, used]).any():
            raise CertificateError("after the first layer places must be told apart by their parity alone")
        found = self.weights.exact.add(rows, np.where(used, places[:1], 0), what="the residual stream")
        found = self.weights.after_mlp(0, found, "first layer")
        self.seen.append(found)
        return self.second.objects(found)

    def check_end(self) -> None:
        """CertificateError unless the end, after an opening bracket, is an objector; and always the same after others.

        Its stream before the second layer must be at least as far on the side of rejection as that of a silent end.
        """
        second, head = self.second, self.second.head
        (coordinate,) = np.flatnonzero(self.weights.answer.any(axis=0))
        used = head.query.any(axis=0) | head.key.any(axis=0) | head.value.any(axis=0)
        used[coordinate] = True
        silent, loud = self.end[~self.opens], self.end[self.opens]
        if (silent[:, used] != second.after[used]).any():
            raise CertificateError("the end token tells closing brackets apart")
        if (loud @ head.query.T + head.query_bias != second.query).any() or not second.objects(loud).all():
            raise CertificateError("the end token does not object to an opening bracket before it")
        side = np.sign(second.after[coordinate])
        if (side * (loud[:, coordinate] - second.after[coordinate]) < 0).any():
            raise CertificateError("an end that objects starts from the side of those that accept")


def _same_language(definition: Language, kinds: int, rows: _Rows) -> None:
    """The induction: CertificateError where brackets object otherwise than the definition rejects."""
    step, opening, tokens = definition.step, range(kinds), range(2 * kinds)
    size, rejected = len(tokens), "rejected"
    first, odd, even = rows.first.tolist(), rows.odd.reshape(-1, size).tolist(), rows.even.reshape(-1, size).tolist()

    def same(objects: bool, before: tuple[int, ...], token: int, after: tuple[int, ...]) -> None:
        wanted = step(before, token)
        if objects != (wanted == rejected) or (not objects and wanted != after):
            raise CertificateError(f"token {token} after the open brackets {before}: objections are not the task's")

    for x in tokens:
        same(first[x], (), x, (x,))
        for z in opening:
            same(even[x][z], (z,), x, (z, x) if x in opening else ())
        for y in tokens[kinds:] if len(odd) else ():
            same(odd[x][y], (), x, (x,))
        for z, y in product(opening, opening) if len(odd) and step((0,), 0) != rejected else ():
            same(odd[x][y], (z, y), x, (z,))
    others = [rejected, *((z, y) for z, y in product(opening, opening))]
    ends = definition.start == () and definition.answer(()) == 1 and not any(map(definition.answer, others))
    if not ends or any(step(rejected, x) != rejected for x in tokens):
        raise CertificateError("the definition accepts otherwise than where all brackets are closed")
