"""What the user named becomes something that has a cost: a formula, a model, a layer of one, a class, or a text.

Tried in this order: a file (`.toml` is a formula, anything else a model or a config), `MODEL:LAYER`, a name of the
library, a shipped model, a class, and last the text of a formula. A word that is none of these is no formula either,
unless the other side of a comparison has that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec

from symflops import files, source, verification
from symflops import model as models
from symflops.calling import such_as
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError, nearest
from symflops.formula import AmbiguousClassError, Formula, formula_for_class, formula_names, load_formula, read_formula
from symflops.handles import is_class_name, means
from symflops.layer import Layer, Part
from symflops.meaning import LETTER, is_known
from symflops.model import Model
from symflops.tree import names, read
from symflops.verification import Verdict
from symflops.verification.subject import layer_of, one_layer

P = ParamSpec("P")
_FUNCTION = re.compile(r"([a-z_][A-Za-z0-9_]*\.)+[a-z_][A-Za-z0-9_]*\Z")  # formulas may answer for one as for a class
_WORD = re.compile(r"[A-Za-z_][\w.-]*\Z")  # what a model or a formula of the library may be called
_TRANSFORMERS = re.compile(r"transformers\.models\.([a-z0-9_]+)\.")


def named(text: str, timeout: float = DERIVATION) -> Formula | Model | str:
    """The formula, the model, the layer or the class behind a name; the text itself where it names none of these.

    >>> named("linear").about, named("llama-2-7b-hf:mlp.gate_proj").total().matmul_flops
    ('y = x W^T + b over N rows', 90177536*batch_size*seq_len)
    >>> named("2*N*h")
    '2*N*h'

    Raises SymflopsError for a file that cannot be read, a layer that a model does not have, and a class that nothing
    knows and that cannot be derived.
    """
    path, layer = text, ""
    if ":" in text and not files.exists(text) and not _is_class(text):
        path, _, layer = text.rpartition(":")
    if path.endswith(".toml"):
        if layer:
            raise SymflopsError(f"a formula has no layers: {layer[:100]!r}", where=path)
        return read_formula(Path(path))
    is_word = _WORD.match(path) is not None
    if layer or path.endswith(".json") or (is_word and path in models.model_names()) or _is_file(path):
        model = source.load(path, timeout=timeout)
        return layer_of(model, layer) if layer else model
    if is_word and text.lower() in formula_names():
        return load_formula(text.lower())
    if is_word and source.is_model_type(text):
        return source.load(text, timeout=timeout)
    return of_class(text, timeout) if _is_class(text) else text


def _is_class(text: str) -> bool:
    """Whether a text names a class, or a function, and no layer of a model that is there."""
    model, colon, _ = text.partition(":")
    if colon and (model in models.model_names() or source.is_model_type(model)):
        return False
    return is_class_name(text) or _FUNCTION.match(text) is not None


def _of_named(function: Callable[P, Verdict]) -> Callable[P, Verdict]:
    """`verify` of what the texts name: a model's name is that model, in Python as on the command line."""
    taken = signature(function)

    @wraps(function)
    def verify(*args: P.args, **options: P.kwargs) -> Verdict:
        call = taken.bind(*args, **options)
        for side in ("candidate", "reference"):
            thing = call.arguments[side]
            call.arguments[side] = named(thing) if isinstance(thing, str) else thing
        told = [call.arguments.get(name) for name in ("rename", "set", "assume")]
        check_words(call.arguments["candidate"], call.arguments["reference"], told)
        return function(*call.args, **call.kwargs)

    return verify


verify = such_as('verify("6*B*S*h*i", "llama-2-7b-hf:mlp", "matmul_flops")')(_of_named(verification.verify))


def check_words(candidate: Any, reference: Any, options: Any = ()) -> None:
    """Raise SymflopsError for a side that is one word and no name of the other side: a mistyped model is no formula.

    >>> check_words("B*S*h", "gpt3")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: no such model 'gpt3'; did you mean 'gpt2'?
    """
    for text, other in ((candidate, reference), (reference, candidate)):
        if not isinstance(text, str) or len(text) < 2 or not _WORD.match(text) or LETTER.match(text):
            continue
        own = _names_in(text)
        if own and (any(is_known(name) for name in own) or own & (_names_of(other) | _names_in_all(options))):
            continue
        hint = nearest(text, [*models.model_names(), *formula_names()])
        raise SymflopsError(f"no such model {text[:100]!r}{hint or ', and the other side has no such name'}")


def _names_of(thing: Any) -> set[str]:
    """The names that one side has."""
    if isinstance(thing, str):
        return _names_in(thing)
    if isinstance(thing, Model):
        return {*thing.definitions, *thing.run}
    if isinstance(thing, Formula):
        return {*thing.args, *thing.defaults}
    return {str(symbol) for symbol in getattr(thing, "free_symbols", ())}


def _names_in(text: str) -> set[str]:
    try:
        return names(("", read(text)))
    except SymflopsError:
        return set()


def _names_in_all(options: Any) -> set[str]:
    """The names in options, however they are nested."""
    if isinstance(options, str):
        return set(re.findall(r"[A-Za-z_]\w*", options))
    if isinstance(options, dict):
        return _names_in_all([*options, *options.values()])
    return set().union(*map(_names_in_all, options)) if isinstance(options, list | tuple) else set()


def _is_file(path: str) -> bool:
    return "/" in path and files.exists(path)


def of_class(name: str, timeout: float = DERIVATION) -> Formula | Model:
    """What a class costs, by its full, public or short name or by its file: a formula of the library, a layer of a
    shipped model, or, with PyTorch and transformers installed, a layer of the model of its type, or itself, derived.

    Raises SymflopsError where none of these knows it.
    """
    try:
        return formula_for_class(name)
    except AmbiguousClassError:
        raise
    except SymflopsError:  # the library has none
        found = layer_of_class(name, timeout)
    return source.derived(name, timeout=timeout) if found is None else found


def layer_of_class(name: str, timeout: float = DERIVATION) -> Model | None:
    """A layer of that class in a shipped model or, derived, in the model of its type; or a whole model of the class."""
    for shipped in models.model_names():
        found = _with_class(models.load(shipped), name)
        if found is not None:
            return found
    for kind in _kinds(name):
        found = _with_class(source.derived(kind, timeout=timeout), name)
        if found is not None:
            return found
    return None


def _kinds(name: str) -> Iterator[str]:
    """The model types that may have a class: the one in its full name, or those that its short name begins with."""
    full = _TRANSFORMERS.match(name)
    if full:
        yield full[1]
    elif "." not in name:
        plain = {kind: kind.replace("_", "").replace("-", "").lower() for kind in source.model_types()}
        fitting = [kind for kind, word in plain.items() if name.lower().startswith(word)]
        yield from sorted(fitting, key=lambda kind: -len(plain[kind]))[:2]


def _with_class(model: Model, name: str) -> Model | None:
    """The model if it is of a class, or its first layer of that class, run once."""
    if means(name, model.class_name):
        return model
    stack: list[tuple[str, Part]] = [(p.name, p) for p in reversed(model.root.parts)]
    while stack:
        path, part = stack.pop()
        layer: Layer = part.layer
        if means(name, layer.class_name):
            return one_layer(model, layer, path)
        stack += [(f"{path}.{p.name}", p) for p in reversed(layer.parts)]
    return None
