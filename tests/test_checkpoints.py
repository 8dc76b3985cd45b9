"""Headers of checkpoints: what files have is said without reading it, a model takes its bytes from them, and whatever
is wrong with a header is one line."""

from __future__ import annotations

import json
import os
import random
import struct
from pathlib import Path
from typing import Any

import checkpoint_files as write
import pytest

import symflops
from symflops import SymflopsError
from symflops.checkpoint import read_checkpoint

LLAMA = "llama-3.1-8b"
SIZES = (32, 4096, 14336, 128256, 1024)
PARAMETERS = 8_030_261_248


def weights(model: Any) -> int:
    return int(symflops.memory(model, batch_size=1, seq_len=1).weights)


def layer(model: Any, path: str) -> int:
    from symflops.algebra import substitute

    place = next(place for place in model.places() if place.path == path)
    value = substitute(place.layer.weight_bytes, {**model.symbols, "weight_bytes": 2})
    return int(value)


# ------------------------------------------------------------------------------------------------------------- headers


def test_the_tensors_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    size = write.safetensors(path, {"a.weight": ("BF16", (3, 5)), "b": ("F8_E4M3", (7,)), "c": ("F32", ())}, {"k": "v"})
    found = read_checkpoint(path)
    assert [(t.name, t.dtype, t.shape, t.bytes) for t in found.tensors] == [
        ("a.weight", "BF16", (3, 5), 30), ("b", "F8_E4M3", (7,), 7), ("c", "F32", (), 4),
    ]  # fmt: skip
    assert found.bytes == size == 41
    assert found.by_dtype == {"BF16": (1, 30), "F8_E4M3": (1, 7), "F32": (1, 4)}


def test_a_large_file_is_read_by_its_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert write.safetensors(path, write.llama(*SIZES)) == 2 * PARAMETERS  # 16 GB, of which the disk has the header
    assert os.stat(path).st_blocks * 512 < 10**6
    assert read_checkpoint(path).bytes == 2 * PARAMETERS


def test_an_index_is_its_files(tmp_path: Path) -> None:
    tensors = write.llama(*SIZES)
    names = list(tensors)
    halves = {"a-1.safetensors": names[:99], "a-2.safetensors": names[99:]}
    parts = {file: {name: tensors[name] for name in inside} for file, inside in halves.items()}
    total = write.index(tmp_path / "model.safetensors.index.json", parts)
    found = read_checkpoint(tmp_path)
    assert (found.bytes, found.stated, found.files, len(found.tensors)) == (total, 2 * PARAMETERS, 2, 291)
    (tmp_path / "a-2.safetensors").unlink()
    with pytest.raises(SymflopsError, match=r"a-2\.safetensors: cannot read: No such file"):
        read_checkpoint(tmp_path)
    (tmp_path / "a-1.safetensors").unlink()
    with pytest.raises(SymflopsError, match=rf"only their sum is known: total_size {total:,} bytes"):
        read_checkpoint(tmp_path)


def test_gguf_files_and_their_parts(tmp_path: Path) -> None:
    tensors = {"token_embd.weight": ("Q4_K", (512, 100)), "blk.0.attn_q.weight": ("Q8_0", (512, 64))}
    tensors["x"] = ("F32", (3,))
    total = write.gguf(tmp_path / "m.gguf", tensors)
    assert total == 512 * 100 // 256 * 144 + 512 * 64 // 32 * 34 + 12
    found = read_checkpoint(tmp_path / "m.gguf")
    assert (found.bytes, found.kind) == (total, "gguf")
    assert [(t.name, t.dtype, t.shape) for t in found.tensors] == [(n, d, s) for n, (d, s) in tensors.items()]
    first = write.gguf(tmp_path / "s-00001-of-00002.gguf", {"a": ("F16", (4,))})
    second = write.gguf(tmp_path / "s-00002-of-00002.gguf", {"b": ("MXFP4", (64, 2))}, alignment=64)
    assert read_checkpoint(tmp_path / "s-00001-of-00002.gguf").bytes == first + second == 8 + 4 * 17


# -------------------------------------------------------------------------------------------------------------- models


