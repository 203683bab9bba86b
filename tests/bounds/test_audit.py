"""Audits: states from configurations equal the caches that the models really keep."""

from __future__ import annotations

import json

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.bounds import Part, StateSize, verdicts
from separatrix.models.huggingface.configuration import load_config
from separatrix.models.measure import measured_size


@pytest.mark.parametrize(
    ("name", "constant", "per_token"), [("elman", 16, 0), ("lstm", 32, 0), ("transformer", 0, 2 * 2 * 8)]
)
def test_models_are_measured(name, constant, per_token):
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    size = measured_size(sx.models.create(name, task, width=8, layers=2), task)
    (part,) = size.parts
    assert (part.constant, part.per_token, part.bits_each) == (constant, per_token, 32)
    assert size.growth == ("linear" if per_token else "constant")


def test_any_module_with_prefill_is_measured():
    class Windowed(torch.nn.Module):
        def prefill(self, context):
            return {"sum": context.sum(1, keepdim=True).float(), "half": torch.zeros(len(context), 3).bfloat16()}

    assert measured_size(Windowed(), sx.tasks.create("parity", length=8)).numbers(100) == 4


def test_a_window_beyond_the_first_tokens_is_found():
    task = sx.tasks.create("index-lookup", length=120, alphabet=4)
    size = measured_size(sx.models.create("transformer", task, width=8, window=100), task)
    assert (size.growth, size.parts[0].window, size.bits(1000)) == ("windowed", 99, 2 * 8 * 99 * 32)


def test_a_mini_batch_that_is_not_whole_is_counted_and_memories_that_come_and_go_are_no_law():
    task = sx.tasks.create("index-lookup", length=40, alphabet=4)
    size = measured_size(sx.models.create("ttt", task, width=8), task)
    assert size.numbers(1000) == 8 * 9 + (1000 % 16) * (2 * 8 + 1)
    with pytest.raises(InputError, match="has tensors at some lengths that it has not at others"):
        measured_size(sx.models.create("log-linear", task, width=8), task)


def test_verdicts_follow_the_bounds():
    task = sx.tasks.create("index-lookup", length=12, alphabet=4)
    size = measured_size(sx.models.create("elman", task, width=4), task)
    found = {verdict.task: verdict for verdict in verdicts(size, 400)}
    assert not found["index-lookup"].possible
    assert found["index-lookup"].exact_at_most == "at most 20 (proved)"
    assert found["index-lookup"].accuracy_ceiling < 0.3
    assert found["bounded-dyck"].possible
    assert found["bounded-dyck"].exact_at_most == "every length"


def test_a_task_that_ends_is_no_bound():
    size = StateSize((Part(32, 10**9),), "by hand")
    found = {verdict.task: verdict for verdict in verdicts(size, 400)}
    assert found["associative-recall"].exact_at_most == "every length the task has (to 800)"


def test_formats_are_counted_apart():
    size = StateSize((Part(16, 3), Part(32, 5, 1, 7)), "by hand")
    assert (size.numbers(100), size.bits(100), size.most_bits) == (15, 3 * 16 + 12 * 32, 3 * 16 + 12 * 32)


def test_wrong_files(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_config(tmp_path / "none.json")
    (tmp_path / "list.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="must hold a JSON object, got list"):
        load_config(tmp_path / "list.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        load_config(tmp_path / "bad.json")
