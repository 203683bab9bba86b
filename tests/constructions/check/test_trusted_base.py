"""Certificates are checked by code that never calls what makes weights, nor imports it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import separatrix
from separatrix import constructions

ROOT = Path(separatrix.__file__).parent
CHECK = ROOT / "constructions" / "check"
ALLOWED = ("separatrix.constructions.certificate", "separatrix.constructions.check")


def imported(path: Path) -> set[str]:
    """Every module a file names, also inside functions; names imported from packages as modules, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(CHECK.rglob("*.py")), ids=lambda path: str(path.relative_to(CHECK)))
def test_nothing_under_check_imports_what_builds_weights(path):
    ours = {name for name in imported(path) if name.startswith("separatrix.constructions")}
    assert all(name.startswith(ALLOWED) for name in ours), ours
    above = ("separatrix.experiments", "separatrix.report", "separatrix.cli", "separatrix.bounds")
    assert not any(name.startswith(above) for name in imported(path))


def test_the_kernel_knows_no_argument_and_is_small():
    kernel = list((CHECK / "kernel").glob("*.py"))
    for path in kernel:
        assert not any(name.startswith("separatrix.constructions.check.arguments") for name in imported(path))
    assert sum(map(code_lines, kernel)) <= 520


def code_lines(path: Path) -> int:
    """Lines of a file that are neither empty nor text."""
    source = path.read_text(encoding="utf-8")
    texts = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    text = {number for node in texts for number in range(node.lineno, (node.end_lineno or 0) + 1)}
    lines = enumerate(source.splitlines(), 1)
    return sum(
        bool(line.strip()) and number not in text and not line.lstrip().startswith("#") for number, line in lines
    )


def test_checking_a_file_loads_no_maker(tmp_path):
    path = constructions.create("equality-fingerprint", length=8).save(tmp_path / "weights.safetensors")
    script = (
        "import sys; from separatrix.constructions.check import check_file; check_file(sys.argv[1]); "
        "rooms = tuple('separatrix.constructions.' + room for room in 'attention recurrent codes rounding'.split()); "
        "print([name for name in sys.modules if name.startswith(rooms)])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
