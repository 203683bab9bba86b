"""`separatrix leaderboard`: cards verified and ranked; those of the repository are in order, and so is their table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import synthetic_cards

from separatrix.experiments.card import cards_in, read_card, write_card
from separatrix.report.card import leaderboard

BOARD = Path(__file__).parents[2] / "leaderboard"


@pytest.fixture
def folder(tmp_path) -> Path:
    for model in ({"name": "lstm", "width": 8}, {"name": "gru", "width": 16}):
        write_card(synthetic_cards.card(model, run=8), tmp_path / "cards" / f"{model['name']}.json")
    return tmp_path / "cards"


def test_the_cards_of_the_repository_are_in_order_and_so_is_their_table():
    rows = leaderboard.rows(cards_in(BOARD))
    assert [row["file"] for row in rows if row["wrong"]] == []
    assert leaderboard.markdown(rows) in (BOARD / "README.md").read_text(encoding="utf-8")


def test_cards_are_ranked_by_what_they_solved(run, folder):
    code, out, err = run("leaderboard", folder, "--json")
    rows = json.loads(out)
    assert [row["solved"] for row in rows] == sorted((row["solved"] for row in rows), reverse=True)
    for row in rows:
        card = read_card(folder / row["file"])
        assert row["solved"] == sum(question.done for question in card.questions if question.measured)
        assert row["asked"] == 8
    assert (code, err) == (0, "")


def test_a_card_that_is_not_in_order_is_named_and_ends_with_1(run, folder):
    card = read_card(folder / "gru.json")
    wrong = [
        each.replace(trials=[each.trials[0].replace(identity="f" * 16), *each.trials[1:]]) for each in card.questions
    ]
    write_card(card.replace(questions=wrong), folder / "gru.json")
    code, out, err = run("leaderboard", folder)
    assert code == 1 and "gru.json: Multi-query recall at 32: seed 0 has another identity than its configuration" in err
    assert "GRU-(1, 16)" in out and "(observed)" in out


def test_the_table_is_put_between_its_marks_and_the_page_written(run, folder, tmp_path):
    (tmp_path / "README.md").write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    run("leaderboard", folder, "--markdown", "README.md", "--page", "board.html")
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n<!-- table -->\n| model |") and text.endswith("<!-- end of table -->\nafter\n")
    assert "old" not in text and len(re.findall(r"\]\(\w+\.json\)", text)) == 2
    assert "side by side" in (tmp_path / "board.html").read_text()
    (tmp_path / "OTHER.md").write_text("no marks\n")
    code, _, err = run("leaderboard", folder, "--markdown", "OTHER.md")
    assert code == 2 and "has no lines <!-- table -->" in err
    assert (tmp_path / "OTHER.md").read_text() == "no marks\n"
