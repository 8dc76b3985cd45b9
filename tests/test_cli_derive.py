"""From a config to a model file: what the commands print, how they refuse, and what binding another config allows.

The configs here are small; the one of Llama-2-7b has its published totals.
"""

from __future__ import annotations

import gc
import io
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import independent_count
import pytest
import torch
from small_configs import small_config
from transformers import (
    DeepseekV4Config,
    Llama4TextConfig,
    LlamaConfig,
    ModernBertDecoderConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

import symflops
from symflops import Model, SymflopsError, progress
from symflops.cli import COMMANDS, main
from symflops.expr import to_sympy, unparse
from symflops.source import bind
from symflops.trace.configs import find
from symflops.trace.inspection import inspect

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("cli_derive")]

ROOT = Path(__file__).parent.parent
LLAMA_2_7B = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
    "num_hidden_layers": 32, "vocab_size": 32000,
}  # fmt: skip
LLAMA = LLAMA_2_7B | {
    "hidden_size": 256, "intermediate_size": 384, "num_attention_heads": 8, "num_key_value_heads": 4,
    "num_hidden_layers": 2, "vocab_size": 1000,
}  # fmt: skip
MIXTRAL = LLAMA | {"model_type": "mixtral", "num_local_experts": 6, "num_experts_per_tok": 2, "sliding_window": None}
GEMMA = LLAMA | {"model_type": "gemma2", "head_dim": 32, "sliding_window": 48, "num_hidden_layers": 4}
GRANITE = MIXTRAL | {"model_type": "granitemoeshared", "num_local_experts": 4}
SLIDING = "sliding_attention"
CONFIGS = {"llama": LLAMA, "mixtral": MIXTRAL, "gemma": GEMMA, "granite": GRANITE}
POINT = {"batch_size": 2, "seq_len": 7, "past_len": 100}


def write(path: Path, config: Any) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(config))
    return str(path)


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run([sys.executable, ROOT / "cli.py", *arguments], capture_output=True, env=environment)


@pytest.fixture(scope="module")
def llama() -> Model:
    return symflops.derive(LLAMA)


@pytest.fixture(scope="module")
def mixtral() -> Model:
    return symflops.derive(MIXTRAL)


@pytest.fixture(scope="module")
def granite() -> Model:
    return symflops.derive(GRANITE)


@pytest.fixture(scope="module")
def gemma() -> Model:
    return symflops.derive(GEMMA)


def numbers(model: Model, **point: int) -> tuple[int, ...]:
    cost = model.total().at(**(point or POINT))
    return tuple(cost.number(metric) for metric in symflops.METRICS)


# --------------------------------------------------------------------------------------------------------------- derive


def test_derive_prints_the_model_file(say: Any, llama: Model, tmp_path: Path) -> None:
    assert say("derive", write(tmp_path / "llama" / "config.json", LLAMA)) == llama.dumps()


def test_derive_writes_a_file_that_is_a_model(say: Any, capsys: Any, llama: Model, tmp_path: Path) -> None:
    path = tmp_path / "llama.json"
    with pytest.raises(SystemExit) as stopped:
        main(["derive", write(tmp_path / "llama" / "config.json", LLAMA), "-o", str(path)])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (0, "")
    assert err.startswith(f"wrote {path}: 20 layers, 7 symbols, ")
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["llama", "llama.json"]  # nothing is left beside it
    assert path.read_text() == llama.dumps() == symflops.load(path).dumps()
    for name in ("batch_size", "past_len", "hidden_size", "num_hidden_layers", "num_key_value_heads"):
        assert name in say("-q", "total", str(path), "--symbolic", "--metric", "flops")


def test_a_config_can_be_named_where_a_model_is(say: Any, tmp_path: Path) -> None:
    """29,261,612,187,648 and 6,738,415,616 are FlopCounterMode's and the published number, see test_models.py."""
    path = write(tmp_path / "config.json", LLAMA_2_7B)
    for named in (path, str(tmp_path)):
        shown = say("total", named, "-B", "1", "-S", "2048")
        assert "29,261,612,187,648" in shown
        assert "6,738,415,616" in shown


