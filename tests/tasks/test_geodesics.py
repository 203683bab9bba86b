"""Ways on the sphere and the cube: inner products along them, and ends where they should be."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import normalize

from separatrix.tasks import stream
from separatrix.tasks.geodesics import GreatCircle, Turns


def ends(geometry: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = [torch.randn(4, n, 6, generator=stream(0, "train", n)) for n in (3, 5, 8)]
    if geometry == "cube":
        return tuple(points.sign() / math.sqrt(6) for points in drawn)
    return tuple(normalize(points, dim=2) for points in drawn)


@pytest.mark.parametrize("geometry", ["sphere", "cube"])
def test_scores_are_the_inner_products_of_the_points_on_the_way(geometry):
    here, there, points = ends(geometry)
    there = there[:, :3]
    way = GreatCircle(here, there, points) if geometry == "sphere" else Turns(here, there, points, stream(1, "train"))
    assert torch.allclose(way.at(torch.zeros(4, 3)), here, atol=1e-6)
    assert torch.allclose(way.at(torch.ones(4, 3)), there, atol=1e-6)
    for index in range(5):
        share = torch.rand(4, 3, generator=stream(2, "train", index))
        reached = way.at(share)
        assert torch.allclose(reached.norm(dim=2), torch.ones(4, 3), atol=1e-6)
        assert torch.allclose(way.scores(share), reached @ points.mT, atol=1e-5)


def test_the_nearest_way_on_the_sphere_stays_in_the_plane_of_its_ends():
    here, there, points = ends("sphere")
    reached = GreatCircle(here, there[:, :3], points).at(torch.full((4, 3), 0.3))
    plane = torch.stack([here, there[:, :3], reached], dim=2)
    assert torch.linalg.matrix_rank(plane, atol=1e-4).max() == 2


def test_coordinates_change_over_one_by_one():
    here, there, points = ends("cube")
    way = Turns(here, there[:, :3], points, stream(1, "train"))
    changed = [(way.at(torch.full((4, 3), share)) != here).sum(dim=2) for share in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert all((before <= after).all() for before, after in pairwise(changed))
    assert torch.equal(changed[-1], (there[:, :3] != here).sum(dim=2))
