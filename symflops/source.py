"""What the user names becomes a Model: a shipped name, a model file, or a Hugging Face config, which is derived.

PyTorch and transformers are loaded only where a config has to be read; without them everything else works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from symflops import derived_cache, files, progress, strangers
from symflops import model as models
from symflops.calling import such_as
from symflops.config_file import NoConfigError, config_data, is_config, leads_to_config
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError
from symflops.handles import is_class_name, is_hub_id
from symflops.inputs import read_inputs
from symflops.model import Model
from symflops.program.block import Program
from symflops.vocabulary.symbols import BATCH

ModelLike = Model | str | Path | Mapping[str, object]  # what a model may be named by
# What a module is fed: by argument, each as a text with its name, or examples in the order of its arguments.
Inputs = Mapping[str, object] | Iterable[object]


class ConfigLike(Protocol):
    """A config object of transformers."""

    model_type: str

    def to_dict(self) -> dict[str, object]:
        """Its data."""


# What may be derived: a name or a path, a config or its class, a module, its class or a function that returns one.
Derivable = str | Path | Mapping[str, object] | ConfigLike | Callable[..., object]

_DERIVES = ContextVar("derives", default=False)
INSTALL = "deriving it needs PyTorch and transformers: pip install 'symflops[hf]'"
_TYPE = re.compile(r"[a-z][a-z0-9_]{1,40}\Z")  # how transformers writes the types of its models


@such_as('load("llama-2-7b-hf")')
def load(model: ModelLike, *, training: bool = False, peak: bool = False, timeout: float = DERIVATION) -> Model:
    """A model: by the name of a shipped one, from a model file, or from whatever `derive` takes as a text or a dict: a
    config.json or its directory, a model type, a hub id, a class.

    A config is answered from the atlas, where that has its type and the config breaks no condition of it; a note of the
    model says so. What has to be derived is derived once, within `timeout` seconds of processor time, and kept in the
    user's cache; with `training` in training mode, and with what it holds at its `peak`, as `derive` has it.

    Raises SymflopsError naming file, path inside it and culprit.
    """
    if isinstance(model, Mapping):
        if not is_config(model):
            return models.load(model)
        return of_config(dict(model), training=training, peak=peak, timeout=timeout)
    if not isinstance(model, str | Path) or str(model) in models.model_names():
        return models.load(model)
    if isinstance(model, str) and model.lower() in models.model_names():
        return models.load(model.lower())
    what = _derivable(model)
    if what is None and not _known_types() and _TYPE.match(str(model)) and not files.exists(Path(model)):
        if str(model) in _atlas().types() and not training:
            return of_config({"model_type": str(model)})
        try:
            return models.load(model)
        except SymflopsError as error:
            hint = "; a model type of transformers needs pip install 'symflops[hf]'"
            raise SymflopsError(f"{error.message}{hint}", where=error.where) from None
    if what is None:
        return models.load(model)
    return of_config(what, training=training, peak=peak, timeout=timeout)


@contextmanager
def deriving(wanted: bool = True) -> Iterator[None]:
    """Inside, the atlas is not asked, and what is no model is derived."""
    token = _DERIVES.set(_DERIVES.get() or wanted)
    try:
        yield
    finally:
        _DERIVES.reset(token)


def of_config(what: Any, *, training: bool = False, peak: bool = False, timeout: float = DERIVATION) -> Model:
    """The model of a config, as data or by its path, from the atlas if that has it, otherwise derived; of anything else
    that `derive` takes what it gives.

    Raises SymflopsError, without PyTorch and transformers, naming the condition that the config breaks.
    """
    if training or _DERIVES.get() or (peak and _is_installed()):  # the atlas knows neither
        return derived(what, training=training, peak=peak, timeout=timeout)
    stated: Mapping[str, Any] = {}
    try:
        stated, name = config_data(what)
        found: Model = _atlas_answer().answer(stated, name)
        return found
    except SymflopsError as error:
        if _is_installed() or isinstance(error, NoConfigError):
            return derived(what, training=training, peak=peak, timeout=timeout)
        strangers.check_data(stated)
        raise SymflopsError(f"{error.message}; {INSTALL}", where=error.where) from None


def _atlas() -> Any:
    """The atlas' entries, loaded only where a config is asked for."""
    from symflops.atlas import entries

    return entries


def _atlas_answer() -> Any:
    from symflops.atlas import answer

    return answer


