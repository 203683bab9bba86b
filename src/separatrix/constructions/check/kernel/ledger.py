"""Every weight is accounted for: it lies on a path to the logits, or it is 0.

What the logits of a Transformer do not depend on, no argument reads. Such weights could hold anything, so they are
refused. Of recurrent networks, arguments read every unit.
"""

from __future__ import annotations

import numpy as np

from separatrix.constructions.certificate import CertificateError

Weights = dict[str, np.ndarray]


def transformer(weights: Weights, layers: int, heads: int) -> None:
    """CertificateError for weights of a Transformer that no logit depends on. Backwards from the head."""
    live: np.ndarray = (weights["head.weight"] != 0).any(
        axis=0
    )  # [D] coordinates of the residual stream that something later reads
    for layer in reversed(range(layers)):
        mlp, mixer = f"blocks.{layer}.mlp", f"blocks.{layer}.mixer"
        if f"{mlp}.1.weight" in weights:
            live = _mlp(weights, mlp, live)
        live = _attention(weights, mixer, live, heads)
    if "embed.bias" in weights:  # [D, d] of vectors
        _dead(weights, "embed.weight", ~live, axis=0)
        _dead(weights, "embed.bias", ~live, axis=0)
    else:
        _dead(weights, "embed.weight", ~live, axis=1)
    _dead(weights, "positions.table.weight", ~live, axis=1)


def _mlp(weights: Weights, name: str, live: np.ndarray) -> np.ndarray:
    """[D] what is live before an MLP."""
    for part in ("3.weight", "3.bias"):
        _dead(weights, f"{name}.{part}", ~live, axis=0)
    units: np.ndarray = (weights[f"{name}.3.weight"] != 0).any(axis=0)
    for part in ("1.weight", "1.bias"):
        _dead(weights, f"{name}.{part}", ~units, axis=0)
    return live | weights[f"{name}.1.weight"][units].any(axis=0)


def _attention(weights: Weights, name: str, live: np.ndarray, heads: int) -> np.ndarray:
    """[D] what is live before attention."""
    for part in ("out.weight", "out.bias"):
        _dead(weights, f"{name}.{part}", ~live, axis=0)
    read: np.ndarray = (weights[f"{name}.out.weight"] != 0).any(axis=0)  # [H K]
    working = np.repeat(read.reshape(heads, -1).any(axis=1), len(read) // heads)
    asks, holds = (
        np.column_stack([weights[f"{name}.{kind}.weight"], weights[f"{name}.{kind}.bias"]]).any(axis=1)
        for kind in ("query", "key")
    )
    for kind, used in (("value", read), ("query", working & holds), ("key", working & asks)):
        for part in ("weight", "bias"):
            _dead(weights, f"{name}.{kind}.{part}", ~used, axis=0)
        live = live | weights[f"{name}.{kind}.weight"].any(axis=0)
    return live


def _dead(weights: Weights, name: str, dead: np.ndarray, axis: int) -> None:
    if dead.any() and np.take(weights[name], np.flatnonzero(dead), axis=axis).any():
        raise CertificateError(f"{name} holds numbers that no logit depends on: they must be 0")
