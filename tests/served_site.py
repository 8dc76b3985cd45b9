"""What tests of the site share: the site on a plain file server, its scripts in Node, and random configs."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Iterator, Sequence
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browsed import NODE

from symflops.atlas.entries import ATLAS, Entry, entry
from symflops.export.html import ENGINE, sources
from symflops.passes.walk import MOST_NAMES
from symflops.site import build
from symflops.site.compiled import entry_text, library, metrics, model_text
from symflops.vocabulary.fields import means

ROOT = Path(__file__).parent.parent
SILU_OR_NOT = ("silu", "gelu", "relu", "x")
ROPES: tuple[Any, ...] = (
    None,
    {"type": "linear", "factor": 2.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 8192},
    {"type": "yarn", "factor": 40},
)  # fmt: skip
FORMATS: tuple[dict[str, Any], ...] = (
    {"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3"},
    {"quant_method": "gptq", "bits": 8, "group_size": -1},
    {"quant_method": "awq", "bits": 4, "group_size": 64, "modules_to_not_convert": ["mlp"]},
    {"quant_method": "bitsandbytes", "load_in_4bit": True},
    {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
    {"quant_method": "fp8", "modules_to_not_convert": ["lm_head", "q_proj", "model.layers.*.mlp.gate"]},
)


@pytest.fixture(scope="module")
def atlas() -> Iterator[None]:
    """The entries of the repository, of which tests have none otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ATLAS, str(ROOT / "atlas"))
        yield


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="session")
def served_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the folder of the whole site."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ATLAS, str(ROOT / "atlas"))
        build.build(folder, "symflops test")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


@cache
def _library() -> dict[str, Any]:
    return library()


@cache
def _text(kind: str) -> str:
    return entry_text(entry(kind))


def answers(jobs: Sequence[dict[str, Any]], entries: Sequence[Entry], folder: Path) -> Any:
    """What the page's scripts make of configs, run by Node: a job is {type, text, name, points}, or {model, points} of
    a model file of symflops; with a format of weights, and as a step of training, where it says so."""
    types = {one.model_type: _text(one.model_type) for one in entries}
    shipped = {f"model {job['model']}": model_text(job["model"]) for job in jobs if "model" in job}
    data = {"library": _library(), "metrics": metrics(), "jobs": jobs, "types": types | shipped}
    (folder / "data.json").write_text(json.dumps(data), "utf-8")
    head = """"use strict";
const { library: LIBRARY, metrics: METRICS, jobs, types } = JSON.parse(require("fs").readFileSync("data.json", "utf8"));
"""
    engine = sources([name for name in ENGINE if name != "element.js"])  # which needs a document
    tail = """
const opened = new Map();
const entryOf = (type) => {
  const [said, steps] = types[type].split("\\n");
  if (!opened.has(type)) opened.set(type, [parseJson(said), JSON.parse(steps)]);
  return opened.get(type);
};
const attempt = (act) => {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return error.message;
  }
};
const at = (model, point) => {
  const symbols = Object.create(null);
  for (const [name, value] of Object.entries(point)) {
    symbols[name] = (LIBRARY.run[name]?.fraction ? bytes : count)(name, value);
  }
  const found = evaluate(model, symbols);
  const worked = model.worked.map(({ place }) => run(model.steps, needed(model.steps, [place]), symbols, EXACT)[place]);
  const forms = model.totals.map((step) => polynomialOf(model, step).text());
  const kept = found.kept === undefined ? null : nearest("kept", found.kept);
  const [weights, most] = [nearest("weights", found.weights), nearest("worked", greatest(...worked))];
  if (!model.held) return { totals: found.totals, weights, kept, worked: most, forms };
  const held = ["gradients", "optimizer", "saved"].map((kind) => model.held[kind]);
  const values = run(model.steps, needed(model.steps, held), symbols, EXACT);
  const [gradients, optimizer, saved] = held.map((step) => nearest("held", values[step]));
  return { totals: found.totals, weights, worked: most, forms, gradients, optimizer, saved };
};
const out = jobs.map(({ type, text, name, points, format, model: file, trained }) =>
  attempt(() => {
    const [entry, program] = entryOf(file ? `model ${file}` : type);
    const answer = file ? answerOfFile(entry, program, file) : answerFrom(entry, program, parseJson(text), name);
    const model = modelOf(answer, program, format, trained);
    const found = points.map((point) => attempt(() => at(model, point)));
    const { dtype, symbols } = model.answer;
    return { dtype, notes: model.notes, symbols: Object.fromEntries(symbols), at: found };
  }),
);
console.log(JSON.stringify(out, (_, value) => (typeof value === "bigint" ? String(value) : value)));
"""
    (folder / "main.js").write_text("\n".join((head, engine, sources(build.BEFORE, build.PAGE), tail)), "utf-8")
    done = subprocess.run([NODE or "node", "main.js"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-1000:]
    return json.loads(done.stdout)


def random_config(entry: Entry, rng: random.Random) -> dict[str, Any]:
    """A config that states some of what its class has defaults for, otherwise."""
    stated: dict[str, Any] = {"model_type": entry.model_type}
    if len(entry.models) > 1:
        stated["architectures"] = [rng.choice(list(entry.models))]
    defaults = list(entry.classes[entry.model_type].defaults.items())
    for name, value in rng.sample(defaults, min(len(defaults), rng.randint(0, 5))):
        stated[name] = _other(value, rng)
    if rng.random() < 0.3:
        stated["rope_scaling"] = rng.choice(ROPES)
    # Of more modules than are looked up the command counts no formats, and says so; the page looks none up.
    is_deep = any(type(value) is int and value > MOST_NAMES and means(name, "depth") for name, value in stated.items())
    if rng.random() < 0.2 and not is_deep:
        stated["quantization_config"] = rng.choice(FORMATS)
    if rng.random() < 0.2:
        stated["torch_dtype"] = rng.choice(("bfloat16", "float32", "torch.float16"))
    if rng.random() < 0.1:
        stated["head_dim"] = rng.choice((64, 128, 96))
    if rng.random() < 0.2:
        stated["num_hidden_layers"] = rng.choice((1, 2, 3, 12, 24))
    return stated


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool):
        return not value if rng.random() < 0.7 else None
    if isinstance(value, int):
        return rng.choice((value, value * 2, value // 2, 1, 2, 8, 64, 4096, 2**70))
    if isinstance(value, float):
        return rng.choice((value, 1.0, 0.5, 2.5, 3, 1e-05))
    if isinstance(value, str):
        return rng.choice((value, *SILU_OR_NOT))
    if isinstance(value, list):
        return rng.choice((value, [], ["full_attention"] * 12, ["full_attention", "sliding_attention"] * 6))
    if isinstance(value, dict):
        return rng.choice((value, {"rope_type": "default"}, {"type": "yarn", "factor": 4.0}))
    return rng.choice((None, 2, 64, True, False, "é\n", {"rope_type": "linear", "factor": 2.0}))
