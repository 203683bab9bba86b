"""The whole page: its files, what it says of partial and failed runs, and that it loads and runs nothing foreign."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import synthetic

from separatrix.config import canonical_json, short_hash
from separatrix.errors import InputError
from separatrix.experiments.store.folder import Store
from separatrix.report import write_report
from separatrix.report.run.trials import shortened

HOSTILE = "NotFinite: <script>alert(1)</script> </script> <!-- <img src=x onerror=alert(2)> ${alert(3)}"

FIGURES = {
    "index-lookup-accuracy", "index-lookup-training", "index-lookup-positions", "bounded-dyck-training",
    "bounded-dyck-kinds", "equality-training", "equality-kinds",
}  # fmt: skip


class Page(HTMLParser):
    """The addresses, scripts, ids and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.policy = ""
        self.packed: dict[str, str] = {}
        self.properties: dict[str, str] = {}
        self._inside: dict[str, str | None] = {}
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._tag, self._inside = tag, attributes
        assert not any(name.startswith("on") for name in attributes), f"inline handler in <{tag}>"
        self.addresses += [(tag, attributes[name]) for name in ("src", "href", "action") if attributes.get(name)]
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if attributes.get("property"):
            self.properties[attributes["property"]] = attributes["content"]

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script" and self._inside.get("type") == "application/gzip":
            self.packed[self._inside["id"].removeprefix("data-")] = data
        elif self._tag == "script":
            self.scripts.append(data)
        elif self._tag != "style":
            self.text.append(data)

    def unpacked(self, name: str) -> str:
        return gzip.decompress(base64.b64decode(self.packed[name])).decode()

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def partial(tmp_path_factory) -> Path:
    """A run with one trial failed, in hostile words, and one not finished."""
    store = Store(tmp_path_factory.mktemp("partial") / "run")
    configs = synthetic.fill(store, synthetic.preset(), skip=2)
    synthetic.fail(store, configs[-1], HOSTILE)
    assert write_report(store) == f"{store.url}/report/index.html"
    return Path(store.url) / "report"


@pytest.fixture(scope="module")
def page(partial) -> Page:
    return Page((partial / "index.html").read_text())


def test_every_figure_is_beside_the_page_as_svg_and_png(partial):
    assert {path.stem for path in partial.glob("*.svg")} == FIGURES
    assert {path.stem for path in partial.glob("*.png")} == FIGURES | {"picture"}
    for path in partial.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg")
        assert "TF-(1, " in "".join(root.itertext())
    for path in partial.glob("*.png"):
        content = path.read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
        assert width > 500
        assert height > 200
    assert not list(partial.glob("*.tmp"))


def test_the_page_loads_nothing_from_anywhere(page):
    assert page.addresses
    for tag, address in page.addresses:
        if tag in ("script", "img", "link", "iframe", "source"):
            assert address.startswith("data:"), (tag, address[:80])
        else:
            assert re.match(r"#|data:|[a-z0-9-]+\.(svg|png|csv)$", address), (tag, address[:80])


def test_its_policy_admits_only_its_own_scripts_and_no_network(page):
    assert page.policy.startswith("default-src 'none'")
    scripts = re.search(r"script-src ([^;]*)", page.policy)[1]
    assert "unsafe" not in scripts
    wanted = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in page.scripts}
    assert wanted == set(scripts.split())
    assert "connect-src" not in page.policy


def test_hostile_words_stay_words(page, partial):
    assert "<script>alert(1)</script>" in page.words
    assert len(page.scripts) == 3
    assert "alert(1)" in page.unpacked("details")
    assert "alert" not in "".join(page.scripts)
    html = (partial / "index.html").read_text()
    assert "<script>alert" not in html
    assert "<img src=x" not in html


def test_it_says_what_is_missing_and_what_failed_and_draws_the_rest(page):
    assert "1 of 12 trials not finished: elman-(1, 8) index-lookup N=20 seed 0 (not started)." in page.words
    assert "Failed: Elman-(1, 8), length 20, seed 1: NotFinite:" in page.words
    assert "trials measured 23" in page.words
    assert "failed 1 not finished 1" in page.words


