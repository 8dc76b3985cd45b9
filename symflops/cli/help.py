"""What `--help` prints: usage, what a command does, its arguments and options in the user's words, and examples.

Typer's own page states Python types (`<list[str]>`) and cuts the lines about commands; this one has neither.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Any

from typer.core import TyperCommand, TyperGroup

from symflops.cli.conversion import spared
from symflops.cli.examples import EXAMPLES

_MARGIN = 4
_QUOTED = r"""(?:[^\s"']+|"[^"]*"|'[^']*')+"""
_WORD = re.compile(rf"-\S+ (?!-){_QUOTED}|{_QUOTED}")  # an option stays with what it is given


class Command(TyperCommand):
    """A command whose help is written by this module. An option of one value may be given once: with the last of two
    values taken, the first would be gone without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for parameter, times in Counter(given).items():
            is_plain_flag = getattr(parameter, "is_flag", False) and not parameter.secondary_opts
            if times > 1 and parameter.nargs == 1 and not getattr(parameter, "multiple", False) and not is_plain_flag:
                ctx.fail(f"{'/'.join((*parameter.opts, *parameter.secondary_opts))} is given twice")
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        return spared(super().get_params(ctx), self.callback)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return _usage(self)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_parameters(self, ctx, formatter)
        _write_examples(ctx, formatter)


class Group(TyperGroup):
    """The same of a command that has others."""

    def get_params(self, ctx: Any) -> list[Any]:
        return spared(super().get_params(ctx), self.callback)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*_usage(self), self.subcommand_metavar]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            rows = [(n, c) for n, c in self.commands.items() if not c.hidden]
            formatter.write_dl([(name, _first_sentence(command.help or "")) for name, command in rows])
        _write_parameters(self, ctx, formatter)
        _write_examples(ctx, formatter)


def _usage(command: Any) -> list[str]:
    return ["[OPTIONS]", *(_argument(p) for p in command.params if p.param_type_name == "argument")]


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.upper())
    return name if parameter.required else f"[{name}]"


def _first_sentence(text: str) -> str:
    """The first sentence of a text, without its full stop.

    >>> _first_sentence("Where it holds, e.g. here. And more.")
    'Where it holds, e.g. here'
    """
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"\.(?= [A-Z]|$)", paragraph, maxsplit=1)[0]


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    shown = [p for p in command.get_params(ctx) if not getattr(p, "hidden", False)]
    for heading, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = [_row(parameter) for parameter in shown if parameter.param_type_name == kind]
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


def _row(parameter: Any) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return _argument(parameter), parameter.help or ""
    names = ", ".join(sorted(parameter.opts, key=len))
    if parameter.secondary_opts:
        names += f" / {', '.join(parameter.secondary_opts)}"
    if not parameter.is_flag:
        names += f" {parameter.metavar or 'VALUE'}"
    said = parameter.help or ""
    default = parameter.default
    if isinstance(default, Enum):
        default = default.value
    if isinstance(default, str | int | float) and not isinstance(default, bool) and "default" not in said:
        said += f" (default: {default})"
    elif parameter.required:
        said += " (required)"
    return names, said


def _write_examples(ctx: Any, formatter: Any) -> None:
    examples = EXAMPLES.get(ctx.command_path.removeprefix("symflops").strip(), ())
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                lines = list(_broken(example, formatter.width - _MARGIN))
                formatter.write("".join(f"{' ' * formatter.current_indent}{line}\n" for line in lines))


def _broken(example: str, width: int) -> Iterator[str]:
    r"""A command line over as many lines as the width takes; as such it can still be pasted.

    >>> list(_broken("symflops solve gpt2 'flops == 1e15' --for seq_len", 40))
    ["symflops solve gpt2 'flops == 1e15' \\", '    --for seq_len']
    """
    line = ""
    for word in re.findall(_WORD, example):
        if line.strip() and len(line) + 1 + len(word) > width - 2:
            yield f"{line} \\"
            line = f"    {word}"
        else:
            line = f"{line} {word}" if line else word
    yield line
