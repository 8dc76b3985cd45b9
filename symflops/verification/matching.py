"""What the names of one side mean in the other, and where both are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from symflops.algebra import free_symbols, from_text, substitute
from symflops.assumption import Relation, assumption, comparison
from symflops.errors import NoValueError, SymflopsError, nearest
from symflops.meaning import AMOUNTS, LETTER, Known, is_known, reading, readings, renames, with_quantity
from symflops.numeric import RUN_SYMBOLS
from symflops.polynomial import Value, add, divide, flat, multiply, negate, symbol, terms_of
from symflops.storage import amount
from symflops.tree import Tree, names, read, replaced, write
from symflops.verification.constraints import Constraints, constraints
from symflops.verification.diagnosis import distance
from symflops.verification.faults import text_of
from symflops.verification.normal import Form
from symflops.verification.subject import Subject

_ASK = "choose with --rename {name}={first}"


@dataclass(frozen=True)
class Asked:
    """What is asked of a comparison besides the two sides; every text as it was given."""

    rename: Mapping[str, str]
    settings: Mapping[str, Any]
    assume: tuple[str, ...]
    numbers: bool = False
    per_token: bool = False
    closest: bool = False  # what is ambiguous is taken as it comes closest

    @property
    def conditions(self) -> tuple[str, ...]:
        return (*(f"{name} == {value}" for name, value in self.settings.items()), *self.assume)


@dataclass(frozen=True)
class Matched:
    """Both values in the same names, where they are compared, and what that relies on."""

    a: Value
    b: Value
    trees: tuple[Tree, Tree]
    where: Constraints
    in_symbols: Constraints  # the same without the numbers of architecture symbols: where a diagnosis is made
    renamed: Mapping[str, str]
    assumed: tuple[str, ...]
    unknown: tuple[str, ...]  # names that the model on the other side does not have


def match(given: Subject, wanted: Subject, asked: Asked) -> Matched:
    """The candidate and the reference in the same names.

    The names are those of the side that has a model, the reference's where both have one or none. A reading under which
    both are equal is taken, else the one that is clear. Raises SymflopsError for a name that may mean several things
    and for conditions about names that neither side has.
    """
    flip = wanted.model is None and not wanted.metrics and given.model is not None
    return _Matching(*((wanted, given) if flip else (given, wanted)), asked, flip).matched()


class _Matching:
    """One side, whose names are looked up, and the other, whose names they are."""

    def __init__(self, side: Subject, other: Subject, asked: Asked, flip: bool) -> None:
        self.side, self.other, self.asked, self.flip = side, other, asked, flip
        self.rename = {name: "_".join(text.split()) for name, text in asked.rename.items()}
        self.renames = renames(asked.rename)
        self.conditions = [c for c in asked.conditions if isinstance(assumption(c), Relation)]

    def matched(self) -> Matched:
        side, other = self.side, self.other
        a, taken_a = self._value()
        likely = set(next(readings(free_symbols(a), self._known(set())), {}).values())
        b, taken_b = _with_defaults(other.value, other, free_symbols(a) | likely)
        known = self._known(free_symbols(b))
        mentioned = {n for c in self.conditions for n in _names_of(c) if n not in self.rename}
        written = free_symbols(a) | (mentioned - known.symbols - known.others)
        taken, where = self._chosen(a, b, written, known)
        a = self._put_in(a, taken)
        self._check(known, free_symbols(a) | free_symbols(b), taken)
        tree = replaced(replaced(side.tree, self.renames), self._trees(taken)) if not taken_a else flat(a)
        trees = (tree, other.tree if not taken_b else flat(b))
        a, b, trees = self._for_all_tokens(a, b, trees)
        in_symbols = constraints(self._conditions(taken, False), self._equations, free_symbols(a) | free_symbols(b))
        in_symbols = replace(in_symbols, fixed=_by_width(in_symbols.fixed))
        unknown = sorted(free_symbols(a) - known.symbols - known.others) if other.model is not None else ()
        conditions = tuple(c.text for c in where.conditions if c.text.split(" == ")[0] not in self._equations)
        renamed = {**self.rename, **{n: m for n, t in taken.items() if n != (m := _shown(t, known))}}
        if self.flip:
            a, b, trees = b, a, (trees[1], trees[0])
        assumed = (*conditions, *taken_a, *taken_b)
        return Matched(a, b, trees, where, in_symbols, renamed, assumed, tuple(unknown))

    def _value(self) -> tuple[Value, tuple[str, ...]]:
        names_ = names(("", self.side.tree)) | self.side.names
        for name in self.rename:
            if name not in names_ and not any(name in _names_of(c) for c in self.conditions):
                raise SymflopsError(f"rename: the candidate has no name {name[:100]!r}{nearest(name, sorted(names_))}")
        self._check_meanings(names_)
        new = {name: from_text(text) for name, text in self.rename.items()}
        a = substitute(self.side.value, new) if new else self.side.value
        return _with_defaults(a, self.side, self.other.names | set(self.other.defaults))

    def _check_meanings(self, own: set[str]) -> None:
        """Raise SymflopsError for a `rename` to a name that means nothing: a mistyped one is no symbol of its own."""
        known = self._known(set())
        valid = own | known.symbols | known.others | known.amounts
        for name, tree in self.renames.items():
            for meant in sorted(names(("", tree)) - valid):
                if not is_known(meant) and not LETTER.match(meant):
                    near = nearest(meant, sorted(valid))
                    raise SymflopsError(f"rename {name[:60]}: nothing is called {meant[:60]!r}{near}")

    def _known(self, used: set[str]) -> Known:
        other = self.other
        further = {*other.model.definitions, *other.model.run} if other.model is not None else set()
        symbols = frozenset(used or free_symbols(other.value) | set(other.defaults))
        amounts = {"parameters"} if other.metrics.get("parameters", 0) != 0 else set()
        if other.model is not None:
            amounts |= set(AMOUNTS.values())
        elif {"batch_size", "seq_len"} <= symbols:
            amounts.add("tokens")
        return Known(symbols, frozenset(further - symbols), frozenset(amounts), self.asked.per_token)

    def _chosen(self, a: Value, b: Value, written: set[str], known: Known) -> tuple[dict[str, str], Constraints]:
        """The reading under which both sides are equal; else the one that is clear."""
        best: tuple[int, dict[str, str]] | None = None
        for taken in readings(written, known):
            read_a = self._put_in(a, taken)
            where = constraints(self._conditions(taken), self._equations, free_symbols(read_a) | free_symbols(b))
            x, y, _ = self._for_all_tokens(read_a, b, (0, 0))
            try:
                x, y = where.reduced(x), where.reduced(y)
            except NoValueError:  # so under this reading; of the one that is taken it is said
                if taken:
                    continue
                break
            if x == y or Form().of(add(x, negate(y))) == 0:
                return taken, where
            if self.asked.closest and (best is None or distance(x, y) < best[0]):
                best = distance(x, y), taken
            if not taken:
                break
        taken = best[1] if best is not None else reading(written, known, _ASK)
        read_a = self._put_in(a, taken)
        where = constraints(self._conditions(taken), self._equations, free_symbols(read_a) | free_symbols(b))
        for value, subject in ((read_a, self.side), (b, self.other)):
            self._check_value(value, where, subject)
        return taken, where

    def _check_value(self, value: Value, where: Constraints, subject: Subject) -> None:
        """Raise NoValueError for a side that exists nowhere where it is to be compared."""
        try:
            where.reduced(value)
        except NoValueError as error:
            side = "reference" if (subject is self.other) is not self.flip else "candidate"
            at = [c.text for c in where.conditions if c.sign == "==" and c.names & free_symbols(value)]
            text = f"the {side} {subject.label[:80]} has no value where {', '.join(at)}: {error.message}"
            raise NoValueError(text) from None

    def _put_in(self, a: Value, taken: Mapping[str, str]) -> Value:
        return substitute(a, {name: self._meant(text) for name, text in taken.items()}) if taken else a

    def _meant(self, name: str) -> Value:
        other = self.other
        if name not in AMOUNTS.values() or name in other.names:
            return symbol(name)
        if other.model is not None:
            return amount(other.model, name)
        tokens = multiply(symbol("batch_size"), symbol("seq_len"))
        return tokens if name == "tokens" else other.metrics["parameters"]

    def _trees(self, taken: Mapping[str, str]) -> dict[str, Tree]:
        return {name: flat(self._meant(text)) for name, text in taken.items()}

    @property
    def _equations(self) -> dict[str, Value]:
        return {**self.side.equations, **self.other.equations}

    def _conditions(self, taken: Mapping[str, str], with_numbers: bool = True) -> list[str]:
        """The conditions of both sides and those asked for, in the other side's names; the first of them first."""
        new = self._trees(taken)
        settings = [_in_names(f"{n} == {v}", self.renames, new) for n, v in self.asked.settings.items()]
        assumed = [_in_names(text, self.renames, new) for text in self.asked.assume]
        own = [_in_names(text, {}, new) for text in self.side.conditions] + list(self.other.conditions)
        numbers: list[str] = []
        if self.asked.numbers:
            fixed = {text.partition(" == ")[0] for text in settings}
            values = {**self.side.numbers, **self.other.numbers}
            numbers = [f"{name} == {value}" for name, value in values.items() if name not in fixed]
        if not with_numbers:
            numbers, settings = [], [s for s in settings if not self._is_number(s)]
        return [*settings, *numbers, *own, *assumed]

    def _is_number(self, setting: str) -> bool:
        """Whether a setting gives a number to a symbol of the architecture."""
        name, _, value = setting.partition(" == ")
        return name not in RUN_SYMBOLS and name in self.other.numbers and not names(("", read(value)))

    def _check(self, known: Known, used: set[str], taken: Mapping[str, str]) -> None:
        """Raise SymflopsError for a condition about a name that nobody has. Between two texts a letter may be a number
        that only conditions speak of; a word is a mistake there, too, and a letter that is set and stands nowhere."""
        valid = used | known.symbols | known.others | set(RUN_SYMBOLS) | set(self.side.numbers) | set(taken)
        valid |= self.rename.keys() | self.side.names
        closed = self.side.model is not None or self.other.model is not None
        for text in self.conditions:
            for name in sorted(set(_names_of(text)) - valid):
                is_alone = name in self.asked.settings and sum(name in _names_of(c) for c in self.conditions) == 1
                if closed or is_alone or not (is_known(name) or LETTER.match(name)):
                    near = nearest(name, sorted(valid))
                    raise SymflopsError(f"{text[:100]!r}: neither formula has the name {name[:60]!r}{near}")

    def _for_all_tokens(self, a: Value, b: Value, trees: tuple[Tree, Tree]) -> tuple[Value, Value, tuple[Tree, Tree]]:
        """Both sides for all tokens, where the candidate is the cost of one."""
        if not self.asked.per_token:
            return a, b, trees
        batch, length = self._token_names
        tokens = multiply(symbol(batch), symbol(length))
        if self.flip:
            return a, multiply(b, tokens), (trees[0], ("*", batch, length, trees[1]))
        return multiply(a, tokens), b, (("*", batch, length, trees[0]), trees[1])

    @property
    def _token_names(self) -> tuple[str, str]:
        """The other side's names for sequences and their length."""
        known = set(self._known(set()).symbols)
        return with_quantity(known, "batch") or "batch_size", with_quantity(known, "length") or "seq_len"


