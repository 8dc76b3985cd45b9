"""Formula: what one operation costs, read from `formulas/*.toml`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from symflops import algebra, files, gradients
from symflops.calling import checked, such_as
from symflops.cost import Cost, to_value
from symflops.errors import SymflopsError, expect, nearest, one_line
from symflops.given import Formulaic
from symflops.handles import means
from symflops.numeric import RUN_SYMBOLS
from symflops.polynomial import Value
from symflops.tree import NAME, names, read
from symflops.vocabulary.metrics import METRICS, REQUIRED, of_each

_KEYS = ("about", "source", "unproven", "classes", "args", "defaults", "cost", "state", *gradients.TABLES, "cases")
_MAX_FILE = 1_000_000
OWN_LIBRARY = "SYMFLOPS_LIBRARY"  # the environment variable that names the user's library


class AmbiguousClassError(SymflopsError):
    """A short name that several classes have."""


@dataclass(frozen=True, eq=False, repr=False)
class Formula:
    """A function from arguments to a Cost.

    `args` maps each argument to its meaning, `defaults` some of them to the text of an expression, `texts` each metric
    to its formula. Besides its arguments a formula may use the run symbols. `unproven` says, of a formula that somebody
    accepted without a proof, what was tried; it is empty for all others.

    >>> load_formula("linear").cost(N=21, in_features=5, out_features=3).flops
    630
    """

    name: str
    about: str
    source: str
    classes: tuple[str, ...]
    args: Mapping[str, str]
    defaults: Mapping[str, str]
    texts: Mapping[str, str]
    cases: tuple[Mapping[str, object], ...]
    state: str = "0"  # bytes kept for the next call: what it appends to a cache, or a recurrent state
    unproven: str = ""
    backwards: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # the tables of `gradients` that it has

    def __repr__(self) -> str:
        return one_line(f"Formula({self.name}({', '.join(self.args)}): {self.about})")

    @such_as("cost(N=21, in_features=5, out_features=3), with the formula's own arguments")
    def cost(self, **args: Formulaic) -> Cost:
        """The cost for these arguments: numbers, texts or SymPy expressions; missing ones take their default.

        Raises SymflopsError for an unknown or a missing argument.
        """
        return Cost(self.by_metric({name: to_value(value) for name, value in args.items()}))

    @checked
    def by_metric(self, args: Mapping[str, Value]) -> dict[str, Value]:
        """The canonical value of each metric for these arguments."""
        return dict(zip(METRICS, self._template(self.completed(args)), strict=True))

    @checked
    def state_bytes(self, args: Mapping[str, Value]) -> Value:
        """The bytes that a call with these arguments keeps for the next one."""
        return algebra.substitute(self._state, self.completed(args))

    @checked
    def gradients(self, args: Mapping[str, Value], *, frozen: bool = False) -> dict[str, Value] | None:
        """What the backward of a call costs and its forward saves, canonical, by the keys of `[backward]`; with
        `frozen` weights only the inputs have gradients. None where the formula does not say it."""
        template = self._gradients.get(gradients.table_of(frozen))
        return None if template is None else dict(zip(gradients.KEYS, template(self.completed(args)), strict=True))

    @checked
    def completed(self, args: Mapping[str, Value]) -> Mapping[str, Value]:
        """The arguments, with the defaults of those that are missing."""
        self.check(args.keys())
        if len(args) == len(self.args):
            return args
        complete = dict(args)
        for name in self.order:
            if name not in complete:
                complete[name] = algebra.substitute(self.default_values[name], complete)
        return complete

    @checked
    def check(self, given: AbstractSet[str]) -> None:
        """Raise SymflopsError for an argument that the formula does not have or that is missing."""
        if given <= self.args.keys() and given >= self._required:
            return
        for name in sorted(given - self.args.keys()):
            hint = nearest(name, tuple(self.args))
            raise SymflopsError(f"formula {self.name} has no argument {name[:100]!r}{hint}")
        missing = next(name for name in self.args if name in self._required and name not in given)
        raise SymflopsError(f"formula {self.name}: argument {missing!r} is missing ({self.args[missing]})")

    @cached_property
    def _required(self) -> AbstractSet[str]:
        return self.args.keys() - self.defaults.keys()

    @cached_property
    def canonical(self) -> dict[str, Value]:
        """The canonical value of each metric in the formula's own arguments; 0 of one that it says nothing of."""
        return of_each(lambda metric: self._read(self.texts.get(metric, "0"), f"cost.{metric}"))

    @cached_property
    def _template(self) -> Callable[[Mapping[str, Value]], tuple[Value, ...]]:
        return algebra.template([*self.canonical.values()], set(self.args))

    @cached_property
    def canonical_gradients(self) -> dict[str, dict[str, Value]]:
        """What its tables of gradients say, in its own arguments, by table and key."""
        return {
            name: {key: self._read(table[key], f"{name}.{key}") for key in gradients.KEYS}
            for name, table in self.backwards.items()
        }

    @cached_property
    def _gradients(self) -> Mapping[str, Callable[[Mapping[str, Value]], tuple[Value, ...]]]:
        tables = gradients.with_frozen(self.canonical_gradients, self.canonical["parameters"])
        return {name: algebra.template([*table.values()], set(self.args)) for name, table in tables.items()}

    @cached_property
    def _state(self) -> Value:
        return self._read(self.state, "state")

    @cached_property
    def default_values(self) -> dict[str, Value]:
        return {name: self._read(text, f"defaults.{name}") for name, text in self.defaults.items()}

    def _read(self, text: str, where: str) -> Value:
        allowed = {*self.args, *RUN_SYMBOLS}
        try:
            value = algebra.from_text(text)
            for name in sorted(names(read(text)) - allowed):
                raise SymflopsError(f"undeclared name {name!r}{nearest(name, sorted(allowed))}")
        except SymflopsError as error:
            raise error.within(where) from None
        return value

    @cached_property
    def order(self) -> list[str]:
        """The arguments, each after those that its default needs."""
        needs = {name: names(read(self.defaults[name])) & self.args.keys() for name in self.defaults}
        return in_order(tuple(self.args), needs, "defaults")


