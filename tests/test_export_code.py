"""Generated code: compiled, run alone, and equal to `at` at random points."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

import symflops
from symflops import METRICS, Cost, SymflopsError
from symflops.domain import Domain
from symflops.export.c import c_function
from symflops.export.code import identifier
from symflops.export.numpy import numpy_function
from symflops.export.python import python_function

POINTS = 200
BYTES = (0.5, 1, 2, 4, 0.53125, 0.1)
LLAMA = "llama-2-7b-hf"
# Everything that the language has, in one cost; the logarithms' and roots' arguments are not 0 for the points below.
ODD = Cost.of(
    flops="max(0, n - 3)*floor(n*m/7) + ceil((n + 2*m)/5)*min(n, m, 40) + 12345678901*n**2",
    matmul_flops="n*(1 - (1 - 1/(m + 1))**n)*10**6 + 3**(n % 20) + 2**min(m, 9)",
    read_bytes="dtype_bytes*n/3 + weight_bytes*sqrt(n + 1)*10**6 + cache_bytes*sqrt(4*n**2)",
    write_bytes="log2(m + 1)*10**6 + log2(2**(n % 50 + 1)) + n/(m + 1)",
    intermediate_bytes="max(n, m)/2 + (n - m)*(n - m)/4 + floor(sqrt(n))",
    parameters="(n + 1)//2 + (7*n) % (m + 1) + ceil(n/(m + 1))",
)
# Roundings over bytes, which may be fractions, are not dropped.
ROUNDED = Cost.of(
    read_bytes="1000*ceil(n*dtype_bytes) + 100*floor(weight_bytes + m) + 10*(n*cache_bytes // 3)",
    write_bytes="1000*floor(min(n, dtype_bytes)) + (dtype_bytes*n) % 64",
    intermediate_bytes="64*ceil(n*m*dtype_bytes/64) - ceil(0 - weight_bytes)",
)

# Every comparison, with a quotient, a remainder, and a condition on a symbol that the metrics do not ask for.
BOUNDED = replace(
    Cost.of(flops="n*m + k", read_bytes="dtype_bytes*n"),
    domain=Domain.of(
        ["n % 3 != 1", "n + m <= 90000", "n/2 < 10*m + 40", "k >= 2", "k*k > 5", "k % 1 == 0", "past_len < n + 1"]
    ),
)


def cases() -> dict[str, Cost]:
    models = {name: symflops.load(name) for name in symflops.model_names()}
    numeric = {name: model.total() for name, model in models.items()}
    symbolic = models[LLAMA].total(symbolic=True)
    return numeric | {"odd": ODD, "rounded": ROUNDED, f"{LLAMA}-symbolic": symbolic, "bounded": BOUNDED}


CASES = cases()
LIMITS = {"batch_size": 4096, "seq_len": 10**6, "past_len": 10**6, "causal": 1, "n": 10**6, "m": 1000, "k": 30}


def points(cost: Cost, count: int = POINTS) -> list[dict[str, Any]]:
    """Random points, small and large sizes alike; bytes are decimals, or left to their defaults."""
    draw = random.Random(20261124)
    found = []
    for _ in range(count):
        point: dict[str, Any] = {}
        for name in sorted(cost.free_symbols | {"dtype_bytes"}):
            if name.endswith("_bytes"):
                if draw.random() < 0.6:
                    point[name] = draw.choice(BYTES)
            elif name == "causal":
                point[name] = draw.randrange(2)
            else:
                point[name] = int(LIMITS.get(name, 10**4) ** draw.random())
        if not cost.free_symbols & {"dtype_bytes", "weight_bytes", "cache_bytes"}:
            point.pop("dtype_bytes", None)
        found.append(point)
    return found


OUTSIDE = "outside"


def expected(cost: Cost, point: dict[str, Any]) -> Any:
    """The numbers of `at`, or that it refuses the point."""
    try:
        at = cost.at(**point)
    except SymflopsError as error:
        return OUTSIDE if str(error).startswith("assumption broken: ") else str(error)
    return {metric: at.number(metric) for metric in METRICS}


def run(code: str, function: str, calls: list[dict[str, Any]], tmp_path: Path, *options: str) -> list[Any]:
    """What the function returns, in a Python of its own that sees nothing of this project."""
    program = tmp_path / "program.py"
    ending = f"""
