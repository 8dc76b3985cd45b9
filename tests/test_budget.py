"""Every text ends within a second of computing and little memory, with an answer or one line, the same each time.

`benchmarks/bench_texts.py` holds the longest texts of these kinds."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable

import pytest
import sympy

import symflops
from symflops import SymflopsError, algebra, deadline, expr, grouping, tree
from symflops import budget as limits
from symflops.budget import TooLargeError, budget, charge
from symflops.deadline import TooLongError
from symflops.model_file import layers_of
from symflops.polynomial import flat
from symflops.sympy_tree import measure, readable


def nested(levels: int, step: Callable[[str, int], str]) -> str:
    text = "a"
    for i in range(levels):
        text = step(text, i)
    return text


def names(count: int, letter: str = "n") -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


PLAIN_SUM = "+".join(names(3_000))
TEXTS = {
    "(a+b)**999": "(a+b)**999",
    "power of a remainder": "(128 % s)**1000",
    "power of a ceiling": "ceil(b+s)**1000",
    "sum of powers": "+".join(f"(a+b)**{k}" for k in range(900, 999)),
    "one power of 51 terms": "(a+b)**50",
    "many minima": f"min({', '.join(names(60))})",
    "more minima": f"min({','.join(names(4_000))})",
    "smallest of numbers": f"min({','.join(map(str, range(14_000)))})",
    "remainders": nested(12, lambda t, i: f"({t}) % v{i}"),
    "remainders by remainders": nested(12, lambda t, i: f"v{i} % ({t})"),
    "more remainders": nested(40, lambda t, i: f"({t}) % v{i}"),
    "floors": nested(33, lambda t, i: f"floor(({t} + v{i})/3)"),
    "quotients": nested(33, lambda t, i: f"({t}) // v{i}"),
    "minima of maxima": nested(90, lambda t, i: f"{'min' if i % 2 else 'max'}({t}, v{i})"),
    "fewer minima of maxima": nested(50, lambda t, i: f"{'min' if i % 2 else 'max'}({t}, v{i})"),
    "towers": nested(90, lambda t, i: f"2**({t})"),
    "plain sum": PLAIN_SUM,
    "sum of products": "+".join(f"{n}*{m}" for n, m in zip(names(500), names(500, "m"), strict=True)),
    "sum of floors": "+".join(f"floor({n}/3)" for n in names(5000)),
    "sum of quotients": "+".join(f"({n} + 1) // {m}" for n, m in zip(names(3000), names(3000, "m"), strict=True)),
    "sum of minima": "+".join(f"min({n},{m})" for n, m in zip(names(5000), names(5000, "m"), strict=True)),
    "product of names": "*".join(names(1500)),
    "product of sums": f"({'+'.join(names(300))})*({'+'.join(names(300, 'm'))})",
    "product of many sums": "*".join(f"({n}+1)" for n in names(15)),
    "factors in pairs": "+".join(f"a{i}*b{i}+a{i}*c{i}" for i in range(100)),
    "one over a sum": f"1/({PLAIN_SUM})",
    "roots": f"({'+'.join(f'sqrt({i})' for i in range(2, 20))})**2",
    "powers of two": "*".join(f"2**({n}+1)" for n in names(3000)),
    "9**9**9": "9**9**9",
    "long integer": "1" * 5000,
    "growing integers": "(2**4000*a + b)**300",
    "growing fractions": "+".join(f"a/{2**3000 + i}" for i in range(80)),
    "signs": "-" * 50_000 + "a",
    "brackets": "(" * 49_000 + "a" + ")" * 49_000,
    "ones": "+".join(["1"] * 50_000),
}


def everything(text: str) -> list[str]:
    """What all the ways of using a text give, as text: the answer or the error."""
    results = []

    def result(use: Callable[[], object]) -> object:
        try:
            found = use()
            results.append(repr(found)[:1000] if isinstance(found, str) else type(found).__name__)
        except SymflopsError as error:
            results.append(str(error))
            found = None
        return found

    value = result(lambda: algebra.from_tree(tree.read(text)))
    if value is not None:
        cost = symflops.Cost.of(flops=value)
        result(lambda: cost.flops)
        result(lambda: cost.text("flops"))
        result(cost._repr_latex_)
    expression = result(lambda: symflops.parse(text))
    if expression is not None:
        again = result(lambda: symflops.unparse(expression))
        assert symflops.parse(str(again)) == expression
    assert not any("\n" in line for line in results)
    return results


WHOLE = ("one power of 51 terms", "plain sum", "factors in pairs", "one over a sum", "fewer minima of maxima")


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the budget is enough to see it; benchmarks/bench_texts.py measures how soon."""
    if name not in WHOLE:
        monkeypatch.setattr(limits, "STEPS", limits.STEPS // 4)
    assert everything(TEXTS[name])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_the_longest_texts_need_little_memory() -> None:
    """300 MB for a process that does nothing else, Python and SymPy included."""
    script = """
import symflops
for text in ("(a + b)**300", "+".join(f"n{i}" for i in range(14_000)), "(2**4000*a + b)**300"):
    try:
        cost = symflops.Cost.of(flops=text)
        cost.flops, cost.text("flops"), cost._repr_latex_()
        symflops.unparse(symflops.parse(text))
    except symflops.SymflopsError:
        pass
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 20 < int(done.stdout) < 300, done.stdout


@pytest.mark.parametrize("name", ["remainders", "floors", "more minima", "minima of maxima"])
def test_a_text_ends_always_in_the_same_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS", limits.STEPS // 4)
    assert everything(TEXTS[name]) == everything(TEXTS[name])


def test_a_plain_sum_may_have_any_length() -> None:
    value = algebra.from_text(PLAIN_SUM)
    assert algebra.substitute(value, {f"n{i}": i for i in range(3_000)}) == 3_000 * 2_999 // 2
    expression = symflops.parse(PLAIN_SUM)
    assert len(expression.args) == 3_000
    assert symflops.parse(symflops.unparse(expression)) == expression
    assert algebra.from_text(symflops.unparse(value)) == value


GROWING = {
    "a root of roots": "(batch_size)**((0.5)**40)",
    "a power of a long sum inside a remainder": (
        "(-((log2(a) - ceil(hidden_size))))%(max((a*(2 + 911587193)*b*64*(seq_len * a)*(s - hidden_size)"
        "*(hidden_size + batch_size)*max(s, 8182577703700176898046774578, 1/3, 1/3)*ceil({s})*(b + batch_size)"
        "*(s * s)*1/3*(2 + dtype_bytes))**3, max((batch_size * 2), (586529573 + seq_len), b, 0, dtype_bytes)))"
    ),
}


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("part", [1, 2, 3, 5, 8, 13, 40])
def test_what_is_read_can_be_read_back_whatever_the_budget(
    name: str, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading what is written takes up to thirteen times the steps of the text itself: that decides."""
    monkeypatch.setattr(limits, "STEPS", 2_600_000 // part)
    try:
        expression = symflops.parse(GROWING[name])
    except TooLargeError:
        assert part > 5
    else:
        assert symflops.parse(symflops.unparse(expression)) == expression


def test_the_roots_of_a_power_are_levels_of_its_text() -> None:
    """sqrt(sqrt(sqrt(a)))**3 is three calls and a power."""
    for text, roots in (("a**(1/2)", 1), ("a**(3/8)", 3), ("1/a**(3/16)", 4), ("2*a**(1/2**20)", 20)):
        expression = symflops.parse(text)
        length, depth = measure(expression, {})
        assert symflops.unparse(expression).count("sqrt(") == roots
        assert depth >= tree.depth(readable(expression)) >= roots
        assert length >= len("sqrt()") * roots


def test_many_minima_have_an_expression() -> None:
    expression = symflops.parse(TEXTS["many minima"])
    assert expression == sympy.Min(*(symflops.symbol(n) for n in names(60)), evaluate=False)
    assert symflops.Cost.of(flops=TEXTS["many minima"]).flops == expression
    assert expression.subs({symflops.symbol("n7"): 0}) == 0


def test_what_is_too_large_is_said_in_one_line() -> None:
    with pytest.raises(
        TooLargeError, match=r"^the formula is too large: expanding the product needs more than 100,000"
    ):
        symflops.parse("(a+b)**999")
    with pytest.raises(
        TooLargeError, match=r"^the formula is too large: written out, it has more than 6,000 characters$"
    ):
        symflops.parse(nested(9, lambda t, i: f"({t}) % v{i}"))
    with pytest.raises(SymflopsError, match=r"nested deeper than 100 levels$"):
        symflops.parse(nested(110, lambda t, i: f"sqrt({t} + v{i})"))


def test_what_a_text_may_take_does_not_depend_on_what_was_read_before() -> None:
    text = "(a + b)**300*(c + 1)"
    for _ in range(3):
        algebra.from_text(text)
    with pytest.raises(TooLargeError):
        algebra.from_text("(a + b)**300*(c + 1)**9")
    algebra.from_text(text)


def test_a_budget_inside_of_another_counts_for_both() -> None:
    with budget(100):
        with budget(80):
            charge(70)
        charge(30)
        with pytest.raises(TooLargeError, match="more than 100 steps"):
            charge(1)
    charge(10**9)  # outside of any, nothing is counted


def test_the_groups_of_a_large_sum_are_its_own() -> None:
    """Where searching for the shortest form would take long, what is left over is a plain sum of the same terms."""
    for text in (TEXTS["factors in pairs"], "(a+b)**50", TEXTS["fewer minima of maxima"]):
        value = algebra.from_text(text)
        readable = grouping.grouped(value)
        assert tree.depth(readable) <= tree.MAX_DEPTH
        with budget(10**7):
            assert algebra.fold(readable, algebra.ALGEBRA, _leaf) == value


def _leaf(leaf: object) -> object:
    from symflops.polynomial import symbol

    return symbol(leaf) if isinstance(leaf, str) else leaf


@pytest.mark.parametrize(
    "text", ["sqrt(sqrt(a))", "sqrt(sqrt(a + 1))**3", "a**4/sqrt(sqrt(b))", "min(log2(9), a)", "sqrt(sqrt(sqrt(a*b)))"]
)
def test_roots_of_roots_are_read_back(text: str) -> None:
    expression = symflops.parse(text)
    assert symflops.parse(symflops.unparse(expression)) == expression
    at = {symflops.symbol("a"): 7, symflops.symbol("b"): 9}
    assert float(expr.from_sympy(expression) and expression.subs(at)) == pytest.approx(
        float(symflops.parse(text).subs(at))
    )


def test_integers_of_any_length_are_written() -> None:
    number = 7**6000
    assert len(tree.write(number)) == 5071
    assert tree.write(("+", "a", -number)).startswith("a - ")
    assert int("".join(tree.write(number)[:100])) == number // 10**4971


def test_the_order_of_terms_does_not_matter() -> None:
    """Long products are merged at once: the same canonical form as step by step."""
    one = algebra.from_text("*".join([*names(50), "(x + 1)", *names(50), "3"]))
    two = algebra.from_text("*".join(["3", "(1 + x)", *(f"{n}**2" for n in reversed(names(50)))]))
    assert one == two
    assert flat(one) == flat(two)


NESTED_MAXIMA = "max(" * 20 + "seq_len" + "".join(f"*{i + 2}-{i}, seq_len)" for i in range(20))


def test_a_question_as_a_whole_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its steps is a short one: there are only too many of them."""
    monkeypatch.setattr(deadline, "CALL", 0.1)
    with pytest.raises(TooLongError, match=r"^the question takes more than 0\.12 s of processor time$"):
        symflops.solve("gpt2", f"(a+b)**999 <= {NESTED_MAXIMA}".replace("a+b", "seq_len+past_len"), "seq_len")
    with pytest.raises(TooLongError, match=r"^the comparison takes more than 0\.12 s of processor time$"):
        symflops.compare("gpt2", "(seq_len + batch_size)**999*2", by="batch_size")


@pytest.mark.slow
def test_a_model_file_as_a_whole_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty texts of a quarter of a second each; of more layers it is more."""
    monkeypatch.setattr(deadline, "CALL", 0.1)
    texts = {f"x{i}": f"(a+b)**{260 + i}" for i in range(40)}
    data = {"name": "slow", "symbols": {"a": 1, "b": 1, **texts}, "layers": {"one": {"cost": {"others": 0}}}}
    with pytest.raises(SymflopsError, match=r"^reading it takes more than 0\.101 s of processor time$"):
        symflops.load(data)
    assert layers_of({"layers": {"a": {"sub_layers": {"b": {}, "c": {"sub_layers": {"d": {}}}}}, "e": 3}}) == 5
    data["layers"]["again"] = {"sub_layers": data["layers"]}
    assert layers_of(data) == 2**20  # of what contains itself
    with pytest.raises(SymflopsError, match="layers are nested deeper than 100 levels"):
        symflops.load({"name": "circle", "layers": data["layers"]["again"]["sub_layers"]})


def test_what_a_limit_around_ends_is_for_whoever_set_it() -> None:
    with pytest.raises(deadline.OutOfTimeError), deadline.limit(0), deadline.call("the sum"):
        deadline.check()
    too_long = pytest.raises(TooLongError, match=r"^the sum takes more than 0 s of processor time$")
    with too_long, deadline.limit(1), deadline.call("the sum", 0):
        deadline.check()


def test_importing_a_library_takes_nobody_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(deadline, "thread_time", lambda: clock)
    monkeypatch.setattr(deadline, "monotonic", lambda: clock)
    with deadline.call("the sum", 1):
        with deadline.untimed():
            clock += 10
            with deadline.untimed():
                clock += 10
        clock += 0.9
        deadline.check()
        clock += 0.2
        with pytest.raises(deadline.OutOfTimeError):
            deadline.check()
        clock -= 0.2


def test_the_clock_of_the_thread_is_asked_only_when_the_time_may_be_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which asking takes 2 to 8 µs: loops of short rounds would mostly ask."""
    wall, computed, asked = 50.0, 100.0, 0

    def thread_time() -> float:
        nonlocal asked
        asked += 1
        return computed

    monkeypatch.setattr(deadline, "monotonic", lambda: wall)
    monkeypatch.setattr(deadline, "thread_time", thread_time)
    with deadline.limit(1):
        for _ in range(1000):
            deadline.check()
        assert asked < 5
        wall += 1.5  # on a busy machine, where the thread has computed for half of it
        computed += 0.7
        deadline.check()
        wall += 0.2
        deadline.check()  # 0.3 s are left, and cannot have been computed in 0.2
        assert asked < 6
        wall += 0.2
        computed += 0.4
        with pytest.raises(deadline.OutOfTimeError):
            deadline.check()


@pytest.mark.parametrize(("generation", "is_charged"), [(0, True), (1, True), (2, False)])
def test_a_pass_of_the_collector_over_all_that_the_program_holds_takes_nobody_s_time(
    generation: int, is_charged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 100.0

    def long_pass(phase: str, info: dict[str, int]) -> None:
        nonlocal clock
        clock += 10 * (phase == "start")

    monkeypatch.setattr(deadline, "thread_time", lambda: clock)
    gc.disable()
    gc.callbacks.append(long_pass)
    try:
        with deadline.call("the sum", 1):
            gc.collect(generation)
            if is_charged:
                with pytest.raises(deadline.OutOfTimeError):
                    deadline.check()
            else:
                deadline.check()
    finally:
        gc.callbacks.remove(long_pass)
        gc.enable()


def test_a_long_text_is_no_file_name() -> None:
    with pytest.raises(SymflopsError, match="has no symbol 'n0'"):
        symflops.compare("gpt2", "+".join(names(2000)))


@pytest.mark.parametrize("text", ["(a + 1/2)**(b + 1/2)", "(1/(a + 1/2))**(b + 1/2)"])
def test_an_irrational_power_of_very_many_digits_is_refused(text: str) -> None:
    """Its exponent alone fits: written out it took all memory that there is."""
    cost = symflops.Cost.of(flops=text)
    with pytest.raises(SymflopsError, match=r"^power of more than 65,536 bits at this point$"):
        cost.at(a=3, b=10**12)
    assert symflops.Cost.of(flops="(a + 1/2)**(b + 1/2)").at(a=3, b=1).flops == 7  # 3.5*sqrt(3.5) = 6.548
