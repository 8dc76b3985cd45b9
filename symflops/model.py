"""Model: a named program of layers, read from and written to JSON; where totals come from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symflops import algebra, deadline, numeric, strangers
from symflops.calling import such_as
from symflops.cost import Cost
from symflops.domain import NO_CONDITIONS, Domain
from symflops.errors import SymflopsError, nearest, one_line
from symflops.files import NoFileError
from symflops.formula import data_folder, in_order
from symflops.given import Numeric
from symflops.graph import edges, graph, total
from symflops.inputs import Input, decoder_length
from symflops.layer import Layer
from symflops.model_file import Reading, dump, layers_of, read_json
from symflops.peak import PeakOfCalls
from symflops.place import Place as Place
from symflops.place import matching, places
from symflops.plan import Plan
from symflops.polynomial import Number, Value
from symflops.rows import Row as Row
from symflops.rows import Rows as Rows
from symflops.serving import Serving
from symflops.tree import names, read
from symflops.vocabulary.symbols import DTYPES, ENCODER, LENGTH, RUN, RunSymbols

if TYPE_CHECKING:
    from networkx import DiGraph

_TOTAL = "the total"
_WIDTH = 120  # columns of a line at a prompt
_USUAL_LENGTHS = (2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2)


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A network as a program of layers, and the values of its architecture symbols.

    >>> args = {"N": "seq_len", "in_features": "h", "out_features": "h"}
    >>> model = load({"name": "two", "symbols": {"h": 4}, "layers": {
    ...     "proj": {"formula": "linear", "repeat": 2, "args": args}}})
    >>> model.total().flops
    64*seq_len
    >>> model.total(symbolic=True).flops
    4*h**2*seq_len
    >>> model.total().at(seq_len=3).flops
    192
    """

    name: str
    root: Layer
    definitions: Mapping[str, int | str | None]
    domain: Domain = NO_CONDITIONS  # where its formulas hold: what its file assumes
    about: str = ""
    source: str = ""
    derived_from: str = ""  # what it was derived from, as its file says: the class, of such a config
    class_name: str = ""
    unproven: str = ""
    dtype: str = ""  # of the config, such as bfloat16: its bytes are the default of dtype_bytes
    run: RunSymbols = RUN  # the symbols of a call, with their defaults
    usual: Domain = NO_CONDITIONS  # what holds in usual use, though the formulas hold beyond it
    inputs: tuple[Input, ...] = ()  # what it is fed, of a model whose inputs are not the usual ids
    plan: Plan | None = None  # how it is trained, of a model that is a step of training
    cache_dtype: str = ""  # of the KV cache, where the config says one: its bytes are the default of cache_bytes
    serving: Serving | None = None  # how it is served, of what an inference engine runs of a model
    notes: tuple[str, ...] = ()  # what its costs leave out or take for granted, said beside every number
    peak: tuple[PeakOfCalls, ...] = ()  # what it holds at its fullest, where that was derived

    @property
    def doubts(self) -> tuple[str, ...]:
        """What nobody has proved: the model itself, and formulas that it uses, where they are marked so."""
        used = {f.name: f.unproven for layer in self.layers if (f := layer.formula) is not None and f.unproven}
        own = [f"{self.name}: {self.unproven}"] if self.unproven else []
        return (*own, *(f"formula {name}: {tried}" for name, tried in sorted(used.items())))

    def call(self, what: str) -> AbstractContextManager[None]:
        """The limit of the time that a call about the model may compute, which is more for more layers."""
        return deadline.call(what, deadline.CALL + deadline.PER_LAYER * self.root.places)

    @cached_property
    def symbols(self) -> dict[str, int]:
        """The architecture symbols' values; one defined by an expression is evaluated, one that is null has none."""
        needs = {n: names(read(d)) & self.definitions.keys() for n, d in self.definitions.items() if isinstance(d, str)}
        values: dict[str, Number] = {}
        for name in in_order(tuple(self.definitions), needs, "symbols"):
            definition = self.definitions[name]
            if definition is None:
                continue
            value: Any = definition
            if isinstance(definition, str):
                try:
                    value = numeric.evaluate(algebra.from_text(definition), values)
                except SymflopsError as error:
                    raise error.within(f"symbols.{name}") from None
            values[name] = numeric.check(name, value)
        return {name: int(values[name]) for name in self.definitions if name in values}

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The distinct layer definitions, each after all that run it."""
        return tuple(edges(self.root))

    @cached_property
    def graph(self) -> DiGraph[Layer]:
        """The `networkx.DiGraph` of distinct layer definitions."""
        return graph(self.root)

    @property
    def assumes(self) -> tuple[str, ...]:
        """What its domain says, as its file has it."""
        return self.domain.texts

    @property
    def expects(self) -> tuple[str, ...]:
        """What holds in usual use, as its file has it."""
        return self.usual.texts

    @cached_property
    def _domain_in_numbers(self) -> Domain:
        return self.domain.substitute(self.symbols)

    @such_as("total().flops", "total().at(batch_size=1, seq_len=2048).flops")
    def total(self, *, symbolic: bool = False) -> Cost:
        """The cost of the whole model, in the run symbols; with `symbolic`, in its architecture symbols too."""
        return self._symbolic_total if symbolic else self._total

    @cached_property
    def _symbolic_total(self) -> Cost:
        with self.call(_TOTAL):
            return self._within_domain(total(self.root))

    @cached_property
    def _total(self) -> Cost:
        with self.call(_TOTAL):
            return self._in_numbers(self._symbolic_total)

    def _within_domain(self, cost: Cost) -> Cost:
        """What a part of the model costs, where the model's conditions hold, in its data type."""
        return replace(cost, domain=self.domain, dtype_bytes=DTYPES.get(self.dtype), run=self.run)

    def _in_numbers(self, cost: Cost) -> Cost:
        values = {metric: algebra.substitute(value, self.symbols) for metric, value in cost.by_metric.items()}
        return replace(cost, by_metric=values, domain=self._domain_in_numbers)

    @such_as("rows()", "rows(symbolic=True)", "rows().to_pandas(batch_size=1, seq_len=2048)")
    def rows(self, *, symbolic: bool = False, groups: bool = False) -> Rows:
        """One row per basic layer in the order of the tree, with `groups` one per composite layer too.

        The rows' totals add up to the model's total, each basic layer once.
        """
        with self.call("the layers' costs"):
            return Rows(self._row(place, symbolic) for place in self.places() if place.layer.is_basic or groups)

    def _row(self, place: Place, symbolic: bool) -> Row:
        path, layer, runs = place
        one = self._within_domain(layer.cost if layer.is_basic else total(layer))
        whole = one * runs
        if not symbolic:
            one, whole, runs = self._in_numbers(one), self._in_numbers(whole), self._number(runs)
        name = layer.formula.name if layer.formula else ""
        return Row(path, layer.class_name, runs, one, whole, layer.is_basic, path.count("."), name)

    def _number(self, value: Value) -> Value:
        return algebra.substitute(value, self.symbols)

    def places(self) -> Iterator[Place]:
        """Every place in the tree, groups before their parts."""
        return places(self.root)

    def matching(self, pattern: str) -> list[Place]:
        """The places whose last parts are `pattern` (`mlp`, `self_attn.q_proj`, `layers.*.norm`).

        Raises SymflopsError when there is none.
        """
        return matching(self.root, pattern, self.name)

    @such_as('with_symbols({"hidden_size": 4096})')
    def with_symbols(self, values: Mapping[str, Numeric]) -> Model:
        """The same model with other values for some architecture symbols; the graph is not built again.

        Raises SymflopsError for a symbol that the model does not have and for values that break an assumption.
        """
        for name in numeric.mapping(values):
            if name not in self.definitions:
                hint = nearest(name, tuple(self.definitions))
                raise SymflopsError(f"unknown symbol {name!r}{hint}", where=self.name)
        checked = {name: numeric.check(name, value) for name, value in values.items()}
        other = replace(self, definitions={**self.definitions, **{n: int(v) for n, v in checked.items()}})
        for cached in ("graph", "layers", "_symbolic_total"):
            if cached in self.__dict__:
                other.__dict__[cached] = self.__dict__[cached]
        other.check_assumptions()
        return other

    @property
    def length(self) -> str:
        """The symbol of the tokens of a call that its cache keeps: seq_len, or the decoder's length where a step after
        the encoder's call is known."""
        return (decoder_length(self.inputs) if ENCODER in self.run else "") or LENGTH

    def check_assumptions(self, run: Mapping[str, Number] | None = None) -> None:
        """Raise SymflopsError naming the first assumption that the architecture values, or those of a run, break.

        A condition on a run symbol that has no value yet is left for when it has one, unless it cannot hold any more,
        and a fact about the config that the model was derived from cannot be broken by a number.
        """
        try:
            self._domain_in_numbers.substitute(_checked({} if run is None else run))
        except SymflopsError as error:
            raise error.within(self.name) from None

    def unexpected(self, run: Mapping[str, Number]) -> list[str]:
        """Notes on the values of a run that are beyond what the model was made for, such as its longest sequence."""
        known = {**self.symbols, **_checked(run)}
        broken = [c.with_numbers(known) for c in self.usual.conditions if not c.holds(known)]
        return [f"beyond what the config allows for, though the formulas hold: {said}" for said in broken]

    def usual_length(self, run: Mapping[str, Numeric]) -> int:
        """The length that is taken where none is given: 2,048 tokens or the largest power of two below that the model
        can run with these values of other run symbols; 1 where it can run none of them."""
        numeric.mapping(run)
        for length in _USUAL_LENGTHS:
            with suppress(SymflopsError):
                self.check_assumptions(self.total().with_defaults({**run, "seq_len": length}))
                return length
        return 1

    def to_dict(self) -> dict[str, object]:
        """The model as the data of its JSON file."""
        data: dict[str, Any] = {"name": self.name}
        optional = {
            "about": self.about, "source": self.source, "derived_from": self.derived_from, "unproven": self.unproven,
            "class": self.class_name, "dtype": self.dtype, "cache_dtype": self.cache_dtype,
        }  # fmt: skip
        data |= {key: value for key, value in optional.items() if value}
        data |= {key: asdict(p) for key, p in (("training", self.plan), ("served", self.serving)) if p is not None}
        data |= {"inputs": {one.name: one.text() for one in self.inputs}} if self.inputs else {}
        data["symbols"] = dict(self.definitions)
        said = {"assumes": self.assumes, "expects": self.expects, "notes": self.notes}
        data |= {key: list(texts) for key, texts in said.items() if texts}
        data |= {"peak": [one.data() for one in self.peak]} if self.peak else {}
        data["layers"] = {part.name: dump(part) for part in self.root.parts}
        return data

    def __repr__(self) -> str:
        """Five lines: what it is called, what it is, its weights, its FLOPs and its symbols."""
        try:
            cost = self.total()
            parameters, flops = cost.value("parameters"), cost.text("flops")
            weights = f"{parameters:,}" if isinstance(parameters, int) else cost.text("parameters")
        except SymflopsError as error:  # a prompt has to show something, and says what is wrong
            return f"{one_line(self.name)}: {error}"
        count = sum(place.layer.is_basic for place in self.places())
        own = [f"{name} = {value}" for name, value in self.symbols.items()]
        lines = (
            f"{self.name}: {self.class_name.rpartition('.')[2] or 'a model'}, {count} layers",
            self.about or "no description",
            f"parameters = {weights}",
            f"flops = {flops}",
            f"symbols: {', '.join([*sorted(cost.free_symbols), *own])}",
        )
        return "\n".join(one_line(line, _WIDTH) for line in lines)

    def _repr_html_(self) -> str:
        named = " · ".join(text for text in (self.name, self.about) if text)
        values = ", ".join(f"{name} = {value:,}" for name, value in self.symbols.items())
        return f"<p><b>{escape(named)}</b><br>{escape(values)}</p>{self.rows(symbolic=True)._repr_html_()}"

    def dumps(self) -> str:
        """The text of the model's JSON file; loading it and dumping again gives the same bytes."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def _checked(run: Any) -> dict[str, Number]:
    return {name: numeric.check(name, value) for name, value in numeric.mapping(run).items()}


def model_names() -> tuple[str, ...]:
    """The names of the models that come with symflops."""
    return tuple(sorted(path.stem for path in data_folder("models").glob("*.json")))


def shipped_file(name: str) -> str:
    """The model file of a shipped model, by its name in either case."""
    if name.lower() not in model_names():
        raise SymflopsError(f"no such model {name[:100]!r}{nearest(name.lower(), model_names())}")
    return (data_folder("models") / f"{name.lower()}.json").read_text("utf-8")


def load(model: Any) -> Model:
    """A model: by the name of a shipped one, from the path of a model JSON file, or from its data as a dict.

    Raises SymflopsError naming file, path inside it and culprit.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, Mapping):
        return _model(model)
    if isinstance(model, str) and model in model_names():
        model = data_folder("models") / f"{model}.json"
    if not isinstance(model, str | Path):
        raise SymflopsError(f"expected a model's name, path or dict, got {type(model).__name__}")
    try:
        strangers.check_path(Path(model))
        with deadline.collection_paused():
            return _model(read_json(Path(model)))
    except NoFileError:
        near = nearest(str(model), model_names())
        said = "no such file" if "/" in str(model) and "mean" not in near else f"no such model or file{near}"
        raise SymflopsError(said, where=str(model)) from None
    except SymflopsError as error:
        raise error.within(str(model)) from None


def _model(data: Mapping[str, Any]) -> Model:
    with deadline.call("reading it", deadline.CALL + deadline.PER_LAYER * layers_of(data)):
        model = Model(**Reading().model(data))
        _ = model.symbols  # a cycle among them is an error of the file
        model.check_assumptions()
    return model
