"""Sizes and formulas as mathematics is set: ⌈log₂ N⌉ for `ceil(log2 N)`, 2 with a raised p for `2^p`."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_SIGNS = (("log2", "log₂"), ("<=", "≤"), (">=", "≥"), (" != ", " ≠ "))
_RAISED = re.compile(r"(?<=[\w)])\^(-?\w+|\([^()]*\))")


def typeset(text: str) -> Markup:
    """Escaped text whose formulas are set; what is no formula stays as it is.

    >>> str(typeset("width ceil(log2 N) + 2^p"))
    'width ⌈log₂ N⌉ + 2<sup>p</sup>'
    """
    signed = brackets(text)
    for plain, sign in _SIGNS:
        signed = signed.replace(plain, sign)
    return Markup(_RAISED.sub(lambda found: f"<sup>{found[1].strip('()')}</sup>", str(escape(signed))))


def brackets(text: str) -> str:
    """The text with each `ceil(…)` and `floor(…)`, also one within another, as ⌈…⌉ and ⌊…⌋."""
    for name, left, right in (("ceil(", "⌈", "⌉"), ("floor(", "⌊", "⌋")):
        while (start := text.find(name)) >= 0:
            end = _closing(text, start + len(name))
            if end is None:
                break
            text = f"{text[:start]}{left}{text[start + len(name) : end]}{right}{text[end + 1 :]}"
    return text


def _closing(text: str, start: int) -> int | None:
    """Where the bracket that was opened before `start` closes."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return None
