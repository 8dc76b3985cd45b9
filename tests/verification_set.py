"""The benchmark set of the verifier: formulas rewritten so that they stay right, and formulas with one planted fault.

Nothing here uses the verifier. Right ones are rewritten with SymPy, by shuffling the syntax tree, or come from a table
of identities. Wrong ones are made by editing a model's JSON data, or in the syntax tree. Each wrong one says what was
planted, in the words of `Finding.kind`; where two words describe the same edit both count.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import sympy

import symflops
from symflops.formula import data_folder
from symflops.tree import Tree, names, read, write

MODELS = ("llama-2-7b-hf", "mixtral-8x7b", "mistral-7b", "qwen3-0.6b", "gpt2", "bert-base", "vit-base-16", "mamba-130m")
TERMS = 40  # of a formula that SymPy is asked to rewrite


@dataclass(frozen=True)
class Case:
    """A candidate and what it is compared with: a text, or the total of a shipped model."""

    name: str
    candidate: str
    reference: str
    metric: str = "flops"
    model: str = ""
    kinds: tuple[str, ...] = ()

    def sides(self) -> tuple[Any, Any]:
        return self.candidate, load(self.model) if self.model else self.reference


@cache
def load(name: str) -> symflops.Model:
    return symflops.load(name)


@cache
def text(model: str, metric: str) -> str:
    return load(model).total(symbolic=True).text(metric)


@cache
def library() -> tuple[tuple[str, str], ...]:
    """(name and metric, text) of every formula of the library that is not 0."""
    found = []
    for name in symflops.formula_names():
        formula = symflops.load_formula(name)
        for metric in symflops.METRICS:
            body = formula.texts[metric]
            if names(read(body)) and "\n" not in body:
                found.append((f"{name} {metric}", body))
    return tuple(found)


# ------------------------------------------------------------------------------------------------------- right


def right() -> list[Case]:
    """Rewrites that keep a formula's value."""
    rng = random.Random(4)
    cases: list[Case] = []
    for model in MODELS:
        for metric in symflops.METRICS:
            reference = text(model, metric)
            if not names(read(reference)):
                continue
            cases.append(Case(f"{model} {metric} commuted", commuted(reference, rng), reference, metric, model))
            short = load(model).total(symbolic=True).text(metric, short=True)
            cases.append(Case(f"{model} {metric} renamed", short, reference, metric, model))
    for name, body in library():
        metric = name.split()[1]
        cases.append(Case(f"{name} commuted", commuted(body, rng), body, metric))
        expression = symflops.parse(body)
        if (
            any(f in body for f in ("min", "max", "floor", "ceil", "**N"))
            or len(sympy.Add.make_args(expression)) > TERMS
        ):
            continue
        for way, rewrite in (("expanded", sympy.expand), ("factored", sympy.factor), ("together", sympy.together)):
            rewritten = symflops.unparse(rewrite(expression))
            if rewritten != body:
                cases.append(Case(f"{name} {way}", rewritten, body, metric))
    return cases + identities(rng)


def commuted(body: str, rng: random.Random) -> str:
    """The same sums and products with their operands in another order."""

    def shuffle(tree: Tree) -> Tree:
        if not isinstance(tree, tuple):
            return tree
        operands = [shuffle(operand) for operand in tree[1:]]
        if tree[0] in ("+", "*", "min", "max"):
            rng.shuffle(operands)
        return (tree[0], *operands)

    return write(shuffle(read(body)))


