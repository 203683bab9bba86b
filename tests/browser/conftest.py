"""A Chromium without a network, and a page of made-up trials opened from disk."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import synthetic

from separatrix.experiments.store.folder import Store
from separatrix.report import write_report


def chromium_path() -> str:
    """Where Chromium is. Without it these tests are skipped, but on CI they fail."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("no chromium on this machine: the browser tests need one (apt-get install chromium)")
    pytest.skip("no chromium on this machine")


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """An opened page, with everything it complained of or asked for."""

    page: object
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def index(tmp_path_factory) -> Path:
    store = Store(tmp_path_factory.mktemp("browser") / "run")
    lengths = [20, 50, 75, 100, 200, 400]
    plan = synthetic.preset({**synthetic.INDEX_LOOKUP, "lengths": lengths}, synthetic.BOUNDED_DYCK, synthetic.EQUALITY)
    configs = synthetic.fill(store, plan, skip=1)
    synthetic.fail(store, configs[-1], synthetic.HOSTILE)
    return Path(write_report(store))


def unfold(page, charts: int = synthetic.CHARTS) -> None:
    """Open all the evidence and wait until every figure is drawn; each is when it comes near the screen."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    for chart in page.locator("figure").all():
        chart.scroll_into_view_if_needed()
    page.wait_for_function(f"() => document.querySelectorAll('figure.drawn .live svg').length == {charts}")
    for made in ("trial", "plan"):
        page.wait_for_function(f"() => document.querySelector('#{made}-table tbody tr')")
    page.evaluate("scrollTo(0, 0)")


@pytest.fixture
def visit(chromium, index):
    """Opens the page in a fresh window: width, colour scheme, and a part of the page after #."""
    contexts = []

    def opened(width: int = 1280, scheme: str = "light", part: str = "") -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        seen = Visit(page)
        page.on("console", lambda said: seen.complaints.append(said.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(index.as_uri() + part)
        unfold(page)
        return seen

    yield opened
    for context in contexts:
        context.close()