def test_a_model_takes_the_bytes_of_its_tensors(tmp_path: Path) -> None:
    tensors = write.llama(*SIZES)
    for i in range(32):  # in blocks of 8 bit, but for one layer
        if i == 5:
            continue
        name = f"model.layers.{i}.mlp.up_proj.weight"
        tensors[name] = ("F8_E4M3", (14336, 4096))
        tensors[f"{name}_scale_inv"] = ("F32", (112, 32))
    total = write.safetensors(tmp_path / "model.safetensors", tensors)
    model = symflops.formats(LLAMA, checkpoint=tmp_path)
    assert weights(model) == total
    assert layer(model, "model.layers.mlp.gate_proj") == 2 * 14336 * 4096
    mean = (31 * (14336 * 4096 + 4 * 112 * 32) + 2 * 14336 * 4096) / 32
    assert layer(model, "model.layers.mlp.up_proj") == int(mean) == mean
    again = symflops.load(json.loads(model.dumps()))
    assert weights(again) == total
    plain = symflops.load(LLAMA).total().at(batch_size=1, seq_len=1).read_bytes
    assert model.total().at(batch_size=1, seq_len=1).read_bytes == plain - (2 * PARAMETERS - total)


def test_what_is_of_no_layer_is_said_and_not_counted(tmp_path: Path, run: Any) -> None:
    tensors = write.llama(*SIZES)
    extra = {
        "model.layers.32.eh_proj.weight": ("BF16", (4096, 8192)),
        "model.layers.0.self_attn.rotary.inv_freq": ("F32", (64,)),
        "model.layers.32.mlp.up_proj.weight": ("BF16", (14336, 4096)),
    }
    size = write.safetensors(tmp_path / "m.safetensors", tensors | extra)
    more = 2 * 4096 * 8192 + 256 + 2 * 14336 * 4096
    status, out, err = run("memory", LLAMA, "-B", "1", "-S", "1", "--checkpoint", str(tmp_path / "m.safetensors"),
                           "--format", "json")  # fmt: skip
    assert (status, json.loads(out)["weights"], size) == (0, 2 * PARAMETERS, 2 * PARAMETERS + more)
    assert f"not counted, of no layer: 3 tensors, {more:,} bytes: model.layers.32.eh_proj.weight" in err
    del tensors["lm_head.weight"]
    write.safetensors(tmp_path / "m.safetensors", tensors)
    model = symflops.formats(LLAMA, checkpoint=tmp_path / "m.safetensors")
    assert any("no tensors of lm_head, which keep weight_bytes" in note for note in model.notes)
    assert weights(model) == 2 * PARAMETERS


def test_a_table_that_is_used_twice_is_read_in_its_format(tmp_path: Path) -> None:
    """The head of qwen3-0.6b uses the embedding: 151936 rows of 1024, here in Q6_K, read whole by the head."""
    model = symflops.formats("qwen3-0.6b", "gguf-q4_k_m")
    rows = {row.path: row.cost for row in model.rows()}
    table = 151936 * 1024 // 256 * 210
    assert layer(model, "model.embed_tokens") == table
    read = rows["lm_head"].at(batch_size=1, seq_len=1).read_bytes
    assert read == table + 2 * 1024
    layer_ = 2 * 1024 * 2048 + 2 * 1024 * 1024 + 3 * 1024 * 3072  # weights of the matrices of one of 28 layers
    eight = symflops.formats("qwen3-0.6b", "gguf-q8_0")
    norms = 4 * (28 * (2 * 1024 + 2 * 128) + 1024)
    assert weights(eight) == (28 * layer_ + 151936 * 1024) * 34 // 32 + norms
    assert rows["model.embed_tokens"].at(batch_size=1, seq_len=1).read_bytes == 1024 // 256 * 210 + 8


def test_gguf_names_are_those_of_the_layers(tmp_path: Path) -> None:
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {"token_embd.weight": ("Q4_K", (4096, 128256))}
    for i in range(32):
        tensors |= {
            f"blk.{i}.attn_norm.weight": ("F32", (4096,)), f"blk.{i}.ffn_norm.weight": ("F32", (4096,)),
            f"blk.{i}.attn_q.weight": ("Q4_K", (4096, 4096)), f"blk.{i}.attn_output.weight": ("Q4_K", (4096, 4096)),
            f"blk.{i}.attn_k.weight": ("Q4_K", (4096, 1024)),
            f"blk.{i}.attn_v.weight": ("Q6_K" if i % 2 else "Q4_K", (4096, 1024)),
            f"blk.{i}.ffn_gate.weight": ("Q4_K", (4096, 14336)), f"blk.{i}.ffn_up.weight": ("Q4_K", (4096, 14336)),
            f"blk.{i}.ffn_down.weight": ("Q6_K", (14336, 4096)),
        }  # fmt: skip
    tensors |= {"output.weight": ("Q6_K", (4096, 128256)), "output_norm.weight": ("F32", (4096,))}
    tensors["rope_freqs.weight"] = ("F32", (64,))
    total = write.gguf(tmp_path / "m.gguf", tensors)
    model = symflops.formats(LLAMA, checkpoint=tmp_path / "m.gguf")
    assert weights(model) == total - 256
    assert layer(model, "model.layers.mlp.down_proj") == 14336 * 4096 // 256 * 210
    assert layer(model, "model.layers.self_attn.v_proj") == 1024 * 4096 // 256 * (210 + 144) // 2
    assert any("not counted, of no layer: 1 tensors, 256 bytes: rope_freqs.weight" in note for note in model.notes)