_IDENTITIES = """
    ceil({x}/{k})                          == ({x} + {k} - 1) // {k}
    ceil({x}/{k})                          == floor(({x} + {k} - 1)/{k})
    ceil({x}/{k})                          == -((-{x}) // {k})
    {k}*ceil({x}/{k})                      == {x} + ({k} - {x} % {k}) % {k}
    {k}*({x} // {k})                       == {x} - {x} % {k}
    {x} // {k} // 3                        == {x} // (3*{k})
    ({x} + {k}) // {k}                     == 1 + {x} // {k}
    {x} % {k} + {k}*floor({x}/{k})         == {x}
    ceil({x}/{k})                          == {x} // {k} + min(1, {x} % {k})
    ceil({x}/b)                            == ({x} + b - 1) // b
    b*ceil({x}/b)                          == {x} + (b - {x} % b) % b
    {x} // b // {k}                        == {x} // ({k}*b)
    min({x}, {k})                          == {x} - max({x} - {k}, 0)
    min({x}, {k})                          == {k} - max({k} - {x}, 0)
    min({x}, w)                            == {x} + w - max({x}, w)
    min({x}, w)                            == ({x} + w - max({x} - w, w - {x}))/2
    max({x}, w)                            == {x} + max(w - {x}, 0)
    min({x}, w)*max({x}, w)                == {x}*w
    min({k}*{x}, {k}*w)                    == {k}*min({x}, w)
    min({x} + {k}, w + {k})                == {k} + min({x}, w)
    min({x}, w)*(min({x}, w) + 1)/2        == min({x}*({x} + 1)/2, w*(w + 1)/2)
    min({x}, max(w, {k}))                  == max(min({x}, w), min({x}, {k}))
    max(0, {x} - w) - max(0, w - {x})      == {x} - w
    min({x}, w, {k})                       == min(w, min({k}, {x}))
    min({x}, w)**2 + max({x}, w)**2        == {x}**2 + w**2
    {x}*({x} - 1) // 2                     == {x}*({x} - 1)/2
    {x} // 2 + ceil({x}/2)                 == {x}
    floor({x}/3) + floor(({x} + 1)/3) + floor(({x} + 2)/3) == {x}
    2**({x} + 3)                           == 8*2**{x}
    4**{x} - 1                             == (2**{x} - 1)*(2**{x} + 1)
    6**{x}                                 == 2**{x}*3**{x}
    (1 - 1/b)**{x}                         == ((b - 1)/b)**{x}
    (1 - {k}/b)**({x} + 2)                 == (1 - {k}/b)**{x}*(b - {k})**2/b**2
    log2({k}*{x})                          == log2({k}) + log2({x})
    log2({x}**2*8)                         == 3 + 2*log2({x})
    log2(2**{x})                           == {x}
    sqrt({x}**3*w)                         == {x}*sqrt({x})*sqrt(w)
    sqrt(4*{x}**2 + 4*{x}*w + w**2)        == 2*{x} + w
    {x}/sqrt({x})                          == sqrt({x})
    causal**2*{x} + (1 - causal)**2*w      == causal*{x} + (1 - causal)*w
    {x}/(w + 1) + 1                        == ({x} + w + 1)/(w + 1)
    1/(w + 1) - 1/(w + 2)                  == 1/((w + 1)*(w + 2))
"""


def identities(rng: random.Random) -> list[Case]:
    """The table with several arguments and constants, each alone and inside of a cost."""
    cases = []
    for line in _IDENTITIES.strip().splitlines():
        left, right = line.split("==")
        for x in ("s", "(s + p)", "(b1*s)"):
            k = rng.choice((2, 3, 7, 16, 64, 128, 256))
            a, b = (side.strip().format(x=x, k=k) for side in (left, right))
            if rng.random() < 0.5:
                a, b = f"2*N*h*({a}) + h*N", f"h*({b})*N*2 + N*h"
            cases.append(Case(f"{a} == {b}", a, b))
    return cases


# ------------------------------------------------------------------------------------------------------- wrong


def wrong() -> list[Case]:
    """Formulas with one fault planted."""
    rng = random.Random(44)
    cases = [case for model in MODELS for case in (*wrong_models(model, rng), *wrong_totals(model, rng))]
    return [*cases, *wrong_texts(rng), *wrong_roundings(rng)]


