"""Examples for other tools: Parquet and npz files, and Hugging Face data sets. Written block by block."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from separatrix import __version__
from separatrix.atomic import replacing
from separatrix.errors import InputError
from separatrix.tasks.dataset import TaskDataset, as_dataset
from separatrix.tasks.problem import Problem
from separatrix.tasks.randomness import Split

Arrays = dict[str, np.ndarray]


def write(data: TaskDataset, path: str | Path) -> Path:
    """Write a data set as Parquet (one row an example) or npz (one array a field), whole or not at all.

    Memory: one block, however many examples. Raises InputError for other endings, endless data sets, and files that
    cannot be written.

    >>> data = sx.tasks.as_dataset(sx.tasks.create("parity", length=8), examples=1000, split="test")
    >>> sx.tasks.write(data, "parity.parquet").name
    'parity.parquet'
    """
    path = Path(path)
    formats = {".parquet": _parquet, ".npz": _npz}
    if path.suffix not in formats:
        raise InputError(f"expected an output ending in .parquet or .npz, got {path.name!r}")
    if data.examples is None:
        raise InputError("an endless data set fits in no file: say how many examples")
    with replacing(path) as partial:
        formats[path.suffix](data, partial)
    return path


def as_hf_dataset(
    task: Problem,
    examples: int,
    seed: int = 0,
    split: Split = "train",
    queries: int | None = None,
    length: int | None = None,
) -> Any:
    """A Hugging Face `Dataset` of the same examples as `as_dataset` (extra `hf`), kept in its cache on disk.

    Raises InputError when a number is out of range or the extra is not installed.

    >>> data = sx.tasks.as_hf_dataset(sx.tasks.create("parity", length=8), examples=100, split="validation")
    >>> data.num_rows, data.column_names
    (100, ['context', 'queries', 'targets', 'groups'])
    """
    try:
        from datasets import Dataset  # noqa: PLC0415
    except ImportError:
        raise InputError("Hugging Face data sets need the extra `hf`: pip install 'separatrix[hf]'") from None
    as_dataset(task, examples, seed, split, queries, length)  # bad numbers are told here, not in the generator
    origin = {  # what Hugging Face's cache is keyed by
        "version": __version__,
        "task": task.name,
        "fields": {name: value for name, value in task.model_dump(mode="json").items() if name != "name"},
        "asked": [examples, seed, split, queries, length],
    }
    return Dataset.from_generator(_rows, gen_kwargs={"origin": origin})


def _rows(origin: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Examples as dictionaries of arrays, one by one."""
    from separatrix.tasks.registry import create  # noqa: PLC0415

    for block in _blocks(as_dataset(create(origin["task"], **origin["fields"]), *origin["asked"])):
        for row in zip(*block.values(), strict=True):
            yield dict(zip(block, row, strict=True))


def _blocks(data: TaskDataset) -> Iterator[Arrays]:
    """The examples of a finite data set as arrays, block by block."""
    assert data.examples is not None
    for first in range(0, data.examples, data.block_size):
        yield {name: tensor.numpy() for name, tensor in data.rows(first, first + data.block_size).items()}


def _parquet(data: TaskDataset, path: Path) -> None:
    import polars as pl  # noqa: PLC0415
    from polars.io.plugins import register_io_source  # noqa: PLC0415

    def frames(*_: Any) -> Iterator[pl.DataFrame]:
        return (pl.DataFrame(block) for block in _blocks(data))

    schema = pl.DataFrame(data.rows(0, 1)).schema
    register_io_source(frames, schema=schema).sink_parquet(path)


def _npz(data: TaskDataset, path: Path) -> None:
    """Each field grows in a file of its own before it is compressed: a zip archive takes one after the other."""
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}
        for block in _blocks(data):
            for name, part in block.items():
                if name not in files:
                    files[name] = stack.enter_context(path.with_name(f"{name}.npy").open("wb"))
                    shape = (data.examples, *part.shape[1:])
                    header = {"descr": part.dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_2_0(files[name], header)
                files[name].write(np.ascontiguousarray(part).data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in files:
            archive.write(path.with_name(f"{name}.npy"), f"{name}.npy")
