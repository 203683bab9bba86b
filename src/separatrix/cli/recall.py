"""`separatrix recall`: bits that trained models hold of their context: those of a store, and any language model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from separatrix.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from separatrix.experiments.measure.recall import Recall
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.result import Result

TRIALS, LANGUAGE = "Trials of a folder of results", "Language models"
CONTEXTS, LENGTHS, TOKENS, STRINGS = 128, "16..1024", 64, 8
"""What is taken where an option is not given: with defaults of their own, options of the other use would pass."""


def recall(
    what: Annotated[
        str, typer.Argument(help="folder (or URL) of results; or a model: its folder, hf:name, config.json")
    ],
    others: Annotated[
        list[str] | None, typer.Argument(help="trials of the folder, all if none is named; or more models")
    ] = None,
    length: Annotated[
        list[int] | None, typer.Option(help="only context lengths N, may be repeated", rich_help_panel=TRIALS)
    ] = None,
    contexts: Annotated[
        int | None,
        typer.Option(help="contexts to measure, never trained on (128)", min=4, rich_help_panel=TRIALS),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(help="strings' lengths, doubled, or a list (16..1024)", rich_help_panel=LANGUAGE),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(help="tokens that strings are drawn from (64)", min=2, rich_help_panel=LANGUAGE),
    ] = None,
    strings: Annotated[
        int | None, typer.Option(help="strings of each length (8)", min=2, rich_help_panel=LANGUAGE)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="seed of tokens and strings (0)", min=0, rich_help_panel=LANGUAGE)
    ] = None,
    separator: Annotated[
        int | None, typer.Option(help="token between the showings (one is drawn)", rich_help_panel=LANGUAGE)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="draw recall against length (.svg, .png, .pdf)", rich_help_panel=LANGUAGE)
    ] = None,
    json: Json = False,
) -> None:
    """Bits a trained model holds of its context, per bit of its state: of trials, or of any language model.

    Trials are those of a folder of results, on index-lookup and associative-recall, and are also asked from rounded
    states; `separatrix report` draws what was measured. A language model is one of Transformers, measured without any
    training: it is shown a random string once, and what it then saves in predicting the string again is a lower bound
    on what its state holds. One that never learned to copy shows little. Only safetensors are read, and no code.

    Example: separatrix recall runs/quick --length 100

    Example: separatrix recall mamba-130m pythia-160m --lengths 16..4096 --figure recall.pdf
    """
    from separatrix.errors import InputError
    from separatrix.models.huggingface.pretrained import names_language_model

    of_trials = {"length": length, "contexts": contexts}
    of_models = {"lengths": lengths, "tokens": tokens, "strings": strings, "seed": seed, "separator": separator,
                 "figure": figure}  # fmt: skip
    is_model = names_language_model(what)
    wrong = [name for name, value in (of_trials if is_model else of_models).items() if value not in (None, [])]
    if wrong:
        other = f"{what[:80]!r} is a language model" if is_model else f"{what[:80]!r} is a folder of results"
        right = ", --".join(of_models if is_model else of_trials)
        raise InputError(f"--{wrong[0]}: {other}, whose options are --{right}")
    if not is_model:
        _of_store(what, others or [], length, contexts or CONTEXTS, json)
        return
    from separatrix.cli.recall_models import recall_models

    measured = lengths or LENGTHS, tokens or TOKENS, strings or STRINGS, seed or 0, separator
    recall_models([what, *(others or [])], *measured, figure, json)


def _of_store(url: str, identities: Sequence[str], length: Sequence[int] | None, contexts: int, json: bool) -> None:
    from separatrix.experiments.measure.recall import recall_all
    from separatrix.experiments.store.folder import Store

    store = Store(url, create=False)
    chosen = _chosen(store, identities, length)
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
