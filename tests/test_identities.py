"""Stored results stay readable: identities of trials and weights of constructions are what they were when stored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from separatrix.constructions import create
from separatrix.experiments.card.probes import standard
from separatrix.experiments.card.reference import families
from separatrix.experiments.presets import schema
from separatrix.models.files import weights_sha256

KNOWN = json.loads((Path(__file__).parent / "data" / "identities.json").read_text(encoding="utf-8"))


def digest(identities: list[str]) -> dict[str, int | str]:
    return {"trials": len(identities), "sha256": hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest()}


@pytest.mark.parametrize("name", KNOWN["presets"])
def test_trials_of_the_presets(name):
    assert digest([trial.identity() for trial in schema.load(name).trials()]) == KNOWN["presets"][name]


def test_trials_of_the_references():
    found = {
        f"{model['name']}-{model['layers']}": digest([p.config.identity() for p in standard().trials(model)])
        for model in families()
    }
    assert found == KNOWN["references"]


@pytest.mark.parametrize("key", KNOWN["constructions"])
def test_weights_of_the_constructions(key):
    name, parameters = key.split(" ", 1)
    built = create(name, **json.loads(parameters))
    found = {"weights": weights_sha256(built.model), "argument": built.certificate.argument}
    assert found == KNOWN["constructions"][key]
