"""Any finite automaton as a ReLU Elman network, one unit per state and token (Minsky 1967, chapter 3).

Other networks, by `cell`: LSTM and GRU by their gates (`gated`), memories that reflect, for two groups (`reflections`),
and a diagonal recurrence for automata that overwrite (`overwriting`).

Unit (q, a) is 1 when the last token was a, read in state q. Then q' = δ(q, a) is the state, and of the units of the
next token exactly (q', b) sees both its state and its token b: h' = relu([arriving in q'] + [token is b] - 1). Nothing
has arrived before the first token; the units of the start state see "nothing is on" instead, so no unit is spent on it.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent import overwriting, reflections
from separatrix.constructions.recurrent.finite import certified
from separatrix.constructions.recurrent.gated import gated
from separatrix.constructions.recurrent.moore_machine import Machine, minimal_machine, minsky_units
from separatrix.constructions.recurrent.network import LARGEST_WIDTH, network
from separatrix.constructions.registry import Theorem
from separatrix.models import SequenceModel
from separatrix.models.elman import Elman
from separatrix.tasks import Task
from separatrix.tasks.bounded_dyck import BoundedDyck

SOURCE = "Minsky 1967, Computation: finite and infinite machines, chapter 3"
SATURATED = f"units of {SOURCE}; saturated gates as in Merrill 2019, arXiv 1906.01698"
CELLS = {
    "lstm": ("every finite automaton is an LSTM with saturated gates of |Q| |alphabet| units", SATURATED),
    "gru": ("every finite automaton is a GRU with saturated gates of |Q| |alphabet| units", SATURATED),
    "deltanet": (
        "parity is one reflection of a DeltaNet with beta up to 2: a memory of one number",
        reflections.SOURCE,
    ),
    "deltaproduct": (
        "words of S3 are products of reflections, three a token: a memory of four numbers, twice",
        reflections.SOURCE,
    ),
    "mamba": (
        "tokens that keep or set a state are a diagonal recurrence, a channel for each state",
        overwriting.SOURCE,
    ),
}


class Cells(Options):
    """What may be chosen of an automaton's network.

    >>> sx.constructions.create("parity", length=20, cell="gru").certificate.number_format
    'fp32'
    """

    cell: Literal["elman", "lstm", "gru", "deltanet", "deltaproduct", "mamba"] = Field(
        "elman",
        description="the network: elman; lstm or gru by their gates; deltanet or deltaproduct by reflections (parity; "
        "words of S3); mamba where tokens keep the state or set it",
    )


def elman(task: Task, machine: Machine) -> Elman:
    """The network of a machine, width |Q| |alphabet|: weights and activations are 0 and ±1.

    The end of the string is embedded as token 0, so that unit (q, 0) says which state q was reached.
    """
    wired, tokens = minsky_units(machine, task.answers), machine.alphabet
    arriving, bias = wired.arriving, -torch.ones(machine.states)
    arriving[0] -= 1  # the start state is arrived in when nothing is on
    bias[0] = 0
    return network(
        task,
        wired.embed,
        arriving.repeat_interleave(tokens, dim=0),
        bias.repeat_interleave(tokens),
        wired.head,
        torch.zeros(task.answers),
    )


def build(task: Task, options: Cells) -> Construction:
    """The minimal automaton of a task as a network. Raises CertificateError when it has too many states."""
    if isinstance(task, BoundedDyck):
        _check_stacks(task)
    machine = minimal_machine(task)
    if machine.states * machine.alphabet > LARGEST_WIDTH:
        raise CertificateError(
            f"{machine.states:,} states times {machine.alphabet} tokens are more than the {LARGEST_WIDTH:,} units built"
        )
    return certified(NAMES[task.name], _network(task, machine, options.cell), options)


def _network(task: Task, machine: Machine, cell: str) -> SequenceModel:
    match cell:
        case "elman":
            return elman(task, machine)
        case "lstm" | "gru":
            return gated(task, machine, cell)
        case "mamba":
            return overwriting.overwriting(task, machine)
    return reflections.reflecting(task, cell)


def _check_stacks(task: BoundedDyck) -> None:
    """Before counting them one by one: the stacks number 1 + n + … + n^k, one more state rejects."""
    most, stacks = LARGEST_WIDTH // (2 * task.kinds), 1
    for height in range(1, task.depth + 1):
        stacks += task.kinds**height
        if stacks >= most:
            raise CertificateError(
                f"bounded-dyck has more than {most:,} stacks of {task.kinds} kinds up to depth {task.depth}, times "
                f"{2 * task.kinds} tokens more than the {LARGEST_WIDTH:,} units built: use bounded-dyck-stack"
            )


NAMES = {
    "bounded-dyck": "bounded-dyck-automaton",
    "parity": "parity",
    "modular-counter": "modular-counter",
    "group-word": "group-word",
    "automaton": "automaton",
}
"""Task → its construction by the minimal automaton."""

THEOREMS = {
    name: Theorem(
        name,
        task,
        "every finite automaton is a ReLU Elman network of |Q| |alphabet| units",
        SOURCE,
        build,
        Cells,
        cells=CELLS,
    )
    for task, name in NAMES.items()
}
