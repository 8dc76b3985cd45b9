"""`symflops inspect`: the module tree of a config's model, and which classes have a formula."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.checkpoint import is_checkpoint, read_checkpoint
from symflops.cli import request
from symflops.cli.headers import checkpoint_json, checkpoint_text
from symflops.cli.quantities import aligned, engineering
from symflops.source import extra

if TYPE_CHECKING:
    from symflops.trace.inspection import Node


class Format(StrEnum):
    text = "text"
    json = "json"


def inspect(
    config: request.Config,
    output: Annotated[Format, typer.Option("--format", help="how to print")] = Format.text,
) -> None:
    """The module tree with full class names: which have a formula in the library, which will be traced. Of weights (a
    .safetensors or .gguf file, an index of some) their bytes by data type and by layer, from the headers.

    Equal numbered modules are folded. The model is built without memory for its weights and is not run. What a module
    with others in it computes itself (attention, residual additions) has no line here and is always traced.
    """
    if is_checkpoint(Path(config)):
        checkpoint = read_checkpoint(config)
        print(checkpoint_json(checkpoint) if output is Format.json else checkpoint_text(checkpoint))
        return
    with request.only_our_words():
        with extra():
            from symflops.trace import inspection
        root = inspection.inspect(config)
    print(_json(root) if output is Format.json else _text(root))


def _text(root: Node) -> str:
    rows = [("module", "runs", "parameters", "cost", "class")]
    for depth, node in root.walk():
        times = "" if node.repeat == 1 else f"×{node.repeat}"
        weights = engineering(node.parameters, "parameters") if node.parameters else ""
        how = f"formula {node.formula}" if node.formula else "traced" if node.traced else ""
        rows.append(("  " * depth + node.name, times, weights, how, node.class_name))
    formulas, traced = _classes(root)
    lines = [aligned(rows, (False, True, True, False, False)), ""]
    if formulas:
        lines.append(f"classes with a formula: {len(formulas)}")
        lines.append(aligned([(f"  {name}", formula) for name, formula in formulas.items()], (False, False)))
    lines.append(f"classes that will be traced: {len(traced)}")
    return "\n".join([*lines, *(f"  {name}" for name in traced)])


def _json(root: Node) -> str:
    import json

    formulas, traced = _classes(root)
    return json.dumps({"model": _data(root), "formulas": formulas, "traced": traced}, indent=2)


def _data(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": node.name,
        "class": node.class_name,
        "repeat": node.repeat,
        "parameters": node.parameters,
        "formula": node.formula or None,
        "traced": node.traced,
    }
    return data | ({"parts": [_data(part) for part in node.parts]} if node.parts else {})


def _classes(root: Node) -> tuple[dict[str, str], list[str]]:
    """The classes with a formula, and those that will be traced, in alphabetical order."""
    nodes = [node for _, node in root.walk()]
    formulas = {node.class_name: node.formula for node in nodes if node.formula}
    return dict(sorted(formulas.items())), sorted({node.class_name for node in nodes if node.traced})
