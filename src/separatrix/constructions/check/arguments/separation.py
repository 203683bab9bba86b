"""How far each query's own key stands out among all keys, over all pairs: through a group structure, or one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.numerics import FORMATS, Grid

ALL_PAIRS = 2**17
"""Rows whose pairs are multiplied out one by one, at most."""
BLOCK = 1024


@dataclass(frozen=True)
class Separation:
    """Own score less any other key's.

    gap:  its least value over all queries and other keys; infinite when there are none
    leak: the largest sum, over the other keys, of exp(-difference)
    """

    gap: float
    leak: float


def separation(queries: Float[Tensor, "N d"], keys: Float[Tensor, "N d"]) -> Separation:
    """Query i is to match key i. float32 tables; exact up to the rounding of float64.

    Raises CertificateError when there are too many pairs to look at one by one and the keys are no group of signs.
    """
    varying = (keys != keys[0]).any(dim=0)  # other coordinates add the same to all scores of a query
    queries, keys = queries[:, varying], keys[:, varying]
    if not varying.any():
        return Separation(math.inf, 0.0) if len(keys) == 1 else Separation(0.0, len(keys) - 1.0)
    signs = sign_group(queries, keys)
    if signs is not None:
        return _of_group(signs, queries[0].double() * keys[0].double())
    if len(keys) > ALL_PAIRS:
        raise CertificateError(
            f"{len(keys):,} keys are no group of signs, and more than the {ALL_PAIRS:,} whose pairs are looked at"
        )
    return _of_pairs(queries, keys)


def sign_group(queries: Float[Tensor, "N d"], keys: Float[Tensor, "N d"]) -> Float[Tensor, "N d"] | None:
    """Signs C with query i = query 0 * C_i, key i = key 0 * C_i and C_i * C_j = C_(i xor j); None if there are none."""
    if (keys[0] == 0).any() or (queries[0] == 0).any():
        return None
    signs = keys / keys[0]
    alike = (signs.abs() == 1).all() and torch.equal(queries, queries[0] * signs)
    if not alike or not torch.equal(keys, keys[0] * signs):
        return None
    for bit in range((len(signs) - 1).bit_length()):
        upper = signs[2**bit : 2 ** (bit + 1)]
        if not torch.equal(upper, signs[: len(upper)] * signs[2**bit]):
            return None
    return signs


def _of_group(signs: Float[Tensor, "N d"], weight: Float[Tensor, " d"]) -> Separation:
    """Scores of a pair are those of row 0 and row i xor j, so all pairs are the rows of the group, row 0 apart.

    Where N is no power of 2 the group has rows that no pair has: they are counted all the same.
    """
    half = 2 ** ((len(signs) - 1).bit_length() - 1)
    gap, leak = math.inf, 0.0
    for start in range(0, half, 2**16):
        lower = signs[start : min(start + 2**16, half)].double()
        for rows in (lower, lower * signs[half].double()):
            differences = (1 - rows) @ weight
            if start == 0 and rows is lower:
                differences = differences[1:]
            if len(differences):
                gap = min(gap, float(differences.min()))
                leak += float(torch.exp(-differences).sum())
    return Separation(gap, leak)


def _of_pairs(queries: Float[Tensor, "N d"], keys: Float[Tensor, "N d"]) -> Separation:
    """All pairs by blocked matrix products. The leak is bounded by the number of keys and the least gap."""
    scores = Grid.of(queries).dot(Grid.of(keys))
    if not scores.plus(scores).exact_in(FORMATS["fp32"]):  # else float32 gives the same, and faster
        queries, keys = queries.double(), keys.double()
    own = (queries * keys).sum(dim=1)
    gap = math.inf
    for i in range(0, len(keys), BLOCK):
        for j in range(0, len(keys), BLOCK):
            differences = own[i : i + BLOCK, None] - queries[i : i + BLOCK] @ keys[j : j + BLOCK].T
            if i == j:
                differences.fill_diagonal_(math.inf)
            gap = min(gap, float(differences.min()))
    return Separation(gap, (len(keys) - 1) * math.exp(-gap) if gap > 0 else float(len(keys) - 1))
