"""Models on disk: one safetensors file holding the weights and, in its header, the task and model they belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from separatrix import __version__, trust
from separatrix.atomic import replacing
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.models.registry import architecture
from separatrix.models.sequence import SequenceModel
from separatrix.tasks import family as task_family

FORMAT = 1
"""Version of the header. Files of a later version are refused."""

KEY = "separatrix"
WRITTEN = {"task": dict, "model": dict, "sha256": str, "version": str, "notes": dict}
"""What a header holds, in the order of `Header`."""


@dataclass(frozen=True)
class Header:
    """What a model file says of itself, read without its weights.

    task, model: configurations, as `tasks.create` and `models.create` take them
    sha256:      hash of the weights (`weights_sha256`)
    notes:       anything else that was saved with the model, as JSON values by name
    """

    task: dict[str, Any]
    model: dict[str, Any]
    sha256: str
    version: str = __version__
    notes: dict[str, Any] = field(default_factory=dict)


def save(model: SequenceModel, path: str | Path, notes: dict[str, Any] | None = None) -> Path:
    """Write a model's weights, task and configuration to one safetensors file, atomically. Returns the path.

    notes: JSON values kept with the weights, e.g. a certificate
    Raises InputError when the file cannot be written.

    >>> model = sx.models.create("lstm", sx.tasks.create("parity", length=10), width=8)
    >>> sx.models.save(model, "parity.safetensors", notes={"trained": False}).name
    'parity.safetensors'
    """
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    header = {
        "format": FORMAT,
        "version": __version__,
        "task": model.task.model_dump(mode="json"),
        "model": model.config.model_dump(mode="json"),
        "sha256": weights_sha256(model),
        "notes": notes or {},
    }
    with replacing(path, parents=True) as partial:
        try:
            save_file(tensors, partial, metadata={KEY: canonical_json(header)})
        except SafetensorError as error:
            raise InputError(f"cannot write {path}: {error}") from None
    return path


def read_header(path: str | Path) -> Header:
    """The header of a model file. Raises InputError for a file that is missing, damaged or not ours."""
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get(KEY)
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (SafetensorError, OSError) as error:
        if Path(path).is_dir():
            raise InputError(f"{path} is a folder: expected a .safetensors file") from None
        raise InputError(f"{path} is no safetensors file, or a damaged one ({error})") from None
    if written is None:
        raise InputError(f"{path} was not written by separatrix: its header has no {KEY!r} entry")
    try:
        values = json.loads(written)
        if values["format"] > FORMAT:
            raise InputError(
                f"{path} has format {values['format']}, this version reads up to {FORMAT}: update separatrix"
            )
        return Header(*(_of_kind(values, name, kind) for name, kind in WRITTEN.items()))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        said = " ".join(str(error)[:200].split())
        raise InputError(f"{path} has a damaged header ({type(error).__name__}: {said})") from None


def _of_kind(values: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(values[name], kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return values[name]


def load(path: str | Path, own_code: bool = False) -> SequenceModel:
    """The model in a file, with the weights, task and configuration it was saved with, on the CPU.

    own_code: allow models and tasks defined in Python files, which are executed
    Raises InputError for a file that is missing, damaged, changed, of a later version or not ours.

    >>> model = sx.models.create("lstm", sx.tasks.create("parity", length=10), width=8)
    >>> again = sx.models.load(sx.models.save(model, "parity.safetensors"))
    >>> again.task, again.config.width
    (Parity(name='parity', length=10), 8)
    """
    header = read_header(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if isinstance(layers := header.model.get("layers"), int) and layers > len(tensors):
        raise InputError(f"{path}: its configuration has {layers:,} layers, and it holds {len(tensors)} tensors")
    model = unfilled(header, path, own_code)
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit its configuration ({' '.join(str(error).split())})") from None
    if weights_sha256(model) != header.sha256:
        raise InputError(f"{path} was changed after it was saved: its weights do not have the recorded hash")
    return model


def unfilled(header: Header, path: str | Path, own_code: bool) -> SequenceModel:
    """The model a header describes, its weights still to be loaded."""
    names = {kind: str(config.get("name")) for kind, config in (("task", header.task), ("model", header.model))}
    for kind, name in names.items():
        if trust.names_code(name) and not own_code:
            try:
                with trust.reading(path):
                    trust.check(name.partition(trust.FILE)[0] + ".py", name)
            except trust.Untrusted as error:
                raise trust.Untrusted(f"{path}: its {kind} {error} (from Python: own_code=True)") from None
    task = task_family(names["task"])(**header.task)
    build = architecture(names["model"])
    config = build.Config(**header.model)
    try:
        with torch.device("meta"):  # no memory, no drawing of weights that are replaced at once
            model = build(task, config)
    except (RuntimeError, TypeError) as error:  # sizes beyond what a tensor can have
        raise InputError(f"{path}: no model has its configuration ({' '.join(str(error).split())})") from None
    persistent = model.state_dict()
    if all(name in persistent for name, _ in model.named_buffers()):
        return model
    with torch.random.fork_rng(devices=[]):  # tables that are computed, not saved, need their memory
        return build(task, config)


def weights_sha256(model: nn.Module) -> str:
    """Hash of a model's weights: names, shapes, number formats and bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
