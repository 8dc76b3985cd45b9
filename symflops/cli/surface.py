"""What every command has: `-q`, `-o` with the format by its ending, lists of metrics, choices in either case."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from enum import Enum
from functools import wraps
from inspect import Parameter, Signature, signature
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from symflops import derived_cache, source
from symflops.cli import output_file, request, streams, terminal
from symflops.errors import SymflopsError

Command = Callable[..., None]

# What a file's ending says of its format, in the commands that have it.
_ENDINGS = {
    ".json": "json", ".tex": "latex", ".md": "markdown", ".csv": "csv", ".py": "python", ".c": "c", ".js": "javascript",
}  # fmt: skip
_TEXT = ".txt"  # the command's default
_PICTURES = (".pdf", ".svg", ".png")
# Endings that say something else than any answer is: a text under such a name would be taken for what it is not.
_OTHERS = (*_PICTURES, ".html", ".htm", ".xlsx", ".xls", ".docx", ".tsv", ".toml", ".yaml", ".yml", ".ipynb")

_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="no notes and no progress: the answer and errors alone")]


def command(function: Command) -> Command:
    """The command with what all of them have, as its signature tells typer."""
    hints = get_type_hints(function, include_extras=True)
    own = [
        p.replace(annotation=_in_plain_words(hints[p.name], p.default)) for p in signature(function).parameters.values()
    ]
    formats = next((_choices(p.annotation) for p in own if p.name == "output"), [])
    default = next((p.default.value for p in own if p.name == "output" and formats), "")
    draws = any(p.name == "plot" for p in own)
    parameters = [p.replace(default=None) if p.name == "output" and formats else p for p in own]
    if formats:
        parameters.append(_keyword("file", _file_option([c.value for c in formats], default, draws), None))
    derives = any(p.annotation == request.Timeout for p in own)
    if derives:
        parameters.append(_keyword("no_cache", request.NoCache, False))
        parameters.append(_keyword("derive", request.Derive, False))
    parameters.append(_keyword("quiet", _Quiet, False))

    @wraps(function)
    def called(**given: Any) -> None:
        with (
            streams.quiet(given.pop("quiet")),
            derived_cache.unused(derives and given.pop("no_cache")),
            source.deriving(derives and given.pop("derive")),
        ):
            if isinstance(given.get("metric"), list):
                given["metric"] = split(given["metric"], "--metric")
            elif isinstance(given.get("metric"), str):
                given["metric"] = given["metric"].strip().lower()
            if not formats:
                return function(**given)
            file = given.pop("file")
            if draws and file is not None and file.lower().endswith(_PICTURES) and given["output"] is None:
                given["plot"], file = given["plot"] or file, None
            if given["output"] is None:
                wanted = _format(file, _on_a_terminal(formats, default) if file is None else default, formats)
                given["output"] = next(c for c in formats if c.value == wanted)
            if file is not None:
                return _into_file(file, function, given)
            with terminal.answering(given["output"].value):
                return function(**given)

    vars(called)["__signature__"] = Signature(parameters)
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def split(texts: Sequence[str], option: str) -> list[str]:
    """What an option that may be repeated gives, each a list with commas; every name once, in small letters.

    >>> split(["flops,Read_Bytes", "flops"], "--metric")
    ['flops', 'read_bytes']
    """
    names = [name.strip().lower() for text in texts for name in text.split(",")]
    if not all(names):
        raise SymflopsError(f"{option} {','.join(texts)[:60]!r}: a name is empty")
    return list(dict.fromkeys(names))


def _keyword(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def _choices(annotation: Any) -> list[Enum]:
    """The members of the enumeration that an option chooses from, if it is such an option."""
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    kinds = [k for k in (kind, *get_args(kind)) if isinstance(k, type) and issubclass(k, Enum)]
    return list(kinds[0]) if kinds else []


def _in_plain_words(annotation: Any, default: Any) -> Any:
    """An option that chooses: its choices stand where typer would have a type, and may be written in either case."""
    choices = _choices(annotation)
    if not choices:
        return annotation
    kind, info = get_args(annotation)
    info = copy.copy(info)
    info.metavar, info.case_sensitive = "|".join(str(c.value) for c in choices), False
    if isinstance(default, Enum):
        else_ = f"text on a terminal, else {default.value}"
        also = any(c.value == "text" for c in choices) and default.value != "text"
        info.help = f"{info.help} (default: {else_ if also else default.value})"
    return Annotated[kind | None, info]


def _file_option(formats: list[str], default: str, draws: bool) -> Any:
    endings = [_TEXT, *(e for e, name in _ENDINGS.items() if name in formats and name != default)]
    said = ", ".join([*endings, *(_PICTURES if draws else ())])
    return Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help=f"write there; the ending says how: {said}")
    ]


def _on_a_terminal(formats: Sequence[Enum], default: str) -> str:
    """The format where neither an option nor a file's ending says one: on a terminal, what fits it."""
    has_text = any(c.value == "text" for c in formats)
    return "text" if has_text and sys.stdout.isatty() else default


def _format(file: str | None, default: str, formats: Sequence[Enum]) -> str:
    """The format that a file's ending says; the default where it says none."""
    ending = Path(file).suffix.lower() if file else ""
    if ending in _OTHERS:
        names = [c.value for c in formats]
        valid = ", ".join([_TEXT, *(e for e, name in _ENDINGS.items() if name in names and name != default)])
        raise SymflopsError(f"-o {file!r}: nothing here is written as {ending}; the endings that say how: {valid}")
    found = _ENDINGS.get(ending, default)
    if found not in [c.value for c in formats]:
        raise SymflopsError(f"-o {file!r}: {found} is none of the formats: {', '.join(str(c.value) for c in formats)}")
    return found


def _into_file(file: str, function: Command, given: dict[str, Any]) -> None:
    """The answer goes into a file, whole or not at all, whatever exit status it has."""
    target = output_file.writable(file)
    text, leaving = StringIO(), None
    try:
        with redirect_stdout(text):
            function(**given)
    except typer.Exit as status:
        leaving = status
    if text.getvalue():
        output_file.write(target, text.getvalue())
        streams.tell(f"wrote {file}")
    if leaving is not None:
        raise leaving
