"""`symflops generation`: a prompt and the tokens generated after it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from symflops.algebra import free_symbols, substitute
from symflops.cli import answers, request
from symflops.cli.quantities import engineering, exact_number
from symflops.cli.total import Format, printed
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import evaluate, whole, with_defaults
from symflops.polynomial import Value


@request.at_a_point(without=("seq_len", "past_len"))
def generation(
    model: request.ModelName,
    prompt_len: Annotated[str | None, typer.Option("-p", "--prompt-len", help="tokens of the prompt")] = None,
    new_tokens: Annotated[
        str | None,
        typer.Option("-n", "--new-tokens", help="tokens generated, with the one that the prompt's pass yields"),
    ] = None,
    point: request.Point = request.ANYWHERE,
    metric: request.Metric = None,
    symbolic: request.Symbolic = False,
    short: request.Short = False,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """A prompt and all decoding steps as one closed form, or numbers; and the KV cache after them."""
    from symflops.analysis.generation import NEW, PROMPT
    from symflops.analysis.generation import generation as generate

    named, given = point.resolve(model)
    for name, number in ((PROMPT, prompt_len), (NEW, new_tokens)):
        if number is not None:
            given[name] = request.number(number, name)
    cost: Cost = generate(named, symbolic=symbolic)
    metrics = tuple(metric or METRICS)
    for name in metrics:
        cost.value(name)
    if given:
        cost = cost.at(**given) if cost.is_complete(given) else cost.bind(**given)
    shown = printed(output, named, cost, metrics, short)
    point.say(_with_cache(output, shown, named, symbolic, given, cost), output is Format.json)


def _with_cache(output: Format, shown: str, model: Model, symbolic: bool, given: dict[str, Any], cost: Cost) -> str:
    """The printed cost, and what is kept after the last step where a model says what it keeps."""
    from symflops.analysis.generation import cache_after

    try:
        kept = cache_after(model, symbolic=symbolic)
    except SymflopsError as error:  # nothing is kept, or nobody says how much: the cost stands without it
        if output is Format.json:
            return answers.dump({**json.loads(shown), "kv_cache": None, "kv_cache_unknown": str(error)})
        return f"{shown}\n\nKV cache: {error}" if output is Format.text else shown
    numbers = with_defaults(given) if cost.evaluated else given
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
