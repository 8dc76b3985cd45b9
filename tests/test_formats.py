"""Weights in formats: what a matrix takes by each format's own description, which layers of a model have it, and that
every surface counts it.

Expected numbers are hand calculations, loops over the blocks, and sizes of published checkpoints.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import SymflopsError
from symflops.model import Model
from symflops.number_format import format_names, load_format, read_format
from symflops.passes.formats import plain
from symflops.quantization import named
from symflops.quantization_config import quantization

LLAMA = "llama-3.1-8b"
LINEAR = {  # of a layer of Llama 3.1 8B: rows, columns
    "q_proj": (4096, 4096), "k_proj": (1024, 4096), "v_proj": (1024, 4096), "o_proj": (4096, 4096),
    "gate_proj": (14336, 4096), "up_proj": (14336, 4096), "down_proj": (4096, 14336),
}  # fmt: skip
LAYERS = 32
REST = 2 * (2 * 128256 * 4096 + (2 * LAYERS + 1) * 4096)  # both tables and the norms, in bfloat16


def weights(model: Any, **values: Any) -> int:
    return int(symflops.memory(model, batch_size=1, seq_len=1, **values).weights)


# ---------------------------------------------------------------------------------------------------- the format files


@pytest.mark.parametrize("name", format_names())
def test_a_format_gives_what_its_cases_say(name: str) -> None:
    found = load_format(name)
    assert found.about
    assert found.source
    assert found.cases, "a format has a case with numbers from elsewhere"
    for case in found.cases:
        args = {key: value for key, value in case.items() if key in found.args}
        assert found.bytes(rows=case["rows"], columns=case["columns"], args=args) == case["bytes"], case["from"]


def _blocks(rows: int, columns: int, of_rows: int, of_columns: int) -> int:
    return sum(1 for _ in range(0, rows, of_rows) for _ in range(0, columns, of_columns))


def test_formats_are_what_a_loop_over_their_blocks_counts() -> None:
    draw = random.Random(5)
    for _ in range(60):
        rows, columns = draw.randrange(1, 700), draw.randrange(1, 700)
        blocks = _blocks(rows, columns, 128, 128)
        assert load_format("fp8-block128").bytes(rows=rows, columns=columns) == rows * columns + 4 * blocks
        nibbles = sum((len(range(0, columns, 2))) for _ in range(rows))
        scales = _blocks(rows, columns, 1, 16)
        assert load_format("nvfp4").bytes(rows=rows, columns=columns) == nibbles + scales + 8
        assert load_format("mxfp4").bytes(rows=rows, columns=columns) == nibbles + _blocks(rows, columns, 1, 32)
        groups = -(-columns // 128)
        words = rows * math.ceil(columns / 8)
        zeros = groups * math.ceil(rows / 8)
        wanted = 4 * words + 4 * zeros + 2 * groups * rows + 4 * columns
        assert load_format("gptq").bytes(rows=rows, columns=columns) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('about = "a"\nsource = "s"\nbytes = "rows*width"\n', "bytes: unknown name 'width'"),
        ('about = "a"\nsource = "s"\n', "bytes: expected a text"),
        ('about = "a"\nsource = "s"\nbytes = "rows"\nskip = []\n', "unknown key 'skip'; did you mean 'skips'?"),
        ('about = "a"\nsource = "s"\nbytes = "rows"\n[args]\nrows = "r"\n[defaults]\nrows = "1"\n',
         "args: 'rows' cannot name an argument"),
        ('about = "a"\nsource = "s"\nbytes = "rows"\n[args]\nb = "r"\n',
         "args and defaults: each argument has a meaning and a default"),
    ],
)  # fmt: skip
def test_a_wrong_format_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(SymflopsError) as error:
        read_format(tmp_path / "own.toml")
    assert message in str(error.value)


# -------------------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("name", [n for n in format_names() if n != "aqlm"])
def test_a_model_takes_the_sum_of_its_matrices_and_the_rest(name: str) -> None:
    own = load_format(name)
    each = sum(int(own.bytes(rows=rows, columns=columns)) for rows, columns in LINEAR.values())
    assert weights(symflops.formats(LLAMA, name)) == LAYERS * each + REST


def test_llama_2_in_blocks_by_hand() -> None:
    """4096 = 32 blocks and 11008 = 86 blocks: 4*(4096² + 4*32²) + 3*(4096*11008 + 4*32*86) a layer."""
    layer = 4 * (4096**2 + 4 * 32**2) + 3 * (4096 * 11008 + 4 * 32 * 86)
    rest = 2 * (2 * 32000 * 4096 + 65 * 4096)
    model = symflops.formats("llama-2-7b-hf", "fp8-block128")
    assert weights(model) == 32 * layer + rest
    step = model.total().at(batch_size=1, seq_len=1, past_len=10)
    was = symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=1, past_len=10)
    matrices = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    assert was.read_bytes - step.read_bytes == 2 * matrices - 32 * layer
    assert (was.flops, was.write_bytes, was.parameters) == (step.flops, step.write_bytes, step.parameters)


def test_routed_experts_read_their_part_of_all_bytes() -> None:
    """Mixtral: with all 8 experts routed to, all of their bytes, with one token those of 2 of 8."""
    model = symflops.formats("mixtral-8x7b", "mxfp4")
    path = next(place for place in model.places() if place.path.endswith("experts"))
    each = 3 * 4096 * 14336 * 17 // 32
    assert path.layer.stored is not None
    cost = model.rows()[[row.path for row in model.rows()].index(path.path)].cost
    bare = plain(model).rows()[[row.path for row in model.rows()].index(path.path)].cost
    for tokens, part in ((1, 2 / 8), (2, 1 - (6 / 8) ** 2)):
        less = cost.at(batch_size=1, seq_len=tokens).read_bytes - bare.at(batch_size=1, seq_len=tokens).read_bytes
        assert less == round(8 * part * (each - 3 * 4096 * 14336 * 2))


def test_a_bias_is_no_matrix() -> None:
    """3 layers of 256 × 64 in 8 bit with a scale for each row, and a bias that keeps weight_bytes."""
    args = {"N": "seq_len", "in_features": 64, "out_features": 256, "bias": 1}
    layers = {"proj": {"formula": "linear", "repeat": 3, "args": args}}
    model = symflops.formats({"name": "one", "layers": layers}, "fp8-channel")
    assert weights(model) == 3 * (256 * 64 + 4 * 256 + 2 * 256)
    assert weights(model, weight_bytes=4) == 3 * (256 * 64 + 4 * 256 + 4 * 256)
    moved = symflops.roofline(model, "h100-sxm", batch_size=1, seq_len=5).moved
    assert moved["weights"] == weights(model)
    from symflops.algebra import substitute

    assert substitute(moved["activations"], {"seq_len": 5}) == 3 * 2 * 5 * (64 + 256)


def test_matrices_of_experts_that_have_a_cost_of_their_own() -> None:
    """gpt-oss: of each expert two matrices of 96 × 64 and one of 64 × 96, with biases, in blocks of 32 and by rows."""
    count = "num_local_experts*(3*hidden_size*intermediate_size + 2*intermediate_size + hidden_size)"
    cost = {
        "flops": "6*seq_len*num_experts_per_tok*hidden_size*intermediate_size",
        "matmul_flops": "6*seq_len*num_experts_per_tok*hidden_size*intermediate_size",
        "read_bytes": f"weight_bytes*{count}",
        "write_bytes": "0", "intermediate_bytes": "0",
        "parameters": count,
    }  # fmt: skip
    symbols = {"hidden_size": 64, "intermediate_size": 96, "num_local_experts": 4, "num_experts_per_tok": 2}
    model = {"name": "moe", "symbols": symbols, "layers": {"mlp": {"sub_layers": {"experts": {"cost": cost}}}}}
    biases = 2 * 4 * (2 * 96 + 64)
    for name, each in (("mxfp4", 3 * 64 * 96 * 17 // 32), ("fp8-channel", 3 * 64 * 96 + 4 * (2 * 96 + 64))):
        found = symflops.formats(model, name)
        assert weights(found) == 4 * each + biases
        assert found.total().at(seq_len=1).read_bytes == 4 * each + biases


def test_a_format_and_its_removal_leave_the_model_as_it_was() -> None:
    for name in ("llama-2-7b-hf", "mixtral-8x7b", "qwen3-0.6b"):
        model = symflops.load(name)
        again = symflops.formats(symflops.formats(model, "nvfp4"), "none")
        assert again.dumps() == model.dumps()
        twice = symflops.formats(symflops.formats(model, "nvfp4"), "awq")
        assert twice.dumps() == symflops.formats(model, "awq").dumps()


def test_a_model_file_keeps_its_formats() -> None:
    model = symflops.formats(LLAMA, "gptq:group_size=64")
    again = symflops.load(json.loads(model.dumps()))
    assert again.dumps() == model.dumps()
    assert weights(again) == weights(model)


def test_weights_are_equal_on_every_surface() -> None:
    from symflops.analysis.parts import quantity

    model = symflops.formats(LLAMA, "awq")
    wanted = weights(model)
    assert symflops.roofline(model, "h100-sxm", batch_size=1, seq_len=1).weight_bytes == wanted
    assert symflops.fit(model, "h100-sxm", batch_size=1, seq_len=8).kinds["weights"] == wanted
    numbers = {**model.symbols, "weight_bytes": 2}
    from symflops.algebra import substitute

    assert substitute(quantity(model, "weights"), numbers) == wanted
    for other, status in (("awq", "equal"), ("bnb-8bit", "different")):
        assert symflops.verify(model, symflops.formats(LLAMA, other), metric="weights").status == status
    moved = symflops.roofline(model, "h100-sxm", batch_size=1, seq_len=1).moved
    embedding = 128256 * 4096 * 2  # of which a step reads one row
    assert substitute(moved["weights"], {"batch_size": 1, "seq_len": 1}) == wanted - embedding + 4096 * 2
    rows = sum(int(row.total.at(batch_size=1, seq_len=1).read_bytes) for row in model.rows())
    assert rows == model.total().at(batch_size=1, seq_len=1).read_bytes


def test_weights_of_a_format_are_not_trained_and_adapters_beside_them_are() -> None:
    model = symflops.formats(LLAMA, "bnb-4bit-double")
    with pytest.raises(SymflopsError) as error:
        symflops.training(model).total()
    assert str(error.value) == (
        "llama-3.1-8b: model.layers.self_attn.q_proj: its weights are kept in a format of their own, in which nothing "
        "is trained; train adapters beside them (lora), leave it out of what is trained, or give weight_bytes"
    )
    step = symflops.training(model, lora=16)
    adapters = LAYERS * 16 * sum(rows + columns for rows, columns in LINEAR.values())
    found = symflops.memory(step, batch_size=1, seq_len=64)
    assert found.weights == weights(model) + 2 * adapters
    assert found.gradients == 2 * adapters
    with pytest.raises(SymflopsError, match=r"weights have their format before \(formats, then training\)"):
        symflops.formats(symflops.training(LLAMA), "awq")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fp88", "llama-3.1-8b: no format 'fp88'; did you mean 'mxfp8'?"),
        ("gptq:bit=4", "llama-3.1-8b: format gptq has no argument 'bit'; did you mean 'bits'?"),
        ("gptq:bits=four", "llama-3.1-8b: gptq: bits: 'four' is no number"),
    ],
)
def test_a_wrong_name_is_one_line(name: str, message: str) -> None:
    with pytest.raises(SymflopsError) as error:
        symflops.formats(LLAMA, name)
    assert str(error.value).startswith(message.partition(": 'four'")[0])


def test_the_option_and_weight_bytes(run: Any) -> None:
    status, out, err = run("memory", LLAMA, "-B", "1", "-S", "8", "--format-of-weights", "bnb-8bit", "--format", "json")
    linear = sum(rows * columns + 4 * rows + 1 for rows, columns in LINEAR.values())
    assert (status, json.loads(out)["weights"]) == (0, LAYERS * linear + REST)
    assert "bnb-8bit for q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and 1 more" in err
    given = ("memory", LLAMA, "-B", "1", "-S", "8", "--format", "json", "--weight-bytes", "1")
    status, out, err = run(*given, "--format-of-weights", "bnb-8bit")
    assert (status, json.loads(out)["weights"]) == (0, 8_030_261_248)
    assert "weight_bytes counts all weights; their formats are left aside" in err
    assert "left aside" not in run(*given)[2]


# ------------------------------------------------------------------------------------------------------------- configs


CONFIGS: dict[str, tuple[Mapping[str, Any], str, Mapping[str, Any]]] = {
    "gptq": ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq", {"bits": 8}),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 64}, "awq", {"group_size": 64}),
    "fp8": ({"quant_method": "fp8", "weight_block_size": [64, 32]}, "fp8-block128",
            {"block_rows": 64, "block_columns": 32}),
    "fp8 static": ({"quant_method": "fp8", "activation_scheme": "static"}, "fp8-tensor", {"input_scale_bytes": 4}),
    "8 bit": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bnb-8bit", {}),
    "4 bit": ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
              "bnb-4bit-double", {}),
    "modelopt": ({"quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}, "nvfp4", {}),
    "torchao": ({"quant_method": "torchao", "quant_type": {"default": {
        "_type": "Int4WeightOnlyConfig", "_data": {"group_size": 64}}}}, "torchao-int4", {"group_size": 64}),
    "hqq": ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3, "group_size": 64}}}, "hqq",
            {"bits": 3, "packed_bytes": 28}),
    "aqlm": ({"quant_method": "aqlm", "in_group_size": 8, "nbits_per_codebook": 8, "num_codebooks": 2}, "aqlm",
             {"codebooks": 2, "code_bits": 8}),
    "fbgemm": ({"quant_method": "fbgemm_fp8"}, "fp8-channel", {"scale_bytes": 4}),
    "int8 channels": ({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"g": {
        "targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", "strategy": "channel"}}}},
        "int8-channel", {}),
    "w4a16": ({"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
               "config_groups": {"g": {"targets": ["Linear"], "weights": {
                   "num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": False}}}},
              "int4-group128", {"group_size": 32, "zero_points": 1}),
    "nvfp4 a16": ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "ignore": ["lm_head"],
                   "config_groups": {"g": {"targets": ["Linear"], "input_activations": None, "weights": {
                       "num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}}}},
                  "nvfp4", {"input_scale_bytes": 0}),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_what_a_config_says_is_read(case: str) -> None:
    data, name, args = CONFIGS[case]
    found = quantization(data)
    (rule,) = found.rules
    assert rule.format.name == name
    assert {key: rule.args.get(key) for key in args} == args
    assert found.ignored.match("lm_head")


def _with(data: Mapping[str, Any], model: str = LLAMA) -> Model:
    from symflops.passes.formats import formats

    return formats(symflops.load(model), quantization(data))


def test_modules_are_left_out_by_names_globs_and_expressions() -> None:
    group = {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}
    base = {"quant_method": "compressed-tensors", "config_groups": {"g": group}}
    sizes = {name: rows * columns for name, (rows, columns) in LINEAR.items()}
    fp8 = {name: rows * columns + 2 * rows for name, (rows, columns) in LINEAR.items()}
    head = 128256 * 4096
    everything = LAYERS * sum(fp8.values()) + REST - head * 2 + head + 2 * 128256

    def layers(of: Any, count: int = LAYERS) -> int:
        return count * sum(2 * sizes[name] - fp8[name] for name in of)

    attention, mlp = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")
    kept_head = head - 2 * 128256
    cases: list[tuple[list[str], int]] = [
        ([], 0),
        (["lm_head"], kept_head),
        (["lm_head", "re:.*self_attn.*"], kept_head + layers(attention)),
        (["re:.*mlp\\.(gate|up)_proj$"], layers(mlp[:2])),
        (["model.layers.0.self_attn*", "model.layers.31.mlp.down_proj"], layers(attention, 1) + layers(mlp[2:], 1)),
        (["model.language_model.layers.3"], layers(LINEAR, 1)),
        (["re:model\\.layers\\.1[0-3]\\."], layers(LINEAR, 4)),
        ([f"model.layers.{i}.mlp.up_proj" for i in range(0, 32, 2)], layers(["up_proj"], 16)),
        (["self_attn.k_proj", "v_proj"], layers(["k_proj", "v_proj"])),
    ]
    for ignored, more in cases:
        assert weights(_with({**base, "ignore": ignored})) == everything + more, ignored


def test_single_layers_may_have_formats_of_their_own() -> None:
    names = {f"model.layers.{i}.mlp.{name}": {"quant_algo": "NVFP4"} for i in range(8) for name in ("up_proj",)}
    names |= {f"model.layers.{i}.mlp.down_proj": {"quant_algo": "FP8"} for i in range(32)}
    found = weights(_with({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": names}))
    size = 14336 * 4096
    nvfp4 = size // 2 + size // 16 + 8
    assert found == 2 * 8_030_261_248 - 8 * (2 * size - nvfp4) - 32 * (2 * size - size - 8)


def test_a_module_that_transformers_merged_has_the_format_of_its_parts() -> None:
    data: dict[str, Any] = {"name": "merged", "symbols": {"h": 64, "i": 128}, "layers": {"layers": {
        "repeat": 3, "class": "Layer", "sub_layers": {"gate_up_proj": {
            "formula": "linear", "args": {"N": "seq_len", "in_features": "h", "out_features": "2*i"}}}}}}  # fmt: skip
    from symflops.passes.formats import formats

    group = {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}
    base = {"quant_method": "compressed-tensors", "config_groups": {"g": group}}
    kept, plain_ = 256 * 64 + 2 * 256, 2 * 256 * 64
    for ignored, count in (([], 3), (["layers.0.gate_proj"], 3), (["layers.0.gate_proj", "layers.0.up_proj"], 2)):
        model = formats(symflops.load(data), quantization({**base, "ignore": ignored}))
        assert weights(model) == count * kept + (3 - count) * plain_, ignored
    layers = {f"layers.{i}.{name}_proj": {"quant_algo": "FP8"} for i in range(3) for name in ("gate", "up")}
    model = formats(symflops.load(data), quantization({"quant_method": "modelopt", "quantized_layers": layers}))
    assert weights(model) == 3 * (256 * 64 + 8)


KINDS = {  # a list of six layers, of which the config does not tell which are dense and which have experts
    "name": "kinds",
    "symbols": {"h": 64, "i": 128, "num_experts": 4},
    "layers": {"model": {"class": "M", "sub_layers": {"layers": {"sub_layers": {
        kind: {"class": "Layer", "repeat": count, "sub_layers": {
            "up_proj": {"formula": "linear", "args": {"N": "seq_len", "in_features": "h", "out_features": "i"}},
            **({"gate": {"formula": "linear", "args": {"N": "seq_len", "in_features": "h", "out_features": 4}}}
               if kind == "sparse" else {}),
        }} for kind, count in (("dense", 2), ("sparse", 4))
    }}}}},
}  # fmt: skip


def test_single_modules_that_are_named_are_those_of_a_kind() -> None:
    """Of two dense and four sparse layers all six have `up_proj`, and four a `gate`, which says which they are."""
    from symflops.passes.formats import formats

    gates = {f"model.layers.{i}.gate": {"quant_algo": "FP8"} for i in (1, 2, 4, 5)}
    data = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": gates}
    model = formats(symflops.load(KINDS), quantization(data))
    assert weights(model) == 6 * 2 * 64 * 128 + 4 * (64 * 4 + 8)
    assert not any("evenly" in note for note in model.notes)
    gates["model.layers.1.up_proj"] = {"quant_algo": "FP8"}
    model = formats(symflops.load(KINDS), quantization(data))
    assert weights(model) == 5 * 2 * 64 * 128 + 64 * 128 + 8 + 4 * (64 * 4 + 8)
    assert any("evenly over the kinds of layers: up_proj" in note for note in model.notes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"quant_method": "vptq"}, "its method 'vptq' is not known"),
        ({}, "its method 'is not named' is not known"),
        ({"quant_method": "gptq", "bits": 10**30}, "bits is 1" + "0" * 30),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes with neither load_in_8bit nor load_in_4bit"),
        ({"quant_method": "fp8", "weight_block_size": "128"}, "weight_block_size is 128"),
        ({"quant_method": "fp8", "modules_to_not_convert": "lm_head"}, "modules_to_not_convert: expected a list"),
        ({"quant_method": "fp8", "modules_to_not_convert": [3]}, "a name of modules is '3'"),
        ({"quant_method": "modelopt", "quant_algo": "X"}, "quant_algo 'X' is not known"),
        ({"quant_method": "compressed-tensors"}, "it names no layers"),
        ({"quant_method": "torchao", "quant_type": "int9"}, "torchao's int9 is not known"),
    ],
)
def test_what_is_not_known_is_one_line(data: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as error:
        quantization(data)
    assert str(error.value) == message


@pytest.mark.parametrize("pattern", ["re:(a+)+$", "re:.*.*.*.*.*.*x", "re:" + "a" * 400, "re:(", "*a*a*a*a*a*a*a*"])
def test_a_pattern_that_takes_long_is_refused(pattern: str) -> None:
    group = {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}
    with pytest.raises(SymflopsError, match="the pattern of modules"):
        quantization({"quant_method": "compressed-tensors", "config_groups": {"g": group}, "ignore": [pattern]})


def test_odd_configs_end_in_one_line_or_in_numbers() -> None:
    draw = random.Random(11)
    odd: list[Any] = [None, True, -1, 0, 3, 10**40, 0.5, "", "x", "re:[", [], {}, [None], {"a": 1}, ["lm_head"], "FP8"]
    keys = [
        "bits", "group_size", "weight_block_size", "config_groups", "ignore", "modules_to_not_convert", "quant_algo",
        "load_in_4bit", "quant_type", "quant_config", "quantized_layers", "kv_cache_scheme", "dynamic", "in_group_size",
        "quantization", "sparsity_config", "format",
    ]  # fmt: skip
    methods = [
        "gptq", "awq", "fp8", "bitsandbytes", "compressed-tensors", "modelopt", "mxfp4", "torchao", "hqq", "aqlm",
        "eetq", "fbgemm_fp8", "x",
    ]  # fmt: skip
    for _ in range(1500):
        data: dict[str, Any] = {"quant_method": draw.choice([*methods, *odd])}
        for key in draw.sample(keys, draw.randrange(1, 6)):
            data[key] = draw.choice(odd)
        if draw.random() < 0.3:
            data["config_groups"] = {"g": {"weights": {k: draw.choice(odd) for k in ("num_bits", "type", "strategy")}}}
        try:
            found = quantization(data)
        except SymflopsError:
            continue
        for rule in found.rules:
            rule.format.bytes(rows=100, columns=300, args=rule.args)


def test_the_cache_of_a_config_is_its_default() -> None:
    found = _with({"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "FP8"})
    assert found.total().defaults["cache_bytes"] == 1
    per_token = 2 * 32 * 8 * 128
    assert symflops.memory(found, batch_size=1, seq_len=10).state == per_token * 10
    assert symflops.memory(found, batch_size=1, seq_len=10, cache_bytes=2).state == per_token * 20
    again = symflops.load(json.loads(found.dumps()))
    assert symflops.memory(again, batch_size=1, seq_len=10).state == per_token * 10
    other = _with({"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"})
    assert any("the KV cache's NVFP4 is not known" in note for note in other.notes)


def test_named_formats_leave_the_head_out() -> None:
    assert named("awq").ignored.match("lm_head")
    assert not named("awq").ignored.match("model.layers.0.mlp.up_proj")
