"""The command line: resolve what the user named, call, print. No arithmetic here."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Annotated, cast

import typer

from symflops import __version__
from symflops.cli import streams
from symflops.cli.help import Command, Group
from symflops.cli.surface import command as with_shared_options
from symflops.errors import SymflopsError, nearest, one_line

INVALID = 3  # exit status for input that is wrong

# Each command is a function of its name, in the module of this one.
COMMANDS = {
    "total": "total", "show": "show", "sweep": "sweep", "table": "table", "report": "report", "solve": "solve",
    "regimes": "regimes", "generation": "generation", "compare": "compare", "roofline": "roofline",
    "memory": "memory", "fit": "fit", "hardware": "hardware", "verify": "verify", "derive": "derive",
    "inspect": "inspect", "formulas": "listing", "models": "listing", "cache": "cache",
    "atlas": "atlas", "site": "site",
}  # fmt: skip
_NAMES = (*COMMANDS, "agent")

# Typer brings its own copy of click or imports click, by version; either way this is the base of its usage errors.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])


def application(names: Collection[str] = _NAMES) -> typer.Typer:
    """The command line with these commands. Their modules are imported: a total needs no other command's."""
    app = typer.Typer(
        name="symflops",
        cls=Group,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_symflops)
    for name, module in COMMANDS.items():
        if name in names:
            function = getattr(import_module(f"symflops.cli.{module}"), name)
            app.command(name, cls=Command)(with_shared_options(function))
    if "agent" in names:
        app.add_typer(import_module("symflops.cli.agent").app, name="agent")
    return app


def _symflops(
    context: typer.Context,
    version: Annotated[bool, typer.Option("-V", "--version", help="print the version")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="no notes and no progress")] = False,
) -> None:
    """Closed-form cost formulas for neural networks."""
    context.with_resource(streams.quiet(quiet))
    if version:
        print(f"symflops {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every mistake of the user's is one line on stderr and exit status 3."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    status: object = 0
    streams.open_closed()
    try:
        if given[0].lower() == "help":
            given = [*given[1:], "--help"]
        if given[0].lower() in _NAMES:
            given[0] = given[0].lower()
        elif not given[0].startswith("-"):
            raise SymflopsError(f"no such command {given[0]!r}{nearest(given[0], (*_NAMES, 'help'))}")
        with streams.printing():
            status = _run(given)
    except SymflopsError as error:
        _fail(str(error))
    except _UsageError as error:
        _fail(_usage(error))
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        pass
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _run(given: list[str]) -> object:
    """What a command returns. Typer's own way to call one makes a failure of a reader that has had enough; the shell's
    questions, when the Tab key is pressed, are answered there alone."""
    if "_SYMFLOPS_COMPLETE" in os.environ:
        return application()([], prog_name="symflops")
    app = application(given[:1] if given[0] in _NAMES else _NAMES)
    try:
        with typer.main.get_command(app).make_context("symflops", given) as context:
            return context.command.invoke(context)
    except typer.Exit as stopped:
        return stopped.exit_code


def _usage(error: Exception) -> str:
    """What click says of a command line, and the option that was meant where only its case is another one."""
    message = str(error.format_message()).replace("Value error, ", "")  # type: ignore[attr-defined]  # click's method
    name, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    if name and context is not None:
        options = {o for p in context.command.get_params(context) for o in p.opts}
        meant = sorted(o for o in options if o.lower() == name.lower())
        if meant:
            return f"No such option: {name}; did you mean {meant[0]}?"
    return message


def _fail(message: str) -> None:
    streams.complain(f"symflops: error: {one_line(message, 1000)}")
    sys.exit(INVALID)