def test_files_made_by_llama_cpp_have_the_published_sizes() -> None:
    """llama.cpp, tools/quantize/README.md: bits per weight of Llama 3.1 8B, and the model sizes of Llama 3 70B."""
    published = {
        "IQ1_S": 2.0042, "IQ2_XXS": 2.3824, "IQ2_S": 2.7403, "IQ3_XXS:imatrix": 3.2548, "IQ3_S": 3.6606,
        "IQ4_XS": 4.4597, "Q2_K_S": 2.9697, "Q3_K_S": 3.6429, "Q4_K_S": 4.6672, "Q5_K_S": 5.5704, "Q6_K": 6.5633,
        "F16": 16.0005,
    }  # fmt: skip
    for name, bits in published.items():
        size = weights(symflops.formats(LLAMA, f"gguf-{name.lower()}"))
        assert round(8 * size / PARAMETERS, 4) == bits, name


def test_another_model_s_checkpoint_is_refused(tmp_path: Path) -> None:
    write.safetensors(tmp_path / "m.safetensors", write.llama(32, 4096, 11008, 32000, 4096))
    with pytest.raises(SymflopsError) as error:
        symflops.formats(LLAMA, checkpoint=tmp_path / "m.safetensors")
    counts = "embed_tokens has 131,072,000 weights there, 525,336,576 in the model"
    assert f"is of another model: {counts}" in str(error.value)
    write.safetensors(tmp_path / "m.safetensors", {"conv.weight": ("F32", (3,))})
    with pytest.raises(SymflopsError, match=r"no tensor of .* is of a layer"):
        symflops.formats(LLAMA, checkpoint=tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"checkpoint": "https://huggingface.co/x/y"}, "llama-3.1-8b: https://huggingface.co/x/y: a checkpoint is read "
         "from files here; nothing is asked of a network"),
        ({"checkpoint": "none.safetensors"}, "llama-3.1-8b: none.safetensors: cannot read: No such file or directory"),
        ({"checkpoint": "pyproject.toml"}, "llama-3.1-8b: pyproject.toml: no checkpoint: expected a .safetensors or "
         ".gguf file, an index of some, or their folder"),
        ({}, "weights have the format of a name, or of a checkpoint: give one"),
        ({"name": "awq", "checkpoint": "x.gguf"}, "weights have the format of a name, or of a checkpoint: give one"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_one_line(given: dict[str, str], message: str) -> None:
    with pytest.raises(SymflopsError) as error:
        symflops.formats(LLAMA, **given)
    assert str(error.value) == message


def test_inspect_says_what_a_checkpoint_has(tmp_path: Path, run: Any) -> None:
    tensors = write.llama(2, 8, 16, 32, 4) | {"model.layers.1.mlp.up_proj.weight": ("F8_E4M3", (16, 8))}
    total = write.safetensors(tmp_path / "m.safetensors", tensors)
    status, out, _ = run("inspect", str(tmp_path / "m.safetensors"))
    assert status == 0
    assert out.startswith(f"safetensors: 21 tensors in 1 files, {total:,} byte")
    assert "model.layers.*.mlp.up_proj" in out
    data = json.loads(run("inspect", str(tmp_path / "m.safetensors"), "--format", "json")[1])
    assert data["bytes"] == total == sum(data["layers"].values())
    assert data["layers"]["model.layers.*.mlp.up_proj"] == 16 * 8 * 3
    assert data["dtypes"]["F8_E4M3"] == {"tensors": 1, "bytes": 128}
    status, _, err = run("inspect", str(tmp_path / "none.gguf"))
    assert (status, err.count("\n")) == (3, 1)


# ------------------------------------------------------------------------------------------------------ hostile headers


def _header(tmp_path: Path, data: Any, size: int) -> Path:
    path = tmp_path / "m.safetensors"
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


def _one(**changed: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8], **changed}}


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        (_one(), 7, "its tensors have 8 bytes, the file 7 of data"),
        (_one(), 9, "its tensors have 8 bytes, the file 9 of data"),
        (_one(shape=[5]), 8, "a: 8 bytes for a shape of 10.0 bytes"),
        (_one(shape=[2**62, 2**62]), 8, "a: 8 bytes for a shape of"),
        (_one(shape=[-4]), 8, "a: the shape [-4] is none"),
        (_one(shape=4), 8, "a: the shape 4 is none"),
        (_one(shape=[True]), 8, "a: the shape [True] is none"),
        (_one(shape=[1] * 33), 8, "a: the shape [1, 1"),
        (_one(data_offsets=[8, 0]), 8, "a: the offsets [8, 0] are none"),
        (_one(data_offsets=[1, 9]), 9, "its tensors leave a gap or overlap at byte 0 of the data"),
        (_one(data_offsets=[0]), 8, "a: the offsets [0] are none"),
        (_one(dtype="F7"), 8, "a: the data type 'F7' is not known"),
        (_one(dtype=["F16"]), 8, "a: the data type \"['F16']\" is not known"),
        ({"a": 3}, 0, "a: no description of a tensor"),
        (b'{"a": 1, "a": 2}', 0, "key 'a' occurs twice"),
        (b"[]", 0, "expected a JSON object, got list"),
        (b"\xff\xfe", 0, "not UTF-8"),
        (b"[" * 100_000, 0, "nested too deeply"),
    ],
)
def test_a_header_that_lies_is_refused(data: Any, size: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(SymflopsError) as error:
        read_checkpoint(_header(tmp_path, data, size))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("length", [2**64 - 1, 10**8 + 1, 9])
def test_a_header_longer_than_its_file_is_not_read(length: int, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(SymflopsError, match=f"a header of {length:,} bytes"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "", ".."])
def test_an_index_names_files_beside_it_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(SymflopsError, match="leads elsewhere"):
        read_checkpoint(tmp_path)


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(SymflopsError, match="it is no regular file"):
        read_checkpoint(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGUX" + bytes(40), "no GGUF file"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "a GGUF file big endian"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "a GGUF file of version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0) + bytes(99), "1,152,921,504,606,846,976 tensors"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**50) + bytes(99), "a name of 1,125,899,906,842,624 bytes"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 0, 2**62) + bytes(9), "it ends a"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77) + bytes(99), "a value of type 77"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<I", 9**9) + bytes(99), "t: 387,420,489 dim"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 33, 2, 0) + bytes(99),
         "t: a shape of [33] in blocks of 32"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 4, 5, 0) + bytes(99),
         "t: the type 5 is not known"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 4096, 0, 0) + bytes(99),
         "t: it ends at 16,384 of"),
    ],
)  # fmt: skip
def test_a_gguf_header_that_lies_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(SymflopsError) as error:
        read_checkpoint(tmp_path / "m.gguf")
    assert message in str(error.value)


