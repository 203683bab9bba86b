"""The planner of a page carries the library's own numbers."""

from __future__ import annotations

import pytest

from separatrix.bounds import longest_recurrent
from separatrix.bounds.classes import table
from separatrix.bounds.formats import of_precision
from separatrix.bounds.in_words import sentence
from separatrix.experiments.card import references
from separatrix.experiments.search.frontier import Frontier, FrontierPlan, Point
from separatrix.report.html.planner import PRECISIONS, STATES, TASKS, found_at, plan_data, planner, title
from separatrix.tasks import create

WHO = ("architecture class", "arithmetic", "lower bound", "status", "best known", "source")


@pytest.fixture(scope="module")
def frontier() -> Frontier:
    plan = FrontierPlan(
        task={"name": "index-lookup", "alphabet": 2}, models=[{"name": "gru"}], lengths=[12], widths=[2, 4],
        seeds=[0], needed=1,
    )  # fmt: skip
    point = Point(model={"name": "gru"}, length=12, status="reached", width=4, state_bits=128, reached=1, seeds=1)
    return Frontier(plan=plan, points=[point])


@pytest.mark.parametrize(("name", "fields"), TASKS)
def test_every_number_is_the_librarys(name, fields):
    shown = next(each for each in planner([]) if each["title"] == title(name, fields))
    assert {"8", "400", "1048576"} <= set(shown["lengths"])
    for length, at in shown["lengths"].items():
        task = create(name, **fields, length=int(length))
        for precision in PRECISIONS:
            rows = table(task, of_precision(precision))
            assert at["sizes"][str(precision)]["rows"] == [[row[key] for key in WHO] for row in rows]
            assert at["sizes"][str(precision)]["sentence"] == sentence(rows, precision)


def test_what_this_pages_searches_found_stands_beside_it(frontier):
    shown = planner([frontier])[0]
    assert shown["title"] == "index lookup, alphabet 2"
    assert "12" in shown["lengths"]
    (found,) = shown["lengths"]["12"]["found"]
    assert found["width"] == 4 and found["state, bits"] == 128
    assert shown["lengths"]["8"]["found"] == []
    assert found_at(frontier, create("index-lookup", length=12, alphabet=3)) == []


@pytest.mark.parametrize(("name", "fields"), TASKS)
def test_the_question_turned_around_has_the_library_s_answer(name, fields):
    shown = next(each for each in planner([]) if each["title"] == title(name, fields))
    task = create(name, **fields, length=int(next(iter(shown["lengths"]))))
    for bits, said in zip(STATES.values(), shown["reach"], strict=True):
        longest = longest_recurrent(task, bits).length
        assert said.startswith("every length") if longest is None else f"{longest:,}" in said


def test_the_models_are_the_reference_cards_with_their_measured_states():
    models = plan_data([])["models"]
    assert len(models) == len(references()) == len({each["label"] for each in models})
    for shown, card in zip(models, references(), strict=True):
        assert (shown["state"]["bits"], shown["state"]["growth"]) == (card.state.bits, card.state.growth)
