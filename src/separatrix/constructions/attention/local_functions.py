"""How positions hold their features, fetch the bits they look at, and evaluate them: layer one of sparse thresholds.

Coordinates: the position's code (k signs), the codes of the positions its heads read, what its feature is, and the
token. A position without a feature reads itself, and so does the end token, whose code is three times as long as
others.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.attention.features import Bits, Plan
from separatrix.constructions.attention.layers import Head, Unit, head
from separatrix.constructions.basis import Space
from separatrix.constructions.codes.binary import binary_signs

END = 3.0
"""The end token's first coordinate of its code: its score of itself is 3, all others' are 1 at most."""


class Evaluation:
    """Features evaluated at their positions. Subclasses say how; the result stands in block `result`, first coordinate.

    reads:     where the bit that each head fetches is added: a coordinate
    sign:      what fetched bits are multiplied by
    objection: weights of the coordinates of the result that a veto adds up, and `shift`, which is added to them
    units:     the MLP's
    terms:     largest whole number inside the MLP; objections: the same of an objection's terms
    """

    result: str
    sign: float
    objection: Float[Tensor, "1 size"]
    shift: float
    terms: int
    objections: int

    def __init__(self, plan: Plan, length: int, **blocks: int) -> None:
        self.plan, self.length = plan, length
        k = (length - 1).bit_length() if plan.heads else 0
        self.space = Space(place=k, ask=plan.heads * k, **blocks)

    def units(self) -> list[Unit]:
        """The first layer's MLP."""
        raise NotImplementedError

    def unit_count(self) -> int:
        """How many units that is."""
        raise NotImplementedError

    def reads(self) -> Sequence[int]:
        """The coordinate each head adds its bit to."""
        raise NotImplementedError

    def hold(self, table: Float[Tensor, "N D"]) -> None:
        """Write into the position embeddings what each position's feature is."""
        raise NotImplementedError

    def embed(self) -> Float[Tensor, "3 D"]:
        """Embeddings of 0, 1 and the end token."""
        rows = self.space.vectors(3)
        rows[:2, self.space["token"]] = torch.tensor([[-1.0], [1.0]])
        if k := self.space.size("place"):
            first = torch.arange(k) == 0
            rows[2, self.space["place"]] = END * first
            rows[2, self.space["ask"]] = first.float().repeat(self.plan.heads)
        return rows

    def table(self) -> Float[Tensor, "N D"]:
        """Position embeddings."""
        k = self.space.size("place")
        code = binary_signs(torch.arange(self.length), k)
        read = torch.arange(self.length)[:, None].repeat(1, self.plan.heads)
        for each in self.plan.placed:
            read[each.position] = torch.tensor(each.reads)
        table = self.space.vectors(self.length, place=code, ask=code[read].flatten(1))
        self.hold(table)
        return table

    def heads(self, beta: float) -> list[Head]:
        """One head for each bit fetched."""
        k, width = self.space.size("place"), self.space.width
        inside, made = Space(place=k, bit=1), []
        for number, coordinate in enumerate(self.reads()):
            ask = torch.eye(self.plan.heads * k)[number * k : number * k + k]
            block, row = next(
                (b, coordinate - s.start) for b, s in self.space.blocks.items() if coordinate in range(width)[s]
            )
            into = torch.zeros(self.space.size(block), 1)
            into[row] = self.sign
            made.append(
                head(
                    inside,
                    query={("ask", "place"): beta * ask},
                    key={("place", "place"): 1.0},
                    value={("token", "bit"): 1.0},
                    out={("bit", block): into},
                )
            )
        return made


