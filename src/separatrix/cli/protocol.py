"""`separatrix protocol`: run the communication protocol behind a lower bound with a stored, trained model."""

from __future__ import annotations

from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table


def protocol(
    folder: Annotated[str, typer.Argument(help="folder (or fsspec URL) of results")],
    identity: Annotated[str, typer.Argument(help="identity of a trial in it")],
    cut: Annotated[int | None, typer.Option(help="tokens on Alice's side [default: all; half, attention]")] = None,
    precision: Annotated[int | None, typer.Option(help="bits per scalar sent [default: as stored]")] = None,
    contexts: Annotated[int, typer.Option(help="test contexts to run it on", min=1)] = 256,
    json: Json = False,
) -> None:
    """Let a trained model play Alice and Bob: who sends how many bits, and how often the answer is right.

    Example: separatrix protocol runs/quick 0123456789abcdef --precision 4
    """
    from separatrix.bounds.protocols import attention_protocol, recurrent_protocol
    from separatrix.experiments.engines.run_trial import load_trained
    from separatrix.experiments.store.folder import Store
    from separatrix.tasks import stream

    model = load_trained(Store(folder, create=False), identity)
    task = model.task
    batch = task.sample(contexts, stream(0, "test"), queries=min(32, task.query_count, task.length))
    attention = model.config.name == "transformer"
    if attention:
        side = list(range(cut or task.length // 2))
        run = attention_protocol(model, batch.context, batch.queries, side, precision or 32)
    else:
        run = recurrent_protocol(model, batch.context, batch.queries, cut or task.length, precision)
    accuracy = float((run.answers == batch.targets).float().mean())
    needed = task.attention_bits() if attention else task.recurrent_bits()
    result = {
        "messages": [vars(message) for message in run.messages],
        "bits": run.bits,
        "accuracy": accuracy,
        "difference_from_forward": run.difference,
        "an_exact_model_needs_bits": needed,
    }
    if json:
        print_json(result)
        return
    print_table(
        f"{identity}: {task.name}", ["sender", "bits", "content"], [list(vars(m).values()) for m in run.messages]
    )
    print(f"accuracy {accuracy:.2%}; largest difference from the model's own logits {run.difference:.2g}")
    print(f"an exact model's message needs {needed:.4g} bits at least (proved)")
