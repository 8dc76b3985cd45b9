"""The readable form: never longer than what SymPy or an earlier version wrote, and always the same polynomial."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sympy

import symflops
from symflops import budget, factoring, grouping
from symflops.algebra import from_text
from symflops.atlas import entries
from symflops.cli import main
from symflops.cost import METRICS
from symflops.factoring import Effort, divided, factors
from symflops.grouping import grouped, renamed, short_names
from symflops.model import model_names
from symflops.polynomial import Polynomial, Value, add, factored, multiply, power, symbol
from symflops.tree import read, write

DATA = Path(__file__).parent / "data"

# Characters of each metric's total before sums were factored whole, in the order of METRICS.
BEFORE = {
    "bert-base": (223, 114, 331, 154, 1, 180),
    "gpt2": (220, 118, 309, 142, 1, 92),
    "llama-2-7b-hf": (362, 226, 490, 255, 1, 133),
    "llama-3.1-8b": (362, 226, 490, 255, 1, 133),
    "mamba-130m": (280, 185, 379, 201, 1, 150),
    "mistral-7b": (799, 497, 515, 255, 1, 133),
    "mixtral-8x7b": (450, 266, 602, 279, 106, 157),
    "qwen3-0.6b": (380, 226, 505, 255, 1, 158),
    "vit-base-16": (417, 194, 375, 193, 1, 178),
    "deepseek-v3.json": (1147, 705, 1584, 767, 137, 470),
    "qwen3-next.json": (1571, 1024, 2034, 1210, 209, 580),
}


def text_of(formula: str) -> str:
    return write(grouped(from_text(formula)))


def load(name: str) -> symflops.Model:
    return symflops.load(DATA / name if name.endswith(".json") else name)


@pytest.mark.parametrize(
    "formula",
    [
        "(2*d + 3)*(S*(2 - c) + c + 2*P)",
        "2*(2*L + 1)*(2*h + 1)",
        "2*(2*d + 3)*(S + P) + d*(8*h + 7)",  # (S + P) stands in two terms, beside others
        "(S + P)*(S + 2*P)",  # no symbol tells these factors apart
        "(a + b)**2*(c + 1)",
        "B*(262235186*S + 995328) + 1179648",  # with 2 taken out of all it would be longer
        "(x - y)*(x + y)",
        "(1 - c)*(S + min(P, W))/(h + 1)",
    ],
)
def test_a_formula_is_written_as_an_engineer_would(formula: str) -> None:
    assert len(text_of(formula)) <= len(formula), text_of(formula)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("2*d*(S*(2 - c) + c + 2*P) + 3*(S*(2 - c) + c + 2*P)", "(2*d + 3)*(S*(2 - c) + 2*P + c)"),
        ("2*(2*L*(2*h + 1) + 2*h + 1)", "2*(2*L + 1)*(2*h + 1)"),
        ("d*(4*(S + c) + 7) + 6*(S + c)", "2*(S + c)*(2*d + 3) + 7*d"),
        ("(c - 2)*(-S - P)", "(2 - c)*(P + S)"),
        ("(a + b - c - d)*(e + f - g - h)", "(a + b - c - d)*(e + f - g - h)"),
        ("2*h + 998", "2*(h + 499)"),  # what all terms share is told, though the text is longer
        ("2*h + 2468", "2*h + 2468"),  # but not of a number that is read as one
        ("x*(a + b) + y*(a + b) + z", "(a + b)*(x + y) + z"),
        ("(a + b)**2*(c + 1)", "(c + 1)*(a + b)**2"),
    ],
)
def test_whole_sums_are_factors(formula: str, text: str) -> None:
    assert text_of(formula) == text


@pytest.mark.parametrize("name", BEFORE)
def test_no_total_is_longer_than_it_was(name: str) -> None:
    total = load(name).total(symbolic=True)
    lengths = [len(total.text(metric)) for metric in METRICS]
    assert all(new <= old for new, old in zip(lengths, BEFORE[name], strict=True)), lengths


def sympy_lengths(text: str) -> dict[str, int]:
    """Characters of what SymPy makes of a formula: each way by itself, `collect` by each symbol and by all."""
    expanded = sympy.expand(symflops.parse(text))
    symbols = sorted(expanded.free_symbols, key=str)
    ways = {"factor": sympy.factor(expanded), "collect": sympy.collect(expanded, symbols)}
    if symbols and expanded.is_polynomial(*symbols):
        ways["horner"] = sympy.horner(expanded)
    ways |= {f"collect by {s}": sympy.collect(expanded, s) for s in symbols}
    return {way: len(str(form)) for way, form in ways.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_no_total_is_longer_than_sympy_writes_it(name: str) -> None:
    model = load(name)
    for total in (model.total(), model.total(symbolic=True)):
        for metric in METRICS:
            text = total.text(metric)
            shorter = {way: n for way, n in sympy_lengths(text).items() if n < len(text)}
            assert not shorter, (metric, text)


# Derived models that come with symflops, without the PyTorch that derived them: each of another architecture.
DERIVED = (
    "bert", "cohere", "cohere2", "ernie4_5", "falcon", "gemma", "gemma2", "gemma3_text", "glm", "glm4", "gpt2",
    "gpt_neox", "gpt_oss", "granite", "mistral", "mixtral", "olmo", "olmo2", "phi", "phi3",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", DERIVED)
def test_no_total_of_a_derived_model_is_longer_than_sympy_writes_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(entries.ATLAS, raising=False)
    first = next(iter(entries.entry(kind).models.values()))[0]
    total = entries.FittingModel.of(first).model.total(symbolic=True)
    for metric in METRICS:
        text = total.text(metric)
        expanded = sympy.expand(symflops.parse(text))
        symbols = sorted(expanded.free_symbols, key=str)
        forms = {"factor": sympy.factor(expanded), "collect": sympy.collect(expanded, symbols)}
        if symbols and expanded.is_polynomial(*symbols):
            forms["horner"] = sympy.horner(expanded)
        shorter = {way: len(str(form)) for way, form in forms.items() if len(str(form)) < len(text)}
        assert not shorter, (metric, text)


def random_sum(rng: random.Random, atoms: str, terms: int) -> Value:
    parts: list[Value] = []
    for _ in range(terms):
        names = [symbol(n) for n in rng.sample(atoms, rng.randint(0, 2))]
        parts.append(multiply(rng.choice([1, 1, 2, 3, -1, -2]), *names) if names else rng.randint(1, 9))
    return add(*parts)


def test_what_is_written_is_the_same_polynomial_and_no_longer_than_the_product_it_came_from() -> None:
    rng = random.Random(2026)
    for _ in range(60):
        sums = [random_sum(rng, "abcdef", rng.randint(2, 3)) for _ in range(rng.randint(1, 3))]
        rest = random_sum(rng, "xyz", rng.randint(1, 2)) if rng.random() < 0.5 else 0
        product = multiply(*sums)
        for value in (product, add(product, rest)):
            assert from_text(write(grouped(value))) == value
        text = "*".join(f"({write(grouped(s))})" for s in sums)
        assert len(write(grouped(product))) <= len(text), text


@pytest.mark.parametrize(
    "formula",
    ["a/n", "a/(n*b**2)", "(a + b)/n + c/b", "1/n", "a/n**3 - 7", "(a + b)/(n + 1)", "1/(n*(n + 1)) + b/n", "3*a/(4*b)",
     "a/b + a/c", "(a - b)/(2*c) - a/7"],
)  # fmt: skip
def test_quotients_stay_what_they_are(formula: str) -> None:
    assert from_text(text_of(formula)) == from_text(formula)


def test_a_value_is_written_the_same_however_it_came_about() -> None:
    """Its terms are kept in the order in which they were added."""
    rng = random.Random(12)
    for _ in range(150):
        value = add(*(multiply(random_sum(rng, "abcdef", 3), random_sum(rng, "abcxyz", 2)) for _ in range(2)))
        if isinstance(value, Polynomial):
            terms = list(value.terms.items())
            texts = set()
            for _ in range(4):
                rng.shuffle(terms)
                texts.add(write(grouped(Polynomial(dict(terms)))))
            assert len(texts) == 1, texts


def test_factors_multiply_to_what_they_were_taken_from() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(200):
        sums = [random_sum(rng, "abcd", rng.randint(2, 3)) for _ in range(rng.randint(1, 3))]
        value = multiply(*sums)
        value = factored(value)[2] if isinstance(value, Polynomial) else value
        if isinstance(value, Polynomial) and len(value.terms) > 1:
            parts = factors(value, Effort())
            assert multiply(*parts) == value
            _, known = sympy.factor_list(symflops.parse(repr(value)))
            assert len(parts) <= sum(n for _, n in known)
            found += len(parts) == sum(n for _, n in known)
    assert found > 150  # SymPy's irreducible factors, in nearly all of them


def test_what_is_found_within_any_effort_multiplies_to_the_same() -> None:
    rng = random.Random(8)
    counts: dict[int, int] = dict.fromkeys((0, 20, 100, 1000, 10**6), 0)
    for _ in range(100):
        value = multiply(*(random_sum(rng, "abcd", rng.randint(2, 3)) for _ in range(3)))
        value = factored(value)[2] if isinstance(value, Polynomial) else value
        if isinstance(value, Polynomial) and len(value.terms) > 1:
            for steps in counts:
                parts = factors(value, Effort(steps))
                assert multiply(*parts) == value
                counts[steps] += len(parts)
    assert sorted(counts.values()) == list(counts.values())
    assert counts[0] < counts[100] < counts[10**6]


def test_the_search_for_factors_looks_no_further_than_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pass over a sum is charged, not only the divisions: with many symbols those are most of the work."""
    passes = 0

    def counted(f: factoring.Dense, place: int) -> dict[int, factoring.Dense]:
        nonlocal passes
        passes += len(f)
        return looked(f, place)

    looked = factoring._coefficients
    monkeypatch.setattr(factoring, "_coefficients", counted)
    names = [f"x{i}" for i in range(12)]
    squares = [multiply(symbol(a), symbol(a), symbol(b)) for a in names for b in names]  # no symbol tells any factor
    value = add(*squares, 1)
    assert isinstance(value, Polynomial)
    found = {}
    for steps in (0, 5000, 10**6):
        passes = 0
        assert factors(value, Effort(steps)) == [value]
        found[steps] = passes
    assert found[0] == 0
    assert 0 < found[5000] <= 5000 < found[10**6]


