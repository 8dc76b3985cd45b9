"""`symflops verify`: exit statuses, what is printed, and how candidates and references are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.cli import main

Run = Any  # (exit status, stdout, stderr)


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["verify", *arguments])
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "status", "first"),
    [
        (("ceil(s/128)", "--against", "floor((s+127)/128)"), 0, "equal: "),
        (("B*S*h", "--against", "2*batch_size*seq_len*hidden_size"), 1, "different: "),
        (("sqrt(s*t + 1)", "--against", "sqrt(s*t + 1) + max(2**s - 3**s - t, 0)", "--budget", "0.1"), 2, "unproven: "),
    ],
)
def test_the_exit_status_is_the_verdict(verify: Run, arguments: tuple[str, ...], status: int, first: str) -> None:
    code, out, err = verify(*arguments)
    assert (code, err) == (status, "")
    assert out.startswith(first)


def test_json_is_all_that_is_printed(verify: Run) -> None:
    code, out, err = verify("B*S*h", "--against", "2*batch_size*seq_len*hidden_size", "--format", "json")
    assert (code, err) == (1, "")
    data = json.loads(out)
    assert data["status"] == "different"
    assert data["counterexample"] == {
        "at": {"batch_size": 1, "hidden_size": 1, "seq_len": 1},
        "candidate": 1,
        "reference": 2,
        "smallest": True,
    }
    assert data["diagnosis"][0]["kind"] == "multiply-accumulate"
    assert data["renamed"] == {"B": "batch_size", "S": "seq_len", "h": "hidden_size"}
    assert [r["ratio"] for r in data["ratios"]] == [0.5] * 4


def test_a_fraction_is_a_text_in_json(verify: Run) -> None:
    _, out, _ = verify("s/2", "--against", "s", "--format", "json")
    assert json.loads(out)["counterexample"]["candidate"] == "1/2"


def test_numbers_that_are_too_long_to_print(verify: Run) -> None:
    for form in ("text", "json"):
        code, out, err = verify("2**s + max(s - 20000, 0)", "--against", "2**s", "--format", form)
        assert (code, err) == (1, "")
        assert "a number of 20,002 bits" in out


@pytest.mark.parametrize(
    ("candidate", "reference", "metric", "status"),
    [
        ("2*N*in_features*out_features", "linear", "flops", 0),
        ("2*N*in_features*out_features", "torch.nn.modules.linear.Linear", "flops", 0),
        ("2*N*in_features*out_features", "torch.nn.Linear", "flops", 0),
        ("2*N*in_features*out_features", "Linear", "matmul_flops", 0),
        ("2*B*S*h*i", "llama-2-7b-hf:model.layers.mlp.gate_proj", "flops", 0),
        ("2*B*S*h*i", "llama-2-7b-hf:gate_proj", "flops", 0),
        ("6*B*S*h*i", "llama-2-7b-hf:mlp", "matmul_flops", 0),
        ("6*B*S*h*i", "LlamaMLP", "matmul_flops", 0),
        ("6*B*S*h*i", "transformers.models.llama.modeling_llama.LlamaMLP", "matmul_flops", 0),
        ("linear", "linear", "read_bytes", 0),
        ("llama-2-7b-hf", "llama-3.1-8b", "flops", 0),  # the same formula: only numbers differ
        ("llama-2-7b-hf", "mistral-7b", "flops", 1),  # a window
    ],
)
def test_what_can_be_named(verify: Run, candidate: str, reference: str, metric: str, status: int) -> None:
    code, _, err = verify(candidate, "--against", reference, "--metric", metric)
    assert (code, err) == (status, "")


def test_files(verify: Run, tmp_path: Path) -> None:
    formula = tmp_path / "mine.toml"
    metrics = dict.fromkeys(symflops.METRICS, "0") | {"flops": "2*N*i*o"}
    body = "\n".join(f'{name} = "{text}"' for name, text in metrics.items())
    formula.write_text(f'about = "mine"\n[args]\nN = "rows"\ni = "in"\no = "out"\n[cost]\n{body}\n')
    code, out, _ = verify(
        str(formula), "--against", "linear", "--rename", "i=in_features", "--rename", "o=out_features"
    )
    assert (code, out.splitlines()[0]) == (0, "equal: flops of mine against linear (the same canonical polynomial)")

    model = symflops.load("llama-2-7b-hf")
    data = model.to_dict()
    del data["layers"]["model"]["sub_layers"]["layers"]["sub_layers"]["mlp"]["sub_layers"]["down_proj"]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(data))
    code, out, _ = verify(str(path), "--against", "llama-2-7b-hf", "--metric", "matmul_flops")
    assert code == 1
    assert "missing 2*batch_size*seq_len*hidden_size*intermediate_size*num_hidden_layers: " in out
    assert "model.layers.mlp.down_proj" in out


def test_a_layer_runs_once(verify: Run) -> None:
    """The repeat belongs to the model: naming a layer asks for one run of it."""
    assert verify("2*B*S*h*i*L", "--against", "llama-2-7b-hf:gate_proj")[0] == 1


def test_numbers_put_in(verify: Run) -> None:
    assert verify("min(s, 4096)", "--against", "min(s, w)", "--set", "w=4096")[0] == 0
    code, out, _ = verify("min(s, 4096)", "--against", "min(s, w)", "--set", "w=4097")
    assert code == 1
    assert "s=4097, w=4097" in out
    assert verify("n*(h // n)", "--against", "h", "--assume", "h % n == 0")[0] == 0


def test_a_models_own_numbers_put_in(verify: Run) -> None:
    """2*4096*11008 = 90,177,536 FLOPs per token for one of the three matrices."""
    assert verify("90177536*B*S", "--against", "llama-2-7b-hf:gate_proj")[0] == 1
    assert verify("90177536*B*S", "--against", "llama-2-7b-hf:gate_proj", "--numbers")[0] == 0


def test_leading_terms(verify: Run) -> None:
    code, out, _ = verify("2*N*h*i", "--against", "2*N*h*i + N*h", "--tolerance", "leading")
    assert code == 0
    assert out.splitlines()[-1] == "dropped: N*h"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2*", "--against", "x"), "column 1: '2*': not a formula"),
        (("__import__('os')", "--against", "x"), "unknown function '__import__'"),
        (("", "--against", "x"), "CANDIDATE is empty"),
        (("x", "--against", " "), "--against is empty"),
        (("x", "--against", "nope.toml"), "nope.toml: cannot read: No such file or directory"),
        (("x", "--against", "nope.json"), "nope.json: no such model or file"),
        (("x", "--against", "lama-2-7b-hf:mlp"), "lama-2-7b-hf: no such model or file; did you mean 'llama-2-7b-hf'?"),
        (
            ("x", "--against", "llama-2-7b-hf:gate_prj"),
            "llama-2-7b-hf has no layer 'gate_prj'; did you mean 'gate_proj'?",
        ),
        (("x", "--against", "mixtral-8x7b:nothing"), "mixtral-8x7b has no layer 'nothing'"),
        pytest.param(
            ("x", "--against", "torch.nn.NoSuchClass"), "torch.nn: no class 'NoSuchClass'", marks=pytest.mark.torch
        ),
        (("x", "--against", "x", "--metric", "flop"), "unknown metric 'flop'; did you mean 'flops'?"),
        (("x", "--against", "x", "--rename", "y"), "--rename 'y': expected name=value"),
        (("x", "--against", "x", "--rename", "y=z"), "rename: the candidate has no name 'y'; valid: x"),
        (("x", "--against", "x", "--set", "=3"), "--set '=3': expected name=value"),
        (("x", "--against", "x", "--budget", "soon"), "--budget: 'soon' is not a number"),
        (("x", "--against", "x", "--budget", "-1"), "budget = -1: must be a positive number of seconds"),
        (("x", "--against", "x", "--assume", "x"), "expected two formulas compared by"),
        (("x", "--against", "x", "--tolerance", "loose"), "'loose'"),
        (("x",), "--against"),
    ],
)
def test_mistakes_are_one_line(refuse: Any, arguments: tuple[str, ...], message: str) -> None:
    assert message in refuse("verify", *arguments)


def test_verifying_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    program = (
        "from symflops.cli import main\n"
        "try: main(['verify', '2*B*S*h*i', '--against', 'llama-2-7b-hf:gate_proj'])\n"
        "except SystemExit: pass\n"
        "import sys; print([n for n in ('torch', 'transformers', 'sympy', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.torch
def test_a_class_that_no_formula_answers_for_is_derived(verify: Run) -> None:
    """GLU of a family that is not shipped: gate, up and down, each 2*N*h*i FLOPs."""
    code, out, _ = verify("6*B*S*h*i", "--against", "Gemma2MLP", "--metric", "matmul_flops")
    assert (code, out.splitlines()[0][:6]) == (0, "equal:")