def test_proved_stands_beside_measured_and_is_labelled(page):
    words = page.words
    assert "Proved beside measured, context length 100" in words
    assert "600 bits in the state of a recurrent model" in words  # 100 tokens of 6 bits
    assert "99 bits through one attention layer" in words  # log2 (2 * 4^49 + 1)
    assert "none proved for two or more attention layers" in words
    assert "too small to be exact: proved" in words  # Elman of width 8: 256 bits
    assert "did not learn it" in words  # LSTM of width 64: 4,096 bits
    assert "exact, deterministic models" in words


def test_ids_are_distinct_and_every_trial_can_be_opened(page):
    assert len(page.ids) == len(set(page.ids))
    shown = json.loads(page.unpacked("page"))
    trials = json.loads(page.unpacked("trials"))
    opened = [dict(zip(shown["columns"], trial, strict=False))["Identity"] for trial in trials]
    assert len(set(opened)) == 24
    assert set(opened) == set(json.loads(page.unpacked("details")))
    assert all(address[1:] in page.ids for _, address in page.addresses if address.startswith("#"))


def test_what_links_to_the_page_shows_its_first_figure(page, partial):
    assert page.properties["og:image"] == "picture.png"
    assert page.properties["og:description"] in page.words
    picture = (partial / "picture.png").read_bytes()
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1200, 630]


def test_the_table_is_beside_the_page(partial, page):
    assert page.unpacked("csv") == (partial / "results.csv").read_text()
    lines = (partial / "results.csv").read_text().splitlines()
    assert lines[0].startswith("identity,status,ending,tuning,task,model,length")
    assert sum(line.split(",")[1] == "failed" for line in lines[1:]) == 1


def test_an_empty_store_is_one_line(tmp_path):
    store = Store(tmp_path / "empty")
    with pytest.raises(InputError) as error:
        write_report(store)
    message = str(error.value)
    assert message == (
        f"{store.url} holds no finished trial, so there is nothing to report: "
        "run `separatrix reproduce` or `separatrix train` into it first, or to its end"
    )
    assert not (tmp_path / "empty" / "report").exists()


def test_unstarted_panels_are_named(tmp_path):
    store = Store(tmp_path / "run")
    plan = synthetic.preset(synthetic.EQUALITY, synthetic.BOUNDED_DYCK)
    store.write("preset.json", plan.model_dump_json().encode())
    for config in plan.panels[0].trials(plan.training):
        synthetic.write(store, config)
    words = Page(Path(write_report(store)).read_text()).words
    assert f"“{plan.panels[1].title}” is not drawn: none of its 9 trials has finished." in words


def test_only_failures_make_a_page_that_says_so(tmp_path):
    store = Store(tmp_path / "run")
    plan = synthetic.preset(synthetic.EQUALITY)
    for config in plan.trials():
        synthetic.fail(store, config, "RuntimeError: out of memory")
    page = Page(Path(write_report(store)).read_text())
    assert "Every trial failed, so nothing was measured." in page.words
    assert "No trial of this panel has a measurement" in page.words
    assert not list((tmp_path / "run" / "report").glob("*.svg"))
    assert "og:image" not in page.properties


def test_without_a_preset_trials_are_grouped_by_task(tmp_path):
    store = Store(tmp_path / "run")
    for config in synthetic.preset(synthetic.INDEX_LOOKUP, synthetic.EQUALITY).trials():
        synthetic.write(store, config)
    page = Page(Path(write_report(store)).read_text())
    assert "Index lookup (alphabet 64)" in page.words
    assert "index-lookup" in page.ids
    assert (tmp_path / "run" / "report" / "index-lookup-accuracy.png").exists()
    assert (tmp_path / "run" / "report" / "equality-kinds.svg").exists()


def test_a_preset_of_another_version_is_no_obstacle(tmp_path):
    store = Store(tmp_path / "run")
    for config in synthetic.fill(store, synthetic.preset(synthetic.EQUALITY)):
        assert store.result(config.identity())
    store.write("preset.json", b'{"name": "old", "about": "", "pannels": []}')
    words = Page(Path(write_report(store)).read_text()).words
    assert "This version cannot read the preset" in words
    assert "Equality (" in words


