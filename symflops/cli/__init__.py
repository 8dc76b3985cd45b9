"""The command line: resolve what the user named, call, print. No arithmetic here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from symflops.cli import listing, show, sweep, total
from symflops.errors import SymflopsError, nearest, one_line

INVALID = 3  # exit status for input that is wrong

app = typer.Typer(
    name="symflops",
    help="Closed-form cost formulas for neural networks.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
COMMANDS = {
    "total": total.total,
    "show": show.show,
    "sweep": sweep.sweep,
    "formulas": listing.formulas,
    "models": listing.models,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)

_UsageError = typer.BadParameter.__mro__[1]  # typer brings its own copy of click or imports click, by version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every mistake of the user's is one line on stderr and exit status 3."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        if not given[0].startswith("-") and given[0] not in COMMANDS:
            raise SymflopsError(f"no such command {given[0]!r}{nearest(given[0], tuple(COMMANDS))}")
        status = app(given, standalone_mode=False, prog_name="symflops")
    except SymflopsError as error:
        _fail(str(error))
    except _UsageError as error:
        _fail(str(error.format_message()))  # type: ignore[attr-defined]  # click's method; see _UsageError
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    print(f"symflops: error: {one_line(message, 1000)}", file=sys.stderr)
    sys.exit(INVALID)
