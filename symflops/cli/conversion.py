"""Options that have a value of their kind already are not converted: typer's conversion imports pydantic, which takes
a third of the time of a total, and texts, flags and defaults need none of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin


def spared(parameters: list[Any], function: Callable[..., Any] | None) -> list[Any]:
    """The parameters of a command, which convert what is given only where the function's annotations ask for it."""
    annotations = getattr(function, "__annotations__", {})
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            kinds = _kinds(annotations[parameter.name]) if parameter.name in annotations else ()
            parameter.process_value = _sparing(parameter, tuple(kinds))
    return parameters


def _sparing(parameter: Any, kinds: tuple[type, ...]) -> Callable[[Any, Any], Any]:
    convert = parameter.process_value
    is_list = parameter.multiple or parameter.nargs == -1

    def process_value(context: Any, value: Any) -> Any:
        values = value if is_list and isinstance(value, list | tuple) else (value,)
        if value is None and not parameter.required:
            value = () if is_list else None
        elif values and all(isinstance(one, kinds) for one in values):
            value = list(values) if is_list else value
        else:
            return convert(context, value)
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    return process_value


def _kinds(annotation: Any) -> Iterator[type]:
    """The types of the values that an option takes: those of `Annotated[list[str] | None, …]` are texts.

    >>> list(_kinds(list[str] | None)), list(_kinds(bool))
    ([<class 'str'>], [<class 'bool'>])
    """
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if annotation is not type(None):
            yield annotation
    elif get_origin(annotation) in (Union, UnionType, list):
        for one in get_args(annotation):
            yield from _kinds(one)
    elif get_args(annotation):  # Annotated
        yield from _kinds(get_args(annotation)[0])
