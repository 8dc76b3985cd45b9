"""Formula files: what is read, what each mistake is called, defaults that need each other, the user's own library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from symflops.errors import SymflopsError
from symflops.formula import (
    formula_for_class,
    formula_names,
    formula_of,
    in_order,
    load_formula,
    own_names,
    read_formula,
    shipped_names,
)
from symflops.numeric import evaluate, with_defaults
from symflops.polynomial import symbol

COST = {
    "flops": "2*rows*inner", "matmul_flops": "rows", "read_bytes": "dtype_bytes*rows + weight_bytes*inner",
    "write_bytes": "cache_bytes*outer", "intermediate_bytes": "0", "parameters": "inner",
}  # fmt: skip
DATA: dict[str, Any] = {
    "about": "a made-up operation", "source": "nowhere", "classes": ["my.Thing", "my.Other"],
    "args": {"rows": "how many", "outer": "last width", "inner": "inner width", "middle": "middle width"},
    # Each needs the one after it, and `outer` two of them; they stand in another order than they are computed in.
    "defaults": {"outer": "inner + middle", "inner": "2*middle", "middle": "rows + 1"},
    "cost": COST, "state": "cache_bytes*rows*middle", "cases": [{"args": {"rows": 3}, "flops": 48, "from": "by hand"}],
}  # fmt: skip


def changed(**keys: Any) -> dict[str, Any]:
    return {**DATA, **keys}


def test_defaults_are_computed_after_those_that_they_need() -> None:
    formula = formula_of("made", DATA)
    # rows = 3: middle 4, inner 8, outer 12
    numbers = formula.cost(rows=3).at(dtype_bytes=2, weight_bytes=5, cache_bytes=7)
    assert (numbers.flops, numbers.matmul_flops, numbers.parameters) == (2 * 3 * 8, 3, 8)
    assert (numbers.read_bytes, numbers.write_bytes) == (2 * 3 + 5 * 8, 7 * 12)
    # middle = 10: inner 20, outer 30; and inner given, which leaves middle as it was
    assert formula.cost(rows=3, middle=10).at(cache_bytes=1).write_bytes == 30
    assert formula.cost(rows=3, inner=1).at(cache_bytes=1).write_bytes == 1 + 4
    everything = formula.cost(rows=1, outer=2, inner=3, middle=4).at(cache_bytes=1)
    assert (everything.write_bytes, everything.parameters) == (2, 3)
    assert formula.cost(rows="N").text("flops") == "4*N*(N + 1)"
    assert evaluate(formula.state_bytes({"rows": 3}), with_defaults({"cache_bytes": 5})) == 5 * 3 * 4
    assert evaluate(formula.state_bytes({"rows": symbol("B")}), {"B": 6, "cache_bytes": 1}) == 6 * 7


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "formula made: argument 'rows' is missing (how many)"),
        ({"inner": 1}, "formula made: argument 'rows' is missing (how many)"),
        ({"rows": 1, "iner": 2}, "formula made has no argument 'iner'; did you mean 'inner'?"),
        ({"row": 1}, "formula made has no argument 'row'; did you mean 'rows'?"),
    ],
)
def test_wrong_arguments(args: dict[str, int], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        formula_of("made", DATA).cost(**args)
    assert str(refused.value) == message


WRONG = [
    (changed(abuot="x"), "unknown key 'abuot'; did you mean 'about'?"),
    (changed(args={**DATA["args"], "2x": "y"}), "args: '2x' cannot name an argument"),
    (changed(args={**DATA["args"], "seq_len": "y"}), "args: 'seq_len' cannot name an argument"),
    (changed(args={**DATA["args"], "dtype_bytes": "y"}), "args: 'dtype_bytes' cannot name an argument"),
    (changed(args=["rows"]), "args: expected a table"),
    (changed(args={**DATA["args"], "rows": 1}), "args.rows: expected a text, got int"),
    (changed(defaults={"oter": "1"}), "defaults: 'oter' is not an argument; did you mean 'outer'?"),
    (changed(defaults={**DATA["defaults"], "middle": "outer"}), "defaults: cycle: outer -> inner -> middle -> outer"),
    (changed(defaults={"middle": "middle + 1"}), "defaults: cycle: middle -> middle"),
    (changed(defaults={**DATA["defaults"], "inner": "roes"}), "defaults.inner: undeclared name 'roes'"),
    (changed(cost={**COST, "flop": "1"}), "cost: unknown metric 'flop'; did you mean 'flops'?"),
    (changed(cost={k: v for k, v in COST.items() if k != "parameters"}), "cost: parameters is missing"),
    (changed(cost={**COST, "flops": "2*row"}), "cost.flops: undeclared name 'row'; did you mean 'rows'?"),
    (changed(cost={**COST, "flops": "2*"}), "cost.flops: column 1"),
    (changed(cost={**COST, "flops": 2}), "cost.flops: expected a text, got int"),
    (changed(state=1), "state: expected a text, got int"),
    (changed(state="rows*width"), "state: undeclared name 'width'"),
    (changed(classes="my.Thing"), "classes: expected a list of class names"),
    (changed(classes=["my.Thing", 1]), "classes: expected a list of class names"),
    (changed(cases={}), "cases: expected a list of tables"),
    (changed(cases=[DATA["cases"][0], 1]), "cases: expected a list of tables"),
]


@pytest.mark.parametrize(("data", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_data(data: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        formula_of("made", data)
    assert str(refused.value).startswith(message)


def test_what_may_be_left_out() -> None:
    formula = formula_of("made", {"args": {"rows": "how many"}, "cost": dict.fromkeys(COST, "rows")})
    assert (formula.classes, formula.cases, formula.state, formula.unproven, formula.about) == ((), (), "0", "", "")
    assert formula.cost(rows=5).at().flops == 5
    assert formula.state_bytes({"rows": 5}) == 0


def test_names_in_order() -> None:
    needs = {"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}
    assert in_order(("a", "b", "c", "d"), needs, "x") == ["d", "b", "c", "a"]
    with pytest.raises(SymflopsError, match=r"^x: cycle: b -> c -> b$"):
        in_order(("a", "b"), {"a": {"b"}, "b": {"c"}, "c": {"b"}}, "x")


# ---------------------------------------------------------------------------------------------------- files and library


def toml(flops: str = "n", classes: str = "") -> str:
    costs = "\n".join(f'{metric} = "{flops if metric == "flops" else "0"}"' for metric in COST)
    return f'classes = [{classes}]\n[args]\nn = "elements"\n[cost]\n{costs}\n'


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty library of one's own."""
    monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path))
    (tmp_path / "formulas").mkdir()
    return tmp_path / "formulas"


