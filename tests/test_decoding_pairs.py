"""Steps of a decoder after its encoder's call, against the counter of PyTorch over real decoding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from test_several_inputs import CASES, SIDES, TOKENS
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError
from symflops.numeric import evaluate

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("encoder_and_decoder")]

T5GEMMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
T5GEMMA |= {"vocab_size": 99, "sliding_window": 5, "query_pre_attn_scalar": 8}
WINDOWS = {
    "encoder": {**T5GEMMA, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]},
    "decoder": {**T5GEMMA, "num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention"] * 2},
}
WINDOWS["decoder"]["layer_types"] = ["sliding_attention", "full_attention", "sliding_attention"]
MORE = [
    *CASES,
    ("marian", "MarianMTModel", {**SIDES, **TOKENS}, {"source_len": 5, "target_len": 2}),
    ("mbart", "MBartForConditionalGeneration", SIDES, {"source_len": 5, "target_len": 2}),
    ("umt5", "UMT5ForConditionalGeneration", CASES[0][2], {"source_len": 5, "target_len": 2}),
    ("t5gemma", "T5GemmaForConditionalGeneration", WINDOWS, {"source_len": 9, "target_len": 2}),
]


def built(kind: str, architecture: str, fields: dict[str, Any]) -> tuple[Any, torch.nn.Module]:
    config = transformers.CONFIG_MAPPING[kind](**fields)
    config.architectures = [architecture]
    return config, getattr(transformers, architecture)(config).eval()


class Decoding:
    """A real model that decodes: each call is counted, attention as matrix multiplies."""

    def __init__(self, module: Any, derived: symflops.Model, values: dict[str, int]) -> None:
        self.module, self.cache, self.result = module, None, None
        self.batch = values["batch_size"]
        (source,) = [one for one in derived.inputs if one.name != "decoder_input_ids"]
        shape = [int(evaluate(size, {**derived.symbols, **values})) for size in source.shape]
        self.source = {source.name: torch.ones(shape, dtype=torch.long if source.dtype == "int64" else torch.float32)}

    def call(self, tokens: int) -> int:
        ids = torch.ones(self.batch, tokens, dtype=torch.long)
        given: dict[str, Any] = self.source if self.result is None else {"encoder_outputs": self.result}
        if self.result is None:
            encoder = self.module.get_encoder()
            hook = encoder.register_forward_hook(lambda module, args, result: setattr(self, "result", result))
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            out = self.module(**given, decoder_input_ids=ids, past_key_values=self.cache, use_cache=True)
        if given is self.source:
            hook.remove()
        self.cache = out.past_key_values
        return int(counter.get_total_flops())


@pytest.mark.parametrize(("kind", "architecture", "fields", "lengths"), MORE, ids=lambda v: v if type(v) is str else "")
def test_a_step_costs_what_pytorch_counts(
    kind: str, architecture: str, fields: dict[str, Any], lengths: dict[str, int]
) -> None:
    config, module = built(kind, architecture, fields)
    derived = symflops.derive(config)
    assert "encoder" in derived.run
    cost = derived.total()
    for batch, fed in ((2, (1, 1, 1)), (1, (3, 2, 1, 4))):
        values = {**lengths, "batch_size": batch}
        decoding, past = Decoding(module, derived, values), 0
        for tokens in fed:
            counted = decoding.call(tokens)
            at = cost.at(**{**values, "target_len": tokens, "past_len": past, "encoder": int(past == 0)})
            assert at.matmul_flops == counted, (batch, tokens, past)
            past += tokens
    weights = sum(p.numel() for p in module.parameters())
    assert cost.parameters == weights
    assert cost.at(**{**lengths, "batch_size": 1, "encoder": 0}).parameters == weights  # they are there all the same


@pytest.mark.parametrize(("kind", "architecture", "fields", "lengths"), MORE[:2] + MORE[4:5], ids=lambda v: str(v)[:9])
def test_generation_is_the_sum_of_all_calls(
    kind: str, architecture: str, fields: dict[str, Any], lengths: dict[str, int]
) -> None:
    config, module = built(kind, architecture, fields)
    derived = symflops.derive(config)
    values = {"batch_size": 2, **{n: v for n, v in lengths.items() if n != "target_len"}}
    decoding = Decoding(module, derived, values)
    counted = [decoding.call(1) for _ in range(6)]
    given = {"prompt_len" if n == "source_len" else n: v for n, v in values.items()}
    cost = symflops.generation(derived)
    assert cost.at(**given, new_tokens=6).matmul_flops == sum(counted)
    assert cost.at(**given, new_tokens=1).matmul_flops == counted[0]
    one_by_one = [derived.total().at(**values, target_len=1, past_len=p, encoder=int(p == 0)) for p in range(6)]
    assert cost.at(**given, new_tokens=6).read_bytes == sum(one.read_bytes for one in one_by_one)


def test_keys_of_the_source_are_computed_and_kept_once(say: Any, tmp_path: Path) -> None:
    """BART-large, 64 tokens and 10 new ones. By hand, per layer, in elements: the encoder's and the decoder's tokens
    through their weights, the pairs of attention; independently counted by FlopCounterMode over meta tensors."""
    config = transformers.BartConfig()
    config.architectures = ["BartForConditionalGeneration"]
    derived = symflops.derive(config)
    cost = derived.total()
    h, f, v, layers, source = 1024, 4096, 50265, 12, 64
    encoder = layers * (2 * source * (4 * h * h + 2 * h * f) + 4 * source * source * h)
    keys = layers * 2 * source * 2 * h * h
    decoding = sum(
        layers * (2 * (6 * h * h + 2 * h * f) + 4 * (past + 1) * h + 4 * source * h) + 2 * h * v for past in range(10)
    )
    assert encoder == 19_528_679_424  # what the counter says
    assert encoder + keys + decoding == 27_336_708_096  # as well
    at = symflops.generation(derived).at(batch_size=1, prompt_len=64, new_tokens=10)
    assert at.matmul_flops == 27_336_708_096
    step = cost.at(batch_size=1, source_len=64, target_len=1, past_len=63, encoder=0)
    assert step.matmul_flops == 461_555_712  # counted
    file = tmp_path / "bart.json"
    file.write_text(derived.dumps())
    assert symflops.load(file).dumps() == derived.dumps()
    answer = json.loads(say("generation", str(file), "-B", "1", "-p", "64", "-n", "10", "--format", "json"))
    assert answer["kv_cache"] == layers * 2 * h * 2 * (10 + source) == 3_637_248
    assert answer["metrics"]["matmul_flops"] == 27_336_708_096
    shown = say("total", str(file), "-B", "1", "--set", "source_len=64", "--set", "target_len=1", "-P", "63", "--set",
                "encoder=0", "--metric", "matmul_flops")  # fmt: skip
    assert "461,555,712" in shown


def test_a_switch_is_a_factor_of_a_repeat() -> None:
    layer = {"formula": "linear", "args": {"N": "batch_size", "in_features": 3, "out_features": 5}}
    group = {"repeat": "4*encoder", "sub_layers": {"up": layer, "down": {**layer, "repeat": 2}}}
    model = symflops.load({"name": "two", "layers": {"encoder": group, "decoder": layer}})
    assert model.total().at(batch_size=1).matmul_flops == 30 * (4 * 3 + 1)
    assert model.total().at(batch_size=1, encoder=0).matmul_flops == 30
    assert model.total().parameters == 15 * (4 * 3 + 1)  # without bias
    assert symflops.load(json.loads(model.dumps())).total().flops == model.total().flops
    with pytest.raises(SymflopsError, match=r"layers\.encoder\.repeat: encoder can only be a factor of it"):
        symflops.load({"name": "two", "layers": {"encoder": {**layer, "repeat": "encoder + 1"}}})
    own = {"name": "own", "symbols": {"encoder": 3}, "layers": {"encoder": {**layer, "repeat": "encoder"}}}
    assert symflops.load(own).total().parameters == 45  # a size that a model calls so is no switch
