"""The commands about bounds, as a user meets them."""

from __future__ import annotations

import json

import pytest

from separatrix.cli.output import bits_needed


def test_bounds(run):
    code, out, _ = run("bounds", "index-lookup", "--length", "400", "--alphabet", "64", "--precision", "16", "--json")
    found = json.loads(out)["bounds"]
    rows = {row["architecture class"]: row for row in found}
    assert code == 0
    assert rows["recurrent (state in bits)"]["lower bound"] == 2400
    assert rows["recurrent (numbers of 16 bits)"]["lower bound"] == 150
    assert rows["1-layer Transformer (width, 1 head)"]["best known"] == 16
    assert rows["2-layer Transformer (width)"]["lower bound"] is None
    assert all(row["arithmetic"] and row["formula"] for row in found)
    shown = run("bounds", "index-lookup", "--length", "400", "--precision", "16")[1]
    assert all(row["arithmetic"] in shown and row["formula"] in shown for row in found)
    assert "2400" in run("bounds", "index-lookup", "--length", "400")[1]


@pytest.mark.parametrize(
    "options", [("--precision", "16"), ("--format", "bf16"), ("--format", "bf16", "--arithmetic", "rounded")]
)
def test_no_bound_exceeds_the_model_of_width_2_that_works_in_its_arithmetic(run, options):
    code, out, _ = run("bounds", "equality", "--length", "222", "--layout", "interleaved", *options, "--json")
    rows = [row for row in json.loads(out)["bounds"] if row["architecture class"].startswith("1-layer")]
    assert code == 0 and rows
    for row in rows:
        assert row["arithmetic"] and row["assumptions"] and row["formula"] and row["quantity"]
        assert row["lower bound"] == (3 if "fixed point" in row["arithmetic"] else 1)
    assert any("every result rounded" in row["arithmetic"] for row in rows)


def test_bounds_of_a_task_of_ones_own_are_unknown_and_never_zero(run, tmp_path):
    (tmp_path / "mine.py").write_text("def last(context, query):\n    return context[-1]\n")
    own = ("bounds", "mine.py:last", "--length", "6", "--alphabet", "2", "--answer-count", "2")
    code, out, _ = run(*own, "--json")
    assert code == 0
    assert {row["lower bound"] for row in json.loads(out)["bounds"]} == {None}
    assert {row["status"] for row in json.loads(out)["bounds"]} == {"unknown", "none known"}
    code, out, _ = run(*own)
    assert code == 0 and "unknown: this task has no closed form: `separatrix analyze` enumerates it" in out
    code, out, _ = run("bounds", "sparse-threshold", "--length", "6", "--instance", "k-cnf")
    assert code == 0 and "unknown" in out
    assert bits_needed(None).startswith("unknown") and bits_needed(0.0) == 0.0  # what `train` prints


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "bf16", "--precision", "8"), "bf16 has 16 bits, got a precision of 8"),
        (("--format", "real"), "real has no number of bits"),
        (("--precision", "12", "--arithmetic", "float"), "expected one of fixed, rounded, or a --format such as bf16"),
    ],
)
def test_arithmetic_that_is_none(run, options, message):
    code, _, err = run("bounds", "parity", "--length", "4", *options)
    assert code == 2 and message in err and err.count("\n") == 1


def test_the_readmes_own_example_is_decided(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from separatrix.tasks import task\n\n\n@task(alphabet=2, answers=2)\n"
        "def answer(context, query):\n    return int(context == context[::-1])\n"
    )
    code, out, _ = run("analyze", "mine.py:answer", "--lengths", "2..8", "--json")
    found = json.loads(out)
    assert code == 0
    for side in ("recurrent", "attention", "two-way", "rounded"):
        assert found["growth"][side]["law"] == "linear"
        assert found["growth"][side]["bits_per_token"] == 0.5
        assert found["growth"][side]["arithmetic"]
    assert "hard for both" in found["conclusion"]


