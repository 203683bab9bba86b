"""requirements.lock has a hash for everything, and pins what constraints.txt pins."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pins(text: str) -> dict[str, str]:
    """Version by name of the lines `name==version`."""
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)}


def test_the_lock_agrees_with_the_constraints_and_has_hashes() -> None:
    text, constraints = (ROOT / "requirements.lock").read_text(), pins((ROOT / "constraints.txt").read_text())
    locked = pins(text)
    assert all(constraints.get(name, version) == version for name, version in locked.items())
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=\w)", text, flags=re.M) if entry)
    lines = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert lines is not None
    needed = {canonicalize_name(Requirement(line).name) for line in re.findall(r'"(.+?)"', lines[1])}
    assert len(needed) > 10 and needed <= set(locked)
