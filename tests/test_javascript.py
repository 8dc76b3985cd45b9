"""JavaScript: the exported function, run by Node at random points, gives the integers of `at`."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.cost import METRICS, Cost
from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.export.javascript import javascript_function

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None and "CI" not in os.environ, reason="needs Node (Debian's nodejs)")
POINTS = 200
BYTES = ("dtype_bytes", "weight_bytes", "cache_bytes")


def run(source: str, points: list[dict[str, Any]], tmp_path: Path) -> list[dict[str, int] | str]:
    """What the one function that a module exports returns at each point: its numbers, or the error's text."""
    (tmp_path / "cost.mjs").write_text(source, "utf-8")
    (tmp_path / "points.json").write_text(json.dumps(points), "utf-8")
    (tmp_path / "main.mjs").write_text(
        """import * as module from "./cost.mjs";
import { readFileSync } from "fs";
const [cost] = Object.values(module);
const number = (text) => (/^\\d{16,}$/.test(text) ? BigInt(text) : Number(text));
const at = (point) => {
  try {
    return cost(Object.fromEntries(Object.entries(point).map(([name, text]) => [name, number(text)])));
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const shown = (_, value) => (typeof value === "bigint" ? String(value) : value);
console.log(JSON.stringify(JSON.parse(readFileSync("points.json", "utf8")).map(at), shown));
""",
        "utf-8",
    )
    done = subprocess.run([NODE or "node", "main.mjs"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    return [f if isinstance(f, str) else {metric: int(text) for metric, text in f.items()} for f in found]


def random_point(names: set[str], rng: random.Random, highest: float) -> dict[str, Any]:
    """A value for each name, small, large or huge; bytes also as fractions; some defaults left out."""
    point: dict[str, Any] = {}
    for name in sorted(names):
        if name in BYTES:
            point[name] = rng.choice([0, 0.5, 1, 2, 4, 0.625, 8, 0.1])
        elif name == "causal":
            point[name] = rng.choice([0, 1])
        else:
            point[name] = int(2 ** rng.uniform(0, highest)) - rng.choice([0, 1])
        if name in (*BYTES, "causal", "past_len") and rng.random() < 0.3:
            del point[name]
    return point


def texts(point: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in point.items()}


@pytest.mark.parametrize("model", symflops.model_names())
def test_shipped_models_at_random_points(model: str, tmp_path: Path) -> None:
    rng = random.Random(model)
    cost = symflops.load(model).total()
    points = [random_point(cost.free_symbols, rng, rng.choice([5, 12, 20, 60])) for _ in range(POINTS)]
    if "mixtral" in model:  # an expectation to the power of the tokens: exact, rounded and vanishing
        points += [{"batch_size": 1, "seq_len": n} for n in (1, 100, 4096, 32768, 32769, 10**6)]
    expected = [numbers(cost, point) for point in points]
    assert sum(isinstance(found, dict) for found in expected) > POINTS / 4
    assert run(javascript_function(cost, METRICS, model), [texts(p) for p in points], tmp_path) == expected


def numbers(cost: Cost, point: dict[str, Any]) -> dict[str, int] | str:
    """The numbers of `at`, or the error of a function that refuses what it refuses."""
    try:
        return {m: cost.at(**point).number(m) for m in METRICS}
    except SymflopsError as error:
        broken = str(error).partition(" (with ")[0].removeprefix("assumption broken: ")
        shown = next(str(c) for c in cost.domain.conditions if c.text == broken)
        return f"RangeError: assumption broken: {shown}"


def test_a_condition_of_every_kind_is_kept_to(tmp_path: Path) -> None:
    texts_of = ["n % 3 != 1", "n + m <= 900", "n/2 < 10*m + 40", "k >= 2", "k*k > 5", "N - n*m == 0"]
    cost = replace(Cost.of(flops="n*m + k + N"), domain=Domain.of(texts_of))
    rng = random.Random(3)
    points = [random_point(cost.free_symbols, rng, 10) for _ in range(POINTS)]
    points = [{**p, "N": p["n"] * p["m"]} if rng.random() < 0.9 else p for p in points]
    expected = [numbers(cost, point) for point in points]
    assert len({found for found in expected if isinstance(found, str)}) == len(texts_of)
    assert run(javascript_function(cost, METRICS, "f"), [texts(p) for p in points], tmp_path) == expected


def test_a_symbolic_total_takes_the_config_as_arguments(tmp_path: Path) -> None:
    model = symflops.load("mixtral-8x7b")
    cost = model.total(symbolic=True)
    points = [{**model.symbols, "batch_size": b, "seq_len": s} for b in (1, 3) for s in (1, 77)]
    expected = [{"flops": model.total().at(batch_size=p["batch_size"], seq_len=p["seq_len"]).flops} for p in points]
    assert run(javascript_function(cost, ["flops"], "x"), [texts(p) for p in points], tmp_path) == expected


FORMULAS = {
    "rounding": "floor(N/3)*5 + ceil((2*N + k)/7) - N//4 + N % 6 + 9*N",
    "nested rounding": "ceil(floor(N*N/3)/(k + 1)) + floor(N/(k + 2) + k/3)",
    "extremes": "max(N, 2*k, 7)*3 + min(N, k)*min(k, 3, N*N)",
    "fractions": "N/3 + k/7 + N*k/2",
    "reciprocal": "1000*N/(k + 1) + N/(3*k + N + 1)",
    "root": "1000*sqrt(N) + sqrt(k*k) + sqrt(N/(k + 1))",
    "logarithm": "1000*log2(N + 1) + log2(2**k) + 50*N + 50*k",
    "symbol in an exponent": "1000*(1 - 1/(k + 2))**N + 2**(k % 11)",
    "bytes": "dtype_bytes*N*(k + 1) + weight_bytes**2*N + cache_bytes/3 + max(dtype_bytes*N, k)",
    "round bytes": "ceil(dtype_bytes*N/3)*k + floor(weight_bytes*k/8)",
    "large": "N**9*k**5 + 123456789012345678901234567890",
    "sums with minus": "N*N*N + k*k + 1 - (k - N) - (-N)",
    "words of JavaScript": "new*3 + default*typeof + floor(power/2) + bytes + eval*var",
}


@pytest.mark.parametrize("name", FORMULAS)
def test_every_operation_of_the_language(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    cost = Cost.of(flops=FORMULAS[name])
    points = [random_point(cost.free_symbols, rng, 5 + 2 * (i % 3)) for i in range(POINTS)]
    expected = [{"flops": cost.at(**point).flops} for point in points]
    assert run(javascript_function(cost, ["flops"], name), [texts(p) for p in points], tmp_path) == expected


def test_what_is_not_whole_is_rounded_half_up(tmp_path: Path) -> None:
    cost = Cost.of(read_bytes="dtype_bytes*N", flops="N/4")
    source = javascript_function(cost, ["read_bytes", "flops"], "half")
    points = [{"N": str(n), "dtype_bytes": "0.5"} for n in range(9)]
    expected = [
        {"read_bytes": math.floor(n / 2 + 0.5), "flops": math.floor(Fraction(n, 4) + Fraction(1, 2))} for n in range(9)
    ]
    assert run(source, points, tmp_path) == expected


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({}, "no value for N"),
        ({"N": "-1"}, "N = -1: must be a nonnegative integer"),
        ({"N": "1.5"}, "N = 1.5: must be a nonnegative integer"),
        ({"N": "NaN"}, "N = NaN: must be a nonnegative integer"),
        ({"N": "3", "causal": "2"}, "causal = 2: must be 0 or 1"),
        ({"N": "3", "dtype_bytes": "-2"}, "dtype_bytes = -2: must be a nonnegative number"),
        ({"N": "1" + "0" * 400}, "N: integer of more than 1024 bits"),
        ({"N": "3"}, "flops is negative at this point"),
        ({"N": "0"}, "division by zero"),
        ({"N": "5000"}, "a power of more than 4096 bits"),
    ],
)
def test_what_has_no_number_is_a_range_error(point: dict[str, str], message: str, tmp_path: Path) -> None:
    cost = Cost.of(flops="2**N/N - 9 + dtype_bytes + causal")
    assert run(javascript_function(cost, ["flops"], "f"), [point], tmp_path) == [f"RangeError: {message}"]


def test_a_number_that_is_not_exact_in_a_double_must_be_a_bigint(tmp_path: Path) -> None:
    source = javascript_function(Cost.of(flops="N"), ["flops"], "f")
    assert run(source, [{"N": "1e17"}], tmp_path) == [
        "RangeError: N = 100000000000000000: must be a nonnegative integer"
    ]
    assert run(source, [{"N": str(10**17 + 1)}], tmp_path) == [{"flops": 10**17 + 1}]


def test_a_name_is_data(tmp_path: Path) -> None:
    for name in ("*/ throw 1; /*", "1\n2", "</script>", "new", "nearest", "", "é`${1}"):
        assert run(javascript_function(Cost.of(flops="2*N"), ["flops"], name), [{"N": "4"}], tmp_path) == [{"flops": 8}]


def test_the_comment_says_names_units_and_conventions(say: Any) -> None:
    source = say("total", "llama-2-7b-hf", "--format", "javascript", "--metric", "read_bytes")
    comment, _, code = source.partition("*/")
    assert " * @param {number|bigint} symbols.batch_size sequences in the batch\n" in comment
    cache = "bytes per element of the KV cache; dtype_bytes where not given"
    assert f" * @param {{number|string}} [symbols.cache_bytes=dtype_bytes] {cache}\n" in comment
    assert " *   read_bytes [byte]: inputs and weights that layers read, each once\n" in comment
    assert "A multiply-add is 2 FLOPs" in comment
    assert "export function llama_2_7b_hf({" in code
    assert "function log2" not in code  # only what the formula needs


def test_a_bound_total_needs_no_arguments(say: Any, tmp_path: Path) -> None:
    source = say("total", "llama-2-7b-hf", "-B", "1", "-S", "2048", "--format", "javascript")
    assert "export function llama_2_7b_hf({ ...others } = {}) {" in source
    (numbers,) = run(source, [{}], tmp_path)
    assert isinstance(numbers, dict)
    assert numbers["matmul_flops"] == 29_261_612_187_648


def test_roundings_over_bytes_are_kept(tmp_path: Path) -> None:
    cost = Cost.of(
        read_bytes="1000*ceil(n*dtype_bytes) + 100*floor(weight_bytes + n) + 10*(n*cache_bytes // 3)",
        write_bytes="1000*floor(min(n, dtype_bytes)) + (dtype_bytes*n) % 64 + ceil(max(0, n - weight_bytes))",
    )
    rng = random.Random(1)
    points = [random_point({"n", *BYTES}, rng, 12) for _ in range(POINTS)]
    found = run(javascript_function(cost, ["read_bytes", "write_bytes"], "cost"), [texts(p) for p in points], tmp_path)
    for point, numbers in zip(points, found, strict=True):
        at = cost.at(**point)
        assert numbers == {m: at.number(m) for m in numbers}, point


def test_a_divisor_of_0_breaks_a_condition(tmp_path: Path) -> None:
    cost = replace(Cost.of(flops="n*m"), domain=Domain.of(["n % m == 0"]))
    found = run(javascript_function(cost, ["flops"], "f"), [{"n": 6, "m": 0}, {"n": 6, "m": 3}], tmp_path)
    assert found == ["RangeError: assumption broken: n % m == 0", {"flops": 18}]


def test_a_symbol_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """As `at` does, which takes run symbols that a cost does not depend on."""
    cost = Cost.of(flops="n*m*seq_len").bind(seq_len=5)
    points = [{"n": 2, "m": 3, "causal": 1}, {"n": 2, "m": 3, "seq_len": 9}, {"n": 2, "m": 3, "k": 9}]
    found = run(javascript_function(cost, ["flops"], "f"), points, tmp_path)
    assert found == [{"flops": 30}, "RangeError: unknown symbol seq_len", "RangeError: unknown symbol k"]
    constant = javascript_function(Cost.of(flops=7), ["flops"], "f")
    assert run(constant, [{}, {"k": 9}], tmp_path) == [{"flops": 7}, "RangeError: unknown symbol k"]
