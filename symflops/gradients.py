"""What a formula or a layer says of its backward: the keys of the tables `backward` and `backward_frozen`.

`backward` computes the gradients of all floating inputs and of the weights, `backward_frozen` those of the inputs only.
Both read what the forward saved for them, `saved_bytes`: each memory once, without the weights, which are there anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from symflops.errors import SymflopsError, nearest
from symflops.vocabulary.metrics import OWNED, REQUIRED

Table = TypeVar("Table")
SAVED = "saved_bytes"
KEYS = (*(metric for metric in REQUIRED if metric not in OWNED), SAVED)
PASSED_ON = "saved_outputs"  # of what is saved, the bytes of results that other layers keep; not every table says it
BACKWARD, FROZEN = TABLES = ("backward", "backward_frozen")


def table_of(frozen: bool) -> str:
    """The table that says what a backward costs: of all floating inputs and the weights, or of the inputs only.

    >>> table_of(True)
    'backward_frozen'
    """
    return FROZEN if frozen else BACKWARD


def with_frozen(tables: Mapping[str, Table], weights: Any) -> dict[str, Table]:
    """The tables, and where there are no `weights` the backward as that with frozen weights, unless there is one."""
    either = {FROZEN: tables[BACKWARD]} if BACKWARD in tables and weights == 0 else {}
    return {**either, **tables}


def check_keys(table: Mapping[str, Any], where: str) -> None:
    """Raise SymflopsError for a key that is unknown or missing: each is stated, since nothing said is never 0."""
    for key in table:
        if key not in (*KEYS, PASSED_ON):
            raise SymflopsError(f"{where}: unknown key {str(key)[:100]!r}{nearest(str(key), (*KEYS, PASSED_ON))}")
    for key in KEYS:
        if key not in table:
            raise SymflopsError(f"{where}: {key} is missing")
