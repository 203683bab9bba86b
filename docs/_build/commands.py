"""The manual's page of commands, made from the commands themselves."""

from __future__ import annotations

from typing import Any

import typer
from mkdocs.structure.files import File, Files

from separatrix.cli.fields import default, groups, limits, options, type_words
from separatrix.cli.main import app

CONFIGURED = {"training": "Training", "trial": "Trial"}


def on_files(files: Files, config: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, "commands.md", content=page()))
    return files


def page() -> str:
    """Every command under its heading: what it does, its arguments and options, and the fields it takes."""
    root = typer.main.get_command(app)
    parts, heading = ["# Commands\n"], ""
    for name, command in root.commands.items():
        if command.rich_help_panel != heading:
            heading = command.rich_help_panel
            parts.append(f"\n## {heading}\n")
        parts.append(f"\n### `separatrix {name}`\n\n{_words(command.help or '')}\n")
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        parts.append("\n| argument or option | meaning |\n|---|---|\n" + "".join(rows))
        sections = [each for each in getattr(command, "sections", ()) if each in CONFIGURED]
        for title, fields in groups(sections, {}):
            if title in CONFIGURED.values():
                parts.append(f"\n{title}:\n\n| field | type | meaning |\n|---|---|---|\n")
                parts += [_field(*each) for each in options(fields)]
        if more := [each for each in getattr(command, "sections", ()) if each not in CONFIGURED]:
            parts.append(f"\nFields of the {' and the '.join(more)} are options too: `--help` after a name lists them.\n")
    return "".join(parts)


def _words(text: str) -> str:
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n")]
    return "\n\n".join(
        f"```sh\n{each.removeprefix('Example: ')}\n```" if each.startswith("Example: ") else each for each in paragraphs
    )


def _row(parameter: Any) -> str:
    name = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
    return f"| `{name}` | {_cell(parameter.help or '')} |\n"


def _field(option: str, meaning: str, field: Any) -> str:
    kind = " ".join(filter(None, [type_words(field.annotation), limits(field)]))
    return f"| `{option}` | {_cell(kind)} | {_cell(meaning)} {default(field)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
