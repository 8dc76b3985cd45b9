"""The kinds of random questions that are asked: each draws one, gets the answer and judges it.

`asked` takes what was asked, for a report. A refusal is a SymflopsError; a wrong answer a WrongAnswerError.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from random_questions import (
    HOLDS,
    Questions,
    Text,
    WrongAnswerError,
    called,
    condition_holds,
    constant,
    edges,
    is_claimed,
    joined,
    judge,
    judge_curve,
    name,
    part,
    raised,
    random_model,
    truth,
)

import symflops
from symflops.cost import METRICS
from symflops.numeric import evaluate, with_defaults

Asked = list[str]
RELATIONS = tuple(HOLDS)
SMALL = {"name": "small", "symbols": {"width": 6}, "layers": {"root": {"cost": dict.fromkeys(METRICS, "width")}}}


def in_symbols(draw: random.Random, asked: Asked) -> None:
    """Two formulas of a symbol, other run symbols with numbers."""
    symbol = draw.choice(("seq_len", "batch_size", "past_len", "width"))
    other = draw.choice([n for n in ("seq_len", "batch_size", "past_len") if n != symbol])
    questions = Questions(draw, symbol, (other,))
    left = questions.formula(draw.choice((0, 1, 1, 2)))
    right = draw.choice([questions.formula, questions.number, questions.polynomial])()
    relation, point = draw.choice(RELATIONS), {other: draw.randint(1, 40)}
    asked += [f"{left.text} {relation} {right.text}", symbol, str(point)]
    answer = symflops.solve(SMALL, asked[0], symbol, **point)
    judge(answer, left, relation, right, point, lambda n: True, draw)


def within_conditions(draw: random.Random, asked: Asked) -> None:
    """The same in a model that cannot run everything."""
    symbol, other = draw.choice((("seq_len", "past_len"), ("past_len", "seq_len")))
    end, tile, value = draw.randint(5, 120), draw.choice((2, 3, 8, 16)), draw.randint(1, 4)
    conditions: Mapping[str, Callable[[int], bool]] = {
        f"{symbol} + {other} <= {end}": lambda n: n + value <= end,
        f"{symbol} % {tile} == 0": lambda n: n % tile == 0,
        f"{symbol} != {end}": lambda n: n != end,
        f"{symbol} >= {tile}": lambda n: n >= tile,
    }
    chosen = draw.sample(sorted(conditions), draw.randint(1, 2))
    questions = Questions(draw, symbol)
    left, right, relation = questions.formula(), questions.polynomial(), draw.choice(RELATIONS)
    asked += [f"{left.text} {relation} {right.text}", symbol, str(chosen), f"{other} = {value}"]
    answer = symflops.solve({**SMALL, "assumes": chosen}, asked[0], symbol, **{other: value})
    judge(answer, left, relation, right, {other: value}, lambda n: all(conditions[c](n) for c in chosen), draw)


# Tokens that models with learned positions can run.
POSITIONS = {"gpt2": 1024, "bert-base": 512}
SHIPPED = ("llama-2-7b-hf", "mixtral-8x7b", "mistral-7b", "gpt2", "bert-base", "mamba-130m")


def of_layers(draw: random.Random, asked: Asked) -> None:
    """Costs of layers of shipped models on either side."""
    model = draw.choice(SHIPPED)
    symbol = draw.choice(("seq_len", "batch_size", "past_len"))
    longest = POSITIONS.get(model, 10_000) // 2
    point: dict[str, Any] = {n: draw.randint(1, longest) for n in ("seq_len", "batch_size", "past_len") if n != symbol}
    point["batch_size"] = point.get("batch_size", 1) % 64 + 1
    point = {n: v for n, v in point.items() if n != symbol} | {"causal": draw.randint(0, 1)}
    if model == "bert-base" and symbol != "past_len":  # an encoder has no cache
        point["past_len"] = 0
    left, right = part(model, draw), part(model, draw)
    for _ in range(20):
        if right.features == left.features:
            break
        right = part(model, draw)
    else:
        return
    if draw.random() < 0.5:
        right = joined("*", constant(draw.choice((2, 3, 7, Fraction(1, 3)))), right)
    if draw.random() < 0.3:
        right = joined("+", right, constant(draw.randint(1, 10**12)))
    if draw.random() < 0.2:
        left, right = joined("-", left, right), constant(0)
    relation = draw.choice(RELATIONS)
    asked += [model, f"{left.text} {relation} {right.text}", symbol, str(point)]
    answer = symflops.solve(model, asked[1], symbol, **point)
    marked = Text(left.text, left.at, left.features | {"**", "//"})  # powers and roundings may be in it
    limit = POSITIONS.get(model)

    def allowed(n: int) -> bool:
        at = {**point, symbol: n}
        fits = limit is None or at["seq_len"] + at["past_len"] <= limit
        return fits and (model != "bert-base" or at["past_len"] == 0)

    judge(answer, marked, relation, right, point, allowed, draw)


ARCHITECTURE = {
    "llama-2-7b-hf": ("num_hidden_layers", "hidden_size", "intermediate_size", "num_key_value_heads", "vocab_size"),
    "mixtral-8x7b": ("num_hidden_layers", "num_local_experts", "intermediate_size", "head_dim"),
    "gpt2": ("n_layer", "n_head", "n_inner", "vocab_size"),
}  # fmt: skip


def of_architecture(draw: random.Random, asked: Asked) -> None:
    """Sizes of shipped models, asked for; judged by the model with each size put in, where it has such a one."""
    label = draw.choice(sorted(ARCHITECTURE))
    model = symflops.load(label)
    symbol = draw.choice([n for n in ARCHITECTURE[label] if n in model.definitions])
    metric, point = draw.choice(METRICS), {"batch_size": draw.randint(1, 4), "seq_len": draw.randint(1, 1024)}
    middle = draw.choice((draw.randint(1, 200), model.symbols[symbol]))

    def cost(n: int) -> Any:
        other = model.with_symbols({symbol: n})
        return evaluate(other.total().value(metric), with_defaults({**point}))

    try:
        limit = round(cost(middle)) + draw.choice((-1, 0, 0, 1))
    except symflops.SymflopsError:  # the model has no such size
        return
    unit = {"parameters": "", "flops": " FLOP", "matmul_flops": " FLOP"}.get(metric, " B")
    relation = draw.choice(RELATIONS)
    asked += [label, f"{metric} {relation} {limit}{unit}", symbol, str(point)]
    answer = symflops.solve(model, asked[1], symbol, **point)
    for n in sorted(
        {*range(1, 20), middle - 1, middle, middle + 1, *(e + d for e in edges(answer) for d in (-1, 0, 1))}
    ):
        if n < 1:
            continue
        try:
            there = cost(n)
        except symflops.SymflopsError:
            continue
        if is_claimed(answer, n) is not HOLDS[relation](there, limit):
            raise WrongAnswerError(f"{symbol} = {n}: {there} {relation} {limit}: {answer.sentence}")


def of_large_multiples(draw: random.Random, asked: Asked) -> None:
    """Rounding to multiples of thousands, and nested."""
    symbol = draw.choice(("seq_len", "past_len"))
    x, d, k = name(symbol), draw.choice((1000, 4097, 5000, 8192)), draw.randint(-20, 20)
    inner = joined("+", joined("*", constant(draw.choice((1, 2, 3))), x), constant(draw.randint(0, 9000)))
    left = draw.choice((
        joined("//", inner, constant(d)),
        joined("%", inner, constant(d)),
        joined("*", constant(d), called("ceil", joined("/", inner, constant(d)))),
        called("min", joined("//", x, constant(d)), constant(draw.randint(0, 9))),
        called("max", joined("-", x, constant(d)), joined("%", x, constant(d))),
        joined("*", x, called("ceil", joined("/", x, constant(d)))),
    ))  # fmt: skip
    right = draw.choice((
        constant(draw.choice((0, 1, 3, 7, 4000, 20_000, 10**7))),
        joined("+", joined("//", x, constant(draw.choice((2, 3, 7, d + 1)))), constant(k)),
        joined("+", joined("*", constant(Fraction(draw.randint(1, 30), 10)), x), constant(k * 500)),
    ))  # fmt: skip
    relation = draw.choice(RELATIONS)
    asked += [f"{left.text} {relation} {right.text}", symbol]
    answer = symflops.solve(SMALL, asked[0], symbol)
    judge(answer, left, relation, right, {}, lambda n: True, draw)


def of_all_experts(draw: random.Random, asked: Asked) -> None:
    """Expected experts after so many tokens that their powers have more digits than can be written out."""
    symbol, other = draw.choice((("seq_len", "batch_size"), ("batch_size", "seq_len"), ("past_len", "batch_size")))
    tokens, count = draw.choice((1, 50, 3000, 40_000)), draw.choice((8, 64))
    times = joined("*", name(other), name(symbol) if symbol != "past_len" else constant(1))
    idle = raised(Fraction(count - draw.randint(1, 6), count), times)
    read = joined("*", constant(count), joined("-", constant(1), idle))
    x = name(symbol)
    left = draw.choice((read, joined("*", read, x), joined("+", joined("*", constant(draw.randint(1, 5)), x), read)))
    right = draw.choice((
        constant(count), joined("*", constant(count), x), constant(draw.randint(1, 300)),
        joined("+", joined("*", constant(draw.randint(1, 5)), x), constant(count)), joined("+", x, constant(count - 5)),
    ))  # fmt: skip
    relation = draw.choice(RELATIONS)
    asked += [f"{left.text} {relation} {right.text}", symbol, f"{other} = {tokens}"]
    answer = symflops.solve(SMALL, asked[0], symbol, **{other: tokens})
    numbers = {0, 1, 2, 5, 8, 9, 13, count, 295, *(e + d for e in edges(answer) for d in (-1, 0, 1))}
    for n in sorted(k for k in numbers if k >= (symbol == "past_len" and 0) and (k or symbol == "past_len")):
        if n < 0 or n * tokens > 500_000:
            continue
        if is_claimed(answer, n) is not truth(left, relation, right, {symbol: n, other: tokens}):
            raise WrongAnswerError(f"at {n}: {answer.sentence}")


def of_curves(draw: random.Random, asked: Asked) -> None:
    """Up to degree 2 with two other symbols left, at several numbers for these."""
    symbol, *others = draw.sample(["seq_len", "batch_size", "past_len", "width"], 3)
    questions = Questions(draw, symbol)
    letters = [name(n) for n in others]

    def coefficient() -> Text:
        found = draw.choice([questions.number(), *letters, joined("*", *letters)])
        if draw.random() < 0.4:
            found = joined(draw.choice("+-"), found, draw.choice([questions.number(), *letters]))
        return joined("*", questions.number(), found) if draw.random() < 0.3 else found

    left = joined("+", joined("*", coefficient(), questions.symbol), coefficient())
    if draw.random() < 0.4:
        left = joined("+", joined("*", coefficient(), joined("*", questions.symbol, questions.symbol)), left)
    if draw.random() < 0.3:
        left = joined(
            "*", left, draw.choice([*letters, called("max", constant(0), joined("-", letters[0], constant(3)))])
        )
    if draw.random() < 0.2:
        left = joined("/", left, draw.choice([*letters, joined("-", letters[0], constant(3))]))
    right = draw.choice([coefficient(), constant(0)])
    relation = draw.choice(RELATIONS)
    asked += [f"{left.text} {relation} {right.text}", symbol]
    answer = symflops.solve(SMALL, asked[0], symbol, symbolic=True, free=[n for n in others if n == "past_len"])
    for _ in range(12):
        point: dict[str, int | Fraction] = {n: draw.choice((draw.randint(1, 6), draw.randint(1, 200))) for n in others}
        if "past_len" in point and draw.random() < 0.2:
            point["past_len"] = 0
        if answer.is_curve or not answer.solutions:
            judge_curve(answer, left, relation, right, point)
        elif all(condition_holds(c, point, None) for c in answer.where):
            judge(answer, left, relation, right, point, lambda n: True, draw)


def of_bytes(draw: random.Random, asked: Asked) -> None:
    """Linear and quadratic in bytes per element, at fractions."""
    symbol = "dtype_bytes"
    questions = Questions(draw, symbol)
    left, right = questions.polynomial(), questions.number()
    relation = draw.choice(RELATIONS)
    asked += [f"{left.text} {relation} {right.text}", symbol]
    model = {**SMALL, "symbols": {"width": 6}}
    answer = symflops.solve(model, asked[0], symbol)
    values = [float(s.value) for s in answer if s.value is not None]
    points = {Fraction(k, 8) for k in range(1, 200)} | {
        Fraction(v) + Fraction(d, 10**6) for v in values for d in (-1, 1)
    }
    for x in sorted(p for p in points if p > 0):
        holds = HOLDS[relation](left.at({symbol: x}), right.at({symbol: x}))
        if relation == "==" and answer.status == "solved":
            claimed = any(abs(x - Fraction(v)) < Fraction(1, 10**12) for v in values)
        elif answer.status != "solved":
            claimed = answer.status == "always"
        else:
            claimed = any(HOLDS[s.side](x, evaluate(s.closed, {}) if s.closed is not None else s.value) for s in answer)
        if claimed is not holds:
            raise WrongAnswerError(f"at {x}: {answer.sentence}")


def of_regimes(draw: random.Random, asked: Asked) -> None:
    """Dominance, marginal cost and leading term against the layers' own formulas."""
    data, layers = random_model(draw, conditions=draw.random() < 0.3)
    by = draw.choice(("seq_len", "past_len", "batch_size"))
    point = {n: draw.randint(1, 9) for n in ("seq_len", "past_len", "batch_size") if n != by}
    asked += [str({n: t.text for n, t in layers.items()}), str(data.get("assumes")), by, str(point)]
    found = symflops.regimes(data, by, **point)
    span = _span(data, by, point)
    for n in [k for k in range(0 if by == "past_len" else 1, 200) if span(k)]:
        at = {**point, by: n}
        here = {label: text.at(at) for label, text in layers.items()}
        (named,) = (s.component for s in found.dominant if s.first <= n and (s.last is None or n <= s.last))
        if here[named] != max(here.values()):
            raise WrongAnswerError(f"{named} at {by} = {n}, {here}: {found.sentence}")
        if draw.random() < 0.95:
            continue
        told = found.at(n)
        total, after = sum(here.values()), sum(t.at({**at, by: n + 1}) for t in layers.values())
        if abs(told["cost"] - total) > 1e-9 * abs(total) or abs(told["marginal"] - (after - total)) > 1e-9 * abs(after):
            raise WrongAnswerError(f"cost or marginal cost at {by} = {n}: {told}, {float(total)}, {float(after)}")
    # Coefficients differ by less than 10**9: so far out the leading term is all but 10**-20 of it, and one term alone.
    far, first = 10**30, found.form("leading")
    total = sum(t.at({**point, by: far}) for t in layers.values())
    told_far, told_farther = (evaluate(first, {by: n}) for n in (far, 2 * far))
    if abs(told_far / total - 1) > Fraction(1, 10**20) or told_farther != told_far * 2**found.degree:
        raise WrongAnswerError(f"leading term {first}, degree {found.degree}")


