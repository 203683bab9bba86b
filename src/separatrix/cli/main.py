"""`separatrix`: the command line's entry point, and its one way of reporting bad input."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
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
    figure,
    finetune,
    frontier,
    leaderboard,
    limits,
    plan,
    protocol,
    recall,
    report,
    reproduce,
    sample,
    sweep,
    train,
)
from separatrix.cli import list_ as list_command
from separatrix.cli import map_ as map_command
from separatrix.cli.encoding import forgive
from separatrix.cli.fields import listing
from separatrix.cli.options import FREE_OPTIONS, checked, trusting
from separatrix.errors import InputError, nearest, shortened
from separatrix.machine import machine_failure
from separatrix.notices import as_lines
from separatrix.trust import command_line

app = typer.Typer(
    name="separatrix",
    help="How large must a sequence model be to do a task: proved, constructed and measured.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

INTERRUPTED = 130

LONGEST_WORD = 300
"""Characters of a word that a message shows: an integer of 5,000 digits would bury it."""

# typer carries its parser's exceptions under names of its own; these are the same classes in every version
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
ParserError: type[Exception] = typer.BadParameter.__mro__[2]


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """How large must a sequence model be to do a task: proved, constructed and measured."""


def command(name: str, run: Callable[..., None], group: str, *fields: str, trust: bool = False) -> None:
    """Register a command under a heading of the help; fields: of which configurations its further options are."""
    kind, settings = (listing(*fields), FREE_OPTIONS) if fields else (None, None)
    app.command(name, cls=kind, context_settings=settings, rich_help_panel=group)((trusting if trust else checked)(run))


PROVED, CONSTRUCTED = "Proved: what no smaller model can do", "Constructed: what suffices, with a certificate"
MEASURED, LOOKING = "Measured: what training finds", "Looking: what there is, and what was found"

command("bounds", bounds.bounds, PROVED, "task")
command("analyze", analyze.analyze, PROVED, "task")
command("audit", audit.audit, PROVED, "model")
command("limits", limits.limits, PROVED, "model", trust=True)
command("plan", plan.plan, PROVED, "task", trust=True)
command("protocol", protocol.protocol, PROVED, trust=True)
command("construct", construct.construct, CONSTRUCTED, "construction")
command("certify", certify.certify, CONSTRUCTED, trust=True)
command("ask", ask.ask, CONSTRUCTED, trust=True)
command("convert", convert.convert, CONSTRUCTED, trust=True)
command("finetune", finetune.finetune, CONSTRUCTED, "construction", "training", trust=True)
command("reproduce", reproduce.reproduce, MEASURED, trust=True)
command("card", card.card, MEASURED, "model", trust=True)
command("compare", compare.compare, MEASURED, trust=True)
command("leaderboard", leaderboard.leaderboard, MEASURED)
command("frontier", frontier.frontier, MEASURED, "task", "training", trust=True)
command("train", train.train, MEASURED, "task", "model", "training", "trial", trust=True)
command("sweep", sweep.sweep, MEASURED, trust=True)
command("recall", recall.recall, MEASURED, trust=True)
command("list", list_command.list_, LOOKING)
command("map", map_command.map_, LOOKING, trust=True)
command("sample", sample.sample, LOOKING, "task")
command("report", report.report, LOOKING, trust=True)
command("figure", figure.figure, LOOKING, trust=True)
command("export", export.export, LOOKING, trust=True)
command("doctor", doctor.doctor, LOOKING)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Bad input, and a machine that is too small, print one line on stderr and exit with 2. Ctrl-C exits with 130, SIGTERM
    with 143. Python files are run when they stand in the arguments, and not when only what is read names them.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    forgive()
    with command_line(arguments), as_lines(), interrupted_by_signals() as signals:
        code = _run(arguments)
    sys.exit(128 + signals[0] if signals and code == INTERRUPTED else code)


def _run(arguments: list[str]) -> int:
    group = typer.main.get_command(app)
    try:
        code = group.main(arguments, prog_name="separatrix", standalone_mode=False)
    except InputError as error:
        return fail(str(error))
    except ParserError as error:
        return fail(explain(error, group))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # who read our output has stopped
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # Python flushes it once more at its end
        return 1
    except (MemoryError, OSError, RuntimeError) as error:
        if (failure := machine_failure(error)) is None:
            raise
        return fail(f"{failure}: ask for less, or take a larger machine")
    return code if isinstance(code, int) else 0


@contextmanager
def interrupted_by_signals() -> Iterator[list[int]]:
    """Inside, SIGTERM and SIGHUP do what Ctrl-C does; yields those that came. What ignores them goes on ignoring them.

    A cluster sends SIGTERM when the time is up, a terminal SIGHUP when it closes. A signal that comes while a module is
    being imported ends the process there and then: some modules are not fit to be left half imported.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if importing(frame):
            os._exit(INTERRUPTED if number == signal.SIGINT else 128 + number)
        if number != signal.SIGINT:
            came.append(number)
        raise KeyboardInterrupt

    kinds = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    main_thread = threading.current_thread() is threading.main_thread()
    before = {kind: signal.getsignal(kind) for kind in kinds} if main_thread else {}
    before = {kind: handler for kind, handler in before.items() if handler is not signal.SIG_IGN}
    for kind in before:
        signal.signal(kind, interrupt)
    try:
        yield came
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def importing(frame: FrameType | None) -> bool:
    """Whether a frame runs on behalf of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def fail(message: str) -> int:
    """Print the one line, of printable characters; returns the exit code."""
    words = message.encode("utf-8", "backslashreplace").decode().split()
    line = " ".join(shortened(word, LONGEST_WORD) for word in words)
    print("separatrix: " + "".join(c if c.isprintable() else repr(c)[1:-1] for c in line), file=sys.stderr)
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
