"""Argument "attention lookup": one head of one layer finds the token at the queried position (Theorem 1).

Let q_p be the query for position p, k_i the key at position i, whatever token stands there, and v_t the value of token
t, wherever it stands. If q_p k_p exceeds every other q_p k_i, and the query's own score, by a gap, softmax gives
position p all weight but a leak; then the answer is right as long as the head's logits tell v_t from the other tokens'
by more than the leak can move them. Scores do not depend on the context, so looking at all pairs (p, i) covers all
inputs, and shorter contexts only have fewer wrong positions.

In a number format: where no partial sum of any score is rounded and exp(-gap) rounds to 0, attention is exactly one-
hot, and what follows is exact. Where scores are rounded, but their terms are ± the same numbers for all pairs,
rounding keeps the order of sums: a score is at most that of the pair with one of its negative terms alone, and these
are tried.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments.exactness import vanishes
from separatrix.constructions.check.arguments.separation import separation, sign_group
from separatrix.constructions.check.kernel.claims import Proved
from separatrix.constructions.check.kernel.exact import carrier
from separatrix.models import SequenceModel
from separatrix.models.transformer import Attention, TransformerConfig
from separatrix.numerics import FORMATS, FloatingPoint, Format, Grid, parse
from separatrix.tasks.index_lookup import IndexLookup

ARGUMENT = "attention lookup"
BLOCK = 2**14


@dataclass(frozen=True)
class Tables:
    """What a model holds, by the lemma's names. queries, keys: [N, d]; values [tokens, d]; own_*: the query token's."""

    queries: Tensor
    keys: Tensor
    own_keys: Tensor
    values: Tensor
    own_values: Tensor


def allowed(certificate: Certificate) -> Collection[str]:
    """Scores may be rounded where sums are taken in order: how they are is found here."""
    return ("scores",) if certificate.order == "sequential" else ()


def verify(model: SequenceModel, certificate: Certificate) -> Proved:
    """What holds of all inputs. Raises CertificateError for what the weights do not bear out."""
    _shape(model)
    assert isinstance(model.task, IndexLookup)
    number_format = parse(certificate.number_format)
    reading = LookupWeights.of(model)
    scores = reading.scores(carrier(number_format))
    if not scores.plus(scores).exact_in(carrier(FORMATS["real"])):
        raise CertificateError(
            f"scores up to {float(scores.bound):g} are not exact in float64, in which they are checked"
        )
    tables = reading.tables()
    found = separation(tables.queries, tables.keys)
    own = min(
        float((q.double() * (k.double() - o.double())).sum(dim=1).min())
        for q, k, o in zip(*(each.split(BLOCK) for each in (tables.queries, tables.keys, tables.own_keys)), strict=True)
    )
    gap = min(found.gap, own)
    if not gap > 0:
        raise CertificateError(f"some position's score is not above all others: the gap is {gap:g}")
    leak = (found.leak + math.exp(-own)) * (1 + 1e-10)  # as many exponentials in float64 are off by far less
    if number_format.name == "real":
        return _proved(model, reading, tables, reading.margin(tables, leak), {"score_gap": gap}, {"leak": leak})
    if isinstance(number_format, FloatingPoint) and 2 * float(scores.bound) > number_format.largest:
        raise CertificateError(f"differences of scores up to {2 * float(scores.bound):g} overflow in {number_format}")
    exact = scores.exact_in(number_format)
    if not exact:
        if certificate.order != "sequential":
            raise CertificateError(
                f"scores up to {float(scores.bound):g} in steps of {float(scores.unit):g} are not exact in "
                f"{number_format}"
            )
        gap = _rounded_gap(tables, number_format)
    if not vanishes(number_format, gap):
        raise CertificateError(f"exp(-{gap:g}) does not round to 0 in {number_format}: attention is not one-hot")
    sizes = {"largest_score": float(scores.bound)}
    return _proved(model, reading, tables, reading.margin(tables, 0.0), {"score_gap": gap}, sizes, exact)


def _proved(
    model: SequenceModel,
    reading: LookupWeights,
    tables: Tables,
    margin: float,
    at_least: dict[str, float],
    at_most: dict[str, float],
    exact: bool = True,
) -> Proved:
    assert isinstance(model.task, IndexLookup)
    varying = (tables.keys != tables.keys[0]).any(dim=0)
    beta = (tables.queries[0] * tables.keys[0])[varying].abs()
    return Proved(
        claim=claim(model.task),
        scope="lengths up to N",
        margin=margin,
        order="any" if exact else "sequential",
        equal={"width": reading.positions.shape[1]} | ({"beta": float(beta.min())} if len(beta) else {}),
        at_least=at_least if len(beta) else {**at_least, "beta": at_least["score_gap"]},  # one position: times the flag
        at_most=at_most,
    )


def claim(task: IndexLookup) -> str:
    """What the argument proves, as a sentence."""
    padded = ", padded rows included" if task.mixed_lengths else ""
    return (
        f"every query of every context of 1 to {task.length} tokens over {task.alphabet} symbols{padded} is answered "
        "with the token at the queried position"
    )


def _shape(model: SequenceModel) -> None:
    config = model.config
    if not isinstance(config, TransformerConfig) or not isinstance(model.task, IndexLookup):
        raise CertificateError(
            f"{ARGUMENT} is about transformers on index-lookup, got {config.name} on {model.task.name}"
        )
    wanted = {"layers": 1, "heads": 1, "norm": "none", "residual": True, "mlp_width": 0, "window": None}
    wanted |= {"positions": "learned", "scale": 1.0}
    for key, value in wanted.items():
        if (got := getattr(config, key)) != value:
            raise CertificateError(f"{ARGUMENT} is about transformers with {key}={value}, got {got}")


@dataclass(frozen=True)
class LookupWeights:
    """A model's weights by what they do. tokens, asked, positions: embeddings, with their grids."""

    tokens: Tensor
    asked: Tensor
    positions: Tensor
    token: Grid
    query: Grid
    position: Grid
    mixer: Attention
    head: torch.nn.Linear

    @classmethod
    def of(cls, model: SequenceModel) -> LookupWeights:
        """Query tokens come in the order of their positions."""
        task, mixer, weights = model.task, model.blocks[0].mixer, model.state_dict()
        assert isinstance(mixer, Attention)
        embed, positions = weights["embed.weight"], weights["positions.table.weight"]
        first = task.query_values[0] + task.query_offset
        tokens, asked = embed[: task.alphabet_size], embed[first : first + task.length]
        return cls(tokens, asked, positions, Grid.of(tokens), Grid.of(asked), Grid.of(positions), mixer, model.head)

    def tables(self) -> Tables:
        """Scores, keys and values as functions of position and token alone, or CertificateError."""
        key, value = self.mixer.key, self.mixer.value
        keys, values = _apply(key, self.tokens, self.token), _apply(value, self.positions, self.position)
        if not (keys == keys[0]).all():
            raise CertificateError("keys depend on the token: scores are no function of the positions")
        if not (values == values[0]).all():
            raise CertificateError("values depend on the position: what is fetched is no function of the token")
        asked = _apply(self.mixer.query, self.asked, self.query)
        held = _apply(key, self.positions, self.position) + (keys[0] - _bias(key))
        common = torch.promote_types(asked.dtype, held.dtype)  # float32 may hold one of them and not the other
        return Tables(
            queries=asked.to(common),
            keys=held.to(common),
            own_keys=_apply(key, self.asked, self.query),
            values=_apply(value, self.tokens, self.token) + (values[0] - _bias(value)),
            own_values=_apply(value, self.asked, self.query),
        )

    def scores(self, number_format: Format) -> Grid:
        """The grid of the scores. Raises CertificateError when another sum of the network may be rounded."""
        query, context = self.query, self.token.plus(self.position)
        steps = {"embeddings": context, "queries": _through(self.mixer.query, query)}
        for name, layer in (("keys", self.mixer.key), ("values", self.mixer.value)):
            steps[name] = _either(_through(layer, context), _through(layer, query))
        steps["fetched values"] = _through(self.mixer.out, steps["values"])
        steps["outputs"] = query.plus(steps["fetched values"])
        steps["logits"] = _through(self.head, steps["outputs"])
        for name, grid in steps.items():
            if not grid.exact_in(number_format):
                raise CertificateError(f"{name} are not exact in {number_format}: sums of them may be rounded")
        return steps["queries"].dot(steps["keys"])

    def margin(self, tables: Tables, leak: float) -> float:
        """The least difference of the right logit and another, when leak / (1 + leak) of the weight is astray.

        The fetched vector is (v_t + sum of w_i v_i) / (1 + sum of w_i), the sum of w_i at most the leak, v_i any
        token's value or the query's own. Two logits differ by d (v_t + …): a coordinate moves by |d| max |v| at most.
        """
        head, out = self.head.weight.double(), self.mixer.out.weight.double()
        fetched, own = tables.values.double() @ out.T, _one_if_alike(tables.own_values).double() @ out.T
        reach = torch.maximum(fetched.abs().amax(dim=0), own.abs().amax(dim=0))
        constant = _bias(self.mixer.out).double() @ head.T + self.head.bias.double()
        spread, read = 0.0, head.any(dim=0)
        asked = _one_if_alike(self.asked[:, read])  # what the query's own residual stream adds to its logits
        for block in asked.split(BLOCK):
            offsets = block.double() @ head[:, read].T + constant
            spread = max(spread, float((offsets.amax(dim=1) - offsets.amin(dim=1)).max()))
        count, least = len(head), math.inf
        logits = fetched[:count] @ head.T
        for start, stop in pairwise([*range(0, count, 256), count]):
            gaps = logits[start:stop].diagonal(start)[:, None] - logits[start:stop]
            moved = torch.cdist(head[start:stop] * reach, head * reach, p=1)
            margins = (gaps - leak * moved) / (1 + leak) - spread
            margins.diagonal(start).fill_(math.inf)
            least = min(least, float(margins.min()))
        if not least > 0:
            raise CertificateError(f"some token's logit may be below another's: the margin is {least:g}")
        return least


