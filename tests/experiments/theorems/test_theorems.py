"""Every theorem has cases, and every kind of finding can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from separatrix import constructions
from separatrix.cli import theorems as command
from separatrix.cli.main import main
from separatrix.constructions import CertificateError
from separatrix.experiments.store.folder import Store
from separatrix.experiments.theorems import lower, transcripts, upper, widths
from separatrix.experiments.theorems.findings import Finding, kept
from separatrix.notices import Notice


def test_every_construction_has_a_case_or_is_the_users_own():
    assert set(upper.UPPER) == set(constructions.names())
    assert [name for name, cases in upper.UPPER.items() if not cases] == ["automaton"]


@pytest.mark.parametrize("side", list(lower.SIDES))
def test_a_closed_form_that_claims_too_much_is_found_out(side, monkeypatch):
    found = lower.enumerated("equality", {}, [2, 4], side)
    assert found.holds and found.measured == found.bound == 2
    method = f"{side}_bits" if side in ("recurrent", "attention") else "two_way_bits"
    monkeypatch.setattr(f"separatrix.tasks.equality.Equality.{method}", lambda task, prefix=False: 2.5)
    assert not lower.enumerated("equality", {}, [2, 4], side).holds


def test_tight_models_ceilings_and_protocols_hold():
    assert lower.tight("parity", {"length": 4}).measured == 1
    found = lower.ceiling()
    assert found.holds and 0.5 < found.measured < found.bound < 0.75
    sent = transcripts.shift_register_protocol()
    assert sent.holds and sent.measured == sent.bound == 8
    assert lower.nearest(2).measured == 4 and lower.nearest(2).holds
    assert lower.conjunction(6).measured == 3 and lower.conjunction(6).holds


@pytest.mark.parametrize(("arithmetic", "width"), transcripts.WEIGHED, ids=str)
def test_transcripts_are_close_to_their_bounds_and_can_fail(arithmetic, width, monkeypatch):
    found = transcripts.weighed(arithmetic, width)
    assert found.holds and found.arithmetic and found.bound <= found.measured <= 9 * found.bound
    monkeypatch.setattr(type(arithmetic), "capacity", lambda *_: 5)
    assert not transcripts.weighed(arithmetic, width).holds


@pytest.mark.parametrize(
    ("arithmetic", "bound"), [(each, bound) for (each, _), bound in zip(widths.WEIGHED, [6, 6, 3, 1], strict=True)]
)
def test_widths_that_decide_equality_are_beside_their_bounds(arithmetic, bound, monkeypatch):
    found = widths.weighed_widths(arithmetic, [1, 8])
    assert found.holds and (found.measured, found.bound) == (8, bound)
    assert "0 of 64 pairs wrong" in found.ran and found.arithmetic == arithmetic.words
    monkeypatch.setattr(type(arithmetic), "smallest_width", lambda *_: 9)  # claims more than is true
    assert not widths.weighed_widths(arithmetic, [8]).holds


@pytest.mark.parametrize("arithmetic", widths.LOOKED_UP, ids=str)
def test_one_number_is_all_that_lookup_is_known_to_need(arithmetic):
    found = widths.lookup_width(arithmetic)
    assert found.holds and found.bound == 1 and "0 wrong" in found.ran


@pytest.mark.parametrize(("case", "measured", "bound"), [(0, 8, 8), (1, 10, 10), (2, 6, 2), (6, 4, 1)])
def test_states_of_one_bit_a_number_are_beside_their_bounds(case, measured, bound, monkeypatch):
    name, parameters = widths.STATES[case]
    found = widths.state_width(name, parameters)
    assert found.holds and (found.measured, found.bound) == (measured, bound)
    monkeypatch.setattr(widths, "smallest_state", lambda bits, precision: measured + 1)
    assert not widths.state_width(name, parameters).holds


@pytest.mark.parametrize("kind", ["fooling set", "rank"])
def test_witnesses_are_of_full_size(kind):
    assert lower.witness("equality", {"length": 6}, 3, kind).measured == 3


def test_every_statement_names_its_arithmetic():
    assert all(arithmetic for _, arithmetic in lower.SIDES.values())
    assert upper.constructed("parity", {"length": 5}).arithmetic == "fp32"


def test_a_construction_is_checked_and_asked_everything(monkeypatch):
    found = upper.constructed("equality-interleaved", {"length": 6})
    assert found.holds and "every input asked: 0 of 64" in found.ran
    create = constructions.create

    def wrong(name, **parameters):
        built = create(name, **parameters)
        with torch.no_grad():
            built.model.head.bias += torch.tensor([9.0, 0.0])
        return replace(built)

    monkeypatch.setattr(constructions, "create", wrong)
    with pytest.raises(CertificateError):
        upper.constructed("equality-interleaved", {"length": 6})


def test_the_command_says_what_fails(monkeypatch, capsys, tmp_path):
    one = Finding(
        subject="all",
        statement="it is so",
        kind="ceiling",
        ran="once",
        measured=1,
        bound=None,
        unit="bits",
        holds=True,
        known="proved",
    )
    other = one.replace(statement="it is not", holds=False)
    monkeypatch.setattr("separatrix.experiments.theorems.run.findings", lambda: iter([one, other]))
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", "theorems", "--json", "--output", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert ended.value.code == 1 and err == "separatrix: does not hold: all: it is not\n"
    assert json.loads(out) == Store(tmp_path / "out").read_record("theorems.json")
    monkeypatch.setattr("separatrix.experiments.theorems.run.findings", lambda: iter([one]))
    command.reproduce_theorems(str(tmp_path / "other"), json=False)
    assert "1 of 1 statement" in capsys.readouterr().out
    (tmp_path / "other" / "theorems.json").write_text("[]")
    with pytest.warns(Notice, match=r"theorems.json is damaged \(.*\): run `reproduce theorems` into it again"):
        assert kept(Store(str(tmp_path / "other"))) is None
    page = (tmp_path / "other" / "report" / "index.html").read_text()
    assert "All 1 statement that were run hold" in page and "it is so" in page and "Every trial" not in page
