"""Bounded Dyck-(n, k) of any depth with three layers of one head and width 2 k + 8 + ceil(log2 n).

First layer: every place averages +1 for opening and -1 for closing brackets, its own included. Times the number of its
place that is its depth; the MLP compares it with every level t - 1/2 times the place's share, 1 / place, so that no
product is needed: `above` t is 0, exactly, unless the depth is at least t, `below` t unless it is less. Second layer:
a closing bracket of depth d reads the most recent opening one of depth d + 1. Levels on the wrong side cost so much
that all others vanish, and where none is, the score is a whole number of betas. Then the MLP objects to a depth above
k, to one below 0, and to another kind; the end to a depth above 0. Third layer: a veto.

Rounding may move an average, never across a level half way between two depths: for N up to about 2,700 in fp32.
"""

from __future__ import annotations

import math

import torch

from separatrix.constructions.attention.any_objection import answers, head_of
from separatrix.constructions.attention.bounded_dyck import tokens
from separatrix.constructions.attention.layers import Head, Unit, assemble, config, head
from separatrix.constructions.attention.one_hot import leak, require_exact, temperature
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import nested
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Theorem
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import FloatingPoint, Format, Real, parse
from separatrix.tasks.bounded_dyck import BoundedDyck

SOURCE = "after Yao, Peng, Papadimitriou, Narasimhan 2021, arXiv 2105.11115; depth by averaging, compared with shares"
MARGIN = 0.5
"""Least difference of logits that is claimed."""


def space_of(task: BoundedDyck) -> Space:
    """The coordinates of the residual stream."""
    levels = task.depth + 1
    kind = (task.kinds - 1).bit_length()
    return Space(opens=1, end=1, average=1, place=1, share=1, above=levels, below=levels, found=1, kind=kind)


def weights(task: BoundedDyck, beta: float, scale: float, cost: float, number_format: Format) -> SequenceModel:
    """The model."""
    space, length = space_of(task), task.length
    shares = torch.tensor([number_format.round_number(1 / i) for i in range(1, length + 2)]).float()
    embed = tokens(task, space)
    embed[task.query_offset] = space.vectors(1, end=1.0, share=shares[-1])[0]
    table = space.vectors(length, share=shares[:-1, None])
    if space.size("kind"):
        table[:, space["place"]] = torch.arange(1.0, length + 1)[:, None]
    counts = head(Space(opens=1), value={("opens", "opens"): 1.0}, out={("opens", "average"): 1.0})
    verdict = head_of({"found": 1.0}, -1.0, beta, into={"found": 1.0})
    matches = [_matches(task, beta, cost)] if space.size("kind") else []
    return assemble(
        task,
        model_config(task),
        space,
        {"weight": embed},
        table,
        [([counts], _levels(task, scale)), (matches, _objections(task)), ([verdict], [])],
        answers(space, space["found"].start, accept=1),
        torch.zeros(2),
    )


def _levels(task: BoundedDyck, scale: float) -> list[Unit]:
    """`above` 1 … k + 1 and `below` 0 … k: by how much an average is on that side of level t - 1/2.

    Brackets of one kind are told right from wrong by `above` 1 and k + 1 and `below` 0 alone.
    """
    space = space_of(task)
    average, share, k = space["average"].start, space["share"].start, task.depth
    units = []
    for name, sign, first, alone in (("above", 1.0, 1, (0, k)), ("below", -1.0, 0, (0,))):
        for i in range(k + 1) if task.kinds > 1 else alone:
            reads = {average: sign * scale, share: -sign * scale * (first + i - 0.5)}
            units.append(Unit(reads, 0.0, {space[name].start + i: 1.0}))
    return units


def _matches(task: BoundedDyck, beta: float, cost: float) -> Head:
    """The second layer's head. Level s parts keys of depth e from queries of depth d unless e >= s iff d >= s - 1."""
    k, b = task.depth, space_of(task).size("kind")
    place = task.length // 2 + 1
    first, middle, last = (
        torch.eye(k - 1, k + 1).roll(i, dims=1) for i in range(3)
    )  # columns i … i + k - 2 of a block
    return head(
        Space(place=1, opens=1, over=k - 1, under=k - 1, kind=b),
        query={("below", "over"): -cost * middle, ("above", "under"): -cost * first},
        query_bias={"place": beta, "opens": beta * place},
        key={("place", "place"): 1.0, ("opens", "opens"): 1.0, ("above", "over"): middle, ("below", "under"): last},
        value={("kind", "kind"): 1.0},
        out={("kind", "kind"): -1.0},
    )


