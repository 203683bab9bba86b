"""Files written whole or not at all."""

import os

import pytest

from separatrix import models, tasks
from separatrix.atomic import replacing, write_whole
from separatrix.errors import InputError
from separatrix.models.files import save


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "table.csv"
    write_whole(path, b"old")
    with pytest.raises(KeyError), replacing(path) as partial:
        partial.write_bytes(b"ne")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table.csv"]
    with replacing(path) as partial:
        partial.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_folders_are_made_only_when_asked(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot write .*nowhere/a: No such file or directory"),
        replacing(tmp_path / "nowhere" / "a") as partial,
    ):
        partial.write_bytes(b"")
    assert write_whole(tmp_path / "made" / "a", b"1").read_bytes() == b"1"


def test_files_are_as_readable_as_any_other(tmp_path):
    """Not the owner's alone, as temporary files are: results are read by others on a cluster."""
    (tmp_path / "usual").touch()
    task = tasks.create("index-lookup", length=3, alphabet=2)
    written = save(models.create("elman", task, width=4), tmp_path / "model.safetensors")
    assert mode(written) == mode(tmp_path / "usual") == mode(write_whole(tmp_path / "page.html", b""))
