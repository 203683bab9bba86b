"""`separatrix convert`: a saved model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from separatrix.cli.output import Json, print_json


def convert(
    file: Annotated[Path, typer.Argument(help="a .safetensors file of a model")],
    output: Annotated[Path, typer.Argument(help="a path ending in .onnx, or a folder for Hugging Face's AutoModel")],
    json: Json = False,
) -> None:
    """Write a saved model as ONNX (extra `onnx`) or as a Hugging Face model directory (extra `hf`).

    Example: separatrix convert weights.safetensors model.onnx
    """
    from separatrix.errors import InputError
    from separatrix.models.files import load

    model = load(file).eval()
    if output.suffix == ".onnx":
        from separatrix.models.onnx import export_onnx

        written = export_onnx(model, output)
    elif output.suffix:
        raise InputError(f"expected a path ending in .onnx, or a folder without an ending, got {output}")
    else:
        try:
            from separatrix.models.hub import export_huggingface
        except ImportError:
            raise InputError("a model directory needs the extra `hf`: pip install 'separatrix[hf]'") from None
        from transformers.utils import logging

        logging.disable_progress_bar()
        written = export_huggingface(model, output)
    if json:
        print_json({"written": written})
        return
    print(f"written: {written}")
    if output.suffix != ".onnx":
        print(
            "Read it with:\n  import separatrix.models.hub  # tells Transformers what it is\n"
            f"  model = transformers.AutoModel.from_pretrained({str(written)!r})"
        )
