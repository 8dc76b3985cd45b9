"""Pictures: what is drawn is what `at` says, and every name and range can be drawn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import METRICS, SymflopsError
from symflops.export import plots

LLAMA = "llama-2-7b-hf"
HEADS = {"pdf": b"%PDF-", "svg": b"<?xml", "png": b"\x89PNG"}


def area_tops(axes: Any) -> dict[str, list[tuple[float, float]]]:
    """The upper edge of each area: what a reader takes for its end."""
    tops = {}
    for collection in axes.collections:
        (path,) = collection.get_paths()
        by_length: dict[float, float] = {}
        for x, y in path.vertices:
            by_length[x] = max(y, by_length.get(x, 0.0))
        tops[collection.get_label()] = sorted(by_length.items())
    return tops


def test_stacked_components_end_at_the_total() -> None:
    model = symflops.load(LLAMA)
    figure = plots.draw(model, "components", [128, 4096], [8], {"causal": 1})
    sizes, shares = figure.axes
    *_, (last, top) = area_tops(sizes).items()
    for length, flops in top:
        assert flops == model.total().at(batch_size=8, seq_len=round(length), causal=1).flops
    assert all(abs(share - 1) < 1e-9 for _, share in area_tops(shares)[last])


def test_an_area_is_as_high_as_its_layers() -> None:
    """The two largest: 2 FLOPs per weight and token, of gate and up, then of the four square matrices."""
    sizes = plots.draw(symflops.load(LLAMA), "components", [64, 256]).axes[0]
    tops = area_tops(sizes)
    first, second = list(tops)[:2]
    assert (first, second) == ("mlp.{gate,up}_proj", "self_attn.{q,k,v,o}_proj")
    for (length, low), (_, high) in zip(tops[first], tops[second], strict=True):
        assert low == 32 * 2 * length * 2 * 4096 * 11008
        assert high - low == 32 * 4 * length * 2 * 4096 * 4096


def test_cost_per_token_and_intensity() -> None:
    model = symflops.load("mistral-7b")
    flops, moved = plots.draw(model, "per-token", [16, 64], [1, 4]).axes
    (intensity,) = plots.draw(model, "intensity", [16, 64], [1, 4]).axes
    cost = model.total()

    def drawn(axes: Any) -> dict[str, dict[int, float]]:
        return {line.get_label(): dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in axes.lines}

    prefill, decode = cost.at(batch_size=4, seq_len=64), cost.at(batch_size=4, seq_len=1, past_len=64)
    assert drawn(flops)["prefill"][64] * 64 == cost.at(batch_size=1, seq_len=64).flops
    assert drawn(moved)["prefill, batch 4"][64] * 256 == prefill.read_bytes + prefill.write_bytes
    assert drawn(moved)["decode, batch 4"][64] * 4 == decode.read_bytes + decode.write_bytes
    assert drawn(intensity)["prefill, batch 4"][64] == prefill.flops / (prefill.read_bytes + prefill.write_bytes)
    assert drawn(intensity)["decode, batch 4"][64] == decode.flops / (decode.read_bytes + decode.write_bytes)


@pytest.mark.parametrize("kind", plots.FORMATS)
@pytest.mark.parametrize("chart", plots.CHARTS)
def test_the_command_writes_each_kind(
    kind: str, chart: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from symflops.cli import main

    target = tmp_path / f"out.{kind}"
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", "bert-base", "-S", "1:512:*2", "--plot", str(target), "--chart", chart])
    said = capsys.readouterr()
    assert (stopped.value.code, said.out, said.err) == (0, "", f"wrote {target}\n")
    assert target.read_bytes().startswith(HEADS[kind])


@pytest.mark.parametrize("points", [[1], [1, 5], [100, 5000], [1, 131072], [3, 4]])
@pytest.mark.parametrize("chart", plots.CHARTS)
def test_every_range_can_be_drawn(points: list[int], chart: str) -> None:
    assert plots.save(plots.draw(symflops.load(LLAMA), chart, points), "svg") == plots.save(
        plots.draw(symflops.load(LLAMA), chart, points), "svg"
    )


@pytest.mark.parametrize("chart", plots.CHARTS)
@pytest.mark.parametrize("name", ["mamba-130m", LLAMA, "bert-base"])
def test_every_axis_has_numbers(name: str, chart: str) -> None:
    longest = 512 if name == "bert-base" else 131072  # its positions
    figure = plots.draw(symflops.load(name), chart, [128, longest])
    figure.draw_without_rendering()
    for axis in [*(axes.yaxis for axes in figure.axes), figure.axes[-1].xaxis]:
        low, high = sorted(axis.get_view_interval())
        labelled = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        assert len([text for place, text in labelled if low <= place <= high and text.get_text()]) >= 2


def test_names_in_a_picture_are_text() -> None:
    names = ["$x$", "_hidden", "\\frac{1}{2}", "$\\bad{", "<b>&amp;", "a\nb", "%d {}"]
    zero = dict.fromkeys(METRICS, "0")
    layers = {name: {"cost": zero | {"flops": "seq_len*batch_size"}, "class": name} for name in names}
    model = symflops.load({"name": "$\\alpha_$ <model>", "layers": layers})
    picture = plots.save(plots.draw(model, "components", [1, 8]), "svg").decode()
    figure = plots.draw(model, "components", [1, 8])
    labels = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert sorted(labels) == sorted([*(n for n in names if n != "a\nb"), "a\\nb"])
    assert "<b>" not in picture


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "out.jpg"], "--plot 'out.jpg': expected a name in .pdf, .svg or .png"),
        (["--plot", "/nowhere/at/all.png"], "/nowhere/at/all.png: cannot write: No such file or directory"),
        (["--chart", "intensity"], "--chart is for --plot FILE"),
        (["--plot", "a.png", "-B", "1,2"], "--chart components is for one batch size; give one -B"),
        (
            ["--plot", "a.png", "-P", "1,2"],
            "--plot draws against -S; give -P one value, and only to --chart components",
        ),
        (["--plot", "a.png", "--chart", "intensity", "-B", "1:9"], "a chart shows at most 5 batch sizes, not 9"),
        (["--plot", "a.png", "--chart", "intensity", "--metric", "flops"], "--metric with --plot: one, of --chart"),
    ],
)
def test_mistakes(
    refuse: Any, options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refuse("sweep", LLAMA, "-S", "1:8:*2", *options)
    assert not list(tmp_path.iterdir())


def test_a_model_without_a_length_has_no_chart(refuse: Any, tmp_path: Path) -> None:
    message = refuse("sweep", "vit-base-16", "--plot", str(tmp_path / "a.png"))
    assert message == "vit-base-16: no chart: the cost does not depend on seq_len"


def test_without_matplotlib_the_extra_is_named(refuse: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = refuse("sweep", LLAMA, "--plot", str(tmp_path / "a.png"))
    assert message.startswith("a picture needs matplotlib (")
    assert message.endswith("): pip install 'symflops[plot]'")


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for made in (symflops.load(LLAMA).rows(), symflops.load(LLAMA).total().sweep(seq_len=[1], batch_size=1)):
        with pytest.raises(SymflopsError, match=r"a DataFrame needs pandas \(.*\): pip install 'symflops\[pandas\]'"):
            made.to_pandas()


# ------------------------------------------------------------------------------------------------------------ notebooks


def test_notebooks_show_models_rows_costs_and_sweeps() -> None:
    model = symflops.load(LLAMA)
    assert "<td" in model._repr_html_()
    assert "hidden_size = 4,096" in model._repr_html_()
    cost = model.total()
    assert "<math>" in cost._repr_html_()
    assert str(cost._repr_latex_()).startswith("$\\displaystyle \\begin{aligned}\n\\mathrm{flops} &= ")
    at = cost.at(batch_size=1, seq_len=2048)
    assert at._repr_latex_() is None
    assert "29,261,612,187,648" in str(at._repr_html_())
    page = cost.sweep(batch_size=1, seq_len=range(1, 101))._repr_html_()
    assert page.count("<tr>") == 1 + 5 + 1 + 5
    assert "100 points" in page


def test_names_in_a_notebook_are_text() -> None:
    zero = dict.fromkeys(METRICS, "0")
    model = symflops.load({"name": "<script>", "about": "<b>", "layers": {"<img src=x>": {"cost": zero}}})
    page = model._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" in page  # ours, around the name
    assert page.count("<b>") == 1


def test_rows_as_a_frame() -> None:
    frame = symflops.load(LLAMA).rows().to_pandas(batch_size=1, seq_len=2048)
    assert list(frame.columns) == ["path", "class", "formula", "repeat", *METRICS]
    row = frame[frame["path"] == "model.layers.mlp.down_proj"].iloc[0]
    assert (row["repeat"], row["formula"], row["flops"]) == (32, "linear", 32 * 2 * 2048 * 4096 * 11008)
    assert frame["flops"].dtype == "int64"
    symbolic = symflops.load(LLAMA).rows(symbolic=True).to_pandas()
    repeats = dict(zip(symbolic["path"], symbolic["repeat"], strict=True))
    assert str(repeats["model.layers.mlp.down_proj"]) == "num_hidden_layers"


def test_a_sweep_as_a_frame_has_its_dtypes() -> None:
    frame = symflops.load(LLAMA).total().sweep(batch_size=[1, 2], seq_len=[1, 2048]).to_pandas()
    assert frame["matmul_flops"].tolist()[1] == 29261612187648
    assert frame["matmul_flops"].dtype == "int64"
    assert len(frame) == 4
