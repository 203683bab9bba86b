"""What a script may rely on: the public names, and one tuned model in a few lines."""

from __future__ import annotations

from pathlib import Path

import separatrix as sx
from separatrix import experiments

PUBLIC = {
    "Choice", "Frontier", "FrontierPlan", "LocalEngine", "MemoryWall", "Resources", "Result", "Store", "Sweep",
    "Trained", "TrainingConfig", "TrialConfig", "Tuning", "bits_recalled", "choose_rates", "export", "find_frontier",
    "load_sweep", "load_trained", "memory_wall", "results", "run_trial", "train",
}  # fmt: skip


def test_the_names_a_script_relies_on_stay():
    assert set(experiments.__all__) >= PUBLIC
    assert "train" in sx.__all__


def test_a_tuned_model_from_a_script(tmp_path):
    task = sx.tasks.create("index-lookup", length=3, alphabet=2)
    model = sx.models.create("transformer", task, width=8, layers=1)
    small = {"validate_every": 25, "validation_contexts": 64, "test_contexts": 64, "batch_size": 16, "warmup": 5}
    trained = sx.train(task, model, rates=[1e-6, 1e-2], seeds=(0, 1), folder=tmp_path, steps=100, **small)
    assert trained.choice.rate == 1e-2
    assert [result.config["seed"] for result in trained.results] == [0, 1]
    assert len(trained.accuracies) == 2 and trained.result.ending in ("solved", "plateau", "cut off")
    assert trained.model().task == task
    assert "learning rate" in trained._repr_html_()
    frame = sx.results(tmp_path)
    assert frame.filter(~frame["tuning"])["seed"].sort().to_list() == [0, 1]
    assert not frame["tuning"].any()  # the tuning trials were given up before their ends


def test_the_notebook_of_the_manual_runs(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    block = text.split("## From Python")[1].split("```python")[1].split("```")[0]
    assert len(block.strip().splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/experiments.md", "exec"), {})
    accuracies, endings, wall, table = capsys.readouterr().out.split("\n", 3)
    assert accuracies.startswith("[") and wall.startswith("[(") and "ending" in table
    assert "solved" in endings or "cut off" in endings or "plateau" in endings
