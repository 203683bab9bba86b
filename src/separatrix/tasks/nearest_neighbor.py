"""Nearest neighbour: what is the label of the point nearest to this one?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize, pad

from separatrix.errors import InputError
from separatrix.tasks.base import Batch
from separatrix.tasks.bitstrings import random_bits
from separatrix.tasks.geodesics import GreatCircle, Turns, Way
from separatrix.tasks.margins import margins, sides
from separatrix.tasks.packing import cube_points, sphere_points
from separatrix.tasks.pairs import Pairs
from separatrix.tasks.sampling import one_place, true_places

ROUNDS = 200
"""How often contexts without an admissible query are drawn again before the margin counts as out of reach."""
GAPS = 2**22
"""Inner products between points that are looked at together."""
HALVINGS = 16
"""Steps of the bisection that finds where on its way a query has its margin."""


class NearestNeighbor(Pairs):
    """The label of the nearest of k labelled points in d dimensions, k = length / 2.

    Example: the points (1, 0) labelled 0 and (0, 1) labelled 1, asked (0.8, 0.6), are answered 0.

    The context alternates points and labels: token 2i is point i in the first d coordinates, token 2i + 1 its label
    as a unit vector in the last `labels` coordinates; the other coordinates are 0. A query has the form of a point.
    Points are unit vectors (`sphere`) or signs / sqrt(d) (`cube`), uniform and independent, labels too.

    A query's margin is its inner product with the nearest point less the largest one with a point of another label
    (2 where all labels are the same); `margins` reports it. A query starts at a random point whose own margin is at
    least `margin` and moves towards a random point of another label, on the cube bit by bit in random order, until
    its margin is down to a value drawn uniformly between `margin` and the start's: with margin 0, up to the border
    between two labels. Contexts in which no point has the margin are drawn again.

    Normal deviates are rounded differently by different processors: points may differ in the last digit.
    """

    summary: ClassVar[str] = "which label has the nearest point?"
    counted: ClassVar[str] = "points"
    name: Literal["nearest-neighbor"] = "nearest-neighbor"
    points: int = Field(ge=1, description="labelled points k")
    dimension: int = Field(16, ge=1, description="dimension d")
    labels: int = Field(2, ge=2, description="number of labels")
    geometry: Literal["sphere", "cube"] = Field("sphere", description="unit vectors, or signs / sqrt(d)")
    margin: float = Field(0.05, ge=0, lt=2, description="least gap between the best and the best of another label")

    @property
    def alphabet_size(self) -> int:
        raise InputError("nearest-neighbor has vector contexts: there is no alphabet to enumerate")

    @property
    def query_offset(self) -> int:
        return 0

    @property
    def vocabulary(self) -> int:
        return 0

    @property
    def query_count(self) -> int:
        return self.points

    @property
    def answers(self) -> int:
        return self.labels

    @property
    def vector_size(self) -> int:
        return self.dimension + self.labels

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"margin {low:.1f}-{low + 0.1:.1f}" for low in (i / 10 for i in range(20)))

    # data ------------------------------------------------------------------------------------------------------------
    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        """As `Task.sample`. Raises InputError when the margin is out of reach for so many points."""
        count, n = self.check_request(batch_size, queries, length)
        points, labels, start, own = self._draw(batch_size, n // 2, count, generator)
        other = labels[:, None, :] != labels.gather(1, start)[:, :, None]
        other.scatter_(2, start[..., None], ~other.any(dim=2, keepdim=True))  # with one label only, stay
        goal = one_place(other.flatten(0, 1), generator).view_as(start)
        asked = self._vectors(self._between(points, labels, start, goal, own, generator))
        context = self._context(points, labels)
        targets, gaps = self._judged(context, asked)
        return Batch(context, asked, targets, (gaps * 10).long().clamp(0, len(self.groups) - 1))

    def _draw(
        self, batch: int, k: int, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B k d"], Int[Tensor, "B k"], Int[Tensor, "B Q"], Float[Tensor, "B Q"]]:
        """Points and labels, and `count` random points of the margin asked for with the margins they have."""
        points, labels = self._points(batch, k, generator), self._labels(batch, k, generator)
        start, own = self._starts(points, labels, count, generator)
        best = own.max()
        for _ in range(ROUNDS):
            left = true_places((own < self.margin).any(dim=1))
            if not len(left):
                return points, labels, start, own
            points[left], labels[left] = self._points(len(left), k, generator), self._labels(len(left), k, generator)
            start[left], own[left] = self._starts(points[left], labels[left], count, generator)
            best = torch.maximum(best, own[left].max())
        raise InputError(
            f"nearest-neighbor: a margin of {self.margin} is out of reach for {k} points in {self.dimension} "
            f"dimensions (best in {ROUNDS} draws: {best:.3f}): lower the margin or the number of points, or raise the "
            "dimension"
        )

    def _starts(
        self, points: Float[Tensor, "B k d"], labels: Int[Tensor, "B k"], count: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, "B Q"], Float[Tensor, "B Q"]]:
        """Uniform points among those of the margin asked for (any, where there are none), and their margins."""
        start = torch.randint(labels.shape[1], (len(labels), count), generator=generator, device=labels.device)
        own = margins(_at(points, start) @ points.mT, *sides(labels, labels.gather(1, start)))
        poor = true_places((own < self.margin).any(dim=1))
        for rows in poor.split(max(1, GAPS // labels.shape[1] ** 2)):  # only these need the margins of all their points
            all_own = margins(points[rows] @ points[rows].mT, *sides(labels[rows], labels[rows]))
            fit = all_own >= self.margin
            fit |= ~fit.any(dim=1, keepdim=True)
            another = one_place(fit.repeat_interleave(count, dim=0), generator).view(len(rows), count)
            start[rows] = torch.where(own[rows] < self.margin, another, start[rows])
            own[rows] = all_own.gather(1, start[rows])
        return start, own

    def _points(self, batch: int, k: int, generator: torch.Generator) -> Float[Tensor, "B k d"]:
        if self.geometry == "cube":
            bits = random_bits(batch * k, self.dimension, generator).view(batch, k, self.dimension)
            return bits.float().mul_(2).sub_(1).div_(math.sqrt(self.dimension))
        return normalize(
            torch.randn(batch, k, self.dimension, dtype=torch.float32, generator=generator, device=generator.device),
            dim=2,
        )

    def _labels(self, batch: int, k: int, generator: torch.Generator) -> Int[Tensor, "B k"]:
        return torch.randint(self.labels, (batch, k), generator=generator, device=generator.device)

    def _between(
        self,
        points: Float[Tensor, "B k d"],
        labels: Int[Tensor, "B k"],
        start: Int[Tensor, "B Q"],
        goal: Int[Tensor, "B Q"],
        own: Float[Tensor, "B Q"],
        generator: torch.Generator,
    ) -> Float[Tensor, "B Q d"]:
        """Queries on the way from one point to another, by bisection, where the margin is a random admissible one."""
        here, there = _at(points, start), _at(points, goal)
        target = self.margin + torch.rand(own.shape, dtype=torch.float32, generator=generator, device=own.device) * (
            own - self.margin
        )
        target = target.clamp(min=self.margin + 1e-6)  # room for rounding
        way: Way = (
            GreatCircle(here, there, points) if self.geometry == "sphere" else Turns(here, there, points, generator)
        )
        own_sides = sides(labels, labels.gather(1, start))
        found = way.at(way.furthest(lambda scores: margins(scores, *own_sides) >= target, HALVINGS))
        enough = margins(found @ points.mT, *own_sides) >= self.margin
        return torch.where(enough[..., None], found, here)

    def _vectors(self, points: Float[Tensor, "B Q d"]) -> Float[Tensor, "B Q D"]:
        return pad(points, (0, self.labels))

    def _context(self, points: Float[Tensor, "B k d"], labels: Int[Tensor, "B k"]) -> Float[Tensor, "B N D"]:
        context = points.new_zeros(*labels.shape, 2, self.vector_size)
        context[:, :, 0, : self.dimension] = points
        context[:, :, 1, self.dimension :].scatter_(2, labels[..., None], 1)
        return context.flatten(1, 2)

    # oracle ----------------------------------------------------------------------------------------------------------
    def _scores(self, context: Tensor, queries: Tensor) -> tuple[Float[Tensor, "B Q k"], Int[Tensor, "B k"]]:
        d = self.dimension
        return queries[..., :d] @ context[:, 0::2, :d].transpose(1, 2), context[:, 1::2, d:].argmax(dim=-1)

    def _judged(
        self, context: Float[Tensor, "B N d"], queries: Float[Tensor, "B Q d"]
    ) -> tuple[Int[Tensor, "B Q"], Float[Tensor, "B Q"]]:
        scores, labels = self._scores(context, queries)
        nearest = labels.gather(1, scores.argmax(dim=-1))
        return nearest, margins(scores, *sides(labels, nearest))

    def answer(self, context: Float[Tensor, "B N d"], queries: Float[Tensor, "B Q d"]) -> Int[Tensor, "B Q"]:
        scores, labels = self._scores(context, queries)
        return labels.gather(1, scores.argmax(dim=-1))

    def margins(self, context: Float[Tensor, "B N d"], queries: Float[Tensor, "B Q d"]) -> Float[Tensor, "B Q"]:
        """The nearest point's inner product less the best of another label (2, the largest there is, without any)."""
        return self._judged(context, queries)[1]

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """A lower bound: log2 Y for each of the points, as many as are known to fit with this margin between them.

        Proof: fix so many points, each asked for by itself: every labelling is a class of its own.
        """
        fit = sphere_points if self.geometry == "sphere" else cube_points
        return min(self.points, fit(self.dimension, self.margin)) * math.log2(self.labels)

    def attention_bits(self) -> float:
        """A lower bound, as `recurrent_bits`: the labels held; the others put the point asked for at any place."""
        return self.recurrent_bits()

    def two_way_bits(self, prefix: bool = False) -> float:
        """Of a prefix log2 Y: all points of one label; of any cut log2(places Y), as associative recall."""
        fit = sphere_points if self.geometry == "sphere" else cube_points
        places = 1 if prefix else min(self.points, fit(self.dimension, self.margin))
        return math.log2(places) + math.log2(self.labels)

    # people ----------------------------------------------------------------------------------------------------------
    def show(self, context: Tensor) -> str:
        d = self.dimension
        pairs = zip(context[0::2, :d].tolist(), context[1::2, d:].argmax(dim=-1).tolist(), strict=True)
        return "  ".join(f"{self._shown(point)}→{label}" for point, label in pairs)

    def read(self, text: str) -> Float[Tensor, "N D"]:
        pairs = re.findall(r"\(([^)]*)\)\s*(?:→|->)\s*(\d+)", text)
        if 2 * len(pairs) not in self.lengths or not all(int(label) < self.labels for _, label in pairs):
            raise InputError(
                f"nearest-neighbor: expected at most {self.points} points with labels below {self.labels}, such as "
                f"(1, 0)→0 (0, 1)→1, got {text!r}"
            )
        points = torch.stack([self.read_query(point)[: self.dimension] for point, _ in pairs])
        labels = torch.tensor([int(label) for _, label in pairs])
        return self._context(points[None], labels[None])[0]

    def read_query(self, text: str) -> Float[Tensor, " D"]:
        inner = text.strip("() ")
        try:
            if self.geometry == "cube" and set(inner) <= {"+", "-"}:
                values = [float(f"{sign}1") / math.sqrt(self.dimension) for sign in inner]
            else:
                values = [float(word) for word in inner.replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) != self.dimension:
            raise InputError(f"nearest-neighbor: expected a point of {self.dimension} numbers, got {text!r}")
        return self._vectors(torch.tensor([[values]], dtype=torch.float32))[0, 0]

    def show_query(self, query: Tensor) -> str:
        return self._shown(query[: self.dimension].tolist())

    def _shown(self, point: Sequence[float]) -> str:
        if self.geometry == "cube":
            return "(" + "".join("+" if value > 0 else "-" for value in point) + ")"
        return "(" + ", ".join(f"{value:+.2f}" for value in point) + ")"


def _at(points: Float[Tensor, "B k d"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q d"]:
    return points.gather(1, which[..., None].expand(-1, -1, points.shape[2]))
