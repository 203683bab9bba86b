"""`separatrix sample`: look at a task's examples, or write them to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from separatrix.tasks import Batch, Task


def sample(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="a task, or path/to/file.py:function")],
    count: Annotated[int, typer.Option(help="examples (contexts)", min=1)] = 10,
    queries: Annotated[int, typer.Option(help="queries per context", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="seed", min=0)] = 0,
    output: Annotated[Path | None, typer.Option(help="write a .parquet or .npz file instead of printing")] = None,
    json: Json = False,
) -> None:
    """Print examples of a task readably, or write them to a file. Fields of the task are options.

    Example: separatrix sample bounded-dyck --length 12 --kinds 2 --depth 3 --count 5
    """
    from separatrix.cli.options import assign
    from separatrix.tasks import create, family
    from separatrix.tasks.streams import stream

    made = create(task, **assign(context.args, {"task": family(task)})["task"])
    batch = made.sample(count, stream(seed, "train"), queries=queries)
    if output is not None:
        write(batch, output)
        print_json({"written": str(output), "examples": count}) if json else print(f"{count} examples in {output}")
    elif json:
        print_json({name: tensor.tolist() for name, tensor in vars(batch).items()})
    else:
        print_table(f"{task}, length {made.length}", ["context", "query", "answer", "kind"], rows(made, batch))


def rows(task: Task, batch: Batch) -> list[list[str]]:
    """Each query of each context as readable words."""
    return [
        [
            task.show(batch.context[b]) if q == 0 else "",
            task.show_query(batch.queries[b, q]),
            task.show_answer(int(batch.targets[b, q])),
            task.groups[int(batch.groups[b, q])],
        ]
        for b in range(batch.queries.shape[0])
        for q in range(batch.queries.shape[1])
    ]


def write(batch: Batch, path: Path) -> None:
    """Write a batch as Parquet (one row an example) or npz (one array a field). Raises InputError for other endings."""
    import os
    import tempfile

    import numpy as np
    import polars as pl

    from separatrix.errors import InputError

    arrays = {name: tensor.numpy() for name, tensor in vars(batch).items()}
    if path.suffix not in (".parquet", ".npz"):
        raise InputError(f"expected an output ending in .parquet or .npz, got {path.name!r}")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        os.close(handle)
        if path.suffix == ".npz":
            np.savez_compressed(temporary, **arrays)
        else:
            pl.DataFrame({name: array.tolist() for name, array in arrays.items()}).write_parquet(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from None
