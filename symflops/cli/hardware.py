"""`symflops hardware`: the machines that `roofline` knows, and where their numbers are from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.cli import answers
from symflops.cli.quantities import aligned, engineering
from symflops.numeric import whole

if TYPE_CHECKING:
    from symflops.analysis.hardware import Hardware

_SOURCED = ("devices", "peak_tflops", "vector_tflops", "memory_gb", "bandwidth_gb_s", "link_gb_s")


def hardware(
    name: Annotated[str | None, typer.Argument(help="show this machine and where its numbers are from")] = None,
    output: Annotated[answers.Format, typer.Option("--format", help="text or json")] = answers.Format.text,
) -> None:
    """The machines that `roofline` knows; with a name, its numbers and their sources."""
    from symflops.analysis.hardware import hardware_names, load_hardware

    if output is answers.Format.json:
        machines = [load_hardware(n) for n in ([name] if name else hardware_names())]
        data = [machine_data(machine) for machine in machines]
        print(answers.dump(data[0] if name else data))
    elif name:
        print(_machine(load_hardware(name)))
    else:
        header = ("name", "bf16", "memory", "bandwidth", "about")
        print(
            aligned([header, *(_listed(load_hardware(n)) for n in hardware_names())], (False, True, True, True, False))
        )


def _listed(machine: Hardware) -> tuple[str, ...]:
    peak = machine.peak.get("bf16") or machine.peak.get("fp16")
    shown = "" if peak is None else f"{engineering(whole(peak), 'flops')}/s"
    memory, bandwidth = (engineering(whole(n), "read_bytes") for n in (machine.memory, machine.bandwidth))
    return machine.name, shown, memory, f"{bandwidth}/s", machine.about


def _machine(machine: Hardware) -> str:
    rows = [
        (key, _shown(value), machine.source_of(key)) for key, value in machine_data(machine).items() if key in _SOURCED
    ]
    return f"{machine.name}: {machine.about}\n\n{aligned(rows, (False, False, False))}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number:,.10g}" for key, number in value.items()) or "not stated"
    return "not stated" if value is None else f"{value:,.10g}"


def machine_data(machine: Hardware) -> dict[str, Any]:
    """A machine in the units of its file."""
    return {
        "name": machine.name,
        "about": machine.about,
        "devices": machine.devices,
        "peak_tflops": {n: answers.jsonable(v / 10**12) for n, v in machine.peak.items()},
        "vector_tflops": {n: answers.jsonable(v / 10**12) for n, v in machine.vector.items()},
        "memory_gb": answers.jsonable(machine.memory / 10**9),
        "bandwidth_gb_s": answers.jsonable(machine.bandwidth / 10**9),
        "link_gb_s": None if machine.link is None else answers.jsonable(machine.link / 10**9),
        "sources": {key: machine.source_of(key) for key in _SOURCED},
    }
