"""How fast a machine generates text: the options of `symflops generation` that ask for it, and the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops import units
from symflops.cli import answers, request
from symflops.cli.quantities import aligned
from symflops.errors import SymflopsError
from symflops.model import Model

if TYPE_CHECKING:
    from symflops.analysis.times import Times

Price = Annotated[
    str | None,
    typer.Option("--price-per-hour", metavar="MONEY", help="of one device, for the price of a million tokens"),
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="whose efficiencies: server or llama.cpp (default: by the machine)"),
]
Efficiency = Annotated[
    list[str] | None,
    typer.Option("--efficiency", metavar="NAME=VALUE", help="a coefficient of your own, as weights=1.2; repeatable"),
]
Calibrate = Annotated[
    str | None,
    typer.Option("--calibrate", metavar="FILE", help="a CSV file of your own measurements to fit the estimate to"),
]
_SCALES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class AskedMachine:
    """A machine, and what else was said of it."""

    machine: str
    options: Mapping[str, Any]

    @staticmethod
    def of(
        machine: str | None,
        *,
        is_printed: bool,
        devices: int | None,
        dtype: str | None,
        engine: str | None,
        efficiency: list[str] | None,
        calibrate: str | None,
        price: str | None,
    ) -> AskedMachine | None:
        """What was asked for; None without a machine, which the other options need."""
        others = {
            "--devices": devices, "--dtype": dtype, "--engine": engine, "--efficiency": efficiency or None,
            "--calibrate": calibrate, "--price-per-hour": price,
        }  # fmt: skip
        if machine is None:
            for name, value in others.items():
                if value is not None:
                    raise SymflopsError(f"{name} is of a machine: name it with --hardware")
            return None
        if not is_printed:
            raise SymflopsError("--hardware: how fast a machine is, is given with --format text or json alone")
        options = {
            "devices": devices, "dtype": dtype, "engine": engine, "calibrate": calibrate,
            "efficiency": _coefficients(efficiency),
            "price_per_hour": None if price is None else float(units.number(price, "--price-per-hour")),
        }  # fmt: skip
        return AskedMachine(machine, options)

    def beside(self, shown: str, model: Model, given: Mapping[str, Any], *, is_json: bool) -> str:
        """The cost that was printed, and how fast the machine is at that point."""
        from symflops.analysis.times import times

        found = times(model, self.machine, as_written=model.serving is None, **self.options, **given)
        return answers.dump({**json.loads(shown), "times": _data(found)}) if is_json else f"{shown}\n\n{_text(found)}"


def _coefficients(texts: list[str] | None) -> dict[str, float]:
    """Coefficients by name; times with a unit, such as layer=60us."""
    found = {}
    for name, text in request.pairs(texts, "--efficiency").items():
        unit = next((unit for unit in _SCALES if text.endswith(unit)), None)
        scale = 1.0 if unit is None else _SCALES[unit]
        found[name] = float(units.number(text.removesuffix(unit or "").strip(), f"--efficiency {name}")) * scale
    return found


def _text(found: Times) -> str:
    columns = ("", *found.speeds)
    table = aligned([columns, *found.rows], (False, *(True for _ in found.speeds)))
    return "\n".join([found.sentence, table, *found.said])


def _data(found: Times) -> dict[str, Any]:
    return {
        "hardware": found.hardware.name,
        "devices": found.hardware.devices,
        "dtype": found.dtype,
        "at": answers.given(found.values),
        **{name: dict(speed.numbers) for name, speed in found.speeds.items()},
        "binds": dict(zip(("prompt", "steps"), found.binds, strict=True)),
        "engine": found.efficiency.name,
        "efficiency": dict(found.efficiency.coefficients),
        "error": {name: vars(error) for name, error in found.efficiency.errors.items()},
        "sentence": found.sentence,
        "said": list(found.said),
    }
