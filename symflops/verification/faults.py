"""What people get wrong: each fault is an edit of the reference, and it is found where the edited reference is the
candidate. So a fault that is named has been shown by algebra.

An edit changes all of the reference or one part of it: a layer, a group of layers, or a term of a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from symflops.algebra import ALGEBRA, substitute
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Value,
    accumulate,
    add,
    multiply,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.tree import write
from symflops.verification.names import quantity, with_quantity

Change = Callable[[Value], Value]


@dataclass(frozen=True)
class Part:
    """A part of the reference: its value, how it is named in a message, and what it is."""

    value: Value
    label: str = ""  # of a layer its path, of terms of a formula what they are
    layer: str = ""  # the path, where it is a layer
    role: str = ""  # "attention", "logits", "embedding", "group" of layers, or ""
    table: Value = 0  # of an embedding: what it would cost as a dense multiply

    @property
    def where(self) -> str:
        return f": {self.label}" if self.label else ""


@dataclass(frozen=True)
class Fault:
    """A way to be wrong: its kind, what to say about it, and what it makes of a correct value."""

    kind: str
    text: str
    edit: Change

    def change(self, value: Value) -> Value:
        """The wrong value; the value itself where the edit leaves none, such as a division by zero."""
        try:
            return self.edit(value)
        except SymflopsError:
            return value


def text_of(value: Value, most: int = 160) -> str:
    """A value as it is shown in a message."""
    text = write(grouped(value)) if len(terms_of(value)) <= 40 else repr(value)
    return text if len(text) <= most else f"{text[: most - 40]} … {text[-36:]}"


def of_all(names: set[str], metric: str) -> Iterator[Fault]:
    """The ways to be wrong about any part or all of a reference in these symbols, the most telling first."""
    s, batch, past = (with_quantity(names, q) for q in ("length", "batch", "past"))
    heads, kv, width, hidden = (with_quantity(names, q) for q in ("heads", "kv heads", "head width", "hidden"))
    layers, experts, top = (with_quantity(names, q) for q in ("layers", "experts", "experts of a token"))
    sizes = sorted(n for n in names if quantity(n) in ("bytes", "weight bytes", "cache bytes"))
    if metric.endswith("flops"):
        yield Fault("multiply-accumulate", "multiply-accumulates counted, not FLOPs: a factor of 2", _scaled(1, 2))
    if metric.endswith("bytes"):
        yield Fault("bits", "bits counted, not bytes: a factor of 8", _scaled(8, 1))
    for group in [sizes, *([n] for n in sizes if len(sizes) > 1)] if sizes else []:
        which = " and ".join(group)
        yield Fault("bytes forgotten", f"{which} forgotten", _put(dict.fromkeys(group, 1)))
        yield Fault("bytes squared", f"{which} squared", _put({n: multiply(symbol(n), symbol(n)) for n in group}))
    if layers:
        yield Fault("repeat forgotten", f"repeat forgotten: once instead of {layers} times", _put({layers: 1}))
    if batch:
        yield Fault("batch forgotten", f"{batch} forgotten", _put({batch: 1}))
    if s:
        yield Fault("degree", f"wrong degree in {s}: a factor {s} is missing", _times(s, -1))
        yield Fault("degree", f"wrong degree in {s}: a factor {s} too many", _times(s, 1))
    if "causal" in names:
        yield Fault("causal", "causal mask always on: about half of the attention", _put({"causal": 1}))
        yield Fault("causal", "causal mask ignored", _put({"causal": 0}))
    for some in (heads, kv):
        if some and width and hidden:
            replaced = _replaced({some: 1, width: 1}, hidden)
            yield Fault("hidden for heads", f"{hidden} used for {some}*{width}", replaced)
    if top and experts:
        yield Fault("all experts", f"all {experts} instead of {top} of a token", _put({top: symbol(experts)}))
    if top:
        yield Fault("one expert", f"one expert instead of {top} of a token", _put({top: 1}))
    if heads and kv:
        many = f"{heads} used for {kv}: grouped-query attention ignored"
        yield Fault("kv heads", many, _put({kv: symbol(heads)}))
    yield Fault("rounding", "rounded down instead of up", _swapped("ceil", "floor"))
    yield Fault("rounding", "rounded up instead of down", _swapped("floor", "ceil"))
    yield Fault("rounding", "not rounded", _swapped("ceil", "+"))
    yield Fault("rounding", "not rounded", _swapped("floor", "+"))
    yield Fault("extreme", "max in the place of min", _swapped("min", "max"))
    yield Fault("extreme", "min in the place of max", _swapped("max", "min"))
    if past:
        yield Fault("past ignored", f"{past} ignored", _put({past: 0}))
    for n in sizes:
        if n != "dtype_bytes":
            yield Fault("bytes", f"dtype_bytes used for {n}", _put({n: symbol("dtype_bytes")}))
        for size in (2, 4):
            yield Fault("bytes fixed", f"{n} fixed at {size}", _put({n: size}))


def of_part(part: Part, names: set[str]) -> Iterator[Fault]:
    """The ways to be wrong about a part that depend on what it is."""
    s = with_quantity(names, "length")
    if part.role == "attention":
        yield Fault("attention missing", "attention missing", lambda _: 0)
        yield Fault("causal", "only half of the attention counted, as under a causal mask", _scaled(1, 2))
        yield Fault("causal", "only the (query, key) pairs under a causal mask counted", _triangle(s))
        yield Fault("causal", "only the (query, key) pairs under a causal mask counted", _triangle(s, -1))
    if part.role == "logits" and s:
        yield Fault("last-token logits", "logits of the last token only", _put({s: 1}))
    if part.role == "embedding":
        yield Fault("embedding", "embedding counted as a multiply", lambda v: add(v, part.table))
    if part.role == "logits" and not part.layer:
        yield Fault("embedding", "embedding counted as a multiply beside the logits", _scaled(2, 1))
    yield Fault("missing", f"missing {text_of(part.value)}", lambda _: 0)
    yield Fault("extra", f"counted twice: {text_of(part.value)}", _scaled(2, 1))


def _scaled(top: int, bottom: int) -> Change:
    return lambda v: multiply(v, Fraction(top, bottom))


def _put(new: Mapping[str, Value]) -> Change:
    return lambda v: substitute(v, new)


def _swapped(old: str, new: str) -> Change:
    """One function in the place of another, "+" for none."""

    def change(v: Value) -> Value:
        total: dict[Monomial, Number] = {}
        for m, c in terms_of(v).items():
            factors: list[Value] = []
            for n, e in m:
                if isinstance(n, Call):
                    function = new if n.function == old else n.function
                    arguments = [change(a) for a in n.arguments]
                    factors.append(power(arguments[0] if function == "+" else ALGEBRA[function](*arguments), e))
                else:
                    factors.append(value_of({((n, e),): 1}))
            accumulate(total, multiply(c, *factors))
        return value_of(total)

    return change


def _times(name: str, exponent: int) -> Change:
    """One factor more, or one less where all terms have one."""

    def change(v: Value) -> Value:
        if exponent < 0 and not all(dict(m).get(name, 0) > 0 for m in terms_of(v)):
            return v
        return multiply(v, value_of({((name, exponent),): 1}))

    return change


def _replaced(old: Mapping[str, int], new: str) -> Change:
    """Each product that contains the old factors, with the new one in their place."""

    def change(v: Value) -> Value:
        total: dict[Monomial, Number] = {}
        for m, c in terms_of(v).items():
            exponents = dict(m)
            while all(exponents.get(n, 0) >= e for n, e in old.items()):
                for n, e in old.items():
                    exponents[n] -= e
                exponents[new] = exponents.get(new, 0) + 1
            accumulate(total, value_of({tuple(sorted((n, e) for n, e in exponents.items() if e)): c}))
        return value_of(total)

    return change


def _triangle(s: str, sign: int = 1) -> Change:
    """S*(S + 1)/2, or S*(S - 1)/2, in the place of S**2."""

    def change(v: Value) -> Value:
        total: dict[Monomial, Number] = {}
        for m, c in terms_of(v).items():
            if dict(m).get(s, 0) == 2:
                half = multiply(Fraction(c) / 2, value_of({m: 1}))
                accumulate(total, half)
                accumulate(total, multiply(half, sign, value_of({((s, -1),): 1})))
            else:
                accumulate(total, value_of({m: c}))
        return value_of(total)

    return change
