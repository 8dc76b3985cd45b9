"""A bounded run of `benchmarks/fuzz_language.py`: random texts and broken files, an answer or one line each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from symflops.formula import data_folder

_FILE = Path(__file__).parent.parent / "benchmarks" / "fuzz_language.py"
_SPEC = importlib.util.spec_from_file_location("fuzz_language", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)


def test_random_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 5.0)  # on a busy machine; the long run by hand holds the second
    texts = fuzz.Texts(11)
    for _ in range(150):
        text = texts.formula(4)
        text = fuzz.mutated(text, texts.random) if texts.random.random() < 0.4 else text
        back, cost, *_ = fuzz.uses(text, texts.formula(2))
        assert (fuzz.tried(back), text) == ("", text)
        assert (fuzz.tried(cost), text) == ("", text)


@pytest.mark.parametrize(
    "name", ["hardware.toml", "models/gpt2.json", "models/mixtral-8x7b.json", "formulas/sdpa.toml"]
)
def test_broken_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder(name.partition("/")[0]).exists()
    monkeypatch.setattr(fuzz, "SECONDS", 5.0)
    texts = fuzz.Texts(5)
    for i in range(40):
        path = tmp_path / f"{i}{Path(name).suffix}"
        path.write_bytes(fuzz.broken(name, texts.random))
        assert (fuzz.tried(fuzz.load(name, path)), i) == ("", i)
