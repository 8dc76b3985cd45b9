"""What a derived model can run: compared with transformers' own models, which are run at the limit and one beyond."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_configs import small_config
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError
from symflops.export.python import python_function
from symflops.trace.binding import bind

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("limits")]

CONFIGS: dict[str, Any] = {
    "gpt2": transformers.GPT2Config(n_positions=16, n_embd=8, n_head=2, n_layer=1, vocab_size=11),
    "opt": transformers.OPTConfig(
        max_position_embeddings=16, hidden_size=8, num_attention_heads=2, ffn_dim=12, num_hidden_layers=1,
        vocab_size=11, word_embed_proj_dim=8,
    ),
    "gpt_neo": transformers.GPTNeoConfig(
        max_position_embeddings=16, hidden_size=8, num_layers=2, num_heads=2, window_size=4, vocab_size=11,
        attention_types=[[["global", "local"], 1]],
    ),
    "gptj": transformers.GPTJConfig(n_positions=16, n_embd=8, n_head=2, n_layer=1, rotary_dim=2, vocab_size=11),
    "mpt": transformers.MptConfig(d_model=8, n_heads=2, n_layers=1, max_seq_len=16, vocab_size=11),
    "bert": transformers.BertConfig(
        max_position_embeddings=16, hidden_size=8, num_attention_heads=2, intermediate_size=12, num_hidden_layers=1,
        vocab_size=11,
    ),
    "roberta": transformers.RobertaConfig(  # its positions begin behind the padding token's
        max_position_embeddings=18, hidden_size=8, num_attention_heads=2, intermediate_size=12, num_hidden_layers=1,
        vocab_size=11, pad_token_id=1,
    ),
}  # fmt: skip
LIMIT = 16


def real(config: Any) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def runs(model: Any, length: int, past: int = 0) -> bool:
    """Whether transformers' own model runs: so many tokens after so many others."""
    try:
        with torch.no_grad():
            ids = torch.full((1, past + length), 5)
            cache = model(ids[:, :past], use_cache=True).past_key_values if past else None
            model(ids[:, past:], past_key_values=cache, use_cache=past > 0)
    except (IndexError, RuntimeError, ValueError):
        return False
    return True


def allows(model: symflops.Model, length: int, past: int = 0) -> bool:
    try:
        model.total().at(batch_size=1, seq_len=length, past_len=past)
    except SymflopsError as error:
        if "assumption broken: " not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_is_refused_exactly_where_its_own_source_fails(name: str) -> None:
    model, derived = real(CONFIGS[name]), symflops.derive(CONFIGS[name])
    for length in (1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT):
        assert allows(derived, length) is runs(model, length) is (length <= LIMIT), length
    if name not in ("bert", "roberta"):
        for length, past in ((1, LIMIT - 1), (1, LIMIT), (5, LIMIT - 5), (5, LIMIT - 4)):
            assert allows(derived, length, past) is runs(model, length, past), (length, past)


def test_the_largest_length_costs_what_is_counted_there() -> None:
    """MPT asks for the larger of 0 and what is left of its positions: at the limit both are 0."""
    model, derived = real(CONFIGS["mpt"]), symflops.derive(CONFIGS["mpt"])
    for length in (LIMIT - 1, LIMIT):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.full((1, length), 5), use_cache=False)
        assert derived.total().at(batch_size=1, seq_len=length).matmul_flops == counter.get_total_flops()


def test_an_encoder_takes_no_cache() -> None:
    for config in (CONFIGS["bert"], CONFIGS["roberta"], transformers.ViTConfig(hidden_size=8, num_attention_heads=2,
                   intermediate_size=12, num_hidden_layers=1, image_size=32, patch_size=16)):  # fmt: skip
        total = symflops.derive(config).total()
        with pytest.raises(SymflopsError, match=r"^assumption broken: past_len == 0 \(with past_len=3\)$"):
            total.at(batch_size=1, seq_len=4, past_len=3)


LLAMA = {
    "model_type": "llama", "hidden_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 2, "intermediate_size": 20, "vocab_size": 30, "head_dim": 24,
}  # fmt: skip


def test_heads_that_groups_do_not_divide() -> None:
    derived = symflops.derive(LLAMA)
    message = r"^llama: assumption broken: num_attention_heads % num_key_value_heads == 0 \(with num_att"
    for heads, groups in ((4, 3), (64, 7), (2, 4)):
        with pytest.raises(SymflopsError, match=message):
            derived.with_symbols({"num_attention_heads": heads, "num_key_value_heads": groups})
        config = LLAMA | {"num_attention_heads": heads, "num_key_value_heads": groups}
        with pytest.raises(SymflopsError) as refused:
            symflops.derive(config)
        assert str(refused.value) == (
            "llama: no call of this model works: it needs num_attention_heads % num_key_value_heads == 0 "
            f"(num_attention_heads = {heads}, num_key_value_heads = {groups})"
        )
        assert not runs(real(transformers.LlamaConfig(**{k: v for k, v in config.items() if k != "model_type"})), 3)


