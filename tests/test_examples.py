"""Every public function and class has an example in its docstring, and what the example says is so."""

from __future__ import annotations

import doctest
import importlib
import inspect
import math
import re

import pytest
import torch

import separatrix

PACKAGES = (
    "tasks",
    "numerics",
    "bounds",
    "ops",
    "models",
    "constructions",
    "constructions.codes",
    "experiments",
    "experiments.card",
    "experiments.presets",
)
NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")


class Checker(doctest.OutputChecker):
    """Compares decimals as numbers: another processor may round the last digits otherwise."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        wanted, found = (list(map(float, NUMBER.findall(text))) for text in (want, got))
        close = len(wanted) == len(found) and all(
            math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-7) for a, b in zip(wanted, found, strict=True)
        )
        return close and super().check_output(NUMBER.sub("#.#", want), NUMBER.sub("#.#", got), optionflags)


def documented() -> dict[str, object]:
    """Every public function and class, once, under the first name it has."""
    found: dict[int, tuple[str, object]] = {}
    for package in PACKAGES:
        module = importlib.import_module(f"separatrix.{package}")
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member) or inspect.isfunction(member):
                found.setdefault(id(member), (f"{package}.{name}", member))
    return dict(found.values())


def problems(example: doctest.DocTest) -> str:
    """What a run of the examples of one docstring complains of."""
    said: list[str] = []
    doctest.DocTestRunner(Checker(), verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(
        example, out=said.append
    )
    return "".join(said)


def parsed(text: str, name: str) -> doctest.DocTest:
    globs = {"sx": separatrix, "torch": torch}
    return doctest.DocTestParser().get_doctest(inspect.cleandoc(text), globs, name, None, 0)


@pytest.mark.parametrize("name", documented())
def test_the_example_of_a_public_name_is_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "tasks.as_hf_dataset":
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    test = parsed(vars(inspect.unwrap(documented()[name])).get("__doc__") or documented()[name].__doc__ or "", name)
    assert test.examples, f"separatrix.{name} has no example in its docstring"
    assert not (said := problems(test)), said


@pytest.mark.parametrize("name", ["separatrix", "separatrix.experiments", "separatrix.lazy"])
def test_the_example_of_a_module_is_true(name):
    module = importlib.import_module(name)
    tests = [test for test in doctest.DocTestFinder().find(module, extraglobs={"sx": separatrix}) if test.examples]
    assert tests
    for test in tests:
        assert not (said := problems(test)), said


def test_a_wrong_example_is_told_from_a_right_one():
    assert not problems(parsed(">>> 1 / 3\n0.33333331", "nearly"))
    assert "Expected" in problems(parsed(">>> 1 / 3\n0.334", "off"))
    assert "Expected" in problems(parsed(">>> 3, 0.5\n(4, 0.5)", "whole numbers are exact"))
    assert "Expected" in problems(parsed(">>> [0.5]\n[0.5, 0.5]", "one too many"))
