"""Index lookup by linear attention without decay: a row of the state for every place, and a decay that is exactly 1.

A place's key is its unit vector, a token's value its signs, a query reads the row of its place: N rows of ceil(log2 S)
signs, as many as a state must have. GLA's decays are sigmoids to the 1 / 16: of 128 they are 1 in fp32. The norm keeps
signs, the gate is 128 for every query, and the output takes it back.
"""

from __future__ import annotations

import math

import torch

from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import table
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options, assemble
from separatrix.constructions.recurrent.issue import issue
from separatrix.constructions.registry import Theorem
from separatrix.models import SequenceModel
from separatrix.models.gla import GLAConfig
from separatrix.tasks.index_lookup import IndexLookup

SOURCE = "Katharopoulos et al. 2020, arXiv 2006.16236; Yang et al. 2024, arXiv 2312.06635"
GATE, CODE = 128.0, 1024.0
"""What SiLU keeps and a sigmoid makes 1; the size of signs, whose square is large beside what the norm adds."""
LONGEST = 2**12
"""Places at most: six matrices of as many rows and columns take 400 MB then."""


def space_of(task: IndexLookup) -> Space:
    """The coordinates of an embedding: which place, and the token's signs."""
    return Space(place=task.length, code=(task.alphabet - 1).bit_length())


def weights(task: IndexLookup, settings: GLAConfig) -> SequenceModel:
    """The model."""
    space = space_of(task)
    n, b, width = task.length, space.size("code"), space.width
    codes, places = binary_signs(torch.arange(task.alphabet), b), torch.eye(n, width)
    embed = torch.zeros(task.vocabulary, width)
    embed[: task.alphabet, space["code"]] = codes
    embed[task.query_offset : task.query_offset + n] = places
    value, gate, head = torch.zeros(width, width), torch.zeros(width, width), torch.zeros(task.answers, width)
    value[:b, space["code"]] = CODE * torch.eye(b)
    gate[:, space["place"]] = GATE
    head[:, :b] = codes
    mixer = "blocks.0.mixer"
    made = {
        "embed.weight": embed,
        "positions.table.weight": places,
        f"{mixer}.query.weight": places.clone(),
        f"{mixer}.key.weight": places.clone(),
        f"{mixer}.value.weight": value,
        f"{mixer}.gate.weight": gate,
        f"{mixer}.decay.1.bias": torch.full((n,), GATE),
        f"{mixer}.norm": torch.full((width,), math.sqrt(b / width)),
        f"{mixer}.out.weight": torch.eye(width) / GATE,
        "head.weight": head,
    }
    return assemble(task, settings, made)


def build(task: IndexLookup, options: Options) -> Construction:
    """Every place of contexts of up to N tokens, with one set of weights. Raises CertificateError above LONGEST."""
    if task.length > LONGEST:
        raise CertificateError(f"{task.length:,} places need as many coordinates: at most {LONGEST:,} are built")
    width = space_of(task).width
    settings = GLAConfig(
        width=width, heads=1, key_width=task.length, rank=1, norm="none", mlp=0, residual=False, positions="learned"
    )
    made = weights(task, settings)
    return issue(
        NAME,
        made,
        options,
        claim=table.claim(task),
        scope="lengths up to N",
        argument=table.ARGUMENT,
        margin=table.PlaceTable(made, options.format).margin,
        quantities={"width": width, "key_width": task.length, "decay": GATE},
    )


NAME = "index-lookup-linear-attention"

THEOREMS = {
    NAME: Theorem(NAME, "index-lookup", "linear attention of key width N looks up any of N tokens", SOURCE, build)
}
