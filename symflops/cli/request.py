"""What every command shares: the options that name a model and a point, and how they are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.model import Model, load
from symflops.numeric import RUN_SYMBOLS

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="a shipped model's name or the path of a model JSON")]
Batch = Annotated[str | None, typer.Option("-B", "--batch-size", help="sequences in the batch")]
Length = Annotated[str | None, typer.Option("-S", "--seq-len", help="tokens fed in this call")]
Past = Annotated[str | None, typer.Option("-P", "--past-len", help="tokens already in the KV cache (default 0)")]
Causal = Annotated[bool, typer.Option("--causal", help="count only the (query, key) pairs that a causal mask keeps")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="value of any symbol; repeatable")]
DtypeBytes = Annotated[str | None, typer.Option("--dtype-bytes", help="bytes per element (default 2)")]
WeightBytes = Annotated[str | None, typer.Option("--weight-bytes", help="of weights (default: --dtype-bytes)")]
CacheBytes = Annotated[str | None, typer.Option("--cache-bytes", help="of the KV cache (default: --dtype-bytes)")]
Metric = Annotated[list[str] | None, typer.Option("--metric", help="which metric; repeatable (default: all)")]
Symbolic = Annotated[bool, typer.Option("--symbolic", help="keep hidden_size and the like as symbols")]
Short = Annotated[bool, typer.Option("--short", help="short names, with a legend")]


def number(text: str, option: str) -> int | float:
    """The number behind an option: an integer, or a decimal (for bytes per element)."""
    cleaned = text.replace("_", "").replace(",", "")
    try:
        return int(cleaned)
    except ValueError:
        pass
    try:
        return float(cleaned)
    except ValueError:
        raise SymflopsError(f"{option}: {text[:60]!r} is not a number") from None


def evaluate(model: Model, cost: Cost, given: Mapping[str, Any]) -> Cost:
    """The numbers of a model's total at a point; what cannot be computed there is an error that names the layer."""
    try:
        return cost.at(**given)
    except SymflopsError:
        for row in model.rows():
            try:
                row.total.at(**given)
            except SymflopsError as error:
                raise error.within(f"{model.name}: {row.path}") from None
        raise


def resolve(
    model_name: str,
    settings: list[str] | None,
    options: Mapping[str, str | None],
    causal: bool = False,
) -> tuple[Model, dict[str, Any]]:
    """The model with its `--set` architecture symbols, and the numbers given for run symbols."""
    if not model_name:
        raise SymflopsError("MODEL is empty; name a model or the path of a model JSON")
    model = load(model_name)
    run: dict[str, Any] = {name: number(text, name) for name, text in options.items() if text is not None}
    if causal:
        run["causal"] = 1
    architecture: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise SymflopsError(f"--set {setting[:60]!r}: expected name=value")
        target = run if name in RUN_SYMBOLS else architecture
        target[name] = number(text, f"--set {name}")
    return (model.with_symbols(architecture) if architecture else model), run
