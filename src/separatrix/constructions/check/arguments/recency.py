"""The lemma of a first layer that reads by recency: one position from every place, whatever the tokens are.

Scores are a sum of what the place that is read and what its token add, for each of the few queries that places ask. If
no two of these sums are closer than `gap`, whatever stands where, the largest score is the only one that counts. Which
it is, running maxima tell: at odd places, counted from 1, and at the end the place before; at even ones the most recent
opening bracket at an odd place, provided there is one. Place 1 sees nothing but itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.two_layers import HeadWeights, Reading, TwoLayers

QUERIES = 4
"""Different queries of places, at most."""


@dataclass(frozen=True)
class Recency:
    """What the first layer's head does. at_odd, at_even: [S, D] what it adds where it reads a token at such a place."""

    reading: Reading
    at_odd: np.ndarray
    at_even: np.ndarray


def recency(model: TwoLayers, opening: int) -> Recency:
    """The lemma, or a CertificateError saying where it fails. opening: number of tokens, the first, that open."""
    working = [head for head in model.heads[0] if not head.idle]
    if len(working) != 1:
        raise CertificateError(f"one head must work in the first layer, {len(working)} do")
    (head,), tokens = working, model.embed[: model.task.alphabet_size]
    varying = (tokens != tokens[:1]).any(axis=0)
    if head.query[:, varying].any():
        raise CertificateError("the first layer's queries depend on the tokens")
    own, shared = np.where(varying, tokens, 0), np.where(varying, 0, tokens[:1])
    places = model.exact.add(shared, model.positions, what="embeddings")
    end = model.embed[[model.task.query_offset]]
    queries = places @ head.query.T + head.query_bias
    place_keys, token_keys, end_key = places @ head.key.T + head.key_bias, own @ head.key.T, end @ head.key.T
    asked = end @ head.query.T + head.query_bias
    scored = _Scores(place_keys @ asked[0], token_keys @ asked[0], opening)
    gap = _end_gap(scored, float((end_key[0] + head.key_bias) @ asked[0]))
    different, index = np.unique(queries, axis=0, return_inverse=True)
    if len(different) > QUERIES:
        raise CertificateError(f"places ask {len(different)} queries in the first layer: expected {QUERIES} at most")
    for number, query in enumerate(different):
        found = _Scores(place_keys @ query, token_keys @ query, opening)
        gap = min(gap, found.apart())
        found.require(index.reshape(-1) == number)
    if not gap > 0:
        raise CertificateError("two places have one score in the first layer")
    model.require_vanishing(gap, "first layer")
    at_odd, at_even = (_said(model, head, own, places[parity::2]) for parity in (0, 1))
    outputs = np.concatenate([at_odd, at_even, _said(model, head, end, np.zeros_like(end))])
    targets = np.zeros((len(places), 1), dtype=np.int64)
    return Recency(Reading(targets, outputs[None], np.zeros_like(end), gap), at_odd, at_even)


@dataclass(frozen=True)
class _Scores:
    """Scores of one query: place + token. places: [N]; tokens: [S], of which `opening` are opening brackets."""

    places: np.ndarray
    tokens: np.ndarray
    opening: int

    def apart(self) -> float:
        """The least distance of any two scores that differ."""
        levels = np.unique(self.tokens)
        every = np.sort((self.places[:, None] + levels).reshape(-1))
        return float(np.diff(every).min(initial=math.inf))

    def require(self, asking: np.ndarray) -> None:
        """CertificateError unless these places ([N] booleans) read what they should. `asking[t]` is of place t + 1."""
        best, worst = self.places + self.tokens.max(), self.places + self.tokens.min()
        before = np.maximum.accumulate(best)
        odd, even = np.flatnonzero(asking[2::2]) * 2 + 2, np.flatnonzero(asking[1::2]) * 2 + 1
        if not (worst[odd - 1] > np.maximum(before[odd - 2], best[odd])).all():
            raise CertificateError("an odd place does not read the token before it")
        opens = self.places[::2] + self.tokens[: self.opening].min()  # the least score of an opening bracket, at odd
        latest = self.places[::2] + self.tokens[: self.opening].max()
        others = np.maximum(self.places[::2] + self.tokens[self.opening :].max(), best[1::2])  # by pairs of places
        least, most = np.minimum.accumulate(opens), np.maximum.accumulate(others)
        pair = even // 2
        if not (least[pair] > most[pair]).all():
            raise CertificateError("an even place may read something else than an opening bracket at an odd place")
        if len(pair) and not (opens[1 : pair.max() + 1] > np.maximum.accumulate(latest)[: pair.max()]).all():
            raise CertificateError("an even place does not read the most recent opening bracket at an odd place")


def _end_gap(scores: _Scores, own: float) -> float:
    """By how much the end scores the last token of every even length above all before it, and itself."""
    best, worst = scores.places + scores.tokens.max(), scores.places + scores.tokens.min()
    before = np.maximum(np.maximum.accumulate(best)[0::2], own)
    gap = float((worst[1::2] - before).min())
    if not gap > 0:
        raise CertificateError("the end token does not read the last token")
    return gap


def _said(model: TwoLayers, head: HeadWeights, tokens: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[S, D] what the head adds to the residual stream where it reads one of these tokens, at any of these places."""
    placed = places @ head.value.T
    if (placed != placed[:1]).any():
        raise CertificateError("the first layer's values must tell places apart by their parity alone")
    values = model.exact.linear(tokens, head.value, placed[0] + head.value_bias, "values of the first layer")
    return model.exact.linear(values, head.out, np.zeros(model.width), "outputs of the first layer")
