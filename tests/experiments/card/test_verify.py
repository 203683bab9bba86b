"""What is checked of a card without running it: each way to bend one is named, and none of the true ones is refused."""

from __future__ import annotations

import pytest

from separatrix.errors import InputError
from separatrix.experiments.card import cards_in, problems, stored_reference, write_card
from separatrix.experiments.card.card import Card, CardTrial, Question
from separatrix.experiments.store.folder import Store

CARD = stored_reference("lstm")


def bent(where: str = "recall", trial: dict | None = None, **changes) -> Card:
    """The card with one question changed, or its first trial."""

    def change(question: Question) -> Question:
        if question.probe != where or question.length != 32:
            return question
        first, *others = question.trials
        trials = [first.replace(**trial) if trial else first, *others]
        return question.replace(trials=trials, **changes)

    return CARD.replace(questions=[change(each) for each in CARD.questions])


def recalled(trial: CardTrial) -> dict:
    return {"recalled": trial.recalled.replace(recalled_bits=trial.recalled.state_bits + 1.0)}


FIRST = next(each for each in CARD.questions if (each.probe, each.length) == ("recall", 32))


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (bent(trial={"identity": "0" * 16}), "seed 0 has another identity than its configuration"),
        (bent(trial={"seed": 1}), "has a seed twice"),
        (bent(trial={"accuracy": 1.5}), "above the proved ceiling"),
        (bent(trial=recalled(FIRST.trials[0])), "recalls more bits than its state has"),
        (bent(recurrent_bits=1e6), "says that 1000000.0 bits are necessary: 128.0 are proved"),
        (bent(state_bits=64, trial={"accuracy": 1.0}), "above the proved ceiling of"),
        (bent(accuracy_ceiling=0.5), "says a ceiling of 0.5: 1.0 is proved"),
        (bent(training={**FIRST.training, "steps": 1}), "asked under other settings"),
        (bent(task={**FIRST.task, "alphabet": 2}), "asked under other settings"),
        (bent(probe="mine"), "not a question of the standard battery"),
        (bent(choice=None), "has a learning rate that was not chosen as the standard battery does"),
        (bent(choice=FIRST.choice.replace(tuning={"rates": [1e-2]})), "a learning rate that was not chosen"),
        (bent(training={**FIRST.training, "learning_rate": 0.02}), "trained at a rate of 0.02"),
        (bent(choice=FIRST.choice.replace(rate=0.02), training={**FIRST.training, "learning_rate": 0.02}), "0.02"),
        (bent(choice=FIRST.choice.replace(seeds=[1])), "reports seed 1, on which its rate was chosen"),
    ],
)
def test_each_way_to_bend_a_card_is_named(card, said):
    assert any(said in line for line in problems(card)), problems(card)


def test_a_true_card_is_in_order():
    assert problems(CARD) == []


def test_a_folder_of_cards_is_read_whole_or_refused(tmp_path):
    with pytest.raises(InputError, match="no cards in"):
        cards_in(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        cards_in(tmp_path / "none")
    path = write_card(CARD, tmp_path / "a.json")
    Store(tmp_path)
    assert (tmp_path / "store.json").exists()  # cards are written beside their trials
    assert cards_in(tmp_path) == {"a.json": CARD}
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 3', 1))
    with pytest.raises(InputError, match="was changed after it was written"):
        cards_in(tmp_path)
