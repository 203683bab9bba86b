"""Names of a package that are imported when first used: importing the package costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], list[str]]:
    """A package's `__getattr__` and `__all__` (PEP 562), from a table: module below the package -> its public names.

    >>> find, public = lazy("separatrix", {"errors": ["InputError"]})
    >>> public, find("InputError").__module__
    (['InputError'], 'separatrix.errors')
    """
    home = {name: f"{package}.{module}" for module, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return find, sorted(home)
