"""Sparse threshold functions: f(x) = [sum_j g_j(x restricted to S_j) >= t] with |S_j| <= s."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int, UInt8
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.bitstrings import ones, random_bits
from separatrix.tasks.features import Feature, FeatureBank
from separatrix.tasks.logarithms import log2_add, log2_binomial
from separatrix.tasks.sampling import ragged_places, true_places

Instance = Literal["majority", "k-cnf", "k-dnf", "inner-product", "disjointness", "equality", "custom"]


class SparseThreshold(Task):
    """A threshold of at most N Boolean features, each of at most s positions of a string of N bits.

    Example: `majority` of `1 0 1` is answered 1: two of three bits are at least the threshold 2.

    majority       more ones than zeros
    k-cnf, k-dnf   a random formula of `clauses` clauses with k literals (`formula_seed` says which)
    inner-product  at least `threshold` common ones of the two halves (None: a quarter of their length)
    disjointness, equality   of the two halves, as the tasks of these names
    custom         your own `features` and `threshold`

    Half of the strings are to be answered 1. Half are uniform, as far as that gives the answer wished; the others are
    uniform ones moved to the threshold, the hard ones: as many random features as it takes are set to 1, or to 0,
    until exactly t of them, or t - 1, have value 1. Where features exclude one another and 64 rounds do not get there,
    the last attempt stays, "towards the threshold": kinds and labels say what came out, not what was meant.
    """

    summary: ClassVar[str] = "do enough of these sparse features hold?"
    name: Literal["sparse-threshold"] = "sparse-threshold"
    instance: Instance = "majority"
    k: int = Field(3, ge=1, le=16, description="literals of a clause (k-cnf, k-dnf)")
    clauses: int | None = Field(None, ge=1, description="clauses of a formula, at most N; None for N / 2")
    formula_seed: int = Field(0, ge=0, description="which random formula")
    threshold: int | None = Field(None, ge=1, description="t, for inner-product and custom")
    features: tuple[Feature, ...] | None = Field(None, min_length=1, description="the features of a custom function")

    @model_validator(mode="after")
    def _consistent(self) -> SparseThreshold:
        if (self.instance == "custom") != (self.features is not None):
            raise ValueError("sparse-threshold: give features with instance custom, and only then")
        if self.instance == "custom" and self.threshold is None:
            raise ValueError("sparse-threshold: a custom function needs a threshold")
        for field, instances in (("threshold", ("inner-product", "custom")), ("clauses", ("k-cnf", "k-dnf"))):
            if getattr(self, field) is not None and self.instance not in instances:
                raise ValueError(f"sparse-threshold: {field} is for {' and '.join(instances)}, not {self.instance}")
        if self.instance in ("inner-product", "disjointness", "equality") and self.length % 2:
            raise ValueError(f"sparse-threshold: {self.instance} needs an even length, got {self.length}")
        if self.instance in ("k-cnf", "k-dnf") and self.k > self.length:
            raise ValueError(f"sparse-threshold: clauses of {self.k} literals do not fit in {self.length} bits")
        if (self.clauses or 0) > self.length:
            raise ValueError(f"sparse-threshold: clauses must be at most the length {self.length}, got {self.clauses}")
        if self.features is not None:
            out = [f.positions for f in self.features if max(f.positions) >= self.length]
            if out:
                raise ValueError(f"sparse-threshold: positions must be below {self.length}, got {list(out[0])}")
            if len(self.features) > self.length:
                raise ValueError(f"sparse-threshold: at most {self.length} features, got {len(self.features)}")
        most = self.length // 2 if self.features is None else len(self.features)
        if (self.threshold or 0) > most:
            raise ValueError(f"sparse-threshold: a threshold of {self.threshold} is never reached by {most} features")
        return self

    @property
    def alphabet_size(self) -> int:
        return 2

    @property
    def answers(self) -> int:
        return 2

    @property
    def groups(self) -> tuple[str, ...]:
        return ("uniform", "at the threshold", "below the threshold", "towards the threshold")

    @property
    def lengths(self) -> Sequence[int]:
        match self.instance:
            case "custom" | "k-cnf" | "k-dnf":
                return [self.length]  # the function is one of N bits
            case "majority":
                return range(1, self.length + 1)
            case _:
                return range(2 * (self.threshold or 1), self.length + 1, 2)

    def definition(self) -> tuple[tuple[Feature, ...], int]:
        """The features g_j with their positions S_j, and the threshold t."""
        return _definition(self)

    # data ------------------------------------------------------------------------------------------------------------
    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        if n != self.length:
            return _at_length(self, n).sample(batch_size, generator, count)
        device = generator.device
        bank, threshold = _bank(self, device)
        bits = random_bits(batch_size, n, generator)
        wished, hard = torch.randint(2, (2, batch_size), generator=generator, device=device).bool()
        target = torch.where(wished, threshold, threshold - 1)
        held = ones(bank.values(bits))
        moved = ((held >= threshold) != wished) | (hard & (target >= 0) & (target <= len(bank)))
        context = self._moved(bits, torch.where(moved, target, held), generator)
        short = (threshold - self._held(context)).where(moved, -1)
        group = torch.where(short == 0, 1, torch.where(short == 1, 2, torch.where(moved, 3, 0)))
        return self.decision(context, group, count)

    def _moved(
        self, bits: UInt8[Tensor, "B N"], target: Int[Tensor, " B"], generator: torch.Generator
    ) -> Int[Tensor, "B N"]:
        """The strings after features of theirs were set until `target` of them have value 1."""
        bank, _ = _bank(self, bits.device)
        done = torch.empty(bits.shape, dtype=torch.int64, device=bits.device)
        which = torch.arange(len(bits), device=bits.device)
        for _ in range(ROUNDS):
            values = bank.values(bits)
            missing = target - ones(values)
            off = true_places(missing)
            if 8 * len(off) <= 7 * len(which):  # put the strings that are done aside and go on with fewer
                there = true_places(missing == 0)
                done[which[there]] = bits[there].long()
                which, target, missing, bits, values = (x[off] for x in (which, target, missing, bits, values))
            if not len(which):
                return done
            string, feature = _choose(bank.changeable(values, missing > 0), missing.abs(), generator)
            bank.turn(bits, string, feature, generator)
        done[which] = bits.long()
        return done

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        if context.shape[1] != self.length:
            return _at_length(self, context.shape[1]).answer(context, queries)
        at_least = self._held(context) >= _definition(self)[1]
        return at_least.long()[:, None].expand(queries.shape)

    def _held(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        """How many features have value 1."""
        return ones(_bank(self, context.device)[0].values(context.to(torch.uint8)))

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float | None:
        """Exact for majority, disjointness and equality, a lower bound for inner products; None for other functions:
        formulas differ (enumerate them: `separatrix analyze`).
        """
        half = self.length // 2
        match self.instance:
            case "majority":
                return math.log2(_majority_rows(self.length))
            case "disjointness" | "equality":
                return float(half)
            case "inner-product":
                # one half held: each with at least t ones is a row of its own, and those with fewer are all one
                least = _definition(self)[1]
                rows_ = [log2_binomial(half, ones) for ones in range(least, half + 1)]
                return log2_add(0.0, *rows_) if rows_ else 0.0
        return None

    def attention_bits(self) -> float | None:
        """As `recurrent_bits`, from the same cut: with one query, what is held may as well be a prefix."""
        return self.recurrent_bits()

    def two_way_bits(self, prefix: bool = False) -> float | None:
        """As many as one-way; for inner products log2(C(N / 2, t) + 1): the sets of t ones, each with itself, and none.

        Majority: a number of ones stands with just so many as reach the threshold, what is decided with the rest that
        would decide otherwise.
        """
        if self.instance != "inner-product":
            return self.recurrent_bits()
        return log2_add(log2_binomial(self.length // 2, _definition(self)[1]), 0.0)


ROUNDS = 64
"""How often the features of a string are set anew before the last attempt stays."""


def _choose(
    candidates: Bool[Tensor, "B M"], wanted: Int[Tensor, " B"], generator: torch.Generator
) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """Strings and features: of each string's candidates as many as wanted, uniformly, or all where there are fewer."""
    there = ones(candidates.view(torch.uint8))
    chosen = true_places(ragged_places(torch.minimum(wanted, there), there, generator))
    string = torch.repeat_interleave(there).index_select(0, chosen)
    return string, true_places(candidates).index_select(0, chosen) - string * candidates.shape[1]


