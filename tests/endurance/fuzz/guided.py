"""The readers under atheris: mutations that reach new lines are kept and mutated further. Needs `pip install atheris`.

    python tests/endurance/fuzz/guided.py [FOLDER] [-runs=100000] [-max_total_time=600]

The first byte chooses the reader, the rest is what it reads; FOLDER keeps the inputs found, so that the next run goes
on from them. Ends at the first thing that is no InputError of one line; atheris writes the input beside the program.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["separatrix"]):
    from readers import readers

    from separatrix import InputError

NAMES = sorted(readers())


def one(data: bytes) -> None:
    """An execution."""
    if not data:
        return
    name = NAMES[data[0] % len(NAMES)]
    try:
        readers()[name].read(data[1:])
    except InputError as error:
        assert "\n" not in str(error) or name == "options", f"{name}: more than one line: {error}"


def seeded() -> str:
    """A folder with every reader's example."""
    folder = Path(tempfile.mkdtemp())
    for number, name in enumerate(NAMES):
        (folder / str(number)).write_bytes(bytes([number]) + readers()[name].example)
    return str(folder)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    limits = ["-timeout=10", "-rss_limit_mb=8192", "-max_len=20000"]
    atheris.Setup([*sys.argv, seeded(), *limits], one)
    atheris.Fuzz()
