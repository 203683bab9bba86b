from __future__ import annotations

import json
from pathlib import Path

import pytest
import synthetic_cards

from separatrix.experiments.card import probes, read_card, write_card
from separatrix.experiments.card.probes import Battery

TINY = Battery(
    seeds=[0],
    training={"steps": 20, "warmup": 5, "batch_size": 8, "validate_every": 10, "validation_contexts": 16,
              "test_contexts": 16},
    probes=[
        {"id": "recall", "title": "Recall", "about": "", "ability": "recall", "recalled": True,
         "task": {"name": "index-lookup", "alphabet": 4}, "lengths": [4]},
        {"id": "parity", "title": "Parity", "about": "", "ability": "state tracking", "task": {"name": "parity"},
         "lengths": [4]},
    ],
)  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """A battery of two small trials in place of the standard one."""
    monkeypatch.setattr(probes, "standard", lambda: TINY)


def test_a_card_is_a_page_and_a_json(tiny, run, tmp_path):
    arguments = ("card", "lstm", "--width", "8", "--minutes", "2", "--workers", "1", "--output", str(tmp_path))
    code, out, _ = run(*arguments)
    assert code == 0
    (page,), (file,) = tmp_path.glob("*.html"), tmp_path.glob("lstm-1-8-*.json")
    assert page.stem == file.stem
    assert "Parity" in out
    assert str(page.name) in out.replace("\n", "")
    assert read_card(file).model["width"] == 8

    code, out, err = run(*arguments, "--json")  # nothing is run again
    assert code == 0
    assert err == ""
    assert json.loads(out)["questions"] == read_card(file).model_dump(mode="json")["questions"]


def test_a_failed_trial_is_told_and_fails_the_command(tiny, run, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import torch\n\nclass Explodes(torch.nn.Module):\n    def __init__(self, width):\n        super().__init__()\n"
        "        self.scale = torch.nn.Parameter(torch.ones(width))\n\n    def forward(self, x):\n"
        "        return x * self.scale * (float('nan') if len(x) == 8 and self.training else 1.0)\n"
    )
    code, _, err = run("card", f"{broken}:Explodes", "--width", "8", "--workers", "1", "--output",
                       str(tmp_path / "out"))  # fmt: skip
    assert code == 1
    assert "Parity at 4, seed 0: NotFinite" in err
    (page,) = (tmp_path / "out").glob("explodes-1-8-*.html")
    assert "no step form" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lstn"], "unknown model 'lstn': did you mean 'lstm'?"),
        (["lstm", "--widht", "8"], "no option '--widht': did you mean '--width'?"),
        (["transformer", "--width", "6", "--heads", "4"], "width must be divisible by heads"),
        (["nowhere.py:Model"], "no file 'nowhere.py'"),
        (["lstm", "--minutes", "0"], "minutes"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, said):
    code, out, err = run("card", *arguments, "--output", str(tmp_path / "out"))
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.fixture
def cards(tmp_path) -> list[Path]:
    models = ({"name": "lstm", "width": 8}, {"name": "gru", "width": 16, "layers": 2})
    return [write_card(synthetic_cards.card(model), tmp_path / f"{model['name']}.json") for model in models]


def test_cards_side_by_side(run, cards, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    page = tmp_path / "both.html"
    code, out, _ = run("compare", *map(str, cards), "--html", str(page), "--json")
    assert code == 0
    said = json.loads(out)
    assert said["cards"] == ["lstm-(1, 8)", "gru-(2, 16)"]
    recall = next(row for row in said["rows"] if (row["probe"], row["length"]) == ("recall", 32))
    assert recall["like"]
    first = read_card(cards[0]).question("recall", 32)
    assert [trial["accuracy"] for trial in recall["answers"][0]["trials"]] == first.accuracies
    assert "LSTM and GRU, side by side" in page.read_text()

    code, out, _ = run("compare", *map(str, cards))
    assert code == 0
    assert "lstm-(1, 8) beside gru-(2, 16)" in out
    assert "Recall with overwriting" in out


def test_a_card_beside_a_built_in_family_by_its_name(run, cards):
    code, out, _ = run("compare", str(cards[0]), "mamba")
    assert code == 0 and "lstm-(1, 8) beside mamba-(1, 64)" in out
    assert "cannot read mambo: No such file" in run("compare", str(cards[0]), "mambo")[2]


def test_cards_that_cannot_be_compared_are_one_line(run, cards):
    assert run("compare", str(cards[0]))[0] == 2
    data = json.loads(cards[1].read_text())
    cards[1].write_text(json.dumps(data | {"format": 2, "separatrix": "9.0"}))
    code, _, err = run("compare", *map(str, cards))
    assert (code, err.count("\n")) == (2, 1)
    assert "was written by separatrix 9.0 (card format 2)" in err
    cards[1].write_text("{")
    code, _, err = run("compare", *map(str, cards))
    assert (code, err.count("\n")) == (2, 1)
    assert "is damaged" in err
