"""A card's page in a browser: opened from disk, no network, any screen, both themes, hostile data."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic_cards
from axe_playwright_python.sync_playwright import Axe

from separatrix.report.card.write import write_card_page

pytestmark = pytest.mark.browser

HOSTILE = "NotFinite: <script>window.hacked = 1</script> </script><img src=x onerror='window.hacked = 2'>"
CHARTS = 5


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    card = synthetic_cards.card({"name": "mamba", "width": 32}, run=20, fail=HOSTILE)
    beside = [synthetic_cards.card({"name": name}, run=12) for name in ("transformer", "lstm", "gru", "gated-deltanet")]
    return write_card_page([card], beside, tmp_path_factory.mktemp("card") / "card.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_quietly_fits_and_runs_nothing_foreign(chromium, page_file, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    for chart in page.locator("figure").all():
        chart.scroll_into_view_if_needed()
    page.wait_for_function(f"() => document.querySelectorAll('figure.drawn .live svg').length == {CHARTS}")
    assert Axe().run(page).response["violations"] == []
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.wait_for_function("() => document.querySelector('#trial-table tbody tr')")
    page.locator("#status").select_option("failed")
    page.locator("#trial-table tbody tr:visible .identity").click()
    assert "window.hacked = 1" in page.locator("#trial-body").inner_text()
    assert page.evaluate("window.hacked") is None
    context.close()
