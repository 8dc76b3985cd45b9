"""`symflops memory`: what memory a model takes, for inference or for a step of training."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from symflops import units
from symflops.cli import answers, request
from symflops.cli.quantities import aligned
from symflops.numeric import whole
from symflops.polynomial import add


@request.at_a_point(is_served=True)
def memory(
    model: request.ModelName,
    point: request.Point = request.ANYWHERE,
    symbolic: request.Symbolic = False,
    reserve: Annotated[
        str | None, typer.Option("--reserve", metavar="BYTES", help="for what is not counted, such as 2GiB")
    ] = None,
    output: answers.Output = answers.Format.text,
) -> None:
    """Weights, state and working set of a call; with --training gradients, optimizer and saved activations, too.

    Closed forms without a point, bytes with one.
    """
    from symflops.analysis.memory import KINDS
    from symflops.analysis.memory import memory as answer
    from symflops.grouping import grouped
    from symflops.tree import write

    # What an engine runs holds something else than the calls that are recorded for a peak.
    named, run = point.resolve(model, peak=point.serving is None)
    found = answer(named, symbolic=symbolic, **run)
    if reserve is not None:
        size = whole(units.number(reserve.removesuffix("B"), "--reserve"))
        peaks = {kind: add(found.kinds[kind], size) for kind in ("peak", "peak_eager")}
        found = replace(found, kinds={**found.kinds, **peaks}, reserved=size)
    kinds = {kind: found.kinds[kind] for kind in KINDS}
    data = {kind: value if isinstance(value, int) else write(grouped(value)) for kind, value in kinds.items()}
    if output is answers.Format.json:
        point.say(
            answers.dump({"model": named.name, "at": run, **data, "reserved": found.reserved, "where": found.where}),
            True,
        )
    else:
        shown = [(kind, found.text(kind)) for kind in KINDS if found.kinds[kind] != 0]
        held = f"; in both peaks {found.reserved:,} byte in reserve" if found.reserved else ""
        print("\n".join([aligned(shown, (False, False)), f"{found.place}{held}; {request.program([named])}"]))
        request.print_notes(found.notes)
