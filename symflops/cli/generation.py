"""`symflops generation`: a prompt and the tokens generated after it."""

from __future__ import annotations

import json
from itertools import product
from typing import Annotated, Any

import typer

from symflops import units
from symflops.algebra import free_symbols, substitute
from symflops.cli import answers, planned, request, speeds
from symflops.cli import machine as options
from symflops.cli.convention import Convention
from symflops.cli.quantities import engineering, exact_number
from symflops.cli.total import Format, one_or_each, printed
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import evaluate, plain, whole
from symflops.polynomial import Value


@request.at_a_point(without=("seq_len", "past_len", *planned.OPTIONS), is_served=True)
def generation(
    model: request.ModelName,
    prompt_len: Annotated[
        str | None, typer.Option("-p", "--prompt-len", metavar="N", help="tokens of the prompt")
    ] = None,
    new_tokens: Annotated[
        str | None,
        typer.Option(
            "-n", "--new-tokens", metavar="N", help="tokens generated, with the one that the prompt's pass yields"
        ),
    ] = None,
    point: request.Point = request.ANYWHERE,
    machine: options.OtherMachine = None,
    devices: options.Devices = None,
    dtype: options.Dtype = None,
    engine: speeds.Engine = None,
    efficiency: speeds.Efficiency = None,
    calibrate: speeds.Calibrate = None,
    price: speeds.Price = None,
    metric: request.Metric = None,
    symbolic: request.Symbolic = False,
    short: request.Short = False,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """A prompt and all decoding steps as one closed form, or numbers; and the KV cache after them.

    With --hardware, how fast a machine is at it: what nothing can be faster than, and an estimate.
    """
    from symflops.analysis.generation import NEW, PROMPT
    from symflops.analysis.generation import generation as generate

    asked = speeds.AskedMachine.of(
        machine, is_printed=output in (Format.text, Format.json), devices=devices, dtype=dtype, engine=engine,
        efficiency=efficiency, calibrate=calibrate, price=price,
    )  # fmt: skip
    several = output in (Format.text, Format.json)
    written = {name: text for name, text in ((PROMPT, prompt_len), (NEW, new_tokens)) if text is not None}
    lengths = [units.numbers(t, n) if several else [units.number(t, n)] for n, t in written.items()]
    metrics = tuple(metric or METRICS)
    found = []
    for (named, run), fed in product(one_or_each(point, model, output), product(*lengths)):
        given = run | {name: plain(length) for name, length in zip(written, fed, strict=True)}
        if PROMPT in given:
            point.fed(named, int(given[PROMPT] + given.get(NEW, 1) - 1))
        cost: Cost = generate(named, symbolic=symbolic)
        convention = Convention.of(named, cost, given, metrics, point.changed)
        for name in metrics:
            cost.value(name)
        if given:
            try:
                cost = cost.at(**given) if cost.is_complete(given) else cost.bind(**given)
            except SymflopsError as error:
                raise error.within(named.name) from None
        shown = printed(output, named, cost, metrics, short, convention)
        shown = _with_cache(output, shown, named, symbolic, given, cost)
        found.append(shown if asked is None else asked.beside(shown, named, given, is_json=output is Format.json))
    point.say(answers.together(found, output is Format.json), output is Format.json)


def _with_cache(output: Format, shown: str, model: Model, symbolic: bool, given: dict[str, Any], cost: Cost) -> str:
    """The printed cost, and what is kept after the last step where a model says what it keeps."""
    from symflops.analysis.generation import cache_after

    try:
        kept = cache_after(model, symbolic=symbolic)
    except SymflopsError as error:  # nothing is kept, or nobody says how much: the cost stands without it
        if output is Format.json:
            return answers.dump({**json.loads(shown), "kv_cache": None, "kv_cache_unknown": str(error)})
        return f"{shown}\n\nKV cache: {error}" if output is Format.text else shown
    numbers = model.total().with_defaults(given) if cost.evaluated else given
    value: Value = substitute(kept, numbers)
    number = whole(evaluate(value, {})) if not free_symbols(value) else None
    if output is Format.json:
        return answers.dump({**json.loads(shown), "kv_cache": answers.text(value) if number is None else number})
    if output is Format.text and number is not None:
        return (
            f"{shown}\n\nKV cache after the last step: {exact_number(number)} byte, {engineering(number, 'read_bytes')}"
        )
    if output is Format.text:
        return f"{shown}\n\nKV cache after the last step = {answers.text(value)}"
    return shown
