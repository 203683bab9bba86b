"""Bring your own: a user's module, by `path/to/file.py:Class`, as an architecture."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, create_model
from torch import Tensor, nn

from separatrix import source, trust
from separatrix.errors import InputError, unknown
from separatrix.models.causality import check_causal, check_forms, quiet
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, latest
from separatrix.models.pickling import OWN
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State, repeat_queries


class WholePast(Mixer):
    """A module (B, N, D) -> (B, N, D) whose way of remembering is unknown. State: all its past inputs."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        return (x,) if state is None else (torch.cat([state[0], x], dim=1),)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        after = self.prefill(x, state)
        return (self.module(after[0])[:, after[0].shape[1] - x.shape[1] :] if x.shape[1] else x), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after


def keeps_whole_past(model: nn.Module) -> bool:
    """Whether a layer of a model keeps all its inputs for a state, and computes nothing until it is asked."""
    return any(isinstance(module, WholePast) for module in model.modules())


class Stepped(Mixer):
    """A module with `step(state, x) -> (y, state)`, which starts from None. State: what `step` hands on."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module: Any = module

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        if hasattr(self.module, "scan"):
            return self.module.scan(x) if state is None else self.module.scan(x, state)
        outputs = []
        for t in range(x.shape[1]):
            y, state = self.module.step(state, x[:, t])
            outputs.append(y)
        return (torch.stack(outputs, dim=1) if outputs else x), state

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        return self.module.step(state, x)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        if hasattr(self.module, "decode") and latest(type(self.module), ("decode", "step")) == "decode":
            return self.module.decode(state, x)
        batch, queries, width = x.shape
        y, _ = self.module.step(repeat_queries(state, queries), x.reshape(batch * queries, width))
        return y.reshape(batch, queries, width)


class Own(SequenceModel):
    """A model around a user's mixer, checked for looking ahead when it is built."""

    module: ClassVar[type[nn.Module]]
    accepted: ClassVar[list[str]]

    @classmethod
    def build_mixer(cls, config: ModelConfig, layer: int) -> Mixer:
        options = {name: value for name, value in dict(config).items() if name in cls.accepted}
        what = f"mixer {config.name!r}"
        try:
            module = cls.module(config.width, **options)
        except Exception as error:
            raise InputError(f"{what}: could not be built with width {config.width} and {options}: {error}") from error
        return adapt(module, config.width, what)


def adapt(module: nn.Module, width: int, what: str) -> Mixer:
    """A module as a mixer. Raises InputError when it looks ahead or its two forms disagree."""
    if not isinstance(module, nn.Module):
        raise InputError(f"{what}: must be a torch.nn.Module, got {type(module).__name__}")
    forward = type(module).forward is not nn.Module.forward
    if not forward and not hasattr(module, "scan") and not hasattr(module, "step"):
        raise InputError(f"{what}: needs forward(x), or scan(x, state) and step(state, x)")
    if hasattr(module, "scan") and not hasattr(module, "step"):
        raise InputError(f"{what}: has scan but no step(state, x) -> (y, state)")
    stepped = hasattr(module, "step")
    mixer = module if isinstance(module, Mixer) else Stepped(module) if stepped else WholePast(module)
    device = next((weight.device for weight in module.parameters()), torch.get_default_device())
    check_causal(quiet(module, module if forward else lambda x: mixer.scan(x)[0]), width, what, device=device)
    if stepped:
        check_forms(
            quiet(module, (lambda x: (module(x), mixer.scan(x)[1])) if forward else mixer.scan),
            quiet(module, mixer.step),
            width,
            what,
            device=device,
        )
    return mixer


def from_file(name: str) -> type[SequenceModel]:
    """The architecture `path/to/file.py:Class`; runs the file. Raises InputError when there is none such,
    and Untrusted when only a file names it.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file)
    if "\0" in name or not path.is_file():
        raise InputError(f"no file {file!r}: an architecture of one's own is named path/to/file.py:Class")
    trust.check(file, name)
    digest = source.digest(path)
    module_name = f"{OWN}{digest}"
    if module_name not in sys.modules:
        source.run(path, module_name)
    module = sys.modules[module_name]
    found = getattr(module, attribute, None)
    if found is None:
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        raise unknown(f"class in {file}:", attribute, classes)
    return from_class(found, name, digest)


def from_class(found: Any, name: str, digest: str | None = None) -> type[SequenceModel]:
    """The architecture of a SequenceModel subclass, or of a module class built with `width` and its own options."""
    if isinstance(found, type) and issubclass(found, SequenceModel):
        return found
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise InputError(f"{name}: must be a class of torch.nn.Module, got {found!r}")
    fields: dict[str, Any] = {"name": (Literal[name], name)}
    if digest is not None:  # the file's content is part of what the model is
        fields["code"] = (
            Literal[digest],
            Field(digest, description="hash of the file that defines it, and of those it imports"),
        )
    accepted = []
    for parameter in list(inspect.signature(found).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty:
            raise InputError(f"{name}: takes {parameter.name!r} without a default; only width may be without one")
        if parameter.name in ModelConfig.model_fields:
            raise InputError(f"{name}: its option {parameter.name!r} is also one of every model's: rename it")
        fields[parameter.name] = (Any if parameter.default is None else type(parameter.default), parameter.default)
        accepted.append(parameter.name)
    about = (inspect.getdoc(found) or f"{found.__name__}, a module of one's own").splitlines()[0]
    members = {
        "Config": create_model(f"{found.__name__}Config", __base__=ModelConfig, **fields),
        "module": found,
        "accepted": accepted,
        "state_formula": "as measured" if hasattr(found, "step") else "width * N: the whole past",
        "source": name,
        "__doc__": about,
    }
    return type(found.__name__, (Own,), members)
