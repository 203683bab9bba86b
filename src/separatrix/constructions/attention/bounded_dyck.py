"""Bounded Dyck-(n, 2), linear in N for one layer, with two layers of one head and width 4 + ceil(log2 n).

Places are counted from 1. After an odd place a string that is right so far is one bracket deep: that one bracket is the
most recent opening one at an odd place. So every place needs to see one token only. First layer: at odd places, and at
the end, the head asks for an even place, the last there is; at even places for an opening bracket, then for an odd
place, then for the last there is. The MLP turns what was read into objections, and the second layer is a veto.

Coordinates: the number of the place, halved; its parity (1 if odd, as at the end); whether the token opens (1 or -1);
what is read of that, less the parity there, so that the first place, which reads itself, seems to follow a closing
bracket; the kind's b signs, from which those that are read are taken. Numbers go up to N: they take log2 N bits.
"""

from __future__ import annotations

import math

import torch

from separatrix.constructions.attention.any_objection import answers, head_of, veto
from separatrix.constructions.attention.layers import Head, Unit, assemble, config, head
from separatrix.constructions.attention.one_hot import require_room
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate
from separatrix.constructions.check.arguments import brackets
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Theorem
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import parse
from separatrix.tasks.bounded_dyck import BoundedDyck

SOURCE = "after Yao, Peng, Papadimitriou, Narasimhan 2021, arXiv 2105.11115; depth told by parity"
END = 2.5
"""What the end token has for an opening bracket: it objects to one before it, and is else worth just 1."""


def space_of(task: BoundedDyck) -> Space:
    """The coordinates of the residual stream."""
    return Space(place=1, parity=1, opens=1, found=1, kind=(task.kinds - 1).bit_length())


def weights(task: BoundedDyck, fetch: float, object_: float) -> SequenceModel:
    """The model."""
    space = space_of(task)
    embed = tokens(task, space)
    embed[task.query_offset, space["opens"]], embed[task.query_offset, space["parity"]] = END, 1.0
    places = torch.arange(1, task.length + 1)
    table = space.vectors(task.length, place=(places // 2)[:, None], parity=(2.0 * (places % 2) - 1)[:, None])
    found = space["found"].start
    verdict = head_of({"found": 1.0}, -1.0, object_, into={"found": 1.0})
    return assemble(
        task,
        model_config(task),
        space,
        {"weight": embed},
        table,
        [([_reads(task, fetch)], _objections(task)), ([verdict], [])],
        answers(space, found, accept=1),
        torch.zeros(2),
    )


def tokens(task: BoundedDyck, space: Space) -> torch.Tensor:
    """[V, D] what tokens say: `opens`, 1 of opening brackets and else -1, and the signs of a bracket's kind."""
    n = task.kinds
    embed = space.vectors(task.vocabulary, opens=-1.0)
    embed[:n, space["opens"]] = 1.0
    embed[: 2 * n, space["kind"]] = binary_signs(torch.arange(2 * n) % n, space.size("kind"))
    return embed


def _reads(task: BoundedDyck, beta: float) -> Head:
    """The first layer's head. An odd place, and an opening bracket, is worth more than all places are apart."""
    odd, opening = _worth(task)
    return head(
        Space(place=1, parity=1, opens=1, kind=space_of(task).size("kind")),
        query={("parity", "parity"): -beta * odd, ("parity", "opens"): -beta * opening},
        query_bias={"place": beta, "opens": beta * opening},
        key={("place", "place"): 1.0, ("parity", "parity"): 1.0, ("opens", "opens"): 1.0},
        value={("opens", "opens"): 1.0, ("parity", "opens"): -1.0, ("kind", "kind"): 1.0},
        out={("opens", "found"): 1.0, ("kind", "kind"): -1.0},
    )


def _worth(task: BoundedDyck) -> tuple[int, int]:
    """What a parity's sign and half of an opening bracket's are worth, so that no two places ever score the same."""
    apart = task.length // 2 + 1
    odd = math.ceil(apart / 2)
    return odd, math.ceil((apart + 2 * odd) / 4)


def _objections(task: BoundedDyck) -> list[Unit]:
    """Units that write what is wrong into `found`, erased: 0, or at least 2; at the end 1, or 5."""
    space = space_of(task)
    parity, opens, found = (space[name].start for name in ("parity", "opens", "found"))
    units = [
        Unit({found: 1.0}, 0.0, {found: -1.0}),
        Unit({found: -1.0}, 0.0, {found: 1.0}),
        Unit({found: 1.0, opens: 1.0, parity: 1.0}, -3.0, {found: 2.0}),  # odd, opens after an opening one
        Unit({found: -1.0, opens: -1.0, parity: 1.0}, -1.0, {found: 2.0}),  # odd, closes after a closing one
    ]
    if task.depth == 1:
        units.append(Unit({opens: 1.0, parity: -2.0}, -2.0, {found: 2.0}))  # even, opens
    for sign in (1.0, -1.0):  # closes what is of another kind
        kinds = range(space["kind"].start, space["kind"].stop)
        units += [Unit({kind: sign, opens: -1.0}, -1.0, {found: 1.0}) for kind in kinds]
    return units


def model_config(task: BoundedDyck) -> TransformerConfig:
    """The model's configuration."""
    space = space_of(task)
    return config(space.width, head_width=3 + space.size("kind"), heads=1, units=len(_objections(task)))


def build(task: BoundedDyck, options: Options) -> Construction:
    """Membership of strings of every even length up to N, with one set of weights. Raises InputError beyond depth 2."""
    if task.depth > 2:
        raise InputError(f"two layers are built for brackets of depth 1 or 2, got depth {task.depth}")
    number_format, space = parse(options.format), space_of(task)
    b, (odd, opening) = space.size("kind"), _worth(task)
    loudest = max(6, 2 * b + 2)
    found = veto(
        number_format,
        length=task.length,
        fetch_units=task.length // 2 + odd + 2 * opening,
        objection=loudest,
        loudest=2 * loudest - 4,
        slope=16 * (b + 2),
        units=20 + 4 * b,
        fetch_gap=1.0,
        unit=0.5,
    )
    require_room(number_format, found.fetch * (task.length // 2 + 2 * odd + 4 * opening), "the first layer's scores")
    settings = model_config(task)
    certificate = Certificate(
        construction=NAME,
        claim=brackets.claim(task),
        scope="lengths up to N",
        argument=brackets.ARGUMENT,
        number_format=options.format,
        order=found.order,
        margin=found.margin,
        quantities=found.quantities(space.width),
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=settings.model_dump(mode="json"),
    )
    return Construction(task, settings, certificate, lambda: weights(task, found.fetch, found.object))


NAME = "bounded-dyck-two-layers"

THEOREMS = {
    NAME: Theorem(
        NAME, "bounded-dyck", "2 layers of one head and width 4 + ceil(log2 n) suffice to depth 2", SOURCE, build
    )
}
