"""What is sampled is the same whatever PyTorch's default number format is: identities do not hang on global state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from cases import CASES

from separatrix import tasks

MORE = [
    ("associative-recall", {"pairs": 5, "keys": 16, "values": 4, "absent": 0.3}),
    ("nearest-neighbor", {"points": 8, "dimension": 6, "geometry": "cube", "margin": 0.0}),
    ("nearest-neighbor", {"points": 8, "dimension": 6}),
    ("index-lookup", {"length": 9, "alphabet": 4, "mixed_lengths": True}),
    ("bounded-dyck", {"length": 12, "kinds": 2, "depth": 3}),
]
EXAMPLES = {str(example): example for example in [*((case.task, case.parameters) for case in CASES), *MORE]}


@pytest.fixture
def double_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_sampled_data_do_not_depend_on_the_default_format(example: tuple[str, dict], double_by_default: None) -> None:
    name, parameters = example
    double = tasks.create(name, **parameters).sample(64, torch.Generator().manual_seed(3))
    torch.set_default_dtype(torch.float32)
    single = tasks.create(name, **parameters).sample(64, torch.Generator().manual_seed(3))
    for field in ("context", "queries", "targets", "groups"):
        a, b = getattr(double, field), getattr(single, field)
        assert a.dtype == b.dtype and torch.equal(a, b), field
