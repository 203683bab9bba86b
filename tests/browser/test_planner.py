"""The planner of a page: the library's numbers, a permalink, states and models of one's own."""

from __future__ import annotations

import pytest
import synthetic_cards

from separatrix.bounds import Part, StateSize, verdicts
from separatrix.bounds.classes import table
from separatrix.bounds.formats import of_precision
from separatrix.bounds.in_words import sentence
from separatrix.experiments.card import write_card
from separatrix.report.html import planner
from separatrix.tasks import create

pytestmark = pytest.mark.browser


def test_the_planner_shows_the_librarys_numbers_and_has_a_permalink(visit):
    page = visit().page
    for name, fields, length, precision in (
        ("index-lookup", {"alphabet": 64}, 400, 16),
        ("bounded-dyck", {"kinds": 8, "depth": 16}, 1024, 32),
        ("equality", {"layout": "concatenated"}, 65536, 8),
    ):
        page.locator("#plan-task").select_option(planner.title(name, fields))
        page.locator("#plan-length").select_option(str(length))
        page.locator("#plan-precision").select_option(str(precision))
        rows = table(create(name, **fields, length=length), of_precision(precision))
        shown = page.locator("#plan-table tbody tr").all()
        assert len(shown) == len(rows)
        for row, line in zip(rows, shown, strict=True):
            who, lower, arithmetic, best = line.locator("th, td").all_inner_texts()
            assert (who, arithmetic) == (row["architecture class"], row["arithmetic"])
            assert lower == row["status"] if row["lower bound"] is None else number(lower) == row["lower bound"]
            assert best == "–" if row["best known"] is None else number(best) == row["best known"]
        assert page.locator("#plan-sentence").inner_text() == sentence(rows, precision)
    link = page.locator("#plan-link").get_attribute("href")
    again = visit(part=link).page
    assert again.locator("#plan-sentence").inner_text() == sentence(rows, 8)
    assert again.locator("#plan-length").input_value() == "65536"


def test_the_planner_turns_the_question_around_and_takes_models(visit, tmp_path):
    page = visit().page
    task = create("index-lookup", alphabet=64, length=4096)
    page.locator("#plan-task").select_option(planner.title("index-lookup", {"alphabet": 64}))
    page.locator("#plan-length").select_option("4096")
    page.locator("#plan-state").select_option("4 KiB")
    size = StateSize((Part(bits_each=1, constant=8 * 4096),), source="given")
    assert verdicts(size, 4096, [task])[0].exact_at_most in page.locator("#plan-reach").inner_text()
    page.locator("#plan-model").select_option("LSTM-(1, 64)")
    assert "4,096 bits here, where an exact recurrent model needs 24,576" in page.locator("#plan-held").inner_text()
    assert "ruled out (proved)" in page.locator("#plan-held").inner_text()
    page.locator("#plan-model").select_option("TF-(1, 64)")
    assert page.locator("#plan-held").inner_text().endswith(f"{4096 * 4096:,} bits here, where an exact "
                                                            "recurrent model needs 24,576: not ruled out.")  # fmt: skip
    page.locator("#plan-layers").select_option("2")
    assert page.locator("#plan-table tbody th").all_inner_texts()[2:] == ["2-layer Transformer (width)"]
    hostile = synthetic_cards.card({"name": "lstm", "width": 8}).replace(label="<img src=x onerror=window.hacked=4>")
    write_card(hostile, tmp_path / "own.json")
    page.locator("#plan-card").set_input_files(tmp_path / "own.json")
    page.wait_for_function("() => document.getElementById('plan-held').textContent.includes('onerror')")
    assert "constant state: 4,096 bits here" in page.locator("#plan-held").inner_text()
    (tmp_path / "none.json").write_text("{}")
    page.locator("#plan-card").set_input_files(tmp_path / "none.json")
    page.wait_for_function("() => document.getElementById('plan-held').textContent.startsWith('That file is no card')")
    assert page.evaluate("window.hacked") is None


def number(shown: str) -> float:
    return float(shown.replace(",", ""))
