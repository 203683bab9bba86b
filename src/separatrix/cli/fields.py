"""Fields of configurations as options in a command's help: those of the task, the model, the training, in groups."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.core import TyperCommand

Group = tuple[str, type[BaseModel]]
"""A heading, and the configuration whose fields stand under it."""

SLOTS = {"task": "task", "model": "model", "name": "construction"}
"""Which argument of a command names what."""


def listing(*sections: str) -> type[TyperCommand]:
    """A command whose --help, and completion, know the fields of these: task, model, construction, training, trial."""
    return type("FieldsCommand", (_FieldsCommand,), {"sections": sections})


class _FieldsCommand(TyperCommand):
    """Prints the fields after typer's own help."""

    sections: tuple[str, ...] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["separatrix.words"] = list(args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        _print(self._groups(ctx), self._unnamed(ctx), ctx.command_path)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        found = super().shell_complete(ctx, incomplete)
        if not incomplete.startswith("-"):
            return found
        given = {key: value for key, value in ctx.params.items() if isinstance(value, str)}
        for _, config in groups(self.sections, {SLOTS[key]: given[key] for key in SLOTS if key in given}):
            found += [_item(option, meaning) for option, meaning, _ in options(config) if option.startswith(incomplete)]
        return found

    def _named(self, ctx: Any) -> dict[str, str]:
        """What the first words say, by the arguments they stand for."""
        slots = [SLOTS.get(parameter.name) for parameter in self.params if parameter.param_type_name == "argument"]
        words: list[str] = []
        for word in ctx.meta.get("separatrix.words", []):
            if word.startswith("-"):
                break
            words.append(word)
        return {slot: word for slot, word in zip(slots, words, strict=False) if slot}

    def _groups(self, ctx: Any) -> list[Group]:
        return groups(self.sections, self._named(ctx))

    def _unnamed(self, ctx: Any) -> list[str]:
        """Sections whose fields depend on a name that was not given."""
        named = self._named(ctx)
        needed = ["construction"] if "construction" in self.sections else ["task", "model"]
        return [section for section in needed if section in self.sections and section not in named]


def groups(sections: Sequence[str], named: dict[str, str]) -> list[Group]:
    """The headings and configurations of a command; those that depend on a name that was not given are left out.

    Raises InputError for names that do not exist.
    """
    found: list[Group] = []
    for section in sections:
        match section:
            case "task" if "task" in named:
                from separatrix.tasks import family

                found.append((f"Task {named['task']}", family(named["task"])))
            case "model" if "model" in named and not _is_a_configuration(named["model"]):
                from separatrix.models import architecture

                found.append((f"Model {named['model']}", architecture(named["model"]).Config))
            case "model" if "training" in sections:  # what trains has imported all of this anyway
                from separatrix.models import ModelConfig

                found.append(("Model, every one", ModelConfig))
            case "construction" if "construction" in named:
                from separatrix import constructions
                from separatrix.tasks import family

                theorem = constructions.theorem(named["construction"])
                found += [
                    (f"Construction {theorem.name}", theorem.options),
                    (f"Task {theorem.task}", family(theorem.task)),
                ]
            case "training":
                from separatrix.experiments.trial.config import TrainingConfig

                found.append(("Training", TrainingConfig))
            case "trial":
                from separatrix.experiments.trial.config import TrialConfig

                found.append(("Trial", TrialConfig))
    return found


def options(config: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """The fields that can be given on the command line: option, meaning, field. No nested configurations, no names."""
    for name, field in config.model_fields.items():
        words = type_words(field.annotation)
        if words not in ("", "none") and name not in ("name", "source_sha256"):
            yield f"--{name.replace('_', '-')}", about(config, name), field


def type_words(annotation: Any) -> str:
    """A field's type as help shows it: `int`, `full|random`, `int|none`, `list`; nothing for configurations."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, inner))
    if origin in (Union, UnionType):
        return "|".join(filter(None, dict.fromkeys(type_words(each) for each in inner)))
    if origin in (tuple, list):
        return "list"
    if origin is not None or annotation is Any:
        return type_words(inner[0]) if hasattr(annotation, "__metadata__") else ""
    if annotation is NoneType:
        return "none"
    return annotation.__name__ if annotation in (int, float, bool, str) else ""


def limits(field: FieldInfo) -> str:
    """The range of a number: `x>=1`, `0<x<=1`."""
    known = {name: getattr(part, name) for part in field.metadata for name in ("gt", "ge", "lt", "le")
             if getattr(part, name, None) is not None}  # fmt: skip
    low = next((f"{known[name]}{sign}" for name, sign in (("gt", "<"), ("ge", "<=")) if name in known), "")
    high = next((f"{sign}{_short(known[name])}" for name, sign in (("lt", "<"), ("le", "<=")) if name in known), "")
    if low and not high:
        return f"x>{'' if 'gt' in known else '='}{known.get('gt', known.get('ge'))}"
    return f"{low}x{high}" if low or high else ""


def _short(number: float) -> str:
    """A number as help writes it: 2^60 where it is a power of two that nobody reads in digits."""
    if isinstance(number, int) and number > 2**20 and number & (number - 1) == 0:
        return f"2^{number.bit_length() - 1}"
    return str(number)


def about(config: type[BaseModel], name: str) -> str:
    """What a field is, also where a family gives only another default."""
    lineage = [
        kind.model_fields[name] for kind in config.__mro__ if issubclass(kind, BaseModel) and name in kind.model_fields
    ]
    return next((field.description for field in lineage if field.description), "")


def default(field: FieldInfo) -> str:
    """What is taken when the option is not given."""
    if field.is_required():
        return "[required]"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return ""
    return f"[default: {value if isinstance(value, str) else json.dumps(value)}]".replace("null", "none")


def _is_a_configuration(name: str) -> bool:
    path = "/" in name.replace("//", "") and ".py" not in name  # mixers side by side are joined by two strokes
    return name.endswith((".json", ".safetensors")) or path


def _item(option: str, about: str) -> Any:
    """A completion of typer's parser, which is a package of its own or a part of typer, by version."""
    from importlib import import_module

    parser = typer.BadParameter.__module__.rpartition(".")[0]
    return import_module(f"{parser}.shell_completion").CompletionItem(option, help=about)


def _print(found: Sequence[Group], unnamed: Sequence[str], command: str) -> None:
    """A panel for each group, looking as typer's own."""
    from rich import box
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for title, config in found:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", max_width=20)
        table.add_column(overflow="fold", ratio=1)
        for option, meaning, field in options(config):
            said = Text(meaning).append(f" {default(field)}", "red" if field.is_required() else "dim")
            kind = " ".join(filter(None, [type_words(field.annotation), limits(field)]))
            table.add_row(Text(option, "bold cyan"), Text(kind.replace("|", " | "), "bold yellow"), said)
        panel = Panel(table, title=title, title_align="left", border_style="dim", box=box.ROUNDED)
        console.print(panel)
    if unnamed:
        with_names = " ".join([command, *(name.upper() for name in unnamed)])
        more = "of a construction and its task" if unnamed == ["construction"] else f"of a {' and of a '.join(unnamed)}"
        console.print(Text(f" Options {more}: {with_names} --help\n"), soft_wrap=False)
