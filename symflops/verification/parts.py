"""The parts of a reference that a fault may be in: layers, layers that cost the same, groups of layers, or the terms
of a formula; and what the faults of each kind of part start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.meaning import quantity, with_quantity
from symflops.model import Place
from symflops.polynomial import Monomial, Value, add, multiply, negate, symbol, terms_of, value_of
from symflops.verification.constraints import Constraints
from symflops.verification.subject import Subject
from symflops.vocabulary.metrics import ARITHMETIC

_VALUES = ("value", "table", "full", "masked", "wide", "vectors")
_NAMED = 4  # paths that are named one by one
_REST = 60  # layers at the same place of different blocks that are summed
_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class ReferencePart:
    """A part of the reference: its value, how it is named in a message, and what faults in it start from."""

    value: Value
    label: str = ""  # of layers their paths, of terms of a formula what they are
    layer: str = ""  # the path, where it is a layer
    role: str = ""  # "attention", "logits", "embedding", "router", "group" of layers, or ""
    table: Value = 0  # of an embedding: what it would cost as a dense multiply
    full: Value = 0  # of attention: with every (query, key) pair
    masked: Value = 0  # of attention: with the pairs under a causal mask, the diagonal among them
    wide: Value = 0  # of attention whose values have a width of their own: with values as wide as keys
    vectors: Value = 0  # what the weights that multiply no matrix would cost as matrices
    kind: str = ""  # "norm weights" or "biases"
    layers: int = 1  # layers that it is made of

    @property
    def where(self) -> str:
        return f": {self.label}" if self.label else ""

    def changed(self, change: Callable[[Value], Value]) -> ReferencePart:
        """The part of an edited reference."""
        new: dict[str, Any] = {name: change(getattr(self, name)) for name in _VALUES}
        return replace(self, **new)


def parts_of(b: Value, reference: Subject, metric: str, where: Constraints) -> tuple[ReferencePart, ...]:
    """The parts of a reference: layers and groups of layers of a model, otherwise the terms of the formula."""
    found = tuple(reference.layers(metric))
    if found and where.reduced(add(0, *(value for _, value in found))) == b:
        return tuple(_together([_layer_part(place, value, metric, where, reference.times) for place, value in found]))
    return _term_parts(b, tuple(where.reduced(v) for v in reference.summands), where)


# ----------------------------------------------------------------------------------------------------------- of a model


def _layer_part(place: Place, value: Value, metric: str, where: Constraints, times: int) -> ReferencePart:
    formula, args = place.layer.formula, dict(place.layer.args)
    names = free_symbols(value)
    length = with_quantity(names, "length")
    part = ReferencePart(where.reduced(value), place.path, place.path)
    tokens = multiply(symbol("batch_size"), symbol("seq_len"))
    if formula is not None and formula.name == "embedding":
        return _embedding(part, place, tokens, where, times) if metric in ARITHMETIC else part
    if (formula is not None and formula.name.startswith("sdpa")) or any(
        dict(m).get(length, 0) > 1 for m in terms_of(value)
    ):
        full, masked = (where.reduced(substitute(value, {"causal": c})) for c in (0, 1))
        wide: Value = 0
        width = args.get("value_dim", 0)
        if formula is not None and isinstance(width, type(tokens)) and [*terms_of(width).values()] == [1]:
            (name,) = free_symbols(width) if len(free_symbols(width)) == 1 else ("",)
            wide = where.reduced(substitute(value, {name: args["head_dim"]})) if name else 0
        return replace(part, role="attention", full=full, masked=masked, wide=wide)
    if metric in ARITHMETIC:
        part = _with_vectors(part, place, tokens, where, times)
    if any(quantity(n) == "vocabulary" for n in names):
        return replace(part, role="logits")
    kinds = {quantity(n) for n in names}
    is_router = "experts" in kinds and not kinds & {"experts of a token", "inner", "expert inner"}
    return replace(part, role="router") if is_router else part


def _embedding(part: ReferencePart, place: Place, tokens: Value, where: Constraints, times: int) -> ReferencePart:
    """A table that is gathered from: what it would cost as a multiply of its ids, and as a matrix for every token."""
    args = dict(place.layer.args)
    rows, weights = args["N"], multiply(2 * times, args["num_embeddings"], args["embedding_dim"], place.runs)
    part = replace(part, role="embedding", table=where.reduced(multiply(rows, weights)))
    if rows == tokens:
        return part
    return replace(part, vectors=where.reduced(multiply(tokens, weights)), kind="table")


def _with_vectors(part: ReferencePart, place: Place, tokens: Value, where: Constraints, times: int) -> ReferencePart:
    """The part with what its vectors of weights, of a norm or a bias, would cost if every weight were a matrix's."""
    formula = place.layer.formula.name if place.layer.formula is not None else ""
    is_norm = "norm" in f"{formula} {place.layer.class_name}".lower()
    kind = "biases" if formula == "linear" else "norm weights" if is_norm else ""
    own, products = (place.layer.cost.value(metric) for metric in ("parameters", "matmul_flops"))
    rest = add(multiply(2, tokens, own), negate(products))
    if not kind or own == 0 or rest == 0:
        return part
    return replace(part, vectors=where.reduced(multiply(times, rest, place.runs)), kind=kind)