def _span(data: Mapping[str, Any], by: str, point: Mapping[str, int]) -> Callable[[int], bool]:
    """Whether a model can run a number."""
    end = int(data["assumes"][0].rpartition(" ")[2]) if "assumes" in data else None

    def is_run(n: int) -> bool:
        at = {**point, by: n}
        return end is None or at["seq_len"] + at["past_len"] <= end

    return is_run


def of_comparisons(draw: random.Random, asked: Asked) -> None:
    """Which model costs more where, crossings, and where they are within so many per cent."""
    (one, layers), (two, others) = random_model(draw, draw.random() < 0.3), random_model(draw)
    by = draw.choice(("seq_len", "past_len", "batch_size"))
    point = {n: draw.randint(1, 9) for n in ("seq_len", "past_len", "batch_size") if n != by}
    asked += [str([t.text for t in layers.values()]), str([t.text for t in others.values()]), by, str(point)]
    asked.append(str(one.get("assumes")))
    found = symflops.compare(one, two, by=by, **point)
    percent = draw.choice((1, 5, 50, 100))
    near, span = found.within(percent), _span(one, by, point)
    crossings = []
    last = None
    for n in [k for k in range(0 if by == "past_len" else 1, 200) if span(k)]:
        a, b = (sum(t.at({**point, by: n}) for t in side.values()) for side in (layers, others))
        if a != b:
            if last is not None and last[1] != (a > b):
                crossings.append((last[0], n))
            last = (n, a > b)
        claimed = any(first <= n and (end is None or n <= end) for first, end in near)
        if claimed is not (abs(b - a) <= Fraction(percent, 100) * a):
            raise WrongAnswerError(f"within {percent} % at {n}: {near}")
    if crossings != [pair for pair in found.crossings if pair[1] < 200 and span(pair[1])]:
        raise WrongAnswerError(f"crossings {found.crossings}, not {crossings}")


