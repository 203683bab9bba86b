"""Cards set against the map."""

from __future__ import annotations

import pytest
import synthetic_cards

from separatrix.experiments.card import stored_reference
from separatrix.experiments.map.against import against, says


@pytest.mark.parametrize("name", ["mamba", "transformer", "lstm"])
def test_every_question_of_a_card_has_a_row(name):
    card = stored_reference(name)
    rows = against(card)
    assert [(row["title"], row["length"], row["accuracy"]) for row in rows] == [
        (question.title, question.length, question.median) for question in card.questions
    ]
    for row, question in zip(rows, card.questions, strict=True):
        found = [fact for fact in row["cell"]["facts"] if fact["kind"] == "found"]
        assert bool(found) == question.done and row["says"]
        if question.done:
            assert row["says"].startswith("found")


def test_what_the_two_say_together():
    card = synthetic_cards.card({"name": "mamba", "width": 8})
    rows = against(card, number_format="e4m3")
    parity = [row for row in rows if row["task"].get("machine") == "parity"]
    assert parity and all("impossible from N = 515 on" in row["says"] for row in parity)
    question = next(each for each in card.questions if each.task.get("machine") == "parity")
    missed = question.replace(trials=[trial.replace(accuracy=0.5) for trial in question.trials])
    from separatrix.experiments.map.cells import Fact, MapCell

    empty = MapCell(model="m", task="t")
    built = empty.replace(facts=(Fact(kind="built", words="", evidence={"construction": "automaton"}),))
    assert says(missed, empty) == "not found by this training; whether weights exist is open"
    assert says(missed, built) == "not found by this training, though weights exist: automaton"
    small = missed.replace(state_bits=3, recurrent_bits=4.0)
    assert says(small, built) == "no weights are exact: its state of 3 bits is below the 4 needed"
    assert says(missed.replace(trials=[]), built) == "not run"
