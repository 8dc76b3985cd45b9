"""What notebooks show of answers, and the same as DataFrames: whole, true, and names of strangers stay text."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest

import symflops
from symflops import METRICS, SymflopsError, notebook

LLAMA = "llama-2-7b-hf"
TAGS = {"p", "b", "br", "table", "caption", "thead", "tbody", "tr", "th", "td"}  # and what MathML has
MATHML = {"math", "mi", "mn", "mo", "mrow", "mfrac", "msub", "msup", "msqrt"}


class Page(HTMLParser):
    """The rows of the tables of a page, its text, and which tags and attributes it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.replace(chr(0x2062), "")  # a times that nothing shows


def page(thing: Any) -> Page:
    read = Page(thing._repr_html_())
    assert read.open == []
    assert read.tags <= TAGS | MATHML
    return read


def answers(model: Any) -> dict[str, Any]:
    return {
        "roofline": symflops.roofline(model, "h100-sxm", batch_size=1, seq_len=4),
        "comparison": symflops.compare(model, LLAMA),
        "rule": symflops.compare(model, "batch_size*seq_len"),
        "regimes": symflops.regimes(model),
        "verdict": symflops.verify("7*seq_len*batch_size", model),
        "total": model.total(),
        "numbers": model.total().at(batch_size=1, seq_len=4),
        "model": model,
        "sweep": model.total().sweep(batch_size=[1, 2], seq_len=4),
        "rows": model.rows(),
        "answer": symflops.solve(model, "flops <= 1e9", "seq_len", batch_size=1),
        "memory": symflops.memory(model),
        "bytes": symflops.memory(model, batch_size=1, seq_len=4),
        "fit": symflops.fit(model, "h100-sxm", batch_size=1, seq_len=4),
        "times": symflops.times(model, "h100-sxm", batch_size=1, prompt_len=4, new_tokens=2),
    }


@cache
def of_llama() -> dict[str, Any]:
    return answers(symflops.load(LLAMA))


ANSWERS = {  # what each of them is
    "roofline": "Roofline", "comparison": "Comparison", "rule": "Comparison", "regimes": "Regimes",
    "verdict": "Verdict", "total": "Cost", "numbers": "Cost", "model": "Model", "sweep": "Sweep", "rows": "Rows",
    "answer": "Answer", "memory": "Memory", "bytes": "Memory", "fit": "Fit", "times": "Times",
}  # fmt: skip
# What is not an answer by itself: what goes in, and the parts of answers. A Count: tests/test_counting.py.
OTHERS = {"Component", "Count", "Formula", "Hardware", "Layer", "Row", "Solution", "Speed", "SymflopsError"}
HOSTILE = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&amp;</td><td>"]


@cache
def of_strangers() -> dict[str, Any]:
    cost = dict.fromkeys(METRICS, "0") | {"flops": "2*seq_len*batch_size", "read_bytes": "seq_len*dtype_bytes"}
    layers = {path: {"cost": cost, "class": path} for path in HOSTILE}
    return answers(symflops.load({"name": HOSTILE[0], "about": HOSTILE[1], "layers": layers}))


@pytest.mark.parametrize("name", [*ANSWERS])
def test_names_of_strangers_are_text(name: str) -> None:
    shown = page(of_strangers()[name])
    assert shown.attributes <= {"style", "stretchy", "form", "mathvariant"}
    if name in ("roofline", "comparison", "model", "rows"):
        assert {row[0] for row in shown.rows} >= set(HOSTILE)


def test_every_answer_is_shown_and_is_a_frame() -> None:
    classes = {name for name in symflops.__all__ if isinstance(getattr(symflops, name), type)}
    assert classes == {*ANSWERS.values(), *OTHERS}
    made = answers(symflops.load("gpt2"))
    for name, kind in ANSWERS.items():
        assert type(made[name]).__name__ == kind
        assert page(made[name]).text
        if kind != "Model":  # whose rows are one
            assert len(made[name].to_pandas()) > 0