def test_a_formula_of_ones_own(library: Path) -> None:
    assert own_names() == ()
    (library / "mine.toml").write_text(toml("3*n", '"my.Thing", "our.Shared"'))
    (library / "linear.toml").write_text(toml("999", '"torch.nn.modules.linear.Linear", "my.Linear"'))
    assert own_names() == ("mine",)  # the shipped `linear` goes first
    assert formula_names() == tuple(sorted([*shipped_names(), "mine"]))
    assert load_formula("mine").cost(n=5).at().flops == 15
    assert formula_for_class("my.Thing").name == formula_for_class("Thing").name == "mine"
    assert formula_for_class("torch.nn.modules.linear.Linear").args.keys() >= {"in_features"}
    with pytest.raises(SymflopsError, match=r"no formula for class 'my\.Linear'"):
        formula_for_class("my.Linear")
    with pytest.raises(SymflopsError, match="no formula for class 'Thin'"):
        formula_for_class("Thin")
    with pytest.raises(SymflopsError, match="unknown formula 'mien'; did you mean 'mine'"):
        load_formula("mien")


def test_a_file_that_changed_is_read_again(library: Path) -> None:
    path = library / "mine.toml"
    path.write_text(toml("3*n"))
    first = load_formula("mine")
    assert load_formula("mine") is first
    path.write_text(toml("4*n"))
    os.utime(path, ns=(1, 1))
    assert load_formula("mine").cost(n=5).at().flops == 20


def test_a_short_name_of_two_classes_is_ambiguous(library: Path) -> None:
    (library / "one.toml").write_text(toml("n", '"a.Same", "b.Same"'))
    assert formula_for_class("Same").name == "one"  # two names of one formula
    (library / "two.toml").write_text(toml("n", '"c.Same"'))
    with pytest.raises(SymflopsError, match=r"^class 'Same' is ambiguous: a\.Same, b\.Same, c\.Same$"):
        formula_for_class("Same")
    assert formula_for_class("c.Same").name == "two"


def test_what_is_no_file_in_the_library(library: Path) -> None:
    (library / "folder.toml").mkdir()
    for ask in (lambda: formula_for_class("my.Thing"), lambda: load_formula("folder")):
        with pytest.raises(SymflopsError, match=r"folder\.toml: cannot read: Is a directory"):
            ask()
    (library / "folder.toml").rmdir()
    (library / "gone.toml").symlink_to(library / "nowhere.toml")
    for ask in (lambda: formula_for_class("my.Thing"), lambda: load_formula("gone")):
        with pytest.raises(SymflopsError, match=r"gone\.toml: cannot read: No such file"):
            ask()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "made.toml"
    with pytest.raises(SymflopsError, match=r"made\.toml: cannot read: No such file or directory"):
        read_formula(path)
    path.write_text("about = ")
    with pytest.raises(SymflopsError, match=r"made\.toml: not a TOML file"):
        load_formula(str(path))
    path.write_bytes(b'about = "\xff"')
    with pytest.raises(SymflopsError, match=r"made\.toml: not a TOML file"):
        read_formula(path)
    text = toml()
    path.write_text(text + "#" * (1_000_000 - len(text)))
    assert read_formula(path).cost(n=5).at().flops == 5
    path.write_text(text + "#" * (1_000_001 - len(text)))
    with pytest.raises(SymflopsError, match=r"made\.toml: .*1,000,000 bytes"):
        read_formula(path)
