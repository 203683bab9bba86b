"""`separatrix limits`: the two lengths at which a given model's state repeats, and what that ends."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from separatrix.cli import names
from separatrix.cli.output import Json, print_json

if TYPE_CHECKING:
    from separatrix.bounds import Repeats
    from separatrix.models import SequenceModel
    from separatrix.models.huggingface.repeating import TokenByToken

MODULI = (2, 3, 4, 5, 6, 7)
"""Moduli whose counting is said to be ended or not."""


def limits(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="a .safetensors file, a folder of results, a model by name, or a Hugging Face config.json",
            autocompletion=names.models,
            metavar="MODEL|STORE|FILE",
        ),
    ],
    token: Annotated[
        int | None, typer.Option(help="the token to repeat [default: 1, or 0 if it is the only]", min=0)
    ] = None,
    steps: Annotated[int, typer.Option(help="tokens to read before giving up", min=1)] = 100_000,
    trial: Annotated[list[str] | None, typer.Option(help="only this trial of a store, may be repeated")] = None,
    seed: Annotated[int, typer.Option(help="seed of the weights of a model by name", min=0)] = 0,
    json: Json = False,
) -> None:
    """Two lengths that leave a given model in one and the same state: a proof of what this very model cannot do.

    A token is read over and over, one by one, in the model's own number format, until the state of all layers repeats;
    the repeat is verified by running again. Fields of a model by name are options; its weights are then random.

    Example: separatrix limits mamba --width 8 --layers 2
    """
    found = [_judge(label, made, token, steps) for label, made in _models(context, model, trial, seed)]
    if json:
        print_json({"model": model, "steps": steps, "found": found})
        return
    for each in found:
        _say(each)


def _models(
    context: typer.Context, model: str, trials: list[str] | None, seed: int
) -> Iterator[tuple[str, SequenceModel | TokenByToken]]:
    """The models meant, each with a label."""
    from separatrix.cli.options import assign
    from separatrix.errors import InputError
    from separatrix.models import load

    stored = re.match(r"\w{2,}://", model) is not None or os.path.isfile(os.path.join(model, "store.json"))
    if trials and not stored:
        raise InputError(f"--trial names a trial of a folder of results, and {model!r} is none")
    if not stored and _pretrained(model):
        assign(context, {})
        yield _language_model(model)
    elif stored or model.endswith(".safetensors"):
        assign(context, {})
        yield from _stored(model, trials) if stored else [(model, load(model))]
    else:
        yield _fresh(context, model, seed)


def _pretrained(model: str) -> bool:
    """Whether a name is that of a language model with weights of its own: a folder, or one on the hub."""
    from separatrix.models.huggingface.pretrained import names_language_model

    of_its_own = os.path.isdir(model.removeprefix("hf:")) or ("/" in model and not model.endswith(".json"))
    return of_its_own and names_language_model(model)


def _language_model(name: str) -> tuple[str, TokenByToken]:
    """A language model of Transformers as it was trained."""
    from separatrix.models.huggingface.pretrained import pretrained
    from separatrix.models.huggingface.repeating import TokenByToken

    found = pretrained(name)
    return f"{name}, {found.parameters:,} parameters, {found.weights} weights", TokenByToken(found)


def _stored(url: str, trials: list[str] | None) -> Iterator[tuple[str, SequenceModel]]:
    """The trained models of a store."""
    from separatrix.errors import InputError, unknown
    from separatrix.experiments.engines.run_trial import load_trained
    from separatrix.experiments.store.folder import Store
    from separatrix.experiments.trial.config import trial_config

    store = Store(url, create=False)
    known = {result.identity: result for result in store.results() if result.status != "failed"}
    if not known:
        raise InputError(f"{url} has no trained model")
    for identity in trials or known:
        if identity not in known:
            raise unknown("trial", identity, known)
        yield f"{trial_config(known[identity].config).label} ({identity})", load_trained(store, identity)


def _fresh(context: typer.Context, model: str, seed: int) -> tuple[str, SequenceModel]:
    """A model by name, with random weights, for parity."""
    from separatrix.cli.options import assign
    from separatrix.models import architecture
    from separatrix.models.sequence import initialised
    from separatrix.tasks import create

    folder = Path(model).is_dir() or model.endswith(".json")
    name = f"hf:{model}" if folder and not model.startswith("hf:") else model
    built = architecture(name)
    options = assign(context, {"model": built.Config})["model"]
    made = initialised(built, create("parity", length=8), built.Config(**options), seed)
    return f"{model}, width {made.config.width}, layers {made.config.layers}, random weights (seed {seed})", made


def _judge(label: str, model: Any, token: int | None, steps: int) -> dict[str, Any]:
    """What is found of one model, as JSON."""
    from dataclasses import asdict

    from torch import nn

    from separatrix.bounds import answered, repeats
    from separatrix.errors import InputError
    from separatrix.models.settling import settles
    from separatrix.numerics.formats import TORCH

    own = isinstance(model, nn.Module)
    size = model.task.alphabet_size if own else model.vocabulary
    token = min(1, size - 1) if token is None else token
    if token >= size:
        raise InputError(f"token must be in 0 … {size - 1}, the model's alphabet, got {token}")
    print(f"reading {label}", file=sys.stderr)
    found = repeats(model, token, steps)
    numbers = next(parameter.dtype for parameter in (model if own else model.body).parameters())
    named = next((name for name, dtype in TORCH.items() if dtype == numbers), None)
    whole = settles(model, named) if own and named is not None else None
    return {
        "label": label,
        "number_format": str(numbers).removeprefix("torch."),
        **asdict(found),
        "lengths": found.lengths,
        "ends_counting_modulo": {q: found.ends_counting(q) for q in MODULI},
        "task": model.task.model_dump(mode="json") if own else None,
        "answers": [asdict(each) for each in answered(model, found)],
        "ended": ended(found),
        "every_such_model": None if whole is None else asdict(whole) | {"parity_ends_at_length": whole.ends_from(2)},
    }


def ended(found: Repeats) -> str:
    """What a repeat ends, in words.

    >>> ended(Repeats(token=1, first=678, period=2, read=680, numbers=8, bits=256))
    'counting this token modulo any number that does not divide 2'
    """
    if found.period is None:
        return "nothing: no two lengths are known to leave one state"
    if found.period == 1:
        return "parity of this token, and counting it modulo any number above 1"
    odd = "parity of this token, and " if found.period % 2 else ""
    return f"{odd}counting this token modulo any number that does not divide {found.period:,}"


def _say(found: dict[str, Any]) -> None:
    lines = [f"{found['label']}: token {found['token']} over and over, in {found['number_format']}."]
    state = f"the whole state ({found['numbers']:,} numbers, {found['bits']:,} bits)"
    if found["lengths"] is None:
        lines.append(f"No repeat within {found['read']:,} tokens: nothing is proved of {state}.")
    else:
        one, other = found["lengths"]
        overflowed = "" if found["finite"] else "; it has overflowed by then"
        lines += [
            f"T{state[1:]} is the same after {one:,} tokens as after {other:,}: period {found['period']:,} from there "
            f"on, verified{overflowed}.",
            "Proved of these weights: both lengths are answered alike, whatever is asked and whatever follows. A task "
            f"that tells the two apart is answered wrongly at one of them. That ends {found['ended']}.",
        ]
    for each in found["answers"]:
        verdict = "right" if each["right"] == each["given"] else "wrong"
        task, length = found["task"]["name"], each["length"]
        lines.append(f"{task} at {length:,}: the answer is {each['right']}, the model's {each['given']}: {verdict}.")
    if (whole := found["every_such_model"]) is not None:
        lines.append(
            "Proved of every model of these layers, whatever width and weights, read token by token with its state "
            f"in {found['number_format']}: lengths from {whole['steps']:,} on leave one state, and none keeps parity "
            f"on all strings of a length of {whole['parity_ends_at_length']:,} or more."
        )
    print("\n".join(fill(line, 80, break_on_hyphens=False, break_long_words=False) for line in lines))