# ------------------------------------------------------------------------------------------------- what the pages say


def test_a_roofline_shows_the_bounds_of_every_layer() -> None:
    found = symflops.roofline(LLAMA, "h100-sxm", batch_size=1, seq_len=1, past_len=2048, measured=100)
    shown = page(found)
    assert found.sentence in shown.text
    assert ["weights and cache", "fit into 80 GB"] in shown.rows
    down = next(row for row in shown.rows if row[0] == "model.layers.mlp.down_proj")
    seconds = 32 * (4096 * 11008 + 4096 + 11008) * 2 / 3.35e12  # weights, inputs and outputs of 32 layers, by bandwidth
    assert down[1] == "×32"
    assert down[5] == f"{seconds * 1e6:.4g} us"
    assert down[7] == "memory"
    assert any(row[0] == "measured" and row[1].startswith("MFU ") for row in shown.rows)


def test_regimes_and_comparisons_show_their_formulas() -> None:
    shown = page(symflops.regimes(LLAMA))
    assert ["leading term", "530432S2"] in shown.rows  # the 2 stands above
    assert ["most", "mlp up to 8,225, then self_attn"] in shown.rows
    assert "S = seq_len" in shown.text
    pair = page(symflops.compare("llama-3.1-8b", LLAMA, "parameters"))
    assert pair.rows[0] == ["parameters", "llama-3.1-8b", LLAMA, "difference", "ratio"]
    assert pair.rows[-1][:4] == ["total", "8030261248", "6738415616", "1291845632"]


def test_an_answer_shows_its_solutions() -> None:
    shown = page(symflops.solve(LLAMA, "flops(self_attn) == flops(mlp)", "seq_len"))
    assert shown.rows == [["seq_len =", "2130332259"]]  # 2130332/259
    assert "seq_len = 2130332/259" in shown.text
    curve = page(symflops.solve(LLAMA, "weights + cache <= 80 GiB", "batch_size", free=["seq_len"]))
    assert curve.rows[0][0] == "batch_size <="
    assert "S = seq_len" in curve.text
    assert page(symflops.solve(LLAMA, "flops == 0", "seq_len", batch_size=1)).rows == []


def test_memory_shows_each_kind() -> None:
    shown = page(symflops.memory(LLAMA, batch_size=1, seq_len=4096))
    assert ["state", "2,147,483,648 byte, 2.147 GB"] in shown.rows  # 32 layers, 2 of 32*128 of 2 bytes, 4,096 tokens
    assert ["place", "the working set is that of lm_head"] in shown.rows
    assert not any(row[0] == "saved" for row in shown.rows)
    forms = page(symflops.memory(LLAMA))
    assert "math" in forms.tags
    assert "b_kv = cache_bytes" in forms.text


def test_a_verdict_shows_its_counterexample_and_what_is_wrong() -> None:
    shown = page(symflops.verify("B*S*h*V", "2*batch_size*seq_len*hidden_size*vocab_size"))
    assert shown.text.startswith("different: flops of B*S*h*V against ")
    assert ["diagnosis", "multiply-accumulates counted, not FLOPs: a factor of 2"] in shown.rows
    assert ["there", "candidate 1, reference 2"] in shown.rows
    assert page(symflops.verify("h + h", "2*h")).text.startswith("equal: ")


def test_a_generation_is_six_closed_forms() -> None:
    shown = page(symflops.generation(LLAMA))
    assert [row[0] for row in shown.rows] == ["metric", *METRICS]
    assert "prompt_len" in shown.rows[1][1]
    assert "mi" in shown.tags


# ------------------------------------------------------------------------------------------------------------- frames