def _majority_rows(length: int) -> int:
    """Rows of the best prefix: one for each number of ones that leaves the answer open, one for each answer decided."""
    least = length // 2 + 1
    counts = []
    for held in range(length + 1):
        first, last = max(0, least - (length - held)), min(held, least - 1)  # the answer is open between these
        counts.append(max(0, last - first + 1) + (held >= least) + (first > 0))
    return max(counts)


@lru_cache(maxsize=64)
def _at_length(task: SparseThreshold, length: int) -> SparseThreshold:
    return task.at_length(length)


@lru_cache(maxsize=64)
def _bank(task: SparseThreshold, device: torch.device) -> tuple[FeatureBank, int]:
    features, threshold = _definition(task)
    return FeatureBank(features, device), threshold


@lru_cache(maxsize=64)
def _definition(task: SparseThreshold) -> tuple[tuple[Feature, ...], int]:
    n, half = task.length, task.length // 2
    match task.instance:
        case "majority":
            return tuple(Feature(positions=(i,), table=(0, 1)) for i in range(n)), n // 2 + 1
        case "inner-product":
            common = tuple(Feature(positions=(i, half + i), table=(0, 0, 0, 1)) for i in range(half))
            return common, task.threshold or max(1, half // 4)
        case "disjointness":
            return tuple(Feature(positions=(i, half + i), table=(1, 1, 1, 0)) for i in range(half)), half
        case "equality":
            return tuple(Feature(positions=(i, half + i), table=(1, 0, 0, 1)) for i in range(half)), half
        case "k-cnf" | "k-dnf":
            clauses = _formula(task)
            return clauses, len(clauses) if task.instance == "k-cnf" else 1
        case _:
            return task.features or (), task.threshold or 1


def _formula(task: SparseThreshold) -> tuple[Feature, ...]:
    """Random clauses (k-cnf: false on one assignment of their bits) or terms (k-dnf: true on one)."""
    draw = random.Random(f"{task.instance}/{task.length}/{task.k}/{task.formula_seed}")
    count = task.clauses or max(1, task.length // 2)
    exception = 0 if task.instance == "k-cnf" else 1
    features = []
    for _ in range(count):
        special = draw.randrange(2**task.k)
        table = tuple(exception if code == special else 1 - exception for code in range(2**task.k))
        features.append(Feature(positions=tuple(sorted(draw.sample(range(task.length), task.k))), table=table))
    return tuple(features)
