"""What the user names becomes a Model: a shipped name, a model file, or a Hugging Face config, which is derived.

PyTorch and transformers are loaded only where a config has to be read; without them everything else works.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from symflops import files
from symflops import model as models
from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError
from symflops.model import Model

Progress = Callable[[str], None]

MAX_CONFIG = 16 * 2**20  # bytes; a larger file is no config


def load(model: Any, progress: Progress = lambda _: None, *, timeout: float = DERIVATION) -> Model:
    """A model: by the name of a shipped one, from a model file, a Hugging Face config.json or its directory, or a dict.

    A config is derived, within `timeout` seconds of processor time.

    Raises SymflopsError naming file, path inside it and culprit.
    """
    if isinstance(model, Mapping):
        if _describes_a_config(model):
            return derive(dict(model), progress=progress, timeout=timeout)
        return models.load(model)
    if isinstance(model, str | Path) and model not in models.model_names() and _is_config(Path(model)):
        return derive(model, progress=progress, timeout=timeout)
    return models.load(model)


def derive(
    config: Any,
    *,
    attention: str = "fused",
    allow_unknown: bool = False,
    progress: Progress = lambda _: None,
    timeout: float = DERIVATION,
) -> Model:
    """The closed-form model of a transformers config, derived from its model's own source.

    `config` is a config object, a config's or a model's class, the path of a config.json or its directory, a model type
    such as "qwen3_moe", or a hub id. `attention` is "fused" (one kernel, no score matrix) or "eager" (scores and
    probabilities are materialised). With `allow_unknown`, an operation that nothing knows stays in the total as a
    symbol `unknown_<operation>`; otherwise it is an error that names it. `timeout` is in seconds of processor
    time. Needs the extra `symflops[hf]`.

    Raises SymflopsError, one line, for everything that stops a derivation: remote code, values that the config refuses,
    control flow that depends on the values of tensors, an unknown operation, the end of its time.
    """
    with extra():
        from symflops.trace import derive as trace
    return trace.derive(config, attention=attention, allow_unknown=allow_unknown, progress=progress, timeout=timeout)


def bind(model: Model, config: Any) -> Model:
    """The same closed form with the values of another config of the same architecture.

    Raises SymflopsError naming the assumption that the config breaks.
    """
    with extra():
        from symflops.trace import binding
    return binding.bind(model, config)


def model_types() -> tuple[str, ...]:
    """The model types that transformers knows configs of."""
    with extra():
        from symflops.trace import configs
    return configs.model_types()


@contextmanager
def extra() -> Iterator[None]:
    """PyTorch and transformers are imported inside; without them, or with others than the tested ones, one line."""
    try:
        yield
    except ImportError as error:
        raise SymflopsError(
            f"reading a config needs PyTorch and transformers ({error}): pip install 'symflops[hf]'"
        ) from None


def _is_config(path: Path) -> bool:
    """Whether a path leads to a config. A pipe can be read only once and is left to who reads model files."""
    try:
        if path.is_dir():
            if not (path / "config.json").is_file():
                raise SymflopsError("a directory without a config.json", where=str(path))
            return True
        if not path.is_file() or path.stat().st_size > MAX_CONFIG:
            return False
        content = files.read_bytes(path, MAX_CONFIG, "a config")
        return b'"model_type"' in content and _describes_a_config(json.loads(content))
    except (OSError, ValueError, RecursionError):
        return False  # what is wrong with the file is said when it is read as a model


def _describes_a_config(data: Any) -> bool:
    return isinstance(data, Mapping) and "model_type" in data and "layers" not in data