def test_the_divisors_of_a_coefficient_are_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    products = 0

    def counted(f: factoring.Dense, g: factoring.Dense) -> factoring.Dense:
        nonlocal products
        products += len(f) * len(g)
        return multiplied(f, g)

    multiplied = factoring._times
    monkeypatch.setattr(factoring, "_times", counted)
    powers = [power(symbol(name), 12) for name in "abcdef"]
    value = add(multiply(*powers, power(symbol("x"), 2)), multiply(7, symbol("x")), multiply(*powers))
    assert isinstance(value, Polynomial)
    factors(value, Effort())
    without_limit, products = products, 0
    factors(value, Effort(200))
    assert products < 200 < without_limit


def test_division_leaves_what_does_not_divide() -> None:
    rng = random.Random(11)
    for _ in range(200):
        value, divisor = random_sum(rng, "abcd", 4), random_sum(rng, "abcd", 2)
        value = add(multiply(random_sum(rng, "ab", 2), divisor), value)
        if isinstance(value, Polynomial) and isinstance(divisor, Polynomial):
            quotient, rest = divided(value, divisor)
            assert add(multiply(quotient, divisor), rest) == value
    whole = multiply(symbol("x"), add(symbol("a"), symbol("b")))
    assert isinstance(whole, Polynomial)
    assert divided(whole, add(symbol("a"), symbol("b"))) == (symbol("x"), 0)  # type: ignore[arg-type] # a Polynomial