def _one_if_alike(rows: Tensor) -> Tensor:
    return rows[:1] if bool((rows == rows[0]).all()) else rows


def _through(layer: torch.nn.Linear, x: Grid) -> Grid:
    return x.linear(layer.weight, layer.bias)


def _either(a: Grid, b: Grid) -> Grid:
    return Grid(torch.minimum(a.unit, b.unit), torch.maximum(a.bound, b.bound))


def _apply(layer: torch.nn.Linear, x: Tensor, grid: Grid) -> Tensor:
    """The layer's outputs: as they are where float32 is exact, in float64 elsewhere."""
    if _through(layer, grid).exact_in(FORMATS["fp32"]):
        return layer(x)
    return torch.nn.functional.linear(
        x.double(), layer.weight.double(), _bias(layer).double().expand(layer.out_features)
    )


def _bias(layer: torch.nn.Linear) -> Tensor:
    return torch.zeros(1) if layer.bias is None else layer.bias


def _rounded_gap(tables: Tables, number_format: Format) -> float:
    """`rounded_gap` of the terms of all pairs' scores. Raises CertificateError where it does not apply."""
    queries, keys = tables.queries, tables.keys
    varying = (keys != keys[0]).any(dim=0)
    terms, own = queries[0] * keys[0], queries * tables.own_keys
    fixed = (queries[:, ~varying] == queries[0, ~varying]).all() and (own == own[0]).all()
    flips = int(varying.sum())
    ordered = bool(varying[:flips].all()) and bool((terms[:flips] > 0).all())
    if not fixed or not ordered or sign_group(queries[:, :flips], keys[:, :flips]) is None:
        raise CertificateError(
            f"scores are rounded in {number_format}, and no signs times the same numbers for all pairs"
        )
    if not number_format.holds(terms) or not number_format.holds(own[0]):
        raise CertificateError(f"products of queries and keys are rounded in {number_format}")
    return rounded_gap(terms.tolist(), flips, own[0].tolist(), number_format)


def rounded_gap(terms: list[float], flips: int, own: list[float], number_format: Format) -> float:
    """The least rounded difference of the right score and any other, when scores are added up term by term.

    terms: of the right score; other positions' have some of the first `flips`, all positive, turned negative
    own:   terms of the query's score of itself
    """
    right = _sum(terms, number_format)
    others = [_sum([*terms[:j], -terms[j], *terms[j + 1 :]], number_format) for j in range(flips)]
    return min(-number_format.round_number(score - right) for score in [*others, _sum(own, number_format)])


def _sum(terms: list[float], number_format: Format) -> float:
    total = 0.0
    for term in terms:
        total = number_format.round_number(total + term)
    return total
