"""Choosing the kernels, saying which run, and refusing what does not fit."""

from __future__ import annotations

import logging
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from separatrix import InputError, ops


def test_status_names_what_runs() -> None:
    assert ops.backend() == f"native kernels ({ops.status().instruction_set})"
    with ops.use("reference"):
        assert not ops.status().native
        assert ops.backend() == "reference kernels: chosen by ops.use"
    for isa in ops.status().available:
        with ops.use(isa):
            assert ops.status().record()["instruction_set"] == isa
    with pytest.raises(InputError, match="unknown kernels 'sse9'"), ops.use("sse9"):
        pass


@pytest.mark.parametrize(("value", "expected"), [("off", "False none"), ("baseline", "True baseline")])
def test_environment_chooses(value: str, expected: str) -> None:
    code = "from separatrix import ops; s = ops.status(); print(s.native, s.instruction_set)"
    environment = {**os.environ, "SEPARATRIX_NATIVE": value}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == expected


def test_without_native_says_so_once() -> None:
    code = """
import logging; logging.basicConfig()
import torch
from separatrix import ops
for _ in range(2):
    ops.linear_recurrence(torch.ones(2), torch.ones(1, 3, 2))
"""
    environment = {**os.environ, "SEPARATRIX_NATIVE": "off"}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stderr.count("references run in place of the native kernels") == 1


def test_halves_are_computed_in_float32(caplog: pytest.LogCaptureFixture) -> None:
    ops.native.warn_once.cache_clear()
    a, x = torch.full((1,), 1 - 2**-8).bfloat16(), torch.ones(1, 400, 1).bfloat16()
    with caplog.at_level(logging.WARNING, "separatrix"):
        y = ops.linear_recurrence(a, x)
    exact = ops.linear_recurrence(a.double(), x.double())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), exact, rtol=2**-8, atol=0)  # one rounding, not four hundred
    assert not caplog.text


def test_what_was_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "the compiler has no vector extensions"
    for built_with, lack, said in [
        ("MSVC 19.4", missing, f"not built: {missing} (compiler: MSVC 19.4)"),
        ("GNU 12.2.0", "", "built with GNU 12.2.0 cannot be loaded (no such module)"),
    ]:
        monkeypatch.setitem(sys.modules, "separatrix._build", SimpleNamespace(compiler=built_with, missing=lack))
        assert said in ops.native._why_not_built(ImportError("no such module"))
    monkeypatch.setitem(sys.modules, "separatrix._build", None)  # as if it were not there
    assert "pip install -v" in ops.native._why_not_built(ImportError("no such module"))


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
def test_installs_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, build, target = Path(__file__).parents[2], tmp_path / "build", tmp_path / "package"
    environment = {**os.environ, "CXX": "/bin/false"}
    for command in (["-S", str(root), "-B", str(build)], ["--build", str(build)], ["--install", str(build)]):
        settings = [f"-DCMAKE_INSTALL_PREFIX={target}"] if command[0] == "-S" else []
        subprocess.run(["cmake", *command, *settings], env=environment, capture_output=True, check=True)
    assert [path.name for path in target.rglob("*.*")] == ["_build.py"]
    record = runpy.run_path(str(target / "separatrix" / "_build.py"))
    monkeypatch.setitem(sys.modules, "separatrix._build", SimpleNamespace(**record))
    assert "not built: no C++ compiler was found" in ops.native._why_not_built(ImportError("no such module"))


x, w = torch.ones(2, 3, 4), torch.ones(4, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.selective_scan(x, x, w[:, :0], x[..., :0], x[..., :0]), "state size of at least 1"),
        (lambda: ops.selective_scan(x, x, w, x[..., :2], x[..., :3]), r"c must have shape \(2, 3, 2\)"),
        (lambda: ops.selective_scan(x, x.double(), w, x[..., :2], x[..., :2]), "delta must be torch.float32"),
        (lambda: ops.selective_scan(x[0], x, w, x, x), r"u must be \(B, N, D\)"),
        (lambda: ops.linear_recurrence(torch.ones(3), x), r"a must have shape \(4,\)"),
        (lambda: ops.linear_recurrence(torch.ones(4, dtype=torch.complex64), x), "a must be torch.float32"),
        (lambda: ops.diagonal_scan(x, w, w), "rate must be torch.complex64"),
        (lambda: ops.causal_convolution(x, w[:, :0]), "K >= 1"),
        (lambda: ops.cell_scan("lstm", x, w[:, :1] * w.mT[:1], w[:, :1], w[:, 0], x[:, 0, :1]), "only an LSTM"),
        (lambda: ops.cell_scan("gru", x, w, w[:, :1], w[:, 0], x[:, 0, :1]), r"weight_in must have shape \(3, 4\)"),
    ],
)
def test_bad_input_is_one_line(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        call()  # type: ignore[operator]
    assert "\n" not in str(error.value)
