"""Equality and disjointness of interleaved strings x1 y1 x2 y2 … with a constant state.

`phase` alternates 0, 1, 0, 1, …; `held` takes the bits of x_i while the phase is 0. At y_i, equality compares bit by
bit: `surplus` = held and not y, `missing` = y and not held; disjointness has `common` = held and y. The flag of `alarm`
remembers whether any of these was ever on. The minimal automata have S + 2 states (equal so far, S symbols held,
unequal) and, over bits, 4 states (disjoint so far, x_i = 0 or 1 held, met): at most S + 1 and 3 of them after any one
number of tokens, which is what the lower bounds log2(S + 1) and log2 3 count.
"""

from __future__ import annotations

import torch

from separatrix.constructions.basis import Space, linear
from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent import violation_flag as alarm
from separatrix.constructions.recurrent.finite import certified
from separatrix.constructions.recurrent.network import network
from separatrix.constructions.registry import Theorem
from separatrix.models.elman import Elman
from separatrix.tasks import Task
from separatrix.tasks.disjointness import Disjointness
from separatrix.tasks.equality import Equality

SOURCE = "Bhattamishra et al. 2024: the order of the input decides what a recurrent model must remember"


def equality(task: Equality) -> Elman:
    """The network for strings over S symbols, 3 b + 3 units with b = ceil(log2 S)."""
    b = (task.alphabet - 1).bit_length()
    code = (torch.arange(task.alphabet)[:, None] >> torch.arange(b) & 1).float()
    space = Space(phase=1, held=b, surplus=b, missing=b, **alarm.BLOCKS)
    during, silent = torch.ones(b, 1), -torch.ones(b, 1)
    recurrent = linear(
        space,
        space,
        {
            ("phase", "phase"): -1.0,
            ("phase", "held"): silent,
            ("phase", "surplus"): during,
            ("phase", "missing"): during,
            ("held", "surplus"): 1.0,
            ("held", "missing"): -1.0,
        },
    )
    bias = space.vectors(1, phase=1.0, surplus=-1.0, missing=-1.0)[0]
    alarm.install(space, recurrent, bias, "surplus", "missing")
    tokens = space.vectors(task.alphabet, held=code, surplus=-code, missing=code)
    end = space.vectors(1)
    return network(task, torch.cat([tokens, end]), recurrent, bias, *alarm.accept(space))


def disjointness(task: Disjointness) -> Elman:
    """The network for sets given by bits, 5 units."""
    space = Space(phase=1, held=1, common=1, **alarm.BLOCKS)
    recurrent = linear(space, space, {("phase", "phase"): -1.0, ("phase", "held"): -1.0, ("held", "common"): 1.0})
    bias = space.vectors(1, phase=1.0, common=-1.0)[0]
    alarm.install(space, recurrent, bias, "common")
    tokens = space.vectors(2, held=torch.arange(2.0)[:, None], common=torch.arange(2.0)[:, None])
    return network(task, torch.cat([tokens, space.vectors(1)]), recurrent, bias, *alarm.accept(space))


def build(task: Task, options: Options) -> Construction:
    """The network of an interleaved task. Raises CertificateError for concatenated strings."""
    if task.model_dump()["layout"] != "interleaved":
        raise CertificateError(f"{task.name} of concatenated strings has no constant-size network: layout interleaved")
    if isinstance(task, Equality):
        return certified("equality-interleaved", equality(task), options)
    assert isinstance(task, Disjointness)
    return certified("disjointness-interleaved", disjointness(task), options)


THEOREMS = {
    name: Theorem(
        name,
        name.removesuffix("-interleaved"),
        f"{name.removesuffix('-interleaved')} of interleaved strings needs a constant recurrent state",
        SOURCE,
        build,
        fixed={"layout": "interleaved"},
    )
    for name in ("equality-interleaved", "disjointness-interleaved")
}
