"""Nearest neighbour: what is the label of the point nearest to this one?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.base import Batch, Task
from separatrix.tasks.ceiling import accuracy_ceiling
from separatrix.tasks.draws import several

ROUNDS = 200
"""How often examples below the margin are drawn again before the margin counts as out of reach."""


class NearestNeighbor(Task):
    """The label of the nearest of k labelled points in d dimensions, k = length / 2.

    Example: the points (1, 0) labelled 0 and (0, 1) labelled 1, asked (0.8, 0.6), are answered 0.

    The context alternates points and labels: token 2i is point i in the first d coordinates, token 2i + 1 its label
    as a unit vector in the last `labels` coordinates; the other coordinates are 0. A query has the form of a point.
    Points are unit vectors (`sphere`) or signs / sqrt(d) (`cube`), uniform and independent, labels too. A query is
    one of the points, disturbed by `noise`; examples are drawn again until their margin is at least `margin`: the
    inner product with the nearest point less the largest one with a point of another label.
    """

    summary: ClassVar[str] = "which label has the nearest point?"
    name: Literal["nearest-neighbor"] = "nearest-neighbor"
    points: int = Field(ge=1, description="labelled points k")
    dimension: int = Field(16, ge=1, description="dimension d")
    labels: int = Field(2, ge=2, description="number of labels")
    geometry: Literal["sphere", "cube"] = Field("sphere", description="unit vectors, or signs / sqrt(d)")
    noise: float = Field(0.3, ge=0, description="standard deviation of the query's disturbance, before it is projected")
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
        context, asked = self._draw(batch_size, count, n // 2, generator)
        best = torch.zeros(batch_size, device=generator.device)
        for _ in range(ROUNDS):
            least = self.margins(context, asked).amin(dim=1)
            best = torch.maximum(best, least)
            (again,) = torch.nonzero(least < self.margin, as_tuple=True)
            if not len(again):
                targets = self.answer(context, asked)
                groups = (self.margins(context, asked) * 10).long().clamp(0, len(self.groups) - 1)
                return Batch(context, asked, targets, groups)
            context[again], asked[again] = self._draw(len(again), count, n // 2, generator)
        raise InputError(
            f"nearest-neighbor: a margin of {self.margin} is out of reach for {n // 2} points in {self.dimension} "
            f"dimensions with noise {self.noise} (typical best: {float(best.median()):.3f}): lower the margin, the "
            "noise or the number of points or queries, or raise the dimension"
        )

    def _draw(self, batch: int, count: int, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        device, d = generator.device, self.dimension
        points = self._project(torch.randn(batch, k, d, generator=generator, device=device))
        labels = torch.randint(self.labels, (batch, k), generator=generator, device=device)
        context = torch.zeros(batch, k, 2, self.vector_size, device=device)
        context[:, :, 0, :d] = points
        context[:, :, 1, d:] = torch.nn.functional.one_hot(labels, self.labels).float()
        near = points.gather(1, several(k, count, batch, generator)[..., None].expand(-1, -1, d))
        disturbance = torch.randn(batch, count, d, generator=generator, device=device) / math.sqrt(d)
        asked = torch.zeros(batch, count, self.vector_size, device=device)
        asked[:, :, :d] = self._project(near + self.noise * disturbance)
        return context.flatten(1, 2), asked

    def _project(self, x: Tensor) -> Tensor:
        if self.geometry == "sphere":
            return x / x.norm(dim=-1, keepdim=True)
        return torch.where(x >= 0, 1.0, -1.0) / math.sqrt(self.dimension)

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
        nearest = scores.max(dim=-1)
        same = labels[:, None, :] == labels.gather(1, nearest.indices)[..., None]
        other = scores.masked_fill(same, -torch.inf).amax(dim=-1)
        return (nearest.values - other).clamp(max=2.0)

    # theory ----------------------------------------------------------------------------------------------------------
    def recurrent_bits(self) -> float:
        """A lower bound, k' log2 Y: k' points that differ, each its own query's nearest."""
        return self._distinct_points() * math.log2(self.labels)

    def attention_bits(self) -> float:
        """A lower bound, k' log2 Y: the labels held. (The query is public: this needs queries of every point.)"""
        return self._distinct_points() * math.log2(self.labels)

    def _distinct_points(self) -> int:
        most = 2**self.dimension if self.geometry == "cube" or self.dimension == 1 else self.points
        return min(self.points, most)

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """The rate–distortion ceiling on the labels, proved where no margin is asked: labels are independent then."""
        return 1.0 if self.margin else accuracy_ceiling(self.points, self.labels, state_bits)

    # people ----------------------------------------------------------------------------------------------------------
    def show(self, context: Tensor) -> str:
        d = self.dimension
        pairs = zip(context[0::2, :d].tolist(), context[1::2, d:].argmax(dim=-1).tolist(), strict=True)
        return "  ".join(f"{_vector(point)}→{label}" for point, label in pairs)

    def show_query(self, query: Tensor) -> str:
        return _vector(query[: self.dimension].tolist())


def _vector(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:+.2f}" for value in values) + ")"
