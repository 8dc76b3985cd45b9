"""Times of generating text: bounds by hand, estimates by their terms, calibration, errors as text."""

from __future__ import annotations

import csv
import json
import random
import tomllib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import SymflopsError
from symflops.analysis.calibration import fitted
from symflops.analysis.efficiency import efficiency_names
from symflops.analysis.stage import staged
from symflops.cli import main

# Llama 3.1 8B, as its config.json has it.
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, WIDTH, VOCABULARY = 4096, 14336, 32, 32, 8, 128, 128256
MATRICES = LAYERS * (2 * HIDDEN * HIDDEN + 2 * HIDDEN * KV_HEADS * WIDTH + 3 * HIDDEN * INNER)
NORMS = (2 * LAYERS + 1) * HIDDEN
TOKEN = 2 * LAYERS * KV_HEADS * WIDTH  # elements of keys and values that a token keeps
PEAK, BANDWIDTH = 989.4e12, 3.35e12  # of an H100, bfloat16
BATCH, PROMPT, NEW = 8, 1000, 100
MODEL = "llama-3.1-8b"
COEFFICIENTS = tomllib.loads((Path(__file__).parent.parent / "efficiency.toml").read_text("utf-8"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return (stopped.value.code, *capsys.readouterr())


def found(**more: Any) -> symflops.Times:
    values = {"batch_size": BATCH, "prompt_len": PROMPT, "new_tokens": NEW, **more}
    return symflops.times(MODEL, "h100-sxm", **values)


# ---------------------------------------------------------------------------------------------------------- bounds


def prompt_flops(batch: int, length: int) -> int:
    """Every token is multiplied by every matrix but the head, which the last one of a sequence is; each token looks at
    itself and those before it: a score and a weighted sum of each head."""
    pairs = sum(i + 1 for i in range(length))
    return 2 * batch * (length * MATRICES + HIDDEN * VOCABULARY) + 4 * batch * LAYERS * HEADS * WIDTH * pairs


def step_bytes(batch: int, past: int, weight: float = 2, kept: float = 2) -> float:
    """All matrices, norms, the head and the rows of the embedding; keys and values before, and its own, which are
    written and read."""
    weights = MATRICES + NORMS + HIDDEN * VOCABULARY + batch * HIDDEN
    return weight * weights + kept * batch * TOKEN * (past + 2)


def test_the_bound_by_hand() -> None:
    bound = found().bound
    assert bound.ttft == pytest.approx(prompt_flops(BATCH, PROMPT) / PEAK, rel=1e-12)
    steps = [step_bytes(BATCH, PROMPT + i) / BANDWIDTH for i in range(NEW - 1)]
    assert bound.tpot == pytest.approx(sum(steps) / len(steps), rel=1e-12)
    assert bound.request_tokens_per_second == pytest.approx(NEW / (bound.ttft + sum(steps)), rel=1e-12)
    assert bound.tokens_per_second == pytest.approx(BATCH * NEW / (bound.ttft + sum(steps)), rel=1e-12)
    assert found().binds == ("matmul", "memory")


@pytest.mark.parametrize(("weight", "kept"), [(1, 2), (0.5, 1), (0.5625, 0.5)])
def test_formats_of_weights_and_cache(weight: float, kept: float) -> None:
    bound = found(weight_bytes=weight, cache_bytes=kept).bound
    steps = [step_bytes(BATCH, PROMPT + i, weight, kept) / BANDWIDTH for i in range(NEW - 1)]
    assert bound.tpot == pytest.approx(sum(steps) / len(steps), rel=1e-12)


def test_devices_share_everything() -> None:
    one, four = found().bound, found(devices=4).bound
    assert four.ttft == pytest.approx(one.ttft / 4)
    assert one.tpot is not None
    assert four.tpot == pytest.approx(one.tpot / 4)


def test_a_single_token_is_the_prompt() -> None:
    only = found(new_tokens=1)
    assert (only.bound.tpot, only.estimate.tpot, only.steady.tpot) == (None, None, None)
    assert only.bound.seconds == only.bound.ttft == pytest.approx(prompt_flops(BATCH, PROMPT) / PEAK, rel=1e-12)


def test_steps_read_the_experts_that_are_chosen() -> None:
    """Of Mixtral's 8 experts, 2 of a token: those that none of the batch chooses are not read."""
    for batch in (1, 3, 20):
        work = staged(symflops.load("mixtral-8x7b")).at({"batch_size": batch, "prompt_len": 10, "new_tokens": 2})
        expert = 3 * 4096 * 14336
        chosen = 8 * (1 - (6 / 8) ** batch)
        assert float(work.steps.expert_weights) == pytest.approx(2 * 32 * expert * chosen, rel=1e-9)
        assert float(work.steps.expert_matmul) == pytest.approx(2 * 32 * batch * 2 * expert, rel=1e-9)
        assert work.steps.weights > work.steps.expert_weights


def test_what_only_the_source_computes_is_said() -> None:
    """A layer with weights that multiplies for every token of the cache again, as latent attention written out."""
    layers = {
        "again": {"cost": {"matmul_flops": "2*(past_len + seq_len)*batch_size*9", "parameters": "9", "others": 0}},
        "kv_cache": {
            "formula": "kv_cache_append",
            "args": {"N": "batch_size*seq_len", "num_kv_heads": 1, "head_dim": 3},
        },
    }
    times = symflops.times({"name": "own", "layers": layers}, "h100-sxm", prompt_len=5, new_tokens=3)  # type: ignore[arg-type]  # data of a model file
    assert "again multiplies for every token of the cache again" in times.notes[0]
    assert times.error == "how wrong it is, is not known"
    assert not [note for note in found().notes if "again" in note]


# ------------------------------------------------------------------------------------------------------- estimates


def test_the_estimate_is_the_sum_of_its_terms() -> None:
    """By hand out of efficiency.toml, for two devices: 8 key heads are shared, sums over devices sent one way."""
    known = COEFFICIENTS["server"]["dense"]["coefficients"]
    rows = 2 * HIDDEN * 2  # bytes of a row, for attention and for the MLP
    weights = sum(2 * (MATRICES + NORMS + HIDDEN * VOCABULARY + BATCH * HIDDEN) for _ in range(NEW - 1))
    cache = sum(2 * BATCH * TOKEN * (PROMPT + i + 2) for i in range(NEW - 1))
    flops = sum(
        2 * BATCH * (MATRICES + HIDDEN * VOCABULARY) + 4 * BATCH * LAYERS * HEADS * WIDTH * (PROMPT + i + 1)
        for i in range(NEW - 1)
    )
    total = (
        known["weights"] * weights / 2 / BANDWIDTH
        + known["cache"] * cache / 2 / BANDWIDTH
        + known["matmul"] * flops / 2 / PEAK
        + known["layer"] * LAYERS * (NEW - 1)
        + known.get("link", 0) * rows * BATCH * LAYERS * (NEW - 1) / 450e9
        + known.get("sequence", 0) * BATCH * (NEW - 1)
    )
    assert found(devices=2).estimate.tpot == pytest.approx(total / (NEW - 1), rel=1e-9)
    first = (
        known["prompt_matmul"] * prompt_flops(BATCH, PROMPT) / 2 / PEAK
        + known["prompt_layer"] * LAYERS
        + known["prompt_link"] * rows * BATCH * PROMPT * LAYERS / 450e9
    )
    assert found(devices=2).estimate.ttft == pytest.approx(first, rel=1e-9)


def test_more_devices_than_key_heads_hold_the_cache_again() -> None:
    """8 key heads are shared by up to 8 devices; 16 read as much each as 8 do. Weights are shared by all."""
    nothing = dict.fromkeys(found().efficiency.coefficients, 0.0)
    for term, of_8 in (("cache", 1.0), ("weights", 2.0)):
        eight, sixteen = (
            found(devices=n, batch_size=256, efficiency={**nothing, term: 100.0}).estimate.tpot for n in (8, 16)
        )
        assert eight is not None
        assert eight == pytest.approx(of_8 * (sixteen or 0))


def test_no_estimate_is_below_its_bound() -> None:
    random_ones = random.Random(21)
    machines = ("h100-sxm", "b200-sxm", "l40s", "m2-ultra", "rtx-4090")
    for _ in range(40):
        run_ = {
            "batch_size": random_ones.choice((1, 7, 300)), "prompt_len": random_ones.randint(1, 9000),
            "new_tokens": random_ones.randint(1, 900), "weight_bytes": random_ones.choice((0.5, 2)),
        }  # fmt: skip
        model = random_ones.choice((MODEL, "mixtral-8x7b"))
        engine, devices = random_ones.choice((None, *efficiency_names())), random_ones.choice((1, 8))
        one = symflops.times(model, random_ones.choice(machines), engine=engine, devices=devices, **run_)
        for speed in (one.estimate, one.steady):
            assert (speed.tpot or 0) >= (one.bound.tpot or 0)
        assert one.estimate.ttft >= one.bound.ttft
        none = symflops.times(model, "h100-sxm", efficiency=dict.fromkeys(one.efficiency.coefficients, 0.0), **run_)
        assert none.estimate == none.bound


def test_requests_that_come_and_go_have_others_prompts_beside_their_steps() -> None:
    alone, together = found(batch_size=1), found()
    assert alone.steady == alone.estimate
    known = COEFFICIENTS["server"]["dense"]["coefficients"]
    prompt = known["beside_matmul"] * prompt_flops(1, PROMPT) / PEAK
    assert together.estimate.tpot is not None
    assert together.steady.tpot == pytest.approx(together.estimate.tpot + prompt * (BATCH - 1) / NEW, rel=1e-9)
    waited = alone.estimate.ttft + together.estimate.tpot / 2 + known["request"]
    assert together.steady.ttft == pytest.approx(waited, rel=1e-9)


def test_the_file_of_efficiencies() -> None:
    assert tuple(COEFFICIENTS) == efficiency_names()
    for kind in COEFFICIENTS.values():
        assert kind["source"]
        for table in (one for one in kind.values() if isinstance(one, dict)):
            assert all(value > 0 for value in table["coefficients"].values())
            for error in (table[name] for name in ("ttft", "loaded", "tpot") if name in table):
                assert 0 < error["low"] <= 1 <= error["high"]
                assert 0 < error["median"] < 0.5
    assert "within" in found().error
    assert found(efficiency={"weights": 1.5}).error == "how wrong it is, is not known"


# ------------------------------------------------------------------------------------------------- energy and money


def machine(folder: Path, more: str = "") -> str:
    path = folder / "own.toml"
    path.write_text(
        'about = "own"\npeak_tflops = { bf16 = 100 }\nmemory_gb = 10\nbandwidth_gb_s = 1000\nsource = "none"\n' + more
    )
    path.write_text("[mine]\n" + path.read_text())
    return str(path)


def test_energy_and_money(tmp_path: Path) -> None:
    run_ = {"batch_size": 4, "prompt_len": 10, "new_tokens": 5, "devices": 3}
    one = symflops.times("gpt2", machine(tmp_path, "tdp_w = 250\n"), price_per_hour=1.5, **run_)
    for speed in (one.bound, one.estimate):
        each = speed.seconds / (4 * 5)  # a generated token
        assert speed.joules_per_million == pytest.approx(3 * 250 * each * 1e6)
        assert speed.price_per_million == pytest.approx(3 * 1.5 / 3600 * each * 1e6)
    unknown = symflops.times("gpt2", machine(tmp_path), **run_)
    assert (unknown.bound.joules_per_million, unknown.bound.price_per_million) == (None, None)
    assert "energy is not known: nobody states the power that mine draws" in unknown.notes


# ----------------------------------------------------------------------------------------------------- calibration

OWN = {"weights": 1.3, "cache": 1.7, "matmul": 2.2, "layer": 3e-5, "sequence": 2e-5, "link": 1.1, "prompt_matmul": 1.9,
       "prompt_layer": 1e-4, "prompt_link": 1.4}  # fmt: skip


def measured_by(path: Path, coefficients: dict[str, float], devices: tuple[int, ...]) -> Path:
    """A file of what an engine with these coefficients would measure."""
    with path.open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["metric", "value", "batch_or_concurrency", "prompt_len", "new_tokens", "num_devices", "note"])
        for batch, prompt, count in product((1, 16, 128, 700), (100, 3000), devices):
            run_ = {"batch_size": batch, "prompt_len": prompt, "new_tokens": 20, "devices": count}
            one = found(efficiency=coefficients, **run_).estimate
            assert one.tpot is not None
            rows.writerow(["tpot_ms", one.tpot * 1000, batch, prompt, 20, count, "x"])
            rows.writerow(["ttft_ms", one.ttft * 1000, batch, prompt, 1, count, "x"])
            rows.writerow(["output_tok_s", one.tokens_per_second, batch, prompt, 20, count, "x"])
            rows.writerow(["prefill_tok_s", batch * prompt / one.ttft, batch, prompt, 1, count, "x"])
    return path


def test_calibrating_finds_the_coefficients_that_made_the_measurements(tmp_path: Path) -> None:
    mine = found(calibrate=measured_by(tmp_path / "own.csv", OWN, (1, 2, 8)))
    for name, value in OWN.items():
        assert mine.efficiency.coefficients[name] == pytest.approx(value, rel=0.02), name
    assert mine.efficiency.coefficients["request"] == found().efficiency.coefficients["request"]  # nothing tells it
    assert "coefficients fitted to 96 measurements of your own" in mine.notes
    assert mine.error == "how wrong it is, is not known"


def test_calibrating_on_one_device_finds_the_times(tmp_path: Path) -> None:
    """There, a step's weights and its layers are both the same in every row: what they take together is found."""
    mine = found(calibrate=measured_by(tmp_path / "own.csv", OWN, (1,)), batch_size=50, prompt_len=700)
    true = found(efficiency=OWN, batch_size=50, prompt_len=700)
    assert mine.estimate.tpot == pytest.approx(true.estimate.tpot, rel=0.01)
    assert mine.estimate.ttft == pytest.approx(true.estimate.ttft, rel=0.01)
    before = found().efficiency.coefficients
    assert mine.efficiency.coefficients["link"] == before["link"]  # of which one device tells nothing


def test_one_measurement_moves_everything_a_little(tmp_path: Path) -> None:
    """What a single measurement does not tell apart stays near what is shipped, and the sum is the measured time."""
    path = tmp_path / "one.csv"
    path.write_text(f"metric,value,batch_or_concurrency,prompt_len,new_tokens\ntpot_ms,20,{BATCH},{PROMPT},{NEW}\n")
    assert found(calibrate=path).estimate.tpot == pytest.approx(0.020, rel=0.01)


def test_a_few_wrong_measurements_do_not_decide() -> None:
    rows = [({"a": float(i), "b": 5.0}, 2.0 * i + 0.5 * 5) for i in range(1, 40)]
    wrong = [(terms, time * 7 if i in (3, 17, 30) else time) for i, (terms, time) in enumerate(rows)]
    assert fitted(wrong, ["a", "b"]) == pytest.approx({"a": 2.0, "b": 0.5}, rel=0.02)
    assert fitted([({"a": 1.0, "b": -1.0}, 3.0)], ["b"]) == {"b": 0.0}  # none is below 0


HEAD = "metric,value,batch_or_concurrency,prompt_len,new_tokens\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric,value\n", "no column batch_or_concurrency; its first line names metric, value, "),
        (HEAD, "no measurements in it"),
        (HEAD + "speed,3,1,2,3\n", "line 2: metric 'speed': expected one of ttft_ms, tpot_ms, "),
        (HEAD + "tpot_ms,fast,1,2,3\n", "line 2: value 'fast': expected a number above 0"),
        (HEAD + "tpot_ms,nan,1,2,3\n", "line 2: value 'nan': expected a number above 0"),
        (
            HEAD + "ttft_ms,3,1,2,3\ntpot_ms,3,many,2,3\n",
            "line 3: batch_or_concurrency 'many': expected a whole number",
        ),
        (HEAD + "tpot_ms,3,1,2,1\n", "line 2: new_tokens 1: tpot_ms needs at least 2"),
        (HEAD + "tpot_ms,3,1\n", "line 2: prompt_len '': expected a whole number"),
    ],
)
def test_a_file_of_measurements_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(SymflopsError) as refused:
        found(calibrate=path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_measurement_that_the_model_cannot_have_made(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(HEAD + "tpot_ms,3,1,2000,3\n")
    with pytest.raises(SymflopsError, match="line 2 of the measurements"):
        symflops.times("gpt2", "h100-sxm", prompt_len=5, new_tokens=3, calibrate=path)


# ---------------------------------------------------------------------------------------------------- command line

COMMAND = ("generation", MODEL, "--metric", "flops", "-p", "1000", "-n", "100", "-B", "8")


def test_the_command_says_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *COMMAND, "--hardware", "h100-sxm", "--devices", "2", "--price-per-hour", "2.5")
    assert code == 0
    for line in ("time to first token", "time per output token", "tokens/s of a request", "tokens/s of the machine",
                 "price of 1M tokens", "bound  estimate"):  # fmt: skip
        assert line in out
    assert "half of " in out
    code, out, _ = run(capsys, *COMMAND, "--hardware", "h100-sxm", "--devices", "2", "--format", "json")
    data = json.loads(out)["times"]
    two = found(devices=2)
    assert data["bound"] == dict(two.bound.numbers)
    assert data["estimate"]["tpot_seconds"] == two.estimate.tpot
    assert (data["engine"], data["devices"], data["binds"]) == ("server", 2, {"prompt": "matmul", "steps": "memory"})
    assert json.loads(run(capsys, *COMMAND, "--format", "json")[1]).keys().isdisjoint({"times"})


def test_efficiencies_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--efficiency", "weights=1.5", "--efficiency", "layer=80us", "--format", "json")
    _, out, _ = run(capsys, *COMMAND, "--hardware", "h100-sxm", *options)
    mine = found(efficiency={"weights": 1.5, "layer": 80e-6})
    assert json.loads(out)["times"]["estimate"]["tpot_seconds"] == pytest.approx(mine.estimate.tpot)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--devices", "2"), "--devices is of a machine: name it with --hardware"),
        (("--price-per-hour", "2"), "--price-per-hour is of a machine: name it with --hardware"),
        (("--calibrate", "own.csv"), "--calibrate is of a machine: name it with --hardware"),
        (("--hardware", "h100-sxm", "--format", "c"), "is given with --format text or json alone"),
        (("--hardware", "h100-sxm", "--engine", "vllm"), "no efficiencies of 'vllm'; there are those of server"),
        (("--hardware", "h100-sxm", "--efficiency", "weight=1"), "no efficiency 'weight'; did you mean 'weights'?"),
        (("--hardware", "h100-sxm", "--efficiency", "weights"), "--efficiency 'weights': expected name=value"),
        (("--hardware", "h100-sxm", "--dtype", "fp4"), "h100-sxm states no 'fp4' peak"),
        (("--hardware", "h100-sxm", "--price-per-hour", "-1"), "price_per_hour = -1.0: expected money"),
    ],
)  # fmt: skip
def test_mistakes(capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str) -> None:
    code, _, error = run(capsys, *COMMAND, *options)
    assert (code, error.count("\n")) == (3, 1)
    assert message in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"efficiency": 3}, "expected efficiency to be numbers by the names of terms, got int"),
        ({"efficiency": {"weights": -1}}, "efficiency weights = -1: expected a number of at least 0"),
        ({"calibrate": 3}, "expected calibrate to be the path of a file, got int"),
        ({"price_per_hour": float("nan")}, "price_per_hour = nan: expected money, a number of at least 0"),
        ({"new_tokens": 0}, "new_tokens = 0: at least 1"),
        ({"seq_len": 3}, "seq_len has a value already, prompt_len and 1"),
    ],
)
def test_mistaken_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        found(**arguments)
    assert message in str(refused.value)


def test_a_model_that_does_not_generate() -> None:
    with pytest.raises(SymflopsError, match="does not generate"):
        symflops.times("bert-base", "h100-sxm", prompt_len=5, new_tokens=3)