COMMANDS_ON_A_CONFIG = {
    "total": [], "show": [], "sweep": ["-B", "1", "-S", "8"], "table": [], "report": [], "derive": [], "regimes": [],
    "solve": ["flops <= 1 PFLOP", "--for", "S"], "generation": [], "memory": [],
    "fit": ["--hardware", "h100-sxm"], "compare": ["gpt2"],
    "roofline": ["--hardware", "h100-sxm"], "verify": ["--against", "gpt2"],
}  # fmt: skip


def test_every_command_that_may_derive_is_there() -> None:
    no_model = {"hardware", "formulas", "models", "inspect", "cache", "atlas", "site"}  # or one that is not run
    assert {*COMMANDS_ON_A_CONFIG} == {*COMMANDS} - no_model


@pytest.mark.parametrize("command", COMMANDS_ON_A_CONFIG)
def test_every_command_that_derives_takes_a_timeout(refuse: Any, tmp_path: Path, command: str) -> None:
    config = write(tmp_path / "small" / "config.json", LLAMA)
    said = refuse(command, config, *COMMANDS_ON_A_CONFIG[command], "--timeout", "1e-9")
    assert "not derived within 1e-09 s of processor time; the last step was: reading the config" in said


def test_the_other_side_of_a_comparison_has_the_timeout_too(refuse: Any, tmp_path: Path) -> None:
    config = write(tmp_path / "small" / "config.json", LLAMA)
    for command in (["compare", "gpt2", config], ["verify", "gpt2", "--against", config]):
        assert "not derived within 1e-09 s" in refuse(*command, "--timeout", "1e-9")


def test_a_config_can_be_loaded_as_data(llama: Model) -> None:
    assert symflops.load(LLAMA).dumps() == llama.dumps()


def test_eager_attention_materialises_scores_and_probabilities(llama: Model) -> None:
    eager = symflops.derive(LLAMA, attention="eager").total().at(**POINT)
    fused = llama.total().at(**POINT)
    assert (eager.flops, eager.parameters) == (fused.flops, fused.parameters)
    layers, heads, pairs = 2, 8, 2 * 7 * 107
    assert fused.intermediate_bytes == 0
    assert eager.intermediate_bytes == layers * heads * pairs * 2 * 2


