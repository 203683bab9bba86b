"""Tasks as data sets: the same examples whatever the batch size, the number of workers or the machine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import IterableDataset, get_worker_info

from separatrix.errors import InputError
from separatrix.tasks.base import Batch, Task
from separatrix.tasks.streams import Split, stream

BLOCK = 256
"""Examples drawn at a time: example i is row i mod 256 of block i // 256, and so depends on nothing else."""

Example = dict[str, torch.Tensor]


class TaskDataset(IterableDataset[Example]):
    """Examples of a task, one by one: `context`, `queries`, `targets`, `groups`. Memory: one block.

    With several DataLoader workers, worker w of W yields the blocks w, w + W, w + 2W, …
    """

    def __init__(self, task: Task, examples: int, seed: int, split: Split, queries: int | None) -> None:
        super().__init__()
        self.task, self.examples, self.seed, self.split, self.queries = task, examples, seed, split, queries

    def __len__(self) -> int:
        return self.examples

    def __iter__(self) -> Iterator[Example]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, -(-self.examples // BLOCK), step):
            block = self.block(index)
            for row in range(min(BLOCK, self.examples - index * BLOCK)):
                yield {name: tensor[row] for name, tensor in vars(block).items()}

    def block(self, index: int) -> Batch:
        """Block `index`: BLOCK examples, a function of (task, seed, split, index) alone."""
        return self.task.sample(BLOCK, stream(self.seed, self.split, index), queries=self.queries)


def as_dataset(
    task: Task, examples: int, seed: int = 0, split: Split = "train", queries: int | None = None
) -> TaskDataset:
    """A PyTorch IterableDataset of so many examples, for a DataLoader.

    Different splits and seeds share no randomness. Raises InputError when `examples` is below 1.
    """
    if examples < 1:
        raise InputError(f"examples must be at least 1, got {examples}")
    return TaskDataset(task, examples, seed, split, queries)


def as_hf_dataset(task: Task, examples: int, seed: int = 0, split: Split = "train", queries: int | None = None) -> Any:
    """A Hugging Face `Dataset` of the same examples (extra `hf`), written block by block."""
    try:
        from datasets import Dataset  # noqa: PLC0415
    except ImportError:
        raise InputError("Hugging Face data sets need the extra `hf`: pip install 'separatrix[hf]'") from None
    source = as_dataset(task, examples, seed, split, queries)

    def rows() -> Iterator[dict[str, Any]]:
        for example in islice(source, examples):
            yield {name: tensor.tolist() for name, tensor in example.items()}

    return Dataset.from_generator(rows)