def _is_installed() -> bool:
    """Whether a config can be derived here, as far as can be seen without importing anything."""
    from importlib.util import find_spec

    try:
        return all(find_spec(name) is not None for name in ("torch", "transformers"))
    except (ImportError, ValueError):  # one that is hidden may have no spec
        return False


def derived(
    what: Any,
    *,
    inputs: Mapping[str, object] | Iterable[str] = (),
    fix: Collection[str] = (),
    attention: str = "fused",
    allow_unknown: bool = False,
    training: bool = False,
    peak: bool = False,
    task: str = "",
    timeout: float = DERIVATION,
    **constructor: Any,
) -> Model:
    """What `derive` gives, from the user's cache where it was derived before from the same content, by the same
    versions and with the same options; otherwise derived, and kept."""
    fed = {one.name: one.text() for one in read_inputs(inputs)}
    options = {
        "attention": attention, "allow_unknown": allow_unknown, "training": training, "peak": peak, "inputs": fed,
        "fix": sorted(fix), "set": constructor, **({"task": task} if task else {}),
    }  # fmt: skip
    key = derived_cache.key_of(what, options)
    found = derived_cache.find(key)
    if found is None:
        loaded = derived_cache.local_sources()
        found = derive(
            what, inputs=inputs, fix=fix, attention=attention, allow_unknown=allow_unknown, training=training,
            task=task, peak=peak, timeout=timeout, **constructor,
        )  # fmt: skip
        derived_cache.keep(key, found, loaded, from_hub=isinstance(what, str) and is_hub_id(what))
    return found


@such_as('derive("llama")', 'derive("config.json", attention="eager")')
def derive(
    what: Derivable,
    *,
    inputs: Inputs = (),
    fix: Collection[str] = (),
    dynamic_shapes: Mapping[str, object] | Sequence[object] = MappingProxyType({}),
    attention: str = "fused",
    allow_unknown: bool = False,
    training: bool = False,
    peak: bool = False,
    task: str = "",
    timeout: float = DERIVATION,
    **constructor: object,
) -> Model:
    """The closed-form model of a transformers config, or of a module of the user's own, derived from its source.

    `what` is a config object, a config's or a model's class, the path of a config.json or its directory, a model type
    such as "qwen3_moe", a hub id; or a module, a class of modules, a function that returns one, or the name of any of
    these: "torch.nn.Conv2d", "torchvision.models:resnet50", "path/to/model.py:GPT".

    `inputs` are what a module is fed, by argument: `{"tokens": "int64[batch_size, seq_len]"}`, or as one text each,
    `["tokens: int64[batch_size, seq_len]"]`; a dimension is a polynomial in run symbols, its own among them,
    and in the constructor's arguments. `**constructor` are these arguments: integers, given or defaults, become symbols
    of the model, but for those named in `fix`. The sizes of a module that is already built are numbers. Without inputs,
    those are taken that the annotations of its forward state in jaxtyping's form, `Float[Tensor, "batch seq dim"]`;
    a class without any and without arguments is called on tensors of the usual shapes.

    An input may be an example tensor: its dimensions are numbers but for those that `dynamic_shapes` names, as
    torch.export takes them: `{"x": {0: "batch_size"}}`; several may be given in the order of the arguments, `(x, y)`.
    An argument may be a dictionary, a list, a tuple or a record of inputs, `{"batch": {"image": "float[n, 8]"}}`
    or, as texts, `batch.image: float[n, 8]` and `features.0: …`, and a plain value: `{"return_dict": False}`.

    `attention` is "fused" (one kernel, no score matrix) or "eager" (scores and probabilities are materialised). With
    `allow_unknown`, an operation of unknown cost stays in the total as a symbol `unknown_<operation>`; otherwise it
    is an error that names it. `task` names the class of a config's type where the config names none, as transformers'
    tables of classes do: "masked-lm", "image-classification", "seq2seq", "base". With `training` the model is called in
    training mode, with dropout and without a cache, and each layer says what its backward costs and what its forward
    keeps for it. With `peak` the file says what the model holds in memory at its fullest, for `memory`. `timeout` is in
    seconds of processor time. Needs the extra `symflops[hf]`.

    Raises SymflopsError, one line, for everything that stops a derivation: remote code, values that the config refuses,
    control flow that depends on the values of tensors, an unknown operation, the end of its time.
    """
    with progress.shown("deriving"):
        progress.at("loading PyTorch and transformers")
        with extra():
            from symflops.trace import alone, classes, stated
            from symflops.trace import constructor as constructors
            from symflops.trace import derive as trace
        if isinstance(what, str) and is_class_name(what) and not files.exists(what) and not is_model_type(what):
            what = classes.find_source(what)
        is_own = constructors.is_own(what)
        fed = stated.stated(what if is_own else None, inputs, dynamic_shapes)
        if isinstance(what, type) and is_own and not (fed or fix or constructor or training):
            return alone.model(what)
        if (fix or constructor) and not is_own:
            raise SymflopsError("only the constructor of a module takes arguments; a config has its own values")
        if is_own and not fed:
            raise SymflopsError(stated.wanted(what))
        return trace.derive(
            what, inputs=fed, arguments=constructor, fixed=fix, attention=attention, allow_unknown=allow_unknown,
            training=training, task=task, peak=peak, timeout=timeout,
        )  # fmt: skip