def test_deriving_twice_gives_the_same_bytes_and_says_nothing_else(say: Any, tmp_path: Path) -> None:
    """In another process, whose sets have other orders, and in this one."""
    path = write(tmp_path / "mixtral" / "config.json", MIXTRAL | {"some_field": 1, "rope_scaling": None})
    done = process("derive", path, PYTHONHASHSEED="2" if os.environ.get("PYTHONHASHSEED") == "1" else "1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == say("derive", path)
    assert json.loads(done.stdout)["name"] == "mixtral"


def test_the_layer_that_is_recorded_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(progress, "_AFTER", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    plain, shown = progress.at, re.compile(r"deriving mixtral: run \d+: model\.[\w.]+")

    def until_drawn(place: str, done: int = 0, total: int = 0) -> None:
        """Another thread draws the line, which may come to it long after the layer on a busy machine."""
        plain(place, done, total)
        until = time.monotonic() + 60
        while place.startswith("model.") and not shown.search(sys.stderr.getvalue()) and time.monotonic() < until:
            time.sleep(0.01)

    monkeypatch.setattr(progress, "at", until_drawn)
    symflops.derive(MIXTRAL)
    assert shown.search(sys.stderr.getvalue())


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model_type": "llamma"}', "unknown model_type 'llamma'; did you mean 'llama'?"),
        (
            '{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}',
            "unknown model_type 'mine'; its code is not part of transformers, and remote code is never run",
        ),
        ('{"model_type": "llama",}', "not JSON: "),
        ("[1]", "expected a JSON object, got list"),
        ('{"hidden_size": 64}', "not a Hugging Face config: it has no model_type and no architectures"),
        (
            '{"architectures": ["MineForCausalLM"]}',
            "no model_type, and transformers has no class 'MineForCausalLM' (architectures)",
        ),
        ('{"model_type": "llama", "hidden_size": "wide"}', "the llama config refuses these values: "),
        (
            '{"model_type": "llama", "hidden_size": 64, "num_attention_heads": 5}',
            "the llama config refuses these values",
        ),
        ('{"model_type": 7}', "not a Hugging Face config: it has no model_type"),
    ],
)
def test_what_is_no_config(refuse: Any, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    for command in ("derive", "inspect"):
        line = refuse(command, str(path))
        assert line.startswith(f"{path}: ")
        assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["derive"], "Missing argument 'SOURCE'."),
        (["derive", "qwen3_mo"], "qwen3_mo: no such file, directory or model type; did you mean 'qwen3_moe'?"),
        (["derive", "no/such/file.json"], "no/such/file.json: no such file, directory or model type"),
        (["derive", "llama", "--attention", "eagr"], "'eagr' is not one of 'fused', 'eager'."),
        (["derive", "llama", "-o", "/no/such/place/m.json"], "-o '/no/such/place/m.json': no such directory"),
        (["derive", "llama", "-o", "/"], "-o '/': a directory"),
        (["derive", "llama", "-o", ""], "-o '': no file name"),
        (["inspect", "llama", "--format", "xml"], "'xml' is not one of 'text', 'json'."),
        (["total", "llama-2-7b-hf", "--config", "llama"], "llama-2-7b-hf: it was not derived from a config"),
    ],
)
def test_mistakes(refuse: Any, arguments: list[str], message: str) -> None:
    assert message in refuse(*arguments)