def test_trials_of_an_older_version_keep_their_place(tmp_path):
    store = Store(tmp_path / "run")
    plan = synthetic.preset(synthetic.EQUALITY)
    store.write("preset.json", plan.model_dump_json().encode())
    for config in plan.trials():
        result = synthetic.write(store, config)
        (tmp_path / "run" / "trials" / result.identity / "result.json").unlink()
        older = {**result.config, "training": {**result.config["training"]}}
        del older["training"]["clip"]  # a setting that came later, at its default since
        store.write_result(result.replace(identity=short_hash(canonical_json(older)), config=older))
    words = Page(Path(write_report(store)).read_text()).words
    assert synthetic.EQUALITY["title"] in words
    assert "not finished" not in words
    assert "is not drawn" not in words


def test_a_report_runs_no_python_file_that_a_store_names(tmp_path):
    store = Store(tmp_path / "run")
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n\ndef answer(context, query):\n    return 0\n")
    plan = synthetic.preset(synthetic.EQUALITY)
    for config in plan.trials():
        result = synthetic.write(store, config)
        task = {**result.config["task"], "name": f"{trap}:answer"}
        model = {**result.config["model"], "name": f"{trap}:answer"}
        named = {**result.config, "task": task, "model": model}
        store.write_result(result.replace(identity=short_hash(canonical_json(named)), config=named))
        store.forget(result.identity)
    panel = {**synthetic.EQUALITY, "task": {"name": f"{trap}:answer"}}
    store.write("preset.json", plan.replace(panels=[panel]).model_dump_json().encode())
    words = Page(Path(write_report(store)).read_text()).words
    assert "comes from a Python file, which a report does not run" in words
    assert "answer-(1, 32)" in words
    assert not (tmp_path / "sprung").exists()


def test_panel_ids_cannot_leave_the_folder(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(
        store,
        synthetic.preset(
            {**synthetic.EQUALITY, "id": "../../Up & away"}, {**synthetic.EQUALITY, "id": "up away", "seeds": [4]}
        ),
    )
    write_report(store)
    names = {path.name for path in (tmp_path / "run" / "report").iterdir()}
    assert {"up-away-kinds.svg", "up-away-2-kinds.svg"} <= names
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_any_fsspec_url_will_do():
    store = Store("memory://report-test/run")
    synthetic.fill(store, synthetic.preset(synthetic.EQUALITY))
    assert write_report(store) == "memory://report-test/run/report/index.html"
    assert store.read("report/equality-training.png").startswith(b"\x89PNG")
    assert store.read("report/index.html").startswith(b"<!doctype html>")


def test_the_same_results_give_the_same_page(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(store, synthetic.preset(synthetic.EQUALITY))
    first = Path(write_report(store)).read_bytes()
    assert Path(write_report(store)).read_bytes() == first


def test_importing_separatrix_imports_no_figures():
    code = "import sys, separatrix; assert not {'altair', 'jinja2', 'vl_convert', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_seed_has_no_spread_and_no_ceiling_no_column(tmp_path):
    store = Store(tmp_path / "run")
    synthetic.fill(store, synthetic.preset({**synthetic.EQUALITY, "seeds": [0]}))
    words = Page(Path(write_report(store)).read_text()).words
    assert "the one seed that was run, whose spread is not known" in words
    assert "Band:" not in words
    assert "ceiling" not in words and "none below 100%" not in words


def test_pages_of_many_trials_stay_small():
    positions = {"groups": [], "accuracy": [0.5] * 400, "loss_bits": [1.0] * 400}
    few = {str(i): dict(positions) for i in range(250)}
    assert shortened(few) == few
    many = shortened({str(i): dict(positions) for i in range(251)})
    assert {len(each["accuracy"]) for each in many.values()} == {50}
    kinds = {"groups": ["yes", "no"], "accuracy": [1.0, 0.5], "loss_bits": [0.0, 1.0]}
    assert shortened({**many, **{str(i): dict(positions) for i in range(251)}, "kinds": kinds})["kinds"] == kinds
