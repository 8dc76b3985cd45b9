"""The weights of a model as a kind of GGUF file keeps them: a type for each tensor, by its role and layer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.gguf_types import Facts, GgufType, Mix, types
from symflops.layer import Layer
from symflops.meaning import with_quantity
from symflops.model import Model
from symflops.passes.formats import SAID, plain
from symflops.passes.matrices import matrices
from symflops.passes.walk import Site, Walk
from symflops.polynomial import Value, add, multiply

ROLES = {  # by what transformers calls a layer
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "kv_b_proj": "attn_qkv",
    "qkv_proj": "attn_qkv", "query_key_value": "attn_qkv", "c_attn": "attn_qkv", "Wqkv": "attn_qkv", "out_proj":
    "attn_output", "dense": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
    "gate_up_proj": "ffn_up", "c_fc": "ffn_up", "fc1": "ffn_up", "fc2": "ffn_down", "dense_h_to_4h": "ffn_up",
    "dense_4h_to_h": "ffn_down", "w1": "ffn_gate", "w2": "ffn_down", "w3": "ffn_up",
}  # fmt: skip
_AS_V = ("attn_qkv",)  # llama.cpp has one rule for these and attn_v
_LAYER = re.compile(r"\.(\d+)(?:\.|$)")


def in_gguf(model: Model, mix: Mix, weighted: bool = False) -> Model:
    """The model with weights as a kind of GGUF file has them, made with an importance matrix where `weighted`.

    Raises SymflopsError for a step of training, and where the sizes of a model are not known.
    """
    if model.plan is not None:
        raise SymflopsError("a step of training: weights have their format before (formats, then training)")
    model = plain(model)
    pass_ = _Pass(model, mix, weighted)
    root = Walk(model, pass_.assign).root()
    root = Walk(replace(model, root=root), pass_.tied).root()
    used = ", ".join(dict.fromkeys(pass_.used))
    note = f"{SAID}a GGUF file of {mix.name}: {used} for matrices, F32 for the rest"
    return replace(model, root=root, notes=(note, *model.notes))


@dataclass
class _Pass:
    model: Model
    mix: Mix
    weighted: bool
    used: list[str] = field(default_factory=list)
    embedding: dict[str, Value] = field(default_factory=dict)  # the bytes of tables that other layers may use again

    def __post_init__(self) -> None:
        names = set(self.model.definitions)
        numbers = self.model.symbols
        heads, shared, experts, layers = (
            numbers.get(with_quantity(names, what), 0) for what in ("heads", "kv heads", "experts", "layers")
        )
        self.grouped = heads // shared if shared else 1
        self.experts, self.layers = experts, layers
        self.ties = {layer.tied for layer in self.model.layers if layer.tied}

    def assign(self, site: Site) -> Value | None:
        """What the weights of a layer take."""
        layer = site.layer
        if layer.tied or layer.cost.value("parameters") == 0:
            return None
        four = types()["F32"].bytes
        if layer.formula is not None and layer.formula.name == "embedding":
            args = dict(layer.args)
            role = "output" if site.path in self.ties else "token_embd"
            kind = self._type(role, args["embedding_dim"], 0)
            self.embedding[site.path] = _bytes(kind, multiply(args["num_embeddings"], args["embedding_dim"]))
            return self.embedding[site.path]
        found = matrices(layer)
        if found is None:
            return multiply(four, layer.cost.value("parameters"))
        others = multiply(four, found.others)
        share = Fraction(1, len(site.names))
        each: dict[tuple[str, Value, Value, Value], int] = {}
        for name in site.names:
            at = _LAYER.search(name)
            index = int(at[1]) if at else 0
            for role, (count, rows, columns) in zip(self._roles(site, found.kind), found.sizes, strict=True):
                key = (self._type(role, columns, index).name, count, rows, columns)
                each[key] = each.get(key, 0) + 1
        sums = (
            multiply(_times(share, runs), count, _bytes(types()[kind], multiply(rows, columns)))
            for (kind, count, rows, columns), runs in each.items()
        )
        return add(others, *sums)

    def tied(self, site: Site) -> Value | None:
        """What a layer reads that uses another one's table again; others keep what they have."""
        return self.embedding.get(site.layer.tied, site.layer.stored) if site.layer.tied else site.layer.stored

    def _roles(self, site: Site, kind: str) -> list[str]:
        if kind == "experts":  # gate and up are of one type in every kind of file
            return ["ffn_up", "ffn_down"]
        last = site.path.rpartition(".")[2]
        if not any(_LAYER.search(name) for name in site.names) and self._is_head(site.layer):
            return ["output"]
        return [ROLES.get(last, "other")]

    def _is_head(self, layer: Layer) -> bool:
        rows = substitute(dict(layer.args)["out_features"], self.model.symbols)
        vocabulary = with_quantity(set(self.model.definitions), "vocabulary")
        return vocabulary != "" and rows == self.model.symbols.get(vocabulary)

    def _type(self, role: str, columns: Value, index: int) -> GgufType:
        facts = Facts(index, self.layers, self.grouped, self.experts, self.weighted)
        kind = types()[self.mix.type_of("attn_v" if role in _AS_V else role, facts)]
        wide = substitute(columns, self.model.symbols)
        if not isinstance(wide, int):
            raise SymflopsError("the width of a matrix is not known; give its symbols numbers", where=self.model.name)
        if wide % kind.elements:
            kind = types()[kind.instead or "F16"] if role != "output" else types()["Q8_0"]
            kind = types()["F16"] if wide % kind.elements else kind
        self.used.append(kind.name)
        return kind


def _bytes(kind: GgufType, elements: Value) -> Value:
    return multiply(_times(Fraction(1, kind.elements), kind.bytes), elements)


def _times(share: Fraction, number: int) -> Value:
    product = share * number
    return int(product) if product.denominator == 1 else product