def _objections(task: BoundedDyck) -> list[Unit]:
    """Units that write what is wrong into `found`: 0, or at least 2; at the end 1, or 5."""
    space = space_of(task)
    opens, end, found, above, below = (space[name].start for name in ("opens", "end", "found", "above", "below"))
    units = [
        Unit({end: -1.0}, 1.0, {found: 2.0}),
        Unit({opens: 1.0, above + task.depth: -1.0}, 0.0, {found: -2.0}),  # opens, and not too deep
        Unit({opens: -1.0, below: -1.0}, 0.0, {found: -2.0}),  # closes, and something was open
        Unit({end: 1.0}, 0.0, {found: 5.0}),
        Unit({end: 1.0, above: -1.0}, 0.0, {found: -4.0}),  # ends, and nothing is open
    ]
    for kind in range(space["kind"].start, space["kind"].stop):  # closes what is of another kind
        units += [Unit({kind: sign, opens: -2.0}, -2.0, {found: 1.0}) for sign in (1.0, -1.0)]
    return units


def model_config(task: BoundedDyck) -> TransformerConfig:
    """The model's configuration."""
    space = space_of(task)
    units = max(2 * (task.depth + 1), len(_objections(task)))
    return config(space.width, head_width=2 * task.depth + space.size("kind"), heads=1, units=units, layers=3)


def build(task: BoundedDyck, options: Options) -> Construction:
    """Membership of strings of every even length up to N, with one set of weights. InputError for depth 1."""
    if task.depth < 2:
        raise InputError(f"three layers are built for brackets of depth 2 and more, got depth {task.depth}")
    number_format = parse(options.format)
    beta = temperature(1.0, number_format)
    scale = 2.0 ** math.ceil(math.log2(16 * (task.length + 1)))
    cost = 2.0 ** math.ceil(math.log2(16 * beta * (3 * task.length + 8)))
    _require_levels(number_format, task, scale)
    _require_products(number_format, task, scale, cost)
    require_exact(number_format, 2 * task.length + 4, beta, "the second layer's scores")
    settings, width = model_config(task), space_of(task).width
    wrong = leak(task.length + 1, beta) if isinstance(number_format, Real) else 0.0
    certificate = Certificate(
        construction=NAME,
        claim=nested.claim(task),
        scope="lengths up to N",
        argument=nested.ARGUMENT,
        number_format=options.format,
        order="any",
        margin=MARGIN,
        quantities={"width": width, "match_beta": beta, "object_beta": beta, "match_leak": wrong},
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=settings.model_dump(mode="json"),
    )
    return Construction(task, settings, certificate, lambda: weights(task, beta, scale, cost, number_format))


def _require_levels(number_format: Format, task: BoundedDyck, scale: float) -> None:
    """CertificateError where a rounded average may be on another side of a level than the depth is."""
    if not isinstance(number_format, Real | FloatingPoint):
        raise CertificateError(f"averages are compared with levels in floating point, not in {number_format}")
    n, unit = task.length + 1, number_format.unit if isinstance(number_format, FloatingPoint) else 0.0
    sums = (1 + unit) ** (space_of(task).width + 6) - 1 + 2.0**-24
    off = (1 + unit) ** (n + 3) - 1 + sums * (2 + (task.depth + 1) / n)
    if scale * (0.5 / n - off) < 1:
        raise CertificateError(
            f"rounding an average over {n:,} places in {number_format} may move it past a level: take a wider format, "
            "real, or a shorter length"
        )


def _require_products(number_format: Format, task: BoundedDyck, scale: float, cost: float) -> None:
    """CertificateError where products of levels, which part the depths of brackets of several kinds, do not fit."""
    if task.kinds == 1 or not isinstance(number_format, FloatingPoint):
        return
    products = 2 * (task.depth - 1)
    if (largest := 4 * products * cost * (2 * scale * (task.depth + 3)) ** 2) > number_format.largest:
        raise CertificateError(
            f"scores that part depths go up to {largest:g}, {number_format} ends at {number_format.largest:g}: take a "
            "wider format, real, or a shorter length"
        )
    if (1 + number_format.unit) ** (2 * products + 16) > 1.25:
        raise CertificateError(f"scores of {products} products are too coarse in {number_format}: take a wider format")


NAME = "bounded-dyck-three-layers"

THEOREMS = {
    NAME: Theorem(
        NAME,
        "bounded-dyck",
        "3 layers of one head and width 2 k + 8 + ceil(log2 n) suffice at any depth",
        SOURCE,
        build,
    )
}
