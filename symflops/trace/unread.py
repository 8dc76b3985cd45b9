"""Weights that no forward reads, which are parameters all the same: as layers that cost nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from symflops.polynomial import Value, add
from symflops.trace.layer_data import Data, full_name, parameters_only
from symflops.trace.quantity import Quantities, product
from symflops.trace.repeats import every_parameter, taken_from
from symflops.trace.serials import storage_key


@dataclass
class Unread:
    """The weights of a model's modules that a record does not count. `run` are the modules that ran, `owners` are those
    of the weights that are counted, by their memory."""

    quantities: Quantities
    run: set[torch.nn.Module]
    owners: dict[int, str]
    is_read: Callable[[torch.nn.Parameter], bool]

    def of(self, module: torch.nn.Module) -> list[tuple[str, Data]]:
        """Weights that the forward never reads: they are parameters all the same."""
        found = []
        count = self.count((p, False) for p in module.parameters(recurse=False))
        if count != 0:
            found.append(("unused_weights", parameters_only(count)))
        for name, child in module.named_children():
            found += self.never_run(name, child)
        return found

    def never_run(self, name: str, module: torch.nn.Module) -> list[tuple[str, Data]]:
        if module in self.run:
            return []
        if not any(m in self.run for m in module.modules()):
            data = self._all_unread(module, taken_from(module) is not None)
            return [(name, data)] if data else []
        own = self.count((p, False) for p in module.parameters(recurse=False))
        found = [(f"{name}.unused_weights", parameters_only(own))] if own != 0 else []
        for child_name, child in module.named_children():
            found += self.never_run(f"{name}.{child_name}", child)
        return found

    def _all_unread(self, module: torch.nn.Module, again: bool) -> Data:
        """A module nothing of which runs: its weights, of the layers in its lists one by one, so that they fold."""
        again = again or taken_from(module) is not None
        data: Data = {} if type(module) is torch.nn.ModuleList else {"class": full_name(type(module))}
        if not any(isinstance(m, torch.nn.ModuleList) and len(m) > 1 for m in module.modules()):
            count = self.count(every_parameter(module), again)
            return data | parameters_only(count) if count != 0 else {}
        own = self.count(((p, False) for p in module.parameters(recurse=False)), again)
        below = {"unused_weights": parameters_only(own)} if own != 0 else {}
        below |= {n: found for n, child in module.named_children() if (found := self._all_unread(child, again))}
        return data | {"sub_layers": below} if below else {}

    def count(self, parameters: Iterable[tuple[torch.nn.Parameter, bool]], again: bool = False) -> Value:
        """How many weights nothing read or counted; those of a layer that was built once for several count `again`."""
        total: Value = 0
        for parameter, shared in parameters:
            key = storage_key(parameter)
            if not self.is_read(parameter) and (again or shared or key not in self.owners):
                self.owners[key] = "unused"
                total = add(total, product(self.quantities.shape(parameter.shape)))
        return total
