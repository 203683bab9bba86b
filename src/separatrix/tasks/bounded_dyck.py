"""Bounded Dyck: are the brackets balanced, of n kinds, never deeper than k?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch, Task

Negative = Literal["wrong-type", "too-deep", "unbalanced", "random"]


class BoundedDyck(Task):
    """Bounded Dyck-(n, k): balanced strings of n kinds of brackets, never deeper than k.

    Example: with 2 kinds and depth 2, `( [ ] )` is tokens `0 1 3 2`, answered 1; `( ]` is tokens `0 3`, answered 0.
    Opening bracket i is token i, its closing bracket token n + i.

    Half of the strings are members, drawn exactly uniformly among the members of that length. The others are drawn
    from `negatives`, each kind equally often where it exists at that length:
    wrong-type  a member with one closing bracket of another kind (needs n >= 2)
    too-deep    balanced and well-typed, its greatest depth exactly k + 1
    unbalanced  a member with one bracket, at a random place, turned from opening to closing or back
    random      uniform tokens that do not happen to be a member
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
        return [n for n in range(2, self.length + 1, 2) if self.available(n)]

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
        group[torch.rand(batch_size, generator=generator, device=device) < 0.5] = 0
        context = self._members(n, self._is(group, "too-deep"), generator)
        self._spoil_type(context, self._is(group, "wrong-type"), generator)
        self._spoil_balance(context, self._is(group, "unbalanced"), generator)
        self._randomise(context, self._is(group, "random"), generator)
        asked = torch.zeros(batch_size, count, dtype=torch.int64, device=device)
        return Batch(context, asked, self.answer(context, asked), group[:, None].expand(batch_size, count))

    def _is(self, group: Int[Tensor, " B"], kind: Negative) -> Bool[Tensor, " B"]:
        return group == (self.groups.index(kind) if kind in self.groups else -1)

    def _members(self, length: int, deep: Bool[Tensor, " B"], generator: torch.Generator) -> Int[Tensor, "B N"]:
        """Uniform members, or where `deep`, uniform strings whose greatest depth is exactly k + 1.

        The walk from depth 0 to 0 is drawn uniformly, the kinds of its opening brackets uniformly: every walk carries
        n^(length / 2) typings, so the strings are uniform.
        """
        batch, device = len(deep), deep.device
        chance = opening_chances(length, self.depth).to(device)
        draws = torch.rand(length, batch, generator=generator, dtype=torch.float64, device=device)
        kinds = torch.randint(self.kinds, (length, batch), generator=generator, device=device)
        tokens = torch.empty(length, batch, dtype=torch.int64, device=device)
        stack = torch.zeros(self.depth + 2, batch, dtype=torch.int64, device=device)
        height = torch.zeros(1, batch, dtype=torch.int64, device=device)
        regime = deep.long()  # 0: never above k; 1: must still touch k + 1; 2: has touched it
        for position in range(length):
            opening = draws[position] < chance[position, regime, height[0]]
            top = stack.gather(0, (height - 1).clamp_(min=0))[0]
            tokens[position] = torch.where(opening, kinds[position], top + self.kinds)
            stack.scatter_(0, height, kinds[position][None])  # the place above the top is free: no harm when closing
            height += torch.where(opening, 1, -1)
            regime += (regime == 1) & (height[0] > self.depth)
        return tokens.T.contiguous()

    def _spoil_type(self, context: Int[Tensor, "B N"], rows: Bool[Tensor, " B"], generator: torch.Generator) -> None:
        """One closing bracket of each chosen row becomes another kind's."""
        count, length = int(rows.sum()), context.shape[1]
        if count == 0:
            return
        chosen = context[rows]
        closes = chosen >= self.kinds
        draws = torch.rand(count, length, generator=generator, device=context.device)
        place = draws.masked_fill(~closes, -1).argmax(dim=1, keepdim=True)
        shift = torch.randint(1, self.kinds, (count, 1), generator=generator, device=context.device)
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
        """Which strings are in the language: one pass with a stack of k brackets per string."""
        batch, device = len(context), context.device
        stack = torch.zeros(self.depth + 1, batch, dtype=torch.int64, device=device)
        height = torch.zeros(1, batch, dtype=torch.int64, device=device)
        right = torch.ones(batch, dtype=torch.bool, device=device)
        for token in context.T.contiguous():
            opening, kind = token < self.kinds, token % self.kinds
            top = stack.gather(0, (height - 1).clamp_(min=0))[0]
            right &= torch.where(opening, height[0] < self.depth, (height[0] > 0) & (top == kind))
            stack.scatter_(0, height, kind[None])
            height += torch.where(opening, 1, -1)
            height.clamp_(0, self.depth)  # out of range only where `right` is already lost
        return right & (height[0] == 0)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        return self.member(context)[:, None].expand(queries.shape).long()

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """log2 of the residual classes: a stack of at most min(k, N / 2) brackets, or rejection."""
        k = min(self.depth, self.length // 2)
        heights = [i for i in range(k + 1) if i % 2 == k % 2] if 2 * k == self.length else list(range(k + 1))
        return max(math.log2(1 + sum(self.kinds**i for i in heights if i % 2 == parity)) for parity in (0, 1))

    def attention_bits(self) -> float:
        """A lower bound: N / 2 pairs at depth 1, the opening ones held (rows = n^(N/2) + 1)."""
        pairs = self.length // 2 * math.log2(self.kinds)
        return pairs + math.log2(1 + 2.0**-pairs)

    def show(self, context: Tensor) -> str:
        pairs = ["()", "[]", "{}", "<>"]
        if self.kinds > len(pairs):
            return " ".join(f"{'(' if t < self.kinds else ')'}{t % self.kinds}" for t in context.tolist())
        return " ".join(pairs[t % self.kinds][t // self.kinds] for t in context.tolist())

    def show_answer(self, answer: int) -> str:
        return "member" if answer else "no member"


@lru_cache(maxsize=256)
def opening_chances(length: int, depth: int) -> Tensor:
    """Float64[N, 3, k + 2]: the chance that the next bracket opens, for uniform walks, by step, regime and depth.

    Counted exactly in integers: walks[r][h] is the number of ways to end at 0 from depth h with the steps left, in
    regime r (0: never above k; 1: must still touch k + 1, never above it; 2: has touched it).
    """
    top = depth + 1
    walks = [[int(h == 0) for h in range(top + 1)], [0] * (top + 1), [int(h == 0) for h in range(top + 1)]]
    chances = torch.zeros(length, 3, top + 1, dtype=torch.float64)
    for position in reversed(range(length)):
        before = []
        for regime in range(3):
            ways = []
            for height in range(top + 1):
                after = 2 if regime == 1 and height + 1 == top else regime
                limit = depth if regime == 0 else top
                up = walks[after][height + 1] if height + 1 <= limit else 0
                down = walks[regime][height - 1] if height > 0 else 0
                ways.append(up + down)
                if up + down:
                    chances[position, regime, height] = up / (up + down)
            before.append(ways)
        walks = before
    return chances
