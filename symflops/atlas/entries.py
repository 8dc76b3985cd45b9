"""The entries of the atlas: one compressed file a type of configs, beside the shipped models."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from symflops import files
from symflops.atlas.plain import ConfigClass
from symflops.errors import SymflopsError
from symflops.model import Model, load

ATLAS = "SYMFLOPS_ATLAS"  # the environment variable that names another folder
ENDING = ".json.xz"
_BESIDE = ("ones", "needs", "free", "together", "dtypes")  # of a model file in an entry, what is none of the file
_MOST = 2**22  # bytes of an entry, compressed


def folder() -> Path:
    """Where the entries lie: the folder that SYMFLOPS_ATLAS names, else beside the package in a checkout and inside it
    when installed."""
    if given := os.environ.get(ATLAS):
        return Path(given)
    inside = Path(__file__).parent / "types"
    return inside if inside.exists() else Path(__file__).parent.parent.parent / "atlas"


@dataclass(frozen=True)
class FittingModel:
    """The model of some choices, and what a config has to be beside its facts."""

    model: Model
    ones: tuple[str, ...]  # sizes that may be 1
    needs: tuple[tuple[str, str, Any], ...]  # (part of the config, field, value)

    @staticmethod
    def of(data: Mapping[str, Any]) -> FittingModel:
        """The fit of the data of a model in an entry."""
        own = {key: value for key, value in data.items() if key not in _BESIDE}
        needs = tuple((str(prefix), str(key), value) for prefix, key, value in data.get("needs", ()))
        return FittingModel(load(own), tuple(data.get("ones", ())), needs)


@dataclass(frozen=True)
class Entry:
    """What the atlas has of a type of configs."""

    model_type: str
    data: Mapping[str, Any]

    @cached_property
    def classes(self) -> dict[str, ConfigClass]:
        """What the classes of its configs do, by the names of their types; its own under its type."""
        shared = {key: self.data.get(key, empty) for key, empty in (("dropped", ()), ("renamed", {}))}
        return {key: ConfigClass.of({**shared, **one}) for key, one in self.data["classes"].items()}

    @cached_property
    def _fits(self) -> dict[tuple[str, tuple[int, ...]], FittingModel]:
        return {}

    def fit(self, name: str, places: tuple[int, ...], made: Callable[[], Mapping[str, Any]]) -> FittingModel:
        """The model of a class with the choices at these places, made once."""
        if (name, places) not in self._fits:
            self._fits[name, places] = FittingModel.of(made())
        return self._fits[name, places]

    @cached_property
    def asked(self) -> set[str]:
        """The fields that a model's source asked for where a config did not state them."""
        every = [one for models in self.models.values() for one in models]
        texts = [*(t for one in every for t in one.get("assumes", ())),
                 *(t for one in every for t in one.get("lists", {}).get("assumes", ([], []))[1])]  # fmt: skip
        return {text.removesuffix(" == null") for text in texts if text.endswith(" == null")}

    @property
    def default(self) -> str:
        """The class of models that is taken where a config names none."""
        return str(self.data["default"])

    @property
    def models(self) -> dict[str, list[Mapping[str, Any]]]:
        """By the name of the class of models: model files, each with what it needs of the config beside its facts."""
        found: dict[str, list[Mapping[str, Any]]] = self.data["models"]
        return found

    @property
    def provenance(self) -> dict[str, str]:
        """By what it was made, and when."""
        return {key: str(value) for key, value in self.data["made"].items()}

    @property
    def checked(self) -> dict[str, int]:
        """How many random configs were compared, by how: with the class of configs, and with derivations."""
        return {key: int(value) for key, value in self.data["checked"].items()}

    @property
    def said(self) -> str:
        """Where an answer comes from, in one line."""
        made = self.provenance
        by = ", ".join(f"{name} {made[name]}" for name in ("transformers", "torch") if name in made)
        return f"from the atlas, as derived by symflops {made.get('symflops', '')} ({by}; {made.get('date', '')})"


def types() -> tuple[str, ...]:
    """The types of configs that the atlas has.

    >>> "_" in types()
    False
    """
    return _types(folder())


@cache
def _types(place: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(ENDING) for path in place.glob(f"*{ENDING}")))


def entry(model_type: str) -> Entry:
    """The entry of a type. Raises SymflopsError where there is none."""
    if model_type not in types():
        raise SymflopsError(f"the atlas has no type {model_type[:60]!r}")
    return _entry(folder() / f"{model_type}{ENDING}", model_type)


@cache
def _entry(path: Path, model_type: str) -> Entry:
    return Entry(model_type, json.loads(unpacked(files.read_bytes(path, _MOST, "an entry of the atlas"))))


def unpacked(content: bytes) -> str:
    """The text of an entry of its file."""
    return lzma.decompress(content).decode()


def packed(data: Mapping[str, Any]) -> bytes:
    """An entry as its file, the same bytes for the same data.

    >>> packed({"a": 1}) == packed({"a": 1}), unpacked(packed({"a": 1}))
    (True, '{"a":1}')
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return lzma.compress(text.encode(), check=lzma.CHECK_CRC32, preset=9 | lzma.PRESET_EXTREME)
