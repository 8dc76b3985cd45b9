"""How wrong times are: models as engines serve them, rows of data, and nothing fitted on what it is judged by."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from served_models import SIZES, served
from times import LEFT_OUT, fit, judge, summary
from times_rows import KINDS, Measured, measured
from times_settings import MACHINES, machine

from symflops.analysis.stage import staged

# Parameters as checkpoints have them, and those of norms, biases and sinks, which served models leave out.
PARAMETERS = {
    "meta-llama/Llama-2-7b-hf": 6_738_415_616, "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496, "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "openai/gpt-oss-20b": 20_914_757_184, "deepseek-ai/DeepSeek-V3": 671_026_404_352,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624, "EleutherAI/gpt-j-6b": 6_050_882_784,
}  # fmt: skip
COLUMNS = (
    "id", "kind", "model", "weights_precision", "kv_precision", "engine", "engine_version", "hardware",
    "num_devices", "tensor_parallel", "expert_parallel", "pipeline_parallel", "attention_dp",
    "batch_or_concurrency", "prompt_len", "new_tokens", "metric", "value", "source_id", "source", "note",
)  # fmt: skip


@pytest.mark.parametrize("name", [*PARAMETERS])
def test_served_models_have_the_weights_of_their_checkpoints(name: str) -> None:
    counted = served(name, False).total().at(batch_size=1, seq_len=1).parameters
    assert 0 <= PARAMETERS[name] - counted < 4e-4 * PARAMETERS[name]


def test_latent_attention_as_engines_run_it() -> None:
    """InferSim and DeepSeek's own report: 142,841,085,952 FLOP a token at 4,096 cached ones, and the token itself."""
    work = staged(served("deepseek-ai/DeepSeek-V3", False)).at({"prompt_len": 4096, "new_tokens": 2})
    assert work.steps.matmul == 142_841_085_952 + 61 * 278_528
    assert work.steps.cache == 70_272 * (4096 + 2)  # read with its own, which is written besides


def test_every_machine_has_a_data_sheet() -> None:
    for name in MACHINES:
        assert machine(name).source
    assert all(SIZES)


def rows(folder: Path, *given: dict[str, str]) -> tuple[list[Measured], list[tuple[str, str, str]]]:
    usual = {
        "kind": "static", "model": "meta-llama/Llama-3.1-8B", "weights_precision": "fp16", "kv_precision": "fp16",
        "engine": "TensorRT-LLM", "hardware": "H100-SXM-80GB", "num_devices": "2", "tensor_parallel": "2",
        "pipeline_parallel": "1", "batch_or_concurrency": "8", "prompt_len": "100", "new_tokens": "10",
        "metric": "output_tok_s", "value": "900", "source_id": "one",
    }  # fmt: skip
    with (folder / "inference.csv").open("w", newline="") as lines:
        file = csv.DictWriter(lines, COLUMNS, restval="")
        file.writeheader()
        file.writerows({**usual, "id": f"r{i}", **one} for i, one in enumerate(given))
    return measured(folder)


def test_rows_become_seconds(tmp_path: Path) -> None:
    found, left = rows(
        tmp_path,
        {},
        {"metric": "tok_s_per_gpu", "value": "451"},
        {"metric": "ttft_ms", "value": "20", "new_tokens": "1"},
        {"kind": "single_stream", "metric": "prefill_tok_s", "value": "1000", "hardware": "RTX 4090 24GB"},
        {"kind": "online_concurrency", "metric": "tpot_ms", "value": "12.5"},
    )
    assert [one.seconds for one in found] == pytest.approx([8 / 900, 8 / 902, 0.020, 0.1, 0.0125])
    assert [one.kind for one in found] == ["decode", "decode", "prompt", "prompt", "decode"]
    assert {one.kind for one in found} <= KINDS.keys()
    assert all(one.bound > 0 for one in found)
    assert left == []


def test_rows_are_left_out_with_a_reason(tmp_path: Path) -> None:
    _, left = rows(
        tmp_path,
        {},
        {"model": "somebody/else", "value": "900.02", "new_tokens": "11"},
        {"model": "meta-llama/Meta-Llama-3-8B"},
        {"tensor_parallel": ""},
        {"kind": "server"},
        {"kind": "online_concurrency", "tensor_parallel": "5", "metric": "tpot_ms"},
        {
            "kind": "online_concurrency",
            "metric": "ttft_ms",
            "note": "prefill workers 1 x tp2 dp1 bs, decode workers  bs",
        },
        {"note": "SUSPECT degrees"},
        {"hardware": "abacus"},
    )
    assert [reason for _, _, reason in left] == [
        "no sizes of somebody/else",
        "the same measurement again",
        "how devices share the model is not stated",
        "a server under load whose batch is not stated",
        "tensor parallel by a number that does not divide 32 heads: not as it ran",
        "how many workers share the requests is not stated",
        "degrees of parallelism that the data's README calls wrong",
        "no data sheet of abacus",
    ]


def made_up() -> list[Measured]:
    """Measurements of four sources of two series each, with an engine's coefficients and some noise."""
    found = []
    for i in range(64):
        terms = {"weights": 1 + i % 5, "cache": 0.1 * (i % 7), "layer": 1000.0, "matmul": 0.3 * (i % 3)}
        seconds = 1.2 * terms["weights"] + 1.5 * terms["cache"] + 2e-4 * 1000 + 1.1 * terms["matmul"]
        source, series = f"s{i % 4}", f"s{i % 4}/{i % 8}"
        noise = 1 + 0.05 * ((i * 7919) % 11 - 5) / 5
        found.append(Measured(f"r{i}", source, series, "decode", ("server", "dense"), "", seconds * noise, terms, 1e-9))
    return found


@pytest.mark.parametrize("left_out", [*LEFT_OUT])
def test_nothing_is_fitted_on_what_it_is_judged_by(left_out: str) -> None:
    """A whole source, or series, ten times slower: what is expected of it stays to the last digit."""
    before = made_up()
    of = LEFT_OUT[left_out]
    spoilt = of(before[0])
    after = [replace(row, seconds=row.seconds * 10) if of(row) == spoilt else row for row in before]
    for one, other in zip(judge(before), judge(after), strict=True):
        same = one.estimates[left_out] == other.estimates[left_out]
        assert same == (of(one.row) == spoilt)
    count, median, mean = summary(judge(before), left_out)
    assert (count, median < 0.05, mean < 0.06) == (64, True, True)
    found = fit(before, "steps", ("server", "dense"))
    assert found is not None
    assert found["weights"] == pytest.approx(1.2, rel=0.05)


def test_the_page_says_what_the_limits_say() -> None:
    root = Path(__file__).parent.parent
    page, limits = ((root / "docs" / name).read_text("utf-8") for name in ("times.md", "limits.md"))
    said = re.search(r"time per output token, all rows \| [\d,]+ \| .*? \| (\d+)\.\d% .*? \| (\d+)\.\d% ", page)
    assert said is not None
    by_source, by_series = (int(number) for number in said.groups())
    assert f"off by {by_series + 1} % in the median" in limits or f"off by {by_series} % in the median" in limits
    assert (
        f"by {by_source + 1} % where the whole source" in limits or f"by {by_source} % where the whole source" in limits
    )
