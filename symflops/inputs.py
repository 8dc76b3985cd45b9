"""What a model is fed, as text: `tokens: int64[batch_size, seq_len]`, `x: float[batch_size, 3, 32*h, 32*w]`.

A dimension is a number, a symbol, or a polynomial of them in symflops' own language: `32*h` says that it is a multiple
of 32, so that no rounding is left in a closed form. Names that are no architecture symbols are run symbols: standard
ones, such as batch_size, and those of this model alone, such as `h`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from symflops import algebra
from symflops.errors import SymflopsError, expect, nearest
from symflops.grouping import grouped
from symflops.polynomial import Value, is_nonnegative, terms_of
from symflops.tree import NAME, write

DTYPES = (
    "float", "float64", "float32", "float16", "bfloat16", "complex64", "int64", "int32", "int16", "int8", "uint8",
    "bool",
)  # fmt: skip
"""The element types of inputs; `float` is the model's own number format."""
DECODER_IDS = "decoder_input_ids"  # what transformers' encoders with decoders call the tokens of the decoder
_MAX_TEXT = 2000
_FORM = re.compile(r"\s*(\w+)\s*\[(.*)\]\s*\Z", re.S)
EXAMPLE = "'x: float[batch_size, 3, 32*h, 32*w]'"  # for messages


@dataclass(frozen=True)
class Input:
    """One tensor that a model is fed: the name of the argument, the type of its elements, and its dimensions.

    >>> x = Input.read("x: float[batch_size, 3, 32*h, 32*w]")
    >>> x.name, x.dtype, x.text()
    ('x', 'float', 'float[batch_size, 3, 32*h, 32*w]')
    """

    name: str
    dtype: str
    shape: tuple[Value, ...]

    @classmethod
    def read(cls, text: str) -> Input:
        """An input as it is written on the command line, `name: dtype[dimensions]`.

        Raises SymflopsError for a text of another form, an unknown type, and a dimension that is no polynomial.
        """
        expect(text, str, "an input to be a text")
        name, colon, form = text.partition(":")
        if not colon:
            raise SymflopsError(f"input {text[:100]!r}: expected name: type[dimensions], such as {EXAMPLE}")
        return cls.of(name.strip(), form)

    @classmethod
    def of(cls, name: str, form: Any) -> Input:
        """An input of this name, as it is written in a model file: `dtype[dimensions]`."""
        found = _FORM.match(form) if isinstance(form, str) and len(form) < _MAX_TEXT else None
        if not NAME.match(name) or found is None:
            raise SymflopsError(f"input {name[:60]!r}: expected type[dimensions], such as float[batch_size, 3, 32*h]")
        dtype, dimensions = found.groups()
        if dtype not in DTYPES:
            raise SymflopsError(f"input {name}: unknown type {dtype[:60]!r}{nearest(dtype, DTYPES)}")
        texts = [text.strip() for text in dimensions.split(",")] if dimensions.strip() else []
        return cls(name, dtype, tuple(_dimension(name, text) for text in texts))

    def text(self) -> str:
        """The input as a model file has it."""
        return f"{self.dtype}[{', '.join(write(grouped(size)) for size in self.shape)}]"

    @property
    def symbols(self) -> frozenset[str]:
        """The names in its dimensions."""
        return frozenset().union(*(algebra.free_symbols(size) for size in self.shape))


def read_inputs(inputs: Mapping[str, Any] | Iterable[str]) -> tuple[Input, ...]:
    """Inputs by their names, or each as a text with its name.

    >>> [i.text() for i in read_inputs({"tokens": "int64[batch_size, seq_len]"})]
    ['int64[batch_size, seq_len]']
    """
    if isinstance(inputs, Mapping):
        found = [Input.of(str(name), form) for name, form in inputs.items()]
    else:
        expect(inputs, Iterable, "inputs to be a list of texts")
        found = [Input.read(text) for text in inputs]
    for i, one in enumerate(found):
        if one.name in (other.name for other in found[:i]):
            raise SymflopsError(f"input {one.name}: it is given twice")
    return tuple(found)


def symbols_of(inputs: Iterable[Input]) -> tuple[str, ...]:
    """The names in the dimensions of all inputs, in order of first appearance."""
    found: dict[str, None] = {}
    for one in inputs:
        for size in one.shape:
            found |= dict.fromkeys(sorted(algebra.free_symbols(size)))
    return tuple(found)


def _dimension(name: str, text: str) -> Value:
    where = f"input {name}"
    try:
        size = algebra.from_text(text)
    except SymflopsError as error:
        raise error.within(where) from None
    whole = all(
        type(c) is int and all(type(n) is str and type(e) is int and e > 0 for n, e in m)
        for m, c in terms_of(size).items()
    )
    if not whole or size == 0 or (isinstance(size, int) and not is_nonnegative(size)):
        why = "a dimension is a number or a polynomial with whole numbers; write what divides it as a factor, 32*h"
        raise SymflopsError(f"{text[:60]!r}: {why}", where=where)
    return size