def test_a_hub_that_cannot_be_reached(refuse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert refuse("derive", "no-such-owner/no-such-model").startswith(
        "no-such-owner/no-such-model: cannot load this config from the hub: "
    )


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_missing_extra_is_named_with_what_to_install(tmp_path: Path, missing: str) -> None:
    program = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from symflops.cli import main
for arguments in (["derive", sys.argv[1]], ["total", sys.argv[1]], ["inspect", sys.argv[1]], ["total", "gpt2"]):
    try:
        main(arguments)
    except SystemExit as stopped:
        print(stopped.code)
"""
    path = write(tmp_path / "config.json", LLAMA)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    line = (
        "symflops: error: deriving a model needs PyTorch and transformers "
        f"(No module named {missing!r}): pip install 'symflops[hf]'\n"
    )
    asked = "the atlas has no type 'llama'; deriving it needs PyTorch and transformers: pip install 'symflops[hf]'"
    assert done.stderr == f"{line}symflops: error: {tmp_path.name}: {asked}\n{line}"
    assert [word for word in done.stdout.split("\n") if word.isdigit()] == ["3", "3", "3", "0"]
    assert "parameters = 124439808" in done.stdout


# ------------------------------------------------------------------------------------------ models that nobody has seen


class TinyConfig(PreTrainedConfig):
    model_type = "tiny"

    def __init__(self, vocab_size: int = 64, hidden_size: int = 32, **others: Any) -> None:
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**others)


class Block(torch.nn.Module):
    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.proj = torch.nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svd(self.proj(x).float())[1]


class Tiny(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.emb = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.block = Block(config)
        self.post_init()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.block(self.emb(input_ids))


class Branching(Tiny):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.block.proj(self.emb(input_ids))
        return x * 2 if x.sum() > 0 else x


class Selecting(Tiny):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.block.proj(self.emb(input_ids))
        return x[x[:, :, 0] > 0]


class Failing(Tiny):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such\nluck")


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (Tiny, ("Tiny: block: no cost is known for the operation '_linalg_svd'", "--allow-unknown")),
        (Branching, ("Branching: the control flow depends on the values of tensors",)),
        (Selecting, ("Selecting: ", "depends on the values of a tensor")),
        (Failing, ("Failing: the model's own source fails", "RuntimeError: no such")),
    ],
)
def test_what_stops_a_derivation_is_one_line(model: type, parts: tuple[str, ...]) -> None:
    with pytest.raises(SymflopsError) as refused:
        symflops.derive(model)
    for part in parts:
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_operation_stays_in_the_total_as_a_symbol(say: Any, tmp_path: Path) -> None:
    model = symflops.derive(Tiny, allow_unknown=True)
    (unknown,) = (name for name in model.definitions if name.startswith("unknown_"))
    assert "linalg_svd" in unknown
    assert model.total().text("flops").endswith(f" + {unknown}")
    known = 2 * 7 * (2 * 32 * 32 + 32)  # rows of the Linear, times its products and bias
    assert model.total().at(batch_size=2, seq_len=7, **{unknown: 1000}).flops == known + 1000
    with pytest.raises(SymflopsError, match=unknown):
        model.total().at(batch_size=2, seq_len=7)
    path = tmp_path / "tiny.json"
    path.write_text(model.dumps())
    assert symflops.load(path).dumps() == model.dumps()
    assert unknown in say("total", str(path), "-B", "2", "-S", "7", "--metric", "flops")
    shown = say("total", str(path), "-B", "2", "-S", "7", "--metric", "flops", "--set", f"{unknown}=1000")
    assert f"{known + 1000:,}" in shown


# -------------------------------------------------------------------------------------------------------------- inspect


def tree(text: str) -> dict[str, list[str]]:
    """The cells behind each module's name."""
    return {line.split()[0]: line.split()[1:] for line in text.partition("\n\n")[0].splitlines()[1:]}


def test_inspect_llama(say: Any, tmp_path: Path) -> None:
    text = say("inspect", write(tmp_path / "llama" / "config.json", LLAMA))
    here = "transformers.models.llama.modeling_llama"
    rows = tree(text)
    parameters = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 384 + 2 * 256)
    assert rows["layers"] == ["×2", f"{parameters / 1e3:.4g}", "k", f"{here}.LlamaDecoderLayer"]
    assert rows["q_proj"] == ["131.1", "k", "formula", "linear", "torch.nn.modules.linear.Linear"]
    assert rows["norm"] == ["256", "formula", "rms_norm", f"{here}.LlamaRMSNorm"]
    assert rows["self_attn"][-1] == f"{here}.LlamaAttention"
    assert "traced" not in text.partition("\n\n")[0]
    assert "classes that will be traced: 0" in text


def test_inspect_mixtral_as_json(say: Any, mixtral: Model, tmp_path: Path) -> None:
    config = MIXTRAL | {"tie_word_embeddings": True}
    data = json.loads(say("inspect", write(tmp_path / "mixtral" / "config.json", config), "--format", "json"))
    here = "transformers.models.mixtral.modeling_mixtral"
    model = data["model"]
    assert (model["name"], model["class"]) == ("mixtral", f"{here}.MixtralForCausalLM")
    untied = mixtral.total().at(batch_size=1, seq_len=1).parameters
    assert model["parameters"] == untied - 1000 * 256  # a shared weight counts once
    (layers,) = (part for part in model["parts"][0]["parts"] if part["name"] == "layers")
    assert (layers["repeat"], layers["class"], layers["formula"]) == (2, f"{here}.MixtralDecoderLayer", None)
    (mlp,) = (part for part in layers["parts"] if part["name"] == "mlp")
    gate, experts = mlp["parts"]
    assert (gate["traced"], gate["formula"]) == (True, None)
    assert experts["parameters"] == 2 * 6 * 3 * 256 * 384
    assert data["formulas"]["torch.nn.modules.linear.Linear"] == "linear"
    assert f"{here}.MixtralTopKRouter" in data["traced"]


