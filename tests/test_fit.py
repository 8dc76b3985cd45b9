"""Does it fit: amounts by hand, the largest batch and the longest context by trying every number."""

from __future__ import annotations

import json
from typing import Any

import pytest

import symflops
from symflops import SymflopsError

Run = Any
GB = 10**9
LAYERS, KV_HEADS, WIDTH = 32, 8, 128  # of Llama 3.1 8B, whose vocabulary is 128,256 and hidden size 4,096
PARAMETERS = 8_030_261_248
TOKEN = 2 * LAYERS * KV_HEADS * WIDTH * 2  # bytes of keys and values of a token


def test_what_is_held_of_a_context() -> None:
    """Weights and all tokens' keys and values; worked on is the head, the row of each sequence and its logits."""
    found = symflops.fit("llama-3.1-8b", "h100-sxm", batch_size=32, seq_len=8192)
    assert (found.kinds["weights"], found.kinds["state"]) == (2 * PARAMETERS, 32 * 8192 * TOKEN)
    assert found.kinds["working_set"] == 2 * 32 * (4096 + 128256)
    assert found.used == sum(found.kinds.values())
    assert found.left == 80 * GB - found.used
    assert (found.fits, found.values["seq_len"]) == (True, 8192)


def fits(model: Any, batch: int, length: int, room: int, **values: Any) -> bool:
    """Written once more, in numbers: a step of one token after all the others."""
    m = symflops.memory(model, batch_size=batch, seq_len=1, past_len=length - 1, **values)
    return bool(m.weights + m.state + m.working_set <= room)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-2-7b-hf", "mistral-7b", "mixtral-8x7b"])
@pytest.mark.parametrize(("machine", "devices"), [("h100-sxm", 1), ("l40s", 4)])
@pytest.mark.parametrize(("batch", "length"), [(1, 2048), (7, 3000)])
def test_the_largest_numbers_are_the_last_that_fit(
    name: str, machine: str, devices: int, batch: int, length: int
) -> None:
    model = symflops.load(name)
    found = symflops.fit(model, machine, devices=devices, reserve=3 * GB, batch_size=batch, seq_len=length)
    room = int(symflops.load_hardware(machine).memory) * devices - devices * 3 * GB
    assert found.fits == fits(model, batch, length, room)
    if most := found.largest_batch:
        assert fits(model, most, length, room)
        assert not fits(model, most + 1, length, room)
    else:
        assert not fits(model, 1, length, room)
    if last := found.longest_context:
        assert fits(model, batch, last, room)
        assert not found.answers["seq_len"].conditions  # otherwise the model itself ends first
        assert not fits(model, batch, last + 1, room)


def test_a_model_ends_before_the_memory_does() -> None:
    found = symflops.fit("gpt2", "h100-sxm", batch_size=1, seq_len=512)
    assert found.longest_context == 1024  # positions that it has
    assert found.largest_batch is not None
    assert fits("gpt2", found.largest_batch, 512, 80 * GB)
    assert not fits("gpt2", found.largest_batch + 1, 512, 80 * GB)


def test_it_does_not_fit() -> None:
    found = symflops.fit("mixtral-8x7b", "h100-sxm", seq_len=4096)
    assert (found.fits, found.left < 0, found.largest_batch, found.longest_context) == (False, True, 0, 0)
    assert found.sentence.startswith("mixtral-8x7b on 1 × h100-sxm: does not fit: ")
    capacity = symflops.load_hardware(found.smallest).memory
    assert capacity >= found.used
    others = [symflops.load_hardware(name).memory for name in symflops.hardware_names()]
    assert all(other >= capacity for other in others if other >= found.used)


def test_several_devices_have_links_to_one_another() -> None:
    found = symflops.fit("mixtral-8x7b", "h100-sxm", devices=2, batch_size=40, seq_len=2048)
    assert 2 * 48 * GB < found.used < 2 * 64 * GB  # beyond two L40S, and within two M1 Max, which have none
    assert symflops.load_hardware("m1-max").link is None
    assert found.smallest == "a100-pcie-80gb"


def test_a_step_of_training_holds_its_peak() -> None:
    step = symflops.training("llama-2-7b-hf", lora=16)
    found = symflops.fit(step, "h100-sxm", batch_size=1, seq_len=4096)
    held = symflops.memory(step, batch_size=1, seq_len=4096)
    assert found.used == held.peak_eager
    most = found.longest_context
    assert most is not None
    at = [symflops.memory(step, batch_size=1, seq_len=n).peak_eager <= 80 * GB for n in (most, most + 1)]
    assert at == [True, False]


def test_formats_are_those_that_are_said() -> None:
    found = symflops.fit("llama-3.1-8b", "h100-sxm", weight_bytes=1, cache_bytes=1, batch_size=2, seq_len=100)
    assert (found.kinds["weights"], found.kinds["state"]) == (PARAMETERS, 2 * 100 * TOKEN // 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"past_len": 5}, "gpt2: past_len has no part in it: seq_len is the whole context"),
        ({"reserve": -1}, "reserve = '-1': expected bytes, a whole number of at least 0"),
        ({"reserve": True}, "reserve = 'True': expected bytes, a whole number of at least 0"),
        ({"devices": 0}, "devices = '0': expected a positive integer"),
        ({"seq_len": 2000}, "gpt2: assumption broken: seq_len + past_len <= n_positions (with n_positions=1024, "
         "past_len=0, seq_len=2000)"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as raised:
        symflops.fit("gpt2", "h100-sxm", **options)
    assert str(raised.value) == message


def test_on_the_command_line(run: Run) -> None:
    asked = ("fit", "llama-3.1-8b", "--hardware", "h100-sxm", "-B", "32", "-S", "8192", "--reserve", "2GiB")
    status, text, notes = run(*asked)
    found = symflops.fit("llama-3.1-8b", "h100-sxm", batch_size=32, seq_len=8192, reserve=2 * 2**30)
    assert status == 0
    assert f"left         {found.left:,} byte" in text
    assert f"it fits where: batch_size from 1 to {found.largest_batch}" in text
    assert "note: not counted: what an allocator rounds up" in notes
    data = json.loads(run(*asked, "--format", "json")[1])
    keys = ("used", "left", "largest_batch", "longest_context", "smallest")
    assert [data[key] for key in keys] == [getattr(found, key) for key in keys]
