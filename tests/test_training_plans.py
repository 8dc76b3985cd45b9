"""Plans of a step of training: other optimizers, gradients of several batches, adapters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from numpy import prod

import symflops
from symflops import SymflopsError
from symflops.algebra import from_text
from symflops.numeric import evaluate

Run = Any
H, I, L, V, B = 6, 10, 3, 20, 7  # noqa: E741 - the symbols' own letters
AT = {"batch_size": B}
LINEAR = L * 2 * H * I  # weights of the layers' matrices


def linear(wide: str, out: str, bias: int = 0) -> dict[str, Any]:
    args = {"N": "batch_size", "in_features": wide, "out_features": out, "bias": bias}
    return {"formula": "linear", "args": args}


def network(**more: Any) -> symflops.Model:
    """A table, L layers of two matrices and a norm, and a head: h to i and back."""
    norm = {"formula": "rms_norm", "args": {"N": "batch_size", "hidden_size": "h"}}
    table = {"formula": "embedding", "args": {"N": "batch_size", "num_embeddings": "V", "embedding_dim": "h"}}
    up, down = linear("h", "i", bias=1), linear("i", "h")
    layer = {"repeat": "L", "sub_layers": {"norm": norm, "up": up, "down": down}}
    layers = {"embed": table, "layers": layer, "head": linear("h", "V")}
    return symflops.load({"name": "net", "symbols": {"h": H, "i": I, "L": L, "V": V}, "layers": layers, **more})


# ---------------------------------------------------------------------------------------------------------- optimizers


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 2), (3, 5)])
@pytest.mark.parametrize("name", ["muon", "adafactor_matrix", "adafactor"])
def test_a_step_does_as_many_operations_as_pytorch_s(name: str, shape: tuple[int, int]) -> None:
    """PyTorch's own, one tensor at a time: what each operation does with an element is written beside it."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    each = {
        "mul_": 1, "add_": 1, "lerp_": 3, "lerp": 3, "div_": 1, "rsqrt_": 1, "mul": 1, "square_": 1, "pow_": 1,
    }  # fmt: skip

    class Counter(TorchDispatchMode):
        flops = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            operation = function._schema.name.partition("::")[2]
            if args and isinstance(args[0], torch.Tensor) and (args[0].numel() > 1 or operation in ("mm", "addmm")):
                self.flops += self.of(operation, args, kwargs or {}, result)
            return result

        def of(self, operation: str, args: Any, kwargs: Any, result: Any) -> int:
            if operation in ("linalg_vector_norm", "norm"):  # squares, their sum, and a root for each result
                return int(2 * args[0].numel() + result.numel())
            if operation == "mean":
                return int(args[0].numel())
            if operation == "mm":
                return int(2 * args[0].numel() * args[1].shape[1])
            if operation == "addmm":  # a factor for what is added, and for the product
                product = 2 * args[1].numel() * args[2].shape[1]
                return int(product + (2 + (kwargs.get("alpha", 1) != 1)) * result.numel())
            scaled = operation == "add_" and kwargs.get("alpha", 1) != 1
            return int((each.get(operation, 0) + scaled) * args[0].numel())

    of = shape if name != "adafactor" else (int(prod(shape)),)
    weight = torch.nn.Parameter(torch.ones(of))
    kind = torch.optim.Muon if name == "muon" else torch.optim.Adafactor
    options = {} if name == "muon" else {"foreach": False}
    optimizer = kind([weight], lr=0.1, **options)
    weight.grad = torch.ones(of)
    optimizer.step()  # the first one makes the states
    with Counter() as counter:
        optimizer.step()
    args = {"n": of[0]} if name == "adafactor" else {"rows": of[0], "columns": of[1]}
    assert symflops.load_formula(name).cost(**args).flops == counter.flops


