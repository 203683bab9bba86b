"""Ways from one point to another, on the unit sphere and on the signed cube, with the inner products along them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize


class Way(ABC):
    """Q ways in each of B batches, from share 0, where they start, to share 1; k points are looked at along them."""

    here: Float[Tensor, "B Q d"]

    @abstractmethod
    def at(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q d"]:
        """The points at these shares of the ways."""

    @abstractmethod
    def scores(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q k"]:
        """Their inner products with all the points looked at."""

    def furthest(
        self, enough: Callable[[Float[Tensor, "B Q k"]], Bool[Tensor, "B Q"]], halvings: int
    ) -> Float[Tensor, "B Q"]:
        """A share at which the scores are still enough, as they are at 0, and soon after no more; by bisection."""
        low = self.here.new_zeros(self.here.shape[:2])
        high = torch.ones_like(low)
        for _ in range(halvings):
            middle = (low + high) / 2
            inside = enough(self.scores(middle))
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        return low


class GreatCircle(Way):
    """The shortest way on the unit sphere: the chord, with every point of it moved out to length 1.

    The inner products on a chord lie between those at its ends, so that no point has to be computed for them.
    """

    def __init__(
        self, here: Float[Tensor, "B Q d"], there: Float[Tensor, "B Q d"], points: Float[Tensor, "B k d"]
    ) -> None:
        self.here, self.there = here, there
        self.first, self.last = here @ points.mT, there @ points.mT
        self.cosine = (here * there).sum(dim=-1)

    def at(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q d"]:
        return normalize(torch.lerp(self.here, self.there, share[..., None]), dim=2)

    def scores(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q k"]:
        squared = 1 - 2 * share * (1 - share) * (1 - self.cosine)
        return torch.lerp(self.first, self.last, share[..., None]) * squared.clamp(min=1e-12).rsqrt()[..., None]


class Turns(Way):
    """A way on the signed cube: the coordinates change over one by one, in random order."""

    def __init__(
        self,
        here: Float[Tensor, "B Q d"],
        there: Float[Tensor, "B Q d"],
        points: Float[Tensor, "B k d"],
        generator: torch.Generator,
    ) -> None:
        self.here, self.there, self.points = here, there, points
        self.when = torch.rand(here.shape, dtype=torch.float32, generator=generator, device=here.device)

    def at(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q d"]:
        return torch.where(self.when < share[..., None], self.there, self.here)

    def scores(self, share: Float[Tensor, "B Q"]) -> Float[Tensor, "B Q k"]:
        return self.at(share) @ self.points.mT
