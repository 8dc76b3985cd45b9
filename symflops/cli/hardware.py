"""`symflops hardware`: the machines that `roofline` knows, and where their numbers are from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from symflops.cli import answers, completion
from symflops.cli.listing import Format, Output
from symflops.cli.quantities import aligned, engineering
from symflops.numeric import whole

if TYPE_CHECKING:
    from symflops.hardware import Hardware

_SOURCED = ("devices", "peak_tflops", "vector_tflops", "memory_gb", "bandwidth_gb_s", "link_gb_s", "tdp_w")


def hardware(
    name: Annotated[
        str | None,
        typer.Argument(help="show this machine and where its numbers are from", autocompletion=completion.machines),
    ] = None,
    output: Output = Format.text,
) -> None:
    """The machines that `roofline` knows; with a name, its numbers and their sources."""
    from symflops.hardware import find_hardware, hardware_names, load_hardware

    if name is None:
        found = [load_hardware(known) for known in hardware_names()]
    else:
        found = [load_hardware(name)] if ".toml" in name else list(find_hardware(name))
    if output is Format.json:
        data = [machine_data(machine) for machine in found]
        print(answers.dump(data[0] if name and len(data) == 1 else data))
    elif name and len(found) == 1:
        print(_machine(found[0]))
    else:
        if name:
            print(f"{len(found)} machines have {name!r} in their names\n")
        header = ("name", "bf16", "memory", "bandwidth", "about")
        print(aligned([header, *map(_listed, found)], (False, True, True, True, False)))


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
        "tdp_w": None if machine.tdp is None else answers.jsonable(machine.tdp),
        "sources": {key: machine.source_of(key) for key in _SOURCED},
    }
