"""Nothing that is read runs code: only files the user names do, or all of them with --trust."""

from __future__ import annotations

import json
import threading

import pytest

from separatrix import InputError, models, tasks, trust
from separatrix.experiments.engines.run_trial import load_trained, run_trial
from separatrix.experiments.search.frontier import Frontier, FrontierPlan
from separatrix.experiments.search.frontier_files import keep
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig, trial_config
from separatrix.models.files import load, save
from separatrix.trust import Untrusted

TASK = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
from separatrix.tasks import task
@task(alphabet=2)
def answer(context, query):
    return context[0]
"""
MIXER = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
from separatrix.models.gru import GRUMixer
class Mixer(GRUMixer):
    pass
"""


@pytest.fixture
def stranger(tmp_path):
    """Two Python files of a stranger's, and the mark that running either leaves."""
    mark = tmp_path / "ran"
    (tmp_path / "theirs.py").write_text(TASK.format(mark=str(mark)))
    (tmp_path / "mixer.py").write_text(MIXER.format(mark=str(mark)))
    return f"{tmp_path}/theirs.py:answer", f"{tmp_path}/mixer.py:Mixer", mark


def tiny(seed: int = 0, steps: int = 10) -> TrialConfig:
    training = {"steps": steps, "warmup": 1, "batch_size": 4, "validation_contexts": 8, "test_contexts": 8}
    return TrialConfig(
        task={"name": "index-lookup", "length": 4, "alphabet": 3},
        model={"name": "elman", "width": 4},
        training=training,
        seed=seed,
    )


def stored(name: str, mixer: str = "elman") -> dict:
    return {"task": {"name": name, "length": 3}, "model": {"name": mixer, "width": 4}, "seed": 0}


def test_a_stored_trial_runs_nothing(stranger):
    name, mixer, mark = stranger
    for config in (stored(name), stored("parity", mixer), stored("parity", f"{mixer}*2+elman")):
        with pytest.raises(Untrusted, match="was not run: name .* on the command line, or add --trust"):
            trial_config(config)
    assert not mark.exists()


def test_what_the_user_names_is_run_and_may_then_be_read(stranger):
    name, _, mark = stranger
    task = tasks.create(name, length=3)
    assert mark.exists()
    assert trial_config(stored(name)).task == task


def test_another_thread_of_the_command_line_is_no_way_round(stranger):
    name, _, mark = stranger
    caught = []

    def create() -> None:
        try:
            tasks.create(name, length=3)
        except Untrusted as error:
            caught.append(error)

    with trust.command_line(["report", "somewhere"]):
        thread = threading.Thread(target=create)
        thread.start()
        thread.join()
    assert caught and not mark.exists()


@pytest.mark.parametrize(
    "argument",
    ["{0}:answer", "lstm,{0}:answer", "task.name={0}:answer", "--task={0}:answer", '["{0}:answer"]', "{0}"],
)
def test_a_file_on_the_command_line_is_named_in_any_form(stranger, argument):
    name, _, mark = stranger
    with trust.command_line([argument.format(name.removesuffix(":answer"))]):
        trial_config(stored(name))
    assert mark.exists()


def test_a_model_file_says_how_to_run_its_code(stranger, tmp_path):
    name, _, mark = stranger
    path = save(models.create("elman", tasks.create(name, length=3), width=4), tmp_path / "m.safetensors")
    mark.unlink()
    trust._named.clear()
    with pytest.raises(InputError, match="own_code=True"):
        load(path)
    assert not mark.exists()
    assert load(path, own_code=True).task.name == name


def frontier(store: Store, name: str) -> None:
    plan = FrontierPlan(task={"name": name}, models=[{"name": "elman"}], lengths=[3], widths=[2])
    keep(store, Frontier(plan=plan, points=[{"model": {"name": "elman"}, "length": 3, "status": "open"}]))


def test_the_commands_run_nothing_that_only_a_store_names(stranger, tmp_path, run):
    name, _, mark = stranger
    store = Store(tmp_path / "theirs")
    result = run_trial(store, tiny(steps=10))
    path = tmp_path / "theirs" / "trials" / result.identity / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"task": {"name": name, "length": 3}}))
    frontier(store, name)
    code, _, err = run("protocol", store.url, result.identity)
    assert code == 2 and "was not run" in err
    assert run("recall", store.url)[0] == 2
    assert run("report", store.url)[0] == 0
    assert not mark.exists()
    page = (tmp_path / "theirs" / "report" / "index.html").read_text()
    assert "Without what is proved and constructed" in page
    assert run("report", store.url, "--trust")[0] == 0
    assert mark.exists()


def test_a_configuration_of_another_trial_is_not_believed(tmp_path):
    store = Store(tmp_path)
    one, other = run_trial(store, tiny(steps=10)), run_trial(store, tiny(steps=10, seed=1))
    path = tmp_path / "trials" / one.identity / "config.json"
    path.write_text((tmp_path / "trials" / other.identity / "config.json").read_text())
    with pytest.raises(InputError, match=f"is that of trial {other.identity}"):
        load_trained(store, one.identity)


@pytest.mark.parametrize("kind", ["sweep", "reproduce"])
def test_a_sweep_and_a_preset_run_nothing_unasked(stranger, tmp_path, run, kind):
    name, _, mark = stranger
    sweep = f'[base]\ntask = {{ name = "{name}", length = 3 }}\nmodel = {{ name = "elman", width = 4 }}\n'
    preset = (
        'about = "theirs"\n[[panels]]\nid = "a"\ntitle = "a"\nfigure = "figure2"\ndraw = "curves"\n'
        "lengths = [3]\nseeds = [0]\n"
        f'task = {{ name = "{name}" }}\nmodels = [{{ name = "elman", width = 4 }}]\n'
    )
    (tmp_path / "their.toml").write_text(sweep if kind == "sweep" else preset)
    command = ["sweep", "their.toml"] if kind == "sweep" else ["reproduce", "--preset", "their.toml"]
    code, _, err = run(*command, "--dry-run")
    assert code == 2 and "was not run" in err and err.count("\n") == 1
    assert not mark.exists()
    assert run(*command, "--dry-run", "--trust")[0] == 0
    assert mark.exists()


def test_configurations_of_trials_are_the_users_own_in_a_program(stranger):
    name, _, mark = stranger
    TrialConfig(**stored(name))
    assert mark.exists()
