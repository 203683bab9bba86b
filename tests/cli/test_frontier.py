"""`frontier` and `recall` from the command line to their figures."""

from __future__ import annotations

import json

import pytest

TINY = ["--steps", "4", "--warmup", "1", "--validate-every", "2", "--validation-contexts", "4", "--test-contexts", "8"]


@pytest.mark.filterwarnings("ignore")
def test_a_frontier_is_searched_drawn_and_its_trials_recalled(run, tmp_path):
    folder = tmp_path / "runs"
    code, out, _ = run(
        "frontier", "index-lookup", "--models", "transformer,lstm", "--lengths", "2,3,4", "--widths", "2,4", "--seeds",
        "0", "--alphabet", "2", *TINY, "--target", "0.1", "--output", folder, "--workers", "1", "--json",
    )  # fmt: skip
    said = json.loads(out)
    assert code == 0
    points = said["frontier"]["points"] if "frontier" in said else said["points"]
    assert {(point["length"], point["width"]) for point in points} == {(2, 2), (3, 2), (4, 2)}
    drawn = [file.name for file in (folder / "report").iterdir()]
    assert any(name.startswith("frontier-index-lookup") and name.endswith("width.svg") for name in drawn)
    code, out, _ = run("recall", folder, "--contexts", "8", "--length", "4", "--json")
    assert code == 0 and json.loads(out)
    measured = [wall for each in json.loads(out) for wall in each["wall"]["points"]]
    assert {point["precision"] for point in measured} == set(range(1, 13))
    assert all(point["recalled"] <= 4 for point in measured)  # four tokens over two
    code, _, _ = run("report", folder)
    assert code == 0
