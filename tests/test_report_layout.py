"""How the page is laid out: one axis for all charts, one colour for a layer, models side by side, ways around."""

from __future__ import annotations

from typing import Any

import pytest
from browsed import in_a_browser

import symflops
from symflops.export.page_tree import merged, rows_of

LLAMA, MIXTRAL, LLAMA3 = "llama-2-7b-hf", "mixtral-8x7b", "llama-3.1-8b"
THREE = (LLAMA, MIXTRAL, LLAMA3)


# --------------------------------------------------------------------------------------------------------------- charts


@in_a_browser
@pytest.mark.parametrize("width", [1400, 390])
def test_all_charts_share_one_axis_and_no_text_is_cut_off(width: int, opened: Any) -> None:
    page = opened(*THREE, seq_len=2048, hardware=symflops.load_hardware("h100-sxm"))
    page.emulate(width)
    for symbol, value in (("seq_len", 2048), ("seq_len", 100_000_000), ("batch_size", 1)):
        page.choose("against", symbol)
        page.type(symbol, value)
        page.run("document.body.offsetHeight")
        axes = page.run("""return [...document.querySelectorAll("svg.chart")].map((svg) =>
            [...svg.querySelectorAll(".tick[text-anchor=middle]")].map((tick) => {
              const box = tick.getBoundingClientRect();
              return [tick.textContent, Math.round((box.left + box.right) * 5)];  // tenths of a pixel
            }))""")
        assert len(axes) == 5
        assert len(axes[0]) >= 4
        assert all(axis == axes[0] for axis in axes)
        outside = page.run("""return [...document.querySelectorAll("svg.chart text")].filter((text) => {
              const [box, chart] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
              return box.left < chart.left - 0.5 || box.right > chart.right + 0.5;
            }).map((text) => text.textContent)""")
        assert outside == []


@in_a_browser
def test_a_tick_at_the_end_of_the_axis_is_written_out(opened: Any) -> None:
    page = opened(LLAMA, seq_len=2**17)  # of which the K of 128 Ki was all that stood there
    page.emulate(1400)
    ends = """const ticks = [...document.querySelectorAll("#chart-total .tick[text-anchor=middle]")];
        const chart = document.getElementById("chart-total").getBoundingClientRect();
        return [ticks.at(-1).textContent, chart.right - ticks.at(-1).getBoundingClientRect().right]"""
    text, left = page.run(ends)
    assert text == "256 Ki"
    assert 0 <= left < 20


@in_a_browser
def test_a_layer_has_one_colour_in_all_models(opened: Any) -> None:
    page = opened(*THREE, batch_size=1, seq_len=2048)
    colours: dict[str, set[str]] = {}
    for i in range(3):
        items = page.run(
            """return [...document.querySelectorAll(`#legend-shares-${arguments[0]} li`)].map((item) => [
                item.querySelector(".part").title, getComputedStyle(item.querySelector(".swatch")).backgroundColor])""",
            i,
        )
        drawn = page.run(
            """return [...document.querySelectorAll(`#chart-shares-${arguments[0]} .area`)].map((area) => [
                area.querySelector("title").textContent, getComputedStyle(area).fill])""",
            i,
        )
        assert items[::-1] == drawn
        assert len({colour for _, colour in items}) == len(items)
        for name, colour in items:
            colours.setdefault(name.split()[-1] if "other" in name else name, set()).add(colour)
    assert {"model.layers.self_attn.attention", "model.layers.mlp.experts", "lm_head", "layers"} <= set(colours)
    assert all(len(own) == 1 for own in colours.values())


# ------------------------------------------------------------------------------------------------------------- controls


@in_a_browser
def test_sliders_of_bytes_stand_where_the_value_is(opened: Any) -> None:
    page = opened(LLAMA)
    stops = ["0.5", "1", "2", "4", "8"]
    place = "return document.getElementById(`slider-${arguments[0]}`).value"
    names = ("dtype_bytes", "weight_bytes", "cache_bytes")
    assert [stops[int(page.run(place, name))] for name in names] == ["2", "2", "2"]
    page.type("dtype_bytes", 4)
    page.type("cache_bytes", 1)
    assert [stops[int(page.run(place, name))] for name in names] == ["4", "4", "1"]
    page.type("cache_bytes", "")
    assert stops[int(page.run(place, "cache_bytes"))] == "4"
    assert page.find("#slider-cache_bytes").get_attribute("aria-valuetext") == "4 (dtype_bytes)"


