"""Two-layer Transformers read from their weights, and the lemma of their first layer: each head reads one position.

Positions ask and tokens answer: queries and keys of the first layer do not depend on tokens, values do not depend on
positions. Keys are distinct vectors of signs, so a position's query, whatever its size, scores highest at the key of
its own signs, by twice its smallest entry at least: no pairs of positions need be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.exactness import Exactness, vanishes
from separatrix.constructions.check.kernel.exact import column_units
from separatrix.models import SequenceModel
from separatrix.numerics import parse
from separatrix.tasks.base import context_task


@dataclass(frozen=True)
class HeadWeights:
    """The maps of one head, [K, D] each, and `out`, [D, K]."""

    query: np.ndarray
    query_bias: np.ndarray
    key: np.ndarray
    key_bias: np.ndarray
    value: np.ndarray
    value_bias: np.ndarray
    out: np.ndarray

    @property
    def idle(self) -> bool:
        """Whether all its weights are 0."""
        return not any(weights.any() for weights in vars(self).values())


@dataclass(frozen=True)
class MlpWeights:
    """[M, D], [M], [D, M], [D]"""

    read: np.ndarray
    read_bias: np.ndarray
    write: np.ndarray
    write_bias: np.ndarray

    @property
    def idle(self) -> bool:
        """Whether all its weights are 0."""
        return not any(weights.any() for weights in vars(self).values())


class TwoLayers:
    """The weights of a Transformer of two layers, or of so many, in float64. CertificateError for other models.

    embed:     [V, D] for tokens, [D, d] for vectors; `base`, [D], is the bias of vectors, else 0
    positions: [N, D]
    """

    def __init__(self, model: SequenceModel, certificate: Certificate, layers: int = 2) -> None:
        told = model.config.model_dump()
        wanted = {
            "name": "transformer",
            "layers": layers,
            "residual": True,
            "norm": "none",
            "activation": "relu",
            "positions": "learned",
            "scale": 1.0,
            "window": None,
        }
        if wrong := [f"{key}={told.get(key)}" for key, value in wanted.items() if told.get(key) != value]:
            raise CertificateError(
                f"the argument is about {layers} plain layers of transformer, got {', '.join(wrong)}"
            )
        self.task, self.causal = context_task(model.task), bool(told.get("causal", True))
        self.format = parse(certificate.number_format)
        self.exact = Exactness(self.format)
        weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
        self.embed, self.positions = weights["embed.weight"], weights["positions.table.weight"]
        self.base = weights.get("embed.bias", np.zeros(self.positions.shape[1]))
        self.answer, self.answer_bias = weights["head.weight"], weights["head.bias"]
        self.heads = [_heads(weights, f"blocks.{layer}.mixer", told["heads"]) for layer in range(layers)]
        self.mlps = [_mlp(weights, f"blocks.{layer}.mlp") for layer in range(layers)]

    @property
    def width(self) -> int:
        """Width D."""
        return self.positions.shape[1]

    def require_vanishing(self, gap: float, layer: str) -> None:
        """CertificateError unless weights so far below the largest score are 0, as far as the format rounds at all."""
        if self.exact.rounds and not vanishes(self.format, gap):
            raise CertificateError(
                f"a gap of {gap:g} between scores of the {layer} leaves weights above 0 in {self.format}"
            )

    def after_mlp(self, layer: int, x: np.ndarray, what: str) -> np.ndarray:
        """Rows of the residual stream after the layer's MLP; CertificateError where a sum rounds."""
        mlp = self.mlps[layer]
        if mlp is None or mlp.idle:
            return x
        inside = np.maximum(self.exact.linear(x, mlp.read, mlp.read_bias, f"{what}: sums into the MLP"), 0)
        return self.exact.add(
            x, self.exact.linear(inside, mlp.write, mlp.write_bias, f"{what}: sums out of the MLP"), what=what
        )


def _heads(weights: dict[str, np.ndarray], name: str, count: int) -> list[HeadWeights]:
    if weights[f"{name}.out.bias"].any():
        raise CertificateError(f"{name}.out.bias must be 0")
    split = {kind: np.split(weights[f"{name}.{kind}.weight"], count) for kind in ("query", "key", "value")}
    bias = {kind: np.split(weights[f"{name}.{kind}.bias"], count) for kind in ("query", "key", "value")}
    out = np.split(weights[f"{name}.out.weight"], count, axis=1)
    maps = [(split[kind][h], bias[kind][h]) for h in range(count) for kind in ("query", "key", "value")]
    return [HeadWeights(*maps[3 * h], *maps[3 * h + 1], *maps[3 * h + 2], out[h]) for h in range(count)]


def _mlp(weights: dict[str, np.ndarray], name: str) -> MlpWeights | None:
    if f"{name}.1.weight" not in weights:
        return None
    return MlpWeights(*(weights[f"{name}.{part}"] for part in ("1.weight", "1.bias", "3.weight", "3.bias")))


