"""`construct`, `certify` and `ask` as one tool: a theorem becomes a file, believed only when verified."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file, save_file

from separatrix import constructions
from separatrix.models.files import read_header


def test_a_theorem_becomes_a_file_that_verifies_and_answers(run):
    made = run("construct", "index-lookup", "--length", "40", "--alphabet", "5", "--format", "bf16", "--certify",
               "--save", "w.safetensors", "--json")  # fmt: skip
    said = json.loads(made[1])
    assert made[0] == 0 and said["width"] == 6 + 3 + 1
    assert said["verified_margin"] >= said["certificate"]["margin"] > 0
    code, out, _ = run("certify", "w.safetensors")
    assert code == 0 and out.startswith("verified: every query of every context of 1 to 40 tokens")
    code, out, _ = run("ask", "w.safetensors", "2 0 4 3 1", "--query", "2", "--json")
    asked = json.loads(out)
    assert asked["answer"] == asked["right_answer"] == 4 and asked["looks_at"][0][0][0][0] == 2


def test_without_saving_no_weights_are_made_so_that_any_length_goes(run):
    code, out, _ = run("construct", "index-lookup", "--length", str(2**60), "--alphabet", "64", "--format", "real")
    assert code == 0 and "67" in out and "not asked for (--save)" in out


def test_changed_weights_are_refused(run, tmp_path):
    run("construct", "equality", "--length", "8", "--save", "w.safetensors")
    tensors = load_file(tmp_path / "w.safetensors")
    tensors["head.bias"][0] += 1
    with open(tmp_path / "w.safetensors", "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        metadata = json.loads(file.read(size))["__metadata__"]
    save_file(tensors, tmp_path / "w.safetensors", metadata=metadata)
    code, out, err = run("certify", "w.safetensors")
    assert code == 2 and out == "" and "was changed after it was saved" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["construct", "index-lokup"], "did you mean 'index-lookup'?"),
        (["construct", "index-lookup", "--length", "4", "--widht", "8"], "no option '--widht'"),
        (["construct", "index-lookup", "--length", "4", "--format", "bf17"], "did you mean 'bf16'?"),
        (
            ["construct", "index-lookup", "--length", str(10**20), "--alphabet", "8"],
            "less than or equal to 1152921504606846976",
        ),
        (
            ["construct", "index-lookup", "--length", str(2**60), "--alphabet", "8", "--certify"],
            "GiB, and this machine has",
        ),
        (["certify", "nowhere.safetensors"], "no such file"),
        (["certify", "."], ". is a folder: expected a .safetensors file"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1


def test_every_construction_is_listed_with_its_theorem(run):
    code, out, _ = run("list", "constructions", "--json")
    listed = json.loads(out)
    assert code == 0 and [row["construction"] for row in listed] == constructions.names()
    assert all(row["statement"] and row["source"] for row in listed)


def test_the_certificate_travels_in_the_files_header(run, tmp_path):
    run("construct", "bounded-dyck-stack", "--length", "8", "--save", "w.safetensors")
    note = read_header(tmp_path / "w.safetensors").notes["certificate"]
    assert constructions.Certificate(**note).scope == "all lengths"
