"""Tasks as data sets: the same examples whatever the batch size, the number of workers or the machine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import torch
from torch.utils.data import IterableDataset, get_worker_info

from separatrix.errors import InputError
from separatrix.tasks.examples import Examples
from separatrix.tasks.problem import Problem
from separatrix.tasks.randomness import Split, stream

BLOCK_NUMBERS = 2**20
"""Numbers in the contexts drawn at a time, about: enough for generators to be at their fastest, 8 MiB of memory."""

Example = dict[str, torch.Tensor]


class TaskDataset(IterableDataset[Example]):
    """Examples of a task: the tensors of a `Batch` or a `Stream`; one by one, or in batches. Memory: one block.

    Examples are drawn in blocks of b: example i is row i mod b of block i // b. b is a power of two, at most 8,192 and
    chosen by the task and the context length alone, so that an example depends on nothing else.

    In batches, worker w of a DataLoader's W yields the batches w, w + W, …, which the loader puts in their order again:
    the same batches for any number of workers. One by one, worker w yields the blocks w, w + W, …: the same examples,
    but the loader's batches mix them in an order that depends on W.
    """

    def __init__(
        self,
        task: Problem,
        examples: int | None,
        seed: int = 0,
        split: Split = "train",
        queries: int | None = None,
        length: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self.task, self.examples, self.seed, self.split = task, examples, seed, split
        self.queries, self.length, self.batch_size = queries, length, batch_size
        numbers = (length or task.length) * (task.vector_size or 1)
        self.block_size = 1 << min(13, max(0, (BLOCK_NUMBERS // numbers).bit_length() - 1))
        self._last: tuple[int, Examples] | None = None

    def __len__(self) -> int:
        if self.examples is None:
            raise TypeError("an endless data set has no length")
        return self.examples if self.batch_size is None else -(-self.examples // self.batch_size)

    def __iter__(self) -> Iterator[Example]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        size = self.batch_size or self.block_size
        for index in count(first, step):
            if self.examples is not None and index * size >= self.examples:
                return
            rows = self.rows(index * size, (index + 1) * size)
            if self.batch_size is not None:
                yield rows
            else:
                yield from ({name: tensor[i] for name, tensor in rows.items()} for i in range(len(rows["groups"])))

    def rows(self, first: int, last: int) -> Example:
        """Examples first … last - 1, as far as there are any, as tensors with these in their first dimension."""
        last = last if self.examples is None else min(last, self.examples)
        parts = []
        for index in range(first // self.block_size, -(-last // self.block_size)):
            begin = index * self.block_size
            wanted = slice(max(first - begin, 0), last - begin)
            parts.append({name: tensor[wanted] for name, tensor in vars(self.block(index)).items()})
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def block(self, index: int) -> Examples:
        """Block `index`, a function of (task, length, queries, seed, split, index) alone."""
        if self._last is None or self._last[0] != index:  # small batches take several turns at one block
            drawn = self.task.sample(self.block_size, stream(self.seed, self.split, index), self.queries, self.length)
            self._last = index, drawn
        return self._last[1]


def as_dataset(
    task: Problem,
    examples: int | None = None,
    seed: int = 0,
    split: Split = "train",
    queries: int | None = None,
    length: int | None = None,
    batch_size: int | None = None,
) -> TaskDataset:
    """A PyTorch IterableDataset of so many examples (None: endless), for a DataLoader.

    queries, length: Q queries per context, and the context length, as in `Task.sample`
    batch_size:      whole batches instead of single examples, for `DataLoader(…, batch_size=None)`
    Different splits and seeds share no randomness. Raises InputError when a number is out of range.

    >>> task = sx.tasks.create("equality", length=6)
    >>> loader = torch.utils.data.DataLoader(sx.tasks.as_dataset(task, examples=100), batch_size=32)
    >>> {name: tuple(tensor.shape) for name, tensor in next(iter(loader)).items()}
    {'context': (32, 6), 'queries': (32, 1), 'targets': (32, 1), 'groups': (32, 1)}
    """
    for name, value in (("examples", examples), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    task.check_request(1, queries, length)
    return TaskDataset(task, examples, seed, split, queries, length, batch_size)
