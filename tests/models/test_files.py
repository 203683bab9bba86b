"""Models on disk come back as they were; anything else is refused in one line."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from separatrix import models, tasks
from separatrix.errors import InputError
from separatrix.models.files import KEY, load, read_header, save

TASK = tasks.create("index-lookup", length=10, alphabet=4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {"layers": 2}),
        ("transformer", {}),
        ("transformer", {"positions": "sinusoidal"}),
        ("mamba", {}),
    ],
)
def test_a_loaded_model_answers_as_the_saved_one(tmp_path, name, options):
    model = models.create(name, TASK, width=8, **options)
    path = save(model, tmp_path / "deep" / "model.safetensors", {"why": [1, "two"]})
    back = load(path)
    batch = TASK.sample(3, torch.Generator().manual_seed(0), queries=5)
    assert back.task == TASK and back.config == model.config and type(back) is type(model)
    assert torch.equal(model(batch.context, batch.queries), back(batch.context, batch.queries))
    assert read_header(path).notes == {"why": [1, "two"]}
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_number_formats_and_nested_tasks_survive(tmp_path):
    features = [{"positions": [0, 1], "table": [0, 0, 0, 1]}]
    task = tasks.create("sparse-threshold", length=4, instance="custom", threshold=1, features=features)
    model = models.create("gru", task, width=4).to(torch.bfloat16)
    back = load(save(model, tmp_path / "m.safetensors"))
    assert back.task == task
    assert {p.dtype for p in back.parameters()} == {torch.bfloat16}


def changed(path, edit):
    """The file with its header edited."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    ours = json.loads(header["__metadata__"][KEY])
    edit(ours)
    header["__metadata__"][KEY] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def test_files_that_are_not_ours_or_were_changed_are_refused(tmp_path):
    path = save(models.create("elman", TASK, width=4), tmp_path / "m.safetensors")
    whole = path.read_bytes()

    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="was changed after it was saved"):
        load(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        load(path)
    path.write_bytes(whole)
    changed(path, lambda ours: ours.update(format=99))
    with pytest.raises(InputError, match="has format 99, this version reads up to 1"):
        load(path)
    path.write_bytes(whole)
    changed(path, lambda ours: ours["model"].update(width=5))
    with pytest.raises(InputError, match="do not fit its configuration"):
        load(path)
    path.write_bytes(whole)
    changed(path, lambda ours: ours["model"].update(layers=10**6))  # nor are so many built before that is seen
    with pytest.raises(InputError, match="has 1,000,000 layers, and it holds 7 tensors"):
        load(path)
    path.write_bytes(whole)
    changed(path, lambda ours: ours["task"].update(name="/tmp/evil.py:task"))
    with pytest.raises(InputError, match="own_code=True"):
        load(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="was not written by separatrix"):
        load(path)
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "nothing.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save(models.create("elman", TASK, width=4), tmp_path / "file" / "m.safetensors")
