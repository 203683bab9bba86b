"""`separatrix figure`: what a paper prints."""

from __future__ import annotations

import io
import re

import polars as pl
import pytest
import synthetic

from separatrix.experiments.store.folder import Store


@pytest.fixture
def store(tmp_path) -> str:
    synthetic.fill(Store(tmp_path / "runs"), synthetic.preset())
    return "runs"


@pytest.mark.parametrize(("width", "points"), [("--column", 234), ("--page", 397)])
@pytest.mark.parametrize("name", ["index-lookup-accuracy", "bounded-dyck-training"])
def test_it_is_as_wide_as_printed_with_type_of_7_to_8_points(run, store, tmp_path, name, width, points):
    for kind in ("svg", "pdf", "png"):
        code, _, err = run("figure", store, name, width, "--format", kind)
        assert code == 0, err
    svg = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    assert abs(float(re.search(r'width="([\d.]+)"', svg)[1]) - points) <= 1
    sizes = {float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)}
    assert sizes and min(sizes) >= 7 and max(sizes) <= 8
    assert "Index lookup:" not in svg and "Bounded Dyck-(2, 2):" not in svg  # captions are the paper's
    pdf = (tmp_path / f"{name}.pdf").read_bytes()
    box = re.search(rb"/MediaBox ?\[ ?0 0 ([\d.]+)", pdf)
    assert abs(float(box[1]) - points) <= 1
    assert b"/FontFile" in pdf
    png = (tmp_path / f"{name}.png").read_bytes()
    assert abs(int.from_bytes(png[16:20], "big") - points / 72 * 600) <= 9


def test_its_numbers_stand_beside_it(run, store, tmp_path):
    assert run("figure", store, "index-lookup-accuracy", "--output", "out")[0] == 0
    numbers = pl.read_csv(io.BytesIO((tmp_path / "out" / "index-lookup-accuracy.csv").read_bytes()))
    assert set(numbers["model"]) == {"TF-(1, 64)", "LSTM-(1, 64)", "Elman-(1, 8)"}
    assert numbers.filter(pl.col("model") == "TF-(1, 64)")["median"].to_list() == [1.0, 1.0]


def test_a_title_when_asked_and_a_list_without_a_name(run, store, tmp_path):
    run("figure", store, "equality-kinds", "--format", "svg", "--title", "Equality & more")
    assert "Equality &amp; more" in (tmp_path / "equality-kinds.svg").read_text(encoding="utf-8")
    assert "index-lookup-positions" in run("figure", store)[1]
    code, _, err = run("figure", store, "index-lookup-acuracy")
    assert code == 2 and "did you mean 'index-lookup-accuracy'?" in err
    assert run("figure", store, "equality-kinds", "--column", "--page")[0] == 2
