"""Whatever is done to a file of a store: it is named, the rest stays readable, and a rerun gives the same bits."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import struct
import warnings
from pathlib import Path

import pytest
from safetensors.torch import load, save

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.engines.run_trial import load_trained, run_trial
from separatrix.experiments.search.frontier_files import kept
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.checkpoint import read_progress
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.seal import Damaged
from separatrix.notices import Notice
from separatrix.report import write_report

OLD = Path(__file__).parents[2] / "data" / "store-0.1"
SAID = json.loads((OLD.parent / "store-0.1.json").read_text())


def flip(data: bytes, bit: int) -> bytes:
    data = data or b"\0"
    bit %= 8 * len(data)
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


DAMAGES = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "null": lambda data: b"null",
    "list": lambda data: b"[]",
    "binary": lambda data: b"\xff\xfe\x00" * 9,
    "nested": lambda data: b"[" * 100_000,
    "digits": lambda data: b'{"step": ' + b"9" * 5000 + b"}",
    "more": lambda data: data + b"\0",
    "first bit": lambda data: flip(data, 0),
    "middle bit": lambda data: flip(data, 4 * len(data)),
    "last bit": lambda data: flip(data, 8 * len(data) - 1),
}
FILES = ["config.json", "checkpoint.safetensors", "progress.json", "history.parquet", "result.json"]
BESIDE = ["recall.json", "lock"]


def paused(store: Store, config: TrialConfig) -> Path:
    run_trial(store, config, until=20)
    return Path(store.root, "trials", config.identity())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A trial run to its end without interruption, and another beside it."""
    settings = {"steps": 30, "warmup": 3, "validate_every": 10, "validation_contexts": 16, "test_contexts": 32}
    config = TrialConfig(
        task={"name": "index-lookup", "length": 6, "alphabet": 4},
        model={"name": "lstm", "width": 4},
        training={**settings, "batch_size": 8},
    )
    store = Store(tmp_path_factory.mktemp("whole"))
    return config, run_trial(store, config), run_trial(store, config.replace(seed=1)), store


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES + BESIDE)
def test_every_file_and_every_damage_of_a_finished_trial(whole, tmp_path, name, damage):
    config, result, other, store = whole
    shutil.copytree(store.root, tmp_path / "run")
    path = tmp_path / "run" / "trials" / config.identity() / name
    path.write_bytes(DAMAGES[damage](path.read_bytes() if path.exists() else b""))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert other.fingerprint in sx.results(tmp_path / "run")["fingerprint"].to_list()
        Store(tmp_path / "run").history(config.identity())
        again = run_trial(Store(tmp_path / "run"), config)
        assert (again.fingerprint, again.test) == (result.fingerprint, result.test)
    if name in ("result.json", "history.parquet"):
        assert any(name in str(each.message) for each in said)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file(whole, tmp_path, name):
    config, result, other, store = whole
    shutil.copytree(store.root, tmp_path / "run")
    path = tmp_path / "run" / "trials" / config.identity() / name
    path.unlink()
    (path / "inside").mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        assert other in Store(tmp_path / "run").results()
        assert run_trial(Store(tmp_path / "run"), config).fingerprint == result.fingerprint


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "digits"])
def test_a_damaged_checkpoint_is_set_aside_and_the_trial_computed_again(whole, tmp_path, damage):
    config, result, _, _ = whole
    store = Store(tmp_path)
    path = paused(store, config) / "checkpoint.safetensors"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(Notice, match=r"checkpoint.safetensors is damaged \(.*\): kept as .*damaged/checkpoint"):
        assert run_trial(store, config).fingerprint == result.fingerprint
    assert (path.parent / "damaged" / "checkpoint.safetensors.1").is_file()
    assert store.results() == [run_trial(store, config)]


def test_every_bit_of_a_checkpoint_counts(whole, tmp_path):
    config = whole[0]
    data = (paused(Store(tmp_path), config) / "checkpoint.safetensors").read_bytes()
    assert read_progress(data, config.identity()).step == 20
    for bit in range(0, 8 * len(data), 61):
        with pytest.raises(Damaged):
            read_progress(flip(data, bit), config.identity())


