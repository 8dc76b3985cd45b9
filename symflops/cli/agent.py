"""`symflops agent`: Claude writes what cannot be traced or is not in the library; verification is the gate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from symflops.cli import request, streams, terminal
from symflops.cli.help import Command, Group
from symflops.cli.output_file import writable, write
from symflops.cli.surface import command as with_shared_options
from symflops.errors import SymflopsError, one_line

if TYPE_CHECKING:
    from symflops.agent.client import Client
    from symflops.agent.gate import Judgement

app = typer.Typer(
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Claude writes what cannot be traced or is not in the library; verification is the gate.",
)
_STATUS = {"different": 1, "invalid": 1, "unproven": 2}  # as `verify` has them; 3 is invalid input

Rounds = Annotated[int, typer.Option("--rounds", metavar="N", help="how often an answer may be corrected")]
ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="which Claude (default: claude-opus-5)")]
LibraryFolder = Annotated[
    str | None, typer.Option("--library", metavar="DIR", help="your library (default: $SYMFLOPS_LIBRARY)")
]
AcceptUnproven = Annotated[
    bool,
    typer.Option(
        "--accept-unproven",
        help="accept what is not proved, unless it is shown to be wrong; it stays marked as unproven",
    ),
]
Timeout = Annotated[str, typer.Option("--timeout", metavar="SECONDS", help="how long to wait for an answer")]


@app.command(cls=Command)
@with_shared_options
def formula(
    class_name: Annotated[
        str, typer.Argument(metavar="CLASS", help="a module's class: its full name, or its name in torch.nn")
    ],
    force: Annotated[bool, typer.Option("--force", help="ask even if the library has a verified formula")] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="write a Python calculator of the formula, into the library too")
    ] = False,
    accept_unproven: AcceptUnproven = False,
    rounds: Rounds = 3,
    model: ModelName = None,
    library: LibraryFolder = None,
    timeout: Timeout = "600",
) -> None:
    """The cost formula of a class: from the library, or written by Claude and proved against the class's trace.

    The exit status is 0 for a formula of the library, 1 for answers that were wrong in all rounds, 2 for one that
    nothing proves and 3 for input that is wrong and for an API that does not answer.
    """
    with _agent():
        from symflops.agent.formula import calculator, write_formula
        from symflops.agent.library import Library
    if not class_name.strip():
        raise SymflopsError("CLASS is empty")
    place = Library.at(library)
    with request.only_our_words(), request.progress():
        written = write_formula(
            class_name.strip(),
            place,
            partial(_client, model, timeout),
            force=force,
            accept_unproven=accept_unproven,
            rounds=rounds,
        )
    found = written.formula
    if found is None:
        raise _refused(class_name, written.judgement, str(written.diagnostics))
    with terminal.answering("text"):
        print(f"{found.name}: {one_line(found.about)}")
        print(f"{written.judgement.status}: {one_line(written.judgement.said)}")
        print("\n".join(f"{metric} = {text}" for metric, text in found.texts.items()))
    if generate:
        print(f"wrote {place.calculator(found.name, calculator(found, class_name))}")


@app.command("model", cls=Command)
@with_shared_options
def model_(
    config: request.Config,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="write the model there")] = None,
    accept_unproven: AcceptUnproven = False,
    rounds: Rounds = 3,
    model: ModelName = None,
    library: LibraryFolder = None,
    timeout: Timeout = "600",
) -> None:
    """A config's model as a model file: written by Claude from the module tree, compared with the derivation.

    The exit status is as that of `agent formula`.
    """
    with _agent():
        from symflops.agent.library import Library
        from symflops.agent.model import write_model
    target = writable(output) if output is not None else None
    with request.only_our_words(), request.progress():
        built = write_model(
            config,
            Library.at(library),
            partial(_client, model, timeout),
            accept_unproven=accept_unproven,
            rounds=rounds,
        )
    if built.model is None:
        raise _refused(config, built.judgement, str(built.diagnostics))
    if target is None:
        sys.stdout.write(built.model.dumps())
    else:
        write(target, built.model.dumps())
        streams.tell(f"wrote {output}: {built.judgement.status}, {one_line(built.judgement.said)}")


@contextmanager
def _agent() -> Iterator[None]:
    """The agent is imported inside; without what it needs, one line."""
    try:
        yield
    except ImportError as error:
        raise SymflopsError(f"the agent needs more packages ({error}): pip install 'symflops[agent]'") from None


def _client(model: str | None, timeout: str) -> Client:
    from symflops.agent.client import DEFAULT_MODEL, Client

    seconds = request.number(timeout, "--timeout")
    if not 0 < seconds < 10**6:
        raise SymflopsError(f"--timeout {timeout[:60]!r}: must be a positive number of seconds")
    return Client(model or DEFAULT_MODEL, timeout=seconds)


def _refused(what: str, judgement: Judgement, diagnostics: str) -> typer.Exit:
    """One line that says why nothing was taken, on stderr; and the exit status."""
    first = judgement.said.split("\n")
    hint = "; --accept-unproven takes it, marked" if judgement.status == "unproven" else ""
    line = f"symflops: {judgement.status}: {what}: {'; '.join(first)}{hint} (all of it: {diagnostics})"
    streams.complain(one_line(line, 1000))
    return typer.Exit(_STATUS[judgement.status])
