"""A fixed sample of random questions, judged by Python's own fractions; `benchmarks/fuzz_solve.py` asks many more."""

from __future__ import annotations

import random

import pytest
from questions_asked import KINDS

import symflops

# How many of each kind, and how many of them may be refused.
SAMPLE = {
    "symbols": (120, 2), "conditions": (50, 3), "layers": (40, 0), "curves": (60, 12), "bytes": (30, 5),
    "architecture": (15, 2), "multiples": (12, 1), "experts": (15, 1), "regimes": (10, 0), "compare": (12, 0),
    "generation": (20, 0), "roofline": (3, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLE)
def test_no_answer_to_a_random_question_is_wrong(kind: str) -> None:
    count, allowed = SAMPLE[kind]
    refused = []
    for i in range(count):
        asked: list[str] = []
        try:
            KINDS[kind](random.Random(f"test {i}"), asked)
        except symflops.SymflopsError as error:
            refused.append((asked, str(error)))
        except AssertionError as error:
            raise AssertionError(f"{asked}: {error}") from None
    assert len(refused) <= allowed, refused


def test_every_kind_is_in_the_sample() -> None:
    assert set(SAMPLE) == set(KINDS)