def test_analyze(run, tmp_path):
    (tmp_path / "mine.py").write_text("def last(context, query):\n    return context[-1]\n")
    alphabets = ("--alphabet", "2", "--answer-count", "2")
    code, out, _ = run("analyze", "mine.py:last", "--lengths", "2..6", *alphabets, "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["recurrent rows"] for row in found["rows"]] == [2] * 5
    assert {law["law"] for law in found["growth"].values()} == {"constant"}
    code, _, err = run("analyze", "mine.py:last", "--lengths", "2..60", *alphabets)
    assert code == 2 and "table entries" in err and "the largest length that fits is 27" in err
    code, _, err = run("analyze", "mine.py:last", "--lengths", "2..6")
    assert code == 2 and "says nothing of its alphabets" in err and err.count("\n") == 1
    code, out, _ = run("analyze", "index-lookup", "--alphabet", "2", "--lengths", "2..6", "--draw", "a.svg")
    assert "one-layer attention has the advantage" in out
    assert (tmp_path / "a.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("arguments", [("lstm", "--width", "8"), ("transformer", "--width", "8", "--layers", "2")])
def test_audit(run, arguments):
    code, out, _ = run("audit", *arguments, "--length", "100", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["state"]["bits"] == (512 if arguments[0] == "lstm" else 2 * 2 * 8 * 100 * 32)
    assert {verdict["task"] for verdict in found["tasks"]} >= {"index-lookup", "bounded-dyck"}


def test_audit_of_a_configuration_file(run, tmp_path):
    fields = {"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "conv_kernel": 4}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    assert "512 of 32 bits" in run("audit", "config.json")[1]
    assert "512 of 32 bits" in run("audit", f"hf:{tmp_path}")[1]


def test_a_configuration_of_ours_is_measured_and_runs_nothing(run, tmp_path):
    def written(**fields):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "separatrix", **fields}))

    written(task={"name": "parity", "length": 8}, model={"name": "transformer", "width": 8, "layers": 2, "window": 100})
    assert "at 200 tokens 101,376 bits" in run("audit", "config.json", "--length", "200")[1]  # 99 places are kept
    code, out, _ = run("plan", "index-lookup", "--length", "400", "--model", "config.json", "--json")
    assert code == 0 and json.loads(out)["held"][0]["bits at this length"] == 2 * 2 * 8 * 99 * 32
    written(model={"name": "mine.py:Mixer"})
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    for command in (("audit",), ("plan", "index-lookup", "--length", "400", "--model")):
        code, _, err = run(*command, "config.json")
        assert code == 2 and "'mine.py:Mixer' is a Python file, which a configuration may not execute" in err
    written(model="lstm")
    assert "has its model's fields under `model`" in run("audit", "config.json")[2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 16}, "configuration has a field model_type; the fields of this one are hidden_size"),
        ({"model_type": "llama", "hidden_size": "big"}, "Transformers cannot build 'llama' so: "),
        (
            {"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 7},
            "not a multiple of the number of attention heads (7)",
        ),
        ({"model_type": "llame"}, "has no model type 'llame': did you mean 'llama'?"),
        ({"model_type": "zzz"}, "has no model type 'zzz', for instance mamba"),
    ],
)
def test_audit_of_an_impossible_configuration(run, tmp_path, fields, message):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    code, _, err = run("audit", "config.json")
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bounds", "equality", "--length", "7"), "length must be even"),
        (("analyze", "equality", "--lengths", "two"), "expected lengths such as 2..8"),
        (("analyze", "equality", "--lengths", "8..2"), "in order"),
        (("analyze", "equality", "--lengths", "40"), "more than the 134,217,728 allowed"),
        (("audit", "lsmt"), "did you mean 'lstm'"),
        (("audit", "none.json"), "cannot read none.json"),
        (("protocol", "nowhere", "abc"), "holds no results"),
        (("sample", "parity", "--length", "4", "--output", "x.csv"), "ending in .parquet or .npz, got 'x.csv'"),
    ],
)
def test_bad_input(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert message in err


def test_sample(run, tmp_path):
    import numpy as np
    import polars as pl

    assert "( )" in run("sample", "bounded-dyck", "--length", "2", "--kinds", "1", "--count", "20")[1]
    assert run("sample", "equality", "--length", "6", "--count", "5", "--output", "a.parquet")[0] == 0
    assert pl.read_parquet("a.parquet").height == 5
    assert run("sample", "equality", "--length", "6", "--count", "5", "--output", "a.npz")[0] == 0
    assert np.load("a.npz")["context"].shape == (5, 6)
    _, out, _ = run("sample", "parity", "--length", "3", "--count", "2", "--json")
    assert len(json.loads(out)["context"]) == 2


def test_sweep(run, tmp_path):
    (tmp_path / "s.toml").write_text(
        '[base]\ntask = { name = "parity", length = 4 }\nmodel = { name = "elman", width = 4 }\n'
        "training = { steps = 4, warmup = 1 }\n[grid]\nseed = [0, 1]\n"
    )
    code, out, _ = run("sweep", "s.toml", "--dry-run", "--json")
    assert code == 0
    assert len(json.loads(out)["trials"]) == 2
    code, out, _ = run("sweep", "s.toml", "--only", "seed=1", "--json")
    assert json.loads(out)["trials"] == 1
