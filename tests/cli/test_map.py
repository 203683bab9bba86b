"""`separatrix map`: the table on 80 columns, its cells, its page and its JSON."""

from __future__ import annotations

import json


def test_the_table_fits_and_its_cells_open(run):
    code, out, _ = run("map", "--page", "map.html")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert "mamba2" in out and "xN" in out and "The page: map.html" in out
    code, out, _ = run("map", "--cell", "mamba", "parity")
    assert code == 0 and out.startswith("mamba: parity: impossible") and "strings: 0^65,286 1^65,285" in out
    code, out, _ = run("map", "--cell", "transformer", "idx", "--json")
    assert code == 0 and [cell["model"] for cell in json.loads(out)] == [
        "transformer, 1 layer",
        "transformer, 2 layers",
        "transformer, 3 layers",
    ]


def test_a_card_against_the_map(run):
    code, out, _ = run("map", "--against", "mamba", "--json")
    assert code == 0 and json.loads(out)["model"]["name"] == "mamba" and json.loads(out)["questions"]
    assert "impossible from N" in " ".join(run("map", "--against", "mamba")[1].replace("│", " ").split())


def test_json_and_errors_of_one_line(run):
    code, out, _ = run("map", "--length", "16", "--format", "e4m3", "--json")
    assert code == 0 and json.loads(out)["number_format"] == "e4m3" and json.loads(out)["length"] == 16
    for bad, said in [
        (("--cell", "mambo", "parity"), "did you mean 'mamba'"),
        (("--cell", "mamba", "parrity"), "did you mean 'parity'"),
        (("--format", "bf17"), "unknown number format"),
        (("--model", "lstn"), "did you mean 'lstm'"),
        (("--task", "pairity"), "did you mean 'parity'"),
        (("--against", "mamba", "--length", "8"), "--against asks about a card's own model"),
        (("--against", "nothing.json"), "nothing.json"),
        (("--store", "nowhere"), "nowhere holds no results"),
        (("--length", "3", "--task", "equality"), "must be even"),
    ]:
        code, _, err = run("map", *bad)
        assert code == 2 and said in err and err.count("\n") == 1, err
