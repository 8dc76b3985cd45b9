"""The page on a machine: what its scripts make of the closed forms is what `symflops roofline` says."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from browsed import IS_CI, NODE, in_a_browser, node, text_of

import symflops
from symflops.analysis.roofline import Roofline
from symflops.cli.quantities import engineering
from symflops.numeric import evaluate, whole
from symflops.units import seconds, separated

LLAMA, MIXTRAL = "llama-2-7b-hf", "mixtral-8x7b"


def words(found: Roofline) -> dict[str, str]:
    """What the command line writes of these bounds, row by row of the page's table."""
    total, kept = found.total, found.kept
    assert kept is not None
    assert found.tokens_per_second is not None
    held = found.weight_bytes + evaluate(kept, found.values)
    room = found.hardware.memory * found.hardware.devices
    verdict = "fit into" if found.fits else "do not fit into"
    part = f"({float(held / room) * 100:.3g}\N{NO-BREAK SPACE}%)"
    return {
        "speed": f"{separated(found.tokens_per_second, 6)} {found.unit}/s",
        "least": seconds(total.seconds),
        "binds": total.binds,
        "matmul": seconds(total.matmul),
        "vector": "peak not stated" if total.vector is None else seconds(total.vector),
        "memory": seconds(total.traffic),
        "sum": seconds(found.layer_by_layer),
        "intensity": f"{total.intensity:.4g} FLOP/B",
        "weights": engineering(found.weight_bytes, "read_bytes"),
        "kept": engineering(whole(evaluate(kept, found.values)), "read_bytes"),
        "fit": f"{verdict} {engineering(whole(room), 'read_bytes')} {part}",
    }


def shown(page: Any, model: int = 0) -> dict[str, str]:
    script = """return Object.fromEntries([...document.querySelectorAll(`.bounds [data-model="${arguments[0]}"]`)].map(
        (place) => [place.dataset.bound, place.textContent]))"""
    return dict(page.run(script, model))


@in_a_browser
def test_a_machine_is_chosen_and_all_bounds_are_those_of_roofline(opened: Any) -> None:
    page = opened(LLAMA, MIXTRAL, batch_size=4, seq_len=512)
    assert not page.find(".bounds").is_displayed()
    assert page.all(".level") == []
    for machine, changes in (
        ("h100-sxm", {}),
        ("v100-sxm2-32gb", {"seq_len": 1, "past_len": 3000}),  # states no bf16: fp16
        ("dgx-h100", {"weight_bytes": 1, "batch_size": 300}),
        ("mi300x", {"dtype_bytes": 1}),
    ):
        page.choose("hardware", machine)
        for symbol, value in changes.items():
            page.type(symbol, value)
        point = {s["name"]: s["value"] for s in page.run("return " + VALUES) if s["value"] not in ("", None)}
        for i, model in enumerate((LLAMA, MIXTRAL)):
            numbers = {name: Fraction(value) for name, value in point.items()}
            given = {name: int(n) if n.denominator == 1 else n for name, n in numbers.items()}
            assert shown(page, i) == words(symflops.roofline(model, machine, **given))


@in_a_browser
def test_a_high_throughput_has_all_digits_before_the_point(opened: Any) -> None:
    page = opened("gpt2", batch_size=1, seq_len=1000, hardware=symflops.load_hardware("h100-sxm"))
    # Bytes read and written, as the totals have them, by 3.35 TB/s.
    assert shown(page)["speed"] == f"{1000 * 3.35e12 / (662_042_752 + 475_298_000):,.0f} tokens/s"


VALUES = """[...document.querySelectorAll("#fields input:is([type=text], [type=checkbox])")].map((field) => (
    {name: field.id.slice(6), value: field.type === "checkbox" ? String(Number(field.checked)) : field.value}))"""


@in_a_browser
def test_devices_data_type_and_intermediates_are_those_of_the_options(opened: Any) -> None:
    page = opened(MIXTRAL, batch_size=2, seq_len=64, hardware=symflops.load_hardware("h100-sxm"))
    assert page.find("#hardware").get_attribute("value") == "h100-sxm"
    assert shown(page) == words(symflops.roofline(MIXTRAL, "h100-sxm", batch_size=2, seq_len=64))
    page.find("#devices").send_keys("3")
    page.choose("dtype", "fp8")
    page.find("#unfused").click()
    point = {"batch_size": 2, "seq_len": 64}
    found = symflops.roofline(MIXTRAL, "h100-sxm", devices=3, dtype="fp8", unfused=True, **point)
    assert shown(page) == words(found)
    assert page.find("#about-machine").text == (
        f"3 × NVIDIA H100 SXM, 80 GB: 1.979 PFLOP/s in fp8, 3.35 TB/s, ridge at {found.ridge:,.4g} FLOP/B"
    )
    page.wait("location.hash.includes('unfused')")
    address = page.run("return location.hash")
    assert set(address[1:].split("&")) == {"view-devices=3", "view-dtype=fp8", "view-unfused=true"}
    page.open(address)
    assert shown(page) == words(found)
    page.choose("hardware", "a10")  # states no fp8
    assert shown(page) == words(symflops.roofline(MIXTRAL, "a10", devices=3, unfused=True, **point))


