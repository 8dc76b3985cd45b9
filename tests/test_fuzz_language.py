"""A bounded run of `benchmarks/fuzz_language.py`: random texts and broken files, an answer or one line each."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

import symflops
from symflops import SymflopsError
from symflops.formula import data_folder

_FILE = Path(__file__).parent.parent / "benchmarks" / "fuzz_language.py"
_SPEC = importlib.util.spec_from_file_location("fuzz_language", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)


def test_every_public_name_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", inf)
    tried = 0
    for i in range(8):
        made = fuzz.calls(fuzz.Texts(i).random)
        assert set(made) == set(symflops.__all__)
        for name in sorted(made.keys() - {"derive", "count"}):  # need the extra hf; sorted: each call draws at random
            for k, use in enumerate(made[name]):
                assert (fuzz.tried(use), name, k, i) == ("", name, k, i)
                tried += 1
    assert tried > 350


def test_the_fuzz_sees_what_is_wrong() -> None:
    def slow() -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    def broken() -> None:
        int("x")

    assert fuzz.tried(broken).startswith("ValueError")
    assert fuzz.tried(lambda: symflops.parse("(")) == ""
    assert fuzz.tried(lambda: symflops.parse()) == ""  # Python refuses the call itself
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzz, "SECONDS", 0.01)
        assert fuzz.tried(slow).endswith(" s")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: symflops.unparse(int), "expected a formula, got type"),
        (lambda: symflops.load_formula(None), "expected the name of a formula, got NoneType"),
        (lambda: symflops.load("gpt2").matching({}), "expected the name of a part, got dict"),
        (
            lambda: symflops.load("gpt2").with_symbols(3),
            "expected values to be values by the names of symbols, got int",
        ),
        (lambda: symflops.load_hardware("h100-sxm").dtype("2"), "expected the bytes of an element, got str"),
        (lambda: symflops.verify("a", "a", set=3), "expected set to be values by the names of symbols, got int"),
        (lambda: symflops.verify("a", "a", lengths=3), "expected lengths to be a list, got int"),
        (
            lambda: symflops.solve("gpt2", "flops <= 1e15", "seq_len", free=[[]]),
            "expected free to be a list of texts, got one with a list in it",
        ),
        (
            lambda: symflops.Cost.of(flops="sqrt(a - 5)").sweep(a=[1, 2])["flops"],
            "no real number: sqrt of a negative number",
        ),
        (lambda: symflops.Cost.of(flops="log2(a)").sweep(a=[0, 2])["flops"], "no real number: log2 of 0"),
    ],
)
def test_an_argument_of_another_type_is_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(SymflopsError) as error:
        call()
    assert str(error.value) == message


@pytest.mark.slow
def test_random_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", inf)  # the long run by hand holds the second
    texts = fuzz.Texts(11)
    for _ in range(120):
        text = texts.text()
        back, cost, *others = fuzz.uses(text, texts.formula(2))
        for use in (back, cost, texts.random.choice(others[: len(fuzz.WRITERS)])):
            assert (fuzz.tried(use), text) == ("", text)


@pytest.mark.parametrize(
    "name", ["hardware.toml", "models/gpt2.json", "models/mixtral-8x7b.json", "formulas/sdpa.toml"]
)
def test_broken_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder(name.partition("/")[0]).exists()
    monkeypatch.setattr(fuzz, "SECONDS", inf)
    texts = fuzz.Texts(5)
    for i in range(40):
        path = tmp_path / f"{i}{Path(name).suffix}"
        path.write_bytes(fuzz.broken(name, texts.random))
        assert (fuzz.tried(fuzz.load(name, path)), i) == ("", i)
