"""Argument "copy and match": values hold the key beside them, and a query finds its own.

First layer (the lemma of `two_layers`): keys read themselves, values the key before them, queries themselves. Then
what the second layer compares is a function of the query q and of the key each position holds, and what it reads a
function of the token there. All pairs of keys are compared: the value whose key is q scores above everything else;
without it, q itself does.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import drift
from separatrix.constructions.check.arguments.exactness import signed
from separatrix.constructions.check.arguments.two_layers import (
    HeadWeights,
    Reading,
    TwoLayers,
    exact_scores,
    reading,
)
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.exact import units
from separatrix.models import SequenceModel
from separatrix.tasks.associative_recall import AssociativeRecall

ARGUMENT = "copy and match"
BLOCK = 2**10


def claim(task: AssociativeRecall) -> str:
    """What the argument proves, as a sentence."""
    return f"every key, present or absent, of 1 to {task.pairs} pairs of distinct keys is answered with its value"


def allowed(certificate: Certificate) -> Collection[str]:
    """Nothing is rounded: both layers read one position."""
    return ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. CertificateError for what the weights do not bear out."""
    weights, task = TwoLayers(model, certificate), model.task
    if not isinstance(task, AssociativeRecall):
        raise CertificateError(f"{ARGUMENT} is about associative-recall, got {task.name}")
    if not weights.causal:
        raise CertificateError(f"{ARGUMENT} is about causal attention: one set of weights for all lengths")
    if weights.mlps[1] is not None and not weights.mlps[1].idle:
        raise CertificateError("the second layer's MLP must be 0")
    rows = _rows(weights, task)
    head = weights.heads[1][0]
    if any(not other.idle for other in weights.heads[1][1:]):
        raise CertificateError("one head must work in the second layer")
    exact = weights.exact
    queries = exact.linear(rows.asked, head.query, head.query_bias, "queries of the second layer")
    own, at_values, at_keys = (
        exact.linear(each, head.key, head.key_bias, "keys of the second layer")
        for each in (rows.asked, rows.holding, rows.keys)
    )
    exact_scores(weights, queries, np.concatenate([own, at_values, at_keys]), "the second layer")
    gap = _gap(queries, own, at_values, at_keys)
    weights.require_vanishing(gap, "second layer")
    said, echoed = (_said(weights, head, each) for each in (rows.values, rows.asked))
    moved = _drift(weights, rows, head, (queries, own, at_values, at_keys), gap)
    places = len(weights.positions)
    leaks = [0.0 if exact.rounds else drift.leak(places, each) for each in (rows.read.gap, gap)]
    return Proved(
        claim=claim(task),
        scope="lengths up to N",
        margin=_margin(weights, rows, said, echoed, moved),
        equal={"width": weights.width},
        at_least={"copy_beta": rows.read.gap / 2, "match_beta": gap},
        at_most={"copy_leak": leaks[0], "match_leak": leaks[1]},
    )


@dataclass(frozen=True)
class _Rows:
    """The residual stream after the first layer.

    asked:   [K, D] queries
    holding: [K, D] values, by the key beside them, without what their own token adds
    values:  [V, D] values, by their own token, without what the key beside them adds
    keys:    [K, D] keys
    """

    read: Reading
    asked: np.ndarray
    holding: np.ndarray
    values: np.ndarray
    keys: np.ndarray


def _rows(weights: TwoLayers, task: AssociativeRecall) -> _Rows:
    exact, head = weights.exact, weights.heads[1][0]
    asked = weights.embed[task.query_offset : task.query_offset + task.query_count]
    read = reading(weights, asked)
    places = np.arange(len(weights.positions))
    if read.targets.shape[1] != 1 or (read.targets[:, 0] != places - places % 2).any():
        raise CertificateError("the first layer must read the key of each pair, from the key and from the value")
    tokens = weights.embed[: task.alphabet_size]
    copied = read.outputs[0]
    varying, written = (tokens != tokens[:1]).any(axis=0), copied.any(axis=0)
    mlp = weights.mlps[0]
    if (varying & written).any() or (mlp is not None and (mlp.read[:, varying | written] != 0).any()):
        raise CertificateError("tokens, what is read and what the MLP reads must have coordinates of their own")
    if head.key[:, varying].any() or head.value[:, written].any():
        raise CertificateError("the second layer's keys must come from what was read, its values from the tokens")
    shared = np.where(varying, 0, tokens[:1])
    alone = weights.after_mlp(0, exact.add(shared, weights.positions, what="positions"), "positions")
    used = head.key.any(axis=0) | head.value.any(axis=0)
    if any((alone[parity::2, used] != alone[parity, used]).any() for parity in (0, 1)):
        raise CertificateError("the second layer tells positions apart: it must see keys and values alone")
    even, odd = (np.where(used, alone[parity], 0)[None] for parity in (0, 1))
    queries = weights.after_mlp(0, exact.add(asked, read.own, what="queries"), "queries")
    keys, values = slice(task.keys), slice(task.value_offset, task.value_offset + task.values)
    own = np.where(varying, tokens, 0)
    return _Rows(
        read,
        asked=queries,
        holding=exact.add(odd, copied[keys], what="values"),
        values=exact.add(odd, own[values], what="values"),
        keys=exact.add(even, own[keys], copied[keys], what="keys"),
    )


