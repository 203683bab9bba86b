"""The public names, and that each of them says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import separatrix


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


def packages() -> list[str]:
    return ["separatrix", *(name for name in modules() if hasattr(importlib.import_module(name), "__path__"))]


@pytest.mark.parametrize("name", packages())
def test_all_of_a_package_is_what_can_be_imported_from_it(name):
    package = importlib.import_module(name)
    public = {each for each in {*vars(package), *dir(package)} if not each.startswith("_") or each == "__version__"}
    importable = {each for each in public if not inspect.ismodule(getattr(package, each))}
    stated = {each for each in package.__all__ if not inspect.ismodule(getattr(package, each))}
    assert stated == importable
    assert len(package.__all__) == len(set(package.__all__))


@pytest.mark.parametrize("name", packages())
def test_what_a_package_does_not_have_is_an_error(name):
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'nothing'"):
        _ = importlib.import_module(name).nothing


def test_names_that_users_rely_on():
    """The few entry points that stay from release to release."""
    assert set(separatrix.__all__) >= {
        *("bounds", "constructions", "experiments", "models", "numerics", "ops", "report", "tasks"),
        *("InputError", "recall", "results", "state_bits", "state_numbers", "train"),
    }
    assert set(separatrix.experiments.__all__) >= {"Store", "TrialConfig", "load_trained", "results", "run_trial"}
