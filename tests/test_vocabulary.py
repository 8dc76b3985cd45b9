"""One more run symbol and one more metric, each a row of its table, are on every surface.

`more_vocabulary.py` adds them. Its model has one layer of 2*batch_size*seq_len*target_len*h FLOPs that sends
dtype_bytes*target_len*h bytes, h = 5. At one sequence of 2 tokens and target_len = 3 that is 2*1*2*3*5 = 60 FLOP and
2*3*5 = 30 bytes; target_len is 1 by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from symflops import Cost
from symflops.vocabulary.fields import means, roles
from symflops.vocabulary.symbols import RUN, RunSymbol


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = Path(__file__).parent / "more_vocabulary.py"
    folder = tmp_path_factory.mktemp("vocabulary")
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("surface", ["at", "python", "numpy", "c", "javascript"])
def test_it_is_computed(said: dict[str, Any], surface: str) -> None:
    assert said[surface] == [60, 30]


def test_it_has_its_default_and_its_lowest_value(said: dict[str, Any]) -> None:
    assert said["at, by default"] == [20, 10]
    assert said["what is below the lowest"].strip() == (
        "symflops: error: pair: assumption broken: target_len >= 1 (with target_len=0)"
    )


def test_what_says_nothing_of_a_metric_has_none_of_it(said: dict[str, Any]) -> None:
    """gpt2's parameters are those of its checkpoint, tied weights once."""
    assert said["a model that says nothing of it"] == [124439808, 0]


def test_it_is_swept_solved_compared_and_verified(said: dict[str, Any]) -> None:
    assert said["sweep"] == [[60, 80], [30, 40]]
    assert said["solve"] == "target_len = 6"
    assert said["compare"] == "pair and pair (2) have the same sent_bytes at every target_len"
    assert said["verify"] == "equal"


def test_it_is_printed(said: dict[str, Any]) -> None:
    rows = [line.split() for line in said["total"].splitlines()[:2]]
    assert rows == [["flops", "60", "FLOP", "60", "FLOP"], ["sent_bytes", "30", "byte", "30", "B"]]
    assert "with batch_size = 1, seq_len = 2, target_len = 3, dtype_bytes = 2" in said["total"]
    assert said["table"].splitlines()[0] == "| path | sent bytes |"
    assert r"10\,B\,S\,T" in said["latex"]
    assert "--target-len N                  tokens that the decoder is fed" in said["help"]


def test_it_is_on_the_page(said: dict[str, Any]) -> None:
    assert said["page"] == ["1", "tokens that the decoder is fed", True, True]


def test_it_is_written_to_the_model_file(said: dict[str, Any]) -> None:
    assert said["written again"] == "dtype_bytes*h*target_len"


def test_a_cost_may_have_run_symbols_of_its_own() -> None:
    """A row for a symbol of one model, and another default for one of all."""
    own = RUN.extended([RunSymbol("height", "rows of an image", default=224, lowest=1)])
    cost = Cost(Cost.of(flops="batch_size*height").by_metric, run=own)
    assert cost.at(batch_size=2).flops == 2 * 224
    assert cost.at(batch_size=2, height=3).flops == 6
    assert (cost + Cost.of(flops="past_len")).at(batch_size=1).flops == 224


@pytest.mark.parametrize("role", roles())
def test_a_role_is_of_the_fields_that_it_says(role: str) -> None:
    said = roles()[role]
    assert said.keys() == {"about", "pattern", "of", "not_of"}
    assert said["of"]
    assert [name for name in said["of"] if not means(name, role)] == []
    assert said["not_of"]
    assert [name for name in said["not_of"] if means(name, role)] == []
