"""Equality and disjointness of two strings, compared place by place with two layers of one head.

Coordinates: the place within the strings (k = ceil(log2 n) signs), which string (one sign; -3 at the end token), and
the token (b signs). First layer: every position asks for its own place in the first string, so that the first string
reads itself and the second what stands opposite; what is read is added to the token or taken from it. The MLP turns
that into objections, and the second layer is a veto. Width k + 1 + b.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from separatrix.constructions.attention.any_objection import answers, head_of, veto
from separatrix.constructions.attention.comparison import COMMON, DIFFERENT, Comparison
from separatrix.constructions.attention.layers import Unit, assemble, config, head
from separatrix.constructions.attention.one_hot import temperatures
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate
from separatrix.constructions.check.arguments import local
from separatrix.constructions.check.arguments.any_objection import ARGUMENT
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Attempt, Theorem
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import parse
from separatrix.tasks.two_strings import TwoStrings

PAPER = "Bhattamishra, Hahn, Blunsom, Kanade 2024, arXiv 2406.09347, section 5"
LONGEST_TRIAL = 2**11
"""Contexts up to here are evaluated to find inputs that fail in a format."""
END = -3.0
"""Which string the end token belongs to: so far off that in the first layer it attends to itself."""


def space_of(task: TwoStrings) -> Space:
    """The coordinates of the residual stream."""
    return Space(place=(task.length // 2 - 1).bit_length(), string=1, token=(task.alphabet_size - 1).bit_length())


def positions(task: TwoStrings) -> tuple[Tensor, Tensor]:
    """Place and string (0 or 1) of every position."""
    everywhere, half = torch.arange(task.length), task.length // 2
    if task.layout == "concatenated":
        return everywhere % half, everywhere // half
    return everywhere // 2, everywhere % 2


def weights(task: TwoStrings, comparison: Comparison, fetch: float, object_: float) -> SequenceModel:
    """The model."""
    space = space_of(task)
    k, b = space.size("place"), space.size("token")
    tokens = range(space["token"].start, space["token"].stop)
    string = space["string"].start
    embed = space.vectors(task.vocabulary)
    embed[: task.alphabet_size, space["token"]] = binary_signs(torch.arange(task.alphabet_size), b)
    embed[task.query_offset, string] = END
    place, which = positions(task)
    table = space.vectors(task.length, place=binary_signs(place, k), string=2.0 * which[:, None] - 1)
    same_place = head(
        space,
        query={("place", "place"): fetch},
        query_bias={"string": -fetch},
        key={("place", "place"): 1.0, ("string", "string"): 1.0},
        value={("token", "token"): 1.0},
        out={("token", "token"): comparison.sign},
    )
    first = torch.eye(b)[:, :1]
    end = Unit({string: -1.0}, -2.0, {tokens[0]: 1.0})  # the end token's own objection: 1, which the shift makes 0
    verdict = head_of({"token": torch.ones(1, b)}, -1.0, object_, into={"token": first})
    return assemble(
        task,
        model_config(task, comparison),
        space,
        {"weight": embed},
        table,
        [([same_place], [*comparison.units(tokens, string), end]), ([verdict], [])],
        answers(space, tokens[0], accept=1),
        torch.zeros(2),
    )


def model_config(task: TwoStrings, comparison: Comparison) -> TransformerConfig:
    """The model's configuration."""
    space = space_of(task)
    tokens = range(space["token"].start, space["token"].stop)
    units = len(comparison.units(tokens, space["string"].start)) + 1
    return config(space.width, head_width=space.width, heads=1, units=units)


def construct(task: TwoStrings, options: Options, name: str, comparison: Comparison) -> Construction:
    """The construction with its certificate, from sizes alone."""
    number_format = parse(options.format)
    space = space_of(task)
    k, b = space.size("place"), space.size("token")
    found = veto(
        number_format,
        length=task.length,
        fetch_units=max(k + 1, abs(int(END))),
        objection=2 * b,
        loudest=4 * b - 4,
        slope=4 * b,
        units=abs(int(END)) + 2,
    )
    model = model_config(task, comparison)
    interleaved = task.layout == "interleaved"
    certificate = Certificate(
        construction=name,
        claim=local.claim(task, every_length=interleaved),
        scope="lengths up to N" if interleaved else "length N",
        argument=ARGUMENT,
        number_format=options.format,
        order=found.order,
        margin=found.margin,
        quantities=found.quantities(space.width),
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=model.model_dump(mode="json"),
    )
    return Construction(task, model, certificate, lambda: weights(task, comparison, found.fetch, found.object))


def trials(task: TwoStrings, options: Options, comparison: Comparison) -> Iterator[Iterator[Attempt]]:
    """For every temperature the format holds: strings of one symbol but for one place, alike and not alike there."""
    if task.length > LONGEST_TRIAL:
        return
    n = task.length // 2
    places = torch.tensor(sorted({0, n // 2, n - 1}))
    one = torch.zeros(len(places), n, dtype=torch.int64).scatter(1, places[:, None], 1)
    zero, every = torch.zeros_like(one), torch.ones_like(one)
    pairs = [(one, one), (one, zero), (zero, one), (one, 1 - one), (every, one), (every, every), (zero, zero)]
    context = torch.cat([task.join(first, second) for first, second in pairs])
    asked = torch.zeros(len(context), 1, dtype=torch.int64)
    for beta in temperatures(parse(options.format)):
        model = weights(task, comparison, beta, 2 * beta)
        yield iter([Attempt(f"beta = {beta:g}", model, context, asked)])


def _theorem(name: str, comparison: Comparison, width: str) -> Theorem:
    return Theorem(
        name,
        name,
        f"2 layers of one head and width {width} suffice",
        PAPER,
        lambda task, options: construct(task, options, name, comparison),
        trials=lambda task, options: trials(task, options, comparison),
    )


THEOREMS = {
    "equality": _theorem("equality", DIFFERENT, "ceil(log2 n) + 1 + ceil(log2 S)"),
    "disjointness": _theorem("disjointness", COMMON, "ceil(log2 n) + 2"),
}
