"""The lemma of a layer that counts by averaging: which units are exactly 0, for every depth at every place.

A head that asks for nothing gives every place the same weight, 1 / n of n, so that of +1 for opening and -1 for closing
brackets the average is the depth d over n. Rounded weights are at most (1 + u) / n; adding up n of them, in any order,
moves the sum by at most (1 + u)^n - 1 of what their sizes come to. A unit then weighs the average against what it is
told at the place, and is above 0 on one side of a level between two whole numbers: 0 exactly, or at least `least`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments.two_layers import HeadWeights, TwoLayers
from separatrix.numerics import FloatingPoint, Real

FLOAT64 = 2.0**-48
"""What the checker's own sums may be off, relative to the size of their terms."""


@dataclass(frozen=True)
class Levels:
    """What the first layer's MLP writes, by coordinate of the residual stream.

    above, below: coordinate → t: above 0 just where the depth is at least t, or less than t
    average:      the coordinate of the average, which nothing later may read
    least, most:  sizes of what is above 0, over places and depths in -1 … k + 1 (least), and over all (most)
    at_end:       those coordinates that the end token, too, has above 0 just where d >= 1
    """

    above: dict[int, int]
    below: dict[int, int]
    average: int
    least: float
    most: float
    at_end: frozenset[int]

    @property
    def coordinates(self) -> list[int]:
        """All of them, the average too."""
        return [*self.above, *self.below, self.average]

    def active(self, depth: int) -> set[int]:
        """The coordinates above 0 at a place of this depth."""
        return {c for c, t in self.above.items() if depth >= t} | {c for c, t in self.below.items() if depth < t}


def levels(weights: TwoLayers, opening: int) -> Levels:
    """The lemma, or a CertificateError saying where it fails. opening: number of tokens, the first, that open."""
    found, rounded = weights.format, isinstance(weights.format, FloatingPoint)
    if not rounded and not isinstance(found, Real):
        raise CertificateError(f"averages are compared with levels in floating point, not in {found}")
    unit = found.unit if isinstance(found, FloatingPoint) else 0.0
    average = _counting(weights, opening)
    size, mlp = weights.task.alphabet_size, weights.mlps[0]
    if mlp is None or mlp.write_bias.any():
        raise CertificateError("the first layer's MLP must write what its units say, and nothing else")
    live = mlp.write.any(axis=0)
    read, bias, write = mlp.read[live], mlp.read_bias[live], mlp.write[:, live]
    if not live.any():
        raise CertificateError("the first layer's MLP must write levels")
    if not ((write != 0).sum(axis=0) == 1).all() or not np.isin(write, (0, 1)).all():
        raise CertificateError("each level must be written to a coordinate of its own, as it is")
    targets = write.argmax(axis=0)
    tokens, end = weights.embed[:size], weights.embed[weights.task.query_offset]
    own = [*targets.tolist(), average]
    if len(set(own)) < len(own) or tokens[:, own].any() or end[own].any() or weights.positions[:, own].any():
        raise CertificateError("coordinates of levels must be empty before the first layer")
    if read[:, targets].any() or (read[:, (tokens != tokens[:1]).any(axis=0)] != 0).any():
        raise CertificateError("levels must not depend on tokens, nor on one another")
    slope = read[:, average]
    if not (np.frexp(np.abs(slope))[0] == 0.5).all():
        raise CertificateError("a level must weigh the average by a power of two")
    others = np.delete(read, average, axis=1)
    told = np.delete(tokens[:1] + weights.positions, average, axis=1)  # [N, D - 1]
    measured = _Units(slope, unit, read.shape[1] + 3)
    places = np.arange(1, len(told) + 1)
    offsets, masses = told @ others.T + bias, np.abs(told) @ np.abs(others).T + np.abs(bias)
    level, least, most = measured.sides(offsets, masses, places)
    ends = np.arange(2, len(told) + 1, 2) + 1  # the end sees itself, too
    said, mass = np.delete(end, average) @ others.T + bias, np.abs(np.delete(end, average)) @ np.abs(others).T
    at_end = measured.at_end(said, mass + np.abs(bias), ends)
    kinds = list(zip(targets.tolist(), level.tolist(), (slope > 0).tolist(), strict=True))
    return Levels(
        above={c: t for c, t, up in kinds if up},
        below={c: t for c, t, up in kinds if not up},
        average=average,
        least=least,
        most=most,
        at_end=frozenset(targets[at_end].tolist()),
    )