@pytest.mark.parametrize("offset", [0, 32])
def test_tensors_of_gguf_that_overlap_are_refused(offset: int, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write.gguf(path, {"a": ("F32", (16,)), "b": ("F32", (16,))})
    data = path.read_bytes()
    end = data.index(struct.pack("<Q", 1) + b"b") + 9 + 4 + 8 + 4  # where the offset of b stands, which is 64
    assert data[end : end + 8] == struct.pack("<Q", 64)
    path.write_bytes(data[:end] + struct.pack("<Q", offset) + data[end + 8 :])
    with pytest.raises(SymflopsError, match="in another tensor or unaligned"):
        read_checkpoint(path)


def test_arrays_in_arrays_end(tmp_path: Path) -> None:
    inner = struct.pack("<IQ", 9, 1) * 2000
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 9) + inner)
    with pytest.raises(SymflopsError, match="nested too deeply"):
        read_checkpoint(tmp_path / "m.gguf")


@pytest.mark.parametrize("kind", ["safetensors", "gguf"])
def test_a_damaged_file_ends_in_one_line_or_in_numbers(kind: str, tmp_path: Path) -> None:
    draw = random.Random(3)
    path = tmp_path / f"m.{kind}"
    tensors = {"a.weight": ("F16", (32, 3)), "b": ("F32", (64, 5))}
    (write.safetensors if kind == "safetensors" else write.gguf)(path, tensors)
    good = path.read_bytes()
    read = 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 6)):
            at = draw.randrange(min(len(data), 400))
            how = draw.randrange(3)
            if how == 0:
                data[at] = draw.randrange(256)
            elif how == 1:
                data[at : at + 8] = draw.choice([bytes(8), b"\xff" * 8, struct.pack("<Q", draw.getrandbits(64))])
            else:
                del data[at : at + draw.randrange(1, 40)]
        path.write_bytes(bytes(data))
        try:
            found = read_checkpoint(path)
        except SymflopsError:
            continue
        read += 1
        assert 0 <= found.bytes <= len(data)
    assert read < 1500
