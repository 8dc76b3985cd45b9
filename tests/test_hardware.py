"""hardware.toml: complete, sourced, dense; and users' own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.hardware import load_hardware

NAMES = symflops.hardware_names()


def test_the_machines_that_people_have_are_there() -> None:
    assert len(NAMES) >= 20
    nvidia = {"a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "l40s", "rtx-4090"}
    nvidia |= {"h20", "h800-sxm", "b300-sxm", "gb300", "l40", "rtx-pro-6000", "rtx-5090", "h100-nvl"}
    others = {
        "mi300x",
        "mi325x",
        "tpu-v4",
        "tpu-v5e",
        "tpu-v5p",
        "tpu-v6e",
        "trainium2",
        "gaudi3",
        "tpu-v7",
        "trainium3",
        "mi350x",
        "m2-ultra",
        "xeon-8480",
    }
    assert nvidia | others <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source_and_is_plausible(name: str) -> None:
    machine = load_hardware(name)
    for key in ("devices", "peak_tflops", "vector_tflops", "memory_gb", "bandwidth_gb_s", "link_gb_s"):
        assert len(machine.source_of(key)) > 20
    assert machine.peak
    assert 10**9 < machine.bandwidth < 10**14
    assert machine.memory > 10**10
    wide = machine.peak.get("bf16") or machine.peak["fp16"]
    if name != "trainium3":  # whose matrix units are 3.75 times as fast in MXFP8 as in bfloat16, dense
        assert machine.peak.get("fp8", wide) <= 2.05 * wide  # a sparse number among dense ones would stand out
    assert machine.tdp is None or 60 <= machine.tdp <= 1500
    assert machine.peak.get("tf32", 0) <= wide
    assert all(number <= wide for number in machine.vector.values())


@pytest.mark.parametrize(
    ("name", "dtype", "teraflops", "terabytes"),
    [
        # From the number of units and the clock: 132 SMs with 4 tensor cores of 512 multiply-adds at 1.83 GHz.
        ("h100-sxm", "bf16", 132 * 4 * 512 * 2 * 1.83e9 / 1e12, 5120 / 8 * 5.234e9 / 1e12),
        # 108 SMs with 4 tensor cores of 256 multiply-adds at 1.41 GHz; 5 stacks of 1024 bits at 3.186 GT/s.
        ("a100-sxm-80gb", "bf16", 108 * 4 * 256 * 2 * 1.41e9 / 1e12, 5120 / 8 * 3.186e9 / 1e12),
        # 304 compute units with 4 matrix cores of 256 multiply-adds at 2.1 GHz; 8192 bits at 5.2 GT/s.
        ("mi300x", "bf16", 304 * 4 * 256 * 2 * 2.1e9 / 1e12, 8192 / 8 * 5.2e9 / 1e12),
        # 4 arrays of 128 x 128 at 1.5 GHz.
        ("tpu-v5e", "bf16", 4 * 128 * 128 * 2 * 1.5e9 / 1e12, 0.819),
        # 8 arrays (2 cores with 4 each) of 128 x 128 at 1.05 GHz.
        ("tpu-v4", "bf16", 8 * 128 * 128 * 2 * 1.05e9 / 1e12, 1.2),
        # 8 arrays of 256 x 256 at 1.75 GHz; 8 stacks of 1024 bits at 3.6 GT/s.
        ("gaudi3", "bf16", 8 * 256 * 256 * 2 * 1.75e9 / 1e12, 8 * 1024 / 8 * 3.6e9 / 1e12),
        # 80 SMs with 8 tensor cores of 64 multiply-adds at 1.53 GHz; 4096 bits at 1.752 GT/s.
        ("v100-sxm2-32gb", "fp16", 80 * 8 * 64 * 2 * 1.53e9 / 1e12, 4096 / 8 * 1.752e9 / 1e12),
        # 40 SMs with 8 tensor cores of 64 multiply-adds at 1.59 GHz; 256 bits at 10 GT/s.
        ("t4", "fp16", 40 * 8 * 64 * 2 * 1.59e9 / 1e12, 256 / 8 * 10e9 / 1e12),
        # 128 SMs with 4 tensor cores of 64 multiply-adds (FP32 accumulate) at 2.52 GHz; 384 bits at 21 GT/s.
        ("rtx-4090", "bf16", 128 * 4 * 64 * 2 * 2.52e9 / 1e12, 384 / 8 * 21e9 / 1e12),
        # 188 SMs with 4 tensor cores of 128 multiply-adds (FP32 accumulate) at 2.617 GHz; 512 bits at 28 GT/s.
        ("rtx-pro-6000", "bf16", 188 * 4 * 128 * 2 * 2.617e9 / 1e12, 512 / 8 * 28e9 / 1e12),
        # 142 SMs with 4 tensor cores of 64 multiply-adds at 2.49 GHz; 384 bits at 18 GT/s.
        ("l40", "bf16", 142 * 4 * 64 * 2 * 2.49e9 / 1e12, 384 / 8 * 18e9 / 1e12),
        # 256 compute units with 4 matrix cores of 512 multiply-adds at 2.2 GHz.
        ("mi350x", "bf16", 256 * 4 * 512 * 2 * 2.2e9 / 1e12, 8.0),
        # AMX: a product of 16 x 32 and 32 x 16 every 16 cycles in each of 56 cores at 2 GHz.
        ("xeon-8480", "bf16", 56 * 2 * 16 * 16 * 32 / 16 * 2.0e9 / 1e12, 8 * 8 * 4.8e9 / 1e12),
        ("epyc-9654", "fp32", 96 * 32 * 2.4e9 / 1e12, 12 * 8 * 4.8e9 / 1e12),
    ],
)
def test_dense_peaks_follow_from_units_and_clock(name: str, dtype: str, teraflops: float, terabytes: float) -> None:
    machine = load_hardware(name)
    assert float(machine.peak[dtype]) / 1e12 == pytest.approx(teraflops, rel=0.01)
    assert float(machine.bandwidth) / 1e12 == pytest.approx(terabytes, rel=0.01)


GOOD = {
    "about": '"x"', "peak_tflops": "{ bf16 = 1 }", "memory_gb": "1", "bandwidth_gb_s": "1.5", "source": '"y"',
}  # fmt: skip


def write(path: Path, **changes: str | None) -> str:
    entries = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text("[mine]\n" + "\n".join(f"{key} = {value}" for key, value in entries.items()))
    return str(path)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", devices="4")
    machine = load_hardware(path)
    assert (machine.name, machine.devices, machine.bandwidth, machine.link) == ("mine", 4, 1_500_000_000, None)
    assert load_hardware(f"{path}:mine") == machine
    assert machine.dtype(1) == "bf16"  # no narrower one: computed in the next wider
    assert machine.vector_peak("bf16") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_gb": None}, "mine: memory_gb is missing"),
        ({"memory_gb": "-1"}, "mine: memory_gb: expected a positive number"),
        ({"memory_gb": '"1"'}, "mine: memory_gb: expected a number"),
        ({"bandwidth_gb_s": "nan"}, "mine: bandwidth_gb_s: expected a number"),
        ({"bandwidth_gbs": "1"}, "mine: unknown key 'bandwidth_gbs'; did you mean 'bandwidth_gb_s'?"),
        ({"peak_tflops": "{ bf17 = 1 }"}, "mine: peak_tflops: unknown data type 'bf17'; did you mean 'bf16'?"),
        ({"peak_tflops": "3"}, "mine: peak_tflops: expected a table"),
        ({"source": '""'}, "mine: source: expected a text"),
        ({"devices": "1.5"}, "mine: devices = '1.5': expected a positive integer"),
        ({"about": "["}, "not a TOML file"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    path = write(tmp_path / "own.toml", **changes)
    with pytest.raises(symflops.SymflopsError) as refused:
        load_hardware(path)
    assert str(refused.value).startswith(f"{path}: {message}")


def test_the_command_line(say: Any, refuse: Any) -> None:
    assert {line.split()[0] for line in say("hardware").splitlines()[1:]} == set(NAMES)
    assert "3.35 TB/s" in say("hardware", "h100-sxm")
    assert json.loads(say("hardware", "tpu-v4", "--format", "json"))["vector_tflops"] == {}
    assert len(json.loads(say("hardware", "--format", "json"))) == len(NAMES)
    assert refuse("hardware", "h1000").startswith("unknown machine 'h1000'; did you mean 'h100-")


H100 = ["h100-sxm", "h100-pcie", "h100-nvl", "dgx-h100"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("h100", H100), ("H100", H100), ("H100-SXM", H100[:1]), ("h100 sxm", H100[:1]), ("b200", ["b200-sxm"]),
        ("MI300", ["mi300x"]), ("rtx4090", ["rtx-4090"]), ("4090", ["rtx-4090"]), ("L4", ["l4"]), ("T4", ["t4"]),
    ],
)  # fmt: skip
def test_a_part_of_a_name_in_either_case(text: str, names: list[str], say: Any) -> None:
    data = json.loads(say("hardware", text, "--format", "json"))
    assert [machine["name"] for machine in (data if isinstance(data, list) else [data])] == names
    shown = say("hardware", text)
    if len(names) > 1:
        assert shown.startswith(f"{len(names)} machines have {text!r} in their names\n")
        assert [line.split()[0] for line in shown.splitlines()[3:]] == names
    else:
        assert shown.startswith(f"{names[0]}: ")


def test_which_machine_is_not_guessed(say: Any, refuse: Any) -> None:
    roofline = ("roofline", "gpt2", "--hardware")
    assert refuse(*roofline, "H100") == f"'H100' is 4 machines; name one: {', '.join(H100)}"
    assert say(*roofline, "MI300", "--dtype", "BF16") == say(*roofline, "mi300x", "--dtype", "bf16")
    assert refuse("hardware", "h10").startswith("unknown machine 'h10'")
    assert refuse("hardware", "x") == "unknown machine 'x'; symflops hardware lists them"
