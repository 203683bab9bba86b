"""The page as a reader meets it: opened from disk, no network, any screen, both themes, hostile data."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from axe_playwright_python.sync_playwright import Axe

from separatrix.experiments.store.folder import Store
from separatrix.report.run.write import write_collection

pytestmark = pytest.mark.browser

NODES = 2500
"""Elements that a page of ten thousand trials has before anything is unfolded, at most."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_quietly_and_fits(visit, width, scheme):
    seen = visit(width, scheme)
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in seen.requests if url.startswith("file:")]) == 1
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert seen.page.locator("figure .still:visible").count() == 0


def test_hostile_words_are_shown_and_do_nothing(visit):
    page = visit().page
    assert page.get_by_text("<script>window.hacked = 1</script>").first.is_visible()
    page.locator("#status").select_option("failed")
    page.locator("#trial-table tbody tr:visible .identity").click()
    assert synthetic.HOSTILE in page.locator("#trial-body").inner_text()
    assert page.evaluate("window.hacked") is None


def test_the_policy_stops_foreign_scripts(visit):
    page = visit().page
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked = 3'}))")
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


def test_the_table_sorts_both_ways_by_number(visit):
    page = visit().page
    shown = "[...document.querySelectorAll('#trial-table tbody tr')].map((row) => +row.cells[2].dataset.value)"
    head = page.get_by_role("button", name="N", exact=True)
    head.click()
    lengths = page.evaluate(shown)
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 7
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("N")
    head.click()
    assert page.evaluate(shown) == sorted(lengths, reverse=True)


def test_the_table_filters_by_words_task_and_status(visit):
    page = visit().page
    rows = page.locator("#trial-table tbody tr:visible")
    whole = rows.count()
    assert whole == 2 * 3 * 6 + 9 + 4
    page.locator("#find").fill("lstm 400")
    assert rows.count() == 2
    assert page.locator("#shown").inner_text() == f"2 of {whole} trials"
    page.locator("#find").fill("")
    page.locator("#task").select_option("equality")
    assert rows.count() == 4
    page.locator("#status").select_option("failed")
    assert rows.count() == 0


def test_a_trial_opens_with_everything_about_it(visit):
    page = visit().page
    page.locator("#task").select_option("bounded-dyck")
    page.locator("#trial-table tbody tr:visible .identity").first.click()
    body = page.locator("dialog[open] #trial-body")
    text = body.inner_text()
    assert '"validate_every": 100' in text
    assert "wrong-type" in text
    assert "torch" in text
    identity = page.evaluate("location.hash")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert visit(part=identity).page.locator("dialog[open] code").inner_text() == identity.removeprefix("#trial-")


def test_positions_are_drawn_in_a_trial(visit):
    page = visit().page
    page.locator("#find").fill("lstm index-lookup 400")
    page.locator("#trial-table tbody tr:visible .identity").first.click()
    assert page.locator("dialog .strip rect").count() == 400


def test_the_ideas_are_drawn_when_unfolded_and_the_keyboard_steps_through(chromium, index):
    context = chromium.new_context(offline=True)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(index.as_uri())
    assert page.locator("#ideas svg").count() == 0
    page.locator("#ideas > summary").click()
    page.wait_for_function("() => document.querySelectorAll('#ideas [data-step]').length == 5")
    part = page.locator("#ideas #cut-recurrent")
    assert "16 different messages: 4 bits" in part.locator(".frame:visible").inner_text()
    part.locator("input").press("ArrowRight")
    assert "9 different messages: 4 bits" in part.locator(".frame:visible").inner_text()
    assert part.locator(".frame:visible").count() == 1
    assert complaints == []
    context.close()


def test_a_length_can_be_chosen(visit):
    page = visit().page
    figure = page.locator("#figure-index-lookup-positions")
    assert figure.locator("select").input_value() == "400"
    before = figure.locator("svg").inner_html()
    figure.locator("select").select_option("20")
    page.wait_for_function(
        "before => document.querySelector('#figure-index-lookup-positions svg').innerHTML != before", arg=before
    )


def test_a_cell_says_what_is_proved_of_it(visit):
    page = visit().page
    cells = page.locator("#figure-index-lookup-accuracy .mark-rect path")
    assert cells.count() == 18
    cells.last.hover(force=True)
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "ceiling of that state (proved)" in tip.inner_text()


def test_the_theme_is_followed_while_open(visit):
    page = visit(scheme="light").page
    colour = "getComputedStyle(document.querySelector('#figure-index-lookup-accuracy svg .mark-rect path')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {colour} != light", arg=light)


