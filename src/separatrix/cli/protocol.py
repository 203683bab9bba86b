"""`separatrix protocol`: run the communication protocol behind a lower bound with a stored, trained model."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from separatrix.cli.output import Json, bits_needed, print_json, print_table
from separatrix.errors import InputError
from separatrix.words import plural


def protocol(
    folder: Annotated[str, typer.Argument(help="folder (or fsspec URL) of results")],
    identity: Annotated[str, typer.Argument(help="identity of a trial in it")],
    cut: Annotated[int | None, typer.Option(help="tokens on Alice's side [default: all; half, attention]")] = None,
    precision: Annotated[int | None, typer.Option(help="bits per scalar of a state sent [default: as stored]")] = None,
    arithmetic: Annotated[
        Literal["fixed", "float", "rounded"],
        typer.Option(help="what attention computes in: every result rounded, or exact sums of floats or fixed point"),
    ] = "rounded",
    number_format: Annotated[
        str | None, typer.Option("--format", help="number format of attention's protocol [default: fp32]")
    ] = None,
    contexts: Annotated[int, typer.Option(help="test contexts to run it on", min=1)] = 256,
    json: Json = False,
) -> None:
    """Let a trained model play Alice and Bob: who sends how many bits, and how often the answer is right.

    Example: separatrix protocol runs/quick 0123456789abcdef --precision 4
    """
    from separatrix.bounds.arithmetic import ANY
    from separatrix.bounds.formats import chosen
    from separatrix.bounds.protocols import attention_protocol, recurrent_protocol
    from separatrix.experiments.engines.run_trial import load_trained
    from separatrix.experiments.store.folder import Store
    from separatrix.tasks import stream
    from separatrix.tasks.base import context_task

    model = load_trained(Store(folder, create=False), identity)
    task = context_task(model.task)
    batch = task.sample(contexts, stream(0, "test"), queries=min(32, task.query_count, task.length))
    attention = model.config.name == "transformer"
    if attention:
        _require(precision is None, "--precision is of a recurrent state: give attention's numbers a --format")
        held = task.length // 2 if cut is None else cut
        _require(0 < held <= task.length, f"--cut must be in 1 … {task.length}, got {held}")
        computes = chosen(None, number_format or "fp32", arithmetic)[-1]  # of floats the one that subtracts the maximum
        side = range(held)
        run = attention_protocol(model, batch.context, batch.queries, side, computes)
    else:
        plain = number_format is None and arithmetic == "rounded"
        _require(plain, "--format and --arithmetic are of attention: a recurrent state has a --precision")
        cut = task.length if cut is None else cut
        run = recurrent_protocol(model, batch.context, batch.queries, cut, precision)
    accuracy = float((run.answers == batch.targets).float().mean())
    needed = computes.needed(task) if attention else task.recurrent_bits()
    words = computes.words if attention else ANY
    result = {
        "messages": [{name: vars(message)[name] for name in ("sender", "bits", "content")} for message in run.messages],
        "bits": run.bits,
        "accuracy": accuracy,
        "difference_from_forward": run.difference,
        "equal_bit_for_bit": run.exact,
        "arithmetic": words,
        "an_exact_model_needs_bits": needed,
    }
    if json:
        print_json(result)
        return
    rows = [[message.sender, message.bits, message.content] for message in run.messages]
    print_table(f"{identity}: {task.name}, {words}", ["sender", "bits", "content"], rows)
    print(f"accuracy {accuracy:.2%}; largest difference from the model's own logits {run.difference:.2g}")
    if run.exact is not None:
        print(f"equal to the model's own in this arithmetic, bit for bit: {'yes' if run.exact else 'no'}")
    asked = f", {batch.queries.shape[1]} at a time, {run.bits // batch.queries.shape[1]} a query" if attention else ""
    print(
        f"{plural(run.bits, 'bit')} a context{asked}; an exact model's messages need {bits_needed(needed)} "
        f"({words}; proved)"
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)
