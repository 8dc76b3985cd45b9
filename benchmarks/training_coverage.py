"""Derives every causal language model type in training mode and compares it with real steps on small tensors:
`python benchmarks/training_coverage.py`, which writes docs/training-coverage.md.

Each type is derived at two small configs (`small_configs.py`), with attention written out, and its backward is counted
at two points (`trained.py`, which shares no code with the derivation). A type has a process and a time limit of its
own; finished rows are kept in benchmarks/training.jsonl, a line each, and are not made again unless `--again` asks, or
`--old` where the counter was another one then.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import multiprocessing
import os
import sys
import time
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS, TABLE = ROOT / "benchmarks" / "training.jsonl", ROOT / "docs" / "training-coverage.md"
POINTS = ((2, 17), (3, 40))
COLUMNS = ("matmul_flops", "flops", "saved_bytes")
COUNTER = zlib.crc32(b"".join((ROOT / "benchmarks" / f"{n}.py").read_bytes() for n in ("trained", "operation_count")))
"""What tells rows by an earlier version of the counter."""

BYTES = {"dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2, "past_len": 0, "causal": 0}


PAGE = """# Training: every causal language model type of transformers

Written by `python benchmarks/training_coverage.py`; do not edit. {versions}.

Each type is derived in training mode at two small configs, with attention written out and dropout as it is, and
compared with real steps at (batch_size, seq_len) = {points}: matrix products of the backward by `FlopCounterMode`
(its count of a grouped convolution's weight gradient corrected), all operations of the backward one by one, and what
autograd keeps by its own hooks, each memory once and without weights. Experts are two multiplications of routed rows
there, too, that keep their rows. A point that the model's conditions exclude is left out.{old}

| what | equal | of |
| --- | ---: | ---: |
| matrix products of the backward | {equal[0]} | {of} |
| all FLOPs of the backward | {equal[1]} | {of} |
| bytes that are kept | {equal[2]} | {of} |

What is not equal, or not known:

| type | matrix products | all FLOPs | bytes kept | why |
| --- | --- | --- | --- | --- |
"""


def routed_product(x: Any, weight: Any, chosen: Any) -> Any:
    """Rows times the matrices of their experts, `chosen` as (expert, rows): an operation that keeps the rows."""
    import torch

    back = torch.argsort(torch.cat([rows for _, rows in chosen]))

    class Routed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any) -> Any:
            ctx.save_for_backward(x, weight)
            return torch.cat([x[rows] @ weight[e] for e, rows in chosen])[back]

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            x, weight = ctx.saved_tensors
            of_rows = torch.cat([gradient[rows] @ weight[e].T for e, rows in chosen])[back]
            of_weight = torch.zeros_like(weight)
            for e, rows in chosen:
                of_weight[e] = x[rows].T @ gradient[rows]
            return of_rows, of_weight

    return Routed.apply(x, weight)


def sorted_experts(module: Any, inputs: Any, expert_size: Any) -> Any:
    """One matrix for each expert, given rows in their order and how many each has, as such an operation."""
    import torch

    of_each = inputs.split([int(size) for size in expert_size])
    starts = [sum(len(rows) for rows in of_each[:e]) for e in range(len(of_each))]
    chosen = [(e, torch.arange(s, s + len(rows))) for e, (s, rows) in enumerate(zip(starts, of_each, strict=True))]
    return routed_product(inputs, module.weight.transpose(1, 2), chosen)


def experts(module: Any, hidden_states: Any, top_k_index: Any, top_k_weights: Any) -> Any:
    """Experts as two multiplications of routed rows, each of which keeps its rows: as the derivation has them."""
    from transformers.integrations.moe import _default_apply_gate

    def routed(x: Any, name: str) -> Any:
        weight, bias = getattr(module, name), getattr(module, f"{name}_bias", None)
        weight = weight if getattr(module, "is_transposed", False) else weight.transpose(1, 2)
        y = routed_product(x, weight, chosen)
        return y if bias is None or not getattr(module, "has_bias", False) else y + bias[ids]

    top_k, ids = top_k_index.size(-1), top_k_index.reshape(-1)
    chosen = [(e, (ids == e).nonzero()[:, 0]) for e in range(int(ids.max()) + 1)]
    has_gate = getattr(module, "has_gate", True)
    y = routed(hidden_states.repeat_interleave(top_k, dim=0), "gate_up_proj" if has_gate else "up_proj")
    y = getattr(type(module), "_apply_gate", _default_apply_gate)(module, y) if has_gate else module.act_fn(y)
    y = routed(y, "down_proj")
    if getattr(module, "has_post_expert_norm", False):
        y = module.post_expert_norm(y)
    y = (y * top_k_weights.reshape(-1).unsqueeze(-1)).view(-1, top_k, hidden_states.size(-1)).sum(dim=1)
    return y.to(hidden_states.dtype)


def examined(name: str) -> dict[str, Any]:
    """One type's row: whether each column is equal, or why it is not known."""
    import torch
    from small_configs import small_config
    from trained import count
    from transformers.integrations.moe import ExpertsInterface

    import symflops
    from symflops.errors import SymflopsError
    from symflops.numeric import evaluate
    from symflops.polynomial import Value, add, multiply
    from symflops.trace.configs import find
    from symflops.trace.patches import number_format

    ExpertsInterface._global_mapping["reference"] = experts
    row: dict[str, Any] = {"type": name, **dict.fromkeys(COLUMNS, "yes")}
    started = time.process_time()
    for variant in (0, 1):
        config = small_config(name, variant)
        try:
            model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
        except SymflopsError as error:
            return {**row, **dict.fromkeys(COLUMNS, "not derived"), "why": str(error)[:200]}
        sums: dict[str, Value] = {}
        for place in model.places():
            for key, value in place.layer.gradients().items() if place.layer.is_basic else ():
                sums[key] = add(sums.get(key, 0), multiply(place.runs, value))
        real = copy.deepcopy(config)
        real._attn_implementation = "eager"
        torch.manual_seed(variant)
        with number_format(torch.bfloat16):  # what a source states to be in float32 stays so
            named = find(real)  # of a larger model the config of its text
            network = named.model_class(named.config).train()
        for owner in {id(m.config): m.config for m in network.modules() if hasattr(m, "config")}.values():
            owner.__dict__["_experts_implementation_internal"] = "reference"
        for module in network.modules():
            if list(inspect.signature(type(module).forward).parameters)[1:] == ["inputs", "expert_size"]:
                module.forward = partial(sorted_experts, module)
        weights = [*network.parameters(), *network.buffers()]
        compared = 0
        for batch, length in POINTS:
            ids = torch.randint(0, 50, (batch, length))
            lengths = dict.fromkeys(("seq_len", "source_len", "target_len"), length)
            at = {**model.symbols, **BYTES, **lengths, "batch_size": batch}
            try:
                model.total().at(batch_size=batch, seq_len=length, causal=0)
            except SymflopsError:  # another way of the source is taken there
                continue
            compared += 1
            there = count(partial(_step, network, ids), weights)
            for key, number in (("matmul_flops", there.matmul), ("flops", there.flops), ("saved_bytes", there.saved)):
                ours = evaluate(sums[key], at)
                if ours != number and row[key] == "yes":
                    row[key] = f"{ours} for {number} at {batch}, {length}"
        if not compared:
            return {**row, **dict.fromkeys(COLUMNS, "not compared"), "why": "the model refuses all points"}
    return {**row, "seconds": round(time.process_time() - started, 1)}


def _step(network: Any, ids: Any) -> Any:
    out = network(input_ids=ids, use_cache=False)
    return out.logits if hasattr(out, "logits") else out[0]


def _child(name: str, pipe: Any) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 # what libraries say of configs
    try:
        pipe.send(examined(name))
    except Exception as error:
        why = f"not counted: {type(error).__name__}: {error}"[:200]
        pipe.send({"type": name, **dict.fromkeys(COLUMNS, "not counted"), "why": why})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--old", action="store_true", help="make rows again that another counter counted")
    parser.add_argument("--timeout", type=float, default=120)
    given = parser.parse_args()
    from small_configs import model_types

    rows = {r["type"]: r for r in map(json.loads, RESULTS.read_text().splitlines())} if RESULTS.exists() else {}
    for name in given.types or model_types():
        is_old = given.old and rows.get(name, {}).get("counter") != COUNTER
        if name in rows and not (given.again or is_old):
            continue
        ours, theirs = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.Process(target=_child, args=(name, theirs))
        child.start()
        late = {"type": name, **dict.fromkeys(COLUMNS, "not known"), "why": f"took over {given.timeout:g} s"}
        rows[name] = (ours.recv() if ours.poll(given.timeout) else late) | {"counter": COUNTER}
        child.kill()
        print(name, *(rows[name][c] for c in COLUMNS), rows[name].get("why", ""), flush=True)
        RESULTS.write_text("".join(json.dumps(rows[key]) + "\n" for key in sorted(rows)))
    TABLE.write_text(page(rows))


def page(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of the documentation."""
    import torch
    import transformers

    equal = [sum(row[column] == "yes" for row in rows.values()) for column in COLUMNS]
    versions = f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"
    points = " and ".join(map(str, POINTS))
    earlier = sum(row.get("counter") != COUNTER for row in rows.values())
    old = f" {earlier} rows were counted by an earlier version of the counter." if earlier else ""
    lines = PAGE.format(versions=versions, points=points, of=len(rows), equal=equal, old=old).splitlines()
    for name, row in sorted(rows.items()):
        if any(row[column] != "yes" for column in COLUMNS):
            why = row.get("why", "").replace("|", "\\|")
            lines.append(f"| {name} | {row[COLUMNS[0]]} | {row[COLUMNS[1]]} | {row[COLUMNS[2]]} | {why} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
