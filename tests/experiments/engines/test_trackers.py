from __future__ import annotations

import sys
from types import ModuleType

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from separatrix import InputError
from separatrix.experiments.engines import trackers as track
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_stored_curves(tiny, tmp_path):
    store = Store(tmp_path)
    result = run_trial(store, tiny())
    track.Live(track.create("tensorboard", store), store).ended(tiny(), result)
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == f"lstm-(1, 8) index-lookup N=6 seed 0 {result.identity}"
    events = EventAccumulator(str(folder)).Reload()
    history = store.history(result.identity)
    assert [event.step for event in events.Scalars("accuracy")] == history["step"].to_list()
    assert [event.value for event in events.Scalars("loss_bits")] == pytest.approx(history["loss_bits"].to_list())
    assert events.Scalars("test/accuracy")[0].value == pytest.approx(result.test.accuracy)


class Run:
    """What Weights & Biases would be told."""

    def __init__(self, settings) -> None:
        self.settings, self.rows, self.summary, self.exit_code = settings, [], {}, None

    def log(self, row, step) -> None:
        self.rows.append((step, row))

    def finish(self, exit_code) -> None:
        self.exit_code = exit_code


@pytest.fixture
def runs(monkeypatch) -> list[Run]:
    """Weights & Biases, at its boundary."""
    begun: list[Run] = []
    module = ModuleType("wandb")
    module.init = lambda **settings: begun.append(Run(settings)) or begun[-1]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return begun


def test_weights_and_biases_is_told_of_curves_results_and_failures(tiny, tmp_path, runs):
    store = Store(tmp_path)
    live = track.Live(track.create("wandb", store), store)
    fails = tiny(learning_rate=1.0, weight_decay=1e30)
    for trial in (tiny(), fails):
        live.ended(trial, run_trial(store, trial))
    fine, failed = runs
    assert fine.settings["project"] == "separatrix"
    assert fine.settings["id"] == tiny().identity()
    assert fine.settings["config"]["model"]["width"] == 8
    assert [step for step, _ in fine.rows] == [10, 20, 30, 40, 50, 60]
    assert fine.rows[-1][1]["accuracy"] == store.history(tiny().identity())["accuracy"][-1]
    assert fine.summary["test"]["accuracy"] == store.result(tiny().identity()).test.accuracy
    assert (fine.exit_code, failed.exit_code) == (0, 1)
    assert "not finite" in failed.summary["error"]


def test_curves_are_told_while_a_trial_trains_and_no_row_twice(tiny, tmp_path, runs):
    store = Store(tmp_path)
    live = track.Live(track.create("wandb", store), store)
    seen = []

    def look() -> None:
        live.look([tiny()])
        seen.append([step for step, _ in runs[0].rows])

    result = run_trial(store, tiny(), watch=look)
    assert seen[0] == [10] and seen[1] == [10, 20]
    live.ended(tiny(), result)
    assert [step for step, _ in runs[0].rows] == [10, 20, 30, 40, 50, 60]
    assert set(runs[0].rows[0][1]) == {"train_loss_bits", "accuracy", "loss_bits", "learning_rate"}
    assert len(runs) == 1 and runs[0].exit_code == 0


def test_who_looks_seldom_misses_no_recent_row(tiny, tmp_path, runs):
    store, looks = Store(tmp_path), []
    live = track.Live(track.create("wandb", store), store)
    run_trial(store, tiny(), watch=lambda: looks.append(1) or (live.look([tiny()]) if len(looks) == 4 else None))
    assert [step for step, _ in runs[0].rows] == [10, 20, 30, 40]


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_what_is_not_installed_is_one_clear_line(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"tracking needs .*: pip install 'separatrix\[{name}\]'"):
        track.create(name, Store(tmp_path))


def test_unknown_and_impossible_trackers(tmp_path):
    with pytest.raises(InputError, match="unknown tracker 'tensorbord': did you mean 'tensorboard'"):
        track.create("tensorbord", Store(tmp_path))
    with pytest.raises(InputError, match="TensorBoard writes to local folders, and memory://t is none"):
        track.create("tensorboard", Store("memory://t"))
