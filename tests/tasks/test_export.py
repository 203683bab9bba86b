"""Files and Hugging Face data sets hold the examples of the data set they are made from."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.tasks import as_dataset, as_hf_dataset, dataset, write

TASKS = [
    sx.tasks.create("associative-recall", pairs=3, absent=0.2),
    sx.tasks.create("nearest-neighbor", points=3, dimension=4),
]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that few examples take several blocks."""
    monkeypatch.setattr(dataset, "BLOCK_NUMBERS", 256)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_files_hold_the_examples_of_the_data_set(task, tmp_path):
    data = as_dataset(task, 100, seed=3, split="test", queries=2)
    assert data.block_size < 50
    expected = data.rows(0, 100)
    frame = pl.read_parquet(write(data, tmp_path / "data.parquet"))
    arrays = np.load(write(data, tmp_path / "data.npz"))
    assert set(frame.columns) == set(arrays.files) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(torch.from_numpy(arrays[name]), tensor)
        assert torch.equal(torch.tensor(frame[name].to_numpy()), tensor)
    assert {path.name for path in tmp_path.iterdir()} == {"data.parquet", "data.npz"}  # nothing else is left behind


@pytest.mark.parametrize(
    ("examples", "name", "message"),
    [
        (5, "data.csv", "ending in .parquet or .npz, got 'data.csv'"),
        (5, "nowhere/data.npz", "cannot write .*nowhere/data.npz: No such file or directory"),
        (None, "data.npz", "endless data set fits in no file"),
    ],
)
def test_what_cannot_be_written(tmp_path, examples, name, message):
    with pytest.raises(InputError, match=message):
        write(as_dataset(TASKS[0], examples), tmp_path / name)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "data.npz").write_bytes(b"before")
    data = as_dataset(TASKS[0], 100)
    monkeypatch.setattr(data, "rows", lambda first, last: 1 / (first < 50))
    with pytest.raises((ZeroDivisionError, AttributeError)):
        write(data, tmp_path / "data.npz")
    assert (tmp_path / "data.npz").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_hugging_face_data_sets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    (tmp_path / "mine.py").write_text("def last(context, query):\n    return context[-1]\n")
    own = sx.tasks.create(f"{tmp_path}/mine.py:last", length=4, alphabet=2, answer_count=2)
    for task in (TASKS[1], own):
        made = as_hf_dataset(task, 50, seed=2, split="validation", queries=2, length=2).with_format("torch")
        expected = as_dataset(task, 50, seed=2, split="validation", queries=2, length=2).rows(0, 50)
        assert len(made) == 50
        for name, tensor in expected.items():
            assert torch.equal(made[:][name], tensor)
            assert made[:][name].dtype == tensor.dtype
    with pytest.raises(InputError, match="cannot be sampled at length 9"):
        as_hf_dataset(own, 50, length=9)
