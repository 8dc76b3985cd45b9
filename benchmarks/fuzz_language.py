"""Random texts, calls and broken files put into the public ways of using them: what ends late, or with anything but an
answer or a SymflopsError, is printed.

    python benchmarks/fuzz_language.py [HOW_MANY [SEED [SECONDS [FIRST]]]]

Most are texts of the grammar, often mutated, that are read, written and read again; some are computed with, printed in
every language, verified and solved. A call gives a public name arguments of every type; a file (a model, a formula,
machines) has bytes, keys or values changed and is loaded. Number i of a seed is the same in every run, so a
long run may be done in pieces, each from its FIRST number on; every thousand is told. Seconds are those of the
processor.

A TypeError is right where Python itself refuses the call, and a KeyError where a Sweep, which is a Mapping, is asked
for a column that it does not have. The fields of a result (Answer, Verdict, Layer, ...) are not checked: the library
makes those.
"""

from __future__ import annotations

import gc
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import symflops
from symflops import SymflopsError, mathml
from symflops.export.c import c_function
from symflops.export.javascript import javascript_function
from symflops.export.numpy import numpy_function
from symflops.export.python import python_function
from symflops.formula import data_folder

SECONDS = 1.0
NAMES = ("a", "b", "s", "seq_len", "batch_size", "dtype_bytes", "n1", "hidden_size")
WILD = "()*+-/%.,{}_ 0123456789abe\0\n\"'[]<>=!&|~^@#$:;\\×é\ud800"
VALUES = (
    None,
    -1,
    0,
    1,
    2,
    0.5,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "a",
    [],
    {},
    [[1]],
    True,
    "1e999",
    "9" * 400,
    "(a+b)**999",
)


WRONG: tuple[Any, ...] = (
    *VALUES,
    b"seq_len",
    2**70,
    -(2**70),
    1j,
    (),
    ("flops",),
    {"seq_len"},
    range(3),
    Fraction(1, 3),
    Decimal("NaN"),
    object(),
    int,
    "seq_len",
    "flops",
    "gpt2",
    "é",
    "\0",
    "a" * 5000,
)
STEPS = (
    "({}) % n1",
    "min({}, s)",
    "floor(({})/3)",
    "sqrt({} + 1)",
    "s % ({})",
    "2**({})",
    "({})/b",
    "max({}, a)",
    "({})*(a+1)",
    "({})**2",
    "log2({} + 1)",
    "({}) // s",
    "-({})",
    "({}) + b",
    "b // ({})",
    "(1/2)**({})",
    "sqrt({})",
    "({})**(1/2)",
    "2*({})",
    "ceil({})",
    "a - ({})",
    "({})/a",
    "({})**a",
    "({})**(-1)",
    "({})**(a+b)",
    "sqrt(2)*({})",
    "({0})*({0})",
)