class Clauses(Evaluation):
    """Features of one assignment each. Its signs are stored, and the bits taken from them: sizes add up to 0, or 2 up.

    Width (heads + 1) k + s + 1.
    """

    result, sign, shift = "rest", -1.0, 1.0

    def __init__(self, plan: Plan, length: int) -> None:
        super().__init__(plan, length, rest=plan.bits, token=1)
        self.objection = -torch.ones(1, plan.bits)
        self.objections = 2 * plan.bits + 2
        self.terms = 4

    def reads(self) -> range:
        rest = self.space["rest"]
        return range(rest.start + self.plan.own, rest.stop)

    def unit_count(self) -> int:
        return self.plan.bits

    def units(self) -> list[Unit]:
        """X + 2 relu(-x) = |x|"""
        rest = self.space["rest"]
        return [Unit({x: -1.0}, 0.0, {x: 2.0}) for x in range(rest.start, rest.stop)]

    def hold(self, table: Float[Tensor, "N D"]) -> None:
        rest = self.space["rest"]
        table[:, rest] = 1.0
        table[:, rest.start] = 3.0  # no feature: never less than 2 is left
        for each, bits in zip(self.plan.placed, self.plan.clauses or [], strict=True):
            table[each.position, rest] = torch.tensor(bits) * 2.0 - 1

    def embed(self) -> Float[Tensor, "3 D"]:
        rows = super().embed()
        first = self.space["rest"].start
        if self.plan.own:
            rows[:2, first] = torch.tensor([1.0, -1.0])
        rows[2, first] = 1.0  # the end token's own rest: 1, which the shift makes 0
        if not self.plan.heads:  # nobody reads it
            rows[:, self.space["token"]] = 0.0
        return rows


class Kinds(Evaluation):
    """Features of any kind: a unit for each assignment of each kind is on where bits and the position's kind agree.

    The result replaces the token: `height` where the feature holds, 0 elsewhere. Width (heads + 1) k + kinds + heads
    + 1.
    """

    result, sign, shift = "token", 1.0, -1.0

    def __init__(self, plan: Plan, length: int, height: int) -> None:
        self.sets, self.members = plan.kinds
        super().__init__(plan, length, kind=len(self.sets), bit=plan.heads, token=1)
        self.height = height
        self.objection = torch.ones(1, 1)
        self.objections = 2
        self.terms = max(4, 4 * plan.bits)

    @property
    def veto(self) -> bool:
        """Whether the end token must have an objection of its own: 0 after the shift."""
        return self.height == 2

    def reads(self) -> range:
        bit = self.space["bit"]
        return range(bit.start, bit.stop)

    def unit_count(self) -> int:
        return 3 + sum(len(assignments) for assignments in self.sets)

    def units(self) -> list[Unit]:
        token, kind = self.space["token"].start, self.space["kind"].start
        seen = [*([token] if self.plan.own else []), *self.reads()]

        def agree(bits: Bits, number: int) -> Unit:
            asked = {x: 2.0 * bit - 1 for x, bit in zip(seen, bits, strict=True)}
            return Unit({**asked, kind + number: 1.0}, -float(len(seen)), {token: float(self.height)})

        evaluated = [agree(bits, number) for number, assignments in enumerate(self.sets) for bits in assignments]
        erased = [Unit({token: 1.0}, 0.0, {token: -1.0}), Unit({token: -1.0}, 0.0, {token: 1.0})]
        return [*evaluated, *erased, Unit({token: 1.0}, -1.0, {token: 1.0})]  # 2, the end token's, becomes 1

    def hold(self, table: Float[Tensor, "N D"]) -> None:
        kind = self.space["kind"].start
        for each, members in zip(self.plan.placed, self.members, strict=True):
            for number in filter(self.sets.__getitem__, members):
                table[each.position, kind + number] = 1.0

    def embed(self) -> Float[Tensor, "3 D"]:
        rows = super().embed()
        if self.veto:
            rows[2, self.space["token"]] = 2.0
            read = torch.tensor([float(bool(assignments)) for assignments in self.sets])  # others never hold: no unit
            rows[2, self.space["kind"]] = -float(self.plan.bits) * read
        return rows
