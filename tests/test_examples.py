"""Every script of examples/ prints what its last comment says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def marks(script: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.torch] if re.search("transformers|torch", script.read_text()) else []


@pytest.mark.parametrize("script", [pytest.param(p, marks=marks(p), id=p.stem) for p in SCRIPTS])
def test_an_example_prints_what_it_says(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = script.read_text().partition("\n# Prints:\n")[2].splitlines()
    runpy.run_path(str(script), run_name="__main__")
    assert expected
    assert capsys.readouterr().out.splitlines() == [line.removeprefix("#").removeprefix(" ") for line in expected]


def test_there_are_eight() -> None:
    assert len(SCRIPTS) >= 8
