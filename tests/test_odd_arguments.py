"""Arguments of any type, at every public function and method: an answer or one line, never another exception."""

from __future__ import annotations

import random
from itertools import count, repeat

import odd_arguments as odd
import pytest

import symflops
from symflops import SymflopsError

CALLABLES = dict(odd.callables())


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_each_argument_of_any_type(name: str) -> None:
    function = CALLABLES[name]
    for place in odd.places(name, function):
        for i, value in enumerate(odd.ODD):
            assert (place, i, odd.called(name, function, [(place, value)])) == (place, i, "")
    r = random.Random(f"{name} 1")
    for two in odd.pairs(name, function, r, 10):
        assert (two, odd.called(name, function, two)) == (two, "")


def test_what_results_show() -> None:
    found = list(odd.properties())
    assert len(found) > 80
    for name, use in found:
        assert (name, odd.outcome(use)) == (name, "")


def test_there_is_something_to_try() -> None:
    """Every public function is there, and a right call of it is answered."""
    assert len(CALLABLES) > 50
    assert {"verify", "solve", "compare", "Cost.at", "Model.rows", "Sweep.__getitem__", "memory"} <= CALLABLES.keys()
    for name in ("verify", "solve", "compare", "Cost.at", "Model.rows", "memory", "roofline", "Formula.by_metric"):
        arguments = odd.right(name, CALLABLES[name])
        place = odd.places(name, CALLABLES[name])[0]
        value = arguments[place[0]][place[1]] if place[1] else arguments[place[0]]
        assert odd.called(name, CALLABLES[name], [(place, value)]) == ""


def test_it_sees_another_exception() -> None:
    def careless(model: str) -> str:
        return model.upper()

    assert odd.called("careless", careless, [(("model", ""), None)]).startswith("AttributeError")
    assert odd.called("careless", careless, [(("model", ""), "a")]) == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: symflops.compare("gpt2", "bert-base", by=[]), "expected by to be a text, got list"),
        (lambda: symflops.verify("a", "b", rename={"a": []}), "expected rename['a'] to be a text, got list"),
        (
            lambda: symflops.solve("gpt2", "flops <= 1e9", "seq_len", free="ab"),
            "expected free to be a list of texts, got str",
        ),
        (
            lambda: symflops.solve("gpt2", "flops <= 1e9", "seq_len", free=count()),
            "expected free to be a list of texts, got one with a int in it",
        ),
        (lambda: symflops.verify("a", "a", assume=b"a > 1"), "expected assume to be a list of texts, got bytes"),
        (lambda: symflops.memory("gpt2", symbolic="no"), "expected symbolic to be True or False, got str"),
        (
            lambda: symflops.Cost.of(flops="a").substitute({"a": []}),
            "expected values['a'] to be a number or a canonical value, got list",
        ),
        (lambda: symflops.Cost.of(flops="a").sweep(a=[1, [2]]), "a: expected a number or a list of numbers"),
    ],
)
def test_the_line_says_which_argument(call: object, message: str) -> None:
    with pytest.raises(SymflopsError) as error:
        call()
    assert str(error.value) == message


def test_names_without_an_end() -> None:
    with pytest.raises(SymflopsError, match="free: more than 10,000 texts"):
        symflops.solve("gpt2", "flops <= 1e9", "seq_len", free=repeat("batch_size"))


def test_iterators_are_read_once() -> None:
    answer = symflops.solve("gpt2", "flops <= 1e12", "seq_len", free=iter(["batch_size"]))
    assert answer.is_curve


def test_a_number_of_a_million_digits_is_refused_without_writing_it_out() -> None:
    from decimal import Decimal

    for text in ("1e999999999", "1e-999999999"):
        with pytest.raises(SymflopsError, match="has more digits than are computed with"):
            symflops.Cost.of(flops="a").at(a=Decimal(text))
