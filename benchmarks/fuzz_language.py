"""Random texts and broken files put into the public ways of using them: what ends late, or with anything but an answer
or a SymflopsError, is printed.

    python benchmarks/fuzz_language.py [HOW_MANY [SEED]]

A text of the grammar is made, often mutated, and read, computed with, printed, turned into SymPy and back; a file (a
model, a formula, machines) has bytes, keys or values changed and is loaded. Seconds are those of the processor.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import symflops
from symflops import SymflopsError
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
                text = r.choice(
                    ("({}) % n1", "min({}, s)", "floor(({})/3)", "sqrt({} + 1)", "s % ({})", "2**({})")
                ).format(text[:2000])
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


def uses(text: str, other: str) -> list[Callable[[], Any]]:
    """All that is done with a text, each by itself."""

    def back() -> None:
        expression = symflops.parse(text)
        written = symflops.unparse(expression)
        try:
            again = symflops.parse(written)
        except SymflopsError as error:
            raise AssertionError(f"{written[:200]} is not read back: {error}") from None
        assert again == expression, f"{written[:200]} is read back as {again}"

    def cost() -> None:
        made = symflops.Cost.of(flops=text, read_bytes=other)
        _ = made.flops, repr(made), made._repr_latex_(), made.text("read_bytes", short=True)
        _ = made * "s" + made
        made.bind(s=3)
        point = dict.fromkeys(made.free_symbols, 3)
        with suppress(SymflopsError):
            repr(made.at(**point))
        made.sweep(**(point | {"seq_len": [1, 2, 3]}))["flops"]

    return [
        back,
        cost,
        lambda: symflops.verify(text, other, budget=0.3),
        lambda: symflops.solve("gpt2", f"{text} <= {other}", "seq_len", batch_size=2),
    ]


def broken(name: str, r: random.Random) -> bytes:
    """A file of the library with bytes, keys or values changed."""
    content = (
        (data_folder(name.partition("/")[0]) / name.partition("/")[2]).read_bytes()
        if "/" in name
        else data_folder(name).read_bytes()
    )
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
    begun = time.process_time()
    wrong = ""
    try:
        use()
    except SymflopsError as error:
        wrong = "message of several lines" if "\n" in str(error) else ""
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        wrong = (
            f"{type(error).__name__}: {str(error)[:200]} ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})"
        )
    taken = time.process_time() - begun
    return wrong or (f"{taken:.2f} s" if taken > SECONDS else "")


def main(how_many: int, seed: int) -> int:
    texts, wrong = Texts(seed), Counter[str]()
    files = [
        "hardware.toml",
        *(f"models/{p.name}" for p in data_folder("models").iterdir()),
        *(f"formulas/{p.name}" for p in data_folder("formulas").iterdir()),
    ]
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for i in range(how_many):
            if i % 5:
                text, other = texts.text(), texts.formula(2)
                all_uses = uses(text, other)
                shown = f"{text[:300]!r} {other[:60]!r}"
                chosen = all_uses if i % 10 == 1 else all_uses[:1]
            else:
                name = texts.random.choice(files)
                path = Path(folder) / f"{i}{Path(name).suffix}"
                path.write_bytes(broken(name, texts.random))
                chosen, shown = [load(name, path)], f"{name} (number {i})"
            for use in chosen:
                begun = time.process_time()
                what = tried(use)
                longest = max(longest, time.process_time() - begun)
                if what:
                    wrong[what.partition(":")[0] if " s" not in what[-2:] else "slow"] += 1
                    print(f"{i}: {use.__name__}: {what}: {shown}", flush=True)
    print(f"{how_many:,} tried, {sum(wrong.values())} failed {dict(wrong)}, the longest took {longest:.2f} s")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
