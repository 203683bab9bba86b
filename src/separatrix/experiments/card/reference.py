"""Reference cards of the built-in families, stored with the library: one card a line, as `make references` wrote them.

Speeds in them are of the machine that made them: only their ratios to the baseline of the same run mean something
elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from separatrix.atomic import write_whole
from separatrix.experiments.card.card import Card, Question, parse_card
from separatrix.experiments.card.compare import same_conditions
from separatrix.experiments.card.make import make_card
from separatrix.experiments.card.probes import Planned, standard
from separatrix.experiments.card.running import Watcher
from separatrix.experiments.store.folder import Store
from separatrix.models.registry import names

FILE = "references.jsonl"


@cache
def references() -> tuple[Card, ...]:
    """The stored cards. Raises InputError when the file is damaged.

    >>> len(sx.experiments.card.references())
    16
    """
    text = files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return tuple(parse_card(line, f"{FILE}, line {number + 1}") for number, line in enumerate(text.splitlines()))


def stored_reference(name: str) -> Card | None:
    """The stored card of a built-in family by its name or label, unless a file of that name exists.

    >>> sx.experiments.card.stored_reference("transformer").state.growth
    'linear'
    >>> sx.experiments.card.stored_reference("nothing of the kind") is None
    True
    """
    if Path(name).exists():
        return None
    return next((card for card in references() if name in (card.model["name"], card.label)), None)


def reference(question: Question, card: Card) -> Question | None:
    """What a reference answered under the same conditions as `question`, if it did."""
    found = card.question(question.probe, question.length)
    return found if found and found.measured and same_conditions(question, found) else None


AWAITED = ("deltaproduct", "kda", "rwkv7", "hgrn2", "gated-convolution", "rg-lru", "mingru", "minlstm",
           "based", "forgetting", "mla", "ttt", "titans", "rwkv6", "mamba3", "h3", "hyena", "log-linear")  # fmt: skip
"""Architectures whose references are still to be made: they have none to stand beside."""


def families() -> list[dict[str, Any]]:
    """The models that have references: architectures at width 64, the Transformer with two layers too."""
    two = {"name": "transformer", "layers": 2, "width": 64}
    each = [{"name": name, "layers": 1, "width": 64} for name in names() if name not in AWAITED]
    return [each[0], two, *each[1:]]


class _Lines(Watcher):
    """One line a trial, for a log."""

    def says(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def plans(self, trials: Sequence[Planned], seconds: float) -> None:
        print(f"  {len(trials)} trials", flush=True)

    def ends(self, trial: Any, result: Any) -> None:
        accuracy = f"{result.test.accuracy:.1%}" if result.test else result.error
        print(
            f"  {trial.label}: {accuracy}, {result.status} after {result.steps} steps, {result.seconds} s", flush=True
        )


def main() -> None:
    """Make the references anew: `python -m separatrix.experiments.card.reference`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--store", default="runs/references", help="where trials are kept, so that it may be stopped")
    parser.add_argument("--output", default=str(Path(__file__).with_name(FILE)))
    parser.add_argument("--seeds", type=int, nargs="+", default=standard().seeds)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument(
        "--minutes",
        type=float,
        default=None,
        help="for each model; 0 to take what has been run [default: until all is run]",
    )
    given = parser.parse_args()
    battery = standard().replace(seeds=given.seeds)
    store, lines = Store(given.store), []
    for model in [*families(), *({"name": name, "layers": 1, "width": 64} for name in AWAITED)]:
        print(f"{model['name']}, {model['layers']} layer(s)", flush=True)
        card = make_card(model, store, minutes=given.minutes, workers=given.workers, battery=battery, watcher=_Lines())
        lines.append(card.model_dump_json() + "\n")
        write_whole(given.output, "".join(lines).encode())


if __name__ == "__main__":
    main()
