"""Questions as users write them: `flops(self_attn) == flops(mlp)`, `weights + cache <= 80 GiB`.

A question is the formula language with two things more: `metric(path)`, the cost of the layers that a path names, and
amounts with a unit. Both are found first and replaced by names; what remains is read by `tree.read` like every other
text. Units are checked: FLOP and byte are not added or compared, while a plain number stands for an amount of either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from symflops import polynomial
from symflops.algebra import ALGEBRA
from symflops.analysis.parts import quantity
from symflops.errors import SymflopsError, nearest
from symflops.meaning import AMOUNTS, Known, reading, renames
from symflops.model import Model
from symflops.numeric import BYTE_SYMBOLS
from symflops.polynomial import Value
from symflops.storage import QUANTITIES, amount
from symflops.tree import FUNCTIONS, NAME, Tree, exact, fold, names, read, replaced, write
from symflops.units import FACTORS

_CALL = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*\(\s*(?P<path>[^()]*?)\s*\)")
_AMOUNT = re.compile(r"(?<![\w.])(?P<number>(?>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?))\s*(?P<unit>[A-Za-z]\w*)")
_PATH = re.compile(r"[\w.*?<>\[\]-]+")
_COMPARISON = re.compile(r"(==|<=|>=|!=|<|>|=)")
_DECIMAL = {prefix: factor for prefix, factor in FACTORS.items() if not prefix.endswith("i")}
UNITS: Mapping[str, tuple[int, str]] = {
    f"{prefix}{noun}": (factor, unit)
    for nouns, unit, prefixes in (
        (("B", "byte", "bytes"), "byte", FACTORS),
        (("FLOP", "FLOPs", "FLOPS", "flop", "flops"), "FLOP", _DECIMAL),
    )
    for noun in nouns
    for prefix, factor in prefixes.items()
} | {prefix: (factor, "count") for prefix, factor in FACTORS.items() if prefix}  # 128k tokens

_WITH_NOUNS = tuple(name for name, (_, noun) in UNITS.items() if noun != "count")

Dimension = tuple[Fraction, Fraction]  # the exponents of FLOP and byte
_ASK = "write out the one that is meant, or choose with --rename {name}={first}"
_NONE: Dimension = (Fraction(0), Fraction(0))
_DIMENSIONS = {"FLOP": (Fraction(1), Fraction(0)), "byte": (Fraction(0), Fraction(1)), "count": _NONE}


@dataclass(frozen=True)
class Quantity:
    """A value, in the symbols of a model and of a run, and what it is measured in."""

    value: Value
    dimension: Dimension
    text: str
    taken: Mapping[str, str] = field(default_factory=dict)  # what short names were taken for

    @property
    def unit(self) -> str:
        """`FLOP`, `byte`, `FLOP/byte` or the like; nothing for a number."""
        names = [(n, e) for n, e in zip(("FLOP", "byte"), self.dimension, strict=True) if e]
        top, bottom = ("*".join(_power(n, abs(e)) for n, e in names if (e > 0) is up) for up in (True, False))
        return f"{top or '1'}/{bottom}" if bottom else top


def _power(name: str, exponent: Fraction) -> str:
    return name if exponent == 1 else f"{name}**{exponent}"


@dataclass(frozen=True)
class Question:
    """Two quantities compared."""

    text: str
    left: Quantity
    sign: str
    right: Quantity
    divisors: tuple[Value, ...] = ()  # what the text divides by: where one is 0 it says nothing
    notes: tuple[str, ...] = ()

    @property
    def taken(self) -> Mapping[str, str]:
        """What short names were taken for."""
        return {**self.left.taken, **self.right.taken}

    @property
    def difference(self) -> Value:
        return polynomial.add(self.left.value, polynomial.negate(self.right.value))


def question(model: Model, text: str, rename: Mapping[str, str] | None = None) -> Question:
    """The question of a text about a model, and what names in it are said to mean. Raises SymflopsError, one line, for
    whatever is wrong with it."""
    if not isinstance(text, str):
        raise SymflopsError(f"expected the text of a question, got {type(text).__name__}")
    parts = _COMPARISON.split(text)
    signs = parts[1::2]
    if len(signs) != 1 or signs[0] in ("=", "!="):
        hint = {"=": "; write ==", "!=": "; != has no edges to solve for"}.get(signs[0] if signs else "", "")
        raise SymflopsError(f"{text[:100]!r} is not an equation: two formulas with one of == <= >= < > between{hint}")
    renamed = renames(rename or {})
    readings = [_Reading(model, side, renamed=renamed) for side in parts[0::2]]
    left, right = (reading.read() for reading in readings)
    _check_renamed(renamed, readings)
    if _NONE not in (left.dimension, right.dimension) and left.dimension != right.dimension:
        raise SymflopsError(f"cannot compare {left.text} in {left.unit} with {right.text} in {right.unit}")
    notes = [*(note for reading in readings for note in reading.notes), *_amounts_without_unit(left, right)]
    divisors = [d for reading in readings for d in reading.divisors]
    return Question(text.strip(), left, signs[0], right, tuple(divisors), tuple(dict.fromkeys(notes)))


def measured(model: Model, text: str, per_token: bool = False, rename: Mapping[str, str] | None = None) -> Quantity:
    """The quantity of a text without a comparison, or of one token. Short names mean what `symflops.meaning` says, or
    what `rename` does."""
    reading = _Reading(model, text, per_token, renames(rename or {}))
    found = reading.read()
    _check_renamed(reading.renamed, [reading])
    return found


def _check_renamed(renamed: Mapping[str, Tree], readings: Sequence[_Reading]) -> None:
    """Raise SymflopsError for a name that is said to mean something and that no text has."""
    written = set().union(*(reading.written for reading in readings))
    for name in sorted(renamed.keys() - written):
        raise SymflopsError(f"rename: the text has no name {name[:100]!r}{nearest(name, sorted(written))}")


class _Reading:
    """One text being read: what its placeholders stand for."""

    def __init__(
        self, model: Model, text: str, per_token: bool = False, renamed: Mapping[str, Tree] | None = None
    ) -> None:
        self.model = model
        self.text = text.strip()
        self.known = Known(
            frozenset((*model.run, *model.definitions)), amounts=frozenset(AMOUNTS.values()), per_token=per_token
        )
        self.renamed = renamed or {}
        self.written: set[str] = set()  # the names of the text, as it was given
        self.taken: dict[str, str] = {}
        self.placeholders: dict[str, Quantity] = {}
        self.divisors: list[Value] = []
        self.notes: list[str] = []

    def read(self) -> Quantity:
        if (clash := re.search(r"\b_\d\w*", self.text)) is not None:
            raise SymflopsError(f"names may not begin with _ and a digit here: {clash[0][:60]!r}")
        source = _AMOUNT.sub(self.amount, _CALL.sub(self.call, self.text))
        try:
            tree = read(source)
            self.written = names(("", tree)) - self.placeholders.keys()
            tree = replaced(tree, self.renamed)
            self.taken = reading(names(("", tree)) - self.placeholders.keys() - QUANTITIES.keys(), self.known, _ASK)
            found: Quantity = fold(tree, self.algebra(), self.leaf)
        except SymflopsError as error:
            texts = {name: meant.text for name, meant in self.placeholders.items()}
            raise error.in_words_of(texts).within(self.text[:100]) from None
        said = {n: write(tree) for n, tree in self.renamed.items() if n in self.written}
        taken = said | {n: m for n, m in self.taken.items() if n != m}
        return Quantity(found.value, found.dimension, self.text, taken)

    def placeholder(self, whole: str, value: Value, unit: str) -> str:
        name = f"_{len(self.placeholders)}".ljust(len(whole), "_")[:100]  # as long as before: columns stay right
        self.placeholders[name] = Quantity(value, _DIMENSIONS[unit], whole)
        return name

    def call(self, found: re.Match[str]) -> str:
        name, path = found["name"], found["path"].strip("'\"")
        if name in FUNCTIONS:
            return found[0]
        if name not in QUANTITIES:
            hint = nearest(name, (*QUANTITIES, *FUNCTIONS))
            raise SymflopsError(f"unknown metric {name[:60]!r}{hint or '; valid: ' + ', '.join(QUANTITIES)}")
        if path and not _PATH.fullmatch(path):
            raise SymflopsError(f"{found[0][:100]!r}: a path is names and patterns with dots, such as layers.*.mlp")
        return self.placeholder(found[0], quantity(self.model, name, path), QUANTITIES[name])

    def amount(self, found: re.Match[str]) -> str:
        number, unit = found["number"], found["unit"]
        if unit not in UNITS:
            raise SymflopsError(f"{found[0][:60]!r}: unknown unit{nearest(unit, _WITH_NOUNS)}; such as GiB, GB, TFLOP")
        factor, noun = UNITS[unit]
        value = read(number)
        return self.placeholder(found[0], exact(Fraction(value) * factor), noun)

    def leaf(self, leaf: int | Fraction | str) -> Quantity:
        if not isinstance(leaf, str):
            return Quantity(leaf, _NONE, str(leaf))
        if leaf in self.placeholders:
            return self.placeholders[leaf]
        if leaf in self.taken:
            return self.meant(leaf)
        if leaf in self.model.definitions or leaf in self.model.run:
            per_element = leaf in BYTE_SYMBOLS
            return Quantity(polynomial.symbol(leaf), _DIMENSIONS["byte" if per_element else "count"], leaf)
        if leaf in QUANTITIES:
            return Quantity(quantity(self.model, leaf), _DIMENSIONS[QUANTITIES[leaf]], leaf)
        known = (*AMOUNTS.values(), *QUANTITIES, *self.model.run, *self.model.definitions)
        raise SymflopsError(f"{self.model.name} has no symbol {leaf[:100]!r}{nearest(leaf, known)}")

    def meant(self, name: str) -> Quantity:
        """The quantity that a short name was taken for."""
        meaning = self.taken[name]
        if meaning in AMOUNTS.values():
            return Quantity(amount(self.model, meaning), _NONE, name)
        per_element = meaning in BYTE_SYMBOLS
        return Quantity(polynomial.symbol(meaning), _DIMENSIONS["byte" if per_element else "count"], name)

    def algebra(self) -> dict[str, Callable[..., Quantity]]:
        def combined(operation: str, rule: Callable[..., Dimension]) -> Callable[..., Quantity]:
            def apply(*operands: Quantity) -> Quantity:
                if operation in ("/", "//", "%"):
                    self.divisors.append(operands[1].value)
                elif operation == "**" and not polynomial.is_nonnegative(operands[1].value):
                    self.divisors.append(operands[0].value)
                elif operation in ("+", "min", "max"):
                    self.notes += _amounts_without_unit(*operands)
                value = ALGEBRA[operation](*(o.value for o in operands))
                text = f"({f' {operation} '.join(o.text for o in operands)})"
                return Quantity(value, rule(*operands), text)

            return apply

        rules: dict[str, Callable[..., Dimension]] = dict.fromkeys(("+", "min", "max", "%"), _same)
        rules |= dict.fromkeys(("-", "floor", "ceil"), lambda a: a.dimension)
        rules |= {"*": _product, "/": _quotient, "//": _quotient, "**": _raised, "log2": lambda a: _NONE}
        rules |= {"sqrt": lambda a: _scaled(a.dimension, Fraction(1, 2))}
        return {operation: combined(operation, rule) for operation, rule in rules.items()}


def _amounts_without_unit(*operands: Quantity) -> list[str]:
    """A note for every plain number beside an amount with a unit."""
    unit = next((o.unit for o in operands if o.unit in ("byte", "FLOP")), None)
    notes = []
    for operand in operands:
        text: str = operand.text
        number: Value = operand.value
        if unit is None or operand.dimension != _NONE or isinstance(number, polynomial.Polynomial) or not number:
            continue
        larger = ("GB", "GiB") if unit == "byte" else ("GFLOP", "TFLOP")
        hint = f"; write {text} {larger[0]} or {text} {larger[1]} for more" if Fraction(number) < 10**6 else ""
        notes.append(f"{text} is taken as {text} {unit}{hint}")
    return notes


def _same(*operands: Quantity) -> Dimension:
    """The dimension of a sum. A plain number stands for an amount of whatever it is added to."""
    with_units = [o for o in operands if o.dimension != _NONE]
    for other in with_units[1:]:
        if other.dimension != with_units[0].dimension:
            one = with_units[0]
            raise SymflopsError(f"cannot add {one.text} in {one.unit} and {other.text} in {other.unit}")
    return with_units[0].dimension if with_units else _NONE


def _product(*operands: Quantity) -> Dimension:
    return (sum((o.dimension[0] for o in operands), Fraction(0)), sum((o.dimension[1] for o in operands), Fraction(0)))


def _quotient(a: Quantity, b: Quantity) -> Dimension:
    return (a.dimension[0] - b.dimension[0], a.dimension[1] - b.dimension[1])


def _raised(base: Quantity, exponent: Quantity) -> Dimension:
    if base.dimension == _NONE:
        return _NONE
    if isinstance(exponent.value, polynomial.Polynomial):
        raise SymflopsError(f"{base.text} in {base.unit} cannot have the exponent {exponent.text}")
    return _scaled(base.dimension, Fraction(exponent.value))


def _scaled(dimension: Dimension, factor: Fraction) -> Dimension:
    return (dimension[0] * factor, dimension[1] * factor)


def check_symbol(model: Model, name: str) -> None:
    """Raise SymflopsError for a name that is neither a run symbol nor a symbol of the model."""
    if not isinstance(name, str) or not NAME.match(name) or name not in (*model.run, *model.definitions):
        known = (*model.run, *model.definitions)
        raise SymflopsError(f"{model.name} has no symbol {str(name)[:100]!r}{meant(str(name), known)}")


def meant(name: str, known: tuple[str, ...]) -> str:
    """What to write for a name that is none of these: `; write seq_len` for S. Raises SymflopsError for one that may
    mean several."""
    taken = reading({name}, Known(frozenset(known)), "write out the one that is meant")
    return f"; write {taken[name]}" if name in taken else nearest(name, known)
