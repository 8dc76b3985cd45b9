"""A layer whose constructor never looks at its place in a list is constructed three times, however many there are.

The place is an argument such as `layer_idx`: the one integer in which two constructions differ. The third is given a
`Place`, with which nothing can be done but keep it and hand it on; when that is all that the constructor does, the
layers at all other places are what this one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch import nn

from symflops.trace.repeats import is_part_of_state, take_over

Made = dict[type, list[nn.Module]]  # the modules of each class, in the order of their construction


class _UsedError(Exception):
    """A constructor looked at a place."""


class OpaquePlace:
    """An integer that nobody may look at."""

    used = False


def _refuse(self: OpaquePlace, *_: Any) -> Any:
    self.used = True
    raise _UsedError


# All that an integer can do, and copying.
for _operation in {*vars(int), "__copy__", "__deepcopy__", "__format__", "__reduce__", "__reduce_ex__"} - {
    "__new__", "__getattribute__", "__doc__", "__getnewargs__",
}:  # fmt: skip
    if _operation.startswith("__"):
        setattr(OpaquePlace, _operation, _refuse)


@contextmanager
def noted(made: Made) -> Iterator[None]:
    """Inside, the modules that are made are noted; those that equal another one by their arguments take over its
    parts instead of being constructed."""
    with ExitStack() as stack:
        plain = nn.Module.__init__

        def constructor(self: nn.Module, *args: Any, **kwargs: Any) -> None:
            kind = type(self)
            if kind not in made and "__init__" in vars(kind):
                by_kind = _Constructor(kind, made)
                stack.enter_context(patch.object(kind, "__init__", lambda *a, **k: by_kind(*a, **k)))
            made.setdefault(kind, []).append(self)
            plain(self, *args, **kwargs)

        stack.enter_context(patch.object(nn.Module, "__init__", constructor))
        yield


class _Constructor:
    """The constructor of one class."""

    def __init__(self, kind: type, made: Made) -> None:
        self.kind, self.made = kind, made
        self.construct: Any = vars(kind)["__init__"]
        self.arguments: list[Any] = []  # of the example, or while there is none of the construction before
        self.places: list[int] = []  # which of them are places
        self.example: nn.Module | None = None  # that never looked at its place

    def __call__(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(module) is not self.kind:  # one of a derived class, whose constructor calls this one
            self.construct(module, *args, **kwargs)
            return
        given = [*args, tuple(kwargs), *kwargs.values()]
        if self.example is not None and _differing(given, self.arguments) == self.places:
            take_over(module, self.example)
            self.made[self.kind].append(module)
            return
        if self.example is None:
            places, self.arguments = _differing(given, self.arguments), given
            if places and self._never_looks(module, places, len(args)):
                self.example, self.places = module, places
                return
        self.construct(module, *args, **kwargs)

    def _never_looks(self, module: nn.Module, places: list[int], positional: int) -> bool:
        """Construct with places that nobody may look at; if somebody does, as if it had never been tried."""
        put: list[Any] = [OpaquePlace() if i in places else a for i, a in enumerate(self.arguments)]
        named = dict(zip(put[positional], put[positional + 1 :], strict=True))
        so_far = {kind: len(modules) for kind, modules in self.made.items()}
        try:
            self.construct(module, *put[:positional], **named)
        except Exception:  # what else is wrong with it shows when it is constructed with its own arguments
            tried = False
        else:
            hidden = [put[i] for i in places]
            tried = not any(p.used for p in hidden) and not _kept_elsewhere(module, hidden)
        if not tried:
            vars(module).clear()
            for kind, modules in self.made.items():
                del modules[so_far.get(kind, 0) :]
        return tried


def _differing(given: list[Any], others: list[Any]) -> list[int]:
    """Where arguments differ from others, if in integers alone; else nowhere."""
    if len(given) != len(others):
        return []
    pairs = enumerate(zip(given, others, strict=True))
    different = [i for i, (a, b) in pairs if not (a is b or (type(a) is type(b) is tuple and a == b))]
    return different if all(type(given[i]) is type(others[i]) is int for i in different) else []


def _kept_elsewhere(module: nn.Module, places: list[Any]) -> bool:
    """Whether a place is kept as something else than a place: then it is part of what the module is."""
    return any(
        _holds(value, places) for m in module.modules() for name, value in vars(m).items() if is_part_of_state(name)
    )


def _holds(value: Any, places: list[Any]) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds(v, places) for v in value)
    return any(value is p for p in places)
