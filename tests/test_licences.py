"""docs/licences.md names every package that an installation brings along."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LIST = Path(__file__).parents[1] / "docs" / "licences.md"


def brought(package: str, found: set[str]) -> set[str]:
    """The packages that this one needs, and those that they need."""
    for line in distribution(package).requires or []:
        needed = Requirement(line)
        name = canonicalize_name(needed.name)
        if name in found or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            brought(name, found)
        except PackageNotFoundError:  # of another platform
            found.discard(name)
    return found


def test_every_package_is_listed() -> None:
    listed = {line.split("|")[1].strip() for line in LIST.read_text().splitlines() if line.startswith("| ")}
    needed = {name for name in brought("separatrix", set()) if not name.startswith(("nvidia-", "cuda-", "triton"))}
    assert len(needed) > 20 and needed <= listed, sorted(needed - listed)
