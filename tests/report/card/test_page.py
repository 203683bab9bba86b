"""A card's page: one file, nothing foreign in it, references beside, and honest about what was not run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re

import pytest
import synthetic_cards

from separatrix.errors import InputError
from separatrix.experiments.card import references
from separatrix.experiments.card.card import parse_card
from separatrix.report.card.rows import field
from separatrix.report.card.sections import sections
from separatrix.report.card.write import card_page, write_card_page

HOSTILE = "NotFinite: <script>alert(1)</script> </script> <img src=x onerror=alert(2)> ${alert(3)}"
LSTM = {"name": "lstm", "width": 8}


def unpacked(page: str, name: str) -> str:
    """What the page carries compressed."""
    return gzip.decompress(base64.b64decode(re.search(f'id="data-{name}">([^<]*)<', page)[1])).decode()


def words(page: str) -> str:
    """What a reader sees of a page."""
    bare = re.sub(r"</?span[^>]*>", "", re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


@pytest.fixture(scope="module")
def partial() -> str:
    """A page of a card with a failed trial and some not run, beside two references."""
    references = [synthetic_cards.card({"name": "transformer"}), synthetic_cards.card({"name": "lstm"})]
    return card_page([synthetic_cards.card(LSTM, run=9, fail=HOSTILE)], references)


def test_it_loads_nothing_and_runs_only_its_own_scripts(partial):
    markup = re.sub(r"<script.*?</script>", "", partial, flags=re.DOTALL)
    for tag, address in re.findall(r"<(\w+)[^>]*?\s(?:src|href)=\"([^\"]*)\"", markup):
        assert address.startswith(("data:", "#")) or re.fullmatch(r"[a-z0-9-]+\.svg", address), (tag, address[:80])
    scripts = re.findall(r"<script type=\"module\">(.*?)</script>", partial, flags=re.DOTALL)
    assert len(scripts) == 3
    policy = html.unescape(re.search(r"Content-Security-Policy\" content=\"([^\"]*)\"", partial)[1])
    assert policy.startswith("default-src 'none'")
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    assert set(allowed) == {f"'sha256-{digest}'" for digest in hashes}


def test_hostile_words_stay_words(partial):
    assert "<script>alert(1)" not in partial
    assert "<img src=x" not in partial
    assert "alert(1)" in words(partial) or "alert(1)" in html.unescape(partial)


def test_the_card_itself_is_in_the_page(partial):
    (encoded,) = re.findall(r"href=\"data:application/json;base64,([^\"]*)\"", partial)
    card = parse_card(base64.b64decode(encoded).decode(), "page")
    assert card == synthetic_cards.card(LSTM, run=9, fail=HOSTILE)


def test_what_was_not_run_is_said(partial):
    card = synthetic_cards.card(LSTM, run=9, fail=HOSTILE)
    total = sum(len(question.trials) for question in card.questions)
    said = words(partial)
    assert f"LSTM-(1, 8): {total - 9} of {total} trials not run:" in said
    assert unpacked(partial, "trials").count("not run") >= total - 9
    for question in card.questions:
        for trial in question.trials:
            assert trial.identity in unpacked(partial, "trials") and trial.identity in unpacked(partial, "details")


def test_references_stand_beside_and_alone_they_do_not_have_to(partial):
    assert "References (2: TF-(1, 64), LSTM-(1, 64))" in words(partial)
    assert "of 2 references" in words(partial)
    alone = words(card_page([synthetic_cards.card(LSTM)], []))
    assert "No references stand on this page." in alone
    assert "No stored reference was put to this under the same conditions." in alone


def test_other_conditions_are_not_set_beside_one_another():
    card, other = synthetic_cards.card(LSTM), synthetic_cards.card({"name": "gru"})
    questions = [q.replace(training={**q.training, "steps": 1}) for q in other.questions]
    page = card_page([card], [other.replace(questions=questions)])
    assert "No stored reference was put to this" in words(page)
    both = words(card_page([card, other.replace(questions=questions)], []))
    assert "asked under other conditions, not compared" in both


def test_a_module_without_a_step_is_called_one():
    assert "no step form" in words(card_page([synthetic_cards.card(LSTM, whole_past=True)], []))
    assert "no step form" not in words(card_page([synthetic_cards.card(LSTM)], []))


def test_two_cards_of_one_model_have_different_names():
    page = words(card_page([synthetic_cards.card(LSTM), synthetic_cards.card(LSTM, run=9)], []))
    assert "LSTM-(1, 8) (A)" in page
    assert "LSTM-(1, 8) (B)" in page


def test_a_card_with_no_measurement_at_all_still_makes_a_page():
    page = words(card_page([synthetic_cards.card(LSTM, run=0, speed=None)], []))
    assert "nothing was measured" in page
    assert "State: what the past is reduced to" in page


def test_the_same_card_gives_the_same_page():
    card = synthetic_cards.card(LSTM)
    assert card_page([card], []) == card_page([card], [])


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_card_page([synthetic_cards.card(LSTM)], [], tmp_path / "file" / "card.html")


def test_questions_of_one_length_have_columns_of_their_own():
    """Cells of one column would be drawn over one another."""
    shown = field([synthetic_cards.card({"name": "lstm", "width": 8})], references())
    found = sections(shown, {entrant.label: 0 for entrant in shown.entrants})
    (grid,) = (figure for section in found for figure in section.figures if figure.name == "recall-accuracy")
    cells = [(row["model"], row["column"]) for row in grid.rows]
    assert len(cells) == len(set(cells)) > 6
