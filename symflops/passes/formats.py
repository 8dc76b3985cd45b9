"""Weights in other formats: a model in which each layer says what its weights take and reads so much.

What is kept in a format are matrices: those of linear layers and of the experts of a mixture. Biases, norms, embeddings
and routers keep `weight_bytes`, as does what a format or a config leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symflops.errors import SymflopsError
from symflops.layer import Interned, Layer
from symflops.model import Model
from symflops.passes.matrices import Matrices, matrices
from symflops.passes.walk import Site, Walk
from symflops.polynomial import Value, add, multiply, symbol
from symflops.quantization import Quantization, Rule
from symflops.storage import has_formats
from symflops.vocabulary.symbols import CACHE, DTYPES, RUN, WEIGHT

NONE = "none"  # the name for weights as they are, weight_bytes each
SHOWN = 6
_MERGED = {"gate_up_proj": ("gate_proj", "up_proj"), "qkv_proj": ("q_proj", "k_proj", "v_proj")}
_EXPERT = ("0.gate_proj", "0.up_proj", "0.down_proj")


def formats(model: Model, quantization: Quantization) -> Model:
    """The model with weights in these formats.

    Raises SymflopsError where no layer is kept in one, for a step of training, and for a layer that has a format.
    """
    if model.plan is not None:
        raise SymflopsError("a step of training: weights have their format before (formats, then training)")
    model = plain(model)
    pass_ = _Pass(quantization)
    root = Walk(model, pass_.assign).root()
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
    quantization: Quantization
    kept: dict[str, list[str]] = field(default_factory=dict)  # by format, the paths of the layers
    left: list[str] = field(default_factory=list)
    spread: list[str] = field(default_factory=list)  # layers of which a config names some that are not told apart

    def assign(self, site: Site) -> Value | None:
        """What the weights of a layer take; None for one that is left out."""
        layer, path = site.layer, site.path
        found = matrices(layer)
        if found is None or layer.tied:
            return None
        class_name = layer.class_name.rpartition(".")[2]
        names, is_sure = self._told(site, found.kind, class_name)
        shares = self._shares(found.kind, class_name, names)
        chosen = [index for index in shares if index is not None]
        if not chosen:
            self.left.append(path)
            return None
        if len(shares) > 1 and not is_sure:
            self.spread.append(path)
        for index in chosen:
            self.kept.setdefault(self.quantization.rules[index].format.name, []).append(path)
        own = multiply(symbol(WEIGHT), layer.cost.value("parameters"))
        return add(*(multiply(share, self._bytes(rule, found, own)) for rule, share in shares.items()))

    def _told(self, site: Site, kind: str, class_name: str) -> tuple[list[str], bool]:
        """The names of a layer, and whether these are known: where formats are said of single modules, as many as the
        layer has runs, it is these."""
        rules = self.quantization.rules
        if site.is_sure or any(rule.targets is None for rule in rules):
            return site.names, site.is_sure
        named = [
            name for name in site.names
            if any(rule.is_for(kind, each, class_name) for rule in rules for each in (name, *_stored_as(name, kind)))
        ]  # fmt: skip
        return (named, True) if len(named) == site.runs else (site.names, False)

    def _shares(self, kind: str, class_name: str, names: list[str]) -> dict[int | None, Fraction | int]:
        """Which part of the modules with these names has which rule, by the rules' numbers; None for those left out."""
        count: dict[int | None, int] = {}
        for name in names:
            index = self._rule(kind, name, class_name)
            count[index] = count.get(index, 0) + 1
        return {index: _exact(Fraction(number, len(names))) for index, number in count.items()}

    def _rule(self, kind: str, name: str, class_name: str) -> int | None:
        """The rule for one module, or for the modules that it is in a checkpoint; None where these are left out."""
        if self.quantization.ignored.match(name, class_name):
            return None
        stored_as = _stored_as(name, kind)
        names = [each for each in stored_as if not self.quantization.ignored.match(each, "Linear")]
        if stored_as and not names:
            return None
        candidates = [(name, class_name), *((each, "Linear") for each in names)]
        rules = (self.quantization.rule(kind, each, of_class) for each, of_class in candidates)
        return _index(self.quantization.rules, next((rule for rule in rules if rule is not None), None))

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


def _stored_as(name: str, kind: str) -> list[str]:
    """The modules that a checkpoint has for one that transformers makes of several."""
    above, _, last = name.rpartition(".")
    return [f"{name}.{end}" for end in _EXPERT] if kind != "linear" else [f"{above}.{n}" for n in _MERGED.get(last, ())]


def _index(rules: tuple[Rule, ...], rule: Rule | None) -> int | None:
    return None if rule is None else next(i for i, one in enumerate(rules) if one is rule)


def _exact(share: Fraction) -> Fraction | int:
    return int(share) if share.denominator == 1 else share


def _shown(paths: list[str]) -> str:
    names = list(dict.fromkeys(path.rpartition(".")[2] for path in paths))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