class Texts:
    """Texts of the language, and texts near it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def formula(self, depth: int = 4) -> str:
        r = self.random
        if depth == 0 or r.random() < 0.15:
            return r.choice(
                (
                    *NAMES,
                    *NAMES,
                    "0",
                    "1",
                    "2",
                    "7",
                    "64",
                    "0.5",
                    "1/3",
                    "{s}",
                    str(r.randrange(10 ** r.randrange(1, 40))),
                )
            )
        kind = r.randrange(12)
        one = self.formula(depth - 1)
        if kind < 4:
            return f"({one} {r.choice('+-*')} {self.formula(depth - 1)})"
        if kind < 6:
            return f"({one}){r.choice(('/', '//', '%'))}({self.formula(depth - 1)})"
        if kind == 6:
            return f"({one})**{r.choice((0, 1, 2, 3, 5, 17, 40, 200, '(-1)', '(1/2)', '(' + self.formula(1) + ')'))}"
        if kind == 7:
            operands = [one, *(self.formula(depth - 1) for _ in range(r.randrange(5)))]
            return f"{r.choice(('min', 'max'))}({', '.join(operands)})"
        if kind == 8:
            return r.choice(("+", "*")).join([one, *(self.formula(1) for _ in range(r.randrange(12)))])
        return f"{r.choice(('floor', 'ceil', 'sqrt', 'log2', '-'))}({one})"

    def text(self) -> str:
        r = self.random
        text = self.formula(r.choice((1, 2, 3, 4, 5, 6)))
        if r.random() < 0.05:
            for _ in range(r.randrange(60)):
                text = r.choice(STEPS).format(text[:2000])
        if r.random() < 0.3:
            text = mutated(text, r)
        return text


def mutated(text: str, r: random.Random) -> str:
    for _ in range(r.randrange(1, 4)):
        at, end = sorted((r.randrange(len(text) + 1), r.randrange(len(text) + 1)))
        end = min(end, at + 5)
        put = r.choice(
            ("", "".join(r.choice(WILD) for _ in range(r.randrange(1, 4))), text[at:end] * 2, "9" * r.randrange(400))
        )
        text = text[:at] + put + text[end:]
    return text


_taken: list[float] = []  # seconds of each part of what is tried


def part(use: Callable[[], Any]) -> Any:
    """One use of a text among several that follow each other."""
    begun = time.process_time()
    try:
        return use()
    finally:
        _taken.append(time.process_time() - begun)


def uses(text: str, other: str) -> list[Callable[[], Any]]:
    """All that is done with a text, each by itself."""

    def back() -> None:
        expression = part(lambda: symflops.parse(text))
        written = part(lambda: symflops.unparse(expression))
        try:
            again = part(lambda: symflops.parse(written))
        except SymflopsError as error:
            raise AssertionError(f"{written[:200]} is not read back: {error}") from None
        assert again == expression, f"{written[:200]} is read back as {again}"

    def cost() -> None:
        made = part(lambda: symflops.Cost.of(flops=text, read_bytes=other))
        point = dict.fromkeys(made.free_symbols, 3)
        for use in (
            lambda: made.flops,
            lambda: repr(made),
            lambda: made.text("read_bytes", short=True),
            lambda: made * "s" + made,
            lambda: made.bind(s=3),
            lambda: repr(made.at(**point)),
            lambda: made.sweep(**(point | {"seq_len": [1, 2, 3]}))["flops"],
        ):
            with suppress(SymflopsError):
                part(use)

    def verify() -> None:
        symflops.verify(text, other, budget=0.3)

    def solve() -> None:
        symflops.solve("gpt2", f"{text} <= {other}", "seq_len", batch_size=2)

    def writing(language: str) -> Callable[[], Any]:
        def use() -> None:
            made = part(lambda: symflops.Cost.of(flops=text))
            part(lambda: WRITERS[language](made))

        use.__name__ = language
        return use

    return [back, cost, *map(writing, WRITERS), verify, solve]


WRITERS: dict[str, Callable[[symflops.Cost], Any]] = {
    "latex": lambda cost: cost._repr_latex_(),
    "mathml": lambda cost: mathml.formula(cost.tree("flops")),
    "python": lambda cost: python_function(cost, ["flops"], "f"),
    "numpy": lambda cost: numpy_function(cost, ["flops"], "f"),
    "c": lambda cost: c_function(cost, ["flops"], "f"),
    "javascript": lambda cost: javascript_function(cost, ["flops"], "f"),
}


@cache
def answers() -> dict[str, Any]:
    """Something of each class, to call its methods on."""
    model = symflops.load("gpt2")
    answer = symflops.solve("gpt2", "flops <= 1e15", "seq_len", batch_size=1)
    return {
        "model": model,
        "cost": model.total(symbolic=True),
        "numbers": model.total().at(batch_size=1, seq_len=8),
        "rows": model.rows(),
        "components": symflops.by_component(model),
        "formula": symflops.load_formula("linear"),
        "hardware": symflops.load_hardware("h100-sxm"),
        "answer": answer,
        "memory": symflops.memory(model),
        "fit": symflops.fit("gpt2", "h100-sxm"),
        "times": symflops.times("gpt2", "h100-sxm", prompt_len=5, new_tokens=3),
        "comparison": symflops.compare("gpt2", "bert-base", batch_size=1),
        "regimes": symflops.regimes("gpt2", batch_size=1),
        "roofline": symflops.roofline("gpt2", "h100-sxm", batch_size=1, seq_len=128),
        "sweep": model.total().sweep(batch_size=1, seq_len=[1, 2, 3]),
        "verdict": symflops.verify("a + b", "b + 2*a"),
    }


def calls(r: random.Random) -> dict[str, list[Callable[[], Any]]]:
    """Calls of every public name, each argument right or of any type."""
    made = answers()
    model, cost, sweep, hardware = made["model"], made["cost"], made["sweep"], made["hardware"]

    def some(*right: Any) -> Any:
        return r.choice(right) if r.random() < 0.6 else r.choice(WRONG)

    def named(*names: str) -> dict[str, Any]:
        """Some of these keywords, and sometimes another, with anything."""
        chosen = [name for name in names if r.random() < 0.8] + r.sample(("x", "dtype_bytes", "set"), r.random() < 0.1)
        return {name: some(1, 2, 8, 128) for name in chosen}

    which, metric, length = (
        some("gpt2", "bert-base", model),
        some(*symflops.METRICS),
        some("seq_len", "batch_size"),
    )
    sizes = named("batch_size", "seq_len", "past_len")
    point = dict.fromkeys(cost.free_symbols, 4) | sizes
    text = some("a + b", "2*a*(b + 1)", "min(a, b) // 3")
    return {
        "METRICS": [
            lambda: cost.value(metric),
            lambda: made["numbers"].number(metric),
            lambda: cost.text(metric, short=some(True)),
        ],
        "SymflopsError": [lambda: str(SymflopsError(f"{metric!r:.60}").within("here"))],
        "Cost": [
            lambda: (
                symflops.Cost.of(**{some("flops", "x") if isinstance(metric, str) else "flops": some(text, 3)})
                if isinstance(metric, str)
                else symflops.Cost.of(flops=metric)
            ),
            lambda: cost.at(**point),
            lambda: cost.bind(**sizes),
            lambda: cost * some("s", 3),
            lambda: cost + some(cost),
            lambda: cost.with_defaults(some(sizes)),
            lambda: cost.is_complete(some(sizes)),
            lambda: made["numbers"].share(some(made["numbers"]), metric),
        ],
        "Sweep": [
            lambda: cost.sweep(**point | {"seq_len": some([1, 2], range(1, 4), (5,))}),
            lambda: model.total().sweep(**sizes | {"seq_len": some([1, 2], [0.5], [True, None], [[1], [2]])})[metric],
            lambda: sweep[some("flops", "seq_len")],
            lambda: (sweep.dtypes, sweep._repr_html_(), len(sweep)),
        ],
        "Model": [
            lambda: model.total(symbolic=some(True)),
            lambda: model.rows(symbolic=some(True), groups=some(False)),
            lambda: model.matching(some("h.*", "[", "*")),
            lambda: model.with_symbols(some({"n_embd": some(64)}, {some("n_head"): 3})),
            lambda: model.check_assumptions(some(None, sizes)),
            lambda: model.usual_length(some({}, sizes)),
            lambda: model.unexpected(some({}, {"seq_len": 4096})),
        ],
        "Rows": [lambda: made["rows"].to_pandas(**sizes), lambda: made["rows"]._repr_html_()],
        "Row": [lambda: made["rows"][0].total.at(**sizes)],
        "Layer": [lambda: model.root.cost.at(**point)],
        "Formula": [
            lambda: made["formula"].cost(**{name: some(3, "a + 1", 0) for name in made["formula"].args} | named()),
            lambda: made["formula"].cost(**named("N", "a")),
        ],
        "Hardware": [
            lambda: hardware.with_devices(some(2)),
            lambda: hardware.dtype(some(2), some("fp16", None)),
            lambda: hardware.source_of(some("bandwidth_gb_s")),
            lambda: hardware.vector_peak(some("fp32")),
        ],
        "Comparison": [lambda: made["comparison"].within(some(5)), lambda: made["comparison"].at(**sizes)],
        "Regimes": [lambda: made["regimes"].at(some(5)), lambda: made["regimes"].form(some("cost", "leading"))],
        "Answer": [lambda: made["answer"].sentence, lambda: repr(made["answer"])],
        "Solution": [lambda: [(s.formula, s.expression) for s in made["answer"].solutions]],
        "Roofline": [lambda: (made["roofline"].sentence, made["roofline"].mfu, made["roofline"].fits)],
        "Verdict": [lambda: (made["verdict"].to_dict(), made["verdict"].diagnosis)],
        "compare": [lambda: symflops.compare(which, some("gpt2"), metric, by=length, **sizes)],
        "derive": [
            lambda: symflops.derive(
                r.choice([w for w in WRONG if not isinstance(w, str)]), attention=some("fused"), timeout=some(5)
            )
        ],
        "load": [lambda: symflops.load(which, timeout=some(5))],
        "formula_names": [symflops.formula_names],
        "hardware_names": [symflops.hardware_names],
        "model_names": [symflops.model_names],
        "generation": [lambda: symflops.generation(which, symbolic=some(True))],
        "Component": [lambda: made["components"][0].cost.at(**sizes)],
        "by_component": [lambda: symflops.by_component(which, symbolic=some(True))],
        "count": [lambda: symflops.count(some("gpt2"), some(3))],
        "Count": [lambda: repr(symflops.Count)],
        "served": [
            lambda: symflops.served(which),
            lambda: symflops.served(
                "gpt2", block=some(0, 16), cached_prefix=some(0, 16), chunk=some(0, 8), draft=some(0, 3)
            ).total(),
        ],
        "training": [
            lambda: symflops.training(
                some("gpt2", model), some("adam", "sgd"), some("none", "layers:2"), some("*", "*.c_attn"), some(True)
            )
        ],
        "formats": [lambda: symflops.formats(some("gpt2", model), some("fp8-block128", "gptq:group_size=64", "none"))],
        "memory": [lambda: symflops.memory(which, symbolic=some(True)), lambda: symflops.memory(which, **sizes)],
        "fit": [
            lambda: symflops.fit(
                which, some("h100-sxm", hardware), devices=some(None, 2), reserve=some(0, 10**9), **sizes
            )
        ],
        "Fit": [lambda: (repr(made["fit"]), made["fit"].largest_batch, made["fit"].longest_context)],
        "times": [
            lambda: symflops.times(
                which,
                some("h100-sxm", hardware),
                devices=some(None, 2),
                dtype=some(None, "bf16"),
                engine=some(None, "llama.cpp"),
                efficiency=some(None, {"weights": 1.2}),
                calibrate=some(None),
                price_per_hour=some(None, 2.5),
                prompt_len=some(5),
                new_tokens=some(3),
                **sizes,
            )
        ],
        "Times": [lambda: (repr(made["times"]), made["times"].rows, made["times"].said)],
        "Speed": [lambda: made["times"].estimate.numbers],
        "Memory": [lambda: made["memory"].text(some("weights", "peak")), lambda: repr(made["memory"])],
        "kv_cache": [lambda: symflops.kv_cache(which, symbolic=some(True))],
        "load_formula": [lambda: symflops.load_formula(some("linear", "sdpa"))],
        "load_hardware": [lambda: symflops.load_hardware(some("h100-sxm", hardware))],
        "parse": [lambda: symflops.parse(text)],
        "symbol": [lambda: symflops.symbol(some("n"))],
        "unparse": [lambda: symflops.unparse(some(cost.parameters, 3, Fraction(1, 3)))],
        "regimes": [lambda: symflops.regimes(which, length, metric, **sizes)],
        "roofline": [
            lambda: symflops.roofline(
                which,
                some("h100-sxm"),
                dtype=some(None, "bf16"),
                devices=some(None, 2),
                measured=some(None, 0.5),
                **sizes,
            )
        ],
        "solve": [
            lambda: symflops.solve(
                which, some("flops <= 1e15", "kv_cache < 1 GB"), length, free=some((), ["batch_size"]), **sizes
            )
        ],
        "verify": [
            lambda: symflops.verify(
                some("a + b", "gpt2"),
                some("b + a", "gpt2"),
                metric,
                rename=some(None, {"a": "b"}),
                set=some(None, {"a": 2}),
                assume=some((), ["a > b"], "a > 1"),
                tolerance=some("exact", "leading"),
                budget=some(0.3),
                lengths=some((8,)),
                training=some(0, 3),
                numbers=some(False),
                per_token=some(False),
            )
        ],
    }


@cache
def shipped(name: str) -> bytes:
    """A file of the library, `models/gpt2.json` or `hardware.toml`."""
    folder, _, file = name.partition("/")
    return (data_folder(folder) / file if file else data_folder(folder)).read_bytes()


def broken(name: str, r: random.Random) -> bytes:
    """A file of the library with bytes, keys or values changed."""
    content = shipped(name)
    if name.endswith(".json") and r.random() < 0.7:
        data = json.loads(content)
        for _ in range(r.randrange(1, 3)):
            place: Any = data
            while isinstance(place, dict) and place and r.random() < 0.8:
                key = r.choice(list(place))
                if not isinstance(place[key], dict) or r.random() < 0.2:
                    value = r.choice((*VALUES, Texts(r.randrange(10**9)).text()))
                    if r.random() < 0.3:
                        place[r.choice((key, "x", ""))] = place.pop(key)
                    else:
                        place[key] = value
                    break
                place = place[key]
        return json.dumps(data).encode("utf-8", "surrogatepass")
    for _ in range(r.randrange(1, 4)):
        at = r.randrange(len(content) + 1)
        put = r.choice(
            (
                b"",
                bytes([r.randrange(256)]),
                b"9" * r.randrange(6000),
                b"[" * r.randrange(2000),
                content[at : at + 30],
                b'"(a+b)**999"',
            )
        )
        content = content[:at] + put + content[at + r.randrange(8) :]
    return content


def load(name: str, path: Path) -> Callable[[], Any]:
    def model() -> None:
        loaded = symflops.load(str(path))
        total = loaded.total(symbolic=True)
        _ = total.text("flops"), loaded.rows()
        total.at(**dict.fromkeys(total.free_symbols, 3))

    def machine() -> None:
        for one in ("h100-sxm", ""):
            symflops.load_hardware(f"{path}:{one}" if one else str(path))

    def formula() -> None:
        made = symflops.load_formula(str(path))
        repr(made.cost(**dict.fromkeys(made.args, 3)))

    return model if name.endswith("json") else machine if "hardware" in name else formula


def tried(use: Callable[[], Any]) -> str:
    """What is wrong with it: too slow, another exception; nothing where all is well."""
    _taken.clear()
    begun = time.process_time()
    wrong = ""
    try:
        use()
    except SymflopsError as error:
        wrong = "message of several lines" if "\n" in str(error) else ""
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        wrong = f"{type(error).__name__}: {str(error)[:200]} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        if isinstance(error, TypeError) and len(frames) <= 2:  # Python did not take the call
            wrong = ""
        if isinstance(error, KeyError) and frames[-1].name == "__getitem__":  # a Sweep is a Mapping
            wrong = ""
    taken = max(_taken, default=time.process_time() - begun)
    return wrong or (f"{taken:.2f} s" if taken > SECONDS else "")


def case(i: int, texts: Texts, files: list[str], folder: Path) -> tuple[list[Callable[[], Any]], str]:
    """What is tried as number i, and how it is shown."""
    r = texts.random
    kind = r.random()
    if kind < 0.9:
        text, other = texts.text(), texts.formula(2)
        all_uses = uses(text, other)
        chosen = all_uses[:1] if kind < 0.8 else all_uses[:2] if kind < 0.86 else [r.choice(all_uses[2:])]
        return chosen, f"{text[:300]!r} {other[:60]!r}"
    if kind < 0.96:
        made = calls(r)
        name = r.choice(sorted(made))
        return [r.choice(made[name])], f"a call of {name}"
    name = r.choice(files)
    path = folder / f"broken{Path(name).suffix}"
    path.write_bytes(broken(name, r))
    return [load(name, path)], name


def main(how_many: int, seed: int, seconds: float, first: int) -> int:
    wrong: Counter[str] = Counter()
    files = [
        "hardware.toml",
        *sorted(f"models/{p.name}" for p in data_folder("models").iterdir()),
        *sorted(f"formulas/{p.name}" for p in data_folder("formulas").iterdir()),
    ]
    longest, done = 0.0, 0
    answers()
    with suppress(SymflopsError):
        symflops.derive(object())  # loads torch
    gc.collect()
    gc.freeze()  # a pass of the collector over all of torch is no part of what a text takes
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        while done < how_many and time.process_time() - start < seconds:
            number = first + done
            texts = Texts(seed * 1_000_000 + number)
            chosen, shown = case(number, texts, files, Path(folder))
            for use in chosen:
                begun = time.process_time()
                what = tried(use)
                longest = max(longest, time.process_time() - begun)
                if what:
                    wrong[what.partition(":")[0] if " s" not in what[-2:] else "slow"] += 1
                    print(f"{number}: {use.__name__}: {what}: {shown}", flush=True)
            done += 1
            if done % 1000 == 0:
                print(f"{done:,} tried", file=sys.stderr, flush=True)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - loaded) // 1024
    print(
        f"seed {seed}: {done:,} tried, {sum(wrong.values())} failed {dict(wrong)}, the longest took {longest:.2f} s; "
        f"{time.process_time() - start:.0f} s in all, {grown} MB more than at the beginning"
    )
    return bool(wrong)


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:]]
    given += [10_000, 1, 1e9, 0][len(given) :]
    sys.exit(main(int(given[0]), int(given[1]), given[2], int(given[3])))