@in_a_browser
def test_the_chart_of_intensity_has_the_ridge(opened: Any) -> None:
    page = opened(LLAMA, seq_len=2048)
    page.choose("hardware", "h100-sxm")
    # 989.4 TFLOP/s over 3.35 TB/s
    assert page.texts("#chart-intensity .level-text") == ["ridge of h100-sxm in bf16: 295.3 FLOP/B"]
    where = """const ticks = [...document.querySelectorAll("#chart-intensity .tick")];
        const y = (power) => ticks.find((tick) => tick.textContent === power).getBoundingClientRect();
        const middle = (box) => (box.top + box.bottom) / 2;
        const line = middle(document.querySelector("#chart-intensity .level").getBoundingClientRect());
        return [middle(y("100")), line, middle(y("1 k"))]"""
    low, ridge, high = page.run(where)
    assert (low - ridge) / (low - high) == pytest.approx(0.4703, abs=0.02)  # log10(295.3) - 2
    page.choose("hardware", "")
    assert page.all(".level") == []


@in_a_browser
def test_least_times_of_layers_are_those_of_roofline(opened: Any) -> None:
    page = opened(MIXTRAL, batch_size=1, seq_len=100)
    page.choose("hardware", "l4")
    found = symflops.roofline(MIXTRAL, "l4", batch_size=1, seq_len=100)
    script = """return [...document.querySelectorAll(".layers tbody tr.leaf")].map((row) =>
        [row.querySelector(".name").title.split("\\n")[0], row.querySelector(".time").firstChild.textContent,
         row.querySelector(".binds").textContent])"""
    assert page.run(script) == [[layer.path, seconds(layer.seconds), layer.binds] for layer in found.layers]
    attention = sum(layer.seconds for layer in found.layers if layer.path.startswith("model.layers.self_attn."))
    group = "return document.querySelector(`.layers [title^='model.layers.self_attn\\\\a']`).closest('tr')"
    assert page.run(f"{group}.querySelector('.time').firstChild.textContent") == seconds(attention)
    page.find(".layers thead th.time button").click()
    times = {layer.path: layer.seconds for layer in found.layers}
    order = [times[path] for path, _, _ in page.run(script) if path.startswith("model.layers.self_attn.")]
    assert order == sorted(order, reverse=True)


def cost(**given: Any) -> dict[str, Any]:
    return {"cost": {metric: given.get(metric, 0) for metric in symflops.METRICS}}


FORGETFUL = {  # asks whether there was a call before, and does not say what it keeps
    "name": "forgetful",
    "symbols": {},
    "layers": {
        "scan": cost(flops="seq_len*(1 + min(past_len, 1))", read_bytes="dtype_bytes*seq_len", parameters=10),
        "inner": {"sub_layers": {"a": cost(flops="seq_len"), "b": cost(flops="seq_len")}},
    },
}


@in_a_browser
def test_what_is_not_known_is_said(opened: Any) -> None:
    page = opened(FORGETFUL, seq_len=5, depth=1, hardware=symflops.load_hardware("a10"))
    assert symflops.roofline(FORGETFUL, "a10", seq_len=5).fits is None
    assert shown(page)["kept"] == "not known"
    assert shown(page)["fit"] == "not known to fit into 24 GB"
    assert shown(page)["sum"] == "— (not all layers are shown)"
    # 5 tokens of 2 bytes at 600 GB/s for the scan; nothing for the group that is shown without its parts
    assert page.texts(".layers .time") == ["least time", "0.01667 nsmemory", "—", "—"]


@in_a_browser
def test_where_a_machine_gives_no_bounds_the_page_says_why(opened: Any) -> None:
    page = opened(LLAMA, batch_size=1, seq_len=8, hardware=symflops.load_hardware("a10"))
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.roofline(LLAMA, "a10", batch_size=1, seq_len=8, dtype_bytes=8)
    page.type("dtype_bytes", 8)
    assert page.find("#trouble-machine").text == str(refused.value)
    assert set(shown(page).values()) == {"—"}
    page.type("dtype_bytes", 2)
    assert page.find("#trouble-machine").text == ""
    for wrong in ("0", "-1", "1.5", "x"):
        page.run("const d = document.getElementById('devices'); d.value = ''")
        page.find("#devices").send_keys(wrong)
        assert page.find("#trouble-machine").text == "devices: must be a positive integer"
        assert set(shown(page).values()) == {"—"}
    page.run("const d = document.getElementById('devices'); d.value = '2'; d.dispatchEvent(new Event('input'))")
    assert shown(page) == words(symflops.roofline(LLAMA, "a10", batch_size=1, seq_len=8, devices=2))
    page.paste("seq_len", "")
    assert set(shown(page).values()) == {"—"}


