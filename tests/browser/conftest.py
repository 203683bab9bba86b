"""A Chromium without a network, for pages opened from disk."""

from __future__ import annotations

import os
import shutil

import pytest


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
