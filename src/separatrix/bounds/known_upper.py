"""The smallest models known to suffice, per task and architecture class: sizes of constructions, as formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

from separatrix.bounds.sizes import log_length
from separatrix.tasks import Task
from separatrix.tasks.associative_recall import AssociativeRecall

PAPER = "Bhattamishra et al. 2024"


@dataclass(frozen=True)
class Upper:
    """A construction that solves a task: its size, and where it comes from."""

    size: int | float
    unit: str
    construction: str
    source: str


def recurrent_upper(task: Task) -> Upper | None:
    """Bits of state that suffice for an exact recurrent model."""
    if task.name == "index-lookup":
        alphabet = task.model_dump()["alphabet"]
        return Upper(task.length * math.ceil(math.log2(alphabet)), "bits", "shift register", "one place a token")
    tight = {
        "bounded-dyck": "automaton of stacks",
        "equality": "residual automaton",
        "disjointness": "residual automaton",
        "parity": "two states",
        "modular-counter": "counter",
        "group-word": "Cayley graph",
    }
    if task.name in tight:
        return Upper(math.ceil(task.recurrent_bits()), "bits", tight[task.name], "Myhill–Nerode")
    if isinstance(task, AssociativeRecall):
        return Upper(math.ceil(task.table_bits()), "bits", "the set of pairs", "counting")
    return None


def attention_upper(task: Task) -> Upper | None:
    """Width that suffices for a one-layer Transformer."""
    if task.name == "index-lookup":
        alphabet = task.model_dump()["alphabet"]
        width = log_length(task.length) + math.ceil(math.log2(alphabet)) + 1
        return Upper(width, "width", "binary position codes", f"Theorem 1, {PAPER}")
    return None


def two_layer_upper(task: Task) -> Upper | None:
    """Width that suffices for a two-layer Transformer."""
    told, levels = task.model_dump(), log_length(task.length)
    match task.name:
        case "equality" | "disjointness":
            width = log_length(task.length // 2) + 1 + log_length(task.alphabet_size)
            return Upper(width, "width", "fetch and compare", PAPER)
        case "sparse-threshold" if told["instance"] == "majority":
            return Upper(2, "width", "average", PAPER)
        case "sparse-threshold" if told["instance"] in ("inner-product", "disjointness", "equality"):
            return Upper(2 * levels + 3, "width", "fetch and evaluate", PAPER)
        case "sparse-threshold" if told["instance"] in ("k-cnf", "k-dnf"):
            return Upper((told["k"] + 1) * levels + told["k"] + 1, "width", "fetch and compare", PAPER)
        case "associative-recall":
            return Upper(levels + 2 * log_length(task.alphabet_size), "width", "copy and match", PAPER)
        case "nearest-neighbor":
            width = levels + told["dimension"] + told["labels"]
            return Upper(width, "width", "copy and compare, inputs of a margin", PAPER)
        case "index-lookup":
            return attention_upper(task)
        case _:
            return None


def elman_upper(task: Task) -> Upper | None:
    """Units, of one bit each, of a ReLU Elman network that is built: its weights are `separatrix.constructions`."""
    told = task.model_dump()
    match task.name:
        case "index-lookup":
            return Upper(task.length * log_length(told["alphabet"]), "units", "shift register", "one place a token")
        case "bounded-dyck":
            stack = (2 * told["depth"] + 2) * told["kinds"].bit_length() + 2
            return Upper(stack, "units", "stack", "Hewitt et al. 2020")
        case "equality" if told["layout"] == "interleaved":
            return Upper(3 * log_length(told["alphabet"]) + 3, "units", "one symbol held", PAPER)
        case "disjointness" if told["layout"] == "interleaved":
            return Upper(5, "units", "one bit held", PAPER)
        case "parity" | "modular-counter" | "group-word":
            return Upper(task.alphabet_size * task.answers, "units", "one a state and token", "Minsky 1967")
        case _:
            return None
