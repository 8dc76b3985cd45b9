"""Tables as Markdown, CSV and JSON: the rows, the totals, and names that try to be something else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import symflops
from symflops import METRICS, Model, SymflopsError
from symflops.errors import one_line
from symflops.export import plain
from symflops.export.table import label, table
from symflops.units import scaled

LLAMA, MIXTRAL = "llama-2-7b-hf", "mixtral-8x7b"
AT = ("-B", "1", "-S", "2048")
ZERO = dict.fromkeys(METRICS, "0")


def model_with(names: Sequence[str], name: str = "m") -> Model:
    layers = {layer: {"cost": ZERO | {"flops": f"{i + 1}*batch_size"}} for i, layer in enumerate(names)}
    return symflops.load({"name": name, "layers": layers})


def in_markdown(text: str) -> list[list[str]]:
    """The cells of a Markdown table, as a reader sees them."""
    rows: list[list[str]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        inside = token.type in ("th_open", "td_open") or (inside and token.type == "inline")
        if token.type == "inline" and inside:
            rows[-1].append("".join(t.content for t in token.children or [] if t.type != "html_inline"))
            inside = False
    return rows


# ----------------------------------------------------------------------------------------------------------------- rows


def test_rows_are_the_distinct_layers_with_all_their_runs(say: Any) -> None:
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(say("table", LLAMA, "--format", "csv", *AT)))}
    # Queries and outputs, keys and values are equal matrices in this model: 32 layers of each of the four.
    assert rows["model.layers.self_attn.{q,k,v,o}_proj"]["count"] == "128"
    assert rows["model.layers.self_attn.{q,k,v,o}_proj"]["flops"] == str(128 * 2 * 2048 * 4096 * 4096)
    assert rows["model.layers.{input,post_attention}_layernorm, model.norm"]["count"] == "65"
    assert rows["total"]["flops"] == "29295586971648"
    assert sum(int(row["flops"]) for row in rows.values()) == 2 * 29295586971648


def test_symbolic_rows_keep_apart_what_only_the_numbers_make_equal(say: Any) -> None:
    rows = json.loads(say("table", LLAMA, "--format", "json"))["models"][0]["layers"]
    by_path = {row["path"]: row for row in rows}
    assert by_path["model.layers.self_attn.{k,v}_proj"]["count"] == "2*num_hidden_layers"
    assert by_path["model.layers.self_attn.{k,v}_proj"]["paths"] == [f"model.layers.self_attn.{p}_proj" for p in "kv"]
    assert "model.layers.self_attn.q_proj" in by_path


@pytest.mark.parametrize("name", symflops.model_names())
@pytest.mark.parametrize("depth", [None, 1, 2, 3])
def test_closed_forms_of_the_rows_add_up_to_the_total(name: str, depth: int | None) -> None:
    model = symflops.load(name)
    made = table([model], ["path", *METRICS], depth=depth)
    for metric in METRICS:
        rows = [symflops.Cost.of(flops=line.entries[0].cost.value(metric)) for line in made.lines if line.entries[0]]
        assert sum(rows[1:], rows[0]).value("flops") == model.total(symbolic=True).value(metric)


def test_depth_sums_what_lies_below(say: Any) -> None:
    deep = json.loads(say("table", LLAMA, "--format", "json", "--depth", "3", *AT))["models"][0]["layers"]
    paths = {row["path"]: row["flops"] for row in deep}
    shown = json.loads(say("show", LLAMA, *AT, "--format", "json"))["layers"]
    (mlp,) = (layer for layer in shown if layer["path"] == "model.layers.mlp")
    assert paths["model.layers.mlp"] == mlp["flops"]
    assert sum(paths.values()) == 29295586971648


def test_each_is_one_run_and_the_total_still_all(say: Any) -> None:
    data = json.loads(say("table", LLAMA, "--format", "json", "--each", *AT))
    (model,) = data["models"]
    rows = {row["path"]: row for row in model["layers"]}
    assert rows["model.layers.mlp.down_proj"]["flops"] == 2 * 2048 * 4096 * 11008
    assert sum(row["flops"] * row["count"] for row in model["layers"]) == model["total"]["flops"]
    assert data["of"] == "one run"


def test_two_models_share_the_rows_that_both_have(say: Any) -> None:
    rows = in_markdown(say("table", LLAMA, MIXTRAL, *AT))
    names = [f"{m} {c}" for m in (LLAMA, MIXTRAL) for c in ("count", "flops", "parameters")]
    assert rows[0] == ["path", *names, "difference flops", "difference parameters"]
    by_path = {row[0]: row[1:] for row in rows[1:]}
    assert by_path["model.layers.mlp.down_proj"][3:6] == ["", "", ""]
    assert by_path["model.layers.mlp.experts"][:3] == ["", "", ""]
    assert by_path["lm_head"] == [*["1", "536.9 GFLOP", "131.1 M"] * 2, "0 FLOP", "0"]
    # Equal in Llama 2, not in Mixtral, which has 8 key-value heads: not one row of the two.
    assert by_path["model.layers.self_attn.{k,v}_proj"][2] == "1.074 G"
    assert by_path["model.layers.self_attn.{k,v}_proj"][5] == "268.4 M"
    order = list(by_path)
    assert order.index("model.layers.mlp.experts") < order.index("lm_head")
    columns = ("--columns", "path,count,matmul_flops,parameters")
    printed = say("table", LLAMA, MIXTRAL, "--format", "csv", "--no-difference", *columns, *AT)
    tidy = list(csv.reader(io.StringIO(printed)))
    assert tidy[0] == ["model", "path", "count", "matmul_flops", "parameters"]
    # FlopCounterMode's counts, see test_models.py
    assert [LLAMA, "total", "", "29261612187648", "6738415616"] in tidy
    assert [MIXTRAL, "total", "", "54417235640320", "46702792704"] in tidy


@pytest.fixture
def own_and_other(tmp_path: Path) -> tuple[str, str]:
    """Two models; at batch_size = 2, seq_len = 3 their layers cost, in FLOPs (parameters):

    =====  ==========  ==========  ===================
    layer  own         other       other minus own
    =====  ==========  ==========  ===================
    both   3*2 (5)     7*2 (1)     14 - 6 = 8 (-4)
    mine   10*2 (0)    none        -20 (0)
    new    none        4*2*3 (9)   24 (9)
    total  26 (5)      38 (10)     12 (5)
    =====  ==========  ==========  ===================
    """
    layers = {
        "own": {"both": ("3*batch_size", "5"), "mine": ("10*batch_size", "0")},
        "other": {"both": ("7*batch_size", "1"), "new": ("4*batch_size*seq_len", "9")},
    }
    for name, costs in layers.items():
        stated = {layer: {"cost": ZERO | {"flops": f, "parameters": p}} for layer, (f, p) in costs.items()}
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "layers": stated}))
    return str(tmp_path / "own.json"), str(tmp_path / "other.json")


POINT = ("-B", "2", "-S", "3")
DIFFERENCES = {"both": (8, -4), "mine": (-20, 0), "new": (24, 9), "total": (12, 5)}


def test_the_difference_of_two_models_in_markdown(say: Any, own_and_other: tuple[str, str]) -> None:
    rows = in_markdown(say("table", *own_and_other, *POINT))
    assert rows[0][-2:] == ["difference flops", "difference parameters"]
    assert {row[0]: row[-2:] for row in rows[1:]} == {
        name: [f"{flops} FLOP", str(parameters)] for name, (flops, parameters) in DIFFERENCES.items()
    }
    assert "difference: `other` minus `own`." in say("table", *own_and_other, *POINT)


def test_the_difference_of_two_models_in_json_and_csv(say: Any, own_and_other: tuple[str, str]) -> None:
    found = json.loads(say("table", *own_and_other, *POINT, "--format", "json"))["difference"]
    assert (found["model"], found["minus"]) == ("other", "own")
    rows = [*found["layers"], {"path": "total", **found["total"]}]
    assert {row["path"]: (row["flops"], row["parameters"]) for row in rows} == DIFFERENCES
    # Each once: in the line of the other model, or of our own where the other has no such layer.
    printed = say("table", *own_and_other, *POINT, "--format", "csv")
    lines = [row for row in csv.DictReader(io.StringIO(printed)) if row["difference_flops"]]
    read = {row["path"]: (int(row["difference_flops"]), int(row["difference_parameters"])) for row in lines}
    assert (read, len(lines)) == (DIFFERENCES, 4)


def test_the_difference_of_two_models_in_latex(say: Any, own_and_other: tuple[str, str]) -> None:
    text = say("table", *own_and_other, *POINT, "--format", "latex", "--metric", "flops", "--units", "exact")
    assert r"\multicolumn{1}{@{}c@{}}{difference}" in text
    ends = [line.removesuffix(r" \\").split(" & ")[-1] for line in text.splitlines() if line.endswith(r"\\")]
    assert ends[-4:] == ["8", "24", "$-$20", "12"]


def test_a_difference_of_closed_forms(say: Any, refuse: Any, own_and_other: tuple[str, str]) -> None:
    rows = in_markdown(say("table", *own_and_other, "--numeric", "--difference", "--metric", "flops"))
    assert {row[0]: row[-1] for row in rows[1:]} == {
        "both": "4*B", "mine": "-10*B", "new": "4*B*S", "total": "2*B*(2*S - 3)",
    }  # fmt: skip
    assert "difference" not in say("table", *own_and_other, "--numeric")
    assert "--numeric" in refuse("table", *own_and_other, "--difference")
    assert "of two models, not of 3" in refuse("table", *own_and_other, own_and_other[0], *POINT, "--difference")


def test_a_difference_that_does_not_fit_is_said(run: Any) -> None:
    code, out, said = run("table", LLAMA, "llama-3.1-8b", *AT, "--format", "latex")
    assert (code, "difference}" in out) == (0, False)
    assert "the columns of the difference do not fit" in said
    code, _, said = run("table", LLAMA, "llama-3.1-8b", *AT, "--format", "latex", "--difference")
    assert (code, "does not fit into 12.1 cm" in said) == (3, True)


def test_a_negative_number_in_a_fixed_unit() -> None:
    assert [scaled(n, "flops", "k") for n in (-1_234_567, -1_500, -12)] == ["-1,235", "-1.500", "-0.01200"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a"], "a"),
        (["a.x_proj", "a.y_proj", "a.z"], "a.{x_proj,y_proj,z}"),
        (["m.0.up", "m.1.up", "m.5.up"], "m.{0,1,5}.up"),
        (["pre_a_post", "pre_b_post"], "pre_{a,b}_post"),
        (["a_b", "a_b_b"], "a_{b,b_b}"),
        (["a.b", "c"], "a.b, c"),
        ([f"m.{i}.up" for i in range(60)], "m.{0,1,2,3,4,5,…,59}.up"),
        (["a.x", "a.y", "b.x", "b.y"], "a.{x,y}, b.{x,y}"),
        ([f"{c}{c}.{i}" for i, c in enumerate("abcdefg")], "aa.0, bb.1, cc.2, dd.3, … and 3 more"),
    ],
)
def test_labels(paths: list[str], expected: str) -> None:
    assert label(paths) == expected


@settings(deadline=None)
@given(st.lists(st.text("ab_.", min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
def test_a_label_of_one_group_expands_to_its_paths(paths: list[str]) -> None:
    text = label(paths)
    if ", " not in text and "{" in text:
        start, _, rest = text.partition("{")
        middle, _, end = rest.partition("}")
        assert {f"{start}{part}{end}" for part in middle.split(",")} == set(paths)


# ----------------------------------------------------------------------------------------------------- units and digits


@pytest.mark.parametrize(
    ("number", "metric", "scale", "digits", "expected"),
    [
        (29_295_586_971_648, "flops", "engineering", 4, "29.30 TFLOP"),
        (29_295_586_971_648, "flops", "exact", 4, "29,295,586,971,648"),
        (29_295_586_971_648, "flops", "G", 3, "29,296"),
        (29_295_586_971_648, "flops", "T", 6, "29.2956"),
        (29_295_586_971_648, "flops", "P", 3, "0.0293"),
        (2**31, "read_bytes", "Gi", 2, "2.0"),
        (2**31, "flops", "Gi", 3, "2.15"),  # GiFLOP is nothing: GFLOP
        (999_999, "flops", "engineering", 3, "1.00 MFLOP"),
        (0, "flops", "engineering", 3, "0 FLOP"),
        (7, "parameters", "engineering", 3, "7"),
        (10**40, "flops", "engineering", 2, "1.0e+40 FLOP"),
    ],
)
def test_numbers_as_people_read_them(number: int, metric: str, scale: str, digits: int, expected: str) -> None:
    assert scaled(number, metric, scale, digits) == expected


@settings(deadline=None)
@given(st.integers(0, 10**30), st.integers(1, 12), st.sampled_from(["k", "M", "G", "T", "P", "Mi", "Ti"]))
def test_a_rounded_number_is_the_nearest_with_so_many_digits(number: int, digits: int, scale: str) -> None:
    from fractions import Fraction

    factor = 1024 ** ("KMGTP".index(scale[0]) + 1) if scale.endswith("i") else 1000 ** ("kMGTP".index(scale) + 1)
    text = scaled(number, "read_bytes", scale, digits).replace(",", "")
    places = len(text.partition(".")[2])
    assert abs(Fraction(text) - Fraction(number, factor)) <= Fraction(1, 2 * 10**places)
    significant = text.replace(".", "").lstrip("0")
    assert len(significant) >= min(digits, 1 if not significant else digits) or number == 0 or places == 20


def test_units_stand_in_the_heading(say: Any) -> None:
    rows = in_markdown(say("table", LLAMA, *AT, "--units", "Gi", "--columns", "path,flops,read_bytes,parameters"))
    assert rows[0] == ["path", "flops [GFLOP]", "read bytes [GiB]", "parameters [G]"]
    assert rows[-1] == ["total", "29,296", "27.26", "6.738"]  # 29270515968 / 2**30 = 27.260…


# ---------------------------------------------------------------------------------------------------------- other names

ANY_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(deadline=None)
@given(ANY_NAME, ANY_NAME)
def test_markdown_shows_every_name_as_text(name: str, title: str) -> None:
    rows = in_markdown(plain.markdown(table([model_with([name], title), model_with(["x"])], ["path", "flops"])))
    shown = [row[0] for row in rows]
    assert one_line(label([name])) in shown
    assert all(len(row) == 3 for row in rows)


@settings(deadline=None)
@given(st.text(alphabet="`|\\<>&*_[]()!~#a ", min_size=1, max_size=20))
def test_markdown_markup_in_a_name_is_text(name: str) -> None:
    rows = in_markdown(plain.markdown(table([model_with([name])], ["path", "flops"])))
    assert rows[1] == [name, "B"] or (rows[1][0].strip() == name.strip() and rows[1][1] == "B")


@settings(deadline=None)
@given(ANY_NAME)
def test_csv_gives_names_back_and_is_no_formula_to_a_spreadsheet(name: str) -> None:
    text = plain.comma_separated(table([model_with([name])], ["path", "flops"]))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == 3
    cell = rows[1][0]
    assert cell.removeprefix("'") == one_line(label([name]), 1000).removeprefix("'")
    assert not cell.lstrip(' \t\r\n"\ufeff\0').startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", ' ="x"', "=HYPERLINK('u')", "\uff1d1"])
def test_csv_injection(name: str) -> None:
    text = plain.comma_separated(table([model_with([name])], ["path", "flops"]))
    assert next(csv.reader(io.StringIO(text.partition("\n")[2])))[0] == f"'{name}"


def test_a_closed_form_that_begins_with_a_minus_is_in_brackets() -> None:
    layers = {"a": {"cost": ZERO | {"flops": "-batch_size"}}}
    text = plain.comma_separated(table([symflops.load({"name": "m", "layers": layers})], ["path", "flops"]))
    assert text.splitlines()[1:] == ["a,(-batch_size)", "total,(-batch_size)"]


def test_a_half_character_of_a_name_does_not_stop_a_table(say: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"name": "\\ud800", "layers": {"\\udfff": {"cost": ' + json.dumps(ZERO) + "}}}")
    for output in ("markdown", "csv", "json", "latex"):
        assert "udfff" in say("table", str(path), "--format", output).lower().replace("\\textbackslash{}", "\\")


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", "path,flop"], "unknown column 'flop'; did you mean 'flops'?; valid: path, class"),
        (["--columns", "path"], "a table needs a metric among its columns: flops"),
        (["--columns", "flops,flops"], "a column is named twice"),
        (["--columns", "flops", "--metric", "flops"], "give --columns or --metric, not both"),
        (["--columns", "path,flops,share"], "the column share needs numbers: give -B and -S"),
        (["--metric", "flop"], "unknown column 'flop'"),
        (["--units", "Q!"], "--units 'Q!'"),
        (["--format", "csv", "--units", "G"], "--format csv has every digit; --units and --digits are for"),
        (["--format", "json", "--digits", "3"], "--format json has every digit"),
        (["--standalone"], "--standalone, --environment, --width, --caption and --label are for --format latex, not"),
        (["--caption", "Cost"], "--standalone, --environment, --width, --caption and --label are for --format latex"),
        (["--format", "latex", "--label", "a}b"], "--label 'a}b': letters, digits and any of . : / + - _"),
        (["--format", "csv", "--name-column", "flops=F"], "--format csv has the full names; --name-column is for"),
        (["--name-column", "flop=F"], "--name-column flop: no such column; did you mean 'flops'?"),
        (["--name-row", "lm_haed=head"], "--name-row lm_haed: no such row; did you mean 'lm_head'?"),
        (["--digits", "0"], "--digits"),
        (["--depth", "0"], "--depth"),
        (["--format", "latex", "--long"], "--long is not for --format latex"),
        (["-B", "x"], "batch_size: 'x' is not a number"),
    ],
)
def test_mistakes(refuse: Any, options: list[str], message: str) -> None:
    assert message in refuse("table", LLAMA, *options)


def test_no_model(refuse: Any) -> None:
    assert "Missing argument" in refuse("table")
    assert refuse("table", LLAMA, "nope").startswith("nope: no such model or file")


def test_a_broken_assumption_stops_a_table(refuse: Any) -> None:
    assert "assumption broken" in refuse("table", LLAMA, "--set", "num_key_value_heads=5")


def test_a_metric_that_cannot_be_computed_names_the_model() -> None:
    with pytest.raises(SymflopsError, match="unknown symbol 'q'"):
        table([symflops.load(LLAMA)], ["flops"], given={"q": 1})


def test_rows_and_columns_by_other_names(say: Any) -> None:
    names = ("--name-row", "lm_head=output head", "--name-row", "model.norm=norms", "--name-column", "flops=FLOPs")
    lines = say("table", "llama-2-7b-hf", *names).splitlines()
    assert " | FLOPs | " in lines[0]
    assert [line for line in lines if line.startswith("| `output head` | ")]
    # One row stands for three norms, and any of its paths names it.
    assert [line for line in lines if line.startswith("| `norms` | ")]
    assert not [line for line in lines if "lm_head" in line or "layernorm" in line]
    latex = say("table", "llama-2-7b-hf", "--format", "latex", *names)
    assert "\noutput head & 1 & " in latex
    assert " & FLOPs & " in latex


def test_a_caption_and_a_label_of_one_s_own(say: Any) -> None:
    """What is counted is said all the same, below the table."""
    ours = say("table", "gpt2", "--format", "latex")
    text = say("table", "gpt2", "--format", "latex", "--caption", "100% of_it", "--label", "tab:gpt2")
    assert r"\caption{100\% of\_it\label{tab:gpt2}}" in text
    said = ours.partition(r"\caption{")[2].partition("}\\\\\n")[0]
    assert said.startswith("Cost of ")
    assert said in text.partition(r"\end{longtable}")[2]
    assert r"\label" not in ours


def test_a_long_formula_is_printed_once(say: Any) -> None:
    """Of products of matrices FLOPs and matmul FLOPs are one formula; the long ones go below, with one mark."""
    columns = ("--columns", "path,flops,matmul_flops")
    deepseek = str(Path(__file__).parent / "data" / "deepseek-v3.json")
    text = say("table", deepseek, "--depth", "4", "--format", "latex", *columns, "--width", "30")
    cells = [cell for line in text.splitlines() if line.endswith(r" \\") for cell in line[:-3].split(" & ")[1:]]
    formulas = [cell for cell in cells if len(cell) > 150]
    assert len(formulas) == len(set(formulas))
    below = text.partition(r"\end{longtable}")[2]
    for mark in {cell for cell in cells if cell.startswith("$F_")}:
        assert below.count(mark.removesuffix("$") + " = ") == 1
