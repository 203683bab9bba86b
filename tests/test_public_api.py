"""The public names, and that each of them says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import separatrix

ROOMS = ("tasks", "numerics", "bounds", "ops", "models", "constructions", "experiments", "report", "cli")


def modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(separatrix.__path__, "separatrix.")]


def public_members(module) -> list[tuple[str, object]]:
    """Functions and classes defined in a module, and the classes' own functions, without private ones."""
    found = []
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member) or inspect.isfunction(member):
            found.append((name, member))
        if inspect.isclass(member):
            found += [
                (f"{name}.{key}", getattr(member, key))
                for key, value in vars(member).items()
                if not key.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
            ]
    return found


@pytest.mark.parametrize("name", modules())
def test_every_module_and_public_name_has_a_docstring(name):
    module = importlib.import_module(name)
    assert inspect.getdoc(module), f"{name} has no docstring"
    for path, member in public_members(module):
        if path.endswith((".forward", ".extra_repr")):
            continue  # torch's names, torch's meaning
        owner, _, attribute = path.rpartition(".")
        doc = inspect.getdoc(member) or _inherited(vars(module).get(owner), attribute)
        assert doc, f"{name}.{path} has no docstring"


def _inherited(owner: type | None, attribute: str) -> str | None:
    return next(
        (doc for base in (owner.__mro__ if owner else ()) if (doc := inspect.getdoc(vars(base).get(attribute)))), None
    )


@pytest.mark.parametrize("name", modules())
def test_imports_point_down_the_layout(name):
    room = name.split(".")[1]
    if room not in ROOMS:
        return
    source = inspect.getsource(importlib.import_module(name))
    later = ROOMS[ROOMS.index(room) + 1 :]
    above = [line for line in source.splitlines() if line.startswith(("from separatrix.", "import separatrix."))]
    assert not [line for line in above if any(f"separatrix.{other}" in line for other in later)]


def test_names_of_the_package():
    assert set(separatrix.__all__) >= {
        "bounds",
        "constructions",
        "models",
        "tasks",
        "results",
        "state_bits",
        "state_numbers",
    }
    for name in separatrix.__all__:
        assert getattr(separatrix, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        separatrix.nothing  # noqa: B018
