"""Sparse threshold functions: f(x) = [sum_j g_j(x restricted to S_j) >= t] with |S_j| <= s."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.config import Config
from separatrix.tasks.base import Batch, Task

Instance = Literal["majority", "k-cnf", "k-dnf", "inner-product", "disjointness", "equality", "custom"]


class Feature(Config):
    """A Boolean function g of a few positions: `table[b]` is its value where position j holds bit j of b."""

    positions: tuple[int, ...] = Field(min_length=1, max_length=16)
    table: tuple[Literal[0, 1], ...]

    @model_validator(mode="after")
    def _fits(self) -> Feature:
        if len(set(self.positions)) < len(self.positions) or min(self.positions) < 0:
            raise ValueError(f"positions must be distinct and at least 0, got {list(self.positions)}")
        if len(self.table) != 2 ** len(self.positions):
            entries = 2 ** len(self.positions)
            raise ValueError(f"a table of {len(self.positions)} bits has {entries} entries, got {len(self.table)}")
        return self


class SparseThreshold(Task):
    """A threshold of at most N Boolean features, each of at most s positions of a string of N bits.

    Example: `majority` of `1 0 1` is answered 1: two of three bits are at least the threshold 2.

    majority       more ones than zeros
    k-cnf, k-dnf   a random formula of `clauses` clauses with k literals (`formula_seed` says which)
    inner-product  at least `threshold` common ones of the two halves (None: a quarter of their length)
    disjointness, equality   of the two halves, as the tasks of these names
    custom         your own `features` and `threshold`

    Half of the strings are to be answered 1: uniform bits, repaired feature by feature until the answer is as wished,
    which makes them the hard ones, just on one side of the threshold.
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
        if self.instance in ("inner-product", "disjointness", "equality") and self.length % 2:
            raise ValueError(f"sparse-threshold: {self.instance} needs an even length, got {self.length}")
        if self.instance in ("k-cnf", "k-dnf") and self.k > self.length:
            raise ValueError(f"sparse-threshold: clauses of {self.k} literals do not fit in {self.length} bits")
        if self.features is not None:
            out = [f.positions for f in self.features if max(f.positions) >= self.length]
            if out:
                raise ValueError(f"sparse-threshold: positions must be below {self.length}, got {list(out[0])}")
            if len(self.features) > self.length:
                raise ValueError(f"sparse-threshold: at most {self.length} features, got {len(self.features)}")
        return self

    @property
    def alphabet_size(self) -> int:
        return 2

    @property
    def answers(self) -> int:
        return 2

    @property
    def groups(self) -> tuple[str, ...]:
        return ("answer 0", "answer 1")

    @property
    def lengths(self) -> Sequence[int]:
        return [self.length]  # the function is one of N bits

    def definition(self) -> tuple[tuple[Feature, ...], int]:
        """The features g_j with their positions S_j, and the threshold t."""
        return _definition(self)

    # data ------------------------------------------------------------------------------------------------------------
    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        context = torch.randint(2, (batch_size, n), generator=generator, device=device)
        wished = torch.rand(batch_size, generator=generator, device=device) < 0.5
        self._repair(context, wished, generator)
        asked = torch.zeros(batch_size, count, dtype=torch.int64, device=device)
        targets = self.answer(context, asked)
        return Batch(context, asked, targets, targets)

    def _repair(self, context: Int[Tensor, "B N"], wished: Bool[Tensor, " B"], generator: torch.Generator) -> None:
        """Change strings until they are answered as wished: each round sets one wrong feature of each wrong string.

        Strings that are still wrong after 4 N rounds stay as they are: the label is always the oracle's.
        """
        plan = _plan(self, context.device)
        left = torch.arange(len(context), device=context.device)
        for _ in range(4 * self.length):
            values = plan.values(context[left])
            wrong = (values.sum(dim=1) >= plan.threshold) != wished[left]
            left, values = left[wrong], values[wrong]
            if not len(left):
                return
            target = wished[left]
            marks = torch.rand(values.shape, generator=generator, device=context.device)
            marks[(values > 0) == target[:, None]] = -1  # features already right
            feature = marks.argmax(dim=1)
            draws = torch.rand(len(left), plan.codes.shape[1], generator=generator, device=context.device)
            fits = plan.codes[feature] == target[:, None].long()
            code = draws.masked_fill(~fits, -1).argmax(dim=1)
            bits = (code[:, None] >> torch.arange(plan.positions.shape[1], device=context.device)) & 1
            real = plan.real[feature]
            rows = left[:, None].expand_as(bits)
            context[rows[real], plan.positions[feature][real]] = bits[real]

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        plan = _plan(self, context.device)
        yes = plan.values(context).sum(dim=1) >= plan.threshold
        return yes[:, None].expand(queries.shape).long()

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """Of the named instances; 1 where nothing better is proved in closed form (enumerate: `separatrix analyze`)."""
        return float({"disjointness": self.length // 2, "equality": self.length // 2}.get(self.instance, 1))

    def attention_bits(self) -> float:
        """As `recurrent_bits`: n for disjointness and equality of the halves, else 1."""
        return self.recurrent_bits()


class _Plan:
    """Features as tensors, padded to one size, for evaluation of all of them at once."""

    def __init__(self, features: Sequence[Feature], threshold: int, device: torch.device) -> None:
        widest = max(len(feature.positions) for feature in features)
        self.threshold = threshold
        self.positions = torch.zeros(len(features), widest, dtype=torch.int64)
        self.real = torch.zeros(len(features), widest, dtype=torch.bool)
        codes = torch.full((len(features), 2**widest), -1, dtype=torch.int64)
        for j, feature in enumerate(features):
            size = len(feature.positions)
            self.positions[j, :size] = torch.tensor(feature.positions)
            self.real[j, :size] = True
            codes[j, : 2**size] = torch.tensor(feature.table)
        self.weights = (self.real.long() << torch.arange(widest)).to(device)
        self.positions, self.real = self.positions.to(device), self.real.to(device)
        self.codes = codes.to(device)

    def values(self, context: Int[Tensor, "B N"]) -> Int[Tensor, "B M"]:
        """Every feature's value on every string."""
        code = torch.zeros(len(context), len(self.positions), dtype=torch.int64, device=context.device)
        for j in range(self.positions.shape[1]):
            code += context[:, self.positions[:, j]] * self.weights[:, j]
        return self.codes[torch.arange(len(self.codes), device=context.device), code]


@lru_cache(maxsize=64)
def _plan(task: SparseThreshold, device: torch.device) -> _Plan:
    features, threshold = _definition(task)
    return _Plan(features, threshold, device)


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
    count = min(task.clauses or max(1, task.length // 2), task.length)
    exception = 0 if task.instance == "k-cnf" else 1
    features = []
    for _ in range(count):
        special = draw.randrange(2**task.k)
        table = tuple(exception if code == special else 1 - exception for code in range(2**task.k))
        features.append(Feature(positions=tuple(sorted(draw.sample(range(task.length), task.k))), table=table))
    return tuple(features)
