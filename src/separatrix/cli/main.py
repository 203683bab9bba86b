"""`separatrix`: the command line's entry point, and its one way of reporting bad input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from separatrix import __version__
from separatrix.cli import (
    analyze,
    ask,
    audit,
    bounds,
    card,
    certify,
    compare,
    construct,
    convert,
    doctor,
    export,
    finetune,
    frontier,
    protocol,
    recall,
    report,
    reproduce,
    sample,
    sweep,
    train,
)
from separatrix.cli import list_ as list_command
from separatrix.cli.options import FREE_OPTIONS
from separatrix.errors import InputError, nearest

app = typer.Typer(
    name="separatrix",
    help="How large must a sequence model be to do a task: proved, constructed and measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

# typer carries its parser's exceptions under names of its own; these are the same classes in every version
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
ParserError: type[Exception] = typer.BadParameter.__mro__[2]


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """How large must a sequence model be to do a task: proved, constructed and measured."""
    if version:
        print(__version__)
        raise typer.Exit


app.command("reproduce")(reproduce.reproduce)
app.command("train", context_settings=FREE_OPTIONS)(train.train)
app.command("sweep")(sweep.sweep)
app.command("sample", context_settings=FREE_OPTIONS)(sample.sample)
app.command("frontier", context_settings=FREE_OPTIONS)(frontier.frontier)
app.command("bounds", context_settings=FREE_OPTIONS)(bounds.bounds)
app.command("analyze", context_settings=FREE_OPTIONS)(analyze.analyze)
app.command("audit", context_settings=FREE_OPTIONS)(audit.audit)
app.command("construct", context_settings=FREE_OPTIONS)(construct.construct)
app.command("certify")(certify.certify)
app.command("ask")(ask.ask)
app.command("convert")(convert.convert)
app.command("finetune", context_settings=FREE_OPTIONS)(finetune.finetune)
app.command("protocol")(protocol.protocol)
app.command("card", context_settings=FREE_OPTIONS)(card.card)
app.command("compare")(compare.compare)
app.command("list")(list_command.list_)
app.command("export")(export.export)
app.command("recall")(recall.recall)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Bad input prints one line on stderr and exits with 2; Ctrl-C exits with 130."""
    arguments = sys.argv[1:] if arguments is None else arguments
    group = typer.main.get_command(app)
    try:
        code = group.main(arguments, prog_name="separatrix", standalone_mode=False)
    except InputError as error:
        code = fail(str(error))
    except ParserError as error:
        code = fail(explain(error, group))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> int:
    """Print the one line; returns the exit code."""
    print(f"separatrix: {' '.join(message.split())}", file=sys.stderr)
    return 2


def explain(error: Any, group: Any) -> str:
    """The parser's complaint as one line, with the nearest valid command or option."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if option := getattr(error, "option_name", None):
        options = [name for parameter in context.command.params for name in parameter.opts] if context else []
        return f"no option {option!r}: {suggestion(option, options)}"
    if command := re.match(r"No such command '([^']+)'", message):
        return f"no command {command[1]!r}: {suggestion(command[1], group.commands)}"
    where = f" (see {context.command_path} --help)" if context else ""
    return message.replace("Value error, ", "").rstrip(".") + where


def suggestion(name: str, valid: Iterable[str]) -> str:
    """What to type instead."""
    bare = {option.lstrip("-"): option for option in valid}
    guess = nearest(name.lstrip("-"), bare)
    return f"did you mean {bare[guess]!r}?" if guess else f"valid are {', '.join(sorted(bare.values()))}"
