"""Conditions of a derived model are said once, and only where some sizes break them.

What is left must hold at exactly the same points: judged by Python's own comparison at every point of a box.
"""

from __future__ import annotations

import random
from itertools import product

import pytest

import symflops
from symflops.algebra import from_text, substitute
from symflops.assumption import comparison
from symflops.trace.needed import needed

# As the sources of these types ask them.
ASKED = {
    "falcon": (
        [
            "1 < heads", "heads != 1", "1 != seq_len*(heads + 2)", "seq_len*(heads + 2) != heads",
            "hidden_size % 2 == 0", "hidden_size % (2*heads) == 0",
        ],
        ["1 < heads", "hidden_size % (2*heads) == 0"],
    ),
    "xglm": (
        ["1 < heads", "heads != 1", "1 != seq_len*heads", "width % heads == 0"],
        ["1 < heads", "width % heads == 0"],
    ),
    "bamba": (
        ["hidden_size*expand != 1", "hidden_size % 4 == 0", "hidden_size % (4*heads) == 0", "heads % groups == 0"],
        ["hidden_size % (4*heads) == 0", "heads % groups == 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", ASKED)
def test_what_always_holds_is_left_out(model: str) -> None:
    asked, left = ASKED[model]
    assert needed(asked) == left


KEPT = [
    ["seq_len != heads"],  # some lengths are
    ["past_len != 0"],  # the cache may be empty
    ["past_len + seq_len != 1"],
    ["heads != 2"],
    ["1 != seq_len*heads"],  # one of both may be 1
    ["heads >= 2", "groups != 1"],
    ["width % 3 == 0", "width % (2*heads) == 0"],
    ["heads % groups == 0", "groups % heads == 0"],
    ["2*heads > 3"],
    ["seq_len + past_len <= positions", "positions > 1"],
    ["heads < groups"],
    ["heads - groups >= 0"],
]


@pytest.mark.parametrize("conditions", KEPT, ids=str)
def test_what_says_something_is_kept(conditions: list[str]) -> None:
    assert needed(conditions) == conditions


NAMES = ("a", "b", "past_len")
BOX = [dict(zip(NAMES, point, strict=True)) for point in product(range(1, 9), range(1, 9), range(8))]


def holding(conditions: list[str]) -> list[dict[str, int]]:
    codes = [compile(text, text, "eval") for text in conditions]
    return [point for point in BOX if all(eval(code, {}, dict(point)) for code in codes)]


def random_condition(draw: random.Random) -> str:
    a, b = draw.sample(NAMES, 2)
    k = draw.randint(0, 4)
    sides = [a, f"{k}*{a}", f"{a}*{b}", f"{a} + {b}", f"{a} + {k}", f"{b}*({a} + {k})", f"{a} - {b}"]
    if draw.random() < 0.4:
        divisor = draw.choice(["2", "3", "4", "a", "2*a", "(a + 1)"])
        return f"{draw.choice(['b', 'a*b', 'past_len', 'b'])} % ({divisor}) == 0"
    sign = draw.choice(["!=", "!=", "<", "<=", ">", ">=", "=="])
    return f"{draw.choice(sides)} {sign} {draw.choice([str(k), draw.choice(sides)])}"


def test_the_same_points_are_left() -> None:
    draw, dropped = random.Random(15), 0
    for _ in range(600):
        conditions = list(dict.fromkeys(random_condition(draw) for _ in range(draw.randint(1, 4))))
        left = needed(conditions)
        dropped += len(conditions) - len(left)
        assert holding(left) == holding(conditions), (conditions, left)
    assert dropped > 200


@pytest.mark.torch
def test_a_fact_is_kept_however_long_it_is() -> None:
    import transformers

    factors = [1 + i / 7 for i in range(64)]  # of 17 digits each, written out more than 2,000 characters
    rope = {"rope_type": "longrope", "short_factor": factors, "long_factor": [2 * f for f in factors]}
    config = transformers.Phi3Config(
        hidden_size=256, intermediate_size=80, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        vocab_size=300, max_position_embeddings=128, original_max_position_embeddings=64, pad_token_id=0,
        rope_parameters=rope,
    )  # fmt: skip
    assumes = symflops.derive(config).assumes
    (fact,) = [a for a in assumes if a.startswith("rope_parameters == ")]
    assert len(fact) > 2000
    assert all(str(2 * f) in fact for f in factors)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("quotients", "asked"),
    [
        (("side/32", "side**2/1024"), ["side % 32 == 0"]),  # as of an image that is halved five times, and its pixels
        (("side**2/512",), ["side % 32 == 0"]),  # 2^9 divides the square of whatever 2^5 divides, and of no other
        (("side**3/54",), ["side % 6 == 0"]),
        (("heads*width/4",), ["heads*width % 4 == 0"]),
    ],
)
def test_a_power_of_a_size_is_a_multiple_where_the_size_is(quotients: tuple[str, ...], asked: list[str]) -> None:
    from symflops.trace.divisibility import divisibility

    assert list(divisibility(map(from_text, quotients), ())) == asked
    for text in asked:
        size, _, number = text.removesuffix(" == 0").partition(" % ")
        if size == "side":  # judged by Python's own division
            for side in range(1, 200):
                whole = all(divides(side, q) for q in quotients)
                assert (side % int(number) == 0) is whole


def divides(side: int, quotient: str) -> bool:
    above, _, below = quotient.partition("/")
    return side ** int(above.partition("**")[2] or 1) % int(below) == 0


@pytest.mark.torch
@pytest.mark.parametrize(
    ("quotients", "asked"),
    [
        (("side**2/(4*patch**2)",), ["side % (2*patch) == 0"]),  # patches of an image, of which four become one
        (("side**2/patch**3",), ["side % (patch**2) == 0"]),  # which suffices
        (("side/patch", "width/heads", "side**2*width/(patch**2*heads)"), ["side % patch == 0", "width % heads == 0"]),
        (("side/patch", "side**2*width/(patch*heads)"), ["side % patch == 0", "side**2*width % (heads*patch) == 0"]),
        (("side/2", "side*width/4"), ["side % 2 == 0", "side*width % 4 == 0"]),
        (("side/4", "width/2", "side*width/8"), ["side % 4 == 0", "width % 2 == 0"]),
    ],
)
def test_what_divides_a_product_follows_from_what_divides_its_factors(
    quotients: tuple[str, ...], asked: list[str]
) -> None:
    """Where the conditions hold, all quotients are whole."""
    from symflops.trace.divisibility import divisibility

    assert list(divisibility(map(from_text, quotients), ())) == asked
    for values in product((4, 9, 12, 24, 90), (6, 8, 18), (2, 3), (2, 3, 9)):
        numbers = dict(zip(("side", "width", "patch", "heads"), values, strict=True))
        if all(comparison(text).is_true(numbers) for text in asked):
            assert all(type(substitute(from_text(text), numbers)) is int for text in quotients)