def test_a_model_has_layers() -> None:
    for depth in (0, -2):
        with pytest.raises(
            SymflopsError, match=rf"^llama: num_hidden_layers = {depth}: a model has at least one layer$"
        ):
            symflops.derive(LLAMA | {"num_hidden_layers": depth})
    with pytest.raises(SymflopsError, match=r"^llama: assumption broken: num_hidden_layers >= 1 \(with num_hidden_lay"):
        symflops.derive(LLAMA).with_symbols({"num_hidden_layers": 0})


def test_no_more_experts_for_a_token_than_there_are() -> None:
    config = LLAMA | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
    derived = symflops.derive(config)
    assert derived.with_symbols({"num_experts_per_tok": 8}).total().at(batch_size=1, seq_len=3).flops > 0
    with pytest.raises(
        SymflopsError, match=r"^mixtral: assumption broken: num_experts_per_tok <= num_local_experts \(wi"
    ):
        derived.with_symbols({"num_experts_per_tok": 9})


# ------------------------------------------------------------------------------------------------- the config's formats


@pytest.mark.parametrize(
    ("key", "dtype", "size"), [("torch_dtype", "float32", 4), ("dtype", "bfloat16", 2), ("", "", 2)]
)
def test_the_data_type_of_a_config_is_the_default_of_dtype_bytes(
    key: str, dtype: str, size: int, say: Any, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | ({key: dtype} if key else {})))
    derived = symflops.derive(path)
    assert (derived.dtype, symflops.load(json.loads(derived.dumps())).dtype) == (dtype, dtype)
    point = {"batch_size": 2, "seq_len": 3}
    reads = derived.total().at(**point).read_bytes
    assert reads == derived.total().at(**point, dtype_bytes=size).read_bytes
    assert derived.total().sweep(**point)["read_bytes"].tolist() == [reads]
    assert sum(row.total.at(**point).read_bytes for row in derived.rows()) == reads
    assert symflops.generation(derived).at(batch_size=2, prompt_len=3, new_tokens=1).read_bytes == reads
    scope: dict[str, Any] = {}
    exec(python_function(derived.total(), ["read_bytes"], "f"), scope)
    assert scope["f"](2, 3)["read_bytes"] == reads
    shown = say("total", str(path), "-B", "2", "-S", "3", "--metric", "read_bytes")
    said = f" (the config's {dtype})" if dtype else ""
    assert shown.splitlines()[-1] == f"with batch_size = 2, seq_len = 3, past_len = 0, dtype_bytes = {size}{said}"
    assert f"{reads:,}" in shown
    data = json.loads(say("total", str(path), "-B", "2", "-S", "3", "--dtype-bytes", "1", "--format", "json"))
    assert data["metrics"]["read_bytes"] == derived.total().at(**point, dtype_bytes=1).read_bytes


QUANTIZED = {
    "gptq, 4 bit": ({"quant_method": "gptq", "bits": 4, "group_size": "many"}, "group_size is many"),
    "fp8, e4m3": (
        {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128]}, "weight_block_size is [128]",
    ),
    "compressed-tensors, 5 bit": (
        {"quant_method": "compressed-tensors", "config_groups": {"all": {"weights": {"num_bits": 5}}}},
        "int weights of 5 bits by tensor are not known",
    ),
    "vptq, 2 bit": ({"quant_method": "vptq", "bits": 2}, "its method 'vptq' is not known"),
}  # fmt: skip


@pytest.mark.parametrize("words", QUANTIZED)
def test_weights_in_a_format_that_is_not_known_are_named(words: str, run: Any, tmp_path: Path) -> None:
    path, plain = tmp_path / "config.json", tmp_path / "plain.json"
    stated, why = QUANTIZED[words]
    path.write_text(json.dumps(LLAMA | {"quantization_config": stated}))
    plain.write_text(json.dumps(LLAMA))
    note = (
        f"the config keeps weights in another format ({words}), which is not counted: {why}; "
        "here each counts weight_bytes, by default dtype_bytes"
    )
    derived = symflops.derive(path)
    assert derived.notes == (note,)
    status, _, err = run("total", str(path), "-B", "1", "-S", "2", "--metric", "read_bytes")
    assert (status, err) == (0, f"note: {derived.name}: {note}\n")
    (tmp_path / "model.json").write_text(derived.dumps())
    status, _, err = run("total", str(tmp_path / "model.json"), "--config", str(plain), "-B", "1", "-S", "2")
    assert (status, err) == (0, "")


