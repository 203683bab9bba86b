"""What `show` prints, `read` reads; anything else gets one line."""

from __future__ import annotations

import pytest
import torch
from cases import CASES

from separatrix.errors import InputError
from separatrix.tasks import create


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task)
def test_a_shown_context_is_read_back(case):
    task = create(case.task, **case.parameters)
    batch = task.sample(1, torch.Generator().manual_seed(0))
    context, query = batch.context[0], batch.queries[0, 0]
    assert torch.allclose(task.read(task.show(context)).double(), context.double(), atol=0.005)
    assert torch.allclose(task.read_query(task.show_query(query)).double(), query.double(), atol=0.005)


def test_short_ways_of_writing():
    assert create("parity", length=4).read("0110").tolist() == [0, 1, 1, 0]
    assert create("bounded-dyck", length=4).read("([])").tolist() == [0, 1, 3, 2]
    assert create("bounded-dyck", length=4).read("0 1 3 2").tolist() == [0, 1, 3, 2]
    many = create("bounded-dyck", length=4, kinds=12)
    assert many.read(many.show(torch.tensor([3, 11, 23, 15]))).tolist() == [3, 11, 23, 15]


@pytest.mark.parametrize(
    ("task", "parameters", "text", "message"),
    [
        ("index-lookup", {"length": 4, "alphabet": 4}, "1 2 x", "expected tokens as numbers, got 'x'"),
        ("index-lookup", {"length": 4, "alphabet": 4}, "1 9", "expected a token from 0 to 3 at position 1, got 9"),
        ("index-lookup", {"length": 4, "alphabet": 4}, "1 1 1 1 1", "takes no context of 5 tokens"),
        ("bounded-dyck", {"length": 4}, "(a)", "expected tokens as numbers, got 'a'"),
        ("associative-recall", {"pairs": 2, "keys": 4, "values": 3}, "2 5 2 6", "is not a context of this task"),
        ("nearest-neighbor", {"points": 2, "dimension": 2}, "(1, 0)", "expected at most 2 points"),
    ],
)
def test_what_is_no_context_is_named(task, parameters, text, message):
    with pytest.raises(InputError, match=message):
        create(task, **parameters).read(text)


def test_what_is_no_query_is_named():
    with pytest.raises(InputError, match="expected a query from 0 to 3, got 4"):
        create("index-lookup", length=4, alphabet=4).read_query("4")
    with pytest.raises(InputError, match="expected a point of 2 numbers, got 'near'"):
        create("nearest-neighbor", points=2, dimension=2).read_query("near")
