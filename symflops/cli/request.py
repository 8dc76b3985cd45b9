"""What every command shares: the options that name a model and a point, and how they are resolved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import wraps
from inspect import Parameter, Signature, signature
from itertools import product
from math import prod
from typing import Annotated, Any, get_type_hints

import typer

from symflops import units
from symflops.cli import completion, engines, formatted, lengths, planned, streams
from symflops.cli.formatted import AS_STATED, Weights
from symflops.cost import Cost
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.numeric import RUN_SYMBOLS, check, plain
from symflops.passes.served import served
from symflops.passes.training import training
from symflops.plan import Plan
from symflops.polynomial import Number
from symflops.progress import shown
from symflops.serving import Serving
from symflops.source import bind, load
from symflops.vocabulary.symbols import RUN, RunSymbol

MAX_POINTS = 1000  # of one answer

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="a shipped model, a model JSON, or what `derive` takes: a config.json, its directory, a model type, "
        "a hub id, a class such as model.py:GPT",
        autocompletion=completion.models,
    ),
]
Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="a config.json, its directory, a model type such as llama, a hub id, or a class such as model.py:GPT",
    ),
]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="a config.json, its directory, a model type such as llama, a hub id, or a class, or a function that "
        "returns a module, such as model.py:GPT or torchvision.models:resnet50",
    ),
]
OtherConfig = Annotated[
    str | None, typer.Option("--config", metavar="CONFIG", help="take the values of this config, if the model fits it")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="value of any symbol; repeatable")]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="which metrics, by commas or repeated (default: all)",
        autocompletion=completion.metrics,
    ),
]
OneByOne = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="an answer for each of these, by commas or repeated (default: flops)",
        autocompletion=completion.metrics,
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="of processor time after which a derivation gives up")
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="derive again what was derived before (`symflops cache` says where it is)")
]
Derive = Annotated[bool, typer.Option("--derive", help="derive a config that the atlas has, too")]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="NAME=MEANING",
        help="what a name of the text means: a symbol, a formula, or the model's parameters, active_parameters or "
        "tokens; repeatable",
    ),
]
Symbolic = Annotated[bool, typer.Option("--symbolic", help="keep hidden_size and the like as symbols")]
Short = Annotated[bool, typer.Option("--short", help="short names, with a legend")]


def number(text: str, option: str) -> int | float:
    """The number behind an option: an integer, or a decimal (for bytes per element)."""
    return plain(units.number(text, option))


def pairs(options: Sequence[str] | None, option: str) -> dict[str, str]:
    """What a repeatable option with name=value gives to each name."""
    found: dict[str, str] = {}
    for text in options or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SymflopsError(f"{option} {text[:60]!r}: expected name=value")
        if name.strip() in found:
            raise SymflopsError(f"{option} {name.strip()[:60]}: given twice")
        found[name.strip()] = value.strip()
    return found


def evaluate(model: Model, cost: Cost, given: Mapping[str, Any]) -> Cost:
    """The numbers of a model's total at a point; what cannot be computed there is an error that names the layer, and a
    point at which the closed form does not hold one that names the condition."""
    model.check_assumptions(cost.with_defaults(given))
    try:
        return cost.at(**given)
    except SymflopsError:
        for row in model.rows():
            try:
                row.total.at(**given)
            except SymflopsError as error:
                raise error.within(f"{model.name}: {row.path}") from None
        raise


@dataclass(frozen=True)
class Point:
    """What the options say of a model and of a call of it."""

    run: Mapping[str, str] = field(default_factory=dict)  # run symbols, as they were typed
    config: str | None = None
    settings: tuple[str, ...] = ()
    timeout: float = DERIVATION
    plan: Plan | None = None  # how the model is trained, where a step of training is asked for
    weights: Weights = AS_STATED  # the formats of its weights
    serving: Serving | None = None  # how it is served, where it is not taken as written
    resolved: list[Model] = field(default_factory=list)  # the models of this command, in order
    unexpected: list[tuple[Model, str]] = field(default_factory=list)  # notes on lengths that they were not made for

    def fed(self, model: Model, seq_len: Number, past_len: Number = 0) -> None:
        """Keep the notes on a call of so many tokens after so many others."""
        self.unexpected.extend((model, n) for n in model.unexpected({"seq_len": seq_len, "past_len": past_len}))

    @property
    def notes(self) -> list[str]:
        """What is to be said beside the numbers of this command's models."""
        said = [(model, note) for model in self.resolved for note in model.notes]
        if "seq_len" in self.run and not any("seq_len" in model.total().free_symbols for model in self.resolved):
            said += [(model, lengths.unused(model)) for model in self.resolved]
        return list(dict.fromkeys(f"{model.name}: {one_line(note)}" for model, note in (*said, *self.unexpected)))

    @property
    def changed(self) -> list[str]:
        """The names of the symbols that `--set` gives."""
        return [name for setting in self.settings for name in [setting.partition("=")[0]] if name not in RUN_SYMBOLS]

    def say(self, text: str, as_json: bool) -> None:
        """Print an answer, in JSON with the notes as a key of it, or of each of several."""
        if as_json:
            data = json.loads(text)
            more = {"program": program(self.resolved), **({"notes": self.notes} if self.notes else {})}
            data = [{**one, **more} for one in data] if isinstance(data, list) else {**data, **more}
            text = json.dumps(data, indent=2, ensure_ascii=False)
        print(text)

    def other(self, model_name: str) -> Model:
        """A further model of the command, as it stands."""
        return replace(self, run={}, config=None, settings=()).resolve(model_name)[0]

    def resolve(self, model_name: str, *, peak: bool = False) -> tuple[Model, dict[str, Any]]:
        """The model with the values of `--config` and `--set`, and the numbers given for run symbols; with its `peak`
        in memory, if it has to be derived."""
        ((model, run),) = self._resolved(model_name, lambda text, name: [units.number(text, name)], peak)
        return model, run

    def each(self, model_name: str) -> list[tuple[Model, dict[str, Any]]]:
        """The same for every combination of the values that are given as lists with commas."""
        return self._resolved(model_name, units.numbers)

    def _resolved(
        self, model_name: str, read: Callable[[str, str], Sequence[int | Fraction]], peak: bool = False
    ) -> list[tuple[Model, dict[str, Any]]]:
        if not model_name:
            raise SymflopsError("MODEL is empty; name a model or the path of a model JSON")
        axes = {name: read(text, name) for name, text in self.run.items()}
        for setting in self.settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise SymflopsError(f"--set {setting[:60]!r}: expected name=value")
            if name in axes:
                raise SymflopsError(f"--set {setting[:60]!r}: {name[:60]} is given twice")
            axes[name] = read(text, f"--set {name}")
        if (count := prod(map(len, axes.values()))) > MAX_POINTS:
            more = f"more than the {MAX_POINTS:,} of an answer; `symflops sweep` has more"
            raise SymflopsError(f"{count:,} points, {more}")
        with only_our_words(), progress():
            model = load(model_name, training=self.plan is not None, peak=peak, timeout=self.timeout)
            if self.config is not None:
                model = bind(model, self.config, timeout=self.timeout)
            model = self.weights.of(model, "weight_bytes" in axes)
            if self.plan is not None:
                model = training(model, **asdict(self.plan))
        found: list[tuple[Model, dict[str, Any]]] = []
        for values in product(*axes.values()):
            given = {name: plain(value) for name, value in zip(axes, values, strict=True)}
            rows = model.run if self.serving is None else self.serving.run(model.run)
            architecture = {name: value for name, value in given.items() if name not in rows}
            here = model.with_symbols(architecture) if architecture else model
            if self.serving is not None and here.serving is None:
                here = served(here, self.serving)
            run = {name: value for name, value in given.items() if name in rows}
            known = {name: check(name, value) for name, value in run.items()}
            try:
                here.check_assumptions(known)
            except SymflopsError:  # said with the default, too, where that decides it
                here.check_assumptions({"past_len": 0, **known})
                raise
            self.resolved.append(here)
            if here.serving is not None and here.serving.is_ragged:
                for tokens, before in here.serving.pairs_at(known):
                    self.fed(here, tokens, before)
            elif "seq_len" in run:
                self.fed(here, known["seq_len"], known.get("past_len", 0))
            found.append((here, run))
        return found


