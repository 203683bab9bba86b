"""The manual as a reader meets it: opened from disk without a network, with formulas set and a search that finds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
PAGE = r"""# A page

An index takes $\lceil\log_2 N\rceil$ bits, and costs 5$ or 6$. In code `$N$` is left alone.

| size |
|---|
| $\lvert Q\rvert\,\lvert\Sigma\rvert < 2^p$ |

$$\tfrac12 + \sqrt{\frac{1 - r}{n r}}$$
"""


@pytest.fixture(scope="module")
def manual(tmp_path_factory) -> Path:
    """A manual of one page, with the settings, assets and hook of the real one."""
    folder = tmp_path_factory.mktemp("manual")
    shutil.copytree(ROOT / "docs" / "assets", folder / "docs" / "assets")
    (folder / "docs" / "index.md").write_text(PAGE)
    (folder / "mkdocs.yml").write_text(
        f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: docs\nsite_dir: site\nnav: [index.md]\nplugins: [search, offline]\n"
        f"hooks: [{ROOT / 'docs/_build/mathematics.py'}]\n"
    )
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "site" / "index.html"


def test_it_opens_from_disk_with_formulas_set_and_finds_words(chromium, manual):
    context = chromium.new_context(offline=True)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(manual.as_uri())
    formulas = page.locator("article math").all()
    assert [each.text_content() for each in formulas] == ["⌈log2N⌉", "|Q||Σ|<2p", "12+1−rnr"]
    assert all(each.bounding_box()["width"] > 10 for each in formulas)
    raised, base = (formulas[1].locator(f"msup > {part}").bounding_box() for part in ("mi", "mn"))
    assert raised["y"] < base["y"] and raised["height"] < base["height"]
    words = page.locator("article").inner_text()
    assert "costs 5$ or 6$" in words and "$N$ is left alone" in words and "\\" not in words
    page.locator(".md-search__input").click()
    page.keyboard.type("takes")
    page.wait_for_function("() => document.querySelector('.md-search-result__item')")
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    context.close()


def test_what_is_no_tex_ends_the_build(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_build")
    from mathematics import mathml

    with pytest.raises(ValueError, match="celing"):
        mathml(r"\celing N")