def basic_layers(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(path, the layers around it, the layer) for every basic layer of a model's data."""
    stack = [("", data["layers"])]
    while stack:
        above, layers = stack.pop()
        for name, layer in layers.items():
            path = f"{above}.{name}".lstrip(".")
            if "sub_layers" in layer:
                stack.append((path, layer["sub_layers"]))
            else:
                yield path, layers, layer


def wrong_models(name: str, rng: random.Random) -> Iterator[Case]:
    """Edits of the model's JSON data."""
    data = json.loads((data_folder("models") / f"{name}.json").read_text())
    paths = [path for path, _, _ in basic_layers(data)]
    for path in paths:
        edits: list[tuple[str, tuple[str, ...], Callable[[dict[str, Any], str, dict[str, Any]], None]]] = []
        layer = next(x for p, _, x in basic_layers(data) if p == path)
        args, formula = layer.get("args", {}), layer.get("formula", "")
        is_attention = formula.startswith("sdpa")
        owned = any(x.get("tied") == path for _, _, x in basic_layers(data))
        if not owned:
            edits.append(
                ("without", ("attention missing",) if is_attention else ("missing",), lambda ls, n, _: ls.pop(n))
            )
        edits.append(
            (
                "twice",
                ("extra", "embedding") if "vocab_size" in str(args) else ("extra",),
                lambda ls, n, x: ls.update({n + "_copy": x}),
            )
        )
        rows = args.get("N")
        if rows == "batch_size*seq_len" and "Linear" in layer.get("class", ""):
            is_logits = "vocab_size" in (args["in_features"], args["out_features"])
            if is_logits:
                edits.append(("last token", ("last-token logits",), lambda _, __, x: x["args"].update(N="batch_size")))
            else:
                edits.append(("N*S", ("degree",), lambda _, __, x: x["args"].update(N="batch_size*seq_len**2")))
                edits.append(("N/S", ("degree",), lambda _, __, x: x["args"].update(N="batch_size")))
                edits.append(("N/B", ("batch forgotten",), lambda _, __, x: x["args"].update(N="seq_len")))
            for side in ("in_features", "out_features"):
                if "num_attention_heads" in str(args[side]) and "head_dim" in str(args[side]):
                    edits.append(
                        (side, ("hidden for heads",), lambda _, __, x, s=side: x["args"].update({s: "hidden_size"}))
                    )
                if "num_key_value_heads" in str(args[side]):
                    many = str(args[side]).replace("num_key_value_heads", "num_attention_heads")
                    edits.append(
                        (f"kv {side}", ("kv heads",), lambda _, __, x, s=side, m=many: x["args"].update({s: m}))
                    )
        if "Embedding" in layer.get("class", "") and args.get("num_embeddings") == "vocab_size":

            def dense(_: Any, __: str, x: dict[str, Any]) -> None:
                old = x["args"]
                x.pop("class")
                x["formula"] = "linear"
                x["args"] = {"N": old["N"], "in_features": old["num_embeddings"], "out_features": old["embedding_dim"]}

            edits.append(("dense embedding", ("embedding",), dense))
        if args.get("top_k"):
            edits.append(
                ("all experts", ("all experts",), lambda _, __, x: x["args"].update(top_k=x["args"]["num_experts"]))
            )
        for what, kinds, edit in edits:
            changed = copy.deepcopy(data)
            edit_at(changed, path, edit)
            for metric in ("flops", "matmul_flops"):
                candidate = repr(symflops.load(changed).total(symbolic=True).value(metric))  # expanded
                if candidate != repr(load(name).total(symbolic=True).value(metric)) and rng.random() < 0.4:
                    yield Case(f"{name} {metric} {path} {what}", candidate, text(name, metric), metric, name, kinds)


def edit_at(data: dict[str, Any], path: str, edit: Callable[[dict[str, Any], str, dict[str, Any]], None]) -> None:
    for found, around, layer in basic_layers(data):
        if found == path:
            edit(around, path.rpartition(".")[2], layer)
            return


def wrong_totals(name: str, rng: random.Random) -> Iterator[Case]:
    """Faults of a whole total."""
    layers = {"gpt2": "n_layer"}.get(name, "num_hidden_layers")
    for metric in symflops.METRICS:
        body = text(name, metric)
        used = names(read(body))
        if not used:
            continue

        def case(what: str, candidate: str, *kinds: str, metric: str = metric, body: str = body) -> Case:
            return Case(f"{name} {metric} {what}", candidate, body, metric, name, kinds)

        factor = rng.choice((Fraction(3), Fraction(3, 4), Fraction(5, 2), Fraction(1, 3)))
        yield case(f"times {factor}", f"({body})*{factor.numerator}/{factor.denominator}", "constant factor")
        if metric.endswith("flops"):
            yield case("halved", f"({body})/2", "multiply-accumulate")
        if metric.endswith("bytes"):
            yield case("in bits", f"8*({body})", "bits")
            sizes = sorted(used & {"dtype_bytes", "weight_bytes", "cache_bytes"})
            yield case("without bytes", replaced(body, dict.fromkeys(sizes, "1")), "bytes forgotten")
            yield case("squared bytes", replaced(body, {s: f"({s}**2)" for s in sizes}), "bytes squared")
        for symbol, kind in ((layers, "repeat forgotten"), ("batch_size", "batch forgotten")):
            if symbol in used:
                yield case(f"{symbol} forgotten", replaced(body, {symbol: "1"}), kind)
        if "causal" in used:
            yield case("causal", replaced(body, {"causal": "1"}), "causal")
        if "past_len" in used:
            yield case("no past", replaced(body, {"past_len": "0"}), "past ignored")
        if metric.endswith("flops"):
            yield case("degree", f"({body})*seq_len", "degree")


def replaced(body: str, new: dict[str, str]) -> str:
    def put(tree: Tree) -> Tree:
        if isinstance(tree, tuple):
            return (tree[0], *(put(operand) for operand in tree[1:]))
        return read(new[tree]) if isinstance(tree, str) and tree in new else tree

    return write(put(read(body)))


TEXTS = {
    "transformer": """2*B*S*L*h*(2*h + 2*h) + 4*B*S**2*L*h + 6*B*S*L*h*i + 5*B*n*S**2*L + 8*B*S*L*h + 2*B*S*h*V""",
    "gqa": "2*B*S*h*n*d + 4*B*S*h*g*d + 2*B*S*n*d*h + 4*B*n*S**2*d + 3*B*n*S**2",
    "moe": "2*B*S*h*E + 6*B*S*k*h*i + 5*B*S*k*i + 2*B*S*k*h",
    "conv": "2*B*c_out*c_in*K**2*H*W + B*c_out*H*W",
    "mamba": "4*B*S*h*i + 2*B*S*i*K + 2*B*S*i*(r + 2*N) + 2*B*S*r*i + 9*B*S*i*N + 2*B*S*i*h",
    "lstm": "8*B*S*h*x + 8*B*S*h**2 + 12*B*S*h",
}


def wrong_texts(rng: random.Random) -> Iterator[Case]:
    """Formulas of papers with one term dropped, doubled, scaled, or of another degree."""
    for name, body in TEXTS.items():
        terms = list(read(body)[1:])
        for i, term in enumerate(terms):
            rest = terms[:i] + terms[i + 1 :]
            square = "S**2" in write(term)
            lone = square and sum("S**2" in write(t) for t in terms) == 1
            vocabulary = "V" in names(term)

            def case(what: str, *kinds: str, parts: list[Tree], n: int = i, body: str = body, name: str = name) -> Case:
                return Case(f"{name} term {n} {what}", write(("+", *parts)), body, "flops", "", kinds)

            yield case("dropped", "attention missing" if lone else "missing", parts=rest)
            yield case("twice", "embedding" if vocabulary else "extra", parts=[*rest, ("*", 2, term)])
            k = rng.choice((3, 5, 7))
            yield case(f"times {k}", "constant factor", parts=[*rest, ("*", k, term)])
            if "S" in names(term):
                yield case("times S", "degree", parts=[*rest, ("*", "S", term)])
                if not vocabulary:
                    yield case("over S", "degree", parts=[*rest, ("/", term, "S")])
            if "L" in names(term):
                yield case("once", "repeat forgotten", parts=[*rest, ("/", term, "L")])
            if "k" in names(term):
                yield case("all experts", "all experts", parts=[*rest, ("/", ("*", term, "E"), "k")])
            yield case("halved", "multiply-accumulate", "causal", parts=[*rest, ("/", term, 2)])
        squares = [t for t in terms if "S**2" in write(t)]
        if len(squares) > 1:
            others = [t for t in terms if t not in squares]
            yield Case(f"{name} no attention", write(("+", *others)), body, "flops", "", ("attention missing",))
            halves = [("/", t, 2) for t in squares]
            yield Case(f"{name} causal half", write(("+", *others, *halves)), body, "flops", "", ("causal",))


def wrong_roundings(rng: random.Random) -> Iterator[Case]:
    """Rounding the wrong way, the wrong extreme, and constants that are off by one."""
    for k in (2, 3, 16, 64, 128):
        for h in ("h", "(2*h + n)"):
            yield Case(f"floor {k} {h}", f"{h}*(s // {k})", f"{h}*ceil(s/{k})", kinds=("rounding",))
            yield Case(f"ceil {k} {h}", f"{h}*ceil((s + p)/{k})", f"{h}*((s + p) // {k})", kinds=("rounding",))
            yield Case(f"no ceil {k} {h}", f"{h}*s/{k}", f"{h}*ceil(s/{k})", kinds=("rounding",))
            yield Case(f"max {k} {h}", f"{h}*max(s, {16 * k})", f"{h}*min(s, {16 * k})", kinds=("extreme",))
            yield Case(f"min {h} {k}", f"{k}*{h}*min(s, w)", f"{k}*{h}*max(s, w)", kinds=("extreme",))