ANYWHERE = Point()


def program(models: Iterable[Model]) -> str:
    """Which program of a model a number is about: as its source has it, or as an engine serves it.

    >>> program([])
    'as written'
    """
    return "as served" if any(model.serving is not None for model in models) else "as written"


def _option(row: RunSymbol) -> tuple[Any, Any]:
    """The option of a run symbol, and its default."""
    flags = row.options or (f"--{row.name.replace('_', '-')}",)
    if row.is_switch:
        return Annotated[bool, typer.Option(*flags, help=row.help or row.meaning)], False
    return Annotated[str | None, typer.Option(*flags, metavar="N", help=row.help or row.meaning)], None


_OPTIONS: dict[str, tuple[Any, Any]] = {
    **{name: _option(row) for name, row in RUN.items()},
    "config": (OtherConfig, None), "settings": (Set, None), "timeout": (Timeout, DERIVATION),
    **planned.OPTIONS, **formatted.OPTIONS, **engines.OPTIONS,
}  # fmt: skip
Command = Callable[..., None]


def at_a_point(without: Collection[str] = (), is_served: bool = False) -> Callable[[Command], Command]:
    """A command whose parameter `point` is given by the options that say which model and which call of it, but for
    those that it takes in a way of its own. With `is_served` it is about what an engine runs unless it is told not to.
    """
    options = {name: option for name, option in _OPTIONS.items() if name not in without}

    def decorated(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        parameters: list[Parameter] = []
        for p in signature(command).parameters.values():
            if p.name == "point":
                kind = Parameter.POSITIONAL_OR_KEYWORD
                parameters += [Parameter(n, kind, default=d, annotation=a) for n, (a, d) in options.items()]
            else:
                parameters.append(p.replace(annotation=hints[p.name]))

        @wraps(command)
        def called(**given: Any) -> None:
            said = {name: given.pop(name) for name in options}
            config, settings, timeout = (said.pop(n) for n in ("config", "settings", "timeout"))
            plan = planned.plan({n: said.pop(n) for n in planned.OPTIONS if n in said})
            weights = Weights(**{n: said.pop(n) for n in formatted.OPTIONS if n in said})
            engine = {n: said.pop(n) for n in engines.OPTIONS if n in said}
            serving = engines.serving(engine, is_served, plan is not None, said.get("seq_len"))
            run = {name: "1" if text is True else text for name, text in said.items() if text not in (None, False)}
            point = Point(run, config, tuple(settings or ()), timeout, plan, weights, serving)
            command(**given, point=point)
            print_notes(point.notes)

        # What typer reads instead of the command's own.
        vars(called)["__signature__"] = Signature(parameters)
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        return called

    return decorated


def print_notes(notes: Iterable[str]) -> None:
    """One line on stderr for each, below the answer wherever both go."""
    for note in notes:
        streams.tell(f"note: {one_line(note)}")


def progress(title: str = "") -> AbstractContextManager[None]:
    """Inside, what takes long is shown on the terminal, unless quiet was asked for."""
    return shown(title, wanted=not streams.is_quiet())


@contextmanager
def only_our_words() -> Iterator[None]:
    """Inside, the libraries below keep their warnings, logs and progress bars to themselves."""
    import logging
    import warnings

    before = logging.root.manager.disable
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read when its library is imported
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
