"""Bounded Dyck: are the brackets balanced, of n kinds, never deeper than k?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.bounded_walks import sample_walks
from separatrix.tasks.brackets import balanced, pairs
from separatrix.tasks.logarithms import log2_add, log2_power_sum

Negative = Literal["wrong-type", "too-deep", "unbalanced", "random"]
BRACKETS = ("()", "[]", "{}", "<>")


class BoundedDyck(Task):
    """Bounded Dyck-(n, k): balanced strings of n kinds of brackets, never deeper than k.

    Example: with 2 kinds and depth 2, `( [ ] )` is tokens `0 1 3 2`, answered 1; `( ]` is tokens `0 3`, answered 0.
    Opening bracket i is token i, its closing bracket token n + i.

    Half of the strings are members, drawn exactly uniformly among the members of that length. The others are drawn
    from `negatives`, each kind equally often where it exists at that length:
    wrong-type  a uniform member with one closing bracket changed to another kind (needs n >= 2)
    too-deep    balanced and well-typed, its greatest depth exactly k + 1, uniform among these (needs N >= 2 k + 2)
    unbalanced  a uniform member with one bracket, at a random place, turned from opening to closing or back
    random      uniform tokens, drawn again while they happen to be a member
    Kinds that do not exist at a length are left out there. Targets come from the oracle, not from the kind drawn.
    """

    summary: ClassVar[str] = "are the brackets balanced and never too deep?"
    name: Literal["bounded-dyck"] = "bounded-dyck"
    kinds: int = Field(2, ge=1, description="kinds of brackets n")
    depth: int = Field(2, ge=1, description="greatest depth k")
    negatives: tuple[Negative, ...] = Field(
        ("wrong-type", "too-deep", "unbalanced", "random"), min_length=1, description="kinds of negatives drawn"
    )

    @model_validator(mode="after")
    def _fits(self) -> BoundedDyck:
        if self.length % 2:
            raise ValueError(f"bounded-dyck: length must be even (every bracket has a partner), got {self.length}")
        if len(set(self.negatives)) < len(self.negatives):
            raise ValueError(f"bounded-dyck: negatives must not repeat a kind, got {list(self.negatives)}")
        if not self.available(self.length):
            raise ValueError(
                f"bounded-dyck: none of the negatives {list(self.negatives)} exists at length {self.length}, "
                f"{self.kinds} kinds, depth {self.depth}: add 'random' or 'unbalanced'"
            )
        return self

    @property
    def alphabet_size(self) -> int:
        return 2 * self.kinds

    @property
    def answers(self) -> int:
        return 2

    @property
    def lengths(self) -> Sequence[int]:
        shortest = next(n for n in range(2, self.length + 1, 2) if self.available(n))
        return range(shortest, self.length + 1, 2)

    @property
    def groups(self) -> tuple[str, ...]:
        return ("member", *self.negatives)

    def available(self, length: int) -> list[Negative]:
        """The selected kinds of negatives that exist at a length."""
        possible = {"wrong-type": self.kinds >= 2, "too-deep": length >= 2 * (self.depth + 1)}
        return [kind for kind in self.negatives if possible.get(kind, True)]

    # data ------------------------------------------------------------------------------------------------------------
    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        kinds = self.available(n)
        group = torch.tensor([self.groups.index(kind) for kind in kinds], device=device)[
            torch.randint(len(kinds), (batch_size,), generator=generator, device=device)
        ]
        group[torch.rand(batch_size, dtype=torch.float32, generator=generator, device=device) < 0.5] = 0
        context = self.strings(n, self._is(group, "too-deep"), generator)
        self._spoil_type(context, self._is(group, "wrong-type"), generator)
        self._spoil_balance(context, self._is(group, "unbalanced"), generator)
        self._randomise(context, self._is(group, "random"), generator)
        return self.decision(context, group, count)

    def _is(self, group: Int[Tensor, " B"], kind: Negative) -> Bool[Tensor, " B"]:
        return group == (self.groups.index(kind) if kind in self.groups else -1)

    def strings(self, length: int, too_deep: Bool[Tensor, " B"], generator: torch.Generator) -> Int[Tensor, "B N"]:
        """Exactly uniform members, or where `too_deep` uniform balanced strings of greatest depth exactly k + 1.

        The walk of the depth is drawn uniformly and so are the kinds: every walk carries n^(length / 2) typings.
        """
        opening = sample_walks(length, self.depth, too_deep, generator, longest=self.length)
        if self.kinds == 1:
            return (~opening).long()
        kinds = torch.randint(self.kinds, (len(opening), length // 2), generator=generator, device=generator.device)
        opens, closes = pairs(opening)
        tokens = torch.empty(opening.shape, dtype=torch.int64, device=opening.device)
        return tokens.scatter_(1, opens, kinds).scatter_(1, closes, kinds + self.kinds)

    def _spoil_type(self, context: Int[Tensor, "B N"], rows: Bool[Tensor, " B"], generator: torch.Generator) -> None:
        """One closing bracket of each chosen row becomes another kind's."""
        count, pairs_ = int(rows.sum()), context.shape[1] // 2
        if count == 0:
            return
        chosen = context[rows]
        which = torch.randint(1, pairs_ + 1, (count, 1), generator=generator, device=context.device)
        shift = torch.randint(1, self.kinds, (count, 1), generator=generator, device=context.device)
        place = ((chosen >= self.kinds).cumsum(dim=1) == which).long().argmax(dim=1, keepdim=True)
        kind = (chosen.gather(1, place) - self.kinds + shift) % self.kinds
        context[rows] = chosen.scatter(1, place, kind + self.kinds)

    def _spoil_balance(self, context: Int[Tensor, "B N"], rows: Bool[Tensor, " B"], generator: torch.Generator) -> None:
        """One bracket of each chosen row turns from opening to closing, or back."""
        count, length = int(rows.sum()), context.shape[1]
        place = torch.randint(length, (count, 1), generator=generator, device=context.device)
        chosen = context[rows]
        context[rows] = chosen.scatter(1, place, (chosen.gather(1, place) + self.kinds) % (2 * self.kinds))

    def _randomise(self, context: Int[Tensor, "B N"], rows: Bool[Tensor, " B"], generator: torch.Generator) -> None:
        """Chosen rows become uniform tokens, drawn again while they are members."""
        (left,) = torch.nonzero(rows, as_tuple=True)
        while len(left):
            shape = (len(left), context.shape[1])
            context[left] = torch.randint(2 * self.kinds, shape, generator=generator, device=context.device)
            left = left[self.member(context[left])]

    # oracle ----------------------------------------------------------------------------------------------------------
    def member(self, context: Int[Tensor, "B N"]) -> Bool[Tensor, " B"]:
        """Which strings are in the language: depths first, then every bracket against its partner."""
        opening = context < self.kinds
        right = balanced(opening, self.depth)
        if self.kinds == 1 or not bool(right.any()):
            return right
        opens, closes = pairs(opening[right])
        well_depthed = context[right]
        right[right.clone()] = (well_depthed.gather(1, opens) + self.kinds == well_depthed.gather(1, closes)).all(dim=1)
        return right

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        return self.member(context)[:, None].expand(queries.shape).long()

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """log2 of the residual classes: the stacks that can still be emptied, and rejection.

        After t tokens these are the stacks of height h <= min(k, t, N - t) with h and t of one parity; the middle of
        the string has the most. Exact, for all sizes.
        """
        half, bits = self.length // 2, [1.0]
        for tokens in {half, half - 1} - {0}:
            tallest = min(self.depth, tokens)
            tallest -= (tallest - tokens) % 2
            if tallest >= 0:
                bits.append(log2_power_sum(self.kinds, tallest % 2, tallest, step=2, plus=1))
        return max(bits)

    def attention_bits(self) -> float:
        """A lower bound, from holding the odd places: log2 of n (2n)^(N/2 - 1) + 1 rows, n^(N/2) + 1 when k = 1.

        Proof: with depth 2, any brackets at odd places that start with an opening one can be completed: at depth 1
        an even place closes before an opening bracket and opens before a closing one. Two different such choices
        differ first at some place, and the completion of one of them gives the other a bracket without its partner.
        """
        half = self.length // 2
        free = (half - 1) * (math.log2(2 * self.kinds) if self.depth > 1 else math.log2(self.kinds))
        return log2_add(math.log2(self.kinds) + free, 0.0)

    def two_way_bits(self, prefix: bool = False) -> float:
        """As many as one-way. Of a prefix `recurrent_bits`, of any cut at least `attention_bits`.

        Proof: each stack stands with the brackets that empty it, and what is rejected with anything; another stack
        that these brackets do not empty is answered otherwise, and of two stacks one is so (the taller, or both). The
        rows of `attention_bits` stand with their completions, of which its proof says the same.
        """
        return self.recurrent_bits() if prefix else max(self.recurrent_bits(), self.attention_bits())

    def show(self, context: Tensor) -> str:
        if self.kinds > len(BRACKETS):
            return " ".join(f"{'(' if t < self.kinds else ')'}{t % self.kinds}" for t in context.tolist())
        return " ".join(BRACKETS[t % self.kinds][t // self.kinds] for t in context.tolist())

    def read(self, text: str) -> Tensor:
        shown = {self.show(torch.tensor([token])): token for token in range(self.alphabet_size)}
        words = text.split() if self.kinds > len(BRACKETS) or text.replace(" ", "").isdigit() else list(text)
        tokens = [str(shown.get(word, word)) for word in words if word.strip()]
        return super().read(" ".join(tokens))

    def show_answer(self, answer: int) -> str:
        return "member" if answer else "no member"
