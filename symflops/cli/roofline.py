"""`symflops roofline`: how fast a machine can run a model at most, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.analysis import display
from symflops.cli import answers, request
from symflops.cli import machine as options
from symflops.cli.quantities import aligned
from symflops.numeric import evaluate, whole

if TYPE_CHECKING:
    from symflops.analysis.balance import Turning
    from symflops.analysis.roofline import Bound, Roofline


@request.at_a_point(is_served=True)
def roofline(
    model: request.ModelName,
    machine: options.Machine,
    point: request.Point = request.ANYWHERE,
    dtype: options.Dtype = None,
    devices: options.Devices = None,
    unfused: Annotated[bool, typer.Option("--unfused", help="count intermediates as written and read back")] = False,
    measured: Annotated[
        str | None, typer.Option("--measured", metavar="TOKENS/S", help="a throughput, such as 3120tok/s")
    ] = None,
    output: answers.Output = answers.Format.text,
) -> None:
    """Time bounds per layer and in total, what binds, and where decoding turns compute-bound.

    Without -B and -S: one sequence of 2048 tokens. Bytes are algorithmic; communication between devices is not counted.
    """
    from symflops.analysis.roofline import roofline as answer

    named, run = point.resolve(model)
    found = answer(named, machine, dtype=dtype, devices=devices, unfused=unfused, measured=measured, **run)
    text = _text(found, request.program([named])) if output is answers.Format.text else _PRINTERS[output](found)
    point.say(text, output is answers.Format.json)


def _bytes(found: Roofline) -> dict[str, int]:
    return {kind: whole(evaluate(value, found.values)) for kind, value in found.moved.items()}


def _text(found: Roofline, program: str) -> str:
    table = aligned(
        [display.BOUNDS, *map(display.bound_cells, (*found.layers, found.total))], (False, *(True,) * 6, False)
    )
    facts = [*display.summary(found), ("intensity", "nothing is moved" if found.ratio is None else found.ratio.text)]
    lines = [found.sentence, display.machine(found), f"with {display.point(found)}; {program}", "", table, ""]
    lines += [aligned(facts, (False, False)), *(turning.sentence for turning in found.turnings)]
    curves = [answers.text(t.curve) for t in found.turnings if t.curve is not None]
    lines += [f"batch size at which it turns, where positive: {curve}" for curve in curves]
    if found.mfu is not None:
        lines.append(f"measured: {display.efficiency(found)}")
    return "\n".join(lines)


def _json(found: Roofline) -> str:
    from symflops.cli.hardware import machine_data

    return answers.dump({
        "model": found.model,
        "hardware": machine_data(found.hardware),
        "dtype": found.dtype,
        "values": answers.given(found.values),
        "layers": [_bound(b) for b in found.layers],
        "total": _bound(found.total),
        "layer_by_layer_seconds": float(found.layer_by_layer),
        "unit": found.unit,
        "tokens_per_second": found.tokens_per_second,
        "intensity": None if found.ratio is None else found.ratio.text,
        "ridge": found.ridge,
        "bytes": _bytes(found),
        "bytes_formulas": {kind: answers.text(value) for kind, value in found.moved.items()},
        "weight_bytes": found.weight_bytes,
        "cache_bytes": None if found.kept is None else whole(evaluate(found.kept, found.values)),
        "fits": found.fits,
        "compute_bound": [_turning(t) for t in found.turnings],
        "measured": None if found.measured is None else float(found.measured),
        "mfu": found.mfu,
        "of_bound": found.of_bound,
        "sentence": found.sentence,
    })  # fmt: skip


def _bound(bound: Bound) -> dict[str, Any]:
    return {
        "path": bound.path,
        "repeat": answers.jsonable(bound.repeat),
        "matmul_seconds": float(bound.matmul),
        "vector_seconds": None if bound.vector is None else float(bound.vector),
        "memory_seconds": float(bound.memory),
        "unfused_memory_seconds": float(bound.memory_unfused),
        "seconds": float(bound.seconds),
        "binds": bound.binds,
        "intensity": bound.intensity,
    }


def _turning(turning: Turning) -> dict[str, Any]:
    return {
        "for": turning.symbol,
        "at": turning.at,
        "ranges": [list(r) for r in turning.ranges],
        "value": turning.first,
        "formula": None if turning.closed is None else answers.text(turning.closed),
        "curve": None if turning.curve is None else answers.text(turning.curve),
        "sentence": turning.sentence,
    }


def _latex(found: Roofline) -> str:
    from symflops.expr import symbol

    total = found.total
    intensity = r"\infty" if found.ratio is None else answers.latex(found.intensity)
    lines = [
        rf"I &= {intensity}",
        rf"t_{{\mathrm{{matmul}}}} &= {float(total.matmul):.6g}\,\mathrm{{s}}",
        rf"t_{{\mathrm{{memory}}}} &= {float(total.traffic):.6g}\,\mathrm{{s}}",
    ]
    if total.vector is not None:
        lines.insert(2, rf"t_{{\mathrm{{vector}}}} &= {float(total.vector):.6g}\,\mathrm{{s}}")
    name = answers.latex(symbol("batch_size"))
    lines += [rf"{name} &\ge {answers.latex(t.curve)}" for t in found.turnings if t.curve is not None]
    lines.append(rf"& {answers.named(found.sentence)}")
    return answers.aligned(lines)


_PRINTERS = {answers.Format.json: _json, answers.Format.latex: _latex}
