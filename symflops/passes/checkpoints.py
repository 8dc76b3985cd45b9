"""The weights of a model as a checkpoint has them: each layer takes the bytes of its tensors, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symflops.algebra import substitute
from symflops.checkpoint import Checkpoint, StoredTensor
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.module_names import bare
from symflops.passes.formats import SAID, plain
from symflops.passes.walk import Site, Walk
from symflops.polynomial import Value

SHOWN = 4
_FLOATS = {"F64", "F32", "F16", "BF16"}
_PLAIN = ("weight", "bias")
# What llama.cpp calls tensors, and what transformers calls their modules: the first that a model has.
_TOP = {
    "token_embd": ("embed_tokens", "wte", "word_embeddings"), "output": ("lm_head",), "output_norm": ("norm", "ln_f"),
    "position_embd": ("wpe",),
}  # fmt: skip
_LISTS = ("layers", "h")
_IN_LAYER = {
    "attn_q": ("self_attn.q_proj",), "attn_k": ("self_attn.k_proj",), "attn_v": ("self_attn.v_proj",),
    "attn_output": ("self_attn.o_proj", "self_attn.dense", "attn.c_proj"),
    "attn_qkv": ("self_attn.qkv_proj", "self_attn.query_key_value", "attn.c_attn"),
    "attn_norm": ("input_layernorm", "ln_1"),
    "attn_q_norm": ("self_attn.q_norm",), "attn_k_norm": ("self_attn.k_norm",),
    "attn_q_a": ("self_attn.q_a_proj",), "attn_q_b": ("self_attn.q_b_proj",), "attn_kv_b": ("self_attn.kv_b_proj",),
    "attn_k_b": ("self_attn.kv_b_proj",), "attn_v_b": ("self_attn.kv_b_proj",),
    "attn_kv_a_mqa": ("self_attn.kv_a_proj_with_mqa",), "attn_q_a_norm": ("self_attn.q_a_layernorm",),
    "attn_kv_a_norm": ("self_attn.kv_a_layernorm",), "attn_sinks": ("self_attn",),
    "ffn_norm": ("pre_feedforward_layernorm", "post_attention_layernorm", "ln_2"),
    "post_attention_norm": ("post_attention_layernorm",), "post_ffw_norm": ("post_feedforward_layernorm",),
    "ffn_gate": ("mlp.gate_proj",), "ffn_up": ("mlp.up_proj", "mlp.gate_up_proj", "mlp.c_fc", "mlp.fc1"),
    "ffn_down": ("mlp.down_proj", "mlp.c_proj", "mlp.fc2"), "ffn_gate_inp": ("mlp.gate", "mlp.router"),
    "exp_probs_b": ("mlp.gate", "mlp.router"), "ffn_gate_exps": ("mlp.experts",), "ffn_up_exps": ("mlp.experts",),
    "ffn_down_exps": ("mlp.experts",),
    "ffn_gate_shexp": ("mlp.shared_experts.gate_proj", "mlp.shared_expert.gate_proj"),
    "ffn_up_shexp": ("mlp.shared_experts.up_proj", "mlp.shared_expert.up_proj"),
    "ffn_down_shexp": ("mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj"),
    "ffn_gate_inp_shexp": ("mlp.shared_expert_gate",),
}  # fmt: skip


def in_checkpoint(model: Model, checkpoint: Checkpoint) -> Model:
    """The model with the bytes that a checkpoint has for each layer; of equal layers that are not kept alike, and of
    kinds of layers that their names do not tell apart, the mean, so that sums are those of the checkpoint.

    Tensors of no layer are not counted, and a note names them; so it does layers of which there is no tensor. Raises
    SymflopsError for a step of training, where no tensor is of a layer, and for weights of another number.
    """
    if model.plan is not None:
        raise SymflopsError("a step of training: weights have their format before (formats, then training)")
    model = plain(model)
    sites: list[Site] = []
    Walk(model, lambda site: sites.append(site)).root()
    found = _Found(model, [site for site in sites if _owns(site)], checkpoint)
    notes = tuple(f"{SAID}{note}" for note in found.notes())
    return replace(model, root=Walk(model, found.assign).root(), notes=(*notes, *model.notes))


def _owns(site: Site) -> bool:
    return bool(site.layer.tied) or site.layer.cost.value("parameters") != 0


def _skeleton(name: str) -> str:
    """The name of a module without places in lists."""
    return ".".join(part for part in bare(name).split(".") if not part.isdecimal())


@dataclass
class _Found:
    model: Model
    sites: list[Site]
    checkpoint: Checkpoint
    pools: dict[str, list[StoredTensor]] = field(default_factory=dict)  # by the skeletons of layers, their tensors
    others: list[StoredTensor] = field(default_factory=list)  # of no layer
    again: list[StoredTensor] = field(default_factory=list)  # of layers that use another one's weights

    def __post_init__(self) -> None:
        self.named = {bare(name): site for site in self.sites for name in site.names}
        self.groups = {above for name in self.named for above in _above(name)}
        below: dict[str, list[StoredTensor]] = {}
        for tensor in self.checkpoint.tensors:
            name = bare(tensor.name) if self.checkpoint.kind == "safetensors" else self._of_gguf(tensor.name)
            owner = next((prefix for prefix in _prefixes(name) if prefix in self.named), "")
            if owner and self.named[owner].layer.tied:
                self.again.append(tensor)
            elif owner:
                self.pools.setdefault(_skeleton(owner), []).append(tensor)
            else:
                below.setdefault(name, []).append(tensor)
        self._steps(below)
        if not self.pools:
            raise SymflopsError(f"no tensor of {self.checkpoint.path} is of a layer", where=self.model.name)
        self.weights = {
            key: sum(self._count(site) for site in self._at(key)) for key in dict.fromkeys(map(self._key, self.sites))
        }
        for key, tensors in self.pools.items():
            self._compare(key, tensors)

    def _steps(self, below: dict[str, list[StoredTensor]]) -> None:
        """What a module computes itself has a name of its own here: weights of a module go to its steps that have none
        yet."""
        empty: dict[str, list[str]] = {}
        for site in self.sites:
            key = self._key(site)
            if not site.layer.tied and key not in self.pools:
                empty.setdefault(key.rpartition(".")[0], []).append(key)
        for name, tensors in below.items():
            group = next((prefix for prefix in _prefixes(name) if prefix in self.groups), "")
            rest = name.removeprefix(f"{group}.").split(".")
            steps = empty.get(_skeleton(group), []) if group and not rest[0].isdecimal() and len(rest) <= 2 else []
            if steps:
                self.pools.setdefault(steps[0], []).extend(tensors)
            else:
                self.others.extend(tensors)

    def _of_gguf(self, name: str) -> str:
        """The name that transformers has for a tensor that llama.cpp names."""
        parts = name.split(".")
        if parts[0] == "blk" and len(parts) > 3:
            candidates = [f"{of}.{parts[1]}.{inner}" for of in _LISTS for inner in _IN_LAYER.get(parts[2], ())]
            rest = parts[3:]
        else:
            candidates, rest = list(_TOP.get(parts[0], ())), parts[1:]
        found = next((c for c in candidates if c in self.named or c in self.groups), name)
        return ".".join([found, *rest]) if found != name else name

    def _key(self, site: Site) -> str:
        return _skeleton(site.names[0]) if site.names else site.path

    def _at(self, key: str) -> list[Site]:
        return [site for site in self.sites if not site.layer.tied and self._key(site) == key]

    def _count(self, site: Site) -> int:
        value = substitute(site.layer.cost.value("parameters"), self.model.symbols)
        if not isinstance(value, int):
            raise SymflopsError(f"{site.path}: how many weights it has is not known", where=self.model.name)
        return value * site.runs

    def _compare(self, key: str, tensors: list[StoredTensor]) -> None:
        """Raise SymflopsError where a layer has so many plain weights, and another number in the checkpoint."""
        if all(t.dtype in _FLOATS and t.name.rpartition(".")[2] in _PLAIN for t in tensors):
            there = sum(_elements(tensor) for tensor in tensors)
            if there != self.weights[key]:
                counts = f"{there:,} weights there, {self.weights[key]:,} in the model"
                raise SymflopsError(f"{self.checkpoint.path} is of another model: {key} has {counts}")

    def assign(self, site: Site) -> Value | None:
        """What the weights of a layer take: of its kind's tensors as much as it has of the weights."""
        owner = next((one for one in self.sites if one.path == site.layer.tied), site)
        if owner is site and site.layer.tied:
            return None
        tensors = self.pools.get(self._key(owner)) if _owns(owner) else None
        if tensors is None:
            return None
        part = Fraction(self._count(owner), self.weights[self._key(owner)])
        each = part * sum(tensor.bytes for tensor in tensors) / owner.runs
        return int(each) if each.denominator == 1 else each

    def notes(self) -> Iterator[str]:
        """What is to be said beside every number."""
        counted = sum(tensor.bytes for tensors in self.pools.values() for tensor in tensors)
        kinds = ", ".join(self.checkpoint.by_dtype)
        yield f"those of {self.checkpoint.path}, {counted:,} bytes ({kinds})"
        for what, tensors in (("of no layer", self.others), ("of weights that another layer has, too", self.again)):
            if tensors:
                size = sum(tensor.bytes for tensor in tensors)
                named = f"{len(tensors):,} tensors, {size:,} bytes: {_shown([t.name for t in tensors])}"
                yield f"not counted, {what}: {named}"
        if missing := [site.path for site in self.sites if not site.layer.tied and self._key(site) not in self.pools]:
            yield f"the checkpoint has no tensors of {_shown(missing)}, which keep weight_bytes"


def _elements(tensor: StoredTensor) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    return count


def _prefixes(name: str) -> Iterator[str]:
    """A name and what it is in, the longest first."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end])


def _above(name: str) -> Iterator[str]:
    prefixes = _prefixes(name)
    next(prefixes)
    return prefixes


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(one_line(name, 80) for name in names[:SHOWN]) + more
