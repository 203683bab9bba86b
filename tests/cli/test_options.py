"""Fields as options: the short form where one section has the field, a prefix where several do."""

from __future__ import annotations

import json

import pytest

TASK = """
from separatrix.tasks import task

@task(alphabet=3, queries=2)
def later(context, query):
    return int(context[query] > context[0])
"""
TINY = ["--steps", "4", "--warmup", "1", "--validate-every", "2", "--validation-contexts", "4", "--test-contexts", "8"]


@pytest.fixture
def run(run, tmp_path):
    """The same, in a folder with a task whose field `queries` is also one of the training."""
    (tmp_path / "mine.py").write_text(TASK)
    return run


TRAIN = ("train", "mine.py:later", "lstm", "--length", "4", "--width", "4", *TINY, "--output", "runs", "--json")


def test_a_field_that_several_have_is_refused(run):
    code, out, err = run(*TRAIN, "--queries", "1")
    assert (code, out) == (2, "")
    assert err == (
        "separatrix: --queries is a field of the task and of the training: say --task.queries or --training.queries\n"
    )


def test_the_long_form_says_whose_field_it_is(run):
    config = json.loads(run(*TRAIN, "--training.queries", "1", "--model.width", "6", "--trial.seed", "3")[1])["config"]
    assert (config["task"]["queries"], config["training"]["queries"]) == (2, 1)
    assert (config["model"]["width"], config["seed"]) == (6, 3)
    config = json.loads(run(*TRAIN, "--task.queries", "3")[1])["config"]
    assert (config["task"]["queries"], config["training"]["queries"]) == (3, 128)


def test_models_of_a_frontier_share_a_field(run):
    code, out, _ = run(
        "frontier", "parity", "--models", "lstm,gru", "--lengths", "2", "--widths", "2", "--seeds", "0", "--norm",
        "rms", "--model.residual", "false", *TINY, "--target", "0.1", "--output", "runs", "--workers", "1", "--json",
    )  # fmt: skip
    assert code == 0
    said = json.loads(out)
    points = said["frontier"]["points"] if "frontier" in said else said["points"]
    assert [(point["model"]["norm"], point["model"]["residual"]) for point in points] == [("rms", False)] * 2


def test_a_long_form_that_names_nothing(run):
    assert "no option '--model.queries'" in run(*TRAIN, "--model.queries", "3")[2]
    assert "no option '--modle.width'" in run(*TRAIN, "--modle.width", "3")[2]