def _together(layers: Sequence[ReferencePart]) -> Iterator[ReferencePart]:
    """The layers, those that stand at the same place of different blocks, all of a kind, and groups."""
    yield from layers
    by_place: dict[str, list[ReferencePart]] = {}
    for part in layers:
        by_place.setdefault(".".join(part.layer.split(".")[-2:]), []).append(part)
    for alike in by_place.values():
        if 1 < len(alike) <= _REST:
            yield _sum(alike, alike[0].role)
    groups: dict[str, list[ReferencePart]] = {}
    for part in layers:
        path = part.layer
        while "." in path:
            path = path.rpartition(".")[0]
            groups.setdefault(path, []).append(part)
    for path, inside in groups.items():
        if len(inside) < len(layers):
            yield ReferencePart(add(0, *(p.value for p in inside)), path, path, "group")
    by_end: dict[tuple[str, ...], list[ReferencePart]] = {}
    for path in groups:
        members = groups[path]
        end = tuple(sorted(p.layer.removeprefix(path) for p in members))
        by_end.setdefault((path.rpartition(".")[2], *end), []).append(
            ReferencePart(add(0, *(p.value for p in members)), path, path)
        )
    for alike in by_end.values():
        if 1 < len(alike) <= _REST:
            yield _sum(alike, "group")
    for kind in ("norm weights", "biases"):
        of_kind = [p for p in layers if p.kind == kind]
        if len(of_kind) > 1:
            together = _sum(of_kind, "")  # of linear layers the biases only, of norms all that they cost
            yield together if kind == "norm weights" else replace(together, value=0)


def _sum(parts: Sequence[ReferencePart], role: str) -> ReferencePart:
    """Several layers as one part; a table or attention only where all of them are one."""
    sums: dict[str, Any] = {name: add(0, *(getattr(p, name) for p in parts)) for name in _VALUES}
    label = in_short([p.label for p in parts])
    return ReferencePart(label=label, layer=parts[0].layer, role=role, kind=parts[0].kind, layers=len(parts), **sums)


def in_short(paths: Sequence[str], last: str = ", ") -> str:
    """Paths in a message: a few of them, and how many more."""
    shown = list(dict.fromkeys(paths))
    if len(shown) > _NAMED:
        return f"{', '.join(shown[: _NAMED - 1])} and {len(shown) - _NAMED + 1} more"
    return last.join(shown)


# -------------------------------------------------------------------------------------------------------- of a formula


@lru_cache(maxsize=64)
def _terms_of_kind(b: Value) -> tuple[tuple[Value, str, str], ...]:
    terms = terms_of(b)
    names = {n for m in terms for n in symbols(m)}
    s, past, vocabulary = (with_quantity(names, q) for q in ("length", "past", "vocabulary"))
    attention = {
        m: c for m, c in terms.items() if s and (dict(m).get(s, 0) > 1 or (s in dict(m) and past and past in dict(m)))
    }
    logits = {m: c for m, c in terms.items() if vocabulary in dict(m)}
    found = []
    for group, role, label in (
        (attention, "attention", f"the terms of degree 2 in {s}"),
        (logits, "logits", f"the terms in {vocabulary}"),
    ):
        if group and len(group) < len(terms):
            found.append((value_of(dict(group)), role, label))
    return tuple(found)


def _term_parts(b: Value, written: tuple[Value, ...], where: Constraints) -> tuple[ReferencePart, ...]:
    """The terms as they were written, where these are known, and as they are when the formula is expanded."""
    terms = terms_of(b)
    s = with_quantity({n for m in terms for n in symbols(m)}, "length")
    found: dict[Value, ReferencePart] = {}
    for value, role, label in _terms_of_kind(b):
        masked = add(multiply(value, _HALF), multiply(_HALF, value, value_of({((s, -1),): 1}))) if s else 0
        square = role == "attention" and all(dict(m).get(s, 0) == 2 for m in terms_of(value))
        found[value] = ReferencePart(
            value, label, "", role, full=value if square else 0, masked=masked if square else 0
        )
    for value in (*(written if add(0, *written) == b else ()), *(value_of({m: c}) for m, c in terms.items())):
        if value not in (0, b) and value not in found:
            found[value] = ReferencePart(value)
    return tuple(found.values())


def symbols(monomial: Monomial) -> set[str]:
    """The names in a product, also those inside of its calls."""
    return free_symbols(value_of({monomial: 1})) if monomial else set()