def in_order(items: tuple[str, ...], needs: Mapping[str, set[str]], where: str) -> list[str]:
    """The names, each after those that it needs; a cycle is an error that shows it."""
    done: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            raise SymflopsError(f"{where}: cycle: {' -> '.join([*path[path.index(name) :], name])}")
        path.append(name)
        for other in sorted(needs.get(name, ())):
            visit(other)
        path.pop()
        done.append(name)

    for item in items:
        visit(item)
    return done


def data_folder(kind: str) -> Path:
    """Where `formulas`, `models` or `hardware.toml` lie: beside the package in a checkout, inside it when installed."""
    inside = Path(__file__).parent / kind
    return inside if inside.exists() else Path(__file__).parent.parent / kind


def own_library() -> Path:
    """The user's library: the folder that SYMFLOPS_LIBRARY names, else `symflops` where the platform keeps data."""
    given = os.environ.get(OWN_LIBRARY)
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("symflops", appauthor=False)


@cache
def shipped_names() -> tuple[str, ...]:
    """The names of the formulas that come with symflops."""
    return tuple(sorted(path.stem for path in data_folder("formulas").glob("*.toml")))


def own_names() -> tuple[str, ...]:
    """The names of the formulas in the user's library; a shipped one of the same name goes first."""
    names = {path.stem for path in (own_library() / "formulas").glob("*.toml")}
    return tuple(sorted(names - set(shipped_names())))


def formula_names() -> tuple[str, ...]:
    """The names of all formulas: those that come with symflops and those of the user's library."""
    return tuple(sorted((*shipped_names(), *own_names())))


def load_formula(name: str) -> Formula:
    """The formula of that name in the library, or in a TOML file when the name ends in `.toml`."""
    expect(name, str, "the name of a formula")
    if name.endswith(".toml"):
        return read_formula(Path(name))
    if name.lower() in shipped_names():
        return _shipped(name.lower())
    if name not in own_names():
        raise SymflopsError(f"unknown formula {name[:100]!r}{nearest(name, formula_names())}")
    return _own(name)


@cache
def _shipped(name: str) -> Formula:
    return read_formula(data_folder("formulas") / f"{name}.toml")


def _own(name: str) -> Formula:
    path = own_library() / "formulas" / f"{name}.toml"
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise SymflopsError(f"cannot read: {error.strerror}", where=str(path)) from None
    return _as_it_was(path, changed)