def of_generations(draw: random.Random, asked: Asked) -> None:
    """The closed form against a loop over the passes."""
    if draw.random() < 0.5:
        model = symflops.load(draw.choice([m for m in SHIPPED if m != "bert-base"]))
        asked.append(model.name)
    else:
        data, layers = random_model(draw)
        asked.append(str([t.text for t in layers.values()]))
        model = symflops.load(data)
    prompt, new, batch = (
        draw.choice((draw.randint(1, 60), draw.randint(4000, 4200))),
        draw.randint(1, 25),
        draw.randint(1, 5),
    )
    run = {"batch_size": batch, "causal": draw.randint(0, 1)}
    asked.append(f"{prompt} {new} {run}")
    cost = symflops.generation(model)
    passes = [{"seq_len": prompt, "past_len": 0}, *({"seq_len": 1, "past_len": prompt + t} for t in range(new - 1))]
    total = model.total()
    for metric in METRICS[:-1]:
        told = evaluate(cost.value(metric), with_defaults({**run, "prompt_len": prompt, "new_tokens": new}))
        loop = sum(evaluate(total.value(metric), with_defaults({**run, **p})) for p in passes)
        if told != loop:
            raise WrongAnswerError(f"{metric}: {told} is not {loop}")


MACHINES = ("h100-sxm", "a100-sxm-80gb")


