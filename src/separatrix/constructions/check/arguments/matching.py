"""The lemma of a layer in which a closing bracket reads the one it closes: by depth, by opening, and by recency.

A score is a sum of what the key's token and its place say, and of products of levels (the lemma of `levels`), none of
which is above 0. A closing bracket of depth d, where all was right before it, closes the last opening bracket of depth
d + 1. To keys of that depth all products are 0, exactly; to each other depth 0 < e <= k one of them is so large that
the score is below all others, whatever rounding does. Scores without products are exact, rise with the place from
opening bracket to opening bracket, and all of these are above those of closing brackets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.levels import Levels
from separatrix.constructions.check.arguments.two_layers import HeadWeights, TwoLayers, exact_scores
from separatrix.constructions.check.kernel.exact import may_overflow
from separatrix.numerics import FloatingPoint


@dataclass(frozen=True)
class Matching:
    """What the second layer's head does.

    outputs: [S, D] what is added to the residual stream where a token is read
    gap:     least distance of the right score to any other
    garbage: [D] sizes of what it may add elsewhere: at opening brackets, at the end, and after a mistake
    """

    outputs: np.ndarray
    gap: float
    garbage: np.ndarray


def matching(weights: TwoLayers, found: Levels, opening: int, depth: int) -> Matching:
    """The lemma, or a CertificateError saying where it fails. opening: number of tokens, the first, that open."""
    working = [head for head in weights.heads[1] if not head.idle]
    size, tokens = weights.task.alphabet_size, weights.embed[: weights.task.alphabet_size]
    if not working and opening == 1:  # brackets of one kind match by their depth alone
        return Matching(np.zeros((size, weights.width)), np.inf, np.zeros(weights.width))
    if len(working) != 1:
        raise CertificateError(f"one head must work in the second layer, {len(working)} do")
    (head,) = working
    fixed, products = _split(head, found)
    if not fixed.any():
        raise CertificateError("the second layer's scores must tell places")
    place_keys = weights.exact.linear(weights.positions, head.key, head.key_bias, "keys of the second layer")[:, fixed]
    token_keys = weights.exact.linear(tokens, head.key, np.zeros(len(head.key)), "keys of the second layer")[:, fixed]
    asked = head.query_bias[fixed]
    reached = np.abs(place_keys).max(axis=0) + np.abs(token_keys).max(axis=0)
    exact_scores(weights, asked[None], np.concatenate([place_keys, token_keys, reached[None]]), "the second layer")
    places, said = place_keys @ asked, token_keys @ asked
    gap = _gap(places, said, opening)
    weights.require_vanishing(gap, "second layer")
    largest = float(np.abs(asked) @ reached)
    _require_levels(weights, found, products, depth, 4 * (2 * largest + gap), largest)
    elsewhere = [*found.coordinates, *np.flatnonzero((weights.positions != 0).any(axis=0)).tolist()]
    if head.value[:, elsewhere].any() or head.out[found.coordinates].any():
        raise CertificateError("the second layer's values must tell tokens, and not write over levels")
    end = weights.embed[[weights.task.query_offset]]
    outputs, own = (_output(weights, head, rows) for rows in (tokens, end))
    grown = 1.0
    if isinstance(weights.format, FloatingPoint):  # rounded weights add up to little more than 1
        grown = (1 + weights.format.unit) ** (2 * len(places) + 8)
    return Matching(outputs, gap, np.abs(np.concatenate([outputs, own])).max(axis=0) * grown)


def _output(weights: TwoLayers, head: HeadWeights, rows: np.ndarray) -> np.ndarray:
    values = weights.exact.linear(rows, head.value, head.value_bias, "values of the second layer")
    return weights.exact.linear(values, head.out, np.zeros(weights.width), "outputs of the second layer")


def _split(head: HeadWeights, found: Levels) -> tuple[np.ndarray, list[tuple[int, int, float]]]:
    """The head's coordinates whose query is always the same; products of levels: query's, key's coordinate, size."""
    fixed, products = np.zeros(len(head.query), dtype=bool), []
    own = found.coordinates
    for k, (query, key) in enumerate(zip(head.query, head.key, strict=True)):
        if not query.any():
            fixed[k] = head.query_bias[k] != 0
            if fixed[k] and key[own].any():
                raise CertificateError("scores must tell levels by products alone")
            continue
        pair = np.flatnonzero(query), np.flatnonzero(key)
        if head.query_bias[k] or head.key_bias[k] or any(len(each) != 1 for each in pair):
            raise CertificateError("a product of the second layer's scores must be of two levels")
        asks, holds = int(pair[0][0]), int(pair[1][0])
        if asks not in own[:-1] or holds not in own[:-1] or query[asks] * key[holds] >= 0:
            raise CertificateError("products of levels must lower the second layer's scores")
        products.append((asks, holds, float(-query[asks] * key[holds])))
    return fixed, products


def _gap(places: np.ndarray, tokens: np.ndarray, opening: int) -> float:
    """By how much the last opening bracket, of those that cost nothing, scores above the others and closing ones."""
    least, most = places + tokens[:opening].min(), places + tokens[:opening].max()
    latest = float((least[1:] - np.maximum.accumulate(most)[:-1]).min(initial=np.inf))
    gap = min(latest, float(least.min() - (places.max() + tokens[opening:].max())))
    if not gap > 0:
        raise CertificateError("the second layer does not read the last opening bracket of a depth")
    return gap


def _require_levels(
    weights: TwoLayers, found: Levels, products: list[tuple[int, int, float]], depth: int, needed: float, largest: float
) -> None:
    """CertificateError unless other depths cost so much, and the right one nothing."""
    for d in range(depth):
        asking = found.active(d)
        for e in range(1, depth + 1):
            holding = found.active(e)
            costs = [size for asks, holds, size in products if asks in asking and holds in holding]
            if e == d + 1 and costs:
                raise CertificateError(f"a bracket that closes to depth {d} does not read what opened to depth {e}")
            if e != d + 1 and not max(costs, default=0.0) * found.least**2 >= needed:
                raise CertificateError(f"a bracket that closes to depth {d} may read what opened to depth {e}")
    total = sum(size for *_, size in products) * found.most**2 + largest
    if may_overflow(weights.format, 4 * total):
        raise CertificateError(f"the second layer's scores go up to {total:g}: they may overflow in {weights.format}")
    if isinstance(weights.format, FloatingPoint) and (1 + weights.format.unit) ** (2 * len(products) + 16) > 1.25:
        raise CertificateError(f"scores of so many products are too coarse in {weights.format}")
