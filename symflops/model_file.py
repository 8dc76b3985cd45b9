"""Model files: JSON to layers and back, every mistake named by its path inside the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from symflops import algebra, deadline, files, gradients, polynomial, strangers
from symflops.assumption import Assumption, Relation, assumption, comparison
from symflops.domain import Domain
from symflops.errors import SymflopsError, nearest
from symflops.formula import formula_for_class, load_formula
from symflops.grouping import grouped
from symflops.inputs import read_inputs, symbols_of
from symflops.layer import Interned, Layer, Part
from symflops.peak import read_peaks
from symflops.plan import Plan
from symflops.polynomial import Value
from symflops.serving import SERVED, Serving
from symflops.tree import NAME, names, read, write
from symflops.vocabulary.metrics import METRICS, REQUIRED, of_each
from symflops.vocabulary.symbols import CACHE, DTYPES, OWN, RUN, RunSymbols

MAX_FILE = 64 * 2**20  # bytes of a model file
MAX_DEPTH, _MOST_LAYERS = 100, 2**20  # of nested layers, and of those that are counted before they are read
_MODEL_KEYS = (
    "name", "about", "source", "derived_from", "unproven", "class", "dtype", "cache_dtype", "training", "served",
    "inputs", "symbols", "assumes", "expects", "notes", "peak", "layers",
)  # fmt: skip
_OTHERS = "others"  # the metrics that a layer's own cost does not state
_LAYER_KEYS = (
    "class", "formula", "repeat", "when", "args", "cost", "tied", "state", "stored", *gradients.TABLES, "output_bytes",
    "sub_layers",
)  # fmt: skip


def read_json(path: Path) -> Mapping[str, Any]:
    return files.json_of(files.read_text(path, MAX_FILE, "a model file"))


def layers_of(data: Mapping[str, Any]) -> int:
    """How many layers the data of a model file has, before anything of it is checked."""
    found, stack = 0, [data.get("layers")]
    while stack and found < _MOST_LAYERS:  # data that contains itself has no end
        below = stack.pop()
        if isinstance(below, dict):
            found += len(below)
            stack.extend(layer.get("sub_layers") for layer in below.values() if isinstance(layer, dict))
    return found


class Reading:
    """One model file being read: its declared names, and the layers seen so far by content."""

    def __init__(self, run: RunSymbols = RUN) -> None:
        self.run = run
        self.interned = Interned()
        self.texts: dict[str, Value] = {}
        self.declared: set[str] = set()
        self.paths: set[str] = set()
        self.ties: list[tuple[str, str]] = []
        self.serving: Serving | None = None  # how the calls of its layers are fed
        self.unknown: dict[str, str] = {}  # symbols of metrics that nobody states, and what is to be said of them

    def model(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a Model."""
        if "layers" not in data and "model_type" in data:
            raise SymflopsError("this is a Hugging Face config, not a model file; `symflops derive` makes one of it")
        if "layers" not in data:
            strangers.check_data(data)
        if data and not set(data).intersection(_MODEL_KEYS):
            what = "neither a model file (which has layers) nor a config (which has model_type or architectures)"
            raise SymflopsError(what)
        _check_keys(data, _MODEL_KEYS, "")
        inputs = read_inputs(_expect(data.get("inputs", {}), dict, "inputs"))
        symbols = self.symbols(_expect(data.get("symbols", {}), dict, "symbols"))
        plan = Plan.of(_expect(data["training"], dict, "training"), "training") if "training" in data else None
        serving = Serving.of(_expect(data["served"], dict, "served"), "served") if "served" in data else None
        if serving is not None:
            self.run = self.run.extended(SERVED)
            self.serving = None if serving.is_plain else serving
        self.declared = {*symbols, *self.run}
        for name in symbols_of(inputs):
            if name not in self.declared:
                raise SymflopsError(f"inputs: unknown symbol {name!r}{nearest(name, sorted(self.declared))}")
        self.texts.clear()
        assumes = self.assumptions(data, "assumes", assumption)
        expects = self.assumptions(data, "expects", comparison)
        notes = [_expect(t, str, f"notes[{i}]") for i, t in enumerate(_expect(data.get("notes", []), list, "notes"))]
        peak = read_peaks(_expect(data.get("peak", []), list, "peak"), self.value)
        layers = _expect(data.get("layers"), dict, "layers").items()
        root = Layer(parts=tuple(self.part(name, layer, "layers", 0) for name, layer in layers))
        for path, owner in self.ties:
            if owner not in self.paths or owner == path:
                raise SymflopsError(f"layers.{path}.tied: no layer {owner[:100]!r}{nearest(owner, sorted(self.paths))}")
        keys = ("name", "about", "source", "derived_from", "unproven", "class", "dtype", "cache_dtype")
        texts = {key: _expect(data.get(key, ""), str, key) for key in keys}
        if texts["about"].startswith("derived by symflops from "):  # where version 0.1 said it
            texts["derived_from"] = texts["derived_from"] or texts["class"]
        for key in ("dtype", "cache_dtype"):
            if texts[key] and texts[key] not in DTYPES:
                raise SymflopsError(f"{key}: {texts[key][:60]!r}{nearest(texts[key], tuple(DTYPES))}")
        if texts["cache_dtype"]:
            self.run = self.run.extended([replace(RUN[CACHE], default=DTYPES[texts["cache_dtype"]])])
        run = self.run if serving is None else serving.run(self.run)
        return {
            "name": texts["name"], "root": root, "definitions": {**symbols, **dict.fromkeys(self.unknown)},
            "domain": Domain.of_model(assumes) if serving is None else serving.domain(Domain.of_model(assumes)),
            "about": texts["about"], "source": texts["source"], "derived_from": texts["derived_from"],
            "class_name": texts["class"], "dtype": texts["dtype"], "cache_dtype": texts["cache_dtype"],
            "unproven": texts["unproven"], "notes": (*notes, *self.unknown.values()),
            "usual": Domain.of(expects), "inputs": inputs, "run": run, "plan": plan, "serving": serving, "peak": peak,
        }  # fmt: skip

    def symbols(self, symbols: Mapping[str, Any]) -> Mapping[str, Any]:
        """The architecture's symbols, checked."""
        for name, value in symbols.items():
            if not NAME.match(name) or name in self.run:
                raise SymflopsError(f"symbols: {name[:100]!r} cannot name an architecture symbol")
            if type(value) is str:
                self.declared = set(symbols)
                self.value(value, f"symbols.{name}")
            elif value is not None and (type(value) is not int or value < 0):
                raise SymflopsError(f"symbols.{name}: expected a nonnegative integer or a formula, got {value!r}")
        return symbols

    def assumptions(self, data: Mapping[str, Any], key: str, read_: Callable[[str], Assumption]) -> list[str]:
        """The texts of a list of assumptions, checked."""
        texts = _expect(data.get(key, []), list, key)
        for i, text in enumerate(texts):
            found = read_(_expect(text, str, f"{key}[{i}]"))
            for side in (found.left, found.right) if isinstance(found, Relation) else ():
                self.check_names(side, f"{key}[{i}]")
        return list(texts)

    def part(self, name: str, data: Any, where: str, depth: int, switch: str = "") -> Part:
        deadline.check()
        path = f"{where}.{name}" if where != "layers" else f"layers.{name}"
        if depth > MAX_DEPTH:
            raise SymflopsError(f"layers are nested deeper than {MAX_DEPTH} levels")
        if not name or not isinstance(name, str):
            raise SymflopsError(f"{where}: a layer needs a name")
        _expect(data, dict, path)
        _check_keys(data, _LAYER_KEYS, path)
        repeat, switch = self.switched(self.repeat(data.get("repeat", 1), path), switch, path)
        self.paths.add(path.removeprefix("layers."))
        class_name = _expect(data.get("class", ""), str, f"{path}.class")
        state = self.value(data.get("state", 0), f"{path}.state")
        if "sub_layers" in data:
            for key in ("formula", "args", "cost", "tied", "stored", "when", *gradients.TABLES):
                if key in data:
                    raise SymflopsError(f"{path}: a layer with sub_layers cannot have {key!r}")
            below = _expect(data["sub_layers"], dict, f"{path}.sub_layers")
            parts = tuple(self.part(n, layer, path, depth + 1, switch) for n, layer in below.items())
            passed = self.value(data["output_bytes"], f"{path}.output_bytes") if "output_bytes" in data else None
            content = (class_name, tuple((p.name, id(p.layer), p.repeat) for p in parts), state, passed)
            group = Layer(class_name, parts=parts, state=state, output_bytes=passed)
            return Part(name, self.interned.layer(content, lambda: group), repeat)
        return Part(name, self.basic(data, class_name, state, path, switch), repeat)

    def switched(self, repeat: Value, outer: str, path: str) -> tuple[Value, str]:
        """How often a layer runs, and the switch of the model that has to be on for it: `encoder` in a repeat says that
        the layer, and all below it, does not run in a step after the encoder's call."""
        for name in OWN.keys() & self.run.keys() & algebra.free_symbols(repeat):
            times = algebra.substitute(repeat, {name: 1})
            if repeat != polynomial.multiply(times, polynomial.symbol(name)):
                raise SymflopsError(f"{path}.repeat: {name} can only be a factor of it")
            return times, name
        return repeat, outer

    def basic(self, data: Mapping[str, Any], class_name: str, state: Value, path: str, switch: str) -> Layer:
        tied = _expect(data.get("tied", ""), str, f"{path}.tied")
        if tied:
            self.ties.append((path.removeprefix("layers."), tied))
        own = tuple(self.gradients(data, key, path) for key in gradients.TABLES)
        stored = self.value(data["stored"], f"{path}.stored") if "stored" in data else None
        when = self.value(data.get("when", 1), f"{path}.when")
        more: dict[str, Any] = {"switch": switch, "stored": stored, "serving": self.serving, "when": when}
        tables = (None if table is None else tuple(table.values()) for table in own)
        content = (tied, state, switch, stored, when, *tables)
        if "cost" in data:
            if "formula" in data or "args" in data:
                raise SymflopsError(f"{path}: a layer has either a formula with args or a cost")
            texts = _expect(data["cost"], dict, f"{path}.cost")
            _check_keys(texts, (*METRICS, _OTHERS), f"{path}.cost")
            missing = [metric for metric in REQUIRED if metric not in texts]
            if missing and _OTHERS not in texts:
                hint = f'state it, or "{_OTHERS}": 0, or "{_OTHERS}": "unknown", for what is not stated'
                raise SymflopsError(f"{path}.cost: {missing[0]} is missing; {hint}")
            inline = of_each(lambda metric: self.stated(texts, metric, path))
            return self.interned.layer(
                (class_name, tuple(inline.values()), *content),
                lambda: Layer(class_name, None, (), inline, tied, (), state, own[0], own[1], **more),
            )
        try:
            if "formula" in data:
                formula = load_formula(_expect(data["formula"], str, "formula").removesuffix(".toml"))
            elif class_name:
                formula = formula_for_class(class_name)
            else:
                raise SymflopsError("a basic layer needs a class, a formula or a cost")
        except SymflopsError as error:
            raise error.within(path) from None
        given = _expect(data.get("args", {}), dict, f"{path}.args")
        args = tuple(
            (n, a if type(a) is int and a >= 0 else self.value(a, f"{path}.args.{n}")) for n, a in given.items()
        )
        try:
            formula.check(given.keys())
        except SymflopsError as error:
            raise error.within(f"{path}.args") from None
        return self.interned.layer(
            (class_name, formula.name, args, *content),
            lambda: Layer(class_name, formula, args, None, tied, (), state, own[0], own[1], **more),
        )

    def gradients(self, data: Mapping[str, Any], key: str, path: str) -> dict[str, Value] | None:
        """What a layer says of its backward itself; None where it says nothing."""
        if key not in data:
            return None
        where = f"{path}.{key}"
        table = _expect(data[key], dict, where)
        gradients.check_keys(table, where)
        keys = (*gradients.KEYS, gradients.PASSED_ON)
        return {name: self.value(table[name], f"{where}.{name}") for name in keys if name in table}

    def stated(self, texts: Mapping[str, Any], metric: str, path: str) -> Value:
        """One metric of a layer's own cost: as it stands, what `others` says of those that do not, or, where it is null
        or the others are unknown, a symbol that wants a value."""
        where = f"{path}.cost.{metric}"
        if texts.get(metric) is not None:
            return self.value(texts[metric], where)
        others = None if metric in texts else texts.get(_OTHERS, None if metric in REQUIRED else 0)
        if others is not None and others not in (0, "unknown"):
            raise SymflopsError(f"{path}.cost.{_OTHERS}: expected 0 or 'unknown', got {str(others)[:60]!r}")
        if others == 0:
            return 0
        place = path.removeprefix("layers.")
        name = f"unknown_{metric}_of_{re.sub(r'[^A-Za-z0-9]+', '_', place)}"
        while name in self.declared or name in self.unknown:
            name += "_"
        self.unknown[name] = f"{metric} of {place} is unknown; --set {name}=NUMBER gives it a value"
        return polynomial.symbol(name)

    def repeat(self, data: Any, path: str) -> Value:
        if type(data) is int and data >= 0:
            return data
        value = self.value(data, f"{path}.repeat") if isinstance(data, str) else data
        if isinstance(value, polynomial.Polynomial) or (type(value) is int and value >= 0):
            return value
        raise SymflopsError(f"{path}.repeat: expected a nonnegative integer or a formula, got {str(data)[:100]!r}")

    def value(self, data: Any, where: str) -> Value:
        if type(data) is int:
            return data
        if type(data) is float:
            data = repr(data)
        if type(data) is not str:
            raise SymflopsError(f"{where}: expected a number or a formula, got {type(data).__name__}")
        if data in self.texts:
            return self.texts[data]
        deadline.check()
        try:
            tree = read(data)
            self.check_names(tree, "")
            value = algebra.from_tree(tree)
        except SymflopsError as error:
            raise error.within(where) from None
        self.texts[data] = value
        return value

    def check_names(self, tree: Any, where: str) -> None:
        own = names(tree) & OWN.keys() - self.declared  # a file has the rows whose names it uses and does not define
        self.run = self.run.extended(OWN[name] for name in own)
        self.declared |= own
        for name in sorted(names(tree) - self.declared):
            message = f"undeclared name {name!r}{nearest(name, sorted(self.declared))}"
            raise SymflopsError(message, where=where)


