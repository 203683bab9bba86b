"""The catalogue: every task, model and construction on a page of Markdown, each with its figure and its facts."""

from __future__ import annotations

from html import escape
from typing import Any

from separatrix import constructions, models, tasks
from separatrix.report.explain.drawing import Drawing
from separatrix.report.explain.examples import example
from separatrix.report.explain.runs import WIDTH, run_of, state_of
from separatrix.report.explain.stepped import sheet
from separatrix.report.html.typeset import typeset

TASKS: dict[str, dict[str, Any]] = {
    "index-lookup": {"length": 8, "alphabet": 8},
    "bounded-dyck": {"length": 10},
    "equality": {"length": 8},
    "disjointness": {"length": 8},
    "sparse-threshold": {"length": 7},
    "associative-recall": {"length": 8, "pairs": 4, "keys": 8, "values": 4},
    "nearest-neighbor": {"length": 10, "points": 5, "dimension": 4},
    "parity": {"length": 8},
    "modular-counter": {"length": 8},
    "group-word": {"length": 6, "group": "S3"},
    "automaton": {"length": 8},
    "mqar": {"length": 16, "pairs": 3, "vocabulary_size": 16},
    "transduction": {"length": 8, "alphabet": 4},
    "state-tracking": {"length": 8},
    "flip-flop": {"length": 12, "ignore": 0.4},
    "next-bracket": {"length": 8},
    "selective-copying": {"length": 12, "kept": 3, "alphabet": 4},
    "induction": {"length": 10, "alphabet": 6},
    "composition": {"length": 12, "values": 4},
    "noisy-recall": {"length": 14, "keys": 3, "values": 4, "noise_tokens": 2},
    "compositional-recall": {"length": 18, "pairs": 3, "keys": 3, "values": 4},
    "compression": {"length": 12, "alphabet": 4},
    "memorisation": {"length": 8, "keys": 16, "values": 4},
    "stack-manipulation": {"length": 12},
    "mqar-mixture": {"length": 16, "cells": ((8, 2), (16, 3)), "vocabulary_size": 16},
    "fuzzy-recall": {"length": 18, "keys": 3, "key_tokens": 2, "values": 3, "value_tokens": 1},
    "ngram-copying": {"length": 14, "alphabet": 6, "ngram": 2, "said": 2},
    "modular-arithmetic": {"length": 9},
}
"""Fields of the example that is drawn of each task."""

CONSTRUCTIONS: dict[str, dict[str, Any]] = {
    "index-lookup": {"length": 8, "alphabet": 4},
    "automaton": {"length": 8},
    "parity": {"length": 8},
    "modular-counter": {"length": 8},
    "group-word": {"length": 6, "group": "S3"},
    "state-tracking": {"length": 8, "machine": "counter"},
    "flip-flop": {"length": 8, "ignore": 0.4, "cell": "mamba"},
    "next-bracket": {"length": 8},
    "bounded-dyck-automaton": {"length": 8},
    "bounded-dyck-stack": {"length": 8},
    "bounded-dyck-two-layers": {"length": 8},
    "bounded-dyck-three-layers": {"length": 8},
    "shift-register": {"length": 6, "alphabet": 4},
    "equality-interleaved": {"length": 8},
    "disjointness-interleaved": {"length": 8},
    "equality-fingerprint": {"length": 8},
    "equality": {"length": 8},
    "disjointness": {"length": 8},
    "sparse-threshold": {"length": 7},
    "associative-recall": {"pairs": 4, "keys": 8, "values": 4},
    "associative-recall-deltanet": {"pairs": 3, "keys": 5, "values": 4},
    "index-lookup-linear-attention": {"length": 6, "alphabet": 4},
    "nearest-neighbor": {"points": 4, "dimension": 4},
}
"""Fields of the instance that is drawn of each construction."""


def catalogue() -> str:
    """The page, in Markdown with drawings in it."""
    parts = [
        "# Catalogue\n\nEvery task, architecture and construction there is, each with a figure that the library "
        "computes when this page is built: an example with the oracle's answer; the state measured at width "
        f"{WIDTH}; a constructed model on an input.\n\n<style>{sheet()}</style>\n",
        "\n## Tasks\n",
        *(task_entry(name) for name in (*tasks.names(), *tasks.stream_names())),
        "\n## Architectures\n",
        *(model_entry(name) for name in models.names()),
        "\n## Constructions\n",
        *(construction_entry(name) for name in constructions.names()),
    ]
    return "".join(parts)


def task_entry(name: str) -> str:
    """A task: its question, an example, what is proved of it at that size, its fields."""
    family = tasks.family(name)
    task = tasks.create(name, **TASKS.get(name, {"length": 8}))
    needed = task.recurrent_bits()
    proved = "no closed form is known" if needed is None else f"at least {needed:.4g} bits (proved)"
    facts = {"an exact recurrent state here": proved, "fields": ", ".join(f"`{each}`" for each in _fields(family))}
    return _entry(name, family.summary, example(task), facts)


def model_entry(name: str) -> str:
    """An architecture: its formula, the state measured, its source, its fields."""
    model = models.architecture(name)
    about = (model.__doc__ or "").splitlines()[0]
    facts = {
        "state, numbers a layer": f"<code>{typeset(model.state_formula)}</code>",
        "parallel form": escape(model.parallel),
        "source": escape(model.source),
        "fields": ", ".join(f"`{each}`" for each in _fields(model.Config)),
    }
    return _entry(name, about, state_of(name), facts)


def construction_entry(name: str) -> str:
    """A construction: what is proved, the weights on an input, the width at that size and the certificate's claim."""
    found = constructions.theorem(name)
    built = constructions.create(name, **CONSTRUCTIONS.get(name, {"length": 8}))
    facts = {
        "task": found.task,
        "drawn at": f"N = {built.task.length}, width {built.width}, {built.certificate.number_format}",
        "certified": escape(built.certificate.claim),
        "source": escape(found.source),
    }
    return _entry(name, found.statement, run_of(built), facts)


def _fields(config: type[Any]) -> list[str]:
    return [field for field in config.model_fields if field not in ("name", "code")]


def _entry(name: str, about: str, drawing: Drawing, facts: dict[str, str]) -> str:
    rows = "".join(f"| {what} | {said.replace('|', '&#124;')} |\n" for what, said in facts.items())
    drawn = f'<div class="explained">{drawing.svg()}</div>'
    return f"\n### `{name}`\n\n{typeset(about)}\n\n{drawn}\n\n| | |\n|---|---|\n{rows}"
