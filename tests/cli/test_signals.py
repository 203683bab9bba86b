"""Signals end a command between two imports, or the whole process in the middle of one."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from separatrix.cli import main


class Ended(BaseException):
    """The process would have ended."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(main.os, "_exit", end)


@pytest.mark.parametrize(("kind", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
@pytest.mark.usefixtures("ends")
def test_a_signal_in_the_middle_of_an_import(
    kind: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfway.py").write_text(f"import signal\nsignal.raise_signal(signal.{kind})\n")
    monkeypatch.syspath_prepend(tmp_path)
    with main.interrupted_by_signals() as came, pytest.raises(Ended) as ended:
        import halfway  # noqa: F401
    assert ended.value.args == (code,)
    assert came == []
    sys.modules.pop("halfway", None)


@pytest.mark.parametrize(("kind", "came"), [("SIGTERM", [signal.SIGTERM]), ("SIGINT", [])])
@pytest.mark.usefixtures("ends")
def test_a_signal_between_imports(kind: str, came: list[int]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with main.interrupted_by_signals() as known, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(getattr(signal, kind))
    assert known == came
    assert signal.getsignal(signal.SIGINT) is before
