"""The state of a model by its settings or its configuration file, measured: what `audit` and `plan` ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from separatrix.errors import InputError

if TYPE_CHECKING:
    from separatrix.bounds.state_size import StateSize


def of_configuration(path: str, length: int) -> StateSize:
    """The state of a `config.json`, or of its folder: Transformers', or one that `separatrix convert` wrote.

    Raises InputError for others, and for a model that is a Python file: a configuration runs nothing.
    """
    from separatrix.models.huggingface.audit import configured_size
    from separatrix.models.huggingface.configuration import load_config
    from separatrix.trust import names_code

    settings = load_config(path)
    if settings["model_type"] != "separatrix":
        return configured_size(settings, length)
    model = settings.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        raise InputError(f"{path}: a separatrix configuration has its model's fields under `model`, name among them")
    if names_code(model["name"]):
        raise InputError(f"{path}: {model['name']!r} is a Python file, which a configuration may not execute")
    return built(model)


def built(settings: dict[str, Any], length: int = 64) -> StateSize:
    """The state of a model by the fields of its configuration, read at `length` tokens or beyond its windows."""
    from separatrix.models import create
    from separatrix.models.measure import measured_size, window_lengths
    from separatrix.tasks import create as create_task

    name, fields = settings["name"], {key: value for key, value in settings.items() if key != "name"}
    probe = create_task("index-lookup", length=length, alphabet=4)
    model = create(name, probe, **fields)
    if last := max(window_lengths(model), default=0):
        probe = create_task("index-lookup", length=max(64, last + 8), alphabet=4)
        model = create(name, probe, **fields)
    return measured_size(model, probe)
