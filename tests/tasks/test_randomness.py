"""Randomness by key, and data sets that do not depend on how they are read."""

from __future__ import annotations

import hashlib
from itertools import chain

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import separatrix as sx
from separatrix import InputError
from separatrix.tasks import as_dataset, stream
from separatrix.tasks import randomness as streams


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


def test_the_twister_starts_from_the_digest_of_the_key():
    key = np.frombuffer(hashlib.shake_256(b"separatrix/7/validation/3").digest(2496), dtype="<u4")
    twister = np.random.MT19937()
    twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 624}}
    drawn = torch.rand(2000, generator=stream(7, "validation", 3)).numpy()  # the low 24 bits of each word
    assert (drawn * 2**24 == twister.random_raw(2000) % 2**24).all()


def test_another_layout_of_the_state_is_refused(monkeypatch):
    streams._fresh_state.cache_clear()
    monkeypatch.setattr(streams, "_STATE_BYTES", 5064)
    with pytest.raises(RuntimeError, match="in a form unknown here"):
        stream(0, "train")


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


def test_batches_are_the_same_for_any_number_of_workers(task):
    def batches(workers: int) -> list:
        dataset = as_dataset(task, 600, seed=1, batch_size=50)
        loader = DataLoader(dataset, batch_size=None, num_workers=workers)
        return [batch["context"].tolist() for batch in loader]

    alone = batches(0)
    assert alone == batches(1) == batches(2)
    assert len(alone) == len(as_dataset(task, 600, batch_size=50)) == 12
    assert list(chain(*alone)) == [example["context"].tolist() for example in as_dataset(task, 600, seed=1)]


def test_endless_data_sets_can_be_read_from(task):
    dataset = as_dataset(task, batch_size=300)
    first, second = (batch for batch, _ in zip(dataset, range(2), strict=False))
    assert torch.cat([first["context"], second["context"]]).equal(dataset.rows(0, 600)["context"])
    with pytest.raises(TypeError):
        len(dataset)


def test_splits_differ(task):
    first = [
        next(iter(as_dataset(task, 1, split=split)))["context"].tolist() for split in ("train", "validation", "test")
    ]
    assert first[0] != first[1] or first[1] != first[2]


def test_blocks_are_as_large_as_the_task_allows_and_no_larger():
    def size(**task) -> int:
        return as_dataset(sx.tasks.create(**task)).block_size

    assert size(name="parity", length=1) == 8192
    assert size(name="parity", length=1000) == 1024
    assert size(name="parity", length=10**7) == 1
    assert size(name="nearest-neighbor", points=100, dimension=62) == 64
    assert as_dataset(sx.tasks.create("parity", length=1000), length=10).block_size == 8192


def test_no_examples(task):
    with pytest.raises(InputError, match="examples must be at least 1, got 0"):
        as_dataset(task, 0)