def _by_width(fixed: Mapping[str, Value]) -> Mapping[str, Value]:
    """num_attention_heads*head_dim == hidden_size gives head_dim, so that hidden_size stays, as people write it."""
    for name, value in fixed.items():
        terms = terms_of(value)
        factors = free_symbols(value)
        width = with_quantity(factors, "head width")
        alone = not any(name in free_symbols(v) or width in free_symbols(v) for n, v in fixed.items() if n != name)
        if width and alone and list(terms.values()) == [1] and all(e == 1 for m in terms for _, e in m):
            others = {n: v for n, v in fixed.items() if n != name}
            return {**others, width: multiply(divide(symbol(name), value), symbol(width))}
    return fixed


def _shown(meaning: str, known: Known) -> str:
    return "batch_size*seq_len" if meaning == "tokens" and "tokens" not in known.symbols else meaning


def _names_of(condition: str) -> list[str]:
    return sorted(comparison(condition).names)


def _in_names(text: str, rename: Mapping[str, Tree], new: Mapping[str, Tree]) -> str:
    """A condition in the names of the other side."""
    one = assumption(text) if rename or new else None
    if not isinstance(one, Relation) or not one.names & (rename.keys() | new.keys()):
        return text
    return f" {one.sign} ".join(write(replaced(replaced(side, rename), new)) for side in (one.left, one.right))


def _with_defaults(value: Value, side: Subject, kept: set[str]) -> tuple[Value, tuple[str, ...]]:
    """A formula's value with the defaults of those arguments that the other side does not mention."""
    taken: list[str] = []
    while missing := sorted((free_symbols(value) & side.defaults.keys()) - kept - set(taken)):
        value = substitute(value, {n: side.defaults[n] for n in missing})
        taken += missing
    return value, tuple(f"{n} = {text_of(side.defaults[n])} (default)" for n in taken)
