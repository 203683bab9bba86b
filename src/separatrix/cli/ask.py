"""`separatrix ask`: a saved model's answer to a query about a context you type, and how it came to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from torch import Tensor

    from separatrix.models.trace import Trace
    from separatrix.tasks import Task


def ask(
    file: Annotated[Path, typer.Argument(help="a .safetensors file of a model")],
    context: Annotated[str, typer.Argument(help="as `separatrix sample` prints it; @FILE; or `random`")],
    query: Annotated[str | None, typer.Option(help="the query; tasks with one query need none")] = None,
    seed: Annotated[int, typer.Option(help="seed of a random context")] = 0,
    figure: Annotated[Path | None, typer.Option(help="draw attention, states and margins (.svg, .png)")] = None,
    json: Json = False,
) -> None:
    """Ask a saved model one query about one context: its answer, the right one, the margin, and what it looked at.

    Example: separatrix ask weights.safetensors "2 0 1 3" --query 2
    """
    from separatrix.models.files import load
    from separatrix.models.trace import trace
    from separatrix.tasks.base import context_task

    model = load(file).eval()
    task = context_task(model.task)
    read = context_of(task, context, seed)
    asked = query_of(task, query)
    shown = trace(model, read, asked)
    right = int(task.answer(read[None], asked[None, None])[0, 0])
    if figure is not None:
        from separatrix.report.figures.trace import write_trace

        write_trace(model, read, asked, shown, figure)
    result: dict[str, Any] = {
        "answer": shown.answer,
        "right_answer": right,
        "margin": shown.margin,
        "logits": shown.logits.tolist(),
        "looks_at": [layer.looks_at() for layer in shown.layers],
        "within_certificate": within(file, task, read, asked),
        "figure": figure,
    }
    if json:
        print_json(result)
        return
    verdict = "right" if shown.answer == right else f"wrong: it is {task.show_answer(right)}"
    print(f"{task.show_answer(shown.answer)} ({verdict}), {shown.margin:.4g} above the next answer's logit")
    if result["within_certificate"] is False:
        print("the file's certificate does not speak of this input: it is answered as it happens")
    elif result["within_certificate"]:
        print("the file's certificate speaks of this input; whether it holds, `separatrix certify` says")
    rows = looks(task, read, shown)
    if rows:
        print_table("what the query attends to", ["layer", "head", "place", "token", "weight"], rows)
    for index, layer in enumerate(shown.layers):
        if layer.state is not None:
            used = int((layer.state[-1] != 0).sum())
            print(f"layer {index + 1}: {layer.state.shape[1]} numbers handed over, {used} of them not 0")


def within(file: Path, task: Task, context: Tensor, query: Tensor) -> bool | None:
    """Whether the certificate in a file speaks of an input; None where there is none. `certify` says if it holds."""
    from separatrix.constructions.certificate import NOTE, Certificate
    from separatrix.constructions.scope import covered
    from separatrix.models.files import read_header
    from separatrix.tasks import Batch

    found = read_header(file).notes.get(NOTE)
    if found is None:
        return None
    right = task.answer(context[None], query[None, None])
    batch = Batch(context[None], query[None, None], right, right * 0)
    return bool(covered(task, Certificate(**found), batch))


def context_of(task: Task, text: str, seed: int) -> Tensor:
    """The context that was typed, read from a file, or drawn."""
    from separatrix.errors import InputError
    from separatrix.tasks import stream

    if text == "random":
        return task.sample(1, stream(seed, "test")).context[0]
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InputError(f"no file with a context at {path}")
        text = path.read_text(encoding="utf-8")
    return task.read(text)


def query_of(task: Task, text: str | None) -> Tensor:
    """The query that was typed, or the only one there is."""
    import torch

    from separatrix.errors import InputError

    if text is not None:
        return task.read_query(text)
    if task.vector_size is None and len(task.query_values) == 1:
        return torch.tensor(task.query_values[0])
    raise InputError(f"{task.name} has more than one query: choose one with --query")


def looks(task: Task, context: Tensor, shown: Trace) -> list[list[Any]]:
    """Each layer's and head's places of most weight, as rows."""
    rows, words = [], _words(task, context)
    for index, layer in enumerate(shown.layers):
        for head, places in enumerate(layer.looks_at(), start=1):
            for place, weight in places:
                if weight >= 5e-4:
                    own = place == len(context)
                    token = "" if own or task.vector_size is not None else words[place]
                    rows.append([index + 1, head, "the query itself" if own else place, token, f"{weight:.3f}"])
    return rows


def _words(task: Task, context: Tensor) -> list[str]:
    """Each token as the task shows it within its context, e.g. brackets; numbers where it is shown otherwise."""
    if task.vector_size is not None:
        return []
    words = task.show(context).replace("|", " ").split()
    return words if len(words) == len(context) else [str(token) for token in context.tolist()]