def test_inspect_shows_layers_of_several_kinds(say: Any, tmp_path: Path) -> None:
    kinds = {"num_experts": 4, "moe_intermediate_size": 96, "decoder_sparse_step": 1, "mlp_only_layers": [0]}
    config = LLAMA | {"model_type": "qwen3_moe", "num_hidden_layers": 3} | kinds
    rows = tree(say("inspect", write(tmp_path / "config.json", config)))
    assert rows["layers"][-1] == "torch.nn.modules.container.ModuleList"
    assert [row for row in rows.values() if row[0] == "×2" and row[-1].endswith("Qwen3MoeDecoderLayer")]


def test_inspect_of_a_full_size_model_takes_little_memory() -> None:
    big = LLAMA | {"hidden_size": 16384, "num_hidden_layers": 126, "intermediate_size": 53248, "vocab_size": 128256}
    inspect(LLAMA)  # loads what any model needs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    root = inspect(big | {"num_attention_heads": 128, "num_key_value_heads": 8})
    assert root.parameters == 405_853_388_800  # as published
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


# ----------------------------------------------------------------------------------------------------------------- bind


WIDER = {"hidden_size": 512, "intermediate_size": 640, "num_attention_heads": 16, "vocab_size": 333}


@pytest.mark.parametrize(
    ("derived", "changes"),
    [
        ("llama", WIDER | {"num_hidden_layers": 5, "head_dim": 48}),
        ("llama", {"num_hidden_layers": 1, "max_position_embeddings": 99, "rope_theta": 5e5, "bos_token_id": 7}),
        ("mixtral", WIDER | {"num_local_experts": 5, "num_experts_per_tok": 3, "num_hidden_layers": 4}),
        ("gemma", {"sliding_window": 20, "num_hidden_layers": 3, "layer_types": ["full_attention"] * 2 + [SLIDING]}),
    ],
)
def test_binding_a_config_is_deriving_from_it(request: Any, derived: str, changes: dict[str, Any]) -> None:
    config = CONFIGS[derived] | changes
    bound = bind(request.getfixturevalue(derived), config)
    there = symflops.derive(config)
    for point in (POINT, {"batch_size": 1, "seq_len": 64, "causal": 1}, {"batch_size": 3, "seq_len": 1}):
        assert numbers(bound, **point) == numbers(there, **point)


BROKEN = {
    "a choice": ("llama", {"hidden_act": "gelu"}, 'assumption broken: hidden_act == "silu" (with hidden_act="gelu")'),
    "a switch": ("llama", {"mlp_bias": True}, "assumption broken: mlp_bias == false (with mlp_bias=true)"),
    "a tied weight": (
        "llama",
        {"tie_word_embeddings": True},
        "assumption broken: tie_word_embeddings == false (with tie_word_embeddings=true)",
    ),
    "of two the one that is more likely to matter": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}, "tie_word_embeddings": True},
        "assumption broken: tie_word_embeddings == false (with tie_word_embeddings=true)",
    ),
    "a factor that was 1": (
        "granite",
        {"residual_multiplier": 0.5},
        "assumption broken: residual_multiplier == 1.0 (with",
    ),
    "a part that was not there": (
        "granite",
        {"shared_intermediate_size": 64},
        "assumption broken: shared_intermediate_size == 0 (with shared_intermediate_size=64)",
    ),
    "a comparison": (
        "mixtral",
        {"num_attention_heads": 6, "num_key_value_heads": 3},
        "assumption broken: hidden_size % (2*num_attention_heads) == 0 (with hidden_size=256, num_attention_heads=6)",
    ),
    "a choice in a dict": (
        "llama",
        {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 10000.0}},  # scales what it rotates by
        'assumption broken: rope_parameters == {"rope_type": "default"} (with rope_parameters={"',
    ),
    "a switch that only masks read, and that no config declares": (
        "llama",
        {"is_causal": False},
        "assumption broken: is_causal == null (with is_causal=false)",
    ),
    "nothing where there is a number": (
        "mixtral",
        {"sliding_window": 64},
        "assumption broken: sliding_window == null (with sliding_window=64)",
    ),
    "a number where there is nothing": (
        "gemma",
        {"sliding_window": None},
        "the config does not fit: sliding_window is null there, not a number; derive from it instead",
    ),
    "no layer of a type": (
        "gemma",
        {"layer_types": ["full_attention"] * 4},
        "the config does not fit: it does not state num_sliding_attention_layers; derive from it instead",
    ),
    "another type of layer": (
        "gemma",
        {"layer_types": ["full_attention", SLIDING, "chunked_attention", "full_attention"]},
        "the model has no layers of the type 'chunked_attention'",
    ),
    "another class": ("llama", {"model_type": "qwen3"}, "the config is of transformers.models.qwen3.modeling_qwen3."),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_assumption_is_named(request: Any, what: str) -> None:
    derived, changes, message = BROKEN[what]
    config = CONFIGS[derived] | changes
    model = request.getfixturevalue(derived)
    with pytest.raises(SymflopsError) as refused:
        bind(model, config)
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{model.name}: ")


