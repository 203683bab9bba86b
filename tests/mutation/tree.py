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


def copy_tree(tree: Path = TREE) -> None:
    """The tree as it stands, with the kernels beside it."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    kernels = find_spec("separatrix._native")
    if kernels and kernels.origin:
        shutil.copy(kernels.origin, tree / "src" / "separatrix")
    (tree / "site").mkdir()
    (tree / "site" / "sitecustomize.py").write_text(OWN)


def environment(tree: Path = TREE) -> dict[str, str]:
    """Where tests of the copy find it."""
    path = os.pathsep.join([str(tree / "site"), str(tree / "src"), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path.rstrip(os.pathsep), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