def _check_keys(data: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in valid:
            raise SymflopsError(f"unknown key {str(key)[:100]!r}{nearest(str(key), valid)}", where=where)


def _expect(data: Any, kind: type, where: str) -> Any:
    if not isinstance(data, kind):
        wanted = "an object" if kind is dict else "a list" if kind is list else "a text"
        got = "nothing" if data is None else type(data).__name__
        raise SymflopsError(f"expected {wanted}, got {got}", where=where)
    return data


def dump(part: Part) -> dict[str, Any]:
    """A layer as the data of its place in a model file."""

    def text(value: Value) -> int | str:
        return value if isinstance(value, int) else write(grouped(value))

    layer = part.layer
    data: dict[str, Any] = {"class": layer.class_name} if layer.class_name else {}
    if layer.formula is not None and (not layer.class_name or layer.class_name not in layer.formula.classes):
        data["formula"] = layer.formula.name
    repeat = polynomial.multiply(part.repeat, polynomial.symbol(layer.switch)) if layer.switch else part.repeat
    if repeat != 1:
        data["repeat"] = text(repeat)
    if layer.when != 1:
        data["when"] = text(layer.when)
    if layer.args:
        data["args"] = {name: text(value) for name, value in layer.args}
    if layer.inline is not None:
        data["cost"] = {m: text(value) for m, value in layer.inline.items() if value != 0 or m in REQUIRED}
    if layer.tied:
        data["tied"] = layer.tied
    if layer.state != 0:
        data["state"] = text(layer.state)
    if layer.stored is not None:
        data["stored"] = text(layer.stored)
    for key, table in zip(gradients.TABLES, (layer.backward, layer.backward_frozen), strict=True):
        if table is not None:
            data[key] = {name: text(value) for name, value in table.items()}
    if layer.output_bytes is not None:
        data["output_bytes"] = text(layer.output_bytes)
    if layer.parts:
        data["sub_layers"] = {below.name: dump(below) for below in layer.parts}
    return data
