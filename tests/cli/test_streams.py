"""Tasks with answers on the way, from the command line."""

from __future__ import annotations

import json
import math

import pytest

TINY = ["--steps", "6", "--warmup", "1", "--validate-every", "3", "--validation-contexts", "4", "--test-contexts", "8"]
RECALL = ["mqar", "--length", "16", "--pairs", "2", "--vocabulary-size", "32"]
SWEEP = """
[base]
task = { name = "mqar", length = 16, pairs = 2, vocabulary_size = 32 }
model = { name = "deltanet", width = 8, heads = 1 }
training = { steps = 4, warmup = 1, batch_size = 4, validate_every = 2, validation_contexts = 4, test_contexts = 4 }
[grid]
"task.pairs" = [1, 2]
"""


def test_streams_are_listed(run):
    listed = {row["task"]: row["answers"] for row in json.loads(run("list", "tasks", "--json")[1])}
    assert listed["mqar"] == "on the way" and listed["parity"] == "at the end"


def test_streams_are_shown_and_written(run, tmp_path):
    code, out, _ = run("sample", "state-tracking", "--machine", "parity", "--length", "4", "--count", "3")
    assert code == 0 and "answers" in out
    code, out, _ = run("sample", *RECALL, "--count", "3", "--json")
    drawn = json.loads(out)
    assert set(drawn) == {"inputs", "labels", "groups"}
    assert all(sum(label != -100 for label in labels) == 2 for labels in drawn["labels"])
    assert run("sample", *RECALL, "--count", "3", "--output", "streams.parquet")[0] == 0
    assert (tmp_path / "streams.parquet").is_file()


def test_a_stream_is_trained_and_reported(run, tmp_path):
    code, out, _ = run(
        "train", *RECALL[:1], "deltanet", *RECALL[1:], *TINY, "--width", "8", "--output", "runs", "--json"
    )
    result = json.loads(out)
    assert code == 0 and result["test"]["answers"] == 16
    assert result["recurrent_bits"] == pytest.approx(math.log2(16 * 15))
    assert run("report", "runs")[0] == 0


def test_a_stream_is_swept(run, tmp_path):
    (tmp_path / "mine.toml").write_text(SWEEP)
    code, out, _ = run("sweep", "mine.toml", "--workers", "1", "--json")
    assert code == 0 and json.loads(out)["trials"] == 2 and json.loads(out)["failed"] == 0


@pytest.mark.filterwarnings("ignore")
def test_a_frontier_of_a_stream(run):
    code, out, _ = run(
        "frontier", "state-tracking", "--machine", "parity", "--models", "gru", "--lengths", "2,3", "--widths", "2",
        "--seeds", "0", *TINY, "--target", "0.1", "--output", "runs", "--workers", "1", "--json",
    )  # fmt: skip
    assert code == 0 and '"length": 3' in out


def test_bounds_of_a_stream(run):
    rows = json.loads(run("bounds", *RECALL, "--json")[1])["bounds"]
    assert rows[0]["lower bound"] == pytest.approx(math.log2(16 * 15))


def test_a_stream_is_analyzed(run):
    code, out, _ = run("analyze", "state-tracking", "--lengths", "2..4", "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["recurrent rows"] for row in found["rows"]] == [6, 6, 6]
    assert set(found["growth"]) == {"recurrent", "attention", "two-way", "rounded"}
    assert all(6 <= row["two-way rows"] <= row["attention rows"] for row in found["rows"])
    assert found["growth"]["recurrent"]["law"] == "constant"
    code, out, _ = run("analyze", "transduction", "--alphabet", "2", "--lengths", "2..8")
    assert code == 0 and "recurrent bits (any arithmetic) grow" in out
    assert "one-layer attention has the advantage" in out


def test_a_stream_of_ones_own_is_analyzed(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from separatrix.tasks import stream_task\n@stream_task(vocabulary=3)\ndef largest(tokens):\n"
        "    return [max(tokens[: t + 1]) for t in range(len(tokens))]\n"
    )
    found = json.loads(run("analyze", "mine.py:largest", "--lengths", "2..4", "--json")[1])
    assert [row["recurrent rows"] for row in found["rows"]] == [row["two-way rows"] for row in found["rows"]] == [3] * 3


def test_the_automaton_of_a_stream_is_drawn(run, tmp_path):
    code, _, _ = run("analyze", "state-tracking", "--machine", "parity", "--lengths", "2..3", "--draw", "parity.dot")
    assert code == 0 and '[label="0/0"]' in (tmp_path / "parity.dot").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyze", "mqar", "--lengths", "8", "--pairs", "2"], "labels to enumerate, more than the"),
        (
            ["analyze", "flip-flop", "--lengths", "4..6", "--draw", "x.svg"],
            "leaves streams or labels undefined: its smallest automaton need not be unique",
        ),
        (["sample", "mqar", "--length", "17"], "length and vocabulary_size must be even"),
        (["train", "mqar", "lstm", "--length", "16"], "8 pairs and as many queries need a length of 32, got 16"),
        (["sample", "induktion"], "did you mean 'induction'?"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert message in err
