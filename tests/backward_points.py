"""Random arguments at which the calls of `backward_calls.py` are small and every size is another."""

from __future__ import annotations

from random import Random
from typing import Any

from symflops.formula import load_formula

BY_DEFAULT = {
    "out_length", "out_height", "out_width", "out_depth", "pairs", "kv_read", "masked", "window", "kv_bytes",
    "act_ops", "act_backward_ops", "expected",
}  # fmt: skip
SWITCHES = {"bias", "affine", "tanh", "normalize", "scaled", "sinks", "masked"}


def point(name: str, random: Random) -> dict[str, Any]:
    """All arguments of a formula; `n` is a multiple of what it is shared by."""
    names = tuple(load_formula(name).args)
    sizes = random.sample(range(2, 3 + len(names)), len(names))
    args: dict[str, Any] = {
        arg: random.randint(0, 1) if arg in SWITCHES else size for arg, size in zip(names, sizes, strict=True)
    }
    for arg in args:
        if arg.startswith("stride"):
            args[arg] = random.randint(1, 3)
        elif arg.startswith(("padding", "dilation")):
            args[arg] = random.randint(1, 2) if arg.startswith("dilation") else random.randint(0, 1)
        elif arg.startswith("kernel"):
            args[arg] = random.randint(2, 3)
        elif arg == "routing_bytes":  # of a router in float32
            args[arg] = 4
        elif arg.startswith("output_padding"):
            args[arg] = 0
        elif arg in ("length", "height", "width", "depth"):
            args[arg] = random.randint(7, 12)
    args |= _dependent(name, args, random)
    if name == "sdpa":
        return {arg: value for arg, value in args.items() if arg not in ("pairs", "kv_read")}
    defaults = load_formula(name).defaults
    by_default = BY_DEFAULT - ({"masked", "window"} if name == "sdpa_eager" else set())
    return {arg: value for arg, value in args.items() if arg not in by_default or arg not in defaults}


def _dependent(name: str, a: dict[str, Any], random: Random) -> dict[str, Any]:
    if "groups" in a:
        a["groups"] = random.randint(1, 3)
        channels = {c: a["groups"] * random.randint(2, 4) for c in ("in_channels", "out_channels")}
        return channels | {"groups": a["groups"]}
    if name in ("sdpa", "sdpa_eager"):
        heads, past = a["num_kv_heads"] * random.randint(2, 3), random.randint(0, 6)
        window = random.randint(2, a["q_len"] + past + 2)
        found = {"num_heads": heads, "kv_len": a["q_len"] + past, "window": window}
        # Autograd works on all pairs, and on what the operations of each are: a bias, a soft cap, both.
        return found if name == "sdpa" else found | {"pair_ops": random.choice((0, 1, 3, 4)), "masked": 0}
    if name == "moe_experts":
        return {"num_experts": 3, "top_k": 2, "N": 3 * random.randint(1, 3)}  # rows are shared out evenly
    if name == "embedding":
        return {"N": a["ids"] * random.randint(1, 3)}
    if name == "group_norm":
        return {"channels": a["num_groups"] * random.randint(2, 3)}
    if name == "layer_norm":
        return {"bias": a["bias"] * a["affine"]}
    if name == "add":
        return {"n": a["other"] * random.randint(1, 3)}
    if name == "prelu":
        return {"n": a["num_parameters"] * a["n"]}
    if name == "rotary":
        return {"head_dim": 2 * a["head_dim"], "N": a["table_rows"] * random.randint(1, 3)}
    if name in ("topk", "router"):
        wide, few = ("width", "k") if name == "topk" else ("num_experts", "top_k")
        return {wide: a[few] + random.randint(1, 5)}
    if name == "concatenate":
        return {"n": a["n"] + 1}
    return {}