def rewritten(data: bytes, change) -> bytes:
    """A checkpoint whose progress was edited, its hash left as it was."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    progress = json.loads(header["__metadata__"]["progress"])
    change(progress)
    header["__metadata__"]["progress"] = json.dumps(progress)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def test_another_seeds_checkpoint_and_edited_ones_are_noticed(whole, tmp_path):
    config, result, _, _ = whole
    store, other = Store(tmp_path / "a"), config.replace(seed=1)
    mine, theirs = paused(store, config) / "checkpoint.safetensors", paused(store, other) / "checkpoint.safetensors"
    data = mine.read_bytes()
    tensors = {name: tensor for name, tensor in load(data).items() if not name.startswith("optimizer")}
    cases = [
        theirs.read_bytes(),
        rewritten(data, lambda progress: progress.update(step=25)),
        rewritten(data, lambda progress: progress.update(stopped="solved")),
        save(tensors, metadata={"progress": json.dumps(read_progress(data).__dict__)}),
    ]
    for case in cases:
        mine.write_bytes(case)
        with pytest.warns(Notice, match="is damaged"):
            assert run_trial(store, config).fingerprint == result.fingerprint
        store.forget(config.identity())
        paused(store, config)


def test_edited_copied_and_escaping_results_are_noticed(whole, tmp_path):
    config, _, other, store = whole
    shutil.copytree(store.root, tmp_path / "run")
    trials = tmp_path / "run" / "trials"
    path = trials / config.identity() / "result.json"
    text = path.read_text()
    record = json.loads(text)
    record["test"]["accuracy"] += 1e-6
    for case in (
        json.dumps(record),
        json.dumps({**record, "sha256": None}),
        json.dumps({**json.loads(text), "seconds": -1.0}),
        json.dumps({**json.loads(text), "identity": "../../escaped"}),
        (trials / other.identity / "result.json").read_text(),
    ):
        path.write_text(case)
        with pytest.warns(Notice, match=rf"{config.identity()}/result.json is damaged"):
            assert Store(tmp_path / "run").results() == [other]
    path.write_text(text)
    shutil.copytree(trials / config.identity(), trials / ("0" * 16))
    with pytest.warns(Notice, match=f"{'0' * 16}/result.json is damaged .it belongs to trial"):
        assert len(Store(tmp_path / "run").results()) == 2


@pytest.mark.parametrize("identity", ["../../x", "", "a/b", "0" * 15, "0" * 15 + "/", "..", "\0" * 16, "G" * 16])
def test_what_is_no_identity_is_no_path(tmp_path, identity):
    store = Store(tmp_path)
    for ask in (store.result, store.checkpoint, store.history, store.progress, store.forget):
        with pytest.raises(InputError, match="expected a trial's identity"):
            ask(identity)


def test_a_link_out_of_the_store_is_not_followed(tmp_path):
    store = Store(tmp_path / "run")
    (tmp_path / "out").mkdir()
    (tmp_path / "run" / "trials").mkdir()
    (tmp_path / "run" / "trials" / ("0" * 16)).symlink_to(tmp_path / "out")
    with pytest.raises(InputError, match="leads out of the store"):
        store.write(f"trials/{'0' * 16}/recall.json", b"{}")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("damage", ["null", "binary", "nested"])
def test_odd_files_hide_nothing(whole, tmp_path, damage):
    result, store = whole[1], whole[3]
    shutil.copytree(store.root, tmp_path / "run")
    (tmp_path / "run" / "frontiers").mkdir()
    for place in ("frontiers/0.json", "theorems.json", "preset.json", "trials/odd", "trials/0.json"):
        (tmp_path / "run" / place).write_bytes(DAMAGES[damage](b""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        assert result in Store(tmp_path / "run").results()
        page = Path(write_report(Store(tmp_path / "run"))).read_text()
    packed = re.findall(r'id="data-[a-z]+">([^<]*)<', page)
    assert any(result.identity in gzip.decompress(base64.b64decode(block)).decode() for block in packed)
    assert "frontiers/0.json is damaged" in page
    assert "theorems.json is damaged" in page


def test_a_store_of_version_0_1_is_read_gone_on_with_and_reported(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    store = Store(tmp_path / "old")
    finished, halfway, failed = SAID["identities"]
    assert store.result(finished).fingerprint == SAID["finished"]
    assert store.result(failed).status == "failed"
    assert store.history(finished).height == 4
    assert load_trained(store, finished).config.width == 4
    assert len(kept(store)) == 1
    config = TrialConfig(**json.loads((tmp_path / "old" / "trials" / halfway / "config.json").read_text()))
    assert read_progress(store.checkpoint(halfway)).step == 10
    shutil.copytree(tmp_path / "old", tmp_path / "again")
    gone_on = run_trial(store, config)
    assert gone_on.steps == 20
    # not compared with a run from step 0: the kernels that took the first ten steps may have rounded otherwise
    assert run_trial(Store(tmp_path / "again"), config).fingerprint == gone_on.fingerprint
    assert write_report(store)


def test_an_edited_result_of_version_0_1_is_noticed(tmp_path):
    shutil.copytree(OLD, tmp_path / "old")
    path = tmp_path / "old" / "trials" / SAID["identities"][0] / "result.json"
    record = json.loads(path.read_text())
    record["test"]["accuracy"] = 1.0
    path.write_text(json.dumps(record))
    with pytest.warns(Notice, match="does not have the recorded fingerprint"):
        assert Store(tmp_path / "old").result(SAID["identities"][0]) is None
