"""Which files and data are configs of transformers, and what they state, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symflops import files
from symflops.errors import SymflopsError
from symflops.originals import release_of

_TOLD_BY = (b'"model_type"', b'"architectures"', b'"_class_name"', b'"n_layers"', b'"n_layer"')
MAX_CONFIG = 16 * 2**20  # bytes; a larger file is no config


class NoConfigError(SymflopsError):
    """What was named is no config that can be read here."""


def is_config(data: Any) -> bool:
    """Whether data is a config, and no model file.

    >>> is_config({"model_type": "llama"}), is_config({"architectures": [], "layers": {}})
    (True, False)
    """
    if not isinstance(data, Mapping) or "layers" in data:
        return False
    return not data.keys().isdisjoint(("model_type", "architectures", "_class_name")) or release_of(data) is not None


def leads_to_config(path: Path) -> bool:
    """Whether a path leads to a config. A pipe can be read only once and is left to who reads model files."""
    try:
        if path.is_dir():
            if not (path / "config.json").is_file():
                raise SymflopsError("a directory without a config.json", where=str(path))
            return True
        if not path.is_file() or path.stat().st_size > MAX_CONFIG:
            return False
        content = files.read_bytes(path, MAX_CONFIG, "a config")
        return any(key in content for key in _TOLD_BY) and is_config(json.loads(content))
    except (OSError, ValueError, RecursionError):
        return False  # what is wrong with the file is said when it is read as a model


def config_data(what: Any) -> tuple[dict[str, Any], str]:
    """What a config states, and the name that its model has, of a config as data or by its path.

    Raises SymflopsError for what is no file of JSON, and NoConfigError for what is neither data nor a path of a file.

    >>> config_data({"model_type": "llama", "vocab_size": 9})
    ({'model_type': 'llama', 'vocab_size': 9}, 'llama')
    """
    if isinstance(what, Mapping):
        return dict(what), str(what.get("model_type", "model"))
    path = Path(what) if isinstance(what, str | Path) else Path()
    path = path / "config.json" if files.is_directory(path) else path
    if not isinstance(what, str | Path) or not files.is_file(path):
        raise NoConfigError(f"no config: {str(what)[:60]!r}")
    name = path.parent.resolve().name if path.name == "config.json" else path.stem
    return files.json_of(files.read_text(path, MAX_CONFIG, "a config"), constants=True), name
