"""What a config says of the formats of its weights: `quantization_config`, by each method's own keys.

The words of each method are those of its own reader (transformers' quantizers, compressed-tensors, ModelOpt, GPTQModel,
AutoAWQ, hqq, torchao, aqlm). What is not known is an error of one line, and never taken for something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from symflops.errors import SymflopsError, one_line
from symflops.module_names import Patterns
from symflops.number_format import KINDS, load_format
from symflops.polynomial import Value, symbol
from symflops.quantization import Quantization, Rule

_HEAD = ("lm_head",)
_CACHES = {"fp8": "float8_e4m3fn", "int8": "int8"}
_MOST_BITS = 64


def quantization(data: Mapping[str, Any], kind: str = "linear") -> Quantization:
    """What a quantization_config says, or the `quantization` of ModelOpt's hf_quant_config.json.

    >>> quantization({"quant_method": "fp8", "weight_block_size": [128, 128]}).rules[0].format.name
    'fp8-block128'

    Raises SymflopsError for a method that is not known, and for values that it does not have.
    """
    inner = data.get("quantization")
    data = inner if isinstance(inner, Mapping) else data
    method = _text(data, "quant_method").lower()
    if not method and ("quant_algo" in data or _text(_table(data, "producer"), "name") == "modelopt"):
        method = "modelopt"
    if method not in _METHODS:
        raise SymflopsError(f"its method {method[:40] or 'is not named'!r} is not known")
    rules, ignored, doubts = _METHODS[method](data)
    if not rules:
        raise SymflopsError("it names no layers")
    cache, doubt = _cache(data)
    words = ", ".join(dict.fromkeys(_words(data, method)))
    return Quantization(f"the config's {words}", rules, Patterns.of(ignored), cache, (*doubts, *doubt))


def _words(data: Mapping[str, Any], method: str) -> Iterator[str]:
    yield method
    for key in ("quant_algo", "fmt", "format"):
        if isinstance(data.get(key), str):
            yield one_line(data[key], 40)


_Found = tuple[tuple[Rule, ...], tuple[Any, ...], tuple[str, ...]]


def _one(name: str, ignored: tuple[Any, ...] = _HEAD, **args: Value) -> _Found:
    return (Rule(load_format(name), args),), ignored, ()


def _fp8(data: Mapping[str, Any]) -> _Found:
    ignored = _names(data, "modules_to_not_convert") or _HEAD
    block = data.get("weight_block_size")
    if block is None:
        scale = 4 if data.get("activation_scheme") == "static" else 0
        return _one("fp8-tensor", ignored, input_scale_bytes=scale)
    if not isinstance(block, list | tuple) or len(block) != 2:
        raise SymflopsError(f"weight_block_size is {str(block)[:40]}")
    rows, columns = (_positive(size, "weight_block_size") for size in block)
    return _one("fp8-block128", ignored, block_rows=rows, block_columns=columns)


def _gptq(data: Mapping[str, Any]) -> _Found:
    ignored: tuple[Any, ...] = () if data.get("lm_head") is True else _HEAD
    ignored += _names(data, "modules_to_not_convert")
    doubts = []
    for pattern in _table(data, "dynamic"):
        if str(pattern).startswith("-:"):
            ignored += (f"re:{str(pattern)[2:]}",)
        else:
            doubts.append("dynamic gives single modules other bits, which are not counted")
    rules, ignored, _ = _one("gptq", ignored, bits=_bits(data, "bits"), group_size=_group(data))
    return rules, ignored, tuple(dict.fromkeys(doubts))


def _awq(data: Mapping[str, Any]) -> _Found:
    bits = _bits(data, "bits" if "bits" in data else "w_bit")
    group = _group(data, "group_size" if "group_size" in data else "q_group_size")
    ignored = (*_HEAD, *_names(data, "modules_to_not_convert"))
    if data.get("zero_point") is False:
        return _one("int4-group128", ignored, bits=bits, group_size=group)
    return _one("awq", ignored, bits=bits, group_size=group)


def _bitsandbytes(data: Mapping[str, Any]) -> _Found:
    ignored = _names(data, "llm_int8_skip_modules") or _HEAD
    if data.get("load_in_8bit") is True:
        return _one("bnb-8bit", ignored)
    if data.get("load_in_4bit") is True:
        return _one("bnb-4bit-double" if data.get("bnb_4bit_use_double_quant") is True else "bnb-4bit", ignored)
    raise SymflopsError("bitsandbytes with neither load_in_8bit nor load_in_4bit")


def _compressed(data: Mapping[str, Any]) -> _Found:
    groups = _table(data, "config_groups")
    rules = []
    for group in groups.values():
        if not isinstance(group, Mapping):
            raise SymflopsError("config_groups: a group is no object")
        weights = group.get("weights")
        if not isinstance(weights, Mapping):
            continue  # of activations alone
        layout = _text(group, "format") or _text(data, "format")
        targets = _names(group, "targets")
        name, args = _compressed_format(weights, layout, group.get("input_activations"))
        found = Patterns.of(targets) if targets and set(targets) != {"Linear"} else None
        rules.append(Rule(load_format(name), args, found))
    doubts = ("sparsity of the weights is not counted",) if _table(data, "sparsity_config").get("format") not in (
        None, "dense",
    ) else ()  # fmt: skip
    return tuple(rules), _names(data, "ignore"), doubts


def _compressed_format(weights: Mapping[str, Any], layout: str, inputs: Any) -> tuple[str, dict[str, Value]]:
    """The format of a group of compressed-tensors: its numbers, and what shares a scale."""
    bits, is_float = _bits(weights, "num_bits"), _text(weights, "type") == "float"
    strategy = _text(weights, "strategy") or ("group" if weights.get("group_size") else "tensor")
    static = isinstance(inputs, Mapping) and inputs.get("dynamic") is False
    scale: dict[str, Value] = {"scale_bytes": 2, "input_scale_bytes": 2 if static else 0}
    if is_float and bits == 4:
        group = weights.get("group_size")
        if group == 32 or "mxfp4" in layout:
            return "mxfp4", {}
        return "nvfp4", {"input_scale_bytes": 4 if inputs is not None else 0}
    if strategy == "block" and is_float and bits == 8:
        block = weights.get("block_structure")
        if not isinstance(block, list | tuple) or len(block) != 2:
            raise SymflopsError(f"block_structure is {str(block)[:40]}")
        rows, columns = (_positive(size, "block_structure") for size in block)
        return "fp8-block128", {"block_rows": rows, "block_columns": columns}
    if bits == 8 and strategy in ("tensor", "channel") and "pack" not in layout:
        return f"{'fp8' if is_float else 'int8'}-{strategy}", scale
    if not is_float and strategy in ("group", "channel"):
        order = 1 if weights.get("actorder") in ("group", True) else 0
        zeros = 0 if weights.get("symmetric", True) is True else 1
        group = _group(weights) if strategy == "group" else symbol("columns")
        return "int4-group128", {"bits": bits, "group_size": group, "zero_points": zeros, "order": order}
    kind = "float" if is_float else "int"
    raise SymflopsError(f"{kind} weights of {bits} bits by {strategy[:30]} are not known")


def _modelopt(data: Mapping[str, Any]) -> _Found:
    ignored = (*_names(data, "exclude_modules"), *_names(data, "ignore"))
    layers = _table(data, "quantized_layers")
    if layers:
        by_format: dict[str, list[str]] = {}
        for name, layer in layers.items():
            algo = _text(layer, "quant_algo") if isinstance(layer, Mapping) else ""
            by_format.setdefault(algo, []).append(name)
        rules = []
        for algo, names in by_format.items():
            format_, args = _modelopt_format(algo, data)
            rules.append(Rule(load_format(format_), args, Patterns.of(names)))
        return tuple(rules), ignored, ()
    format_, args = _modelopt_format(_text(data, "quant_algo"), data)
    return (Rule(load_format(format_), args),), ignored, ()


def _modelopt_format(algo: str, data: Mapping[str, Any]) -> tuple[str, dict[str, Value]]:
    found = _MODELOPT.get(algo.upper())
    if found is None:
        raise SymflopsError(f"quant_algo {algo[:40]!r} is not known")
    name, args = found
    if name == "int4-group128" and "group_size" in data:
        args = {**args, "group_size": _group(data)}
    return name, args


_MODELOPT: dict[str, tuple[str, dict[str, Value]]] = {
    "FP8": ("fp8-tensor", {"input_scale_bytes": 4}),
    "FP8_PER_CHANNEL_PER_TOKEN": ("fp8-channel", {}),
    "FP8_PB_WO": ("fp8-block128", {}),
    "NVFP4": ("nvfp4", {}),
    "W4A16_NVFP4": ("nvfp4", {"input_scale_bytes": 0}),
    "MXFP8": ("mxfp8", {}),
    "MXFP4": ("mxfp4", {}),
    "W4A8_MXFP4_FP8": ("mxfp4", {}),
    "W4A16_AWQ": ("int4-group128", {}),
    "W8A8_SQ_PER_CHANNEL": ("int8-channel", {"scale_bytes": 4, "input_scale_bytes": 4}),
}


def _mxfp4(data: Mapping[str, Any]) -> _Found:
    """transformers keeps the experts of gpt-oss so, and nothing else."""
    return (Rule(load_format("mxfp4"), {}, None, (KINDS[1],)),), _names(data, "modules_to_not_convert"), ()


def _torchao(data: Mapping[str, Any]) -> _Found:
    ignored = (*_names(data, "modules_to_not_convert"),)
    ignored += () if data.get("include_input_output_embeddings") is True else _HEAD
    stated = data.get("quant_type")
    stated = stated.get("default", stated) if isinstance(stated, Mapping) else stated
    kind = _text(stated, "_type") if isinstance(stated, Mapping) else str(stated)
    given = _table(stated, "_data") if isinstance(stated, Mapping) else _table(data, "quant_type_kwargs")
    words = re.sub(r"config$", "", kind.lower().replace("_", ""))
    if words == "int4weightonly":
        return _one("torchao-int4", ignored, group_size=_group(given) if "group_size" in given else 128)
    if words in ("int8weightonly", "int8dynamicactivationint8weight"):
        return _one("int8-channel", ignored)
    if words in ("float8weightonly", "float8dynamicactivationfloat8weight", "float8staticactivationfloat8weight"):
        by_row = words == "float8weightonly" or "perrow" in str(given.get("granularity")).lower()
        return _one("fp8-channel" if by_row else "fp8-tensor", ignored)
    raise SymflopsError(f"torchao's {one_line(kind, 40)} is not known")


def _hqq(data: Mapping[str, Any]) -> _Found:
    given = _table(_table(data, "quant_config"), "weight_quant_params")
    if not given:
        raise SymflopsError("hqq with settings for single layers is not known")
    bits, group = _bits(given, "nbits"), _group(given)
    packed: dict[str, Value] = {}
    if bits == 3:
        if not isinstance(group, int):
            raise SymflopsError("hqq in 3 bits without groups is not known")
        packed = {"packed_bytes": 4 * -(-group // 10)}
    return _one("hqq", _names(data, "skip_modules") or _HEAD, bits=bits, group_size=group, **packed)


def _aqlm(data: Mapping[str, Any]) -> _Found:
    names = {
        "codebooks": ("num_codebooks", 1), "code_bits": ("nbits_per_codebook", 16),
        "in_group": ("in_group_size", 8), "out_group": ("out_group_size", 1),
    }  # fmt: skip
    args: dict[str, Value] = {own: _positive(data.get(key, usual), key) for own, (key, usual) in names.items()}
    ignored = _names(data, "linear_weights_not_to_quantize")
    return _one("aqlm", tuple(str(n).removesuffix(".weight") for n in ignored) or _HEAD, **args)


def _by_row(name: str, scale: int, key: str) -> Callable[[Mapping[str, Any]], _Found]:
    return lambda data: _one(name, _names(data, key) or _HEAD, scale_bytes=scale)


_METHODS: dict[str, Callable[[Mapping[str, Any]], _Found]] = {
    "fp8": _fp8, "gptq": _gptq, "awq": _awq, "bitsandbytes": _bitsandbytes, "compressed-tensors": _compressed,
    "compressed_tensors": _compressed, "modelopt": _modelopt, "modelopt_fp4": _modelopt, "mxfp4": _mxfp4,
    "torchao": _torchao, "hqq": _hqq, "aqlm": _aqlm,
    "fbgemm_fp8": _by_row("fp8-channel", 4, "modules_to_not_convert"),
    "eetq": _by_row("int8-channel", 2, "modules_to_not_convert"),
}  # fmt: skip


def _cache(data: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The data type of the KV cache, where it is said; else what is not known of it."""
    stated = data.get("kv_cache_quant_algo") or data.get("kv_cache_scheme")
    if not stated:
        return "", ()
    if isinstance(stated, Mapping):
        kind = "fp" if stated.get("type") == "float" else "int"
        stated = f"{kind}{stated.get('num_bits')}"
    cache = _CACHES.get(str(stated).lower(), "")
    return cache, () if cache else (f"the KV cache's {one_line(str(stated), 40)} is not known: it counts cache_bytes",)


# -------------------------------------------------------------------------------------------------------------- reading


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    return value if isinstance(value, str) else ""


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _names(data: Mapping[str, Any], key: str) -> tuple[Any, ...]:
    value = data.get(key)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise SymflopsError(f"{key}: expected a list")
    return tuple(value)


def _positive(value: Any, key: str) -> int:
    if type(value) is not int or not 0 < value < 2**31:
        raise SymflopsError(f"{key} is {str(value)[:40]}")
    return value


def _bits(data: Mapping[str, Any], key: str) -> int:
    bits = _positive(data.get(key), key)
    if bits > _MOST_BITS:
        raise SymflopsError(f"{key} is {bits}")
    return bits


def _group(data: Mapping[str, Any], key: str = "group_size") -> Value:
    """How many inputs share a scale: all of them where it is -1 or not said."""
    size = data.get(key)
    return symbol("columns") if size in (None, -1) else _positive(size, key)
