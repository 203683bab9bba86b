"""Impossible tasks and requests: one clear line each."""

from __future__ import annotations

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.tasks import stream

NOT_ASSOCIATIVE = ((0, 1, 2), (1, 0, 0), (2, 1, 0))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("index-lookup", {"length": 0}, "greater than or equal to 1, got 0"),
        ("index-lookup", {"length": 4, "alphabet": 1}, "greater than or equal to 2, got 1"),
        ("index-lookup", {"length": 4, "alphabt": 3}, "did you mean 'alphabet'"),
        ("bounded-dyck", {"length": 5}, "length must be even .*, got 5"),
        ("bounded-dyck", {"length": 2, "negatives": ["too-deep"]}, "none of the negatives .* exists at length 2"),
        ("bounded-dyck", {"length": 4, "negatives": ["to-deep"]}, "negatives"),
        ("equality", {"length": 3}, "length must be even .*, got 3"),
        ("equality", {"length": 4, "distances": [3]}, r"distances must be in 1 … 2, got \[3\]"),
        ("equality", {"length": 4, "layout": "zipped"}, "layout"),
        ("equality", {"length": 4, "distances": 1}, r"distances: input should be a list such as \[1, 2\], got 1"),
        ("disjointness", {"length": 4, "density": 0.7}, "less than or equal to 0.5, got 0.7"),
        ("sparse-threshold", {"length": 4, "instance": "custom"}, "give features with instance custom"),
        ("sparse-threshold", {"length": 4, "instance": "custom", "features": [{"positions": [0], "table": [0, 1]}]},
         "needs a threshold"),
        ("sparse-threshold", {"length": 4, "instance": "custom", "threshold": 1,
                              "features": [{"positions": [4], "table": [0, 1]}]}, r"below 4, got \[4\]"),
        ("sparse-threshold", {"length": 4, "instance": "custom", "threshold": 1,
                              "features": [{"positions": [0, 1], "table": [0, 1]}]}, "2 bits has 4 entries, got 2"),
        ("sparse-threshold", {"length": 2, "instance": "k-cnf"}, "clauses of 3 literals do not fit in 2 bits"),
        ("sparse-threshold", {"length": 4, "instance": "k-cnf", "clauses": 5}, "at most the length 4, got 5"),
        ("sparse-threshold", {"length": 4, "instance": "majority", "clauses": 2}, "for k-cnf and k-dnf, not majority"),
        ("sparse-threshold", {"length": 4, "threshold": 2}, "threshold is for inner-product and custom, not majority"),
        ("sparse-threshold", {"length": 6, "instance": "inner-product", "threshold": 4}, "of 4 is never reached by 3"),
        ("sparse-threshold", {"length": 4, "instance": "custom", "threshold": 2,
                              "features": [{"positions": [0], "table": [0, 1]}]}, "never reached by 1 features"),
        ("equality", {"length": 4, "distances": [1, 1]}, r"must not repeat one, got \[1, 1\]"),
        ("disjointness", {"length": 4, "negatives": ["one", "one"]}, "must not repeat a kind"),
        ("disjointness", {"length": 2, "negatives": ["several"]}, "need a length of 4 at least, got 2"),
        ("associative-recall", {"pairs": 5, "keys": 4}, "5 distinct keys do not fit in 4"),
        ("associative-recall", {"length": 5}, "length must be even"),
        ("associative-recall", {"length": 6, "pairs": 2}, "length must be 2 \\* pairs, got 6 and 2 pairs"),
        ("associative-recall", {"pairs": 4, "keys": 4, "absent": 0.1}, "no key is ever absent"),
        ("associative-recall", {"pairs": 4, "absent": 1}, "less than 1, got 1"),
        ("associative-recall", {"keys": 4}, "give length or pairs"),
        ("nearest-neighbor", {"dimension": 4}, "give length or points"),
        ("nearest-neighbor", {"points": 2, "dimension": 0}, "greater than or equal to 1, got 0"),
        ("modular-counter", {"length": 4, "modulus": 1}, "greater than or equal to 2, got 1"),
        ("group-word", {"length": 4, "group": "S6"}, "unknown group 'S6'"),
        ("automaton", {"length": 4, "transitions": [[0, 1], [0]]}, r"all of one length .* got lengths \[1, 2\]"),
        ("automaton", {"length": 4, "transitions": [[0, 1]], "outputs": [1]}, "lead to states 0 … 0, got 1"),
        ("automaton", {"length": 4, "transitions": [[0, 0]], "outputs": [1, 0]}, "outputs must be 1 answers"),
        ("automaton", {"length": 4, "start": 3}, "start must be in 0 … 2, got 3"),
        ("group-word", {"length": 4, "table": NOT_ASSOCIATIVE}, r"not a group: \(1·1\)·1 = 1, but|not a group"),
        ("group-word", {"length": 4, "table": ((0, 1), (1, 1))}, "element 1 has no inverse"),
        ("group-word", {"length": 4, "table": ((1, 0), (1, 0))}, "no element e"),
        ("group-word", {"length": 4, "table": ((0, 1, 2), (1, 0))}, "must be square"),
        ("group-word", {"length": 4, "table": ((0, 1), (1, 2))}, "must hold 0 … 1, got 2 as 1·1"),
    ],
)  # fmt: skip
def test_impossible_tasks(name, parameters, message):
    with pytest.raises(InputError, match=message) as caught:
        sx.tasks.create(name, **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2, "queries": 0}, "queries must be at least 1, got 0"),
        ({"batch_size": 2, "length": 9}, "length 8 cannot be sampled at length 9"),
    ],
)
def test_impossible_requests(request_, message):
    with pytest.raises(InputError, match=message):
        sx.tasks.create("index-lookup", length=8).sample(generator=torch.Generator(), **request_)


def test_a_margin_out_of_reach_names_what_to_change():
    task = sx.tasks.create("nearest-neighbor", points=50, dimension=2, margin=0.9)
    with pytest.raises(InputError, match="margin of 0.9 is out of reach for 50 points in 2 dimensions"):
        task.sample(4, stream(0, "train"))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"length": 63}, "must be even"),
        ({"length": 24, "pairs": 8}, "need a length of 32, got 24"),
        ({"length": 64, "pairs": 8, "vocabulary_size": 16}, "need a vocabulary_size of 18"),
    ],
)
def test_mqar_sizes_that_clash(sizes, message):
    with pytest.raises(InputError, match=message):
        sx.tasks.create("mqar", **sizes)
