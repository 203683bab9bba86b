"""`separatrix recall` of language models, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from copying_models import language_model, saved

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = ("--lengths", "4,6", "--tokens", "8", "--strings", "2")


@pytest.fixture
def folders(tmp_path) -> list[str]:
    """Two untrained models; of the second, the weights are gone."""
    one, two = (saved(language_model(kind), tmp_path / kind) for kind in ("gpt2", "mistral"))
    (Path(two) / "model.safetensors").unlink()
    return [one, two]


def test_models_are_measured_drawn_and_compared(run, folders, tmp_path):
    code, out, err = run("recall", *folders, *QUICK, "--figure", tmp_path / "f.svg", "--json")
    said = json.loads(out)
    assert code == 0 and [each["weights"] for each in said] == ["trained", "random"]
    told = [line for line in err.splitlines() if "model shards" not in line and line]  # saving them shows its progress
    assert told == [f"{folders[1]}: there are no trained weights: measured with random ones"]
    for each in said:
        assert [(p["kind"], p["length"]) for p in each["points"]] == [
            ("string", 4), ("pairs", 4), ("string", 6), ("pairs", 6)
        ]  # fmt: skip
        assert [p["shown_bits"] for p in each["points"]] == [12, 6, 18, 9]
        assert all(p["by_position"][-1]["last"] == p["symbols"] - 1 for p in each["points"])
        assert len(each["assumptions"]) == 3
    drawn = (tmp_path / "f.svg").read_text()
    assert "all there is to recall" in drawn and "gpt2" in drawn
    again = json.loads(run("recall", folders[0], *QUICK, "--json")[1])
    assert again == said[:1]  # same seed, same strings


def test_the_table_says_what_it_rests_on(run, folders):
    code, out, err = run("recall", folders[0], "--lengths", "4..6", "--tokens", "8", "--strings", "2")
    assert code == 0 and "gpt2: string of 6 tokens" in err
    assert "lower bound" in out and "bits a symbol, by when it was shown" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--length", "4"), "is a language model, whose options are --lengths"),
        (("--lengths", "4..2"), "expected lengths such as 16..4096"),
        (("--lengths", "1,4"), "of 2 to"),
        (("--tokens", "17"), "expected 2 to 16 of this vocabulary"),
        (("--separator", "17"), "expected a token below 17"),
        (("--figure", "x.gif"), "expected a figure ending in .svg"),
        (("--lengths", "100"), "cannot read 100 tokens"),
        (("hf:gtp2",), "did you mean 'gpt2'"),
        (("missing",), "cannot read missing"),
    ],
)
def test_what_cannot_be_measured_is_one_line(run, folders, arguments, said):
    code, _, err = run("recall", folders[0], *(QUICK if "--lengths" not in arguments else QUICK[2:]), *arguments)
    assert code == 2 and said in err.splitlines()[-1]


def test_options_of_models_are_not_those_of_trials(run):
    code, _, err = run("recall", "runs", "--lengths", "4,8")
    assert code == 2 and "is a folder of results, whose options are --length, --contexts" in err
