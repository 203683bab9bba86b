"""Index lookup with N b one-bit scalars, b = ceil(log2 S): a shift register as a ReLU Elman network.

Every token's code enters slot 0 while the other slots move on by one. The register is a ring: a query moves it once
more, loses nothing, and its embedding silences every slot but the one its token stands in. Right for contexts of
exactly N tokens: where a token stands depends on how many came after it. N log2 S bits are necessary (the recurrent
cut), so the register is optimal.
"""

from __future__ import annotations

import torch

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import register
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent.finite import sizes
from separatrix.constructions.recurrent.issue import issue, proved
from separatrix.constructions.recurrent.network import config, network
from separatrix.constructions.registry import Theorem
from separatrix.models.elman import Elman
from separatrix.tasks.index_lookup import IndexLookup

NAME = "shift-register"


def units(length: int, alphabet: int) -> int:
    """Units of the network, one bit each: N ceil(log2 S)."""
    return length * (alphabet - 1).bit_length()


def elman(task: IndexLookup) -> Elman:
    """The network: W is a rotation, activations are 0 and 1."""
    n, b = task.length, (task.alphabet - 1).bit_length()
    code = (torch.arange(task.alphabet)[:, None] >> torch.arange(b) & 1).float()
    rotation = torch.eye(n * b).roll(b, dims=0)
    tokens = torch.cat([code, torch.zeros(task.alphabet, (n - 1) * b)], dim=1)
    standing = torch.eye(n).roll(1, dims=1).flip(0)  # [position, slot] after N tokens and the query
    queries = (standing - 1).repeat_interleave(b, dim=1)
    head = (2 * code - 1).repeat(1, n)  # minus the Hamming distance to each code
    return network(task, torch.cat([tokens, queries]), rotation, torch.zeros(n * b), head, -code.sum(dim=1))


def build(task: IndexLookup, options: Options) -> Construction:
    """The register with its certificate. Raises CertificateError for mixed lengths and for too many units."""
    if task.mixed_lengths:
        raise CertificateError("a shift register holds exactly N tokens: mixed_lengths must be false")
    config(units(task.length, task.alphabet))  # refuses too many units before they are made
    model = elman(task)
    found = proved(lambda: register.read(model, options.format), model, options)
    return issue(
        NAME,
        model,
        options,
        claim=register.claim(task),
        scope="length N",
        argument=register.ARGUMENT,
        margin=found.margin,
        exact=found.exact,
        quantities=sizes(model),
    )


THEOREMS = {
    NAME: Theorem(
        NAME,
        "index-lookup",
        "index lookup needs N ceil(log2 S) one-bit scalars of recurrent state: the lower bound is tight",
        "Bhattamishra et al. 2024, the matching upper bound",
        build,
    )
}
