"""Real arithmetic: how far everything moves when attention is not quite one-hot."""

from __future__ import annotations

import math

import numpy as np

from separatrix.constructions.check.arguments.two_layers import HeadWeights, Reading, TwoLayers

HOPELESS = 100.0
"""Logarithm of a leak that no margin survives: a share is never above 1, and numbers stay finite."""


def leak(others: int, gap: float) -> float:
    """The weight of all other positions together is at most this, when all score so much less."""
    return math.exp(min(math.log(others) - gap, HOPELESS)) if gap < math.inf else 0.0


def after_first_layer(model: TwoLayers, read: Reading) -> np.ndarray:
    """[D] how far each coordinate of the residual stream may be from what exact reading gives, at any position.

    A head's output moves by the leak times the distance of two outputs; a ReLU unit by no more than what it reads.
    """
    wrong = leak(len(model.positions), read.gap)
    moved = np.zeros(model.width)
    for output, head in zip(read.outputs, [h for h in model.heads[0] if not h.idle], strict=True):
        rows = np.concatenate([output, model.embed @ (head.out @ head.value).T]) if len(output) else output
        moved += 2 * wrong * np.abs(rows).max(axis=0, initial=0)
    mlp = model.mlps[0]
    return moved if mlp is None else moved + np.abs(mlp.write) @ (np.abs(mlp.read) @ moved)


def scores(head: HeadWeights, moved: np.ndarray, queries: np.ndarray, keys: np.ndarray) -> float:
    """How far inner products of any of these queries [M, K] with any of these keys [N, K] may move."""
    query_moved, key_moved = np.abs(head.query) @ moved, np.abs(head.key) @ moved
    largest = [np.abs(rows).max(axis=0, initial=0) for rows in (queries, keys)]
    return float(largest[0] @ key_moved + query_moved @ largest[1] + query_moved @ key_moved)


def outputs(head: HeadWeights, moved: np.ndarray) -> np.ndarray:
    """[D] how far what the head reads may move."""
    return np.abs(head.out) @ (np.abs(head.value) @ moved)