def test_what_each_optimizer_keeps() -> None:
    """Moments in the weights' format, two of AdamW and one of SGD; with mixed precision they are in float32, and a copy
    of the weights is 4 bytes more.
    Muon has one for the layers' matrices and AdamW's two for table, head, norms and biases. Adafactor has one for each
    row and column of a matrix, and for each element of a vector. In 8 bits two moments are 2 bytes, and each 256
    numbers of each moment have a largest value in float32."""
    vectors = L * (H + I)
    every = 2 * V * H + LINEAR + vectors
    sides = 2 * (V + H) + L * 2 * (H + I)
    for mixed, element in ((True, 4), (False, 2)):
        kept = {
            "adamw": 2 * element * every,
            "sgd": element * every,
            "muon": element * LINEAR + 2 * element * (every - LINEAR),
            "adafactor": 4 * (sides + vectors),
            "adamw_8bit": 2 * every + 8 * -(-every // 256),
        }
        for name, expected in kept.items():
            step = symflops.training(network(), optimizer=name, mixed=mixed)
            memory = symflops.memory(step, **AT)
            assert memory.optimizer == expected + 4 * mixed * every, name
            again = symflops.load(json.loads(step.dumps()))
            assert symflops.memory(again, **AT).optimizer == memory.optimizer


def test_a_step_of_muon_is_of_each_matrix() -> None:
    step = symflops.training(network(), optimizer="muon")
    paths = {p.path: p.runs for p in step.places() if p.path.startswith("optimizer.") and p.layer.is_basic}
    assert [*paths] == ["optimizer.layers.up", "optimizer.layers.down", "optimizer.others"]
    # Five iterations of 4*s*s*l + 2*s**3 FLOPs, s the shorter and l the longer side; up and down have the same two.
    plain = symflops.training(network()).total().at(**AT)
    assert step.total().at(**AT).matmul_flops - plain.matmul_flops == 2 * L * 5 * (4 * H * H * I + 2 * H**3)
    others = "muon is for matrices of linear layers; adamw for embed, layers.norm, head"
    assert others in step.notes
    assert step.total().at(**AT).parameters == plain.parameters


def test_adafactor_is_refused_where_nobody_says_the_shapes() -> None:
    data = network().to_dict()
    zero = dict.fromkeys(("flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes"), "0")
    table = {**zero, "saved_bytes": "0"}
    cost = {**zero, "parameters": "h*h*h"}
    data["layers"]["odd"] = {"cost": cost, "backward": table, "backward_frozen": table}
    with pytest.raises(SymflopsError) as raised:
        symflops.training(symflops.load(data), optimizer="adafactor")
    assert str(raised.value) == ("net: odd: nothing says the shapes of its weights, which adafactor keeps its state by")


# -------------------------------------------------------------------------------------------------- several batches


def test_gradients_of_several_batches() -> None:
    one, four = (symflops.training(network(), accumulate=k) for k in (1, 4))
    a, b = one.total().at(**AT), four.total().at(**AT)
    optimizer = 14 * a.parameters
    assert b.parameters == a.parameters
    assert b.flops - optimizer == 4 * (a.flops - optimizer)
    assert b.matmul_flops == 4 * a.matmul_flops
    assert [part.name for part in four.root.parts] == ["forward", "backward", "accumulation", "optimizer"]
    assert four.notes[0] == "a step of training: adamw in mixed precision, gradients of 4 batches"
    m, n = (symflops.memory(step, **AT) for step in (one, four))
    assert (n.saved, n.gradients, n.optimizer) == (m.saved, m.gradients, m.optimizer)
    assert m.peak == m.weights + m.optimizer + max(m.gradients, m.saved)
    assert n.peak == n.weights + n.optimizer + n.gradients + n.saved  # those of the first batch wait for the others


def test_a_step_of_several_batches_has_their_tokens() -> None:
    step = symflops.training("llama-2-7b-hf", accumulate=8)
    bound = symflops.roofline(step, "h100-sxm", batch_size=2, seq_len=128)
    assert bound.tokens == 8 * 2 * 128
    one = symflops.training("llama-2-7b-hf")
    ratios = [
        symflops.compare(model, "6*N*D", metric="matmul_flops").at(batch_size=1, seq_len=512)["ratio"]
        for model in (one, step)
    ]
    assert ratios[0] == ratios[1]


# ----------------------------------------------------------------------------------------------------------- adapters


def adapted(**options: Any) -> symflops.Model:
    return symflops.training(network(), lora=2, **options)


def test_adapters_are_two_narrow_layers_and_alone_are_trained() -> None:
    """Of up, h to i: forward 2*B*r*(h + i) more, backward of what was frozen 2*B*h*i for its input, of both narrow ones
    twice their forward. Everything from the first adapter on has a backward."""
    r = 2
    step = adapted(lora_on="up")
    total = step.total().at(**AT)
    narrow = L * 2 * B * r * (H + I)
    forward = 2 * B * (LINEAR + H * V) + narrow
    backward = 2 * B * (LINEAR + H * V) + 2 * narrow
    assert total.matmul_flops == forward + backward
    assert total.parameters == 2 * V * H + LINEAR + L * (H + I) + L * r * (H + I)
    memory = symflops.memory(step, **AT)
    assert memory.gradients == 2 * L * r * (H + I)
    assert memory.optimizer == 12 * L * r * (H + I)
    names = [p.path for p in step.places() if p.path.startswith("forward.layers.up.") and p.layer.is_basic]
    assert [n.rpartition(".")[2] for n in names] == ["base_layer", "lora_A", "lora_B", "scale", "add"]
    assert "LoRA of rank 2 on 1 layer: layers.up" in step.notes
    other = step.with_symbols({"lora_rank": 5}).total().at(**AT)
    assert other.parameters - total.parameters == L * 3 * (H + I)


def test_all_linear_layers_but_the_last_are_adapted() -> None:
    step = adapted()
    paths = {p.path for p in step.places() if p.path.startswith("forward") and "lora_A" in p.path}
    assert paths == {"forward.layers.up.lora_A", "forward.layers.down.lora_A"}
    assert "the loss is cross entropy of head" in step.notes
    again = symflops.load(json.loads(step.dumps()))
    assert again.dumps() == step.dumps()
    assert symflops.memory(again, **AT).gradients == symflops.memory(step, **AT).gradients


def test_what_adapters_add_is_what_a_search_for_the_difference_finds() -> None:
    """The closed form in the rank: 2 FLOPs for each of N*r*(in + out), forward, and the scale and the sum."""
    plain = network().total(symbolic=True)
    step = symflops.training(network(), lora=3, lora_on="down")
    forward = next(p.layer for p in step.root.parts if p.name == "forward")
    adds = from_text("L*(2*batch_size*lora_rank*(h + i) + 2*batch_size*h)")
    at = {"batch_size": B, "h": H, "i": I, "L": L, "V": V, "lora_rank": 3}
    found = sum(
        evaluate(p.layer.cost.value("flops"), at) * evaluate(p.runs, at)
        for p in step.places()
        if p.layer.is_basic and p.path.startswith("forward.") and p.path != "forward.loss"
    )
    assert forward.parts[-1].name == "loss"
    assert found == evaluate(plain.value("flops"), at) + evaluate(adds, at)


@pytest.mark.torch
def test_a_real_step_of_adapters_has_as_many_matrix_multiplies() -> None:
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    class Adapted(nn.Module):
        def __init__(self, wide: int, out: int) -> None:
            super().__init__()
            self.base = nn.Linear(wide, out, bias=False).requires_grad_(False)
            self.a, self.b = nn.Linear(wide, 2, bias=False), nn.Linear(2, out, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.base(x) + self.b(self.a(x)) * 2.0  # type: ignore[no-any-return]  # a Module has no types

    net = nn.Sequential(nn.Linear(5, H).requires_grad_(False), Adapted(H, I), Adapted(I, H), nn.Linear(H, V))
    net[3].requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        net(torch.ones(B, 5)).sum().backward()
    layers = {"first": linear("5", "h"), "up": linear("h", "i"), "down": linear("i", "h"), "head": linear("h", "V")}
    model = symflops.load({"name": "net", "symbols": {"h": H, "i": I, "V": V}, "layers": layers})
    step = symflops.training(model, lora=2, lora_on="up, down")
    extra = 2 * B * H * 2  # the first adapter's input, which has no gradient in the real backward, is given one
    assert step.total().at(**AT).matmul_flops == counter.get_total_flops() + extra


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora": 4, "lora_on": "q_proj"}, "net: lora on 'q_proj': no linear layer has such a path"),
        ({"lora_on": "up"}, "net: lora_on says where adapters are: give lora, their rank, too"),
        ({"accumulate": 0}, "net: accumulate 0: a step has the gradients of at least one batch"),
        ({"accumulate": 1.5}, "expected accumulate to be a whole number"),
        ({"lora": True}, "expected lora to be a whole number"),
        ({"optimizer": "muo"}, "net: no such optimizer 'muo'; did you mean 'muon'?"),
    ],
)
def test_what_is_no_plan(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as raised:
        symflops.training(network(), **options)
    assert str(raised.value) == message


def test_on_the_command_line(run: Run, refuse: Run) -> None:
    asked = (
        "--training",
        "--lora",
        "r=16",
        "--lora-on",
        "q_proj,v_proj",
        "--metric",
        "parameters",
        "-B",
        "1",
        "-S",
        "8",
    )
    _, text, notes = run("total", "llama-2-7b-hf", *asked)
    assert "6,746,804,224" in text  # 6,738,415,616 and 32*2*16*(4096 + 4096)
    assert "LoRA of rank 16 on 2 layers: model.layers.self_attn.q_proj, model.layers.self_attn.v_proj" in notes
    message = "--accumulate '0.5': expected a whole number of at least 1"
    assert refuse("total", "gpt2", "--training", "--accumulate", "0.5").strip() == message
    message = "--lora-on says how a model is trained: give --training, too"
    assert refuse("total", "gpt2", "--lora-on", "c_attn").strip() == message


@pytest.mark.parametrize("name", symflops.model_names())
def test_shipped_models_train(name: str) -> None:
    """A matrix multiply costs twice itself backward, fused attention 2.5 times itself: five products against two."""
    model = symflops.load(name)
    at = {"batch_size": 3, "seq_len": 50} if "seq_len" in model.total().free_symbols else {"batch_size": 3}
    forward = model.total().at(**at).matmul_flops
    attention = sum(
        (row.total for row in model.rows() if row.formula in ("sdpa", "sdpa_eager")), symflops.Cost.of()
    ).at(**at).matmul_flops  # fmt: skip
    step = symflops.training(model).total().at(**at).matmul_flops
    assert 2 * step == 6 * forward + attention


def test_a_scan_trains_as_its_kernel_does() -> None:
    """States are computed again: 6 operations on each, 19 of gradients and 1 of A_log's for each state of a channel."""
    step = symflops.training("mamba-130m")
    (scan,) = [row for row in step.rows() if row.path == "backward.backbone.layers.mixer.scan"]
    batch, length, channels, states = 3, 50, 1536, 16
    each = batch * length * channels * states * (6 + 19) + 4 * batch * length * channels
    at = scan.cost.at(batch_size=batch, seq_len=length)
    assert at.flops == each + 3 * channels * states
    assert at.intermediate_bytes == 0  # no state is ever in memory


def test_attention_that_is_written_out_trains() -> None:
    """Probabilities are kept, queries by keys, and four products are done against two."""
    args = {"batch": "batch_size", "q_len": "seq_len", "kv_len": "past_len + seq_len", "num_heads": 6,
            "num_kv_heads": 2, "head_dim": 8}  # fmt: skip
    model = symflops.load({"name": "one", "symbols": {}, "layers": {
        "proj": {"formula": "linear", "args": {"N": "batch_size*seq_len", "in_features": 48, "out_features": 80}},
        "attn": {"formula": "sdpa_eager", "args": args},
    }})  # fmt: skip
    at = {"batch_size": 3, "seq_len": 50, "dtype_bytes": 2, "cache_bytes": 2, "weight_bytes": 2}
    saved = symflops.memory(symflops.training(model), **at).saved
    assert saved == 3 * 50 * 2 * (48 + 48 + 2 * 2 * 8 + 6 * 50)
    (forward,) = [row for row in model.rows() if row.formula == "sdpa_eager"]
    (backward,) = [row for row in symflops.training(model).rows() if row.path == "backward.attn"]
    assert backward.cost.at(**at).matmul_flops == 2 * forward.cost.at(**at).matmul_flops
