"""Nearest neighbour: what is the label of the point nearest to this one?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import normalize, one_hot, pad

from separatrix.errors import InputError
from separatrix.tasks.base import Batch, Task
from separatrix.tasks.packing import cube_points, sphere_points

ROUNDS = 200
"""How often contexts without an admissible query are drawn again before the margin counts as out of reach."""
HALVINGS = 16
"""Steps of the bisection that finds where on its way a query has its margin."""


class NearestNeighbor(Task):
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
    name: Literal["nearest-neighbor"] = "nearest-neighbor"
    points: int = Field(ge=1, description="labelled points k")
    dimension: int = Field(16, ge=1, description="dimension d")
    labels: int = Field(2, ge=2, description="number of labels")
    geometry: Literal["sphere", "cube"] = Field("sphere", description="unit vectors, or signs / sqrt(d)")
    margin: float = Field(0.05, ge=0, lt=2, description="least gap between the best and the best of another label")

    @model_validator(mode="before")
    @classmethod
    def _length_or_points(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if "length" in data and "points" not in data and isinstance(data["length"], int):
                if data["length"] % 2:
                    raise ValueError(f"nearest-neighbor: length must be even (points, labels), got {data['length']}")
                return {**data, "points": data["length"] // 2}
            if "points" in data and "length" not in data and isinstance(data["points"], int):
                return {**data, "length": 2 * data["points"]}
        return data

    @model_validator(mode="after")
    def _fits(self) -> NearestNeighbor:
        if self.length != 2 * self.points:
            raise ValueError(f"nearest-neighbor: length must be 2 * points, got {self.length} and {self.points} points")
        return self

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

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    def at_length(self, length: int) -> NearestNeighbor:
        return self.replace(length=length, points=length // 2)

    # data ------------------------------------------------------------------------------------------------------------
    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        """As `Task.sample`. Raises InputError when the margin is out of reach for so many points."""
        count, n = self.check_request(batch_size, queries, length)
        points, labels, start, own = self._draw(batch_size, n // 2, count, generator)
        other = labels[:, None, :] != labels.gather(1, start)[:, :, None]
        other.scatter_(2, start[..., None], ~other.any(dim=2, keepdim=True))  # with one label only, stay
        goal = torch.multinomial(other.flatten(0, 1).float(), 1, generator=generator).view_as(start)
        asked = self._vectors(self._between(points, labels, start, goal, own, generator))
        context = self._context(points, labels)
        groups = (self.margins(context, asked) * 10).long().clamp(0, len(self.groups) - 1)
        return Batch(context, asked, self.answer(context, asked), groups)

    def _draw(
        self, batch: int, k: int, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B k d"], Int[Tensor, "B k"], Int[Tensor, "B Q"], Float[Tensor, "B Q"]]:
        """Points and labels, and `count` random points of the margin asked for with the margins they have."""
        device = generator.device
        points = torch.zeros(batch, k, self.dimension, device=device)
        labels, start = (torch.zeros(batch, n, dtype=torch.int64, device=device) for n in (k, count))
        own, best = torch.zeros(batch, count, device=device), 0.0
        left = torch.arange(batch, device=device)
        for _ in range(ROUNDS):
            points[left] = self._points(len(left), k, generator)
            labels[left] = torch.randint(self.labels, (len(left), k), generator=generator, device=device)
            start[left], own[left] = self._starts(points[left], labels[left], count, generator)
            best = max(best, float(own[left].max()))
            left = left[own[left].amin(dim=1) < self.margin]
            if not len(left):
                return points, labels, start, own
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
        picked = points.gather(1, start[..., None].expand(-1, -1, self.dimension))
        own = _margin(picked @ points.mT, labels, labels.gather(1, start))
        (poor,) = torch.nonzero((own < self.margin).any(dim=1), as_tuple=True)
        if len(poor):  # few, unless the margin is wide: only these need the margins of all their points
            all_own = _margin(points[poor] @ points[poor].mT, labels[poor], labels[poor])
            fit = (all_own >= self.margin).float()
            fit += ~fit.any(dim=1, keepdim=True)
            another = torch.multinomial(fit, count, replacement=True, generator=generator)
            start[poor] = torch.where(own[poor] < self.margin, another, start[poor])
            own[poor] = all_own.gather(1, start[poor])
        return start, own

    def _points(self, batch: int, k: int, generator: torch.Generator) -> Float[Tensor, "B k d"]:
        shape, device = (batch, k, self.dimension), generator.device
        if self.geometry == "cube":
            return (torch.randint(2, shape, generator=generator, device=device) * 2 - 1) / math.sqrt(self.dimension)
        return normalize(torch.randn(shape, generator=generator, device=device), dim=2)

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
        here, there = (points.gather(1, which[..., None].expand(-1, -1, self.dimension)) for which in (start, goal))
        device, label = points.device, labels.gather(1, start)
        target = self.margin + torch.rand(own.shape, generator=generator, device=device) * (own - self.margin)
        target = target.clamp(min=self.margin + 1e-6)  # room for rounding
        turn = torch.rand(here.shape, generator=generator, device=device)  # when each bit of a cube's point turns

        def at(share: Tensor) -> Tensor:
            if self.geometry == "cube":
                return torch.where(turn < share[..., None], there, here)
            return normalize(torch.lerp(here, there, share[..., None]), dim=2)

        low, high = torch.zeros_like(target), torch.ones_like(target)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = _margin(at(middle) @ points.mT, labels, label) >= target
            low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
        return at(low)

    def _vectors(self, points: Float[Tensor, "B Q d"]) -> Float[Tensor, "B Q D"]:
        return pad(points, (0, self.labels))

    def _context(self, points: Float[Tensor, "B k d"], labels: Int[Tensor, "B k"]) -> Float[Tensor, "B N D"]:
        codes = pad(one_hot(labels, self.labels).to(points), (self.dimension, 0))
        return torch.stack([self._vectors(points), codes], dim=2).flatten(1, 2)

    # oracle ----------------------------------------------------------------------------------------------------------
    def _scores(self, context: Tensor, queries: Tensor) -> tuple[Float[Tensor, "B Q k"], Int[Tensor, "B k"]]:
        d = self.dimension
        return queries[..., :d] @ context[:, 0::2, :d].transpose(1, 2), context[:, 1::2, d:].argmax(dim=-1)

    def answer(self, context: Float[Tensor, "B N d"], queries: Float[Tensor, "B Q d"]) -> Int[Tensor, "B Q"]:
        scores, labels = self._scores(context, queries)
        return labels.gather(1, scores.argmax(dim=-1))

    def margins(self, context: Float[Tensor, "B N d"], queries: Float[Tensor, "B Q d"]) -> Float[Tensor, "B Q"]:
        """The nearest point's inner product less the best of another label (2, the largest there is, without any)."""
        scores, labels = self._scores(context, queries)
        return _margin(scores, labels, labels.gather(1, scores.argmax(dim=-1)))

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

    # people ----------------------------------------------------------------------------------------------------------
    def show(self, context: Tensor) -> str:
        d = self.dimension
        pairs = zip(context[0::2, :d].tolist(), context[1::2, d:].argmax(dim=-1).tolist(), strict=True)
        return "  ".join(f"{_vector(point)}→{label}" for point, label in pairs)

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
        try:
            values = [float(word) for word in text.strip("() ").replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) != self.dimension:
            raise InputError(f"nearest-neighbor: expected a point of {self.dimension} numbers, got {text!r}")
        return self._vectors(torch.tensor([[values]]))[0, 0]

    def show_query(self, query: Tensor) -> str:
        return _vector(query[: self.dimension].tolist())


def _margin(
    scores: Float[Tensor, "B Q k"], labels: Int[Tensor, "B k"], label: Int[Tensor, "B Q"]
) -> Float[Tensor, "B Q"]:
    """The largest score of a point of this label less the largest of another one, at most 2."""
    same = labels[:, None, :] == label[..., None]
    best, other = (scores.masked_fill(hidden, -torch.inf).amax(dim=-1) for hidden in (~same, same))
    return (best - other).clamp(max=2.0)


def _vector(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:+.2f}" for value in values) + ")"