def test_a_roofline_as_a_frame_adds_up() -> None:
    found = symflops.roofline(LLAMA, "h100-sxm", batch_size=1, seq_len=1, past_len=2048)
    frame = found.to_pandas()
    assert list(frame.columns) == [
        "path", "repeat", "intensity", "matmul_seconds", "vector_seconds", "memory_seconds", "unfused_memory_seconds",
        "seconds", "binds",
    ]  # fmt: skip
    assert len(frame) == 20
    assert frame["memory_seconds"].sum() == pytest.approx(float(found.total.memory))
    assert frame["seconds"].sum() == pytest.approx(float(found.layer_by_layer))


def test_a_comparison_as_a_frame() -> None:
    found = symflops.compare("llama-3.1-8b", LLAMA)
    numbers = found.to_pandas(batch_size=2, seq_len=3)
    point = found.at(batch_size=2, seq_len=3)
    assert list(numbers.columns) == ["component", "a", "b", "difference", "ratio"]
    assert (numbers["a"].sum(), numbers["difference"].sum()) == (point["a"], point["difference"])
    at = {symflops.symbol("batch_size"): 2, symflops.symbol("seq_len"): 3}
    assert found.to_pandas()["a"].sum().subs(at) == point["a"]
    rule = symflops.compare(LLAMA, "2*N*D").to_pandas(batch_size=1, seq_len=10)
    assert rule["b"].tolist() == [2 * 6738415616 * 10]
    with pytest.raises(SymflopsError, match="has a value already or does not occur"):
        found.to_pandas(past_len=3)


def test_regimes_as_a_frame_have_an_open_end() -> None:
    frame = symflops.regimes(LLAMA).to_pandas()
    assert frame["component"].tolist() == ["mlp", "self_attn"]
    assert str(frame["last"].dtype) == "Int64"
    assert frame["last"].isna().tolist() == [False, True]
    assert frame["last"][0] == 8225


def test_memory_and_answers_as_frames() -> None:
    frame = symflops.memory(LLAMA, batch_size=1, seq_len=4096).to_pandas().set_index("kind")["bytes"]
    assert frame["weights"] + frame["state"] + frame["working_set"] == frame["peak"]
    form = symflops.memory(LLAMA).to_pandas().set_index("kind")["bytes"]["weights"]
    assert form.subs(symflops.symbol("weight_bytes"), 2) == frame["weights"]
    ranges = symflops.solve(LLAMA, "flops <= 1e15", "seq_len", batch_size=1)
    (last,) = ranges.to_pandas()["last"].tolist()
    assert last == ranges[0].last
    assert symflops.load(LLAMA).total().at(batch_size=1, seq_len=last + 1).flops > 10**15


def test_verdicts_go_below_each_other() -> None:
    import pandas

    verdicts = [symflops.verify("h + h", "2*h"), symflops.verify("3*h", "2*h")]
    frame = pandas.concat([verdict.to_pandas() for verdict in verdicts], ignore_index=True)
    assert frame["status"].tolist() == ["equal", "different"]
    assert (frame["candidate_value"][1], frame["reference_value"][1]) == (3, 2)
    assert frame["counterexample"][1] == "h = 1"


def test_costs_as_frames() -> None:
    frame = symflops.generation(LLAMA).at(batch_size=1, prompt_len=1, new_tokens=1).to_pandas()
    assert frame.set_index("metric")["value"]["parameters"] == 6738415616
    assert frame["unit"].tolist()[:3] == ["FLOP", "FLOP", "byte"]
    assert str(symflops.load(LLAMA).total().to_pandas()["value"][5]) == "6738415616"


def test_large_and_missing_numbers_stay_whole() -> None:
    frame = notebook.frame({"n": [2**70, None], "m": [None, None], "k": [3, None]})
    assert frame["n"][0] == 2**70
    assert frame["k"].dtype == "Int64"
    assert frame["m"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roofline", "comparison", "regimes", "verdict", "total"])
def test_without_pandas_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SymflopsError, match=r"a DataFrame needs pandas \(.*\): pip install 'symflops\[pandas\]'"):
        of_llama()[name].to_pandas()
