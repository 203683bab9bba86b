"""Models as ONNX files, for any batch size, context length and number of queries; of streams, for any length.

Attention is exported as it is; every other mixer as a loop over its `step`, which agrees with its `scan` to rounding.
"""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from separatrix import ops
from separatrix.config import canonical_json
from separatrix.errors import InputError
from separatrix.models.mixer import Mixer, ask
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.models.transformer import Attention
from separatrix.tasks.examples import Batch, Stream


def export_onnx(model: SequenceModel, path: str | Path) -> Path:
    """Write a model as ONNX, atomically: inputs `context` and `queries`, output `logits`. Returns the path.

    A model of a stream has one input, `inputs`, and its `logits` are those at every token. The task's and the model's
    configurations stand in the file's metadata. Needs the extra `onnx`.
    Raises InputError without the extra, for a path that does not end in .onnx, and for models with complex numbers or
    code of their own that ONNX has no operators for.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"expected a path ending in .onnx, got {path.name!r}")
    try:
        import onnx  # noqa: F401, PLC0415
        import onnxscript  # noqa: F401, PLC0415
    except ImportError:
        raise InputError("exporting to ONNX needs the extra `onnx`: pip install 'separatrix[onnx]'") from None
    exported, names, example = _graph(model)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _calm(), torch.no_grad(), ops.native.use("reference"):
            program: Any = torch.onnx.export(
                exported,
                example,
                dynamo=True,
                input_names=names,
                output_names=["logits"],
                dynamic_shapes=(free,) * len(names),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise InputError(f"{model.config.name} cannot be written as ONNX: {_cause(error)}") from error
    for key, config in (("task", model.task), ("model", model.config)):
        program.model.metadata_props[f"separatrix.{key}"] = canonical_json(config.model_dump(mode="json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        program.save(os.path.join(folder, path.name))
        for name in sorted(os.listdir(folder), key=lambda name: name == path.name):  # weights kept apart come first
            os.replace(os.path.join(folder, name), path.parent / name)
    return path


def _graph(model: SequenceModel) -> tuple[nn.Module, list[str], tuple[Tensor, ...]]:
    """What is exported, the names of its inputs, and an example of them."""
    drawn = model.task.sample(2, torch.Generator().manual_seed(0), queries=2)
    if isinstance(drawn, Stream):
        return _Reading(_stepwise(model)), ["inputs"], (drawn.inputs,)
    assert isinstance(drawn, Batch)
    return _stepwise(model), ["context", "queries"], (drawn.context, drawn.queries)


class _Reading(nn.Module):
    """A model as a function of a stream."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T answers"]:
        return self.model.read(inputs)


@contextmanager
def _calm() -> Iterator[None]:
    """Without the exporter's talk of packages that are not needed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _cause(error: Exception) -> str:
    """What the exporter met, without its advice."""
    if "complex" in str(error):
        return "ONNX has no operators for complex numbers"
    if "Invalid get_attr type" in str(error):
        return f"PyTorch {torch.__version__} exports no loops over tokens; later ones do (2.13)"
    told = [line for line in str(error).splitlines() if "<class" in line]
    return (told or str(error).splitlines() or [type(error).__name__])[0].strip()


def _stepwise(model: SequenceModel) -> SequenceModel:
    """A copy that shares the weights and runs its recurrent mixers token by token."""
    shared = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    copied = copy.deepcopy(model, shared).eval()
    for block in copied.blocks:
        if not isinstance(block.mixer, Attention):
            block.mixer = _Stepwise(block.mixer)
    return copied


class _Stepwise(Mixer):
    """A mixer run as a loop over its step, in the one form that exporters understand at any length."""

    def __init__(self, mixer: Mixer) -> None:
        super().__init__()
        self.mixer = mixer

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        from torch._higher_order_ops.scan import scan  # noqa: PLC0415

        start, form = pytree.tree_flatten(self.mixer.scan(x[:, :0], state)[1])

        def token(carry: list[Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
            y, after = self.mixer.step(pytree.tree_unflatten(carry, form), x)
            return [leaf.clone() for leaf in pytree.tree_leaves(after)], y.clone()

        after, y = scan(token, [leaf.clone() for leaf in start], x.transpose(0, 1))
        return y.transpose(0, 1), pytree.tree_unflatten(list(after), form)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        return self.mixer.step(state, x)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        return ask(self.mixer, state, x)
