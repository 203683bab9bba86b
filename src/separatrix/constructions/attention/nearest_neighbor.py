"""Nearest neighbour with two layers of one head and width ceil(log2 N) + d + Y, for inputs of a margin.

Coordinates: the pair (signs of its number), the kind of the token (1 for a label, -1 for a point, -3 for the query),
the point, and the label's vote. First layer: every position asks for the point of its own pair, which lands in a
label's empty coordinates; points and queries read themselves and are doubled. Second layer: a query scores labels by
beta <q, x>, everything else far below, and reads the votes. The margin gamma makes beta gamma so large that votes for
other labels vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field

from separatrix.constructions.attention.layers import assemble, config, head
from separatrix.constructions.attention.one_hot import leak, require_exact, temperature, vanishing
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate, CertificateError
from separatrix.constructions.check.arguments import nearest
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Theorem
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import FixedPoint, FloatingPoint, Format, Real, parse
from separatrix.tasks.nearest_neighbor import NearestNeighbor

PAPER = "Bhattamishra, Hahn, Blunsom, Kanade 2024, arXiv 2406.09347, section 5"
QUERY = -3.0
"""The kind of a query: so far off that it attends to itself in the first layer, and not in the second."""
NORM = 1.001
"""Points and queries are at most this long: unit vectors, up to the rounding of inputs."""
DEMOTIONS = (3, 4, 6, 8, 12, 16)
"""Points score one of these times 2 beta less than labels, queries the same times 4 beta: the least that is proved."""


class NearestOptions(Options):
    """The margin the inputs are promised to have."""

    gamma: float | None = Field(
        None,
        gt=0,
        le=2,
        description="gap between the best inner product and the best of another label; None: the task's",
    )


@dataclass(frozen=True)
class Needs:
    """The margin that a temperature certifies in a format: what vanishing takes, and twice each rounding error.

    scores, inputs: largest change of an inner product by rounding the sum, and by rounding points and query
    demotion:       how far points and queries must be put down, over 2 beta; None where no amount is enough
    """

    beta: float
    vanish: float
    scores: float
    inputs: float
    demotion: int | None

    @property
    def gamma(self) -> float:
        """The least margin for which the answer is proved."""
        return self.vanish + 2 * (self.scores + self.inputs)


def needs(number_format: Format, beta: float, dimension: int, wrong: float = 0.0) -> Needs:
    """What a margin must cover at this temperature, for d coordinates in any order of their sums (Higham 2002, (3.5)).

    wrong: weight of wrong positions in the first layer (real arithmetic)
    """
    d, vanish = dimension, vanishing(number_format) / beta
    if isinstance(number_format, FloatingPoint):
        u, small = number_format.unit, d * number_format.smallest
        if (d + 1) * u >= 0.5:
            raise CertificateError(f"{number_format} is too coarse for inner products of {d} coordinates")
        length, error = (NORM * (1 + u)) ** 2, (d + 1) * u / (1 - (d + 1) * u)
        scores, inputs = d * u / (1 - d * u) * length + small, length * (2 * u + u * u) + 2 * small
        vanish *= 1 + 2 * u
        left = [2 * by * (1 - error) - 3 * length * (1 + error) - 2 * small for by in DEMOTIONS]
    elif isinstance(number_format, FixedPoint):
        half = number_format.smallest / 2
        scores, inputs = d * half / beta, 2 * half * math.sqrt(d) * NORM + d * half**2
        vanish += number_format.smallest / beta
        left = [2 * by - 3 * (NORM + half * math.sqrt(d)) ** 2 - 4 * scores for by in DEMOTIONS]
    else:
        scores, inputs = 16 * wrong, 0.0
        left = [2 * by - 3 * NORM**2 - 4 * scores for by in DEMOTIONS]
    enough = [by for by, rest in zip(DEMOTIONS, left, strict=True) if rest >= vanish]
    return Needs(beta, vanish, scores, inputs, min(enough, default=None))


def weights(
    task: NearestNeighbor, settings: TransformerConfig, copy: float, compare: float, demotion: int
) -> SequenceModel:
    """The model."""
    space, inside = space_of(task), inside_of(task)
    d, y, width = task.dimension, task.labels, task.vector_size
    embed = torch.zeros(space.width, width)
    embed[space["point"], :d], embed[space["vote"], d:] = torch.eye(d), torch.eye(y)
    everywhere = torch.arange(task.length)
    parity = 2.0 * (everywhere % 2) - 1
    table = space.vectors(
        task.length, pair=binary_signs(everywhere // 2, space.size("pair")), kind=(parity - QUERY)[:, None]
    )
    copied = head(
        inside,
        query={("pair", "pair"): copy},
        query_bias={"kind": -copy},
        key={("pair", "pair"): 1.0, ("kind", "kind"): 1.0},
        value={("point", "point"): 1.0},
        out={("point", "point"): 1.0},
    )
    compared = head(
        inside,
        query={("point", "point"): compare / 2},
        query_bias={"kind": demotion * compare},
        key={("point", "point"): 1.0, ("kind", "kind"): 1.0},
        key_bias={"kind": -1.0},  # labels get exactly 0: nothing that their inner products are added to
        value={("vote", "vote"): 1.0},
        out={("vote", "vote"): 1.0},
    )
    given = {"weight": embed, "bias": space.vectors(1, kind=QUERY)[0]}
    output = space.vectors(y, vote=torch.eye(y))
    return assemble(task, settings, space, given, table, [([copied], []), ([compared], [])], output, torch.zeros(y))


def space_of(task: NearestNeighbor) -> Space:
    """The coordinates of the residual stream."""
    return Space(pair=(task.points - 1).bit_length(), kind=1, point=task.dimension, vote=task.labels)


def inside_of(task: NearestNeighbor) -> Space:
    """The coordinates of the one head."""
    return Space(pair=(task.points - 1).bit_length(), kind=1, point=task.dimension, vote=task.labels)


def build(task: NearestNeighbor, options: NearestOptions) -> Construction:
    """Nearest neighbour among up to k points. Raises CertificateError for a margin the format cannot resolve."""
    wanted = options.gamma or task.margin
    if not wanted:
        raise InputError("nearest-neighbor: inputs of margin 0 can be as close as you like: give gamma, e.g. 0.05")
    number_format, space = parse(options.format), space_of(task)
    copy = temperature(2.0, number_format)
    require_exact(number_format, max(space.size("pair") + 1, 3), copy, "the scores of the first layer")
    wrong = leak(task.length, 2 * copy) if isinstance(number_format, Real) else 0.0
    found, demotion = _sharp_enough(number_format, task, wanted, wrong)
    margin, order = _votes(number_format, task, wrong)
    settings = config(space.width, inside_of(task).width, heads=1, units=0)
    certificate = Certificate(
        construction=NAME,
        claim=nearest.claim(task, found.gamma, NORM),
        scope="inputs of a margin",
        argument=nearest.ARGUMENT,
        number_format=options.format,
        order=order,
        margin=margin,
        quantities={
            "width": space.width,
            "gamma": found.gamma,
            "norm": NORM,
            "copy_beta": copy,
            "compare_beta": found.beta,
            "copy_leak": wrong,
        },
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=settings.model_dump(mode="json"),
    )
    return Construction(task, settings, certificate, lambda: weights(task, settings, copy, found.beta, demotion))


def _sharp_enough(number_format: Format, task: NearestNeighbor, wanted: float, wrong: float) -> tuple[Needs, int]:
    """The least temperature that certifies the margin wanted, and the demotion it goes with."""
    beta = temperature(2.0, number_format)
    while True:
        found = needs(number_format, beta, task.dimension, wrong)
        if 2 * (found.scores + found.inputs) >= wanted:
            raise CertificateError(
                f"{number_format} rounds inner products of {task.dimension} coordinates by up to {found.scores:.3g} "
                f"and inputs by {found.inputs:.3g}: twice that leaves nothing of a margin of {wanted:g}; take a wider "
                "format"
            )
        reach = 4 * ((found.demotion or DEMOTIONS[-1]) + 1) * beta
        if reach > number_format.largest:
            raise CertificateError(
                f"a margin of {wanted:g} needs scores beyond {reach:g}, {number_format} ends at "
                f"{number_format.largest:g}"
            )
        if found.gamma <= wanted and found.demotion is not None:
            return found, found.demotion
        beta *= 2


def _votes(number_format: Format, task: NearestNeighbor, wrong: float) -> tuple[float, Literal["any", "sequential"]]:
    """The right label's logit less any other, at least, and the order of sums that holds for.

    Rounded: others get exactly 0. The largest weight is 1 / Z, and Z, a sum of at most k exponentials of at most 1, is
    below 4k: (1 + u)^k <= e where k u <= 1, in any order; added one by one, Z never gets beyond 2k.
    """
    k = task.points
    if isinstance(number_format, Real):
        return 1 - 4 * leak(task.length, vanishing(number_format)) - 4 * wrong, "any"
    least = 1 / (4 * k)
    if least < number_format.smallest or 4 * k > number_format.largest:
        raise CertificateError(
            f"{number_format} cannot hold the votes of {k} points: take a wider format or fewer points"
        )
    short = not isinstance(number_format, FloatingPoint) or k * number_format.unit <= 1
    return least, "any" if short else "sequential"


NAME = "nearest-neighbor"

THEOREMS = {
    NAME: Theorem(
        NAME,
        "nearest-neighbor",
        "2 layers of one head and width ceil(log2 N) + d + Y suffice for inputs of a margin",
        PAPER,
        build,
        NearestOptions,
    )
}