@in_a_browser
def test_no_number_of_the_page_is_left_of_a_field_that_is_empty(opened: Any) -> None:
    page = opened(*THREE, batch_size=1, seq_len=100, hardware=symflops.load_hardware("h100-sxm"))
    page.paste("batch_size", "")
    for css in ("[id^=total-0-]", "[id^=intensity-]", ".bounds tbody td", ".layers tfoot td.chosen", ".legend .number"):
        assert {text.strip() for text in page.texts(css)} == {"—"}, css
    assert {text for text in page.texts(".layers tbody td") if text} == {"—"}
    assert set(page.texts("[id^=exact-], [id^=ratio-]")) == {""}
    assert set(page.texts("[id^=short-]")) == {"—"}
    assert set(page.run("return [...document.querySelectorAll('.line')].map((line) => line.getAttribute('d'))")) == {""}
    page.wait("document.getElementById('status').textContent.includes('no number')")


# --------------------------------------------------------------------------------------------------------- side by side


@in_a_browser
def test_layers_of_several_models_stand_side_by_side(opened: Any) -> None:
    page = opened(*THREE, batch_size=1, seq_len=64)
    page.choose("metric", "parameters")
    expected: dict[str, list[int]] = {}
    for model in THREE:
        for row in symflops.load(model).rows(groups=True):
            expected.setdefault(row.path, []).append(row.total.at(batch_size=1, seq_len=64).number("parameters"))
    assert dict(page.rows()) == expected
    assert len(page.rows()) == len(expected)
    assert len(page.all(".layers")) == 1
    gate = page.find(".layers [title^='model.layers.mlp.gate\\a']").find_element("xpath", "ancestor::tr")
    cells = [cell.text for cell in gate.find_elements("css selector", "td.chosen")]
    assert cells == ["", "1.049 M", ""]  # Mixtral's router: 32 layers of 4096 x 8
    page.find(".layers thead tr:last-child th:nth-child(5) button").click()  # Mixtral's
    tops = [path for path, _ in page.rows() if "." not in path]
    assert tops == ["model", "lm_head"]
    within = [path for path, _ in page.rows() if path.startswith("model.layers.mlp.")]
    assert within[:2] == ["model.layers.mlp.experts", "model.layers.mlp.gate"]  # what Mixtral does not have stands last


@in_a_browser
def test_a_formula_that_models_share_is_printed_once(opened: Any) -> None:
    page = opened(*THREE)
    owners = page.texts(".formulas dd:nth-of-type(-n + 2) .owners")
    assert owners == [f"{LLAMA}{LLAMA3}", MIXTRAL]
    heads = page.texts(".symbols thead th")
    assert heads[1:] == ["symbol", *THREE, "meaning"]
    rows = page.run("""return [...document.querySelectorAll(".symbols tbody tr")].map((row) =>
        [...row.querySelectorAll("td")].map((cell) => cell.textContent))""")
    values = {name: cells for name, *cells, _ in rows}
    assert values["intermediate_size"] == ["11,008", "14,336", "14,336"]
    assert values["num_local_experts"] == ["", "8", ""]


