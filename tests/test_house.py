"""The house: imports point down the layout and never in a circle, files are short, and a name means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FLOORS = ("tasks", "numerics", "bounds", "ops", "models", "constructions", "experiments", "report", "cli")
LONGEST, TYPICAL = 300, 120
"""Lines of a file: at most, and in the middle."""


@dataclass(frozen=True)
class Module:
    name: str
    path: Path

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())


@cache
def modules() -> dict[str, Module]:
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def mentioned(node: ast.AST, package: str) -> list[str]:
    """What one node of a module's tree imports, at the top or inside a function, as dotted names."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            return [f"{base}.{alias.name}" for alias in names]
        case ast.Call(func=ast.Name(id="import_module" | "_import_module" | "__import__"), args=[named, *_]):
            return dynamic(named, package)
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[named, *_]):
            return dynamic(named, package)
        case _:
            return []


def dynamic(named: ast.expr, package: str) -> list[str]:
    """The name given to import_module, as far as it is written out: f"separatrix.tasks.{name}" is separatrix.tasks.*"""
    parts = named.values if isinstance(named, ast.JoinedStr) else [named]
    texts = [part.value if isinstance(part, ast.Constant) else "*" for part in parts]
    text = "".join(map(str, texts)).partition("*")[0] + "*" * ("*" in texts)
    return [package + text if text.startswith(".") else text] if text != "*" else []


def resolve(name: str, known: dict[str, Module]) -> str | None:
    """The module that holds a dotted name: the longest beginning that is one."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


@cache
def imports(computed: bool = False) -> dict[str, set[str]]:
    """Module -> modules of this package that it imports anywhere in its tree.

    computed: those too whose names are put together; a registry reaches any module of its package in this way
    """
    known = modules()
    found: dict[str, set[str]] = {}
    for module in known.values():
        names = [name for node in ast.walk(module.tree) for name in mentioned(node, module.package)]
        named = [name for name in names if computed or not name.endswith("*")]
        found[module.name] = {home for name in named if (home := resolve(name, known))}
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Each circle met on the way along the arrows, as the names on it."""
    found, done, path = [], set(), []

    def visit(name: str) -> None:
        path.append(name)
        for following in sorted(graph.get(name, ())):
            if following in path:
                found.append([*path[path.index(following) :], following])
            elif following not in done:
                visit(following)
        done.add(path.pop())

    for name in sorted(graph):
        if name not in done:
            visit(name)
    return found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("import separatrix.cli", ["separatrix.cli"]),
        ("from separatrix import cli", ["separatrix.cli"]),
        ("def f():\n    from separatrix.report.html import labels", ["separatrix.report.html.labels"]),
        ("from . import sweep", ["separatrix.experiments.search.sweep"]),
        ("from ..store.folder import Store", ["separatrix.experiments.store.folder.Store"]),
        ("from ... import cli", ["separatrix.cli"]),
        ("importlib.import_module('separatrix.cli')", ["separatrix.cli"]),
        ("import_module('.sweep', __package__)", ["separatrix.experiments.search.sweep"]),
        ("import_module(f'separatrix.tasks.{name}')", ["separatrix.tasks.*"]),
        ("import_module(name)", []),
    ],
)
def test_every_way_to_import_is_read(line, names):
    nodes = ast.walk(ast.parse(line))
    assert [name for node in nodes for name in mentioned(node, "separatrix.experiments.search")] == names


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"d"}, "d": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]
    assert circles({"a": {"a"}}) == [["a", "a"]]


def floor_of(name: str) -> str:
    """`tasks` of separatrix.tasks.base, nothing of the package itself."""
    return name.partition(".")[2].partition(".")[0]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_point_down_the_layout(name):
    above = FLOORS[FLOORS.index(floor) + 1 :] if (floor := floor_of(name)) in FLOORS else ()
    assert not [other for other in imports(computed=True)[name] if floor_of(other) in above]


def test_what_stands_below_all_floors_imports_none_of_them():
    above_all = "separatrix.__main__"  # `python -m separatrix`
    below = [name for name in modules() if name.count(".") == 1 and name.split(".")[1] not in FLOORS]
    below.remove(above_all)
    assert {"separatrix.config", "separatrix.errors"} <= set(below)
    assert not [(name, other) for name in below for other in imports()[name] if floor_of(other) in FLOORS]


def test_modules_import_in_no_circle():
    assert circles(imports()) == []


def test_rooms_import_in_no_circle():
    rooms: dict[str, set[str]] = defaultdict(set)
    known = modules()
    for name, others in imports().items():
        rooms[known[name].package] |= {known[other].package for other in others} - {known[name].package}
    graph = {room: {other for other in others if not nested(room, other)} for room, others in rooms.items()}
    assert circles(graph) == []


def nested(room: str, other: str) -> bool:
    """Whether one of two packages is a room of the other: those may share what stands on the landing."""
    return f"{room}.".startswith(f"{other}.") or f"{other}.".startswith(f"{room}.")


def test_files_are_short():
    files = [*SOURCE.rglob("*.py"), *(ROOT / "native").glob("*.*")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert len(lines) > 200
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}
    assert median(lines.values()) <= TYPICAL


def test_no_two_classes_share_a_name():
    homes = defaultdict(list)
    for name, module in modules().items():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
