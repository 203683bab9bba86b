r"""Formulas of the manual, `$\lceil\log_2 N\rceil$`, as MathML: set by the browser itself, so that pages need no network."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

FOUND = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
"""How `pymdownx.arithmatex` leaves a formula, in a line or a line of its own."""

_LOGARITHM = "(?:<msub><mi>log</mi><mn>2</mn></msub>|(?<!<msub>)<mi>(?:log|ln)</mi>)"
BEFORE, AFTER = re.compile(rf"(?<=</mi>)(?={_LOGARITHM})"), re.compile(rf"({_LOGARITHM})(?=<m[in]>)")
"""Where a logarithm is to stand a little apart: from a factor before it, from its argument."""

SPACE = '<mspace width="0.17em" />'

FENCE = re.compile(r"<(m[io])>(&#x0230[89AB];|&#x0007C;|&#x02016;)</\1>")
"""A bracket of `⌈x⌉` or a bar of `|Q|`, which are to stand close to what they enclose."""


def on_page_content(html: str, **_: Any) -> str:
    """The page with its formulas set."""
    return FOUND.sub(lambda found: mathml(unescape(found[2]), alone=found[1] == "div"), html)


def mathml(formula: str, alone: bool = False) -> str:
    """A formula in TeX as MathML; what is no command of TeX that it knows is an error, not shown as it stands."""
    made = convert(formula, display="block" if alone else "inline")
    if unknown := re.search(r"\\\w+", made):
        raise ValueError(f"a formula of the manual has {unknown[0]}, which is not known: {formula}")
    fenced = FENCE.sub(r'<mo stretchy="false" lspace="0" rspace="0">\2</mo>', made)
    return AFTER.sub(rf"\1{SPACE}", BEFORE.sub(SPACE, fenced))
