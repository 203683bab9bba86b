"""The sizes that bounds.known_upper states are the sizes that are built, and lie above the lower bounds."""

from __future__ import annotations

import pytest

import separatrix as sx
import separatrix.constructions.check
from separatrix.bounds.known_upper import elman_upper, recurrent_upper

BUILT = [
    ("shift-register", {"length": 7, "alphabet": 5}),
    ("shift-register", {"length": 1, "alphabet": 2}),
    ("bounded-dyck-stack", {"length": 10, "kinds": 1, "depth": 3}),
    ("bounded-dyck-stack", {"length": 30, "kinds": 4, "depth": 7}),
    ("bounded-dyck-stack", {"length": 30, "kinds": 7, "depth": 1}),
    ("equality-interleaved", {"length": 8}),
    ("equality-interleaved", {"length": 8, "alphabet": 9}),
    ("disjointness-interleaved", {"length": 8}),
    ("parity", {"length": 8}),
    ("modular-counter", {"length": 8, "modulus": 5}),
    ("group-word", {"length": 8, "group": "S3"}),
]


@pytest.mark.parametrize(("name", "parameters"), BUILT)
def test_built_networks_have_the_size_that_is_stated(name, parameters):
    built = sx.constructions.create(name, **parameters)
    upper = elman_upper(built.task)
    assert upper.size == built.width == sx.state_numbers(built.model.prefill(_one(built.task)))
    assert recurrent_upper(built.task).size <= upper.size or name == "shift-register"
    assert built.task.recurrent_bits() <= upper.size


@pytest.mark.parametrize(
    ("name", "parameters"), [*BUILT, ("automaton", {"length": 8}), ("equality-fingerprint", {"length": 8})]
)
def test_saved_networks_are_verified_from_their_files(name, parameters, tmp_path):
    built = sx.constructions.create(name, format="bf16", **parameters)
    verdict = sx.constructions.check.check_file(built.save(tmp_path / "built.safetensors"))
    assert verdict.margin == built.certificate.margin == 1


def _one(task):
    return task.sample(1, sx.tasks.stream(0, "train")).context


def test_the_register_is_the_known_upper_bound_in_bits():
    task = sx.tasks.create("index-lookup", length=30, alphabet=16)
    assert elman_upper(task).size == recurrent_upper(task).size == task.recurrent_bits()


def test_tasks_without_a_constant_network():
    assert elman_upper(sx.tasks.create("equality", length=8)) is None
    assert elman_upper(sx.tasks.create("associative-recall", pairs=2)) is None
