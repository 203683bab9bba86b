from __future__ import annotations

import json
import os
import subprocess
import sys

import polars as pl
import pytest

import separatrix as sx
from separatrix import InputError
from separatrix.config import canonical_json, short_hash
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Busy, Store
from separatrix.experiments.store.table import export, frame
from separatrix.experiments.trial.result import Result
from separatrix.notices import Notice


def result(seed: int = 0) -> Result:
    config = {"task": {"name": "parity", "length": 4}, "model": {"name": "lstm", "width": 4, "layers": 1}, "seed": seed}
    return Result(identity=short_hash(canonical_json(config)), config=config, status="finished")


ONE, OTHER = result().identity, result(1).identity


def test_results_are_a_frame_with_one_row_a_trial(tiny, tmp_path):
    store = Store(tmp_path)
    run_trial(store, tiny(steps=10))
    run_trial(store, tiny(steps=10, seed=1))
    frame = sx.results(tmp_path)
    assert frame.height == 2
    assert set(frame["seed"]) == {0, 1}
    assert set(frame["state_numbers"]) == {16}
    assert set(frame["recurrent_bits"]) == {12.0}


def test_a_store_in_memory(tiny):
    store = Store("memory://somewhere/runs")
    run_trial(store, tiny(steps=10))
    assert sx.results("memory://somewhere/runs").height == 1


def test_a_store_of_another_format_is_refused_untouched(tmp_path):
    marker = tmp_path / "store.json"
    marker.write_text(json.dumps({"format": 99, "separatrix": "9.9.9"}))
    with pytest.raises(InputError, match=r"written by separatrix 9.9.9 \(store format 99\).*choose another folder"):
        Store(tmp_path)
    assert json.loads(marker.read_text())["format"] == 99


def test_no_store_there(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        sx.results(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file: expected a folder"):
        Store(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_unwritable_place():
    with pytest.raises(InputError, match="cannot use /proc/runs as an output folder"):
        Store("/proc/runs")


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write("note.json", b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match=r"cannot write .*note.json: No space left on device\."):
        store.write("note.json", b"new")
    assert store.read("note.json") == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.json", "store.json"]


@pytest.mark.parametrize("url", ["nosuch://place", "gs://needs/a/package"])
def test_a_url_that_cannot_be_used(url):
    with pytest.raises(InputError, match=f"cannot use {url} as an output folder"):
        Store(url)


def test_forgetting_a_trial_that_another_process_runs_is_refused(tiny, tmp_path):
    store, identity = Store(tmp_path), tiny().identity()
    run_trial(store, tiny(steps=10))
    with Store(tmp_path).claim(tiny()), pytest.raises(InputError, match="is being run by another process"):
        store.forget(identity)
    store.forget(identity)
    assert store.read(f"trials/{identity}/config.json") is None
    store.forget("0" * 16)


@pytest.mark.parametrize("place", ["{tmp_path}", "memory://records"])
def test_results_come_back_as_they_were_written_with_their_fingerprint(tiny, tmp_path, place):
    store = Store(place.format(tmp_path=tmp_path))
    one, other = run_trial(store, tiny(steps=10)), run_trial(store, tiny(steps=10, seed=1))
    assert store.results() == sorted([one, other], key=lambda result: result.identity)
    assert {record["fingerprint"] for record in store.records()} == {one.fingerprint, other.fingerprint}
    assert sx.results(store.url).equals(frame(store.results()))


def test_results_of_a_version_that_wrote_no_fingerprint(tmp_path):
    store = Store(tmp_path)
    store.write(f"trials/{ONE}/result.json", result().model_dump_json().encode())
    assert store.results() == [result()]
    assert sx.results(tmp_path)["fingerprint"].to_list() == [result().fingerprint]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_export(tiny, tmp_path, ending):
    run_trial(Store(tmp_path / "runs"), tiny(steps=10))
    assert export(tmp_path / "runs", tmp_path / f"out{ending}") == 1
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet}[ending](tmp_path / f"out{ending}")
    assert read["accuracy"].to_list() == sx.results(tmp_path / "runs")["accuracy"].to_list()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"out{ending}"]


def test_export_to_what_cannot_be_written(tmp_path):
    Store(tmp_path / "runs")
    with pytest.raises(InputError, match=r"expected an output ending in .csv or .parquet, got 'out.xlsx'"):
        export(tmp_path / "runs", tmp_path / "out.xlsx")
    with pytest.raises(InputError, match="cannot write .*out.csv: No such file or directory"):
        export(tmp_path / "runs", tmp_path / "nowhere" / "out.csv")


def test_reading_results_needs_no_torch(tmp_path):
    Store(tmp_path)
    code = f"import separatrix, sys; separatrix.results({str(tmp_path)!r}); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_half_written_trials_are_not_results(tmp_path):
    store = Store(tmp_path)
    store.write(f"trials/{ONE}/config.json", b"{}")
    store.write_result(result(1))
    assert [found.identity for found in store.results()] == [OTHER]


def test_a_damaged_result_is_named(tmp_path):
    store = Store(tmp_path)
    store.write_result(result(1))
    store.write(f"trials/{ONE}/result.json", b'{"half":')
    with pytest.warns(Notice, match=rf"trials/{ONE}/result.json is damaged \(not JSON\): left out"):
        assert store.results() == [result(1)]
    assert store.results() == [result(1)]  # said once


def test_a_damaged_history_is_named(tmp_path):
    store = Store(tmp_path)
    store.write(f"trials/{ONE}/history.parquet", b"half")
    with pytest.warns(Notice, match=rf"trials/{ONE}/history.parquet is damaged \(not Parquet\): delete it"):
        assert store.history(ONE) is None


def test_a_damaged_marker_is_named(tmp_path):
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(
        InputError, match=r"store.json is damaged \(not JSON\): write \{\"format\": 1\} into it to go on"
    ):
        Store(tmp_path)


def test_progress_that_a_power_cut_took_is_none(tmp_path):
    store = Store(tmp_path)
    store.write(f"trials/{ONE}/progress.json", b"")
    assert store.progress(ONE) is None


def test_one_process_at_a_time_has_a_trial(tiny, tmp_path):
    one, other = Store(tmp_path), Store(tmp_path)
    with one.claim(tiny()), pytest.raises(Busy), other.claim(tiny()):
        pass
    with other.claim(tiny()):
        pass
