"""Any finite automaton as a ReLU Elman network, one unit per state and token (Minsky 1967, chapter 3).

Other networks, by `cell`: LSTM and GRU by their gates (`gated`), memories that reflect, for two groups (`reflections`),
and diagonal recurrences for automata that overwrite (`overwriting`) or count between bounds (`cascade`). Streams are
answered at every token, by what is read off each unit.

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
from separatrix.constructions.recurrent import cascade, overwriting, reflections
from separatrix.constructions.recurrent.finite import certified
from separatrix.constructions.recurrent.gated import gated
from separatrix.constructions.recurrent.moore_machine import Machine, Transducer, minimal_machine, minsky_units
from separatrix.constructions.recurrent.network import LARGEST_WIDTH, network
from separatrix.constructions.recurrent.transducer import transducer
from separatrix.constructions.registry import Theorem
from separatrix.models import SequenceModel
from separatrix.models.elman import Elman
from separatrix.tasks import Problem, StreamTask
from separatrix.tasks.base import context_task
from separatrix.tasks.bounded_dyck import BoundedDyck
from separatrix.tasks.streams.flip_flop import FlipFlop
from separatrix.tasks.streams.next_bracket import NextBracket

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
        "tokens that keep or set a state are a diagonal recurrence, a channel for each state; a counter with bounds is "
        "one of a layer for each count",
        cascade.SOURCE,
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


def elman(task: Problem, machine: Machine | Transducer) -> Elman:
    """The network of a machine, width |Q| |alphabet|: weights and activations are 0 and ±1.

    The end of the string is embedded as token 0, so that unit (q, 0) says which state q was reached. At every place of
    a stream unit (q, a) says the answer to a in q.
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


def build(task: Problem, options: Cells) -> Construction:
    """The minimal automaton of a task as a network. Raises CertificateError when it has too many states."""
    if isinstance(task, BoundedDyck | NextBracket):
        _check_stacks(task)
    machine = transducer(task) if isinstance(task, StreamTask) else minimal_machine(context_task(task))
    if machine.states * machine.alphabet > LARGEST_WIDTH:
        raise CertificateError(
            f"{machine.states:,} states times {machine.alphabet} tokens are more than the {LARGEST_WIDTH:,} units built"
        )
    return certified(NAMES[task.name], _network(task, machine, options.cell), options)


def _network(task: Problem, machine: Machine | Transducer, cell: str) -> SequenceModel:
    match cell:
        case "elman":
            return elman(task, machine)
        case "lstm" | "gru":
            return gated(task, machine, cell)
        case "mamba":
            return _diagonal(task, machine)
    return reflections.reflecting(task, cell)


def _diagonal(task: Problem, machine: Machine | Transducer) -> SequenceModel:
    if isinstance(task, FlipFlop):
        return cascade.flip_flop(task)
    states = machine.moore() if isinstance(machine, Transducer) else machine
    made = overwriting.overwriting if overwriting.overwrites(states) else cascade.counter
    return made(task, states)


def _check_stacks(task: BoundedDyck | NextBracket) -> None:
    """Before counting them one by one: the stacks number 1 + n + … + n^k, one more state rejects."""
    most, stacks = LARGEST_WIDTH // (2 * task.kinds), 1
    for height in range(1, task.depth + 1):
        stacks += task.kinds**height
        if stacks >= most:
            raise CertificateError(
                f"{task.name} has more than {most:,} stacks of {task.kinds} kinds up to depth {task.depth}, times "
                f"{2 * task.kinds} tokens more than the {LARGEST_WIDTH:,} units built"
                + (": use bounded-dyck-stack" if task.name == "bounded-dyck" else "")
            )


NAMES = {
    "bounded-dyck": "bounded-dyck-automaton",
    "parity": "parity",
    "modular-counter": "modular-counter",
    "group-word": "group-word",
    "automaton": "automaton",
    "state-tracking": "state-tracking",
    "flip-flop": "flip-flop",
    "next-bracket": "next-bracket",
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