def test_formats_are_those_of_the_config_that_is_bound(run: Any, tmp_path: Path) -> None:
    """A plain config in a model of a quantised one has plain weights, and the other way round; so has training."""
    stated = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    for name, more in (("plain", {}), ("eight", {"quantization_config": stated})):
        (tmp_path / f"{name}.json").write_text(json.dumps(LLAMA | more))
        (tmp_path / f"{name}-model.json").write_text(symflops.derive(LLAMA | more).dumps())

    def weights(*words: str) -> int:
        status, out, _ = run("memory", *words, "-B", "1", "-S", "2", "--format", "json")
        assert status == 0
        return int(json.loads(out)["weights"])

    plain, eight = (weights(str(tmp_path / f"{name}-model.json")) for name in ("plain", "eight"))
    assert eight < plain
    for model in ("plain", "eight"):
        for config, wanted in (("plain", plain), ("eight", eight)):
            words = (str(tmp_path / f"{model}-model.json"), "--config", str(tmp_path / f"{config}.json"))
            assert weights(*words) == wanted, (model, config)
    assert weights(str(tmp_path / "eight.json"), "--training") == plain
    assert weights(str(tmp_path / "eight.json"), "--format-of-weights", "none") == plain


def test_a_page_opens_with_the_bytes_of_its_models(tmp_path: Path, run: Any) -> None:
    for name, dtype in (("four", "float32"), ("two", "bfloat16")):
        (tmp_path / f"{name}.json").write_text(symflops.derive(LLAMA | {"dtype": dtype}).dumps())
    _, page, _ = run("report", str(tmp_path / "four.json"))
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert {s["name"]: s["value"] for s in data["symbols"]}["dtype_bytes"] == "4"
    status, _, err = run("report", str(tmp_path / "four.json"), str(tmp_path / "two.json"))
    wanted = "the models' data types have different bytes (4 of llama, 2 of llama); give --dtype-bytes"
    assert (status, err) == (3, f"symflops: error: {wanted}\n")


def test_the_cache_of_a_generation_is_in_the_config_s_data_type(say: Any, tmp_path: Path) -> None:
    """Two layers keep a key and a value of 2 heads of 24 numbers for each of the 5 tokens that were fed."""
    (tmp_path / "m.json").write_text(symflops.derive(LLAMA | {"dtype": "float32"}).dumps())
    shown = say("generation", str(tmp_path / "m.json"), "-B", "1", "-p", "4", "-n", "2")
    assert f"KV cache after the last step: {2 * 2 * 2 * 24 * 5 * 4:,} byte" in shown
    assert "dtype_bytes = 4 (the config's float32)" in shown


def test_beyond_what_a_model_with_rotated_positions_was_made_for_is_a_note(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(symflops.derive(LLAMA | {"max_position_embeddings": 100}).dumps())
    assert runs(real(transformers.LlamaConfig(**{**LLAMA, "max_position_embeddings": 100})), 101)
    note = "note: llama: beyond what the config allows for, though the formulas hold: "
    note += "seq_len + past_len <= 100 (with past_len="
    at = ("-B", "1", "--metric", "flops")
    for options, past, tokens in (
        (("total", *at, "-S", "101"), 0, 101), (("total", *at, "-S", "60", "-P", "41"), 41, 60),
        (("sweep", *at, "-S", "50:150:+50"), 0, 150), (("generation", *at, "-p", "100", "-n", "2"), 0, 101),
    ):  # fmt: skip
        status, _, err = run(options[0], str(path), *options[1:])
        assert (status, err) == (0, f"{note}{past}, seq_len={tokens})\n")
    for options in (("total", *at, "-S", "100"), ("generation", *at, "-p", "100", "-n", "1"), ("total", *at)):
        assert run(options[0], str(path), *options[1:])[2] == ""
    (other := tmp_path / "config.json").write_text(json.dumps(LLAMA | {"max_position_embeddings": 200}))
    assert run("total", str(path), "--config", str(other), *at, "-S", "200")[2] == ""
    assert symflops.derive(CONFIGS["gpt2"]).expects == ()


def test_what_is_left_beside_the_rotated_part_of_a_head_is_something() -> None:
    """Where all of a head is rotated, torch joins what is rotated to nothing, and reads less."""
    model = symflops.derive(small_config("codegen", 0))
    assert "n_embd > n_head*rotary_dim" in model.assumes
    other = small_config("codegen", 1)
    other.rotary_dim = 8  # all of 96/12
    with pytest.raises(SymflopsError, match=r"n_embd > n_head\*rotary_dim \(with n_embd=96, n_head=12, rotary_dim=8\)"):
        bind(model, other)