def called(point):
    try:
        return {function}(**point)
    except ValueError as error:
        return "{OUTSIDE}" if str(error).startswith("assumption broken: ") else str(error)


import json, sys
print(json.dumps([called(point) for point in json.load(sys.stdin)], default=int))"""
    program.write_text(f"{code}\n\n\n{ending}\n")
    done = subprocess.run(
        [sys.executable, *options, str(program)], input=json.dumps(calls), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("name", CASES)
def test_python_equals_at(name: str, tmp_path: Path) -> None:
    cost = CASES[name]
    code = python_function(cost, METRICS, name)
    given = points(cost)
    assert run(code, identifier(name), given, tmp_path, "-I") == [expected(cost, point) for point in given]


@pytest.mark.parametrize("name", CASES)
def test_numpy_equals_at(name: str, tmp_path: Path) -> None:
    cost = CASES[name]
    code = numpy_function(cost, METRICS, name)
    given = points(cost)
    assert run(code, identifier(name), given, tmp_path) == [expected(cost, point) for point in given]


def test_numpy_broadcasts_and_stays_in_int64_where_it_can(tmp_path: Path) -> None:
    cost = symflops.load(LLAMA).total()
    (tmp_path / "made.py").write_text(numpy_function(cost, ["matmul_flops", "read_bytes"], "f"))
    program = """