LLAMA_3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 8192, "rope_theta": 5e5}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}
PHI = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"} | {"model_type": "phi"}
ALIKE = {
    "frequencies computed once": (LLAMA, {"rope_parameters": LLAMA_3} | WIDER),
    "and back": (LLAMA | {"rope_parameters": LLAMA_3}, {}),
    "another factor of the same scaling": (
        LLAMA | {"rope_parameters": YARN},
        {"rope_parameters": YARN | {"factor": 4.0}},
    ),
    "one key-value head": (LLAMA, {"num_key_value_heads": 1}),
    "the usual width, stated": (PHI, {"head_dim": 32, "num_hidden_layers": 3}),
    "the usual width, not stated": (PHI | {"head_dim": 32}, {}),
}


@pytest.mark.parametrize("what", ALIKE)
def test_what_no_cost_depends_on_is_no_broken_assumption(what: str) -> None:
    """Counted by PyTorch on the model that transformers builds from the second config."""
    first, changes = ALIKE[what]
    second = {key: value for key, value in first.items() if key in LLAMA} | changes
    bound = bind(symflops.derive(first), second)
    counted = find(second).config
    assert bound.total().parameters == independent_count.parameters(counted)
    assert bound.total().at(batch_size=2, seq_len=7, past_len=30).matmul_flops == (
        independent_count.count(counted, 2, 7, 30)
    )
    bound.check_assumptions({"seq_len": 7, "past_len": 30})


def test_a_config_that_would_have_to_be_derived_is_derived_in_time(llama: Model, refuse: Any, tmp_path: Path) -> None:
    """Where that is not known in time, the assumption is what is said."""
    config = write(tmp_path / "other" / "config.json", LLAMA | {"rope_parameters": LLAMA_3})
    (tmp_path / "first.json").write_text(llama.dumps())
    said = refuse("total", str(tmp_path / "first.json"), "--config", config, "--timeout", "1e-9")
    assert 'llama: assumption broken: rope_parameters == {"rope_type": "default"} (with rope_parameters=' in said


def test_total_with_another_config(say: Any, refuse: Any, llama: Model, tmp_path: Path) -> None:
    path = tmp_path / "derived.json"
    path.write_text(llama.dumps())
    at = ("total", str(path), "-B", "1", "-S", "2048", "--config")
    assert "29,261,612,187,648" in say(*at, write(tmp_path / "7b" / "config.json", LLAMA_2_7B))
    biased = write(tmp_path / "biased" / "config.json", LLAMA_2_7B | {"attention_bias": True})
    assert refuse(*at, biased) == "llama: assumption broken: attention_bias == false (with attention_bias=true)"


