"""What a model is fed, as text: `tokens: int64[batch_size, seq_len]`, `x: float[batch_size, 3, 32*h, 32*w]`.

A dimension is a number, a symbol, or a polynomial of them in symflops' own language: `32*h` says that it is a multiple
of 32, so that no rounding is left in a closed form; `dim//heads` is a quotient of two sizes, rounded down. Names that
are no architecture symbols are run symbols: standard ones, such as batch_size, and those of this model alone, such as
`h`.

What is in a tensor decides nothing, as a rule. Where it does, as in the grid of an image, it is stated: a number or a
polynomial that all elements are, `int64[batch_size] = seq_len`, or those of each row, `int64[1, 3] = [1, 2*h, 2*w]`.

An argument that is a dictionary or a list has an input for each tensor in it, by its place: `batch.image`,
`features.0`; also written `batch["image"]` and `features[0]`. One that is no tensor is a value as JSON has it:
`return_dict: false`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symflops import algebra
from symflops.errors import SymflopsError, expect, nearest
from symflops.grouping import grouped
from symflops.polynomial import Call, Value, is_nonnegative, multiply, power, symbol, terms_of
from symflops.tree import NAME, write

DTYPES = (
    "float", "float64", "float32", "float16", "bfloat16", "complex64", "int64", "int32", "int16", "int8", "uint8",
    "bool",
)  # fmt: skip
"""The element types of inputs; `float` is the model's own number format."""
DECODER_IDS = "decoder_input_ids"  # what transformers' encoders with decoders call the tokens of the decoder
_MAX_TEXT = 2000
_FORM = re.compile(r"\s*(\w+)\s*\[([^\]=]*)\]\s*(?:=\s*(\S.*?)\s*)?\Z", re.S)
_PLACE = re.compile(r"""\[\s*(?:"([^"]+)"|'([^']+)'|(\d+))\s*\]|(?:^|\.)([A-Za-z_]\w*|\d+)""")
_PART = re.compile(r"(?:[A-Za-z_]\w*|\d{1,4})\Z")
MOST_PARTS = 12  # of the place of an input
Plain = bool | int | float | str | None
EXAMPLE = "'x: float[batch_size, 3, 32*h, 32*w]'"  # for messages


@dataclass(frozen=True)
class Input:
    """One tensor that a model is fed: the name of the argument, the type of its elements, its dimensions, and what is
    in it, if that is stated: one value that all elements are, or those along the last dimension.

    >>> x = Input.read("x: float[batch_size, 3, 32*h, 32*w]")
    >>> x.name, x.dtype, x.text()
    ('x', 'float', 'float[batch_size, 3, 32*h, 32*w]')
    >>> Input.read("grid: int64[1, 3] = [1, 2*h, 2*w]").text()
    'int64[1, 3] = [1, 2*h, 2*w]'
    >>> Input.read('batch["image"]: float[batch_size, 8]').name, Input.read("return_dict: false").plain
    ('batch.image', (False,))
    """

    name: str
    dtype: str
    shape: tuple[Value, ...]
    content: Value | tuple[Value, ...] | None = None
    plain: tuple[Plain, ...] = ()  # of an argument that is no tensor, its value

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
        given, name = name, place(name)
        found = _FORM.match(form) if isinstance(form, str) and len(form) < _MAX_TEXT else None
        if name and found is None and (value := _plain(form)):
            return cls(name, "", (), None, value)
        if not name:
            raise SymflopsError(f"input {given[:60]!r}: expected an argument's name, such as x, batch.image or xs[0]")
        if found is None:
            raise SymflopsError(f"input {given[:60]!r}: expected type[dimensions], such as float[batch_size, 3, 32*h]")
        dtype, dimensions, content = found.groups()
        if dtype not in DTYPES:
            raise SymflopsError(f"input {name}: unknown type {dtype[:60]!r}{nearest(dtype, DTYPES)}")
        texts = [text.strip() for text in dimensions.split(",")] if dimensions.strip() else []
        shape = tuple(_dimension(name, text) for text in texts)
        return cls(name, dtype, shape, None if content is None else _content(name, content, shape))

    def text(self) -> str:
        """The input as a model file has it."""
        if self.plain:
            return json.dumps(self.plain[0])
        shape = f"{self.dtype}[{', '.join(map(_written, self.shape))}]"
        if self.content is None:
            return shape
        values = ", ".join(map(_written, self.content if isinstance(self.content, tuple) else (self.content,)))
        return f"{shape} = [{values}]" if isinstance(self.content, tuple) else f"{shape} = {values}"

    @property
    def symbols(self) -> frozenset[str]:
        """The names in its dimensions and in what is stated of its elements."""
        return frozenset().union(*(algebra.free_symbols(value) for value in self.values))

    @property
    def values(self) -> tuple[Value, ...]:
        """Its dimensions, then what is stated of its elements."""
        content = self.content
        return (*self.shape, *(content if isinstance(content, tuple) else () if content is None else (content,)))


def read_inputs(inputs: Mapping[str, Any] | Iterable[str]) -> tuple[Input, ...]:
    """Inputs by their names, or each as a text with its name.

    >>> [i.text() for i in read_inputs({"tokens": "int64[batch_size, seq_len]"})]
    ['int64[batch_size, seq_len]']
    """
    if isinstance(inputs, Mapping):
        found = [Input.of(name, form) for name, form in flat(inputs)]
    else:
        expect(inputs, Iterable, "inputs to be a list of texts")
        found = [Input.read(text) for text in inputs]
    for i, one in enumerate(found):
        if one.name in (other.name for other in found[:i]):
            raise SymflopsError(f"input {one.name}: it is given twice")
    return tuple(found)


