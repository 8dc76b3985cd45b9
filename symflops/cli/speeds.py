"""How fast a machine generates text: the options of `symflops generation` that ask for it, and the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops import units
from symflops.cli import answers
from symflops.cli.quantities import aligned
from symflops.errors import SymflopsError
from symflops.model import Model

if TYPE_CHECKING:
    from symflops.analysis.times import Times

Price = Annotated[
    str | None,
    typer.Option("--price-per-hour", metavar="MONEY", help="of one device, for the price of a million tokens"),
]


@dataclass(frozen=True)
class Asked:
    """A machine, and what else was said of it."""

    machine: str
    devices: int | None
    dtype: str | None
    price: float | None

    @staticmethod
    def of(
        machine: str | None, devices: int | None, dtype: str | None, price: str | None, *, is_printed: bool
    ) -> Asked | None:
        """What was asked for; None without a machine, which the other options need."""
        if machine is None:
            others = {"--devices": devices, "--dtype": dtype, "--price-per-hour": price}
            for name, value in others.items():
                if value is not None:
                    raise SymflopsError(f"{name} is of a machine: name it with --hardware")
            return None
        if not is_printed:
            raise SymflopsError("--hardware: how fast a machine is, is given with --format text or json alone")
        return Asked(machine, devices, dtype, None if price is None else float(units.number(price, "--price-per-hour")))

    def beside(self, shown: str, model: Model, given: Mapping[str, Any], is_json: bool) -> str:
        """The cost that was printed, and how fast the machine is at that point."""
        from symflops.analysis.times import times

        found = times(model, self.machine, devices=self.devices, dtype=self.dtype, price_per_hour=self.price, **given)
        return answers.dump({**json.loads(shown), "times": _data(found)}) if is_json else f"{shown}\n\n{_text(found)}"


def _text(found: Times) -> str:
    columns = ("", *found.speeds)
    table = aligned([columns, *found.rows], (False, *(True for _ in found.speeds)))
    return "\n".join([found.sentence, table, *found.notes])


def _data(found: Times) -> dict[str, Any]:
    return {
        "hardware": found.hardware.name,
        "devices": found.hardware.devices,
        "dtype": found.dtype,
        "at": answers.given(found.values),
        **{name: dict(speed.numbers) for name, speed in found.speeds.items()},
        "binds": dict(zip(("prompt", "steps"), found.binds, strict=True)),
        "sentence": found.sentence,
        "notes": list(found.notes),
    }
