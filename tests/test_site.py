"""The calculator in a real browser, on a plain file server: what it shows is what `at` says, wherever a user goes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from browsed import Page, in_a_browser
from test_report_machine import shown, words

import symflops
from symflops.analysis.memory import memory
from symflops.atlas import entries
from symflops.atlas.answer import answer
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.passes.formats import formats
from symflops.passes.training import training
from symflops.quantization import named
from symflops.site.build import real_configs
from symflops.source import INSTALL

pytestmark = [pytest.mark.xdist_group("site"), pytest.mark.usefixtures("atlas"), pytest.mark.browser]


class Calculator(Page):
    """The calculator, and what a user does with it."""

    def __init__(self, driver: Any, address: str) -> None:
        super().__init__(driver, Path())
        self.address = address

    def go(self, fragment: str = "") -> Calculator:
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/calculator/{fragment}")
        self.settle()
        return self

    def settle(self) -> None:
        self.wait("document.getElementById('busy').hidden")

    def choose_model(self, value: str) -> None:
        self.choose("type", value)
        self.find("#by-type button").click()
        self.settle()

    def paste_config(self, text: str) -> None:
        """As somebody pastes a text and presses the button."""
        before = len(self.all("#chosen > li"))
        self.run(
            "document.getElementById('own').open = true; document.getElementById('config').value = arguments[0]", text
        )
        self.run("document.getElementById('refusals').replaceChildren()")
        self.find("#by-config button").click()
        self.wait(
            f"document.querySelectorAll('#chosen > li').length > {before} || document.querySelector('#refusals p')"
        )
        self.settle()

    def remove(self, place: int = 0) -> None:
        before = len(self.all("#chosen > li"))
        self.run("document.querySelectorAll('#chosen .acts button:nth-child(2)')[arguments[0]].click()", place)
        self.wait(f"document.querySelectorAll('#chosen > li').length < {before}")
        self.settle()

    def refused(self) -> list[str]:
        return self.texts("#refusals p")

    def point(self) -> dict[str, Any]:
        """The numbers of all symbols that have one, as the page computes with them."""
        script = """return [...document.querySelectorAll("#fields input:not([type=range])")].map((field) =>
            [field.id.replace("field-", ""), field.type === "checkbox" ? (field.checked ? "1" : "0") : field.value])"""
        return {name: json.loads(value) for name, value in self.run(script) if value}


@pytest.fixture
def calculator(browser: Any, served_site: tuple[str, Path]) -> Iterator[Calculator]:
    browser.get_log("browser")
    page = Calculator(browser, served_site[0])
    page.emulate()
    yield page.go()
    assert browser.get_log("browser") == []


def numbers(model: Model, point: dict[str, Any]) -> list[int]:
    cost = model.total().at(**point)
    return [int(getattr(cost, metric)) for metric in METRICS]


def test_real_configs_are_pasted_and_have_the_numbers_of_at(calculator: Calculator) -> None:
    """One of each type, at where the page opens, and at a decoding step of more sequences than doubles can count; what
    the scripts make of all of them, at more points, is in test_site_answers.py."""
    chosen = {config["model_type"]: (name, config) for name, config in real_configs().items()}
    assert len(chosen) >= 20
    for name, config in chosen.values():
        calculator.paste_config(json.dumps(config, indent=2))
        assert calculator.refused() == [], name
        model = answer(config, config["model_type"])
        assert calculator.totals() == numbers(model, calculator.point()), name
        if "past_len" in model.total().free_symbols and not model.assumes[-1].startswith("seq_len"):
            calculator.type("seq_len", 1)
            calculator.type("past_len", 700)
            calculator.type("batch_size", 10**17 + 1)
            point = {**calculator.point(), "batch_size": 10**17 + 1}
            if not calculator.texts(".trouble")[0]:
                assert calculator.totals() == numbers(model, point), name
        calculator.remove()
    assert calculator.all("#report section") == []


def test_a_type_with_lengths_of_its_own_has_fields_for_them(calculator: Calculator) -> None:
    """An encoder and a decoder: no seq_len, and the class is the one that the atlas has."""
    calculator.choose_model("bart")
    assert (calculator.refused(), calculator.all("#field-seq_len")) == ([], [])
    model = answer({"model_type": "bart", "architectures": ["BartModel"]}, "bart")
    calculator.type("source_len", 77)
    assert calculator.point()["source_len"] == 77
    assert calculator.totals() == numbers(model, calculator.point())


def test_types_are_chosen_and_compared(calculator: Calculator) -> None:
    for word in ("llama", "real:Mixtral-8x7B-v0.1", "real:DeepSeek-V3", "llama"):
        calculator.choose_model(word)
    real = real_configs()
    models = [answer(config, "m") for config in (
        {"model_type": "llama"}, real["Mixtral-8x7B-v0.1"], real["DeepSeek-V3"], {"model_type": "llama"})]  # fmt: skip
    names = ["llama", "Mixtral-8x7B-v0.1", "DeepSeek-V3", "llama (2)"]
    assert calculator.texts("#chosen strong") == names
    assert [calculator.totals(i) for i in range(4)] == [numbers(m, calculator.point()) for m in models]
    calculator.choose_model("gemma")
    assert calculator.refused() == ["4 models can be compared; remove one first"]
    calculator.remove(1)
    assert calculator.texts("#chosen strong") == ["llama", "DeepSeek-V3", "llama (2)"]
    notes = calculator.texts("#chosen .notes")
    assert notes[1].startswith("weights in formats of their own: fp8-block128 for q_a_proj")
    kept = [memory(m, **calculator.point()) for m in (models[0], models[2])]
    for i, found in enumerate(kept):
        assert calculator.find(f"#memory-{i}-peak").get_attribute("title") == f"{found.peak:,} byte"
        assert calculator.find(f"#memory-{i}-working").text.endswith(f"({found.where})")


def test_models_in_other_data_types_are_compared_at_one_and_that_is_said(calculator: Calculator) -> None:
    calculator.choose_model("real:Qwen3-0.6B")
    calculator.choose_model("real:OLMo-2-1124-7B")
    first, second = calculator.texts("#chosen .notes")
    assert "dtype_bytes" not in first
    assert (
        "its data type is float32, of 4 bytes; dtype_bytes, which is one for all models here, opens at the 2" in second
    )
    assert calculator.point()["dtype_bytes"] == 2
    assert calculator.totals(1) == numbers(answer(real_configs()["OLMo-2-1124-7B"], "m"), calculator.point())


def test_a_step_of_training_has_the_numbers_of_training(calculator: Calculator) -> None:
    calculator.choose_model("model:llama-2-7b-hf")
    calculator.find("#trained").click()
    step = training(symflops.load("llama-2-7b-hf"))
    point = {**calculator.point(), "past_len": 0}
    assert calculator.totals() == numbers(step, point)
    held = memory(step, **point)
    for kind in ("weights", "gradients", "optimizer", "saved", "peak"):
        assert calculator.find(f"#memory-0-{kind}").get_attribute("title") == f"{getattr(held, kind):,} byte"
    assert calculator.find("#memory-0-together").get_attribute("title") == f"{held.peak_eager:,} byte"
    assert not calculator.find("#memory-0-state").is_displayed()
    assert calculator.rows()[0][0] == "forward"
    hash_ = calculator.run("return location.hash")
    calculator.go(hash_)
    calculator.wait("document.getElementById('total-0-flops')")
    assert calculator.totals() == numbers(step, point)
    calculator.choose_model("qwen3")  # of which nobody says what its backward costs
    (refused,) = calculator.refused()
    assert refused.startswith("qwen3: model.layers.self_attn.rotary: the cost of the backward of a layer with a cost")
    calculator.find("#trained").click()
    assert calculator.texts("#chosen strong") == ["llama-2-7b-hf", "qwen3"]
    assert calculator.totals(0) == numbers(symflops.load("llama-2-7b-hf"), calculator.point())


def test_the_address_keeps_everything(calculator: Calculator) -> None:
    calculator.paste_config(json.dumps({"model_type": "qwen3", "num_hidden_layers": 7, "head_dim": 128, "é": "<b>"}))
    calculator.choose_model("real:gpt2")
    calculator.choose("format", "gptq")
    calculator.type("batch_size", 5)
    calculator.choose("hardware", "h100-sxm")
    calculator.choose("metric", "read_bytes")
    calculator.wait("location.hash.includes('batch_size=5') && location.hash.includes('view-metric=read_bytes')")
    totals, hash_ = [calculator.totals(i) for i in (0, 1)], calculator.run("return location.hash")
    calculator.go(hash_)
    calculator.wait("document.getElementById('total-1-flops')")
    assert [calculator.totals(i) for i in (0, 1)] == totals
    assert calculator.find("#metric").get_attribute("value") == "read_bytes"
    assert calculator.find("#hardware").get_attribute("value") == "h100-sxm"
    assert calculator.find("#format").get_attribute("value") == "gptq"
    assert calculator.run("return location.hash") == hash_
    for broken in ("#model-1=config:!!!", "#model-1=config:AAAA", "#model-1=nobody", "#model-1=real:__proto__"):
        calculator.go(broken)
        assert len(calculator.refused()) == 1, broken
        assert calculator.all("#chosen > li") == []


def test_a_chosen_format_and_machine_are_those_of_the_command(calculator: Calculator) -> None:
    calculator.choose_model("real:Qwen3-30B-A3B")
    calculator.choose("format", "mxfp4")
    calculator.choose("hardware", "h100-sxm")
    model = formats(answer(real_configs()["Qwen3-30B-A3B"], "m"), named("mxfp4"))
    assert calculator.totals() == numbers(model, calculator.point())
    for changes in ({}, {"seq_len": 1, "past_len": 3000, "batch_size": 64}):
        for symbol, value in changes.items():
            calculator.type(symbol, value)
        assert shown(calculator) == words(symflops.roofline(model, "h100-sxm", **calculator.point()))


def test_what_is_refused_is_the_line_of_the_command(calculator: Calculator) -> None:
    cases: list[dict[str, Any]] = [
        {"model_type": "llama", "hidden_act": "<img src=x onerror='document.title=1'><script>alert(1)</script>"},
        {"model_type": "of_nobody"},
        {"architectures": ["LlamaForCausalLM"]},
        {"model_type": "llama", "architectures": ["LlamaForNobody"]},
        {"model_type": "llama", "num_attention_heads": 32, "num_key_value_heads": 5},
        {"model_type": "gemma2", "layer_types": ["<b>a</b>"] * 26},
        {"model_type": "llama", "per_layer_config": {"0": {"head_dim": 3}}},
    ]
    for config in cases:
        with pytest.raises(SymflopsError) as caught:
            answer(config, str(config.get("model_type", "model")))
        calculator.paste_config(json.dumps(config))
        assert calculator.refused() == [f"{caught.value}; {INSTALL}"]
        assert calculator.all("#chosen > li") == []
    assert calculator.all("#refusals *:not(p)") == []  # what is in a config is text
    assert "Calculator" in calculator.driver.title
    for text in ('{"model_type": "llama",', "[]", '"llama"', "", "x" * 1_000_001):
        calculator.paste_config(text)
        assert len(calculator.refused()) == 1
        assert len(calculator.refused()[0]) < 200


def test_a_hostile_config_that_is_answered_stays_text(calculator: Calculator) -> None:
    config = {"model_type": "llama", "<img src=x>": "<script>", "__proto__": {"isAdmin": True}, "architectures": None,
              "name_or_path": "<b>bold</b>", "constructor": {"prototype": 1}, "hasOwnProperty": 3}  # fmt: skip
    calculator.paste_config(json.dumps(config).replace('"__proto__": {', '"__proto__" : {'))
    assert calculator.refused() == []
    assert calculator.totals() == numbers(answer({"model_type": "llama"}, "m"), calculator.point())
    assert calculator.all("main img, main script, main b, #chosen img, #chosen b") == []
    assert calculator.run("return [({}).isAdmin, typeof ({}).hasOwnProperty]") == [None, "function"]
    calculator.run("document.querySelector('#chosen .acts button').click()")
    assert json.loads(calculator.find("#config").get_attribute("value"))["<img src=x>"] == "<script>"


def test_it_works_on_without_a_connection(calculator: Calculator) -> None:
    calculator.run("performance.setResourceTimingBufferSize(10000)")  # a browser notes 250 files otherwise
    calculator.choose_model("llama")
    count = len(entries.types()) + len(symflops.model_names()) + 2  # the library and the real configs
    calculator.wait(f"performance.getEntriesByType('resource').filter((r) => r.name.endsWith('.gz')).length >= {count}")
    driver = calculator.driver
    driver.execute_cdp_cmd("Network.enable", {})
    line = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", line)
    try:
        calculator.choose_model("falcon")
        calculator.choose_model("real:gemma-2b")
        assert calculator.texts("#chosen strong") == ["llama", "falcon", "gemma-2b"]
        model = answer({"model_type": "falcon"}, "m")
        assert calculator.totals(1) == numbers(model, calculator.point())
    finally:
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**line, "offline": False})
        driver.execute_cdp_cmd("Network.disable", {})


def test_exports(calculator: Calculator) -> None:
    calculator.choose_model("real:Llama-2-7b-hf")
    calculator.choose_model("real:gpt2")
    calculator.run("""window.saved = []; URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };""")
    for kind in ("csv", "json", "tex", "svg", "png"):
        calculator.run("document.querySelector(`[data-export=${arguments[0]}]`).click()", kind)
        calculator.wait(f"saved.length > {('csv', 'json', 'tex', 'svg', 'png').index(kind)}")
    read = (
        "const done = arguments[arguments.length - 1]; Promise.all(saved.slice(0, 4).map((b) => b.text())).then(done)"
    )
    table, data, latex, drawing = calculator.driver.execute_async_script(read)
    model = answer(real_configs()["Llama-2-7b-hf"], "m")
    rows = list(csv.DictReader(StringIO(table)))
    totals = next(row for row in rows if (row["model"], row["layer"]) == ("Llama-2-7b-hf", "total"))
    assert [int(totals[metric]) for metric in METRICS] == numbers(model, calculator.point())
    layers = [row for row in rows if row["model"] == "Llama-2-7b-hf" and row["layer"] != "total"]
    assert sum(int(row["flops"]) for row in layers) == int(totals["flops"])
    found = json.loads(data)["models"][0]
    assert [found["totals"][metric] for metric in METRICS] == numbers(model, calculator.point())
    assert latex.count("\\begin{align*}") == 2
    assert drawing.startswith("<svg")
    assert calculator.run("return saved[4].size") > 5000


def test_keys_and_names_for_those_who_do_not_see(calculator: Calculator) -> None:
    from selenium.webdriver.common.keys import Keys

    calculator.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert calculator.run("return document.activeElement.className") == "skip"
    calculator.find("#type").send_keys("Llama-2")
    calculator.find("#type").send_keys(Keys.TAB)
    calculator.driver.switch_to.active_element.send_keys(Keys.ENTER)
    calculator.wait("document.getElementById('total-0-flops')")
    assert calculator.texts("#chosen strong") == ["Llama-2-7b-hf"]
    script = """const css = "input, select, textarea, button, svg[role=img], table";
      const isNamed = (x) => x.labels?.length || x.getAttribute("aria-label") || x.textContent.trim() ||
        x.querySelector("title, caption");
      const shown = [...document.querySelectorAll(css)].filter((x) => x.checkVisibility());
      return shown.filter((x) => !isNamed(x)).map((x) => x.outerHTML)"""
    assert calculator.run(script) == []
    calculator.wait("/flops/.test(document.getElementById('status').textContent)")
    ids = calculator.run("return [...document.querySelectorAll('[id]')].map((x) => x.id)")
    assert len(ids) == len(set(ids))
    calculator.press("#chosen .acts button:nth-child(2)", Keys.ENTER)
    calculator.wait("!document.querySelector('#chosen > li')")
    assert calculator.run("return document.activeElement.id") == "type"


@pytest.mark.parametrize("width", [390, 768, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(calculator: Calculator, width: int, scheme: str) -> None:
    calculator.emulate(width, scheme=scheme)
    calculator.go("#model-1=real:DeepSeek-V3&model-2=real:gpt-oss-20b&model-3=real:Llama-3.1-70B")
    calculator.wait("document.getElementById('total-2-flops')")
    assert calculator.run("return document.documentElement.scrollWidth <= innerWidth")
    for path in ("architectures/", "architectures/deepseek_v3/", "architectures/falcon/"):
        calculator.driver.get(f"{calculator.address}/{path}")
        assert calculator.run("return document.documentElement.scrollWidth <= innerWidth"), path


def test_on_paper_there_are_results_and_no_controls(calculator: Calculator) -> None:
    calculator.choose_model("real:gpt2")
    calculator.emulate(media="print")
    for css in ("#by-type", "#own", ".exports", ".controls", ".tools"):
        assert not calculator.find(css).is_displayed()
    assert calculator.find("#total-0-flops").is_displayed()
    assert calculator.find("#chosen").is_displayed()
    calculator.emulate()


@in_a_browser
def test_what_is_loaded_is_small_and_nothing_else_is_asked_for(calculator: Calculator) -> None:
    calculator.choose_model("llama")
    asked = calculator.run("return performance.getEntriesByType('resource').map((r) => [r.name, r.encodedBodySize])")
    assert all(name.startswith(f"{calculator.address}/calculator/") for name, _ in asked)
    kinds = {name: size for name, size in asked if "/types/" in name}
    assert next(iter(kinds)).endswith("/types/llama.json.gz") or len(kinds) > 1
    assert all(re.search(r"\.json\.gz$", name) and size <= 30_000 for name, size in kinds.items())
