"""Cards as files, and beside one another."""

from __future__ import annotations

import json

import pytest
import synthetic_cards
from small_batteries import LSTM

from separatrix.errors import InputError
from separatrix.experiments.card import read_card, references, same_conditions, write_card
from separatrix.experiments.card.compare import compared
from separatrix.experiments.card.probes import standard
from separatrix.experiments.card.reference import families, reference


def test_a_card_comes_back_from_its_file_as_it_was(tmp_path):
    card = synthetic_cards.card(LSTM, run=7)
    path = write_card(card, tmp_path / "new" / "card.json")
    assert read_card(path) == card
    assert len(list(path.parent.iterdir())) == 1


def test_cards_that_cannot_be_read_are_one_line(tmp_path):
    path = write_card(synthetic_cards.card(LSTM, run=3), tmp_path / "card.json")
    text = path.read_text()
    data = json.loads(text)

    def message(content: str | bytes) -> str:
        (path.write_bytes if isinstance(content, bytes) else path.write_text)(content)
        with pytest.raises(InputError) as error:
            read_card(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "is damaged (not JSON)" in message(text[: len(text) // 2])
    assert "got binary data" in message(b"\xff\xfe\x00")
    assert "is no card" in message('{"trials": []}')
    assert "is no card" in message("[1]")
    assert "(card format 99); this version reads format 1" in message(json.dumps(data | {"format": 99}))
    assert "was changed after it was written" in message(json.dumps(data | {"parameters": 1}))
    assert "is damaged" in message(json.dumps({key: value for key, value in data.items() if key != "state"}))
    path.unlink()
    with pytest.raises(InputError, match="cannot read"):
        read_card(path)


def test_only_like_is_compared_with_like():
    one, other = synthetic_cards.card(LSTM), synthetic_cards.card({"name": "gru", "width": 16})
    assert all(row.like for row in compared([one, other]))
    question = other.questions[0]
    longer = question.replace(training={**question.training, "steps": 9999})
    changed = other.replace(questions=[longer, *other.questions[1:]])
    rows = compared([one, changed])
    assert [row.like for row in rows] == [False] + [True] * (len(rows) - 1)
    assert reference(longer, one) is None
    assert reference(question, one) == one.questions[0]


def test_a_setting_that_another_version_lacks_is_left_aside():
    question = synthetic_cards.card(LSTM).questions[0]
    older = {key: value for key, value in question.training.items() if key != "clip"}
    assert same_conditions(question, question.replace(training=older))
    assert not same_conditions(question, question.replace(training={**older, "warmup": 1}))
    assert not same_conditions(question, question.replace(resized=True))


def test_references_of_every_family_stand_beside_the_battery_as_it_is_now():
    """Fails when probes.toml has changed since `make references`."""
    stored = {(card.model["name"], card.model["layers"]): card for card in references()}
    assert set(stored) == {(model["name"], model["layers"]) for model in families()}
    current = {(question.probe, question.length): question for question in synthetic_cards.card(LSTM).questions}
    for card in stored.values():
        answered = [question for question in card.questions if question.measured]
        assert all(same_conditions(current[question.probe, question.length], question) for question in answered)
        assert all(trial.fingerprint for question in answered for trial in question.measured)
        assert card.environment["torch"]
        assert all(reference(question, card) for question in current.values())
        assert all(len(question.measured) == len(standard().seeds) for question in card.questions)