@dataclass(frozen=True)
class Reading:
    """What the first layer's working heads do.

    targets: [N, heads] the position each head reads, from every position
    outputs: [heads, V, D] what is added to the residual stream for the token read; a map [heads, d, D] of vectors
    own:     [Q, D] what query tokens, which read themselves, get in all; nothing for vector tasks
    gap:     least distance of the best score to the next, at any position and at the query tokens
    """

    targets: np.ndarray
    outputs: np.ndarray
    own: np.ndarray
    gap: float


def reading(model: TwoLayers, queries: np.ndarray) -> Reading:
    """The lemma, or a CertificateError saying where it fails. queries: [Q, D] embeddings of the query tokens."""
    vectors = model.task.vector_size is not None
    tokens = model.embed.T if vectors else model.embed[: model.task.alphabet_size]
    varying = tokens.any(axis=0) if vectors else (tokens != tokens[:1]).any(axis=0)
    moving = (model.positions != model.positions[:1]).any(axis=0)
    rows = model.exact.add(model.base if vectors else tokens[:1], model.positions, what="embeddings")
    answering = (
        tokens if vectors else model.exact.add(tokens, np.where(moving, 0, model.positions[:1]), what="embeddings")
    )
    targets, outputs, own, gap = [], [], np.zeros_like(queries), math.inf
    for h, head in enumerate(model.heads[0]):
        if head.idle:
            continue
        if head.query[:, varying].any() or head.key[:, varying].any():
            raise CertificateError(f"head {h} of the first layer: its queries or keys depend on the tokens")
        fixed = model.base + model.positions[:1] if vectors else 0
        if head.value[:, moving].any() or head.value_bias.any() or (head.value * fixed).any():
            raise CertificateError(f"head {h} of the first layer: its values depend on the positions")
        found, distance = _targets(model, head, rows, h)
        targets.append(found)
        gap = min(gap, distance, _self_gap(model, head, rows, queries, h))
        outputs.append(_output(model, head, answering))
        own = model.exact.add(own, _output(model, head, queries), what="what queries read") if not vectors else own
    model.require_vanishing(gap, "first layer")
    if not targets:
        return Reading(np.zeros((len(rows), 0), dtype=np.int64), np.zeros((0, *answering.shape)), own, gap)
    return Reading(np.stack(targets, axis=1), np.stack(outputs), own, gap)


def _output(model: TwoLayers, head: HeadWeights, rows: np.ndarray) -> np.ndarray:
    """What the head adds to the residual stream where it reads each of these rows."""
    values = model.exact.linear(rows, head.value, head.value_bias, "values of the first layer")
    return model.exact.linear(values, head.out, np.zeros(model.width), "outputs of the first layer")


def _targets(model: TwoLayers, head: HeadWeights, rows: np.ndarray, h: int) -> tuple[np.ndarray, float]:
    """Where each position's query finds the key of its signs, and by how much that is the best."""
    queries = model.exact.linear(rows, head.query, head.query_bias, f"queries of head {h}")
    keys = model.exact.linear(rows, head.key, head.key_bias, f"keys of head {h}")
    active = queries.any(axis=0)
    queries, keys = queries[:, active], keys[:, active]
    if not (queries != 0).all() or not (np.abs(keys) == 1).all() or active.sum() > 62:
        raise CertificateError(f"head {h} of the first layer: keys must be signs, and queries must ask for all of them")
    digits = 1 << np.arange(active.sum(), dtype=np.int64)
    codes, asked = (keys > 0) @ digits, (queries > 0) @ digits
    order = np.argsort(codes)
    if (np.diff(codes[order]) == 0).any():
        raise CertificateError(f"head {h} of the first layer: two positions have the same key")
    found = order[np.searchsorted(codes[order], asked).clip(max=len(order) - 1)]
    if (codes[found] != asked).any():
        raise CertificateError(f"head {h} of the first layer: a position asks for a key that no position has")
    if model.causal and (found > np.arange(len(found))).any():
        raise CertificateError(f"head {h} of the first layer: a position would have to read a later one")
    exact_scores(model, queries, keys, f"head {h} of the first layer")
    return found, float(2 * np.abs(queries).min())


def _self_gap(model: TwoLayers, head: HeadWeights, rows: np.ndarray, queries: np.ndarray, h: int) -> float:
    """By how much the query tokens score themselves higher than any position."""
    asked = model.exact.linear(queries, head.query, head.query_bias, f"queries of head {h}")
    own = model.exact.linear(queries, head.key, head.key_bias, f"keys of head {h}")
    keys = rows @ head.key.T + head.key_bias
    different, index = np.unique(asked, axis=0, return_inverse=True)
    best = (different @ keys.T).max(axis=1)[index.reshape(-1)]
    exact_scores(model, different, np.concatenate([keys, own]), f"head {h} of the first layer")
    return float(((asked * own).sum(axis=1) - best).min())


def exact_scores(model: TwoLayers, queries: np.ndarray, keys: np.ndarray, what: str) -> None:
    """CertificateError where inner products [M, K] with [N, K] may round."""
    mass = (np.abs(queries) @ np.abs(keys).max(axis=0)).max()
    unit = (column_units(queries) * column_units(keys)).min()
    model.exact.sums(np.atleast_1d(mass), np.atleast_1d(unit), f"scores of {what}")