import numpy as np
from made import f
grid = f(np.array([[1], [8]]), np.arange(1, 5), past_len=np.uint8(3))
huge = f(10**6, 10**6)
half = f(1, [1, 2], weight_bytes=0.5)
print(grid["matmul_flops"].dtype, grid["read_bytes"].shape, huge["matmul_flops"].dtype, half["read_bytes"].dtype)
print(*grid["matmul_flops"].ravel(), huge["matmul_flops"], *half["read_bytes"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "int64 (2, 4) object object"
    numbers = [cost.at(batch_size=b, seq_len=s, past_len=3).matmul_flops for b in (1, 8) for s in range(1, 5)]
    numbers.append(cost.at(batch_size=10**6, seq_len=10**6).matmul_flops)
    numbers += [cost.at(batch_size=1, seq_len=s, weight_bytes=0.5).read_bytes for s in (1, 2)]
    assert [int(word) for word in second.split()] == numbers


RESERVED_NAMES = [
    "floor",
    "Fraction",
    "result",
    "min",
    "np",
    "int",
    "while",
    "cost",
    "status",
    "q_n",
    "n",
    "index",
    "m_cost",
]


@pytest.mark.parametrize("write", [python_function, numpy_function])
def test_names_that_python_needs_itself(write: Any) -> None:
    cost = Cost.of(
        flops=" + ".join(f"{i + 2}*{name}" for i, name in enumerate(n for n in RESERVED_NAMES if n != "while"))
    )
    scope: dict[str, Any] = {}
    exec(write(cost, ["flops"], "min"), scope)
    function = scope["min_"]
    from symflops.export.code import parameters
    from symflops.export.python import RESERVED

    order = [p.symbol for p in parameters(cost, {}, RESERVED)]
    values = {name: i + 1 for i, name in enumerate(order)}
    assert function(*values.values())["flops"] == cost.at(**values).flops


def test_the_sizes_of_the_config_are_defaults() -> None:
    model = symflops.load(LLAMA)
    scope: dict[str, Any] = {}
    exec(python_function(model.total(symbolic=True), ["matmul_flops"], "f", model.symbols), scope)
    assert scope["f"](1, 2048)["matmul_flops"] == 29_261_612_187_648
    shorter = model.with_symbols({"num_hidden_layers": 31}).total().at(batch_size=1, seq_len=2048)
    assert scope["f"](1, 2048, num_hidden_layers=31)["matmul_flops"] == shorter.matmul_flops
    assert "hidden_size: a size of the model, 4096 in its config" in scope["f"].__doc__


@pytest.mark.parametrize(
    "point", [{"n": -1, "m": 1}, {"n": 1, "m": 5}, {"n": 1.5, "m": 1}, {"n": 1, "m": 0, "dtype_bytes": -1}]
)
@pytest.mark.parametrize("write", [python_function, numpy_function])
def test_what_is_no_cost_is_refused(write: Any, point: dict[str, Any]) -> None:
    scope: dict[str, Any] = {}
    exec(write(Cost.of(flops="n - m", read_bytes="dtype_bytes*n"), ["flops", "read_bytes"], "f"), scope)
    with pytest.raises((ValueError, TypeError)):
        scope["f"](**point)


NAMES = ("n", "m", "seq_len")
TREES = st.recursive(
    st.sampled_from(NAMES) | st.integers(0, 9).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(st.sampled_from(["floor", "ceil"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, st.integers(2, 3)).map(lambda t: f"{t[0]}**{t[1]}"),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@example("ceil(n/m)**2", (5, 3, 0))  # as -(-n//m), whose square is not that of n//m with a sign before it
@example("m*ceil(n/m)**3", (5, 3, 0))
@hypothesis_given(TREES, st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(0, 2**40)))
def test_any_formula_in_python_and_numpy(formula: str, numbers: tuple[int, int, int]) -> None:
    try:
        cost = Cost.of(flops=formula)
        expected = cost.at(
            **{name: number for name, number in zip(NAMES, numbers, strict=True) if name in cost.free_symbols}
        )
    except SymflopsError:
        return  # divides by zero or is negative here
    for write in (python_function, numpy_function):
        scope: dict[str, Any] = {}
        exec(write(cost, ["flops"], "f"), scope)
        given = {name: number for name, number in zip(NAMES, numbers, strict=True) if name in cost.free_symbols}
        assert int(scope["f"](**given)["flops"]) == expected.flops


# -------------------------------------------------------------------------------------------------------------------- C

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None and "CI" not in os.environ, reason="needs gcc")
_PRINT = r"""
#include <stdio.h>
static void show(symflops_int number) {
    char digits[48]; int at = 47; digits[at] = 0;
    do { digits[--at] = (char)('0' + (int)(number % 10)); number /= 10; } while (number);
    printf("%s ", digits + at);
}
"""


def c_calls(cost: Cost, name: str, given: list[dict[str, Any]]) -> list[str]:
    """A C function that calls the one of a cost at these points and prints each status and number."""
    from symflops.export.code import parameters

    order = [p.symbol for p in parameters(cost, {})]
    defaults = {"past_len": 0, "causal": 0, "dtype_bytes": 2, "weight_bytes": -1, "cache_bytes": -1}
    lines = [f"static void call_{name}(void) {{ {name}_cost c; int s;"]
    for point in given:
        values = ", ".join(f"{point.get(symbol, defaults.get(symbol))}" for symbol in order)
        shown = " ".join(f"show(c.{metric});" for metric in METRICS)
        lines.append(
            f's = {name}({", ".join(filter(None, [values, "&c"]))}); printf("%d ", s); if (!s) {{ {shown} }} puts("");'
        )
    return [*lines, "}"]


def compiled(costs: dict[str, Cost], given: dict[str, list[dict[str, Any]]], tmp_path: Path) -> list[list[int]]:
    """All functions in one program, compiled with every warning an error, and what it prints."""
    names = {name: identifier(name) for name in costs}
    source = [c_function(cost, METRICS, name) for name, cost in costs.items()]
    source.append(_PRINT)
    for name, cost in costs.items():
        source += c_calls(cost, names[name], given[name])
    source.append("int main(void) { " + " ".join(f"call_{name}();" for name in names.values()) + " return 0; }")
    (tmp_path / "all.c").write_text("\n".join(source))
    flags = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover")
    done = subprocess.run(["gcc", *flags, "all.c", "-o", "all"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[:3000]
    ran = subprocess.run([tmp_path / "all"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [[int(word) for word in line.split()] for line in ran.stdout.splitlines()]


@pytest.mark.slow
@needs_gcc
def test_c_equals_at(tmp_path: Path) -> None:
    given = {name: points(cost) for name, cost in CASES.items()}
    lines = iter(compiled(CASES, given, tmp_path))
    for name, cost in CASES.items():
        for point in given[name]:
            status, *numbers = next(lines)
            wanted = expected(cost, point)
            assert status == (5 if wanted == OUTSIDE else 0), (name, point)
            assert numbers == (list(wanted.values()) if not status else []), (name, point)


@needs_gcc
def test_c_sees_every_overflow(tmp_path: Path) -> None:
    """A number that comes out is the one of `at`, whatever the sizes; what does not fit is said."""
    cost = Cost.of(
        flops="n**2*m - n*m*m + n*m*(n + m)",
        read_bytes="dtype_bytes*n*m/7",
        write_bytes="n*m % 1000003",
        parameters="2*n",
    )
    draw = random.Random(5)
    given = [
        {"n": draw.randrange(2 ** draw.randrange(1, 63)), "m": draw.randrange(2 ** draw.randrange(1, 63))}
        for _ in range(300)
    ]
    lines = compiled({"big": cost}, {"big": given}, tmp_path)
    seen = set()
    for point, (status, *numbers) in zip(given, lines, strict=True):
        seen.add(status)
        if status == 0:
            assert numbers == list(expected(cost, point).values())
        else:  # then something on the way, at most 8 times the largest term, does not fit
            assert 8 * max(point["n"], point["m"]) ** 3 >= 2**127
    assert seen == {0, 1}


@needs_gcc
def test_names_that_c_needs_itself(tmp_path: Path) -> None:
    cost = Cost.of(flops=" + ".join(f"{i + 2}*{name}" for i, name in enumerate(RESERVED_NAMES) if name != "while"))
    point = {name: i for i, name in enumerate(sorted(cost.free_symbols))}
    ((status, flops, *_),) = compiled({"m": cost}, {"m": [point]}, tmp_path)
    assert (status, flops) == (0, cost.at(**point).flops)


@needs_gcc
@pytest.mark.parametrize(
    ("flops", "point", "status"),
    [
        ("n/m", {"n": 1, "m": 0}, 2),
        ("n*m", {"n": -1, "m": 1}, 3),
        ("n - m", {"n": 1, "m": 2}, 4),
        ("n + 10**40*m", {"n": 1, "m": 2}, 1),
        ("causal*n", {"n": 1, "causal": 2}, 3),
        ("dtype_bytes*n", {"n": 1, "dtype_bytes": 1 / 3}, 3),  # a decimal of 16 places
        ("dtype_bytes*n", {"n": 1, "dtype_bytes": -2}, 3),
    ],
)
def test_c_says_why_there_is_no_number(flops: str, point: dict[str, Any], status: int, tmp_path: Path) -> None:
    cost = Cost.of(flops=flops)
    ((found, *_),) = compiled({"f": cost}, {"f": [point]}, tmp_path)
    assert found == status


# Where a divisor is 0: `at` names the condition, or says that it cannot divide.
DIVIDING = replace(Cost.of(flops="n*m"), domain=Domain.of(["n % m == 0"]))
QUOTIENT = Cost.of(flops="floor(n/m)", read_bytes="floor(n/(m + 1))", parameters="n")


@pytest.mark.parametrize("function", [python_function, numpy_function])
def test_a_divisor_of_0_is_one_clear_error(function: Any, tmp_path: Path) -> None:
    points = [{"n": 6, "m": 0}, {"n": 6, "m": 4}, {"n": 6, "m": 3}]
    given = [{"n": [6, 6], "m": [3, 0]}, {"n": 2**70, "m": 0}] if function is numpy_function else []
    code = function(DIVIDING, ["flops"], "f")
    found = run(code, "f", points + given, tmp_path)
    assert found == ["outside", "outside", {"flops": 18}, *["outside"] * len(given)]
    code = function(QUOTIENT, ["flops", "read_bytes"], "f")
    found = run(code, "f", points + given, tmp_path)
    error = "division by zero: a formula does not hold here"
    assert found == [error, {"flops": 1, "read_bytes": 1}, {"flops": 2, "read_bytes": 1}, *[error] * len(given)]
    for cost in (DIVIDING, QUOTIENT):
        with pytest.raises(SymflopsError, match=r"assumption broken: n % m == 0|division by zero"):
            cost.at(**points[0])


def test_a_function_of_a_bound_cost_does_not_take_the_symbol(tmp_path: Path) -> None:
    code = python_function(Cost.of(flops="n*m").bind(n=5), ["flops"], "f")
    space: dict[str, Any] = {}
    exec(code, space)
    assert space["f"](m=3) == {"flops": 15}
    with pytest.raises(TypeError, match="unexpected keyword argument 'n'"):
        space["f"](n=9, m=3)
