"""What people get wrong: each fault is an edit of the reference, and it is found where the edited reference is the
candidate. So a fault that is named has been shown by algebra.

An edit changes all of the reference or one part of it: a layer, a group of layers, or a term of a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from symflops import deadline
from symflops.algebra import ALGEBRA, free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.meaning import quantity, with_quantity
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Value,
    accumulate,
    add,
    divide,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.storage import QUANTITIES
from symflops.tree import write
from symflops.verification.constraints import Constraints
from symflops.verification.generalisation import outer
from symflops.verification.parts import ReferencePart
from symflops.vocabulary.metrics import ARITHMETIC

Change = Callable[[Value], Value]


@dataclass(frozen=True)
class Fault:
    """A way to be wrong: its kind, what to say about it, and what it makes of a correct value."""

    kind: str
    text: str
    edit: Change
    of_parts: bool = True  # whether somebody may do so with a part of a model alone
    amount: Value | None = None  # shown behind the text; writing it takes longer than finding that it is not needed

    @property
    def message(self) -> str:
        return self.text if self.amount is None else self.text + text_of(self.amount)

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


def of_all(names: set[str], metric: str, where: Constraints) -> Iterator[Fault]:
    """The ways to be wrong about any part or all of a reference in these symbols, the most telling first."""
    sizes = sorted(n for n in names if quantity(n) in ("bytes", "weight bytes", "cache bytes"))
    yield from _of_units(metric, sizes)
    yield from _of_a_call(names)
    if metric in ARITHMETIC and not sizes:
        for factor, what in ((3, "forward and backward"), (4, "forward, backward and full recomputation")):
            text = f"{factor} times the reference: a training step, {what} (--training {factor})"
            yield Fault("constant factor", text, _scaled(factor, 1), of_parts=False)
    yield from _of_masks(names)
    yield from _of_widths(names, where)
    yield from _of_choices(names)
    yield Fault("rounding", "rounded down instead of up", _swapped("ceil", "floor"))
    yield Fault("rounding", "rounded up instead of down", _swapped("floor", "ceil"))
    yield Fault("rounding", "not rounded", _swapped("ceil", "+"))
    yield Fault("rounding", "not rounded", _swapped("floor", "+"))
    yield Fault("extreme", "max in the place of min", _swapped("min", "max"))
    yield Fault("extreme", "min in the place of max", _swapped("max", "min"))
    if past := with_quantity(names, "past"):
        yield Fault("past ignored", f"{past} ignored", _put({past: 0}))
    for n in sizes:
        if n != "dtype_bytes":
            yield Fault("bytes", f"dtype_bytes used for {n}", _put({n: symbol("dtype_bytes")}))
        for size in (2, 4):
            yield Fault("bytes fixed", f"{n} fixed at {size}", _put({n: size}))


def _of_units(metric: str, sizes: list[str]) -> Iterator[Fault]:
    """What is counted: multiply-accumulates, bits, keys alone, elements."""
    if metric in ARITHMETIC and not sizes:  # what has bytes in it is no count of operations
        yield Fault("multiply-accumulate", "multiply-accumulates counted, not FLOPs: a factor of 2", _scaled(1, 2))
    if is_of_bytes(metric) or sizes:
        yield Fault("bits", "bits counted, not bytes: a factor of 8", _scaled(8, 1))
    if metric == "cache":
        yield Fault("cache", "keys or values counted, not both: a factor of 2", _scaled(1, 2))
    for group in [sizes, *([n] for n in sizes if len(sizes) > 1)] if sizes else []:
        which = " and ".join(group)
        yield Fault("bytes forgotten", f"{which} forgotten", _put(dict.fromkeys(group, 1)))
        yield Fault("bytes squared", f"{which} squared", _put({n: multiply(symbol(n), symbol(n)) for n in group}))


def _of_a_call(names: set[str]) -> Iterator[Fault]:
    """Layers, sequences and tokens of a call."""
    s, batch, layers = (with_quantity(names, q) for q in ("length", "batch", "layers"))
    if layers:
        yield Fault("repeat forgotten", f"repeat forgotten: once instead of {layers} times", _put({layers: 1}))
    if batch:
        yield Fault("batch forgotten", f"{batch} forgotten", _put({batch: 1}))
    if s and batch:
        text = f"the cost of one token: the factor {batch}*{s} is missing (--per-token)"
        yield Fault("per token", text, lambda v: _times(batch, -1)(_times(s, -1)(v)), of_parts=False)
    if s:
        yield Fault("degree", f"wrong degree in {s}: a factor {s} is missing", _times(s, -1))
        yield Fault("degree", f"wrong degree in {s}: a factor {s} too many", _times(s, 1))


def _of_masks(names: set[str]) -> Iterator[Fault]:
    if "causal" in names:
        yield Fault("causal", "causal mask always on: about half of the attention", _put({"causal": 1}))
        yield Fault("causal", "causal mask ignored", _put({"causal": 0}))
    if window := with_quantity(names, "window"):
        text = f"{window} ignored: every query attends to all the keys before it"
        yield Fault("window ignored", text, _unlimited(window))


def _of_choices(names: set[str]) -> Iterator[Fault]:
    """Experts of a token, and heads that share keys and values."""
    experts, top, heads, kv = (with_quantity(names, q) for q in ("experts", "experts of a token", "heads", "kv heads"))
    if top and experts:
        yield Fault("all experts", f"all {experts} instead of {top} of a token", _put({top: symbol(experts)}))
    if top:
        yield Fault("one expert", f"one expert instead of {top} of a token", _put({top: 1}))
    if heads and kv:
        many = f"{heads} used for {kv}: grouped-query attention ignored"
        yield Fault("kv heads", many, _put({kv: symbol(heads)}))


def is_of_bytes(metric: str) -> bool:
    return QUANTITIES.get(metric) == "byte"


def _of_widths(names: set[str], where: Constraints) -> Iterator[Fault]:
    """hidden_size where the heads' widths are meant, and the inner width of the first transformers, 4*hidden_size."""
    heads, kv, width, hidden = (with_quantity(names, q) for q in ("heads", "kv heads", "head width", "hidden"))
    inner = with_quantity(names, "inner")
    h = where.reduced(symbol(hidden)) if hidden else 0
    if hidden and heads and width:
        right = f"equal where {heads}*{width} == {hidden}"
        each = divide(symbol(hidden), symbol(heads))
        yield Fault("hidden for heads", f"{hidden} used for {heads}*{width} ({right})", _put({width: each}))
    for some in (heads, kv):
        if some and width and hidden:
            right = f"equal where {some}*{width} == {hidden}"
            replaced = _replaced({some: 1, width: 1}, hidden)
            yield Fault("hidden for heads", f"{hidden} used for {some}*{width} ({right})", replaced)
    if inner and hidden:
        right = f"equal where {inner} == 4*{hidden}"
        yield Fault("inner width", f"4*{hidden} used for {inner} ({right})", _put({inner: multiply(4, h)}))


