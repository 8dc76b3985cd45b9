"""What is to be said beside the numbers of a derived model: what they leave out, and what they take for granted."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from symflops.cost import METRICS
from symflops.layer import Layer
from symflops.model import Model

SHOWN = 8  # names in one note


def never_run(model: Model) -> list[str]:
    """A note on the parts that own weights and that the call did not reach, such as a vision tower without an image."""
    paths = list(_idle("", model.root))
    if not paths:
        return []
    return [f"the call did not run these parts, of which only the weights are counted: {listed(paths)}"]


def not_masked(classes: Collection[str]) -> list[str]:
    """A note on attention that a model's source writes out, or whose mask is none that is known to be causal."""
    return [f"causal = 1 changes nothing for the attention of {listed(list(classes))}"] if classes else []


def _idle(path: str, layer: Layer) -> Iterator[str]:
    """The outermost parts of a layer that cost nothing but weights; of one of which some weights are read, its path."""
    for part in layer.parts:
        inner = f"{path}.{part.name}" if path else part.name
        if _is_idle(part.layer):
            yield f"some weights of {path or 'the model'}" if part.name == "unused_weights" else inner
        else:
            yield from _idle(inner, part.layer)


def _is_idle(layer: Layer) -> bool:
    """Whether a layer has weights, and nothing in it computes, reads or writes."""
    if not layer.is_basic:
        return bool(layer.parts) and all(_is_idle(part.layer) for part in layer.parts)
    *costs, parameters = (layer.cost.value(metric) for metric in METRICS)
    return parameters != 0 and not any(costs)


def listed(names: list[str]) -> str:
    """Names in a row, of many the first ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
