"""A card set against the map: what was measured of a model beside what is proved, built and found of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from separatrix.bounds.formats import of_precision
from separatrix.experiments.card.card import SOLVED, Card, Question
from separatrix.experiments.map.cells import Fact, MapCell, MapRow
from separatrix.experiments.map.evidence import facts as built
from separatrix.experiments.map.found import TrainedModels
from separatrix.experiments.map.make import FORMAT, PRECISION
from separatrix.experiments.map.proved import proved
from separatrix.tasks import create
from separatrix.trust import reading


def against(
    card: Card, stores: Sequence[str] = (), precision: int = PRECISION, number_format: str = FORMAT
) -> list[dict[str, Any]]:
    """One row a question of the card: its accuracy, the map's cell at its task and length, and what the two say.

    >>> from separatrix.experiments.card import stored_reference
    >>> rows = against(stored_reference("mamba"))
    >>> next(row["cell"]["facts"][0]["kind"] for row in rows if row["task"].get("machine") == "parity")
    'impossible'
    """
    model = {"name": card.model["name"], "layers": card.model.get("layers", 1)}
    row, trained, arithmetics = MapRow(label=card.label, model=model), TrainedModels(stores), of_precision(precision)
    rows: list[dict[str, Any]] = []
    for question in card.questions:
        with reading("the card"):
            task = create(**{**question.task, "length": question.length})
        known = (*proved(row, task, arithmetics, number_format), *built(row, task), *trained.facts(row, task))
        cell = MapCell(model=row.label, task=question.title, facts=(*known, *measured(question)))
        rows.append({
            "title": question.title, "length": question.length, "task": task.model_dump(mode="json"),
            "accuracy": question.median, "seeds": len(question.measured), "state_bits": question.state_bits,
            "letters": cell.letters, "says": says(question, cell), "cell": cell.model_dump(mode="json"),
        })  # fmt: skip
    return rows


def measured(question: Question) -> tuple[Fact, ...]:
    """The card's own answer, where it reached the target."""
    if not question.done:
        return ()
    words = f"width {question.model['width']:,}: median {question.median:.2%} over {len(question.measured)} seeds"
    evidence = {"target": SOLVED, "trials": [t.identity for t in question.measured], "training": question.training}
    return (Fact(kind="found", words=words, evidence=evidence),)


def says(question: Question, cell: MapCell) -> str:
    """What measurement and map say together, in one sentence."""
    weights = [fact.evidence["construction"] for fact in cell.facts if fact.kind == "built"]
    ends = [fact.evidence["from_length"] for fact in cell.facts if fact.kind == "impossible"]
    stored = next((fact.evidence["number_format"] for fact in cell.facts if fact.kind == "impossible"), "")
    needed, held = question.recurrent_bits, question.state_bits
    if question.median is None:
        return "not run"
    if question.done:
        return "found" + (f", and impossible from N = {min(ends):,} on, states in {stored}" if ends else "")
    if needed is not None and held is not None and held < needed:
        return f"no weights are exact: its state of {held:,} bits is below the {needed:,.4g} needed"
    if weights:
        return f"not found by this training, though weights exist: {weights[0]}"
    if ends:
        return f"not found by this training, and impossible from N = {min(ends):,} on, states in {stored}"
    return "not found by this training; whether weights exist is open"