def test_the_picture_comes_first_and_the_evidence_is_folded(chromium, index):
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(index.as_uri())
    figure = page.locator("figure").first
    page.wait_for_function("() => document.querySelector('figure.drawn')")
    assert figure.bounding_box()["y"] + figure.bounding_box()["height"] < 900
    assert page.locator("details[open]").count() == 0
    assert page.locator("figure.drawn").count() < synthetic.CHARTS  # what is folded costs nothing
    page.locator(".answers a").first.click()
    assert page.locator("details.panel[open]").count() == 1
    page.goto(index.as_uri() + "#bounded-dyck")
    page.wait_for_function("() => document.getElementById('bounded-dyck').open")
    context.close()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, width, scheme):
    page = visit(width, scheme).page
    found = Axe().run(page, options={"rules": {"scrollable-region-focusable": {"enabled": True}}})
    said = [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found.response["violations"]]
    assert said == []
    assert "landmark-unique" in {each["id"] for each in found.response["passes"]}


def test_a_phone_sees_that_a_figure_goes_on(visit):
    wide = visit(1280).page
    assert wide.locator(".sideways.goes-on").count() == 0
    page = visit(360).page
    region = page.locator("#figure-index-lookup-accuracy .sideways")
    assert "goes-on" in region.get_attribute("class") and region.get_attribute("tabindex") == "0"
    assert "goes on to the right" in page.evaluate(
        "getComputedStyle(document.querySelector('#figure-index-lookup-accuracy .sideways'), '::before').content"
    )
    region.evaluate("region => { region.scrollLeft = region.scrollWidth }")
    page.wait_for_function(
        "() => !document.querySelector('#figure-index-lookup-accuracy .sideways').matches('.goes-on')"
    )


def test_ten_thousand_trials_take_six_megabytes_and_few_elements(chromium, tmp_path):
    store = Store(tmp_path / "many")
    lookup = {
        **synthetic.INDEX_LOOKUP,
        "lengths": [20, 50, 100, 200, 400],
        "seeds": list(range(200)),
        "models": [{"name": name, "width": width} for name in ("lstm", "elman") for width in (8, 16, 32, 64, 128)],
    }
    plan = synthetic.preset(lookup)
    collection = synthetic.collection(plan)
    assert len(collection.results) == 10_000
    page_file = Path(write_collection(store, collection))
    assert page_file.stat().st_size <= 6e6
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_function("() => document.querySelector('figure.drawn')")
    count = "document.querySelectorAll('*').length"
    assert page.evaluate(count) <= NODES
    assert page.locator("#trial-table tbody tr").count() == 0
    page.locator("#trials > summary").click()
    page.wait_for_function("() => document.querySelector('#trial-table tbody tr')")
    assert page.locator("#trial-table tbody tr").count() == 200
    assert page.evaluate(count) <= NODES + 200 * 25
    page.locator("#find").fill("elman-(1, 128)")
    assert page.locator("#shown").inner_text() == "1000 of 10000 trials"
    page.locator("#trial-table .identity").first.click()
    assert "Accuracy by position" in page.locator("dialog[open]").inner_text()
    context.close()


def test_figures_and_results_can_be_saved(visit, index):
    page = visit().page
    files = page.locator("#figure-index-lookup-accuracy .files")
    for link, name in (
        (files.get_by_text("SVG"), "index-lookup-accuracy.svg"),
        (page.get_by_text("CSV"), "results.csv"),
    ):
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_bytes() == (index.parent / name).read_bytes()
    with page.expect_popup() as popup:
        files.get_by_text("PNG").click()
    assert popup.value.url == (index.parent / "index-lookup-accuracy.png").as_uri()


def test_print_shows_the_still_figures(visit):
    page = visit(scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = false; })")
    assert page.locator(".live:visible").count() == 0
    assert page.locator(".still:visible").count() == synthetic.CHARTS
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_without_scripts_figures_and_numbers_are_there(chromium, index):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(index.as_uri())
    for summary in page.locator("details.panel > summary").all():
        summary.click()
    assert page.locator("figure .still:visible").count() == synthetic.CHARTS
    assert page.locator("noscript p").is_visible()  # what it says is text that scripts do not see
    context.close()


def test_every_figure_has_words_for_those_who_cannot_see_it(visit):
    page = visit().page
    for chart in page.locator("[data-chart]").all():
        assert len(chart.get_attribute("aria-label")) > 60
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
