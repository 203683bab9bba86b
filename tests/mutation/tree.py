"""A copy of the tree, to be broken in place of the tree itself."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
TREE = BUILD / "tree"

FINDER = "ScikitBuildRedirectingFinder"
OWN = f"""import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "{FINDER}"]
"""
"""What lets the copy be imported in place of the editable installation."""


def copy_tree() -> None:
    """The tree as it stands, with the kernels beside it."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, TREE / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, TREE / name)
    kernels = find_spec("separatrix._native")
    if kernels and kernels.origin:
        shutil.copy(kernels.origin, TREE / "src" / "separatrix")
    (TREE / "site").mkdir()
    (TREE / "site" / "sitecustomize.py").write_text(OWN)


def environment() -> dict[str, str]:
    """Where tests of the copy find it."""
    path = os.pathsep.join([str(TREE / "site"), str(TREE / "src"), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path.rstrip(os.pathsep), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
