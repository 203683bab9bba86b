"""Python files of the user's own: hashed with the files beside them that they import, and run finding these."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from separatrix.errors import InputError


def files_of(path: str | Path) -> list[Path]:
    """The file, and every file of its folder and below that it imports, directly or not; in order of their paths.

    Imports are read, not run, wherever they stand in the file; those made of strings at run time are not seen.
    """
    first = Path(path)
    found, open_ = {first: None}, [first]
    while open_:
        file = open_.pop()
        for name in _imported(file, os.stat(file).st_mtime_ns, first.parent):
            for each in _places(first.parent, name):
                if each not in found:
                    found[each] = None
                    open_.append(each)
    return [first, *sorted(each for each in found if each != first)]


def digest(path: str | Path) -> str:
    """16 hex digits that change when the file does, or one of those that it imports. Of one file alone: its hash."""
    files = files_of(path)
    hashed = hashlib.sha256(files[0].read_bytes())
    for file in files[1:]:
        name = file.relative_to(files[0].parent).as_posix()
        hashed.update(f"\0{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}".encode())
    return hashed.hexdigest()[:16]


def stamp(path: str | Path) -> int:
    """What changes when one of the files is written, without reading them anew."""
    return sum(os.stat(file).st_mtime_ns for file in files_of(path))


def run(path: str | Path, name: str) -> ModuleType:
    """Execute the file as a module of this name, the files beside it importable. Raises InputError when it fails."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _beside(Path(path)):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} could not be executed: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Inside, the files beside `path` can be imported, and are run anew; afterwards all is as it was before."""
    folder = str(path.parent.resolve())
    before = {name: sys.modules.pop(name) for name in _modules_of(files_of(path)[1:])}
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in _modules_of(files_of(path)[1:]):
            del sys.modules[name]
        sys.modules.update(before)


def _modules_of(files: Sequence[Path]) -> list[str]:
    """The modules that were loaded from these files."""
    places = {os.path.realpath(file) for file in files}
    loaded = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    return [name for name, file in loaded if file and os.path.realpath(file) in places]


@lru_cache(maxsize=256)
def _imported(path: Path, written: int, top: Path) -> tuple[str, ...]:
    """Dotted names, from `top`, of what the file imports; none where it is no Python that can be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    package = path.parent.relative_to(top).parts
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)]
    return tuple(dict.fromkeys(name for name in names if name))


def _places(top: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name runs, as far as they stand under `top`: the packages on its way too."""
    place = top
    for part in name.split("."):
        place /= part
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file