def test_of_texts_of_one_length_the_first_in_the_alphabet() -> None:
    """seq_len is tried first, since it is written before sizes: seq_len*(n_heads + y) + n_heads*x is as long."""
    assert write(grouped(from_text("n_heads*seq_len + n_heads*x + seq_len*y"))) == "n_heads*(seq_len + x) + seq_len*y"
    assert write(grouped(from_text("t_heads*seq_len + t_heads*x + seq_len*y"))) == "seq_len*(t_heads + y) + t_heads*x"


def test_names_in_their_places() -> None:
    assert write(renamed(read("a*(b + c)**2 - min(a, 3)"), {"a": "x", "c": "a"})) == "x*(b + a)**2 - min(x, 3)"
    assert short_names({"hidden_size", "h", "n_embd", "x"}) == {
        "hidden_size": "hidden_size", "h": "h", "n_embd": "n_embd", "x": "x",
    }  # fmt: skip
    chosen = short_names({"hidden_size", "n_embd", "batch_size"})
    assert chosen == {"hidden_size": "h", "n_embd": "n_embd", "batch_size": "B"}


def test_a_legend_has_the_symbols_that_occur_and_no_others(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["total", "llama-2-7b-hf", "--metric", "matmul_flops", "--symbolic", "--short"])
    lines = capfd.readouterr().out.partition("\n\n")[2].splitlines()
    # The bytes per element are symbols of the model's other metrics.
    assert [line.split(" = ")[0] for line in lines[:11]] == ["B", "L", "P", "S", "V", "c", "d", "h", "i", "n", "n_kv"]
    assert lines[11].startswith("where ")


def test_the_same_value_is_searched_once_and_charged_to_every_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Value] = []
    plain = grouping._Search.tree
    monkeypatch.setattr(grouping._Search, "tree", lambda self, value: searched.append(value) or plain(self, value))
    first, again = (from_text(text) for text in ("u*v + u*w + 7*v", "7*v + w*u + v*u"))
    assert grouped(first) is grouped(again)
    outermost = [value for value in searched if value == first]
    assert len(outermost) == 1
    for _ in range(2):
        with budget.budget(10**6):
            assert grouped(again) == grouped(first)
    assert len([value for value in searched if value == first]) == 5
