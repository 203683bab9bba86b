"""`separatrix recall`: bits that trained models recall, and their accuracy when the state is sent in fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.measure.recall import Recall
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.result import Result


def recall(
    folder: Annotated[str, typer.Argument(help="folder (or fsspec URL) of results")],
    identities: Annotated[list[str] | None, typer.Argument(help="trials in it [default: all that recall]")] = None,
    length: Annotated[list[int] | None, typer.Option(help="only context lengths N, may be repeated")] = None,
    contexts: Annotated[int, typer.Option(help="contexts to measure, never trained on", min=4)] = 128,
    json: Json = False,
) -> None:
    """Bits a trained model holds of its context, per bit of its state, and what it answers from a rounded state.

    For trials on index-lookup and associative-recall. Measurements are kept beside the trials: `separatrix report`
    draws them.

    Example: separatrix recall runs/quick --length 100
    """
    from separatrix.experiments.measure.recall import recall_all
    from separatrix.experiments.store.folder import Store

    store = Store(folder, create=False)
    chosen = _chosen(store, identities or [], length)
    pairs = recall_all(store, chosen, contexts, None if json else _said)
    if json:
        print_json([{"identity": result.identity, **one.model_dump(mode="json")} for result, one in pairs])
        return
    _print(pairs)


def _said(result: Result) -> None:
    from separatrix.experiments.trial.config import trial_config

    typer.echo(f"measured {trial_config(result.config).label}", err=True)


def _chosen(store: Store, identities: Sequence[str], lengths: Sequence[int] | None) -> list[Result]:
    from separatrix.errors import InputError, unknown
    from separatrix.experiments.measure.recall import recallable

    results = store.results()
    possible = recallable(results, lengths)
    if not identities:
        if not possible:
            raise InputError(
                f"{store.url} has no trained model to measure: recall needs trials on index-lookup or "
                f"associative-recall{f' at lengths {list(lengths)}' if lengths else ''}"
            )
        return possible
    known = {result.identity: result for result in possible}
    lost = [identity for identity in identities if identity not in known]
    if lost and lost[0] in {result.identity for result in results}:
        raise InputError(f"trial {lost[0]} cannot be measured: its task has no independent symbols, or it failed")
    if lost:
        raise unknown("trial", lost[0], known)
    return [known[identity] for identity in identities]


def _print(pairs: Sequence[tuple[Result, Recall]]) -> None:
    from separatrix.experiments.trial.config import trial_config

    rows, rates = [], []
    for result, measured in pairs:
        label, held = trial_config(result.config).label, measured.capacity
        interval = f"{held.low:,.1f} … {held.high:,.1f}"
        rows.append(
            [label, held.recalled_bits, interval, held.context_bits, held.state_bits, f"{held.utilisation:.2%}"]
        )
        rates.append([label, *(f"{point.accuracy:.0%}" for point in measured.rates.points)])
    held = pairs[0][1].capacity
    print_table(
        f"bits recalled ({held.confidence:.0%} intervals over contexts), observed",
        ["trial", "recalled", "interval", "context", "state", "utilisation"],
        rows,
    )
    names = [point.scheme for point in pairs[0][1].rates.points]
    columns = [f"{name} bits" if name.isdigit() else name for name in names]
    print_table("accuracy when each scalar of the state is sent as", ["trial", *columns], rates)
