"""`separatrix sweep` and `export` as a user meets them."""

from __future__ import annotations

import json

import polars as pl
import pytest

SWEEP = """
[base]
task = { name = "index-lookup", length = 4, alphabet = 3 }
model = { name = "lstm", width = 4 }
training = { steps = 20, warmup = 2, batch_size = 4, validate_every = 5, validation_contexts = 8, test_contexts = 8 }
[grid]
"training.weight_decay" = [0.0, 0.01, 0.1, 1e30]
"""
HALVING = """
[halving]
over = ["training.weight_decay"]
first = 5
"""


@pytest.fixture
def run(run, tmp_path):
    """The same in a folder with a sweep file in it."""
    (tmp_path / "mine.toml").write_text(SWEEP)
    return run


def test_a_sweep_with_a_failing_trial_goes_on_and_says_so(run, tmp_path):
    dry = json.loads(run("sweep", "mine.toml", "--dry-run", "--json")[1])
    assert dry["to_run"] == 4
    assert dry["by_model"]["lstm-(1, 4)"]["trials"] == 4
    assert sum(part["core_seconds_at_most"] for part in dry["by_model"].values()) == pytest.approx(
        dry["core_seconds_at_most"]
    )
    assert "lstm-(1, 4)" in run("sweep", "mine.toml", "--dry-run")[1]
    assert not (tmp_path / "runs").exists()
    code, out, err = run("sweep", "mine.toml", "--json", "--workers", "1")
    assert code == 1
    assert json.loads(out)["failed"] == 1
    assert "1 of 4 trials failed" in err
    assert "not finite" in err
    dry = json.loads(run("sweep", "mine.toml", "--dry-run", "--json")[1])
    assert dry["to_run"] == 0
    assert sorted(row["stands"] for row in dry["trials"]) == ["failed", "finished", "finished", "finished"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/mine/trials/*/result.json")}
    run("sweep", "mine.toml", "--force", "failed", "--force", "training.weight_decay=0.1", "--workers", "1", "--json")
    changed = [path for path in before if path.stat().st_mtime_ns != before[path]]
    assert len(changed) == 2
    code, out, _ = run("export", "runs/mine", "out.csv", "--json")
    assert (code, json.loads(out)["trials"]) == (0, 4)
    assert pl.read_csv("out.csv")["status"].sort().to_list() == ["failed", "finished", "finished", "finished"]


def test_a_sweep_with_halving_ends_the_best_alone(run, tmp_path):
    (tmp_path / "mine.toml").write_text(SWEEP + HALVING)
    dry = json.loads(run("sweep", "mine.toml", "--dry-run", "--json")[1])
    assert dry["share_with_halving"] == pytest.approx((4 * 5 + 2 * 5 + 1 * 10) / 80)
    code, out, err = run("sweep", "mine.toml", "--json", "--workers", "1")
    assert not err, err
    said = json.loads(out)
    assert (code, said["trials"], said["given_up"]) == (0, 1, 3)
    ended = {path.parent.name for path in tmp_path.glob("runs/mine/trials/*/result.json")}
    record = json.loads((tmp_path / "runs/mine/halving.json").read_text())
    assert [len(cut["go_on"]) for cut in record["contests"][0]["cuts"]] == [2, 1]
    (left,) = record["contests"][0]["left"].values()
    assert len(ended) == 2  # the best one, and the one that failed
    assert set(left) < ended


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "mine.toml", "--only", "model.width=7"], "no trial of mine.toml has model.width=7"),
        (["sweep", "mine.toml", "--only", "width=4"], "unknown field 'width': did you mean 'model.width'?"),
        (["sweep", "mine.toml", "--force", "abcdef"], "unknown trial to --force 'abcdef'"),
        (["sweep", "mine.toml", "--engine", "rya"], "unknown engine 'rya': did you mean 'ray'?"),
        (["sweep", "mine.toml", "--engine", "ray", "--address", "127.0.0.1:9"], "no Ray cluster at 127.0.0.1:9"),
        (["sweep", "mine.toml", "--output", "memory://x"], "memory://x is seen by this process alone"),
        (["sweep", "mine.toml", "--cpus", "0"], "a trial needs cores or GPUs, got 0 and 0"),
        (["export", "nowhere", "out.csv"], "nowhere holds no results"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
