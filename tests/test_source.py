"""Files of one's own that import the files beside them: found, hashed with them, and never mixed up."""

from __future__ import annotations

import hashlib
import sys

import pytest
import torch

import separatrix as sx
from separatrix import InputError, source
from separatrix.tasks import stream

TASK = """
from separatrix.tasks import stream_task
from helper import shifted

@stream_task(vocabulary=5)
def mine(tokens):
    return shifted(tokens)
"""
HELPER = "from deeper.steps import STEP\n\ndef shifted(tokens):\n    return [(t + STEP) % 5 for t in tokens]\n"


@pytest.fixture
def folder(tmp_path):
    def write(name: str, step: int):
        where = tmp_path / name
        (where / "deeper").mkdir(parents=True)
        (where / "mine.py").write_text(TASK)
        (where / "helper.py").write_text(HELPER)
        (where / "deeper" / "__init__.py").write_text("")
        (where / "deeper" / "steps.py").write_text(f"STEP = {step}\n")
        (where / "apart.py").write_text("1 / 0")
        return where

    return write


def shift(where) -> int:
    task = sx.tasks.create(f"{where}/mine.py:mine", length=3)
    drawn = task.sample(4, stream(0, "train"))
    return int((drawn.labels - drawn.inputs)[0, 0]) % 5


def test_a_file_finds_those_beside_it_and_no_others_of_their_names(folder):
    one, other = folder("one", 1), folder("other", 2)
    assert (shift(one), shift(other), shift(one)) == (1, 2, 1)
    assert not {"helper", "deeper", "deeper.steps"} & set(sys.modules)
    assert str(one) not in sys.path


def test_all_files_that_are_imported_belong_to_the_identity(folder):
    where = folder("one", 1)
    assert [file.name for file in source.files_of(where / "mine.py")] == [
        "mine.py",
        "__init__.py",
        "steps.py",
        "helper.py",
    ]
    before, first = source.digest(where / "mine.py"), sx.tasks.create(f"{where}/mine.py:mine", length=3)
    (where / "apart.py").write_text("2 / 0")  # imported by none
    assert source.digest(where / "mine.py") == before
    (where / "deeper" / "steps.py").write_text("STEP = 3\n")
    assert source.digest(where / "mine.py") != before
    assert sx.tasks.create(f"{where}/mine.py:mine", length=3).content_hash() != first.content_hash()
    assert shift(where) == 3


def test_a_file_alone_has_the_hash_it_always_had(tmp_path):
    (tmp_path / "alone.py").write_text("import torch\n")
    assert source.digest(tmp_path / "alone.py") == hashlib.sha256(b"import torch\n").hexdigest()[:16]


def test_imports_inside_functions_and_of_packages_count(tmp_path):
    (tmp_path / "late.py").write_text("def f():\n    from kit import one\n    import kit.two\n")
    (tmp_path / "kit").mkdir()
    for name, text in (("__init__", "from . import three"), ("one", ""), ("two", ""), ("three", ""), ("four", "")):
        (tmp_path / "kit" / f"{name}.py").write_text(text)
    assert {file.stem for file in source.files_of(tmp_path / "late.py")} == {"late", "__init__", "one", "two", "three"}


def test_a_module_that_was_loaded_before_stays_loaded(folder, monkeypatch):
    where = folder("one", 1)
    monkeypatch.syspath_prepend(str(where))
    import helper

    (where / "helper.py").write_text(HELPER.replace("+ STEP", "+ 2 * STEP"))
    try:
        assert shift(where) == 2
        assert sys.modules["helper"] is helper
    finally:
        for name in ("helper", "deeper", "deeper.steps"):
            sys.modules.pop(name, None)


def test_what_fails_in_a_neighbour_is_one_line(folder):
    where = folder("one", 1)
    (where / "helper.py").write_text("import apart")
    with pytest.raises(InputError, match=r"mine.py could not be executed: ZeroDivisionError") as caught:
        sx.tasks.create(f"{where}/mine.py:mine", length=3)
    assert "\n" not in str(caught.value)
    assert "apart" not in sys.modules


MODULE = """
from torch import nn
from sizes import SCALE

class Scaled(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return SCALE * self.linear(x.cumsum(1))
"""


def test_architectures_import_their_neighbours_too(tmp_path):
    (tmp_path / "own.py").write_text(MODULE)
    (tmp_path / "sizes.py").write_text("SCALE = 1.0\n")
    task = sx.tasks.create("state-tracking", length=4)
    codes = []
    for scale in (1.0, 0.0):
        (tmp_path / "sizes.py").write_text(f"SCALE = {scale}\n")
        model = sx.models.create(f"{tmp_path}/own.py:Scaled", task, width=4)
        codes.append(model.config.code)
        moved = model.blocks[0].mixer.scan(torch.ones(1, 2, 4))[0]
        assert bool(moved.any()) is (scale > 0)
    assert codes[0] != codes[1]
