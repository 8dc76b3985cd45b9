"""Calls of public functions: an argument that one does not take is refused in a line that says what to write."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from symflops.errors import SymflopsError, nearest, one_line
from symflops.vocabulary.metrics import METRICS

P = ParamSpec("P")
R = TypeVar("R")


def such_as(*examples: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A public function whose mistaken calls are answered with examples of right ones.

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

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > len(places):
                raise _surplus(function.__name__, args[len(places)], len(places) - ("self" in places), examples)
            if not takes_any:
                for name in kwargs:
                    if name not in names:
                        raise _unknown(function.__name__, name, names, examples)
            return function(*args, **kwargs)

        return called

    return decorated


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
