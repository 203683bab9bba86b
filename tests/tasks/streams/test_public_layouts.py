"""Streams against published layouts: our oracle on their streams, and our draws beside theirs."""

from __future__ import annotations

from collections import Counter

import chi_square
import numpy as np
import pytest
import torch
from tasks.streams import public_layouts

import separatrix as sx
from separatrix.tasks import UNLABELLED, stream

MQAR = [
    {"length": 20, "pairs": 3, "power": -1.0},
    {"length": 20, "pairs": 3, "power": 1.0, "random_non_queries": False},
    {"length": 20, "pairs": 2, "power": 0.5, "passes": 2},
    {"length": 20, "pairs": 3, "power": 0.01, "updates": 2},
]


def published(make, count, seed=0, **parameters):
    draw = np.random.default_rng(seed)
    drawn = [make(draw, **parameters) for _ in range(count)]
    return torch.tensor([inputs for inputs, _ in drawn]), torch.tensor([labels for _, labels in drawn])


def one_distribution(ours, theirs):
    """Whether two lists of outcomes may be draws of one distribution; what is rare is counted as one outcome."""
    counts = [Counter(side) for side in (ours, theirs)]
    both = counts[0] + counts[1]
    kept = [outcome for outcome in both if both[outcome] >= 20]
    rare = [sum(count for outcome, count in side.items() if both[outcome] < 20) for side in counts]
    rows = [[side[outcome] for outcome in kept] + [few] for side, few in zip(counts, rare, strict=True)]
    return chi_square.alike([row if any(rare) else row[:-1] for row in rows])


@pytest.mark.parametrize("parameters", MQAR)
def test_mqar_is_zoologys(parameters):
    task = sx.tasks.create("mqar", vocabulary_size=16, **parameters)
    inputs, labels = published(public_layouts.zoology_mqar, 1500, vocabulary=16, **parameters)
    asked = labels != UNLABELLED
    assert task.valid(inputs).all()
    assert torch.equal(task.answer(inputs)[asked], labels[asked])
    drawn = task.sample(1500, stream(0, "train"))
    places = [[tuple(row.nonzero()[:, 0].tolist()) for row in each != UNLABELLED] for each in (drawn.labels, labels)]
    assert one_distribution(*places)  # where labels stand: gaps by their power law, without replacement
    first = [
        [(row == key).nonzero()[-1].item() for row, key in zip(each, each[:, 0], strict=True)]
        for each in (drawn.inputs, inputs)
    ]
    assert one_distribution(*first)  # which key is asked where: the first drawn has the shortest gaps
    for ours, theirs in zip(drawn.inputs.T.tolist(), inputs.T.tolist(), strict=True):
        assert one_distribution(ours, theirs) or ours == theirs
    assert one_distribution(drawn.labels[drawn.labels != UNLABELLED].tolist(), labels[asked].tolist())


def test_noisy_recall_is_mads():
    task = sx.tasks.create("noisy-recall", length=16, keys=4, values=4, noise_tokens=3, noise=0.3)
    inputs, labels = published(public_layouts.mad_recall, 1500, length=16, kinds=4, noise_tokens=3, noise=0.3)
    formed = task.valid(inputs)
    assert formed.float().mean() > 0.98  # one in some hundred of theirs is all noise but for its last pair
    inputs, labels = inputs[formed], labels[formed]
    assert torch.equal(task.answer(inputs), torch.where(labels == UNLABELLED, labels, labels - 4))
    drawn = task.sample(len(inputs), stream(0, "train"))
    kinds = [[tuple(row) for row in ((each[:, :-2:2] >= 4).long()).tolist()] for each in (drawn.inputs, inputs)]
    assert one_distribution(*kinds)  # which pairs are noise
    asked = [(each[:, :-2] != UNLABELLED).sum(dim=1).tolist() for each in (drawn.labels, labels)]
    assert one_distribution(*asked)


def test_fuzzy_recall_is_mads():
    task = sx.tasks.create("fuzzy-recall", length=40, keys=3, values=4, key_tokens=2, value_tokens=3)
    parameters = {"length": 40, "keys": 3, "values": 4, "key_tokens": 2, "value_tokens": 3}
    inputs, labels = published(public_layouts.mad_fuzzy_recall, 1500, **parameters)
    assert task.valid(inputs).all()
    asked = labels != UNLABELLED
    said = task.sample(1500, stream(0, "train"))
    assert torch.equal(task.answer(inputs)[asked], labels[asked] - 3)
    runs = [Counter(), Counter()]
    for counts, each in zip(runs, (said.inputs, inputs), strict=True):
        for row in each.tolist():
            words = "".join("k" if token < 3 else "v" if token < 7 else " " for token in row).strip()
            counts.update(len(run) for run in words.replace("kv", "k v").replace("vk", "v k").split()[:4:2])
    assert one_distribution(list(runs[0].elements()), list(runs[1].elements()))  # sizes of the first keys