@dataclass(frozen=True)
class _Units:
    """Units that weigh an average by `slope` [U] against offsets. terms: results on the way that may be rounded."""

    slope: np.ndarray
    unit: float
    terms: int

    def off(self, masses: np.ndarray, places: np.ndarray) -> np.ndarray:
        """[N, U] how far a sum into a unit may be from exact, offsets of sizes [N, U] or [U], averages over [N]."""
        averages = (1 + self.unit) ** (places + 3) - 1
        sums = (1 + self.unit) ** self.terms - 1 + FLOAT64
        return np.abs(self.slope) * averages[:, None] + sums * (np.abs(self.slope) * 2 + masses)

    def sides(self, offsets: np.ndarray, masses: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, float, float]:
        """[U] t of every unit, which must be the same at all places; least and most of what is above 0."""
        where = -offsets / self.slope * places[:, None]  # the depth at which the sum is 0
        level = np.ceil(where)
        if (level != level[:1]).any():
            raise CertificateError("a level of depth is another one at another place")
        off, step = self.off(masses, places), np.abs(self.slope) / places[:, None]
        upper, lower = step * (level - where) - off, step * (where - level + 1) - off
        rising = self.slope > 0
        if not (np.where(rising, lower, upper) > 0).all():
            raise CertificateError("rounding may move an average past a level")
        least = float(np.where(rising, upper, lower).min())
        if not least > 0:
            raise CertificateError("rounding may move an average past a level")
        return level[0].astype(np.int64), least, float((2 * np.abs(self.slope) + masses).max() * 2)

    def at_end(self, offset: np.ndarray, mass: np.ndarray, places: np.ndarray) -> np.ndarray:
        """[U] which units of the end are 0 exactly at d <= 0, and at least 1 at d >= 1, after every length."""
        off, step = self.off(mass, places), self.slope / places[:, None]
        silent, loud = offset + off, step + offset - off
        return (self.slope > 0) & (silent <= 0).all(axis=0) & (loud >= 1).all(axis=0)


def _counting(weights: TwoLayers, opening: int) -> int:
    """The coordinate that gets the average of +1 and -1; CertificateError for other heads."""
    working = [head for head in weights.heads[0] if not head.idle]
    if len(working) != 1:
        raise CertificateError(f"one head must work in the first layer, {len(working)} do")
    (head,) = working
    if any(each.any() for each in (head.query, head.query_bias, head.key, head.key_bias)):
        raise CertificateError("the first layer must ask for nothing: then all places have the same weight")
    written = np.flatnonzero(head.out.any(axis=1))
    if not np.isin(head.out, (0, 1)).all() or head.out.sum() != 1:
        raise CertificateError("the average must be written to one coordinate, as it is")
    size = weights.task.alphabet_size
    said = [_values(head, rows)[:, written[0]] for rows in (weights.embed[:size], weights.positions)]
    end = _values(head, weights.embed[[weights.task.query_offset]])[0, written[0]]
    signs = np.where(np.arange(size) < opening, 1.0, -1.0)
    if head.value_bias.any() or (said[0] != signs).any() or said[1].any() or end:
        raise CertificateError("opening brackets must count 1, closing ones -1, and nothing else")
    return int(written[0])


def _values(head: HeadWeights, rows: np.ndarray) -> np.ndarray:
    return rows @ head.value.T @ head.out.T
