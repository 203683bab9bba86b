"""What the generators draw: uniform where they say so, balanced, and negatives that are what their kind says."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from chi_square import uniform
from slow_oracles import bounded_dyck

import separatrix as sx
from separatrix.tasks import stream

MANY = 20_000


@pytest.mark.parametrize(
    ("length", "kinds", "depth", "members"), [(6, 2, 2, 32), (8, 1, 2, 8), (6, 3, 1, 27), (8, 2, 3, 208), (2, 5, 9, 5)]
)
def test_members_of_bounded_dyck_are_uniform(length, kinds, depth, members):
    task = sx.tasks.create("bounded-dyck", length=length, kinds=kinds, depth=depth)
    batch = task.sample(MANY, stream(0, "train"))
    drawn = batch.context[batch.groups[:, 0] == 0]
    assert uniform(map(tuple, drawn.tolist()), members)


def test_negatives_of_bounded_dyck_are_what_they_say():
    task = sx.tasks.create("bounded-dyck", length=10, kinds=2, depth=2)
    deeper = task.replace(depth=3)
    untyped = task.replace(kinds=1, negatives=("random",))
    batch = task.sample(4000, stream(1, "train"))
    for context, group, target in zip(batch.context.tolist(), batch.groups[:, 0].tolist(), batch.targets, strict=True):
        member = bounded_dyck(task, context, 0)
        shape = bounded_dyck(untyped, [t // 2 for t in context], 0)
        kind = task.groups[group]
        assert target == member == (kind == "member")
        if kind == "wrong-type":
            assert shape == 1
        if kind == "too-deep":
            assert bounded_dyck(deeper, context, 0) == 1
        if kind == "unbalanced":
            assert sum(t < 2 for t in context) in (4, 6)
    counts = Counter(batch.groups[:, 0].tolist())
    assert abs(counts[0] - 2000) < 200
    assert all(abs(counts[i] - 500) < 120 for i in range(1, 5))


def test_kinds_of_negatives_can_be_chosen():
    task = sx.tasks.create("bounded-dyck", length=12, negatives=("too-deep",))
    assert set(task.sample(500, stream(0, "train")).groups[:, 0].tolist()) == {0, 1}
    assert list(task.lengths) == [6, 8, 10, 12]


@pytest.mark.parametrize("layout", ["concatenated", "interleaved"])
def test_unequal_strings_have_the_distance_they_say(layout):
    task = sx.tasks.create("equality", length=24, alphabet=3, layout=layout)
    batch = task.sample(4000, stream(0, "train"))
    first, second = task.split(batch.context)
    distance = (first != second).sum(dim=1)
    said = [0, *(int(name.split()[1]) for name in task.groups[1:])]
    assert 1 in said
    assert torch.equal(distance, torch.tensor(said)[batch.groups[:, 0]])
    assert abs(float(batch.targets.float().mean()) - 0.5) < 0.05


def test_sets_that_meet_meet_in_as_many_elements_as_they_say():
    task = sx.tasks.create("disjointness", length=40)
    batch = task.sample(4000, stream(0, "train"))
    first, second = task.split(batch.context)
    common = (first & second).sum(dim=1)
    group = batch.groups[:, 0]
    assert (common[group == 0] == 0).all()
    assert (common[group == 1] == 1).all()
    assert (common[group == 2] >= 2).all()
    assert abs(float(first[group == 0].float().mean()) - task.density) < 0.02


@pytest.mark.parametrize("length", [2, 4, 24])
def test_kinds_say_the_truth_at_shorter_lengths_too(length):
    task = sx.tasks.create("equality", length=24, distances=(1, 3, 12))
    batch = task.sample(500, stream(0, "train"), length=length)
    first, second = task.split(batch.context)
    assert torch.equal((first != second).sum(dim=1), torch.tensor([0, 1, 3, 12])[batch.groups[:, 0]])
    sets = sx.tasks.create("disjointness", length=24)
    batch = sets.sample(500, stream(0, "train"), length=length)
    first, second = sets.split(batch.context)
    common = (first & second).sum(dim=1)
    assert (common[batch.groups[:, 0] == 1] == 1).all()
    assert (common[batch.groups[:, 0] == 2] >= 2).all()


@pytest.mark.parametrize("instance", ["majority", "k-cnf", "k-dnf", "inner-product", "equality", "disjointness"])
def test_hard_strings_are_just_at_the_threshold(instance):
    task = sx.tasks.create("sparse-threshold", length=40, instance=instance)
    features, threshold = task.definition()
    batch = task.sample(2000, stream(3, "train"))
    kind = batch.groups[:, 0]
    held = torch.zeros(2000, dtype=torch.int64)
    for feature in features:
        code = sum(batch.context[:, p] << j for j, p in enumerate(feature.positions))
        held += torch.tensor(feature.table)[code]
    assert (held[kind == 1] == threshold).all()
    assert (held[kind == 2] == threshold - 1).all()
    assert all(int((kind == i).sum()) > 400 for i in range(3))


def test_strings_that_do_not_get_to_the_threshold_are_not_said_to():
    """Of x, not x, y and not y always two hold, never three or four."""
    features = [{"positions": [place], "table": table} for place in (0, 1) for table in ([0, 1], [1, 0])]
    task = sx.tasks.create("sparse-threshold", length=4, instance="custom", threshold=4, features=features)
    batch = task.sample(400, stream(0, "train"))
    assert not batch.targets.any()
    assert {task.groups[kind] for kind in batch.groups[:, 0].tolist()} == {"uniform", "towards the threshold"}


@pytest.mark.parametrize("instance", ["majority", "k-cnf", "k-dnf", "inner-product", "equality", "disjointness"])
@pytest.mark.parametrize("length", [20, 100])
def test_threshold_functions_are_balanced(instance, length):
    task = sx.tasks.create("sparse-threshold", length=length, instance=instance)
    share = float(task.sample(2000, stream(0, "train")).targets.float().mean())
    assert abs(share - 0.5) < 0.06


def test_margins_are_at_least_what_is_asked():
    task = sx.tasks.create("nearest-neighbor", points=6, dimension=8, labels=3, margin=0.2)
    batch = task.sample(500, stream(0, "train"), queries=2)
    margins = task.margins(batch.context, batch.queries)
    assert margins.min() >= 0.2
    for name, margin in zip([task.groups[g] for g in batch.groups.flatten()], margins.flatten().tolist(), strict=True):
        low, high = map(float, name.removeprefix("margin ").split("-"))
        assert low <= margin + 1e-6
        assert margin < high + 1e-6


@pytest.mark.parametrize("geometry", ["sphere", "cube"])
def test_queries_come_as_close_to_the_border_as_the_margin_allows(geometry):
    task = sx.tasks.create("nearest-neighbor", points=8, dimension=32, margin=0.2, geometry=geometry)
    batch = task.sample(300, stream(0, "train"), queries=40)  # each query has its margin, however many there are
    margins = task.margins(batch.context, batch.queries)
    assert margins.min() >= 0.2
    assert 0.2 < margins.median() < 0.7
    norms = batch.queries[..., :32].norm(dim=2)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-5)


def test_recall_asks_for_absent_keys_as_often_as_it_says():
    task = sx.tasks.create("associative-recall", pairs=4, keys=16, values=8, absent=0.25)
    batch = task.sample(2000, stream(0, "train"), queries=3)
    lost = batch.targets == task.values
    assert torch.equal(lost, batch.groups == task.pairs)
    assert abs(float(lost.float().mean()) - 0.25) < 0.03


def test_mqar_streams_follow_the_published_layout():
    task = sx.tasks.create("mqar", length=64, pairs=8, vocabulary_size=256)
    drawn = task.sample(3000, stream(0, "train"))
    inputs, labels = drawn.inputs, drawn.labels
    assert task.valid(inputs).all()
    keys, values = inputs[:, 0:16:2], inputs[:, 1:16:2]
    assert keys.min() >= 1
    assert keys.max() < 128
    assert values.min() >= 128
    asked = labels != -100
    assert (asked.sum(dim=1) == 8).all()
    assert not asked[:, :16].any()
    for b in range(200):
        book = dict(zip(keys[b].tolist(), values[b].tolist(), strict=True))
        assert len(book) == len(set(values[b].tolist())) == 8
        for place in asked[b].nonzero().flatten().tolist():
            assert place % 2 == 0
            assert labels[b, place] == book[int(inputs[b, place])]
    first_query = asked.float().argmax(dim=1)
    assert float((first_query == 16).float().mean()) > 0.5  # short gaps are the likely ones


def test_mqar_gaps_are_weighted_draws_without_replacement():
    drawn = sx.tasks.create("mqar", length=12, pairs=2, vocabulary_size=64, power=0.01).sample(MANY, stream(0, "train"))
    inputs, labels = drawn.inputs, drawn.labels
    weight = [g ** (0.01 - 1) for g in (1, 2, 3, 4)]
    total = sum(weight)
    for first in range(4):
        for second in set(range(4)) - {first}:
            expected = weight[first] / total * weight[second] / (total - weight[first])
            there = (inputs[:, 4 + 2 * first] == inputs[:, 0]) & (labels[:, 4 + 2 * first] != -100)
            there &= (inputs[:, 4 + 2 * second] == inputs[:, 2]) & (labels[:, 4 + 2 * second] != -100)
            assert abs(float(there.float().mean()) - expected) < 0.02