def of_part(part: ReferencePart, names: set[str]) -> Iterator[Fault]:
    """The ways to be wrong about a part that depend on what it is."""
    s = with_quantity(names, "length")
    value = part.value
    if part.role == "attention":
        yield Fault("attention missing", "attention missing", lambda _: 0)
        yield from _of_mask(part, s)
        if part.wide not in (0, value):
            yield Fault("value width", "values taken to be as wide as keys", lambda _: part.wide)
    if part.role == "logits" and s:
        yield Fault("last-token logits", "logits of the last token only", _put({s: 1}))
    if part.role == "embedding" and part.table != 0:
        yield Fault("embedding", "embedding counted as a multiply", lambda v: add(v, part.table))
    if part.vectors != 0:
        text = f"{part.kind} counted as matrices: "
        if part.kind == "table":
            text = "embedding counted as a multiply for every token: "
        kind = "embedding" if part.kind == "table" else part.kind
        yield Fault(kind, text, lambda v: add(v, part.vectors), amount=part.vectors)
    if value == 0:
        return
    if part.role == "logits" and not part.layer:
        yield Fault("embedding", "embedding counted as a multiply beside the logits", _scaled(2, 1))
    missing = "router missing, " if part.role == "router" else "missing "
    yield Fault("missing", missing, lambda _: 0, amount=value)
    yield Fault("extra", "counted twice: ", _scaled(2, 1), amount=value)


def _of_mask(part: ReferencePart, s: str) -> Iterator[Fault]:
    """What is made of a causal mask: S**2, S**2/2 and S*(S - 1)/2 in the place of the S*(S + 1)/2 pairs under it."""
    full, masked = part.full, part.masked
    if full == 0:
        yield Fault("causal", "only half of the attention counted, as under a causal mask", _scaled(1, 2))
        return
    half = multiply(full, Fraction(1, 2))
    text = f"causal mask counted as {s}**2/2, half of all (query, key) pairs: its diagonal is missing"
    if part.value == full != masked:
        text = f"only half of the attention counted, as under a causal mask ({s}**2/2, without its diagonal)"
    yield Fault("causal", text, lambda _: half)
    text = f"only the (query, key) pairs under a causal mask counted: {s}*({s} + 1)/2 for {s}**2"
    yield Fault("causal", text, lambda _: masked)
    text = f"only the pairs below the diagonal of a causal mask counted: {s}*({s} - 1)/2"
    yield Fault("causal", text, lambda _: add(full, negate(masked)))
    yield Fault("causal", f"causal mask ignored: {s}**2, every (query, key) pair counted", lambda _: full)


def unrounded(value: Value) -> Value:
    """A value without its floors; the value itself where that leaves none, as x % x without rounding divides by 0."""
    return Fault("rounding", "", _swapped("floor", "+")).change(value)


def _scaled(top: int, bottom: int) -> Change:
    return lambda v: multiply(v, Fraction(top, bottom))


def _put(new: Mapping[str, Value]) -> Change:
    return lambda v: substitute(v, new)


def _swapped(old: str, new: str) -> Change:
    """One function in the place of another, "+" for none."""

    written = f"{old}("

    def change(v: Value) -> Value:
        if not any(isinstance(n, Call) and written in n for m in terms_of(v) for n, _ in m):
            return v
        total: dict[Monomial, Number] = {}
        for m, c in terms_of(v).items():
            deadline.check()
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


def _unlimited(name: str) -> Change:
    """Every minimum without those of its arguments that have a symbol, as where it is beyond all others."""

    def change(v: Value) -> Value:
        new: dict[str, Value] = {}
        for call in outer(v, "min"):
            deadline.check()
            rest = [a for a in call.arguments if name not in free_symbols(a)]
            if 0 < len(rest) < len(call.arguments):
                new[call] = ALGEBRA["min"](*rest) if len(rest) > 1 else rest[0]
        return substitute(v, new) if new else v

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
            deadline.check()
            exponents = dict(m)
            while all(exponents.get(n, 0) >= e for n, e in old.items()):
                for n, e in old.items():
                    exponents[n] -= e
                exponents[new] = exponents.get(new, 0) + 1
            accumulate(total, value_of({tuple(sorted((n, e) for n, e in exponents.items() if e)): c}))
        return value_of(total)

    return change
