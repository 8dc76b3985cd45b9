"""The command line: what it prints, and how it refuses.

Expected numbers are published ones or sums of them: Llama-2-7b at batch 1, length 2048 has 29,261,612,187,648 matmul
FLOPs and 6,738,415,616 parameters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from symflops.cli.sweep import points
from symflops.errors import SymflopsError

LLAMA = "llama-2-7b-hf"
MATMUL_FLOPS = 29_261_612_187_648
PARAMETERS = 6_738_415_616
LINEAR_FLOPS = 27_062_588_932_096  # the part of all Linear layers, from the prior system's published result
METRICS = ["flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes", "parameters"]


# ---------------------------------------------------------------------------------------------------------------- total


def test_total_is_six_closed_forms(say: Any) -> None:
    lines = say("total", LLAMA).splitlines()
    assert [line.partition(" = ")[0] for line in lines] == METRICS
    text = "\n".join(lines)
    for symbol in ("batch_size", "seq_len", "past_len", "dtype_bytes"):
        assert symbol in text
    assert f"parameters = {PARAMETERS}" in lines


def test_total_as_numbers(say: Any) -> None:
    *lines, convention = say("total", LLAMA, "-B", "1", "-S", "2048").splitlines()
    table = {line.split()[0]: line.split()[1:] for line in lines}
    assert list(table) == METRICS
    point = "with batch_size = 1, seq_len = 2048, past_len = 0, dtype_bytes = 2"
    assert convention == f"{point}; every pair (causal = 0); as written"
    assert table["matmul_flops"] == [f"{MATMUL_FLOPS:,}", "FLOP", "29.26", "TFLOP"]
    assert table["parameters"] == [f"{PARAMETERS:,}", "count", "6.738", "G"]


def test_the_formula_printed_is_the_number_printed(say: Any) -> None:
    formula = say("total", LLAMA, "--metric", "matmul_flops").partition(" = ")[2]
    point = {"batch_size": 1, "seq_len": 2048, "past_len": 0, "causal": 0}
    assert eval(formula, {}, point) == MATMUL_FLOPS


def test_total_bound_in_part_is_a_formula_in_the_rest(say: Any) -> None:
    shown = say("total", LLAMA, "--metric", "matmul_flops", "-S", "2048", "-P", "0")
    formula, convention = shown.partition(" = ")[2].splitlines()
    assert convention == "with seq_len = 2048, past_len = 0"
    assert "seq_len" not in formula
    assert "past_len" not in formula
    assert eval(formula, {}, {"batch_size": 1, "causal": 0}) == MATMUL_FLOPS


def test_a_symbolic_total_has_none_of_the_config_numbers(say: Any) -> None:
    text = say("-q", "total", LLAMA, "--symbolic")
    for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size"):
        assert name in text
    for number in ("4096", "11008", "32000"):
        assert number not in text


def test_short_names_come_with_a_legend(say: Any) -> None:
    text = say("total", LLAMA, "--symbolic", "--short", "--metric", "matmul_flops")
    formula, _, legend = text.partition("\n\n")
    assert "hidden_size" not in formula
    assert "h = hidden_size = 4096" in legend.splitlines()
    assert "B = batch_size" in legend.splitlines()


def test_causal_leaves_out_the_masked_pairs(say: Any) -> None:
    layers, hidden, length = 32, 4096, 2048
    pairs = sum(1 for query in range(length) for key in range(length) if key <= query)
    shown = say("total", LLAMA, "-B", "1", "-S", "2048", "--causal", "--metric", "matmul_flops")
    assert f"{LINEAR_FLOPS + layers * 4 * hidden * pairs:,}" in shown


def test_decoding_sees_the_whole_cache(say: Any) -> None:
    layers, hidden = 32, 4096
    shown = say("total", LLAMA, "-B", "1", "-S", "1", "-P", "2047", "--metric", "matmul_flops")
    assert f"{LINEAR_FLOPS // 2048 + layers * 4 * hidden * 2048:,}" in shown


def test_set_changes_the_architecture(say: Any) -> None:
    one = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096  # a decoder layer's parameters: attention, MLP, two norms
    shown = say("total", LLAMA, "-B", "1", "-S", "1", "--set", "num_hidden_layers=31", "--metric", "parameters")
    assert f"{PARAMETERS - one:,}" in shown


def test_bytes_of_weights_and_cache_are_separate(say: Any) -> None:
    def read(*options: str) -> int:
        point = ("-B", "1", "-S", "1", "-P", "999", "--metric", "read_bytes", "--format", "json")
        return int(json.loads(say("total", LLAMA, *point, *options))["metrics"]["read_bytes"])

    cache = 32 * 2 * 1000 * 4096  # layers, keys and values, positions, width
    weights = PARAMETERS - 32000 * 4096 + 4096  # of the embedding only the token's row is read
    assert read("--cache-bytes", "1") == read() - cache
    assert read("--weight-bytes", "1") == read() - weights
    assert read("--weight-bytes", "0.5") == read() - 3 * weights // 2


def test_json_is_only_json_with_exact_integers(say: Any) -> None:
    huge = 10**30
    data = json.loads(say("total", LLAMA, "-B", str(huge), "-S", "2048", "--format", "json"))
    assert data["metrics"]["matmul_flops"] == MATMUL_FLOPS * huge
    assert data["model"] == LLAMA
    assert json.loads(say("total", LLAMA, "--format", "json"))["metrics"]["parameters"] == str(PARAMETERS)


def test_huge_numbers_are_printed_in_full(say: Any) -> None:
    shown = say("total", LLAMA, "-B", str(10**300), "-S", str(10**300), "--metric", "matmul_flops")
    assert shown.split()[1].replace(",", "").endswith("0" * 300)
    assert shown.split()[3] == "5.243e+905"  # attention, 4*L*h * B*S^2 = 4*32*4096 * 10^900, dwarfs the rest


def test_python_output_runs_alone_and_agrees(say: Any) -> None:
    code = say("total", LLAMA, "--format", "python")
    program = f"{code}\nprint(llama_2_7b_hf(1, 2048)['matmul_flops'], llama_2_7b_hf(1, 2048)['parameters'])"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(MATMUL_FLOPS), str(PARAMETERS)]


def test_latex_output(say: Any) -> None:
    text = say("total", LLAMA, "--format", "latex", "--symbolic", "--short", "--metric", "parameters")
    assert text.startswith("\\begin{aligned}\n\\mathrm{parameters} &= ")
    assert text.count("{") == text.count("}")


# --------------------------------------------------------------------------------------------------- show, sweep, lists


def test_show_has_every_layer_with_its_repeat(say: Any) -> None:
    text = say("show", LLAMA, "-B", "1", "-S", "2048", "--metric", "matmul_flops")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["q_proj"] == ["×32", "2.199", "TFLOP", "7.5%"]
    assert rows["lm_head"] == ["536.9", "GFLOP", "1.8%"]
    assert rows["total"] == [f"{MATMUL_FLOPS:,}", "100.0%"]


def test_the_layers_of_show_add_up_to_the_total(say: Any) -> None:
    data = json.loads(say("show", LLAMA, "-B", "1", "-S", "2048", "--format", "json"))
    basic = [layer for layer in data["layers"] if layer["basic"]]
    assert sum(layer["matmul_flops"] for layer in basic) == MATMUL_FLOPS
    assert sum(layer["parameters"] for layer in basic) == PARAMETERS


def test_show_depth(say: Any) -> None:
    assert "q_proj" not in say("show", LLAMA, "--depth", "2")
    assert "layers" in say("show", LLAMA, "--depth", "2")


def test_show_formulas_with_short_names(say: Any) -> None:
    lines = say("show", LLAMA, "--short", "--metric", "parameters").splitlines()
    assert any(line.split() == ["q_proj", "×32", str(32 * 4096**2)] for line in lines)


def test_sweep_formats_agree(say: Any) -> None:
    grid = ("sweep", LLAMA, "-S", "512:2048:*2", "-B", "1,8", "--metric", "matmul_flops")
    columns = json.loads(say(*grid, "--format", "json"))["columns"]
    assert columns["batch_size"] == [1, 1, 1, 8, 8, 8]
    assert columns["seq_len"] == [512, 1024, 2048] * 2
    assert columns["matmul_flops"][2] == MATMUL_FLOPS
    csv = [line.split(",") for line in say(*grid, "--format", "csv").splitlines()]
    assert csv[0] == ["batch_size", "seq_len", "matmul_flops"]
    assert [int(row[2]) for row in csv[1:]] == columns["matmul_flops"]
    table = say(*grid).splitlines()
    assert [int(line.split()[2].replace(",", "")) for line in table[1:-2]] == columns["matmul_flops"]
    assert table[-2:] == ["dtype: int64", "with past_len = 0; every pair (causal = 0); as written"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("1,8", [1, 8]),
        ("2:4", [2, 3, 4]),
        ("0:10:+5", [0, 5, 10]),
        ("128:1024:*2", [128, 256, 512, 1024]),
        ("1,16:64:*4", [1, 16, 64]),
        ("1k,1Ki,2_048", [1000, 1024, 2048]),
        ("1k:3k:+1k", [1000, 2000, 3000]),
        ("128, 256", [128, 256]),
        ("24:96:24", [24, 48, 72, 96]),
    ],
)
def test_ranges(text: str, expected: list[int]) -> None:
    assert points(text, "-S") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1:8:0",
        "1:2:*1",
        "1:2:+0",
        "1:2:+1:4",
        "5:3",
        "-1:3",
        "0:8:*2",
        "1:2:",
        "1.5",
        "2,048",
        "1.0005k",
        "1,",
    ],
)
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(SymflopsError, match=r"^-S: "):
        points(text, "-S")


def test_endless_range() -> None:
    with pytest.raises(SymflopsError, match="-S: more than 1,000,000 points"):
        points("0:1000000000000:+1", "-S")


def test_formulas_and_models(say: Any) -> None:
    listed = {line.split()[0] for line in say("formulas").splitlines()}
    assert {"linear", "rms_norm", "sdpa", "moe_experts"} <= listed
    assert {f["name"] for f in json.loads(say("formulas", "--format", "json"))} == listed
    assert "2*N*in_features*out_features" in say("formulas", "linear")
    shown = json.loads(say("models", "--format", "json"))
    assert {m["name"]: m["parameters"] for m in shown}[LLAMA] == PARAMETERS
    assert LLAMA in say("models")


# -------------------------------------------------------------------------------------------------------------- numbers

SINGLE = ("show", "table", "report", "regimes", "compare", "solve", "roofline")
ARGUMENTS = {
    "compare": ("6*N*D",), "solve": ("flops <= 1 PFLOP", "--for", "past_len"), "roofline": ("--hardware", "h100-sxm"),
}  # fmt: skip


def matmul(batch: int, length: int) -> int:
    """By hand: 2 operations for each weight of a linear layer and token, 4*width for each layer and pair of tokens."""
    return batch * (LINEAR_FLOPS * length // 2048 + 32 * 4 * 4096 * length**2)


@pytest.mark.parametrize(
    ("text", "length"),
    [("2k", 2000), ("2K", 2000), ("2Ki", 2048), ("2_048", 2048), ("2e3", 2000), ("1.5k", 1500), ("128", 128),
     ("0.5Ki", 512), (" 64 ", 64), ("2.048e3", 2048), ("1M", 10**6)],
)  # fmt: skip
def test_a_number_is_what_it_says_and_is_printed(text: str, length: int, say: Any) -> None:
    shown = say("total", LLAMA, "-B", "1", "-S", text, "--metric", "matmul_flops")
    assert shown.splitlines() == [
        f"matmul_flops  {matmul(1, length):,}  FLOP  {shown.splitlines()[0].split('FLOP', 1)[1].strip()}",
        f"with batch_size = 1, seq_len = {length}, past_len = 0; every pair (causal = 0); as written",
    ]
    swept = say("sweep", LLAMA, "-S", text.strip(), "--metric", "matmul_flops", "--format", "json")
    assert json.loads(swept)["columns"]["matmul_flops"] == [matmul(1, length)]


def test_a_list_is_a_block_for_each(say: Any) -> None:
    blocks = say("total", LLAMA, "-B", "1,8", "-S", "128, 1k", "--metric", "matmul_flops").strip().split("\n\n")
    points = [(1, 128), (1, 1000), (8, 128), (8, 1000)]
    assert [int(block.split()[1].replace(",", "")) for block in blocks] == [matmul(*point) for point in points]
    assert [block.splitlines()[-1] for block in blocks] == [
        f"with batch_size = {b}, seq_len = {s}, past_len = 0; every pair (causal = 0); as written" for b, s in points
    ]
    data = json.loads(say("total", LLAMA, "-B", "1,8", "-S", "128", "--format", "json"))
    assert [one["metrics"]["matmul_flops"] for one in data] == [matmul(1, 128), matmul(8, 128)]
    assert data[1]["at"] == {"batch_size": 8, "seq_len": 128, "past_len": 0, "dtype_bytes": 2, "causal": 0}
    assert data[1]["pairs"] == "every pair (causal = 0)"


def test_a_list_of_sizes_is_a_block_for_each(say: Any) -> None:
    shown = say("total", LLAMA, "-B", "1", "-S", "1", "--set", "vocab_size=1000,2k", "--metric", "parameters")
    assert [line for line in shown.splitlines() if line.startswith("with")] == [
        f"with vocab_size = {n}, batch_size = 1, seq_len = 1" for n in (1000, 2000)
    ]
    numbers = [int(line.split()[1].replace(",", "")) for line in shown.splitlines() if line.startswith("parameters")]
    assert numbers == [PARAMETERS - 2 * 4096 * (32000 - n) for n in (1000, 2000)]  # embedding and head


def test_generation_takes_lists(say: Any) -> None:
    asked = ("generation", LLAMA, "-B", "1", "-p", "8,16", "-n", "1,2", "--format", "json")
    steps = [LINEAR_FLOPS // 2048 + 32 * 4 * 4096 * (prompt + 1) for prompt in (8, 16)]
    # An engine skips the pairs above the diagonal and computes the logits of one token.
    spared = [32 * 4 * 4096 * sum(range(p)) + (p - 1) * 2 * 4096 * 32000 for p in (8, 16)]
    for option, less in (("--written", (0, 0)), ("--served", spared)):
        data = json.loads(say(*asked, option))
        prompts = [matmul(1, p) - fewer for p, fewer in zip((8, 16), less, strict=True)]
        assert [one["metrics"]["matmul_flops"] for one in data] == [
            prompts[0], prompts[0] + steps[0], prompts[1], prompts[1] + steps[1],
        ]  # fmt: skip
        assert {one["program"] for one in data} == {f"as {option.removeprefix('--')}"}
    assert json.loads(say(*asked)) == data  # served is what generation takes
    assert [one["at"]["prompt_len"] for one in data] == [8, 8, 16, 16]


@pytest.mark.parametrize("command", SINGLE)
def test_a_list_where_one_number_is_wanted(command: str, refuse: Any) -> None:
    message = refuse(command, LLAMA, *ARGUMENTS.get(command, ()), "-B", "1,8")
    assert message == "batch_size: '1,8' is a list of 2 numbers; one is wanted here"
    message = refuse(command, LLAMA, *ARGUMENTS.get(command, ()), "--set", "hidden_size=1024,2048")
    assert message == "--set hidden_size: '1024,2048' is a list of 2 numbers; one is wanted here"


@pytest.mark.parametrize("command", ["total", "sweep", "show", "table", "report", "regimes", "generation"])
def test_a_comma_never_joins_digits(command: str, refuse: Any) -> None:
    option = "-p" if command == "generation" else "-B" if command == "regimes" else "-S"
    name = {"-p": "prompt_len", "-B": "batch_size", "-S": "-S" if command == "sweep" else "seq_len"}[option]
    message = f"{name}: '2,048': a comma separates numbers; if it is one, write 2048"
    assert refuse(command, LLAMA, option, "2,048") == message


def test_numbers_of_questions_and_measurements(say: Any, refuse: Any) -> None:
    assert say("solve", LLAMA, "seq_len <= 2k", "--for", "seq_len").startswith("seq_len from 1 to 2,000\n")
    assert say("solve", LLAMA, "seq_len <= 2 Ki", "--for", "seq_len").startswith("seq_len from 1 to 2,048\n")
    rows = say("regimes", LLAMA, "--at", "1,2k", "--at", "3").splitlines()
    assert [row.split()[0] for row in rows[-4:-1]] == ["1", "2,000", "3"]
    assert refuse("regimes", LLAMA, "--at", "0") == "--at: whole numbers from 1 on are wanted"
    machine = ("--hardware", "h100-sxm", "-B", "4", "-S", "1")
    mfu = [line for line in say("roofline", LLAMA, *machine, "--measured", "3120tok/s").splitlines() if "MFU" in line]
    assert mfu
    assert mfu[0] in say("roofline", LLAMA, *machine, "--measured", "3.12k tok/s")
    message = refuse("roofline", LLAMA, *machine, "--measured", "3,120tok/s")
    assert message == "measured: '3,120' is a list of 2 numbers; one is wanted here"


def test_several_points_are_no_program(refuse: Any) -> None:
    for output in ("latex", "python", "c", "numpy", "javascript"):
        message = refuse("total", LLAMA, "-B", "1,8", "--format", output)
        assert message == "batch_size: '1,8' is a list of 2 numbers; one is wanted here"
    assert refuse("total", LLAMA, "-B", ",".join(["1"] * 1001)).startswith("1,001 points, more than the 1,000 of an")


def test_the_default_range_of_a_sweep_ends_where_the_model_does(say: Any) -> None:
    data = json.loads(say("sweep", "gpt2", "--metric", "flops", "--format", "json"))
    assert data["columns"]["seq_len"] == [128, 256, 512, 1024]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt2", "-B", "1", "-S", "1025"], "seq_len + past_len <= n_positions (with n_positions=1024, past_len=0, s"),
        (
            ["gpt2", "-S", "1000", "-P", "25"],
            "seq_len + past_len <= n_positions (with n_positions=1024, past_len=25,",
        ),
        (
            ["bert-base", "-S", "513"],
            "seq_len <= max_position_embeddings (with max_position_embeddings=512, seq_l",
        ),
        (["bert-base", "-P", "1"], "past_len == 0 (with past_len=1)"),
        (["vit-base-16", "-B", "1", "-P", "9"], "past_len == 0 (with past_len=9)"),
        ([LLAMA, "--set", "num_hidden_layers=0"], "num_hidden_layers >= 1 (with num_hidden_layers=0)"),
        ([LLAMA, "--set", "num_attention_heads=0"], "num_attention_heads >= 1 (with num_attention_heads=0)"),
        ([LLAMA, "--set", "num_key_value_heads=7"], "num_attention_heads % num_key_value_heads == 0 (with num_att"),
        (["mixtral-8x7b", "--set", "num_experts_per_tok=9"], "num_experts_per_tok <= num_local_experts (with num_ex"),
        (["mamba-130m", "-B", "0", "-S", "1"], "batch_size >= 1 (with batch_size=0)"),
    ],
)
def test_what_the_shipped_models_cannot_run_is_refused(arguments: list[str], message: str, refuse: Any) -> None:
    for command in ("total", "show", "table"):
        assert f"{arguments[0]}: assumption broken: {message}" in refuse(command, *arguments)


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["totl", LLAMA], "no such command 'totl'; did you mean 'total'?"),
        (["total"], "Missing argument 'MODEL'."),
        (["total", "llama-2-7b"], "llama-2-7b: no such model or file; did you mean 'llama-2-7b-hf'?"),
        (["total", ""], "MODEL is empty; name a model or the path of a model JSON"),
        (["total", LLAMA, "--formt", "json"], "No such option: --formt"),
        (["total", LLAMA, "--format", "xml"], "'xml' is not one of 'text', 'json', 'latex', 'python'"),
        (["total", LLAMA, "-B", "-1"], "batch_size = -1: must be a nonnegative integer"),
        (["total", LLAMA, "-B", "1.5"], "batch_size = 1.5: must be a nonnegative integer"),
        (["total", LLAMA, "-B", "1e999"], "batch_size: '1e999'… is beyond all numbers that are computed with"),
        (["total", LLAMA, "-B", "many"], "batch_size: 'many' is not a number; such as 2048, 2_048, 2k, 2Ki or 1e6"),
        (["total", LLAMA, "-S", "2kk"], "seq_len: '2kk' is not a number"),
        (["total", LLAMA, "-S", "2 048"], "seq_len: '2 048' is not a number"),
        (["total", LLAMA, "-S", "1,,8"], "seq_len: '' is not a number"),
        (["total", LLAMA, "-S", "nan"], "seq_len: 'nan' is not a number"),
        (["total", LLAMA, "-B", "1.0005k"], "batch_size = 1000.5: must be a nonnegative integer"),
        (["total", LLAMA, "-B", "1" + "0" * 9999], "batch_size"),
        (["total", LLAMA, "--metric", "flop"], "unknown metric 'flop'; did you mean 'flops'?"),
        (["total", LLAMA, "--set", "hidden_siz=1"], "unknown symbol 'hidden_siz'; did you mean 'hidden_size'?"),
        (["total", LLAMA, "--set", "hidden_size"], "--set 'hidden_size': expected name=value"),
        (
            ["total", LLAMA, "--set", "num_key_value_heads=5"],
            "assumption broken: num_attention_heads % num_key_value_heads",
        ),
        (["show", LLAMA, "--depth", "-1"], "--depth"),
        (["sweep", LLAMA, "-S", "abc"], "-S: 'abc' is not a range"),
        (["sweep", LLAMA, "-S", "1:2000", "-B", "1:2000"], "a grid of 4,000,000 points"),
        (["formulas", "linaer"], "unknown formula 'linaer'; did you mean 'linear'?"),
    ],
)
def test_mistakes(refuse: Any, arguments: list[str], message: str) -> None:
    assert message in refuse(*arguments)


def test_a_number_too_long_to_print(refuse: Any, tmp_path: Path) -> None:
    cost = dict.fromkeys(METRICS, "0") | {"flops": "batch_size**50"}
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"name": "m", "layers": {"a": {"cost": cost}}}))
    for output in ("text", "json"):
        message = refuse("total", str(path), "-B", str(10**300), "--format", output)
        assert message.endswith("the number has more than 4,000 digits at this point")  # it has 15,001


# ---------------------------------------------------------------------------------------------------- as a real process


def symflops(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parent.parent
    return subprocess.run([sys.executable, root / "cli.py", *arguments], capture_output=True, text=True, **options)


def test_the_main_job_as_a_process(tmp_path: Path) -> None:
    done = symflops("total", LLAMA, "-B", "1", "-S", "2048", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{MATMUL_FLOPS:,}" in done.stdout


def test_a_mistake_as_a_process() -> None:
    done = symflops("total", "nope.json")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("symflops: error: nope.json: no such model or file")
    assert done.stderr.count("\n") == 1


def test_output_in_a_plain_locale_is_still_output() -> None:
    done = symflops("show", LLAMA, env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, encoding="utf-8")
    assert done.returncode == 0
    assert "×32" in done.stdout


def test_help_and_version(say: Any) -> None:
    assert "total" in say("--help")
    assert "--symbolic" in say("total", "--help")
    assert say("--version").startswith("symflops 0.")
    assert say() == say("--help")


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        (("-S", "5", "--set", "seq_len=9"), "--set 'seq_len=9': seq_len is given twice"),
        (("--set", "num_hidden_layers=3", "--set", "num_hidden_layers=4"),
         "--set 'num_hidden_layers=4': num_hidden_layers is given twice"),
        (("--causal", "--set", "causal=0"), "--set 'causal=0': causal is given twice"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("total",), ("table",), ("regimes",), ("roofline", "--hardware", "h100-sxm")])
def test_a_symbol_that_is_given_twice(
    command: tuple[str, ...], options: tuple[str, ...], culprit: str, refuse: Any
) -> None:
    assert refuse(command[0], LLAMA, *command[1:], *options) == culprit
