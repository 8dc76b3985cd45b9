"""What one call of a module costs, by module: the one-liner of those who count FLOPs of a module that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from symflops import notebook
from symflops.cost import METRICS, Cost
from symflops.model import Model
from symflops.source import of_call
from symflops.units import exact_number

_SHOWN = ("flops", "matmul_flops", "parameters")


@dataclass(frozen=True, repr=False)
class Count(Cost):
    """The exact cost of one call of a module: a Cost in numbers, as `Cost.at` gives them.

    `by_module` has the same of each module by its path, groups among them, each with all its runs. `formula` is the
    closed form in `batch_size` that the numbers come from, and `model` is the module as a Model. `fixed` says why the
    batch stayed a number, if it did.
    """

    model: Model = None  # type: ignore[assignment]  # always given; fields before it have defaults
    point: Mapping[str, int] = field(default_factory=dict)
    fixed: str = ""

    @property
    def formula(self) -> Cost:
        """The closed form of the whole module, in `batch_size`."""
        return self.model.total()

    @cached_property
    def by_module(self) -> dict[str, Cost]:
        """The cost of each module, by path, in the order in which they run; repeated layers are one."""
        return {row.path: row.total.at(**self.point) for row in self.model.rows(groups=True)}

    def __repr__(self) -> str:
        rows = [*((path, *self._numbers(cost)) for path, cost in self._top.items()), ("total", *self._numbers(self))]
        table = notebook.text(("module", *_SHOWN), rows, (False, *(True for _ in _SHOWN)))
        return f"{table}\n{self._below()}"

    def _repr_html_(self) -> str:
        every = [*self.by_module.items(), ("total", self)]
        rows = [(path, *(exact_number(cost.number(m)) for m in METRICS)) for path, cost in every]
        return notebook.table(("module", *METRICS), rows, (False, *(True for _ in METRICS)), self._below())

    @property
    def _top(self) -> dict[str, Cost]:
        """The modules two levels deep, which a prompt has room for."""
        return {path: cost for path, cost in self.by_module.items() if path.count(".") < 2}

    @staticmethod
    def _numbers(cost: Cost) -> list[str]:
        return [f"{cost.number(metric):,}" for metric in _SHOWN]

    def _below(self) -> str:
        fed = ", ".join(f"{one.name}: {one.text()}" for one in self.model.inputs)
        notes = "".join(f"\n{note}" for note in self.model.notes)
        if self.fixed:
            return f"fed {fed}; the batch is a number here: {self.fixed}{notes}"
        return f"fed {fed}; matmul_flops = {self.formula.text('matmul_flops')}{notes}"


def count(module: Callable[..., object], *args: object, **kwargs: object) -> Count:
    """The cost of one call `module(*args, **kwargs)` of a torch.nn.Module, exactly and by module.

    Nothing is computed: the forward is recorded on tensors without memory. The batch, the first dimension of the first
    tensor, is a symbol meanwhile, so that `formula` answers for every batch. `causal` is 0. Bytes are those of the
    module's own number format.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    >>> found = count(net, torch.zeros(3, 8))
    >>> found.matmul_flops, found.parameters, found.by_module["0"].matmul_flops
    (1152, 212, 768)
    >>> found.formula.matmul_flops
    384*batch_size

    Needs the extra `symflops[hf]`. Raises SymflopsError, one line, as `derive` does, and for arguments that are neither
    tensors nor plain values.
    """
    model, point, fixed = of_call(module, args, kwargs)
    at = model.total().at(**point)
    return Count(**{**vars(replace(at)), "model": model, "point": point, "fixed": fixed})
