"""Calls of public functions: an argument that one does not take is refused in a line that says what to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from fractions import Fraction
from functools import wraps
from inspect import Parameter, signature
from itertools import islice
from typing import Any, ParamSpec, TypeVar

from symflops.errors import SymflopsError, nearest, one_line
from symflops.polynomial import Polynomial
from symflops.vocabulary.metrics import METRICS

P = ParamSpec("P")
R = TypeVar("R")

_MOST = 10_000  # names in a list; an iterator may have no end


def such_as(*examples: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A public function whose mistaken calls are answered with examples of right ones. The types of its arguments are
    checked, as by `checked`.

    >>> @such_as("total().flops", "total().at(batch_size=1, seq_len=2048)")
    ... def total(*, symbolic=False): ...
    >>> total("flops")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: total('flops'): total takes no positional arguments; write total().flops or \
total().at(batch_size=1, seq_len=2048)
    >>> total(symbolc=True)
    Traceback (most recent call last):
    symflops.errors.SymflopsError: total(symbolc=…): no such argument; did you mean 'symbolic'?
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        parameters = signature(function).parameters.values()
        places = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
        names = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
        names = [name for name in names if name != "self"]
        takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
        inner = checked(function)

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > len(places):
                raise _surplus(function.__name__, args[len(places)], len(places) - ("self" in places), examples)
            if not takes_any:
                for name in kwargs:
                    if name not in names:
                        raise _unknown(function.__name__, name, names, examples)
            return inner(*args, **kwargs)

        return called

    return decorated


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A public function whose arguments are of the types that its annotations say: texts, True or False, lists of names
    and values by names. What other types mean is for the function itself to say.

    >>> @checked
    ... def total(metric: str = "flops", *, names: Iterable[str] = ()): ...
    >>> total(None)
    Traceback (most recent call last):
    symflops.errors.SymflopsError: expected metric to be a text, got NoneType
    >>> total(names=["a", []])
    Traceback (most recent call last):
    symflops.errors.SymflopsError: expected names to be a list of texts, got one with a list in it
    """
    parameters = [*signature(function).parameters.values()]
    places = [_READ.get(p.annotation) for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    where = [p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    options = {p.name: read for p in parameters if (read := _READ.get(p.annotation)) and p.kind in _BY_NAME}

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        given: list[Any] = [
            value if i >= len(places) or (read := places[i]) is None else read(where[i], value)
            for i, value in enumerate(args)
        ]
        named: dict[str, Any] = {
            name: options[name](name, value) if name in options else value for name, value in kwargs.items()
        }
        return function(*given, **named)

    return called


_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_Read = Callable[[str, Any], Any]


def _text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise _refused(name, "a text", value)
    return value


def _flag(name: str, value: Any) -> Any:
    if type(value) is not bool and type(value).__name__ not in ("bool", "bool_"):  # NumPy's own
        raise _refused(name, "True or False", value)
    return bool(value)


def _texts(name: str, value: Any) -> Any:
    """A list of texts; iterators can be read once only, and some never end."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | bytearray):
        raise _refused(name, "a list of texts", value)
    found = [*islice(value, _MOST + 1)]
    for one in found:
        if not isinstance(one, str):
            raise SymflopsError(f"expected {name} to be a list of texts, got one with a {type(one).__name__} in it")
    if len(found) > _MOST:
        raise SymflopsError(f"{name}: more than {_MOST:,} texts")
    return value if isinstance(value, tuple | list | AbstractSet | Mapping) else tuple(found)


def _set_of_texts(name: str, value: Any) -> Any:
    found = _texts(name, value)
    return found if isinstance(found, AbstractSet) else frozenset(found)


def _by_name(name: str, value: Any) -> Any:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _refused(name, "values by the names of symbols", value)
    return value


def _canonical(name: str, value: Any) -> Any:
    for key, one in _by_name(name, value).items():
        if not isinstance(one, int | Fraction | Polynomial):
            raise _refused(f"{name}[{key[:60]!r}]", "a number or a canonical value", one)
    return value


def _texts_by_name(name: str, value: Any) -> Any:
    for key, text in _by_name(name, value).items():
        if not isinstance(text, str):
            raise _refused(f"{name}[{key[:60]!r}]", "a text", text)
    return value


def _texts_or_by_name(name: str, value: Any) -> Any:
    return _by_name(name, value) if isinstance(value, Mapping) else _texts(name, value)


def _inputs(name: str, value: Any) -> Any:
    """Texts, or what stands for the arguments of a call: by name, in their order, or the only one."""
    is_call = isinstance(value, list | tuple) and not any(isinstance(one, str) for one in value)
    return value if is_call or hasattr(value, "shape") else _texts_or_by_name(name, value)


def _or_none(read: _Read) -> _Read:
    return lambda name, value: None if value is None else read(name, value)


_KINDS: dict[str, _Read] = {
    "str": _text,
    "bool": _flag,
    **dict.fromkeys(("Iterable[str]", "Collection[str]"), _texts),
    "AbstractSet[str]": _set_of_texts,
    **{f"Mapping[str, {of}]": _by_name for of in ("Any", "Number", "Numeric", "Formulaic")},
    "Mapping[str, Value]": _canonical,
    "Mapping[str, str]": _texts_by_name,
    "Inputs": _inputs,
}
_READ = _KINDS | {f"{kind} | None": _or_none(read) for kind, read in _KINDS.items()}
"""What is made of an argument, by its annotation; one that is not here says nothing that could be checked."""


def _refused(name: str, kind: str, value: Any) -> SymflopsError:
    return SymflopsError(f"expected {name} to be {kind}, got {type(value).__name__}")


def _surplus(function: str, given: Any, taken: int, examples: tuple[str, ...]) -> SymflopsError:
    shown = one_line(repr(given) if isinstance(given, str | int | float) else f"a {type(given).__name__}", 60)
    call = f"{function}({'…, ' if taken else ''}{shown})"
    what = f"takes {taken or 'no'} positional argument{'s' * (taken != 1)}"
    if isinstance(given, str) and given in METRICS:
        examples = tuple(example.replace("flops", given) for example in examples)
    return SymflopsError(f"{call}: {function} {what}{_written(examples)}")


def _unknown(function: str, name: str, names: list[str], examples: tuple[str, ...]) -> SymflopsError:
    hint = nearest(name, names)
    more = "" if "mean" in hint else _written(examples)
    return SymflopsError(f"{function}({name[:60]}=…): no such argument{hint}{more}")


def _written(examples: tuple[str, ...]) -> str:
    return f"; write {' or '.join(examples)}" if examples else ""
