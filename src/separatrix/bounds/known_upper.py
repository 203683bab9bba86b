"""The smallest models known to suffice, per task and architecture class: sizes of constructions, as formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

from separatrix.bounds.arithmetic import ANY, log_length
from separatrix.tasks import Problem
from separatrix.tasks.associative_recall import AssociativeRecall
from separatrix.tasks.logarithms import log2_add, log2_binomial, log2_power_sum

PAPER = "Bhattamishra et al. 2024"

EXACT_SUMS = "fixed point of enough bits for a token, exact sums"
"""The arithmetic of a layer that hands on its whole context: a weight for every token, any function after attention."""

REAL = "real numbers"
"""The arithmetic in which other widths are stated; certificates say in which formats they hold too."""

_COUNTED = 2**12
"""States of so many bits are counted as integers."""


@dataclass(frozen=True)
class Upper:
    """A construction that solves a task: its size, where it comes from, and the arithmetic it is right in."""

    size: int | float
    unit: str
    construction: str
    source: str
    arithmetic: str = REAL


def recurrent_upper(task: Problem) -> Upper | None:
    """Bits of state that suffice for an exact recurrent model that is not told at which position it is.

    Every size is that of one machine for all steps. The residual automaton, which meets the lower bound, has a layer of
    its own for each position: where positions matter, they are counted here as states.
    """
    told = task.model_dump()
    match task.name:
        case "index-lookup":
            size = task.length * log_length(told["alphabet"])
            return Upper(size, "bits", "shift register", "one place a token", ANY)
        case "bounded-dyck":
            return _machine(_power_sum(told["kinds"], min(told["depth"], task.length // 2), 1), "stacks, and rejection")
        case "equality" | "disjointness" if told["layout"] == "interleaved":
            return _machine(task.alphabet_size + 2, "what must come next, unequal, or between pairs")
        case "equality" | "disjointness":
            return _two_strings(task)
        case "sparse-threshold" if told["instance"] in ("equality", "disjointness"):
            return _two_strings(task)
        case "sparse-threshold" if told["instance"] == "majority":
            return _machine(task.length // 2 + 2, "ones, up to the threshold")
        case "parity":
            return _machine(2, "two states")
        case "modular-counter":
            return _machine(min(told["modulus"], task.length + 1), "counter")
        case "group-word":
            return _machine(task.answers, "Cayley graph")
        case "automaton":
            return _machine(len(told["transitions"]), "the automaton itself")
    return _tables(task) if isinstance(task, AssociativeRecall) else None


def _machine(states: int | float, construction: str) -> Upper:
    """A machine of so many states; a float is the log2 of a number too large to count, which is rounded up."""
    bits = log_length(states) if isinstance(states, int) else math.ceil(states * (1 + 1e-12))
    return Upper(bits, "bits", construction, "counting, positions not told", ANY)


def _power_sum(base: int, highest: int, plus: int = 0) -> int | float:
    """1 + base + … + base^highest and `plus`, or its log2."""
    if highest * math.log2(base) > _COUNTED:
        return log2_power_sum(base, 0, highest, plus=plus)
    return plus + (highest + 1 if base == 1 else (base ** (highest + 1) - 1) // (base - 1))


def _two_strings(task: Problem) -> Upper:
    """The first string so far, S^0 + … + S^n; then what is left to compare, or nothing: S^(n-1) + … + 1 + 1."""
    n, s = task.length // 2, task.alphabet_size
    first, second = _power_sum(s, n), _power_sum(s, n - 1, 1)
    whole = isinstance(first, int) and isinstance(second, int)
    return _machine(first + second if whole else log2_add(first, second), "what is left to compare")


def _tables(task: AssociativeRecall) -> Upper:
    """Every table of at most k pairs, with or without a key whose value is to come."""
    k, keys, values = task.pairs, task.keys, task.values
    if k <= _COUNTED // 8:
        tables = [math.comb(keys, j) * values**j for j in range(k + 1)]
        return _machine(sum(tables) + sum(t * (keys - j) for j, t in enumerate(tables[:-1])), "the set of pairs")
    most = min(k, (keys + 1) * values // (values + 1))  # the number of pairs of which there are most tables
    largest = log2_binomial(keys, most) + most * math.log2(values)
    return _machine(largest + math.log2(k + 1) + math.log2(keys + 1), "the set of pairs")


def attention_upper(task: Problem) -> Upper | None:
    """Width that suffices for a one-layer Transformer."""
    if task.name == "index-lookup":
        alphabet = task.model_dump()["alphabet"]
        width = log_length(task.length) + math.ceil(math.log2(alphabet)) + 1
        return Upper(width, "width", "binary position codes", f"Theorem 1, {PAPER}")
    if task.name == "bounded-dyck":
        return Upper(task.length, "width", "values name the place, weights the token", "read out whole", EXACT_SUMS)
    return None


def two_layer_upper(task: Problem) -> Upper | None:
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
        case "bounded-dyck" if told["depth"] <= 2:
            width = 4 + log_length(told["kinds"])
            return Upper(width, "width", "the token before, or the last opening bracket at an odd place", "by recency")
        case _:
            return None


def three_layer_upper(task: Problem) -> Upper | None:
    """Width that suffices for a three-layer Transformer, where two layers are not known to do."""
    told = task.model_dump()
    if task.name != "bounded-dyck" or told["depth"] < 2:
        return None
    width = 2 * told["depth"] + 8 + log_length(told["kinds"])
    return Upper(width, "width", "depth by averaging, the last opening bracket of a depth", "by recency")


def elman_upper(task: Problem) -> Upper | None:
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
