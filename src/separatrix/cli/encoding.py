"""Terminals that cannot show every character: `≤` becomes `<=`, and nothing ends a finished run."""

from __future__ import annotations

import codecs
import sys
import unicodedata

PLAIN = {
    "–": "-", "—": "-", "…": "...", "×": "x", "·": "|", "≤": "<=", "≥": ">=", "→": "->", "’": "'", "‘": "'",
    "“": '"', "”": '"', "√": "sqrt", "≈": "~", "▸": ">", "−": "-", "⌈": "ceil(", "⌉": ")", "₂": "2", "²": "^2",
}  # fmt: skip
"""What stands for a character where the encoding does not have it."""

HANDLER = "separatrix.plain"


def plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler for encoding: characters become their plain ones, the others a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    """ASCII for one character: é is e, an unknown one a question mark."""
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return PLAIN.get(character) or bare or "?"


def forgive() -> None:
    """From now on standard output and error write what they can of every text."""
    codecs.register_error(HANDLER, plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test or a notebook may have put anything here
            stream.reconfigure(errors=HANDLER)