@lru_cache(maxsize=1024)
def _as_it_was(path: Path, changed: int) -> Formula:
    """A file of the user's library, read once for each time that it changed."""
    return read_formula(path)


def read_formula(path: Path) -> Formula:
    """A formula from a TOML file, checked whole: keys, names, defaults, cost."""
    try:
        return formula_of(path.stem, files.read_toml(path, _MAX_FILE, "a formula"))
    except SymflopsError as error:
        raise error.within(str(path)) from None


def formula_of(name: str, data: Mapping[str, Any]) -> Formula:
    """A formula from the data of its file, checked whole.

    Raises SymflopsError naming the key and the culprit.
    """
    formula = _formula(name, data)
    _ = formula.canonical, formula.default_values, formula.order, formula._state, formula.canonical_gradients
    return formula


def _formula(name: str, data: Mapping[str, Any]) -> Formula:
    for key in data:
        if key not in _KEYS:
            raise SymflopsError(f"unknown key {key!r}{nearest(key, _KEYS)}")
    args, defaults, cost = (files.table_of_texts(data, key) for key in ("args", "defaults", "cost"))
    for arg in args:
        if not NAME.match(arg) or (arg in RUN_SYMBOLS):
            raise SymflopsError(f"args: {arg!r} cannot name an argument")
    for key in defaults:
        if key not in args:
            raise SymflopsError(f"defaults: {key!r} is not an argument{nearest(key, tuple(args))}")
    for key in cost:
        if key not in METRICS:
            raise SymflopsError(f"cost: unknown metric {key!r}{nearest(key, METRICS)}")
    for key in REQUIRED:
        if key not in cost:
            raise SymflopsError(f"cost: {key} is missing")
    classes, cases = data.get("classes", []), data.get("cases", [])
    if not isinstance(classes, list) or not all(isinstance(c, str) for c in classes):
        raise SymflopsError("classes: expected a list of class names")
    if not isinstance(cases, list) or not all(isinstance(c, dict) for c in cases):
        raise SymflopsError("cases: expected a list of tables")
    about, source, unproven = (str(data.get(key, "")) for key in ("about", "source", "unproven"))
    state = data.get("state", "0")
    if not isinstance(state, str):
        raise SymflopsError(f"state: expected a text, got {type(state).__name__}")
    backwards = {key: files.table_of_texts(data, key) for key in gradients.TABLES if key in data}
    for key, table in backwards.items():
        gradients.check_keys(table, key)
    return Formula(name, about, source, tuple(classes), args, defaults, cost, tuple(cases), state, unproven, backwards)


def formula_for_class(class_name: str) -> Formula:
    """The formula that answers for a class, by its full name, its public one (torch.nn.Conv2d), or a short name that
    only one class has; one that comes with symflops before one of the user's library."""
    formula = shipped_for_class(class_name) or _for_class(class_name, own_names(), own_library(), _own)
    if formula is None:
        raise SymflopsError(f'no formula for class {class_name[:200]!r}; name one with "formula" or give "cost"')
    return formula


@cache
def shipped_for_class(class_name: str) -> Formula | None:
    """The formula that comes with symflops for a class, if there is one."""
    return _for_class(class_name, shipped_names(), data_folder("formulas").parent, _shipped)


def _for_class(class_name: str, names: tuple[str, ...], folder: Path, load: Callable[[str], Formula]) -> Formula | None:
    found: dict[str, Formula] = {}
    pattern = re.compile(rf'["\'.]{re.escape(re.split("[.:]", class_name)[-1])}["\']')
    for name in names:  # only the files that mention the class are parsed
        path = folder / "formulas" / f"{name}.toml"
        try:
            text = files.read_bytes(path, _MAX_FILE, "a formula").decode("utf-8", errors="replace")
        except SymflopsError as error:
            raise error.within(str(path)) from None
        if not pattern.search(text):
            continue
        formula = load(name)
        found |= {c: formula for c in formula.classes if means(class_name, c)}
    if class_name in found:
        return found[class_name]
    if len(set(found.values())) > 1:
        raise AmbiguousClassError(f"class {class_name!r} is ambiguous: {', '.join(sorted(found))}")
    return next(iter(found.values()), None)
