"""Every reader of a file or of the command line, with an example: bytes in, anything or InputError out."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from separatrix import constructions
from separatrix.cli.options import pairs
from separatrix.config import parse_toml
from separatrix.experiments.card import probes
from separatrix.experiments.card.card import parse_card
from separatrix.experiments.presets import schema
from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.search.sweep import Sweep
from separatrix.experiments.search.tuning import Choice
from separatrix.experiments.store.records import checked, read_history
from separatrix.experiments.trial.checkpoint import read_progress
from separatrix.experiments.trial.config import trial_config
from separatrix.experiments.trial.seal import parse_object, read_as, unseal
from separatrix.models import files as model_files
from separatrix.models.huggingface.configuration import configuration, load_config

OLD = Path(__file__).parents[2] / "data" / "store-0.1"
TRIAL = OLD / "trials" / "6659afb4924ee23f"
KIND_TEXT, KIND_JSON, KIND_TOML, KIND_BINARY = "text", "json", "toml", "binary"


@dataclasses.dataclass(frozen=True)
class Reader:
    """What reads, an example, and how the example is written, so that it can be altered in its fields too."""

    read: Callable[[bytes], Any]
    example: bytes
    kind: str = KIND_JSON


def on_disk(suffix: str, read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A reader of files by their path as one of bytes."""

    def reads(data: bytes) -> Any:
        path = Path(_folder()) / f"it{suffix}"
        path.write_bytes(data)
        return read(str(path))

    return reads


@cache
def _folder() -> str:
    keep = tempfile.TemporaryDirectory()
    _KEPT.append(keep)
    return keep.name


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _options(data: bytes) -> Any:
    return pairs(data.decode("utf-8", "replace").split())


def _sweep(data: bytes) -> Any:
    return read_as(Sweep, parse_toml(data, "it"))


def _preset(data: bytes) -> Any:
    return schema.checked(read_as(schema.Preset, {"name": "it"} | parse_toml(data, "it")))


def _hugging_face(path: str) -> Any:
    """A configuration, and the class that Transformers makes of it; no weights."""
    return configuration(load_config(path))


def _shipped(room: str, name: str) -> bytes:
    return files(f"separatrix.experiments.{room}").joinpath(name).read_bytes()


@cache
def _certified() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return constructions.create("parity", length=6).save(Path(folder) / "it.safetensors").read_bytes()


def retold(data: bytes, header: bytes) -> bytes:
    """A model file with another header text in its metadata, its weights as they are."""
    return save_tensors(load_tensors(data), {model_files.KEY: header.decode("utf-8", "replace")})


def _header_of_it(path: str) -> Any:
    """A model file whose header is what was written to `path`."""
    Path(path).write_bytes(retold(_certified(), Path(path).read_bytes()))
    return constructions.load(path)


def _own_header() -> bytes:
    size = int.from_bytes(_certified()[:8], "little")
    return json.loads(_certified()[8 : 8 + size])["__metadata__"][model_files.KEY].encode()


LLAMA = b'{"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9}'
MAMBA_SSM = b'{"d_model": 8, "n_layer": 1, "vocab_size": 9, "ssm_cfg": {"layer": "Mamba2", "headdim": 4, "d_state": 4}}'


@cache
def readers() -> dict[str, Reader]:
    """All of them, by name."""
    frontier = next(OLD.glob("frontiers/*")).read_bytes()
    reference = _shipped("card", "references.jsonl").splitlines()[0]
    return {
        "result": Reader(lambda data: checked(data, TRIAL.name), (TRIAL / "result.json").read_bytes()),
        "sealed record": Reader(unseal, (TRIAL / "recall.json").read_bytes()),
        "configuration": Reader(lambda data: trial_config(parse_object(data)), (TRIAL / "config.json").read_bytes()),
        "checkpoint": Reader(read_progress, (TRIAL / "checkpoint.safetensors").read_bytes(), KIND_BINARY),
        "history": Reader(lambda data: read_history(data, None), (TRIAL / "history.parquet").read_bytes(), KIND_BINARY),
        "frontier": Reader(lambda data: read_as(Frontier, parse_object(data)), frontier),
        "choice of a rate": Reader(
            lambda data: read_as(Choice, parse_object(data)),
            b'{"rate": 0.01, "window": [0.01], "tried": [], "tuning": {"rates": [0.01]}, "seeds": [1], "tokens": 9}',
        ),
        "card": Reader(lambda data: parse_card(data.decode("utf-8", "replace"), "it"), reference),
        "options": Reader(_options, b"--width 64 --learning-rate=1e-3 --lengths [1,2] --no-residual", KIND_TEXT),
        "sweep": Reader(_sweep, b'[base]\ntask = { name = "parity", length = 4 }\n[grid]\nseed = [0, 1]\n', KIND_TOML),
        "preset": Reader(_preset, _shipped("presets", "smoke.toml"), KIND_TOML),
        "battery": Reader(on_disk(".toml", probes.load), _shipped("card", "probes.toml"), KIND_TOML),
        "Hugging Face": Reader(on_disk(".json", _hugging_face), LLAMA),
        "state-spaces": Reader(on_disk(".json", _hugging_face), MAMBA_SSM),
        "weights": Reader(on_disk(".safetensors", constructions.load), _certified(), KIND_BINARY),
        "header": Reader(on_disk(".safetensors", _header_of_it), _own_header()),
    }
