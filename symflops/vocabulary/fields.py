"""What the names of a config's fields mean: the roles of `fields.toml`, which a rule about names is always one of."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def roles() -> dict[str, dict[str, Any]]:
    """Each role with what it is about, its pattern, and names that it is of and not of."""
    return tomllib.loads((Path(__file__).parent / "fields.toml").read_text("utf-8"))


@cache
def _pattern(role: str) -> re.Pattern[str]:
    return re.compile(roles()[role]["pattern"])


def means(name: str, *role: str) -> bool:
    """Whether a field of this name has one of these roles.

    >>> means("num_hidden_layers", "depth"), means("hidden_size", "depth", "limit")
    (True, False)
    """
    return any(_pattern(one).search(name) for one in role)


def without(name: str, role: str) -> str:
    """A name without the words that say a role.

    >>> without("full_attn_idxs", "layer_places_ending")
    'full_attn'
    """
    return _pattern(role).sub("", name)