def recorded(model: ModelLike, *, timeout: float = DERIVATION) -> Program:
    """The program of one call of what is derived from a config, a model type, a hub id or the class of a model.

    Raises SymflopsError for a model file, which has layers and no steps.
    """
    what = None if isinstance(model, Model) else dict(model) if isinstance(model, Mapping) else _derivable(model)
    if what is None:
        raise SymflopsError(
            f"{str(model)[:100]} is a model file, which has layers and no steps: name a config or a type"
        )
    with progress.shown("recording"):
        progress.at("loading PyTorch and transformers")
        with extra():
            from symflops.trace import recorded as trace
        return trace.recorded(what, timeout=timeout)


def of_call(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Model, dict[str, int], str]:
    """The model of one call of a module that is there, the values of run symbols at it, and why its batch is a number,
    where the source needs one; otherwise it is a symbol."""
    with progress.shown("counting"):
        with extra():
            from symflops.trace import derive as trace
            from symflops.trace import example
        call = example.example(module, args, kwargs)
        point = dict(call.point)
        try:
            return trace.derive(module, inputs=call.inputs, given=call.given), point, ""
        except SymflopsError as error:
            if point.pop(BATCH, None) is None:
                raise
            return trace.derive(module, inputs=call.in_numbers, given=call.given), point, error.message


def bind(model: Model, config: Any, *, timeout: float = DERIVATION) -> Model:
    """The same closed form with the values of another config of the same architecture. A config that breaks an
    assumption is derived, within `timeout` seconds of processor time, to see whether it costs the same all the same.

    Raises SymflopsError naming the assumption that the config breaks.
    """
    if not _is_installed() and model.derived_from:
        other = of_config(config)
        if other.derived_from != model.derived_from:
            why = f"the config is of {other.derived_from}, the model was derived from {model.derived_from}"
            raise SymflopsError(why, where=model.name)
        return replace(other, name=model.name)
    with extra():
        from symflops.trace import binding
    return binding.bind(model, config, partial(derived, timeout=timeout))


def model_types() -> tuple[str, ...]:
    """The model types that transformers knows configs of."""
    with extra():
        from symflops.trace import configs
    return configs.model_types()


@contextmanager
def extra() -> Iterator[None]:
    """PyTorch and transformers are imported inside; without them, or with others than the tested ones, one line."""
    try:
        yield
    except ImportError as error:
        raise SymflopsError(
            f"deriving a model needs PyTorch and transformers ({error}): pip install 'symflops[hf]'"
        ) from None


def _derivable(model: str | Path) -> Any:
    """What is to be derived, in the words of `derive`; None for a model file, and for what nobody knows."""
    path, text = Path(model), str(model)
    if files.exists(path):
        return path if leads_to_config(path) else None
    if is_model_type(text):
        return text.lower()
    return text if is_class_name(text) or is_hub_id(text) else None


def is_model_type(text: str) -> bool:
    """Whether transformers, where it is installed, has a model type of this name, in either case."""
    return text.lower() in _known_types()


@cache
def _known_types() -> frozenset[str]:
    """The model types that transformers knows, and perhaps a few words more, read without importing it."""
    from importlib.util import find_spec

    spec = find_spec("transformers")
    if spec is None or spec.origin is None:
        return frozenset()
    auto = Path(spec.origin).parent / "models" / "auto"
    texts = [p.read_text("utf-8") for p in auto.glob("*.py") if p.stem in ("auto_mappings", "configuration_auto")]
    return frozenset(re.findall(r'"([A-Za-z0-9_-]+)"[:,] "\w+Config"', "\n".join(texts)))
