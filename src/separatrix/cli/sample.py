"""`separatrix sample`: look at a task's examples, or write them to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from separatrix.cli import names
from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from separatrix.tasks import StreamTask, Task

Split = Literal["train", "validation", "test"]


def sample(
    context: typer.Context,
    task: names.Task,
    count: Annotated[int, typer.Option(help="examples (contexts)", min=1)] = 10,
    queries: Annotated[int | None, typer.Option(help="queries per context  [default: 1]", min=1)] = None,
    seed: Annotated[int, typer.Option(help="seed", min=0)] = 0,
    split: Annotated[Split, typer.Option(help="which data")] = "train",
    output: Annotated[Path | None, typer.Option(help="write a .parquet or .npz file instead of printing")] = None,
    json: Json = False,
) -> None:
    """Print examples of a task readably, or write them to a file. Fields of the task are options.

    The examples are those of `as_dataset(task, seed=…, split=…)`, however many of them are asked for.

    Example: separatrix sample bounded-dyck --length 12 --kinds 2 --depth 3 --count 5
    """
    from separatrix.cli.options import assign
    from separatrix.tasks import StreamTask, as_dataset, create, family, write

    made = create(task, **assign(context, {"task": family(task)})["task"])
    data = as_dataset(made, count, seed, split, queries)
    if output is not None:
        write(data, output)
        print_json({"written": str(output), "examples": count}) if json else print(f"{count} examples in {output}")
        return
    examples = data.rows(0, count)
    if json:
        print_json({name: tensor.tolist() for name, tensor in examples.items()})
    elif isinstance(made, StreamTask):
        print_table(f"{task}, length {made.length}", ["stream", "answers"], lines(made, examples))
    else:
        print_table(f"{task}, length {made.length}", ["context", "query", "answer", "kind"], rows(made, examples))


def rows(task: Task, examples: dict[str, Any]) -> list[list[str]]:
    """Each query of each context as readable words."""
    return [
        [
            task.show(examples["context"][b]) if q == 0 else "",
            task.show_query(examples["queries"][b, q]),
            task.show_answer(int(examples["targets"][b, q])),
            task.groups[int(examples["groups"][b, q])],
        ]
        for b in range(examples["queries"].shape[0])
        for q in range(examples["queries"].shape[1])
    ]


def lines(task: StreamTask, examples: dict[str, Any]) -> list[list[str]]:
    """Each stream and its answers as readable lines."""
    pairs = zip(examples["inputs"], examples["labels"], strict=True)
    return [[task.show(inputs), task.show_labels(labels)] for inputs, labels in pairs]
