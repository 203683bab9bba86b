"""`separatrix recall` of language models: bits they hold of what they were shown once, without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from separatrix.cli.output import print_json, print_table
from separatrix.words import plural

if TYPE_CHECKING:
    from separatrix.experiments.measure.shown_once import Place, RecallPoint, ShownOnce

MOST = 1 << 20
"""Tokens of the longest string."""

STRETCHES = 4
"""Stretches of positions that the table shows."""


def recall_models(
    models: Sequence[str],
    lengths: str,
    tokens: int,
    strings: int,
    seed: int,
    separator: int | None,
    figure: Path | None,
    json: bool,
) -> None:
    """Measure each model, print what was found, and draw it."""
    from separatrix.experiments.measure.shown_once import recall_shown_once
    from separatrix.models.huggingface.pretrained import pretrained, settings_of
    from separatrix.report.figures.shown_once import check_ending, write_shown_once

    asked = doubled(lengths)
    if figure is not None:
        check_ending(figure)
    for name in models:
        settings_of(name)  # before any of them is measured
    found = []
    for name in models:
        model = pretrained(name)
        if model.weights == "random":
            typer.echo(f"{name}: there are no trained weights: measured with random ones", err=True)
        said = None if json else lambda point, name=name: _said(name, point)
        found.append(recall_shown_once(model, asked, tokens, strings, seed, separator=separator, finished=said))
    if figure is not None:
        write_shown_once(found, figure)
    if json:
        print_json([_as_json(each) for each in found])
        return
    _print(found)


def _as_json(found: ShownOnce) -> dict[str, object]:
    from separatrix.experiments.measure.shown_once import ASSUMPTIONS

    points = [{**point.model_dump(mode="json"), "bits_per_state_bit": point.utilisation} for point in found.points]
    return found.model_dump(mode="json") | {"points": points, "assumptions": list(ASSUMPTIONS)}


def doubled(text: str) -> list[int]:
    """`16..4096` as the lengths 16, 32, … 4096; `10,100` as it stands. Raises InputError for anything else.

    >>> doubled("16..100"), doubled("8,6")
    ([16, 32, 64, 100], [6, 8])
    """
    from separatrix.errors import InputError, shortened

    first, dots, last = text.partition("..")
    try:
        numbers = [int(first), int(last)] if dots else [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 2 or max(numbers) > MOST or (dots and numbers[0] > numbers[1]):
        raise InputError(f"expected lengths such as 16..4096 or 16,100, of 2 to {MOST:,}, got {shortened(text)!r}")
    if dots:
        low, high = numbers
        numbers = [low << i for i in range((high // low).bit_length()) if low << i < high] + [high]
    return sorted(set(numbers))


def _said(name: str, point: RecallPoint) -> None:
    typer.echo(f"{name}: {point.kind} of {plural(point.length, 'token')}, {point.recalled_bits:,.1f} bits", err=True)


def _print(found: Sequence[ShownOnce]) -> None:
    from separatrix.experiments.measure.shown_once import ASSUMPTIONS

    rows, places, strings = [], [], found[0].strings
    for each in found:
        for point in each.points:
            what = f"{each.model} {point.kind} N={point.length}"
            rows.append([
                what, point.recalled_bits, f"{point.low:,.1f} … {point.high:,.1f}", point.shown_bits, point.state_bits,
                f"{point.utilisation:.2%}",
            ])  # fmt: skip
            places.append([what, *stretches(point.by_position)])
    print_table(
        f"bits held of what was shown once ({found[0].confidence:.0%} intervals over {strings} strings), observed",
        ["model", "recalled", "interval", "shown", "state", "per bit of state"],
        rows,
    )
    names = ["first quarter", "second", "third", "last"]
    print_table("bits a symbol, by when it was shown", ["model", *names], places)
    for line in ASSUMPTIONS:
        print(line)


def stretches(places: Sequence[Place]) -> list[float | None]:
    """The mean over each quarter of the positions; None where nothing was asked, or too few symbols for quarters."""
    total = places[-1].last + 1
    means: list[float | None] = []
    for quarter in range(STRETCHES):
        inside = [
            each.bits
            for each in places
            if each.bits is not None and quarter * total <= STRETCHES * each.first < (quarter + 1) * total
        ]
        means.append(sum(inside) / len(inside) if inside else None)
    return means
