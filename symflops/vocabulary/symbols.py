"""The symbols that mean the same in every model, and what numbers a symbol stands for.

Every symbol is a nonnegative integer, but for the bytes of an element, which may be 0.5 and the like: those are
nonnegative rational numbers, and no rounding over them is dropped.
"""

from __future__ import annotations

BYTE_SYMBOLS = ("dtype_bytes", "weight_bytes", "cache_bytes")
RUN_SYMBOLS = ("batch_size", "seq_len", "past_len", "causal", *BYTE_SYMBOLS)
POSITIVE = ("batch_size", "seq_len")  # no model runs with no sequence or no token
DTYPES = {  # bytes per element of the data types that configs name
    "float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1, "int8": 1,
}  # fmt: skip
FRACTION_MARK = "~"  # ends the name of a symbol that a proof introduces for a number that need not be whole


def is_whole(name: str) -> bool:
    """Whether a symbol stands for whole numbers alone.

    >>> is_whole("seq_len"), is_whole("dtype_bytes")
    (True, False)
    """
    return name not in BYTE_SYMBOLS and not name.endswith(FRACTION_MARK)