def _gap(queries: np.ndarray, own: np.ndarray, at_values: np.ndarray, at_keys: np.ndarray) -> float:
    """The least distance of the right score, the key's value's or without it the query's own, to any other."""
    itself = (queries * own).sum(axis=1)
    present = absent = math.inf
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        here = np.arange(len(queries[block]))
        of_values, of_keys = queries[block] @ at_values.T, queries[block] @ at_keys.T
        match, beside = of_values[here, start + here].copy(), of_keys[here, start + here].copy()
        of_values[here, start + here] = of_keys[here, start + here] = -math.inf
        others = np.maximum(of_values.max(axis=1), of_keys.max(axis=1))
        absent = min(absent, float((itself[block] - others).min()))
        present = min(present, float((match - np.maximum(np.maximum(others, beside), itself[block])).min()))
    if not min(present, absent) > 0:
        raise CertificateError("a query scores something else above its key's value, or above itself without it")
    return min(present, absent)


def _said(weights: TwoLayers, head: HeadWeights, rows: np.ndarray) -> np.ndarray:
    """[M, D] what is added to the query's residual stream where it reads one of these rows."""
    values = weights.exact.linear(rows, head.value, head.value_bias, "values of the second layer")
    return weights.exact.linear(values, head.out, np.zeros(weights.width), "outputs of the second layer")


def _margin(weights: TwoLayers, rows: _Rows, said: np.ndarray, echoed: np.ndarray, moved: float) -> float:
    """The least difference of logits: what a query adds to them by itself must be the same for all queries."""
    exact, absent = weights.exact, len(said)
    answered = exact.add(rows.asked, echoed, what="answers")
    logits = exact.linear(answered, weights.answer, weights.answer_bias, "logits")
    margin = logits[:, absent] - logits[:, :absent].max(axis=1)
    _exact_logits(weights, rows.asked, said)
    offsets = rows.asked @ weights.answer.T + weights.answer_bias
    spread = float((offsets.max(axis=0) - offsets.min(axis=0)).max())
    logits = said @ weights.answer.T + offsets[:1]
    right = logits[np.arange(absent), np.arange(absent)].copy()
    logits[np.arange(absent), np.arange(absent)] = -math.inf
    least = min(float(margin.min()), float((right - logits.max(axis=1)).min()) - 2 * spread) - 2 * moved
    if not least > 0:
        raise CertificateError(f"the least difference of logits is {least:g}: some queries are answered wrongly")
    return least


def _exact_logits(weights: TwoLayers, asked: np.ndarray, said: np.ndarray) -> None:
    """Logits of every query that reads every value: sums of two parts, bounded each by itself."""
    parts = [signed(asked, weights.answer), signed(said, weights.answer)]
    bias = np.abs(weights.answer_bias)
    mass = bias + sum(np.maximum(rise, fall).max(axis=0) for rise, fall, _ in parts)
    unit = np.minimum(np.minimum(parts[0][2], parts[1][2]), units(weights.answer_bias))
    weights.exact.sums(mass, unit, "logits")


def _drift(weights: TwoLayers, rows: _Rows, head: HeadWeights, scored: tuple[np.ndarray, ...], gap: float) -> float:
    """How far leaks of both layers move a logit, in real arithmetic."""
    if weights.exact.rounds:
        return 0.0
    moved = drift.after_first_layer(weights, rows.read)
    gap -= 2 * drift.scores(head, moved, scored[0], np.concatenate(scored[1:]))
    wrong = drift.leak(len(weights.positions), gap)
    reach = [np.abs(_said(weights, head, each)).max(axis=0) for each in (rows.values, rows.asked, rows.keys)]
    moved = moved + drift.outputs(head, moved) + 2 * wrong * np.max(reach, axis=0)
    return float((np.abs(weights.answer) @ moved).max())
