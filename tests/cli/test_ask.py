"""`ask` and `convert`: a saved model answers what a person types, and leaves for other programs."""

from __future__ import annotations

import json

import pytest
import torch

from separatrix import constructions, models, tasks
from separatrix.models.files import save

TASK = tasks.create("index-lookup", length=6, alphabet=4)


@pytest.fixture
def saved(tmp_path):
    return save(models.create("transformer", TASK, width=8, layers=2), tmp_path / "weights.safetensors")


def test_an_answer_with_what_was_looked_at(saved, run, tmp_path):
    code, out, _ = run("ask", saved, "2 0 1 3", "--query", "2", "--json", "--figure", tmp_path / "seen.svg")
    said = json.loads(out)
    model = models.files.load(saved)
    logits = model(torch.tensor([[2, 0, 1, 3]]), torch.tensor([[2]]))[0, 0]
    assert code == 0 and said["right_answer"] == 1 and said["answer"] == int(logits.argmax())
    assert said["logits"] == pytest.approx(logits.tolist(), abs=1e-5)
    assert [len(layer) for layer in said["looks_at"]] == [1, 1]
    drawn = (tmp_path / "seen.svg").read_text()
    assert "Layer 2, head 1" in drawn and "Logits of the answers" in drawn


def test_the_table_names_places_and_tokens(saved, run, tmp_path):
    (tmp_path / "context.txt").write_text("2 0 1 3\n")
    code, out, _ = run("ask", saved, f"@{tmp_path / 'context.txt'}", "--query", "0")
    assert code == 0 and "what the query attends to" in out and "the query itself" in out
    code, again, _ = run("ask", saved, "random", "--query", "0", "--seed", "3")
    assert code == 0 and again


@pytest.mark.parametrize("typed", ["0101 | 0101", "0101|0101", "0 1 0 1 | 0 1 0 1", "01010101"])
def test_two_strings_are_typed_with_or_without_spaces(typed, run, tmp_path):
    path = constructions.create("equality", length=8).save(tmp_path / "equality.safetensors")
    code, out, err = run("ask", path, typed, "--json")
    assert code == 0 and not err and json.loads(out)["answer"] == json.loads(out)["right_answer"] == 1
    code, out, err = run("ask", path, typed.replace("1", "2"))
    assert code == 2 and not out and "expected a token from 0 to 1" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2 0 1 9", "--query", "2"), "expected a token from 0 to 3 at position 3, got 9"),
        (("2 0 1 3",), "choose one with --query"),
        (("2 0 1 3", "--query", "7"), "expected a query from 0 to 5, got 7"),
        (("@nowhere", "--query", "7"), "no file with a context at nowhere"),
        (("2 0", "--query", "0", "--figure", "x.gif"), "ending in .svg or .png"),
    ],
)
def test_bad_input_is_one_line(saved, run, arguments, message):
    code, out, err = run("ask", saved, *arguments)
    assert code == 2 and not out and message in err and err.count("\n") == 1


def test_a_model_becomes_a_directory_for_automodel(saved, run, tmp_path):
    code, _, err = run("convert", saved, tmp_path / "model.foo")
    assert code == 2 and "expected a path ending in .onnx, or a folder without an ending" in err
    assert "import separatrix.models.hub" in run("convert", saved, tmp_path / "other")[1]
    code, out, _ = run("convert", saved, tmp_path / "folder", "--json")
    assert code == 0 and json.loads(out)["written"].endswith("folder")
    assert {file.name for file in (tmp_path / "folder").iterdir()} >= {"config.json", "model.safetensors"}


def test_inputs_a_certificate_does_not_speak_of_are_told(run, tmp_path):
    path = constructions.create("equality", length=12).save(tmp_path / "equal.safetensors")
    for context, told in (("010110010110", False), ("0101", True)):
        code, out, _ = run("ask", path, context)
        assert code == 0 and ("does not speak of this input" in out) == told
        assert ("whether it holds, `separatrix certify` says" in out) != told
        assert json.loads(run("ask", path, context, "--json")[1])["within_certificate"] is not told