def test_a_condition_on_lengths_is_checked_when_they_are_known(say: Any, refuse: Any, tmp_path: Path) -> None:
    layer = {"formula": "linear", "args": {"N": "seq_len", "in_features": "h", "out_features": "h"}}
    model = {"name": "m", "symbols": {"h": 4, "longest": 100}, "assumes": ["seq_len + past_len <= longest"]}
    path = write(tmp_path / "m.json", model | {"layers": {"proj": layer}})
    assert "3,200" in say("total", path, "-S", "100", "--metric", "flops")
    broken = "m: assumption broken: seq_len + past_len <= longest"
    assert refuse("total", path, "-S", "101") == f"{broken} (with longest=100, past_len=0, seq_len=101)"
    assert refuse("total", path, "-S", "100", "-P", "1").startswith(broken)
    assert refuse("show", path, "-S", "101").startswith(broken)
    assert refuse("sweep", path, "-S", "1:101").startswith(broken)
    assert "3,232" in say("total", path, "-S", "101", "--set", "longest=101", "--metric", "flops")


def test_layers_that_were_one_kind_where_a_model_was_derived_may_not_be_two_elsewhere() -> None:
    # Of three layers of ModernBERT's decoder one has full attention, the first, which has no norm; of four another one.
    sizes = {"hidden_size": 48, "num_attention_heads": 6, "intermediate_size": 104, "vocab_size": 307}
    sizes |= {"pad_token_id": 0, "local_attention": 48}
    three, four = (ModernBertDecoderConfig(num_hidden_layers=n, **sizes) for n in (3, 4))
    model = symflops.derive(three)
    assert 'layer_types[i] in ["full_attention", "sliding_attention"]' in model.assumes
    with pytest.raises(
        SymflopsError, match="its ModernBertDecoderLayer modules are not all alike, and no per-layer list"
    ):
        bind(model, four)


@pytest.mark.derives
def test_deriving_leaves_a_program_s_frozen_objects_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        symflops.derive(small_config("llama", 0))
        assert gc.get_freeze_count() > frozen // 2 > 0  # some of them have died by themselves
    finally:
        gc.unfreeze()
    symflops.derive(small_config("llama", 0))
    assert gc.get_freeze_count() == 0


def test_a_config_that_its_own_source_cannot_build_is_not_bound() -> None:
    # Whether its layers differ unseen can only be told from the model that it makes.
    model = symflops.derive(small_config("llama", 0))
    wrong = small_config("llama", 1)
    wrong.pad_token_id = 10**6
    with pytest.raises(SymflopsError, match=r"cannot be built: .*Padding_idx must be within num_embeddings"):
        bind(model, wrong)


def test_what_a_config_says_of_each_layer_may_be_said_of_other_layers() -> None:
    # Mixtures of experts, and layers without rotary positions, which have full attention.
    model = symflops.derive(small_config("llama4_text", 0))
    seen = [["chunked_attention", False, 1], ["chunked_attention", True, 1], ["full_attention", False, 0]]
    assert f"[layer_types[i], i in moe_layers, no_rope_layers[i]] in {json.dumps(seen)}" in model.assumes
    # Five layers at other places: 2 + 1 + 2 of the three kinds, in the order in which they were seen.
    other = small_config("llama4_text", 0).to_dict() | {"num_hidden_layers": 5, "moe_layers": [2]}
    chunked = [0, 1, 1, 0, 1]
    types = ["chunked_attention" if c else "full_attention" for c in chunked]
    bound = bind(model, Llama4TextConfig(**other | {"no_rope_layers": chunked, "layer_types": types}))
    counts = [n for name, n in bound.symbols.items() if re.match("num_(chunked|full)_attention_.*layers", name)]
    assert counts == [2, 1, 2]
    with pytest.raises(SymflopsError, match="the model has no layers of the type 'full_attention_moe'"):
        bind(model, Llama4TextConfig(**other | {"moe_layers": [0], "no_rope_layers": chunked, "layer_types": types}))
    with pytest.raises(SymflopsError, match=r"assumption broken: num_chunked_.* == num_hidden_layers \(with "):
        model.with_symbols({"num_hidden_layers": 5})


