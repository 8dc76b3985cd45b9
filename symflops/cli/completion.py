"""What the shell offers where a name is wanted; typer asks when the Tab key is pressed."""

from __future__ import annotations

from collections.abc import Sequence


def models(incomplete: str) -> list[str]:
    from symflops.model import model_names

    return _beginning(incomplete, model_names())


def formulas(incomplete: str) -> list[str]:
    from symflops.formula import formula_names

    return _beginning(incomplete, formula_names())


def machines(incomplete: str) -> list[str]:
    from symflops.hardware import hardware_names

    return _beginning(incomplete, hardware_names())


def formats(incomplete: str) -> list[str]:
    from symflops.gguf_types import mixes
    from symflops.number_format import format_names

    return _beginning(incomplete, (*format_names(), *(f"gguf-{name}" for name in mixes())))


def metrics(incomplete: str) -> list[str]:
    """Metrics, after those that stand before a comma."""
    from symflops.vocabulary.metrics import METRICS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, METRICS)]


def _beginning(incomplete: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete.lower())]
