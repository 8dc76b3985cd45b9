"""What tests of the command line share."""

from __future__ import annotations

import os
from typing import Any

import pytest

from symflops.cli import main

os.environ["SYMFLOPS_LIBRARY"] = os.devnull  # whoever runs the tests may have formulas of their own


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must succeed and say nothing on stderr; gives what it printed."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.err) == (0, "")
        return captured.out

    return run


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must fail; gives the one line on stderr."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.out) == (3, "")
        assert captured.err.startswith("symflops: error: ")
        assert captured.err.count("\n") == 1
        return captured.err.removeprefix("symflops: error: ").removesuffix("\n")

    return run
