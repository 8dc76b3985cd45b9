"""Weights in other formats: a model in which each layer says what its weights take and reads so much.

What is kept in a format are matrices: those of linear layers and of the experts of a mixture. Biases, norms, embeddings
and routers keep `weight_bytes`, as does what a format or a config leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.layer import Interned, Layer, Part
from symflops.meaning import with_quantity
from symflops.model import Model
from symflops.module_names import in_list, with_indices
from symflops.polynomial import Polynomial, Value, add, divide, multiply, negate, symbol
from symflops.quantization import Quantization, Rule
from symflops.storage import has_formats
from symflops.vocabulary.symbols import CACHE, DTYPES, RUN, WEIGHT

NONE = "none"  # the name for weights as they are, weight_bytes each
MOST_NAMES = 200_000  # of modules that are looked up
SHOWN = 6
_EXPERT = ("0.gate_proj", "0.up_proj", "0.down_proj")


@dataclass(frozen=True)
class Matrices:
    """The matrices of one layer: how many of which sizes, and how many other weights it has."""

    kind: str
    sizes: tuple[tuple[Value, Value, Value], ...]  # count, rows, columns
    others: Value


def formats(model: Model, quantization: Quantization) -> Model:
    """The model with weights in these formats.

    Raises SymflopsError where no layer is kept in one, for a step of training, and for a layer that has a format.
    """
    if model.plan is not None:
        raise SymflopsError("a step of training: weights have their format before (formats, then training)")
    model = plain(model)
    pass_ = _Pass(model, quantization)
    root = replace(model.root, parts=tuple(pass_.parts(model.root.parts, "", [""])))
    if not pass_.kept:
        raise SymflopsError(f"no layer has weights that {quantization.said} is for", where=model.name)
    run = model.run
    if quantization.cache:
        run = run.extended([replace(RUN[CACHE], default=DTYPES[quantization.cache])])
    notes = (*pass_.notes(), *model.notes)
    return replace(model, root=root, run=run, cache_dtype=quantization.cache, notes=notes)


def plain(model: Model, keeps_cache: bool = False) -> Model:
    """The model with `weight_bytes` for each weight whatever its formats were, and a cache of `cache_bytes` but where
    it is to keep that."""
    if not model.cache_dtype and not has_formats(model):
        return model
    interned = Interned()

    def without(layer: Layer) -> Layer:
        if layer.is_basic:
            return layer if layer.stored is None else interned.layer(id(layer), lambda: replace(layer, stored=None))
        parts = tuple(replace(part, layer=without(part.layer)) for part in layer.parts)
        return interned.layer(id(layer), lambda: replace(layer, parts=parts))

    notes = tuple(note for note in model.notes if not note.startswith(SAID))
    cache = model.cache_dtype if keeps_cache else ""
    run = model.run.extended([RUN[CACHE]]) if model.cache_dtype != cache else model.run
    root = replace(model.root, parts=tuple(replace(p, layer=without(p.layer)) for p in model.root.parts))
    return replace(model, root=root, notes=notes, run=run, cache_dtype=cache)


SAID = "weights in formats of their own: "


@dataclass
class _Pass:
    model: Model
    quantization: Quantization
    interned: Interned = field(default_factory=Interned)
    kept: dict[str, list[str]] = field(default_factory=dict)  # by format, the paths of the layers
    left: list[str] = field(default_factory=list)
    spread: list[str] = field(default_factory=list)  # lists of which a config names single layers that are not told
    looked_up: int = 0

    def parts(self, parts: tuple[Part, ...], path: str, names: list[str], known: bool = True) -> Iterator[Part]:
        """Parts of a layer, which has these names in a checkpoint; not `known` is which of them it is of several."""
        is_list = bool(path) and all(not p.layer.is_basic for p in parts) and self._is_list(parts)
        total = sum(self._number(p.repeat) for p in parts) if is_list else 0
        for part in parts:
            where = f"{path}.{part.name}" if path else part.name
            here, sure = [f"{name}.{part.name}".lstrip(".") for name in names], known
            if is_list:
                places = in_list(part.name, total)
                here = list(with_indices(names, range(total) if places is None else places))
                sure = known and places is not None
            elif part.repeat != 1:
                here = list(with_indices(here, range(self._number(part.repeat))))
            yield replace(part, layer=self._layer(part.layer, where, here, sure))

    def _is_list(self, parts: tuple[Part, ...]) -> bool:
        """Whether these are the kinds of layers of one list: several of a class, or all repeated or numbered."""
        classes = {part.layer.class_name for part in parts}
        return len(parts) > 1 and len(classes) == 1 and "" not in classes

    def _number(self, repeat: Value) -> int:
        value = substitute(repeat, self.model.symbols)
        return min(value, MOST_NAMES) if isinstance(value, int) else 1

    def _layer(self, layer: Layer, path: str, names: list[str], known: bool) -> Layer:
        if not layer.is_basic:
            parts = tuple(self.parts(layer.parts, path, names, known))
            content = (id(layer), *((p.name, id(p.layer), p.repeat) for p in parts))
            return self.interned.layer(content, partial(replace, layer, parts=parts))
        found = matrices(layer)
        if found is None or layer.tied:
            return layer
        shares = self._shares(found.kind, layer.class_name.rpartition(".")[2], names)
        chosen = {rule: share for rule, share in shares.items() if rule is not None}
        if not chosen:
            self.left.append(path)
            return layer
        if len(shares) > 1 and not known:
            self.spread.append(path)
        own = multiply(symbol(WEIGHT), layer.cost.value("parameters"))
        stored = add(*(multiply(share, self._bytes(rule, found, own)) for rule, share in shares.items()))
        for index in chosen:
            rule = self.quantization.rules[index]
            self.kept.setdefault(rule.format.name, []).append(path)
        return self.interned.layer((id(layer), stored), partial(replace, layer, stored=stored))

    def _shares(self, kind: str, class_name: str, names: list[str]) -> dict[int | None, Fraction | int]:
        """Which part of the modules with these names has which rule, by the rules' numbers; None for those left out."""
        self.looked_up += len(names)
        if self.looked_up > MOST_NAMES:
            raise SymflopsError(f"more than {MOST_NAMES:,} modules to look up formats for", where=self.model.name)
        count: dict[int | None, int] = {}
        for name in names:
            index = self._rule(kind, name, class_name)
            count[index] = count.get(index, 0) + 1
        return {index: _exact(Fraction(number, len(names))) for index, number in count.items()}

    def _rule(self, kind: str, name: str, class_name: str) -> int | None:
        rules = self.quantization.rules
        if kind == "linear":
            return _index(rules, self.quantization.rule(kind, name, class_name))
        if self.quantization.ignored.match(name, class_name):
            return None
        matrices_ = (self.quantization.rule(kind, f"{name}.{end}", "Linear") for end in _EXPERT)
        found = next((rule for rule in matrices_ if rule is not None), None)
        return _index(rules, found)

    def _bytes(self, index: int | None, found: Matrices, own: Value) -> Value:
        if index is None:
            return own
        rule = self.quantization.rules[index]
        each = (
            multiply(count, rule.format.bytes(rows=rows, columns=columns, args=rule.args))
            for count, rows, columns in found.sizes
        )
        return add(multiply(symbol(WEIGHT), found.others), *each)

    def notes(self) -> Iterator[str]:
        """What is to be said beside every number."""
        kept = ", ".join(f"{name} for {_shown(paths)}" for name, paths in self.kept.items())
        left = f"; weight_bytes for {_shown(self.left)} and whatever is no matrix" if self.left else ""
        cache = f"; the KV cache in {self.quantization.cache}" if self.quantization.cache else ""
        yield f"{SAID}{kept} ({self.quantization.said}){left}{cache}"
        if self.spread:
            what = "the config names single layers, which are taken to be spread evenly over the kinds of layers"
            yield f"{SAID}{what}: {_shown(self.spread)}"
        for doubt in self.quantization.doubts:
            yield f"{SAID}{doubt}"


