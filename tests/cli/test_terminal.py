"""The terminal: help that lists every option, tables of 80 columns that lose nothing, encodings that have no `≤`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from separatrix import constructions, models, tasks
from separatrix.cli.encoding import plain
from separatrix.cli.fields import about, default, groups, limits, options, type_words
from separatrix.cli.main import app, main
from separatrix.cli.output import print_table
from separatrix.experiments.trial.config import TrainingConfig

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
TINY = ("--width", "4", "--steps", "4", "--batch-size", "4")
VECTORS = ("nearest-neighbor", "--length", "8", "--points", "4", "--dimension", "12", "--count", "2")

TABLES = [
    *(("list", what) for what in ("tasks", "models", "constructions", "presets")),
    ("bounds", "index-lookup", "--length", "1048576", "--precision", "16"),
    ("analyze", "bounded-dyck", "--lengths", "2..6"),
    ("audit", "mamba", "--width", "64", "--length", "4096"),
    ("construct", "index-lookup", "--length", "1048576", "--alphabet", "64", "--format", "bf16"),
    ("sample", "index-lookup", "--length", "60", "--count", "2"),
    ("sample", *VECTORS),
    ("compare", "gated-deltanet", "transformer", "mamba"),
    ("leaderboard", str(Path(__file__).parents[2] / "leaderboard")),
    ("limits", "lstm", "--width", "8"),
    ("map", "--length", "8"),
    ("map", "--against", "mamba"),
    ("doctor",),
    ("train", "associative-recall", "gated-deltanet", "--length", "6", "--pairs", "3", *TINY),
    ("sweep", "sweep.toml", "--dry-run"),
    ("recall", "runs/train"),
    ("reproduce", "index-lookup", "--preset", "smoke", "--dry-run"),
]
POOLED = [
    ("sweep", "sweep.toml"),
    ("frontier", "parity", "--models", "gated-deltanet", "--lengths", "4", "--widths", "2", "--seeds", "0",
     "--steps", "4", "--learning-rate", "0.01"),
]  # fmt: skip
SWEEP = (
    '[base]\ntask = { name = "parity", length = 4 }\nmodel = { name = "elman", width = 4 }\n'
    "training = { steps = 4, warmup = 1 }\n[grid]\nseed = [0, 1]\n"
)


@pytest.fixture
def narrow(monkeypatch):
    """Standard output is a terminal of 80 columns."""
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")


def plain_lines(text: str) -> list[str]:
    return [ESCAPES.sub("", line) for line in text.replace("\r", "\n").splitlines()]


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Callable[..., tuple[int, str]]:
    """What a command says on 80 columns; all of them in one folder."""
    folder = tmp_path_factory.mktemp("narrow")
    (folder / "sweep.toml").write_text(SWEEP)

    def said(*command: str) -> tuple[int, str]:
        with (folder / "out").open("w+", encoding="utf-8") as out, pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setattr("rich.console.Console.is_terminal", True)
            patch.setenv("COLUMNS", "80")
            patch.setattr(sys, "stdout", out)
            with pytest.raises(SystemExit) as ended:
                main(list(command))
            out.seek(0)
            return ended.value.code, out.read()

    return said


@pytest.mark.parametrize("command", [*TABLES, *(pytest.param(each, marks=pytest.mark.slow) for each in POOLED)])
def test_every_table_fits_80_columns_and_nothing_is_cut(shown, command):
    if command[0] == "recall":
        shown(*next(each for each in TABLES if each[0] == "train"))
    code, out = shown(*command)
    assert code == 0 and out
    drawn = [line for line in plain_lines(out) if re.match(r" *[┏┡│└┃]", line)]
    assert max(map(len, drawn), default=0) <= 80
    assert not [line for line in drawn if "…" in line.replace(" … ", "")]  # an interval is written 29% … 100%


def test_a_table_too_wide_for_its_terminal_becomes_lines_and_keeps_every_cell(narrow, capsys):
    columns = [f"column {i}" for i in range(20)]
    print_table("wide", columns, [[f"cell{row}x{i}" for i in range(20)] for row in range(3)])
    lines = plain_lines(capsys.readouterr().out)
    assert max(map(len, lines)) <= 80
    for row in range(3):
        assert f"cell{row}x0" in lines
        for i in range(1, 20):
            assert any(line.split("  ")[1:] and line.strip().startswith(f"column {i} ") and
                       line.rstrip().endswith(f"cell{row}x{i}") for line in lines)  # fmt: skip


@pytest.fixture
def piped(monkeypatch):
    """Standard output is no terminal, of no known width."""
    monkeypatch.delenv("COLUMNS", raising=False)


def test_in_a_pipe_each_row_is_one_line_without_a_frame(piped, capsys):
    print_table("[t]", ["name", "N", "about"], [["a b", 7, "one\ntwo"], ["c", 1024, "x" * 90], ["d", None, ""]])
    assert capsys.readouterr().out.splitlines() == [
        "[t]",
        "name     N  about",
        "a b      7  one two",
        "c     1024  " + "x" * 90,
        "d        –",
    ]
    print_table("settings", ["", ""], [["width", 4]])
    assert capsys.readouterr().out == "settings\nwidth  4\n"


def test_a_pipe_of_a_known_width_is_laid_out_as_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    print_table("wide", ["name", "about"], [["c", "word " * 40]])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80 and "┃" in out


def test_every_construction_is_a_line_in_a_pipe(piped, run):
    lines = run("list", "constructions")[1].splitlines()
    for name in constructions.names():
        assert [line for line in lines if line.startswith(f"{name} ") and found_statement(name) in line]


def found_statement(name: str) -> str:
    return " ".join(constructions.theorem(name).statement.split())


def test_words_that_look_like_markup_are_printed(narrow, capsys):
    print_table("[bold]title", ["a"], [["[red]cell[/red] [/nothing]"]])
    out = capsys.readouterr().out
    assert "[bold]title" in ESCAPES.sub("", out) and "[/nothing]" in ESCAPES.sub("", out)


@pytest.mark.parametrize(
    ("command", "named", "sections"),
    [
        (("train", "index-lookup", "mamba"), {"task": "index-lookup", "model": "mamba"},
         ("task", "model", "training", "trial")),
        (("bounds", "bounded-dyck"), {"task": "bounded-dyck"}, ("task",)),
        (("construct", "bounded-dyck-stack"), {"construction": "bounded-dyck-stack"}, ("construction",)),
        (("card", "transformer"), {"model": "transformer"}, ("model",)),
        (("train",), {}, ("training", "trial")),
    ],
)  # fmt: skip
def test_help_lists_every_field_in_groups(run, command, named, sections):
    code, out, _ = run(*command, "--help")
    found = groups(sections, named)
    assert code == 0 and found
    for title, config in found:
        assert f"─ {title} ─" in out
        for option, _, _ in options(config):
            assert f"│ {option} " in out
    assert run(*command, "-h")[1] == out


def test_help_without_names_says_how_to_get_the_rest(run):
    assert "separatrix train TASK MODEL --help" in " ".join(run("train", "--help")[1].split())
    assert "separatrix construct CONSTRUCTION --help" in " ".join(run("construct", "--help")[1].split())
    code, _, err = run("train", "index-lokup", "lstm", "--help")
    assert code == 2 and "did you mean 'index-lookup'?" in err


def test_every_field_has_a_type_and_a_meaning():
    configs = [*map(tasks.family, tasks.names()), *(models.architecture(name).Config for name in models.names())]
    configs += [TrainingConfig, *(constructions.theorem(name).options for name in constructions.names())]
    for config in configs:
        for option, meaning, field in options(config):
            assert type_words(field.annotation), (config, option)
            assert default(field), (config, option)
            assert meaning or option in ("--negatives", "--positions", "--instance"), (config, option)


def test_types_limits_and_defaults_in_words():
    fields = {option: (meaning, field) for option, meaning, field in options(TrainingConfig)}
    assert type_words(fields["--lengths"][1].annotation) == "full|random"
    assert type_words(fields["--patience"][1].annotation) == "int|none"
    assert limits(fields["--solved"][1]) == "0<x<=1"
    assert limits(tasks.family("parity").model_fields["length"]) == "1<=x<=2^60"
    assert default(fields["--patience"][1]) == "[default: none]"
    assert default(tasks.family("parity").model_fields["length"]) == "[required]"
    assert about(models.architecture("lstm").Config, "residual") == "add each mixer's input to its output"


def test_the_commands_stand_in_four_groups(run):
    out = run("--help")[1]
    order = [out.index(word) for word in ("Proved:", "Constructed:", "Measured:", "Looking:")]
    assert order == sorted(order)
    assert all(command.rich_help_panel for command in app.registered_commands)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("separatrix bou", {"bounds"}),
        ("separatrix train bounded", {"bounded-dyck"}),
        ("separatrix train parity mls", {"mlstm"}),
        ("separatrix train parity lstm --learn", {"--learning-rate"}),
        ("separatrix bounds bounded-dyck --dep", {"--depth"}),
        ("separatrix construct shift", {"shift-register"}),
    ],
)
def test_a_shell_completes_commands_names_and_fields(run, monkeypatch, words, wanted):
    monkeypatch.setenv("_SEPARATRIX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert set(run()[1].split()) == wanted


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
TRAINED = ["train parity elman --length 4 --steps 4 --width 2", "report runs/train"]
PRINTED = ["list constructions", "bounds bounded-dyck --length 8", "analyze parity --lengths 2..3 --draw a.svg"]


@pytest.mark.parametrize(("encoding", "commands"), [("ascii", [*TRAINED, *PRINTED]), ("latin-1", PRINTED)])
def test_a_terminal_without_unicode_ends_no_run(tmp_path, encoding, commands):
    code = (
        "from separatrix.cli.main import main\n"
        f"for command in {commands}:\n"
        "    try: main(command.split())\n"
        "    except SystemExit as ended: assert not ended.code, command\n"
    )
    environment = os.environ | ASCII | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("latin-1")
    assert b"ceil(log2 N)" in done.stdout and "\u2503".encode() not in done.stdout
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")


def test_characters_become_plain_ones():
    import codecs

    codecs.register_error("test.plain", plain)
    assert "≤ 3 × é … 漢 – log₂".encode("ascii", "test.plain") == b"<= 3 x e ... ? - log2"


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "separatrix", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (("index-lookup", "--length", "400"),
         "One layer of attention of width 16 (constructed, in real numbers) can do what a recurrent model needs 150 "
         "numbers of 16 bits for (proved, in any arithmetic)."),
        (("bounded-dyck", "--length", "400", "--depth", "3"),
         "A recurrent model of 4 bits of state, 1 number of 16 bits (constructed, in any arithmetic), can do what one "
         "layer of attention needs width 10 for (proved, in 16-bit fixed point, exact sums; least in other arithmetics "
         "1)."),
        (("equality", "--length", "22222"),
         "Two layers of attention of width 16 (constructed, in real numbers) can do what a recurrent model needs 695 "
         "numbers of 16 bits for (proved, in any arithmetic)."),
        (("index-lookup", "--length", "4", "--alphabet", "4"), "No separation follows at this size: "),
        (("sparse-threshold", "--length", "6", "--instance", "k-cnf"), "No closed form is known"),
    ],
)  # fmt: skip
def test_bounds_ends_in_a_sentence(run, task, said):
    last = run("bounds", *task, "--precision", "16")[1].splitlines()[-1]
    assert last.startswith(said)


def test_one_of_a_thing_is_said_so(run):
    assert "1 bit a number" in run("bounds", "parity", "--length", "8", "--precision", "1")[1]
    said = run("bounds", "bounded-dyck", "--length", "8", "--kinds", "1", "--depth", "1")[1]
    assert "1 bits" not in said.replace(".1 bits", "") and "1 heads" not in said
    assert "1 bit of state" in run("plan", "parity", "--length", "8")[1]
