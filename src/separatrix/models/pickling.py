"""Models whose classes are made at run time (hybrids, one's own, Hugging Face's), pickled by their names."""

from __future__ import annotations

import sys

OWN = "separatrix_own_"
"""What the modules of users' files are called, with the hash of the file behind it."""


def importable(made: type) -> bool:
    """Whether another process finds a class where it says it stands."""
    found = getattr(sys.modules.get(made.__module__), made.__qualname__, None)
    return found is made and not made.__module__.startswith(OWN)