def _index(rules: tuple[Rule, ...], rule: Rule | None) -> int | None:
    return None if rule is None else next(i for i, one in enumerate(rules) if one is rule)


def _exact(share: Fraction) -> Fraction | int:
    return int(share) if share.denominator == 1 else share


def _shown(paths: list[str]) -> str:
    names = list(dict.fromkeys(path.rpartition(".")[2] for path in paths))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def matrices(layer: Layer) -> Matrices | None:
    """The matrices of a basic layer that formats are for; None for a layer that has none.

    Linear layers and the library's experts say their sizes. Of experts with a cost of their own each product of three
    sizes in the number of parameters is a matrix for each expert: of a width and an inner width, three where there is
    a gate, else two, and those of one orientation are rows of the other.
    """
    if layer.formula is not None and layer.formula.name == "linear":
        args = {"bias": 0, **dict(layer.args)}
        rows, columns = args["out_features"], args["in_features"]
        return Matrices("linear", ((1, rows, columns),), multiply(args["bias"], rows))
    if layer.formula is not None and layer.formula.name == "moe_experts":
        args = dict(layer.args)
        count, inner, width = args["num_experts"], args["intermediate_size"], args["hidden_size"]
        return Matrices("experts", ((multiply(2, count), inner, width), (count, width, inner)), 0)
    return None if layer.inline is None else _experts(layer.cost.value("parameters"), layer)


def _experts(parameters: Value, layer: Layer) -> Matrices | None:
    if not isinstance(parameters, Polynomial):
        return None
    used = free_symbols(layer.cost.value("matmul_flops"))
    experts = with_quantity(free_symbols(parameters), "experts")
    chosen = with_quantity(used, "experts of a token")
    if not experts or not chosen or experts in used:  # a router multiplies by all of its weights
        return None
    each = divide(parameters, symbol(experts))
    if not isinstance(each, Polynomial):
        return None
    sizes: list[tuple[Value, Value, Value]] = []
    others: Value = parameters
    for monomial, number in each.terms.items():
        if len(monomial) == 2 and all(power == 1 for _, power in monomial) and number in (2, 3):
            names = sorted((name for name, _ in monomial), key=lambda name: with_quantity({name}, "hidden") != name)
            width, inner = (symbol(name) for name in names)
            wide = multiply(number - 1, symbol(experts))
            sizes += [(wide, inner, width), (symbol(experts), width, inner)]
            others = add(others, negate(multiply(number, width, inner, symbol(experts))))
    return Matrices("experts", tuple(sizes), others) if sizes else None