OWN = """["</script><b>mine</b>"]
about = "<img src=x onerror=\\"document.title = 'owned'\\">"
peak_tflops = { fp16 = 1.25 }
memory_gb = 0.5
bandwidth_gb_s = 10
source = "<i>measured</i>"
"""


@in_a_browser
def test_a_machine_of_ones_own_opens_and_shows_as_text(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN, "utf-8")
    page = opened("gpt2", seq_len=8, hardware=symflops.load_hardware(tmp_path / "own.toml"))
    assert page.find("#hardware").get_attribute("value") == "</script><b>mine</b>"
    assert page.find("#source").text == "<i>measured</i>"
    assert page.all("img, i, b") == []
    assert "owned" not in page.driver.title
    # vector units not stated; 124,439,808 weights of 2 bytes in 500 MB
    assert shown(page)["vector"] == "peak not stated"
    assert shown(page)["weights"] == "248.9 MB"
    assert shown(page) == words(symflops.roofline("gpt2", tmp_path / "own.toml", seq_len=8))


def test_the_command_opens_a_page_on_a_machine(say: Any, refuse: Any) -> None:
    data = json.loads(say("report", "gpt2", "--hardware", "H200").partition('id="data">')[2].partition("</script>")[0])
    assert data["machine"] == "h200-sxm"
    assert [machine["name"] for machine in data["machines"]] == list(symflops.hardware_names())
    assert "unknown machine 'abacus'" in refuse("report", "gpt2", "--hardware", "abacus")


@pytest.mark.skipif(NODE is None and not IS_CI, reason="needs Node (Debian's nodejs)")
@pytest.mark.parametrize("name", symflops.model_names())
def test_bounds_are_exactly_those_of_roofline(name: str, tmp_path: Path) -> None:
    """As fractions, at random points, of the total and of every layer."""
    model = symflops.load(name)
    free = model.total().free_symbols
    rng = random.Random(name)
    cases: list[dict[str, Any]] = []
    for machine in rng.sample(symflops.hardware_names(), 3):
        point = {s: 2 ** rng.randrange(9) for s in sorted(free) if not s.endswith("_bytes") and s != "causal"}
        point |= {"weight_bytes": rng.choice([1, 2])} if "weight_bytes" in free else {}
        options = {"devices": rng.randrange(1, 9), "unfused": rng.choice([True, False])}
        cases.append({"machine": machine, "point": point, "options": options})
    data = text_of(model).partition('id="data">')[2].partition("</script>")[0]
    program = f"""const DATA = {data}, METRICS = DATA.metrics;
        const exact = (x) => (x === undefined ? null : `${{numerator(x)}}/${{denominator(x)}}`);
        console.log(JSON.stringify({json.dumps(cases)}.map(({{machine, point, options}}) => {{
          const symbols = {{dtype_bytes: 2n, weight_bytes: 2n, cache_bytes: 2n, past_len: 0n, causal: 0n}};
          for (const [name, value] of Object.entries(point)) symbols[name] = BigInt(value);
          const on = choose(DATA.machines.find(({{name}}) => name === machine), options, symbols.dtype_bytes);
          const found = bounds(DATA.models[0], evaluate(DATA.models[0], symbols), on);
          return [on.dtype, exact(found.total.seconds), found.total.binds, exact(found.sum), exact(found.needed),
            exact(found.speed), found.fits, found.layers.filter(Boolean).map((b) => [exact(b.seconds), b.binds])];
        }})))"""
    for case, got in zip(cases, node(program, tmp_path), strict=True):
        found = symflops.roofline(model, case["machine"], **case["options"], **case["point"])
        assert found.kept is not None
        held = Fraction(found.weight_bytes + evaluate(found.kept, found.values))
        dtype, least, binds, after, needed, speed, fits, layers = got
        assert (dtype, Fraction(least), binds) == (found.dtype, found.total.seconds, found.total.binds)
        assert (Fraction(after), Fraction(needed), fits) == (found.layer_by_layer, held, found.fits)
        assert float(Fraction(speed)) == found.tokens_per_second
        assert [(Fraction(s), b) for s, b in layers] == [(layer.seconds, layer.binds) for layer in found.layers]
