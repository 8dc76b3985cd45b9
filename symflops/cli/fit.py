"""`symflops fit`: whether a model fits on a machine, what is left, and how far batch and context may grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from symflops import units
from symflops.cli import answers, request
from symflops.cli import machine as options
from symflops.cli.quantities import aligned
from symflops.numeric import whole

if TYPE_CHECKING:
    from symflops.analysis.fit import Fit


@request.at_a_point(is_served=True)
def fit(
    model: request.ModelName,
    machine: options.Machine,
    point: request.Point = request.ANYWHERE,
    devices: options.Devices = None,
    reserve: Annotated[
        str | None, typer.Option("--reserve", metavar="BYTES", help="of each device, for what is not counted: 2GiB")
    ] = None,
    output: answers.Output = answers.Format.text,
) -> None:
    """Whether it fits, what is left, the largest batch and the longest context with which it does.

    -S is the context: tokens of a sequence that are kept. Without -B and -S: one sequence of 2048 tokens.
    """
    from symflops.analysis.fit import fit as answer

    named, run = point.resolve(model)
    held = 0 if reserve is None else whole(units.number(reserve.removesuffix("B"), "--reserve"))
    found = answer(named, machine, devices=devices, reserve=held, **run)
    is_json = output is answers.Format.json
    point.say(_json(found) if is_json else _text(found, request.program(point.resolved)), is_json)
    if not is_json:
        request.print_notes(found.notes)


def _text(found: Fit, program: str) -> str:
    sizes = [*found.kinds.items(), ("reserve", found.reserved), ("used", found.used), ("left", found.left)]
    shown = [(kind, f"{size:,} byte", _scaled(size)) for kind, size in sizes if size or kind == "left"]
    values = ", ".join(f"{name} = {found.values[name]}" for name in ("batch_size", "seq_len") if name in found.values)
    lines = [found.sentence, aligned(shown, (False, True, True)), f"with {values}; {program}"]
    lines += [f"it fits where: {answer.sentence}" for answer in found.answers.values()]
    what = "it" if found.devices == 1 else f"it, {found.devices} of them"
    lines.append(f"the smallest machine that holds {what}: {found.smallest or 'none of the catalogue'}")
    return "\n".join(lines)


def _scaled(size: int) -> str:
    return ("-" if size < 0 else "") + units.scaled(abs(size), "read_bytes")


def _json(found: Fit) -> str:
    return answers.dump({
        "model": found.model,
        "hardware": found.hardware.name,
        "devices": found.devices,
        "at": answers.given(found.values),
        **found.kinds,
        "reserve": found.reserved,
        "used": found.used,
        "left": found.left,
        "fits": found.fits,
        "largest_batch": found.largest_batch,
        "longest_context": found.longest_context,
        "where": {name: answer.sentence for name, answer in found.answers.items()},
        "formulas": {name: answer.question for name, answer in found.answers.items()},
        "smallest": found.smallest,
        "notes": list(found.notes),
    })  # fmt: skip
