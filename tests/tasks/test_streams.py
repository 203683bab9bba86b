"""Randomness by key, and data sets that do not depend on how they are read."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

import separatrix as sx
from separatrix import InputError
from separatrix.tasks import as_dataset, as_hf_dataset, stream


def test_the_same_key_gives_the_same_stream():
    assert torch.equal(torch.rand(5, generator=stream(3, "train", 7)), torch.rand(5, generator=stream(3, "train", 7)))


def test_different_keys_share_no_state():
    keys = [(seed, split, i) for seed in (0, 1, 2**40) for split in ("train", "validation", "test") for i in range(5)]
    first = [tuple(torch.randint(2**31, (4,), generator=stream(*key)).tolist()) for key in keys]
    assert len(set(first)) == len(keys)


def test_seeds_that_torch_would_confuse_are_told_apart():
    torch_says = [torch.rand(3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5 + 2**32)]
    assert torch.equal(*torch_says)  # the CPU generator keeps 32 bits of a seed
    assert not torch.equal(*(torch.rand(3, generator=stream(seed, "train")) for seed in (5, 5 + 2**32)))


def test_the_numbers_are_those_of_every_machine():
    drawn = torch.randint(1000, (5,), generator=stream(0, "train", 0))
    assert drawn.tolist() == torch.randint(1000, (5,), generator=stream(0, "train", 0)).tolist()
    uniform = torch.rand(100_000, generator=stream(0, "test", 1), dtype=torch.float64)
    assert abs(float(uniform.mean()) - 0.5) < 0.005
    assert abs(float(uniform.var()) - 1 / 12) < 0.002


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, "trian", 0), "did you mean 'train'"), ((-1, "train", 0), "at least 0")]
)
def test_wrong_keys(arguments, message):
    with pytest.raises(InputError, match=message):
        stream(*arguments)


@pytest.fixture
def task():
    return sx.tasks.create("equality", length=8)


def read(loader: DataLoader) -> set[tuple[int, ...]]:
    return {(*example["context"].tolist(), int(example["targets"])) for batch in loader for example in unbatch(batch)}


def unbatch(batch: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    return [{name: value[i] for name, value in batch.items()} for i in range(len(batch["context"]))]


def test_examples_do_not_depend_on_batch_size_or_workers(task):
    def contexts(batch_size: int, workers: int) -> list:
        loader = DataLoader(as_dataset(task, 600, seed=1), batch_size=batch_size, num_workers=workers)
        return sorted(row for batch in loader for row in batch["context"].tolist())

    assert contexts(7, 0) == contexts(64, 0) == contexts(64, 2)
    assert len(contexts(7, 0)) == len(as_dataset(task, 600)) == 600


def test_splits_differ(task):
    first = [
        next(iter(as_dataset(task, 1, split=split)))["context"].tolist() for split in ("train", "validation", "test")
    ]
    assert first[0] != first[1] or first[1] != first[2]


def test_hugging_face_data_set(task, tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    made = as_hf_dataset(task, 10)
    plain = [example["context"].tolist() for example in as_dataset(task, 10)]
    assert made["context"][:] == plain


def test_no_examples(task):
    with pytest.raises(InputError, match="examples must be at least 1, got 0"):
        as_dataset(task, 0)
