"""The pieces of a page that is one file: templates, style, scripts, and the policy that lets nothing else run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from separatrix.report.html.labels import count
from separatrix.report.html.typeset import typeset


def template(name: str) -> jinja2.Template:
    """A template of this package by its file name; everything it prints is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": lambda text, kind: data_uri(kind, text.encode()),
        "count": count,
        "unbroken": _unbroken,
        "typeset": typeset,
    }
    return environment.get_template(name)


def _unbroken(text: str) -> Markup:
    """Escaped text in which labels such as `TF-(1, 64)` stay on one line."""
    return Markup(re.sub(r"\S+-\(\d+, \d+\)", r'<span class="nobr">\g<0></span>', str(escape(text))))


def packed(content: bytes) -> str:
    """Content compressed, as base64: what the page's script unpacks when it needs it. The same for the same content."""
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()


def packed_json(value: Any) -> str:
    """A value as compressed JSON."""
    return packed(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


@cache
def asset(name: str) -> str:
    """The text of a file of the page."""
    return files("separatrix.report").joinpath("page", name).read_text(encoding="utf-8")


def scripts() -> list[str]:
    """What runs in the page: the figures' runtime, and the page's own scripts."""
    return [_runtime(), asset("laws.js"), asset("page.js")]


@cache
def _runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; slow to bundle, so only once a process."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def data_uri(kind: str, content: bytes) -> str:
    """Content as an address of its own, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: no network at all, and no script but these, whatever the data holds."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