def test_a_depth_that_equals_another_number_by_accident_has_its_own_name() -> None:
    # Three layers in each stack, and three cycles: only the former is how many modules a list holds.
    model = symflops.derive(small_config("hrm_text", 0))
    assert model.symbols["num_layers_per_stack"] == 3
    assert "L_cycles == 3" in model.assumes
    # One layer more in each stack is as much more each time.
    one, two, three = (
        model.with_symbols({"num_layers_per_stack": n}).total().at(batch_size=1, seq_len=1).parameters
        for n in (1, 2, 3)
    )
    counted = independent_count.parameters(small_config("hrm_text", 0))
    assert (three, three - two) == (counted, two - one)


def test_equal_layers_are_found_whatever_a_short_list_of_the_config_says() -> None:
    # time_step_limit of Mamba-2 is a pair, not a list with an entry for each layer. Only the first layer differs: it
    # reads the embeddings in the model's own number format, the others a residual in float32.
    model = symflops.derive(small_config("mamba2", 0))
    repeats = {str(row.repeat) for row in model.rows(symbolic=True) if ".layers." in row.path}
    assert repeats == {"1", "num_hidden_layers - 1"}


def test_weights_that_never_run_are_counted_below_a_module_that_runs() -> None:
    config = small_config("phi4_multimodal", 0)  # its image and audio towers hang below an embedding that runs
    assert symflops.derive(config).total().parameters == independent_count.parameters(config)


def test_what_a_model_does_between_its_layers_is_repeated_with_them() -> None:
    """XLM keeps its layers' parts in four lists; the model itself adds residuals and masks between them, three
    operations per element and layer. So the FLOPs are a straight line in the depth."""
    model = symflops.derive(small_config("xlm", 0))
    at = [model.with_symbols({"n_layers": n}).total().at(batch_size=2, seq_len=7).flops for n in (2, 3, 9)]
    assert at[2] - at[0] == 7 * (at[1] - at[0])
    (symbolic,) = (row for row in model.rows(symbolic=True, groups=True) if row.path == "transformer.steps")
    assert unparse(to_sympy(symbolic.repeat)) == "n_layers"
    (numbers,) = (row for row in model.rows(groups=True) if row.path == "transformer.steps")
    assert numbers.cost.at(batch_size=2, seq_len=7).flops == 3 * 2 * 7 * 48


def test_an_indexer_that_chooses_all_there_is_costs_as_it_is_written() -> None:
    """An indexer chooses 512 blocks of 4 tokens: all there are, up to 2048 tokens, and no more above."""
    config = DeepseekV4Config(
        vocab_size=77, hidden_size=48, num_hidden_layers=1, layer_types=["compressed_sparse_attention"],
        num_attention_heads=8, o_groups=4, num_key_value_heads=1,
        head_dim=32, q_lora_rank=20, o_lora_rank=12, moe_intermediate_size=20, n_routed_experts=6,
        num_experts_per_tok=2, index_n_heads=3, index_head_dim=16, index_topk=512,
    )  # fmt: skip
    model = symflops.derive(config)
    for length in (300, 2100):
        counted = independent_count.count(config, 1, length)
        assert model.total().at(batch_size=1, seq_len=length, causal=0).matmul_flops == counted


@pytest.mark.parametrize("padding", [None, 3, 1_500, 31_999, 200_000, 1_999_999])
def test_a_vocabulary_is_a_symbol_whatever_the_id_of_its_padding_token(padding: int | None) -> None:
    """torch asks that the id lies within the table; gpt-oss, GLM, Phi and Granite use one of the last."""
    config = LlamaConfig(num_hidden_layers=2, vocab_size=2_000_000, pad_token_id=padding)
    model = symflops.derive(config)
    other = model.with_symbols({"vocab_size": 2_000_100})
    # The table of the embedding and the head: a row of hidden_size for each token in both.
    assert other.total().parameters - model.total().parameters == 2 * 100 * config.hidden_size
