"""How people name what is to be derived: classes in full, as a package makes them public, by a short name or by the
file that they are in; and configs by their id on the hub."""

from __future__ import annotations

import re
from pathlib import Path

# torch.nn.Conv2d, package.module:Class, path/to/model.py:Class, Conv2d
_DOTTED = re.compile(r"([a-z_][A-Za-z0-9_]*\.)+[A-Z_][A-Za-z0-9_]*\Z")
_AFTER_COLON = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*|.+\.py):[A-Za-z_][A-Za-z0-9_.]*\Z", re.S)
_SHORT = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*\Z")
_HUB_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w.-]{1,96}\Z")
_ENDINGS = (".json", ".py", ".toml", ".txt", ".yaml", ".yml", ".gz", ".md", ".html")  # of files, which are on no hub


def is_class_name(text: str) -> bool:
    """Whether a text is written as the name of a class is.

    >>> [is_class_name(t) for t in ("torch.nn.Conv2d", "gpt.py:GPT", "pkg.mod:Block", "Conv2d", "config.jsn", "llama")]
    [True, True, True, True, False, False]
    """
    return any(pattern.match(text) for pattern in (_DOTTED, _AFTER_COLON, _SHORT))


def is_local(text: str) -> bool:
    """Whether which class a name means depends on the folder that one is in."""
    return is_class_name(text) and not text.startswith(("torch.", "transformers.")) and not _SHORT.match(text)


def file_of(text: str) -> str:
    """The Python file in the name of a class, if there is one.

    >>> file_of("src/gpt.py:GPT"), file_of("torch.nn.Conv2d")
    ('src/gpt.py', '')
    """
    file, colon, _ = text.rpartition(":")
    return file if colon and file.endswith(".py") else ""


def means(name: str, full: str) -> bool:
    """Whether a name may mean the class of this full name: itself, its short name, or one in a package above it.

    >>> [means(name, "torch.nn.modules.conv.Conv2d") for name in ("torch.nn.Conv2d", "Conv2d", "my.Conv2d")]
    [True, True, False]
    """
    package, _, short = name.replace(":", ".").rpartition(".")
    return full == name or (full.endswith(f".{short}") and full.startswith(f"{package}." if package else ""))


def is_hub_id(text: str) -> bool:
    """Whether a text is written as an id on the hub is, `owner/name`, and leads to nothing here.

    >>> is_hub_id("meta-llama/Llama-3.1-8B"), is_hub_id("models/my.json"), is_hub_id("./llama")
    (True, False, False)
    """
    is_written_so = _HUB_ID.match(text) is not None and not text.lower().endswith(_ENDINGS)
    return is_written_so and not Path(text.partition("/")[0]).exists()
