"""Sparse threshold functions with two layers: f(x) = [sum_j g_j(x restricted to S_j) >= t], |S_j| <= s.

First layer: one head a bit fetches what each position's feature looks at, and the MLP evaluates it. Second layer, by
`combine`:

veto   (t is 1 or the number of features) the end token sees whether any feature holds, or whether any fails. Where one
       assignment decides each, as in a formula's clauses, positions hold its signs instead of its table.
count  (any t) the end token averages the features over all positions and compares with t.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from pydantic import Field

from separatrix.constructions.attention.any_objection import answers, head_of, veto
from separatrix.constructions.attention.average import Share, share, share_of
from separatrix.constructions.attention.features import plan
from separatrix.constructions.attention.layers import Head, Unit, assemble, config, head
from separatrix.constructions.attention.local_functions import Clauses, Evaluation, Kinds
from separatrix.constructions.attention.one_hot import leak, require_exact, temperature
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate
from separatrix.constructions.check.arguments import any_objection as check_veto
from separatrix.constructions.check.arguments import count as check_count
from separatrix.constructions.check.arguments import local
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Attempt, Theorem
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import Real, parse
from separatrix.tasks.sparse_threshold import SparseThreshold

LONGEST_TRIAL = 2**11
"""Contexts up to here are evaluated to find inputs that fail in a format."""
PAPER = "Bhattamishra, Hahn, Blunsom, Kanade 2024, arXiv 2406.09347, section 5"


class SparseOptions(Options):
    """How the features are combined."""

    combine: Literal["auto", "veto", "count"] = Field(
        "auto", description="veto where one feature decides (t = 1, or all must hold), count otherwise"
    )


def build(task: SparseThreshold, options: SparseOptions) -> Construction:
    """The function of the task, at its length. Raises CertificateError where the format is too narrow."""
    features, threshold = task.definition()
    decisive = threshold in (1, len(features))
    if options.combine == "veto" and not decisive:
        raise InputError(
            f"a veto needs a threshold of 1 or all {len(features)} features, got {threshold}: combine them by count"
        )
    if options.combine == "count" or not decisive:
        return _count(
            task, options, Kinds(plan(features, task.length, negated=False), task.length, height=1), threshold
        )
    needs_all = threshold == len(features)
    placed = plan(features, task.length, negated=needs_all)
    evaluation = Clauses(placed, task.length) if placed.clauses else Kinds(placed, task.length, height=2)
    return _veto(task, options, evaluation, needs_all)


def _slope(evaluation: Evaluation) -> int:
    """How far a result moves, at most, per unit of wrong weight in the first layer."""
    return 16 * (evaluation.plan.heads + 1) * evaluation.unit_count()


def _scores(evaluation: Evaluation) -> int:
    """The largest sum of the terms of a score of the first layer."""
    return max(3, evaluation.space.size("place")) if evaluation.plan.heads else 0


def _config(evaluation: Evaluation) -> TransformerConfig:
    space, shape = evaluation.space, evaluation.plan
    return config(space.width, space.size("place") + 1, max(1, shape.heads), evaluation.unit_count(), shape.causal)


def _veto(task: SparseThreshold, options: SparseOptions, evaluation: Evaluation, needs_all: bool) -> Construction:
    number_format = parse(options.format)
    found = veto(
        number_format,
        length=task.length,
        fetch_units=_scores(evaluation),
        objection=evaluation.objections,
        loudest=0,
        slope=_slope(evaluation),
        units=evaluation.terms,
    )
    settings, space, result = _config(evaluation), evaluation.space, evaluation.result

    def weights() -> SequenceModel:
        into = torch.eye(space.size(result))[:, :1]
        verdict = head_of({result: evaluation.objection}, evaluation.shift, found.object, into={result: into})
        layers = [(evaluation.heads(found.fetch), evaluation.units()), ([verdict], [])]
        output = answers(space, space[result].start, accept=int(needs_all))
        return assemble(
            task, settings, space, {"weight": evaluation.embed()}, evaluation.table(), layers, output, torch.zeros(2)
        )

    quantities: dict[str, Any] = {
        "fetch_beta": found.fetch,
        "object_beta": found.object,
        "fetch_leak": found.leaks[0],
        "object_leak": found.leaks[1],
    }
    return _construction(task, options, evaluation, check_veto.ARGUMENT, found.order, found.margin, quantities, weights)


def _count(task: SparseThreshold, options: SparseOptions, evaluation: Kinds, threshold: int) -> Construction:
    number_format = parse(options.format)
    beta = temperature(2.0, number_format)
    require_exact(number_format, _scores(evaluation), beta, "the scores of the first layer")
    require_exact(number_format, evaluation.terms, 1.0, "the numbers inside the MLP")
    features = len(evaluation.plan.placed)
    part = share(task.length + 1, features, number_format)
    settings = _config(evaluation)

    def weights() -> SequenceModel:
        return _counting(task, settings, evaluation, beta, part, threshold)

    wrong = leak(task.length, 2 * beta) if isinstance(number_format, Real) else 0.0
    quantities = {
        "fetch_beta": beta,
        "fetch_leak": wrong,
        "threshold": threshold,
        "value": part.value,
        "share": part.share,
    }
    margin = part.share - 4 * _slope(evaluation) * wrong
    return _construction(task, options, evaluation, check_count.ARGUMENT, "any", margin, quantities, weights)


def trials(task: SparseThreshold, options: SparseOptions) -> Iterator[Iterator[Attempt]]:
    """Counts in a format that may not be exact: as many ones as it takes, and one less, at either end of the string."""
    if task.instance != "majority" or task.length > LONGEST_TRIAL:
        return
    number_format, n = parse(options.format), task.length
    features, threshold = task.definition()
    evaluation = Kinds(plan(features, n, negated=False), n, height=1)
    ones = torch.arange(n) < torch.tensor([0, threshold - 1, threshold, n])[:, None]
    context = torch.cat([ones, ones.flip(1)]).long()
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    part = share_of(n + 1, number_format)
    model = _counting(task, _config(evaluation), evaluation, temperature(2.0, number_format), part, threshold)
    yield iter([Attempt(f"value = {part.value:g}", model, context, asked)])


def _counting(
    task: SparseThreshold, settings: TransformerConfig, evaluation: Kinds, beta: float, part: Share, threshold: int
) -> SequenceModel:
    space = evaluation.space
    token, spare = space["token"].start, space["kind"].start
    everywhere: Head = head(  # all scores are 0
        Space(value=1), value={("token", "value"): part.value}, out={("value", "token"): 1.0}
    )
    enough = [  # one share from the threshold on, 0 below it
        Unit({token: 1.0}, -(threshold - 1) * part.share, {spare: 1.0}),
        Unit({token: 1.0}, -threshold * part.share, {spare: -1.0}),
    ]
    output, bias = torch.zeros(2, space.width), torch.tensor([0.0, -part.share])
    output[1, spare] = 2.0
    layers = [(evaluation.heads(beta), evaluation.units()), ([everywhere], enough)]
    return assemble(task, settings, space, {"weight": evaluation.embed()}, evaluation.table(), layers, output, bias)


def _construction(
    task: SparseThreshold,
    options: SparseOptions,
    evaluation: Evaluation,
    argument: str,
    order: Literal["any", "sequential"],
    margin: float,
    quantities: dict[str, Any],
    weights: Any,
) -> Construction:
    settings, shape = _config(evaluation), evaluation.plan
    certificate = Certificate(
        construction=NAME,
        claim=local.claim(task),
        scope="length N",
        argument=argument,
        number_format=options.format,
        order=order,
        margin=margin,
        quantities={"width": settings.width, "heads": shape.heads, "bits": shape.bits, **quantities},
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=settings.model_dump(mode="json"),
    )
    return Construction(task, settings, certificate, weights)


NAME = "sparse-threshold"

THEOREMS = {
    NAME: Theorem(
        NAME,
        "sparse-threshold",
        "2 layers of s heads and width O(s log N) suffice for thresholds of N s-sparse features",
        PAPER,
        build,
        SparseOptions,
        trials=trials,
    )
}