def test_the_tree_of_several_models_has_each_layer_once() -> None:
    def model(name: str, **layers: Any) -> Any:
        flops = dict.fromkeys(symflops.METRICS, 0) | {"flops": 1}

        def layer(parts: Any) -> Any:
            return {"sub_layers": {n: layer(p) for n, p in parts.items()}} if parts else {"cost": flops}

        named = {n: layer(p) for n, p in layers.items()}
        return rows_of(symflops.load({"name": name, "symbols": {}, "layers": named}), None)

    first = model("first", embed={}, block={"attn": {"q": {}, "o": {}}, "mlp": {"up": {}, "down": {}}}, head={})
    second = model("second", embed={}, block={"attn": {"q": {}, "k": {}, "o": {}}, "mlp": {}, "extra": {}}, tail={})
    lines = merged([first, second])
    assert [("  " * line["depth"] + line["name"], *line["rows"]) for line in lines] == [
        ("embed", 0, 0),
        ("block", 1, 1),
        ("  attn", 2, 2),
        ("    q", 3, 3),
        ("    k", None, 4),
        ("    o", 4, 5),
        ("  mlp", 5, 6),
        ("    up", 6, None),
        ("    down", 7, None),
        ("  extra", None, 7),
        ("tail", None, 8),
        ("head", 8, None),
    ]
    assert [line["parent"] for line in lines] == [-1, -1, 1, 2, 2, 2, 1, 6, 6, 1, -1, -1]
    lines = merged([model("first", embed={}, block={}, head={}), model("other", wte={}, stack={"q": {}}, head={})])
    assert [line["name"] for line in lines] == ["embed", "block", "wte", "stack", "q", "head"]
    lines = merged([model("first", embed={}), model("other", wte={}, stack={})])
    assert [line["name"] for line in lines] == ["embed", "wte", "stack"]


# ------------------------------------------------------------------------------------------------------------- contents


@in_a_browser
def test_a_narrow_page_does_not_move_sideways(opened: Any) -> None:
    """Formulas with long names, tables of several models: what does not fit scrolls by itself."""
    names = ("llama-2-7b-hf", "mixtral-8x7b", "gpt2")
    page = opened(*names, hardware=symflops.load_hardware("h100-sxm"), batch_size=1, seq_len=1000)
    page.emulate(width=390)
    assert page.run("return document.documentElement.scrollWidth") == 390
    page.emulate()


@in_a_browser
def test_the_contents_lead_to_every_part_and_keep_the_values(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page = opened(*THREE, seq_len=2048)
    page.type("batch_size", 3)
    page.wait("location.hash === '#batch_size=3'")
    links = page.all(".contents a:not(.narrow)")
    assert [link.text for link in links] == ["Total", "Machine", "Charts", "Layers", "Formulas", "What is counted"]
    for link in links:
        part = link.get_attribute("href").partition("#")[2]
        page.run(f"document.querySelector('#{part} details').open = false")
        link.send_keys(Keys.ENTER)
        assert page.run("return location.hash") == "#batch_size=3"
        assert page.run(f"return document.querySelector('#{part} details').open")
        assert page.run("return document.activeElement.closest('section').id") == part
        top, strip, tall = page.run(
            f"""const strip = document.querySelector(".strip").getBoundingClientRect();
            return [document.querySelector("#{part}").getBoundingClientRect().top, strip.bottom, innerHeight]"""
        )
        assert strip <= top < tall  # below the strip, in sight
    page.press("#layers summary", Keys.ENTER)  # a part folds by keyboard
    assert not page.find("#layer-table").is_displayed()


@in_a_browser
def test_the_contents_stay_in_sight_and_mark_the_part(opened: Any) -> None:
    page = opened(*THREE)
    for width in (1400, 390):
        page.emulate(width)
        page.run("document.querySelector('#layers').scrollIntoView()")
        page.wait("document.querySelector('.contents [aria-current]')?.textContent === 'Layers'")
        top, left, right = page.run("""const box = document.querySelector(".contents").getBoundingClientRect();
            return [box.top, box.left, box.right]""")
        assert 0 <= top < 40
        assert 0 <= left < right <= width
        marked = page.run("""const box = document.querySelector("[aria-current]").getBoundingClientRect();
            return [box.left, box.right]""")
        assert 0 <= marked[0] < marked[1] <= width
    assert page.find("#metric").is_displayed()


@in_a_browser
def test_three_models_on_a_machine_fit_on_a_phone_and_on_paper(opened: Any) -> None:
    page = opened(*THREE, seq_len=2048, hardware=symflops.load_hardware("h100-sxm"))
    for width in (1400, 390):
        page.emulate(width)
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.run("return document.querySelector('.layers').offsetWidth") <= width
    page.emulate(720, media="print")
    assert page.run("return document.documentElement.scrollWidth") <= 720
    assert "on 1 × h100-sxm in bf16" in page.find(".for-print").text
