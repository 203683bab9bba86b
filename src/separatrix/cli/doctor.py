"""`separatrix doctor`: what is installed, and what runs on what."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from separatrix.cli.output import Json, print_json, print_table

PACKAGES = ("torch", "numpy", "pydantic", "polars", "altair", "vl-convert-python", "loky", "transformers", "ray")


def doctor(json: Json = False) -> None:
    """Tell what is installed, how many threads and devices there are, and whether the kernels are compiled.

    Example: separatrix doctor
    """
    import torch

    from separatrix import ops
    from separatrix.experiments.trial.environment import environment

    found = environment()
    found["compiler"] = ops.native.compiler()[0] or "no record"
    found["devices"] = ["cpu", *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))]
    found["packages"] = {name: installed(name) for name in PACKAGES}
    if json:
        print_json(found)
        return
    packages = found.pop("packages")
    rows = [[key, ", ".join(value) if isinstance(value, list) else value] for key, value in found.items()]
    rows += [[name, value or "not installed"] for name, value in packages.items() if name not in found]
    print_table("separatrix doctor", ["", ""], rows)


def installed(package: str) -> str | None:
    """A package's version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