def of_rooflines(draw: random.Random, asked: Asked) -> None:
    """Where decoding turns compute-bound against the bound at the numbers beside the edge."""
    model = draw.choice([m for m in SHIPPED if m != "bert-base"])
    machine = draw.choice(MACHINES)
    point = {"batch_size": draw.choice((1, 8, 300, 2100, 5000)), "seq_len": 1, "past_len": draw.randint(0, 900)}
    unfused = draw.random() < 0.3
    asked += [model, machine, str(point), str(unfused)]
    found = symflops.roofline(model, machine, unfused=unfused, **point)
    for turning in found.turnings[:2]:
        low = 0 if turning.symbol == "past_len" else 1
        numbers = {low, point[turning.symbol], 100_000}
        numbers |= {end + d for r in turning.ranges for end in r if end is not None for d in (-1, 0, 1)}
        if model in POSITIONS and turning.symbol == "past_len":
            numbers = {n for n in numbers if n < POSITIONS[model]}
        for n in sorted(k for k in numbers if k >= low):
            total = symflops.roofline(model, machine, unfused=unfused, **{**point, turning.symbol: n}).total
            computes = max(total.matmul, total.vector or Fraction(0)) >= total.traffic
            claimed = any(first <= n and (end is None or n <= end) for first, end in turning.ranges)
            if computes is not claimed:
                raise WrongAnswerError(f"{turning.symbol} = {n}: {turning.sentence}")


KINDS: Mapping[str, Callable[[random.Random, Asked], None]] = {
    "symbols": in_symbols, "conditions": within_conditions, "layers": of_layers, "curves": of_curves,
    "architecture": of_architecture, "multiples": of_large_multiples, "experts": of_all_experts,
    "bytes": of_bytes, "regimes": of_regimes, "compare": of_comparisons, "generation": of_generations,
    "roofline": of_rooflines,
}  # fmt: skip