def flat(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What stands in dictionaries and lists, each with its place.

    >>> list(flat({"batch": {"image": "float[3]"}, "features": ["float[4]", "float[5]"]}))
    [('batch.image', 'float[3]'), ('features.0', 'float[4]'), ('features.1', 'float[5]')]

    Raises SymflopsError for what lies too deep, as what contains itself does.
    """
    if name.count(".") > MOST_PARTS:
        raise SymflopsError(f"input {name[:60]}: more than {MOST_PARTS} dictionaries and lists inside one another")
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(given, list | tuple) and name:
        for place_, value in enumerate(given):
            yield from flat(value, f"{name}.{place_}")
    else:
        yield name, given


def place(text: str) -> str:
    """The place of an input as it is kept, its parts joined by dots; "" for what is none.

    >>> place("batch['image']"), place("features[0].x"), place("not a place")
    ('batch.image', 'features.0.x', '')
    """
    parts, at = [], 0
    while at < len(text) < _MAX_TEXT and (found := _PLACE.match(text, at)):
        parts.append(next(part for part in found.groups() if part is not None))
        at = found.end()
    is_place = parts and at == len(text) and NAME.match(parts[0]) and all(map(_PART.match, parts))
    return ".".join(parts) if is_place else ""


def symbols_of(inputs: Iterable[Input]) -> tuple[str, ...]:
    """The names in all inputs, in order of first appearance."""
    found: dict[str, None] = {}
    for one in inputs:
        for size in one.values:
            found |= dict.fromkeys(sorted(algebra.free_symbols(size)))
    return tuple(found)


def decoder_length(inputs: Iterable[Input]) -> str:
    """The symbol of how many ids a decoder is fed; nothing where there are none, or their number is no symbol.

    >>> decoder_length(read_inputs({"decoder_input_ids": "int64[batch_size, target_len]"}))
    'target_len'
    """
    ids = next((one for one in inputs if one.name == DECODER_IDS and one.shape), None)
    names_ = set() if ids is None else algebra.free_symbols(ids.shape[-1])
    return next(iter(names_)) if len(names_) == 1 else ""


def _plain(form: Any) -> tuple[Plain, ...]:
    """The value of an argument that is no tensor, alone in a tuple; none for what is no such value."""
    if isinstance(form, str):
        try:
            form = json.loads(form) if len(form) < _MAX_TEXT else ()
        except (ValueError, RecursionError):
            return ()
    return (form,) if form is None or type(form) in (bool, int, float, str) else ()


def _dimension(name: str, text: str) -> Value:
    where = f"input {name}"
    try:
        size = algebra.from_text(text)
    except SymflopsError as error:
        raise error.within(where) from None
    if not _is_whole(size) or size == 0 or (isinstance(size, int) and not is_nonnegative(size)):
        why = (
            "a dimension is a number or a polynomial with whole numbers; write what divides it as a factor, 32*h, "
            "and a quotient of two sizes as dim//heads"
        )
        raise SymflopsError(f"{text[:60]!r}: {why}", where=where)
    return size


def _content(name: str, text: str, shape: tuple[Value, ...]) -> Value | tuple[Value, ...]:
    """What is in an input: a value, or a list of those along its last dimension."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else None
    try:
        found = tuple(algebra.from_text(part) for part in (text if inner is None else inner).split(","))
    except SymflopsError as error:
        raise error.within(f"input {name}") from None
    if not all(map(_is_whole, found)) or (inner is None and len(found) != 1):
        why = "what is in a tensor is a polynomial with whole numbers, or a list of those along its last dimension"
        raise SymflopsError(f"{text[:60]!r}: {why}", where=f"input {name}")
    if inner is not None and (not shape or shape[-1] != len(found)):
        raise SymflopsError(f"{text[:60]!r}: as many as its last dimension has are wanted", where=f"input {name}")
    return found[0] if inner is None else found


def _is_whole(value: Value) -> bool:
    return all(
        type(c) is int and all((type(n) is str or quotient(n)) and type(e) is int and e > 0 for n, e in m)
        for m, c in terms_of(value).items()
    )


def quotient(factor: str) -> tuple[Value, Value] | None:
    """The two sizes of a quotient that is rounded down, as of `dim//heads`; None for any other factor.

    >>> of = algebra.from_text("3*width//(2*heads)")
    >>> [[str(size) for size in quotient(n)] for m in terms_of(of) for n, _ in m]
    [['3*width', '2*heads']]
    """
    if not isinstance(factor, Call) or factor.function != "floor":
        return None
    terms = terms_of(factor.arguments[0])
    if len(terms) != 1:
        return None
    ((monomial, c),) = terms.items()
    if not all(type(n) is str and type(e) is int for n, e in monomial):
        return None
    number = Fraction(c)
    above = multiply(number.numerator, *(power(symbol(n), e) for n, e in monomial if e > 0))
    return above, multiply(number.denominator, *(power(symbol(n), -e) for n, e in monomial if e < 0))


def _written(value: Value) -> str:
    return write(grouped(value))
