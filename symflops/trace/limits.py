"""What the sizes of a model allow: how many positions its tables have, which heads its groups divide, how many experts
it can choose. A fake tensor knows no index that is out of range; this keeps bounds of indices, and compares them with
the tables that they look up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import sympy
import torch
from sympy.core.function import Application

from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.function import maximum, minimum
from symflops.polynomial import Call, Value, add, is_nonnegative, multiply, negate, terms_of
from symflops.trace.quantity import Quantities
from symflops.trace.serials import storage_key
from symflops.trace.values import Values
from symflops.vocabulary.symbols import RUN_SYMBOLS

_SAME = {"_to_copy", "clone", "repeat", "tril", "triu", "flip", "roll"}
_COMBINED: dict[str, Callable[[Value, Value], Value]] = {
    "add": add, "mul": multiply, "maximum": maximum, "minimum": minimum, "sub": lambda a, b: add(a, negate(b)),
}  # fmt: skip
# Where among the arguments of a look-up the table, the dimension and the indices stand; no dimension: the first.
_LOOKUPS = {"embedding": (0, None, 1), "index_select": (0, 1, 2), "gather": (0, 1, 2)}


class Limits:
    """Follows the bounds of positions through one run. `gaps` are the values that must not be negative, `quotients` the
    pairs of which the second divides the first."""

    def __init__(self, quantities: Quantities, known: Values, run_symbols: Collection[str]) -> None:
        self.quantities, self.known, self.run_symbols = quantities, known, {*RUN_SYMBOLS, *run_symbols}
        self.highest: dict[int, Value] = {}  # by storage: all its elements are at most this
        self.gaps: dict[Value, None] = {}
        self.short: list[tuple[Any, Any]] = []  # pieces, and tables in which there is not as much by the hints
        self.quotients: dict[tuple[Value, Value], None] = {}

    def follow(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], outputs: Sequence[torch.Tensor]
    ) -> None:
        """Take in an operation: what it looks up or cuts out, and the bound of what it makes."""
        if name == "slice":
            return
        for table, dim, indices in self._looked_up(name, args):
            highest = self.highest.get(storage_key(indices))
            if highest is not None:
                self._needs(add(self._size(table, dim), negate(add(highest, 1))))
        if name == "topk":
            self._needs(add(self._size(args[0], args[2] if len(args) > 2 else -1), negate(self._number(args[1]) or 0)))
        views = {storage_key(arg) for arg in args if isinstance(arg, torch.Tensor)} if not name.endswith("_") else ()
        bound = self._bound(name, args, kwargs)
        for output in outputs:
            key = storage_key(output)
            if bound is not None or (output.dtype == torch.bool and key not in views):
                self.highest[key] = 1 if bound is None else bound
            elif key not in views:
                self.highest.pop(key, None)

    def divides(self, number: Value, divisor: Value) -> None:
        """Say that a number has to be a multiple of another."""
        self.quotients[number, divisor] = None

    def _needs(self, gap: Value) -> None:
        if not any(isinstance(name, Call) for monomial in terms_of(gap) for name, _ in monomial):
            self.gaps[gap] = None

    def _size(self, tensor: torch.Tensor, dim: int) -> Value:
        return self.quantities.value(tensor.shape[dim])

    def _number(self, size: Any) -> Value | None:
        return self.quantities.value(size) if isinstance(size, int | torch.SymInt) else None

    def _looked_up(self, name: str, args: Sequence[Any]) -> Iterator[tuple[torch.Tensor, int, torch.Tensor]]:
        if name in _LOOKUPS:
            table, dim, indices = _LOOKUPS[name]
            yield args[table], 0 if dim is None else args[dim], args[indices]
        elif name == "index":
            for dim, indices in enumerate(args[1]):
                if indices is not None and indices.dtype != torch.bool:
                    yield args[0], dim, indices

    def cut(self, table: torch.Tensor, dim: int = 0, start: Any = None, end: Any = None, *step: Any) -> tuple[Any, ...]:
        """The arguments of a slice of a table whose size no length is part of. Torch cuts a piece short at the end of
        the table without a word, and does not ask on the source's behalf whether it does."""
        if self._is_of_run(self._size(table, dim)):
            return table, dim, start, end, *step
        return table, dim, *(self._place(place, table.shape[dim]) for place in (start, end)), *step

    def _place(self, place: Any, size: Any) -> Any:
        """Where a piece begins or ends, as torch may take it: it is compared with the size, which is a condition. One
        as long as the sequence needs that much of a table, since what it is added to would not fit; one as long as the
        sequence or something else, whichever is less, may be as long as the table, too."""
        if type(place) is int and isinstance(size, torch.SymInt) and 1 < abs(place) < sys.maxsize:
            bool(abs(place) <= size)
        if not isinstance(place, torch.SymInt):
            return place
        value = self.quantities.value(place)
        if not self._is_of_run(value):
            if is_nonnegative(value):
                bool(place <= size)
            return place
        ends = [self._where_least(place, largest) for largest in (True, False)]
        if None not in ends:
            return place if all(end <= size for end in ends) else torch.sym_min(place, size)
        for length, asked in ((value, place), (negate(value), -place)):  # so many, or so many from the end
            if is_nonnegative(length):
                self._needs(add(self.quantities.value(size), negate(length)))
                if self.known.sizes.number(asked) > self.known.sizes.number(size):
                    self.short.append((asked, size))
        return place

    def _where_least(self, place: torch.SymInt, largest: bool) -> Any:
        """A place where each length that something else bounds (`min`) is that, or where it is 0; None if there are
        other lengths in it."""
        sizes = self.known.sizes

        def is_of_run(part: sympy.Basic) -> bool:
            return any(sizes.names.get(s) in self.run_symbols for s in part.free_symbols)

        expression = place.node.expr
        for bounded in [e for e in expression.atoms(Application) if type(e).__name__ == "Min"]:
            others = [e for e in bounded.args if not is_of_run(e)]
            if others and len(others) < len(bounded.args):
                expression = expression.xreplace({bounded: type(bounded)(*others) if largest else sympy.Integer(0)})
        return None if is_of_run(expression) else sizes.size(expression)

    def _bound(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value | None:
        """The bound of what an operation makes; None where it is not known."""
        if name == "arange":
            end = self._number(args[min(1, len(args) - 1)])
            return None if end is None else add(end, -1)
        if name in _SAME:
            return self._of(args[0])
        if name == "cumsum":
            highest = self._of(args[0])
            return None if highest is None else multiply(highest, self._size(args[0], args[1]))
        if name in _COMBINED and len(args) == 2 and not kwargs:
            left, right = (self._of(arg) for arg in args)
            if left is not None and right is None and name == "sub" and isinstance(args[1], torch.Tensor):
                return left  # what is taken away is not negative
            if left is None or right is None or (name == "mul" and not is_nonnegative(multiply(left, right))):
                return None
            return _COMBINED[name](left, right)
        return None

    def _of(self, argument: Any) -> Value | None:
        if not isinstance(argument, torch.Tensor):
            return self._number(argument)
        if storage_key(argument) in self.highest:
            return self.highest[storage_key(argument)]
        number = self.known.number(argument)
        return int(number) if isinstance(number, int | float) and int(number) == number else None

    def _is_of_run(self, value: Value) -> bool:
        """Whether a length, or another run symbol, is part of a value."""
        return bool(free_symbols(value).intersection(self.run_symbols))


def check_depth(config: Any) -> None:
    """Raise SymflopsError for a config whose model has no layers."""
    for part in (config, config.get_text_config(decoder=True)):
        depth = getattr(part, "num_hidden_layers", None)
        if type(depth) is int and depth < 1:
            name = getattr(part, "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
            raise SymflopsError(f"{name} = {depth}: a model has at least one layer")
