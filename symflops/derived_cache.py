"""What was derived is kept in the user's cache, so that it is derived once.

An entry is found by what its model was derived from: the content of the config or of the class's source file, the
options, and the versions of symflops, PyTorch and transformers. It names the source files that the derivation read and
what was in them; where one has changed, or the entry itself is damaged, it is as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from symflops import __version__, files
from symflops.errors import SymflopsError
from symflops.formula import data_folder
from symflops.handles import file_of, is_local
from symflops.model import Model, load

CACHE = "SYMFLOPS_CACHE"  # the environment variable that names the folder
MOST_ENTRIES = 1000
_MAX_ENTRY = 64 * 2**20
_MAX_SOURCE = 16 * 2**20  # bytes of a config or a Python file
_MAX_SOURCES = 2000
_HUB_DAYS = 7  # after which the hub is asked again for a config
_VERSIONED = ("torch", "transformers")  # their source is known by their versions
_PACKAGES = {"site-packages", "dist-packages"}  # other environments' that Python is told of
_READ: dict[str, str] = {}  # what was in the files of modules when they were loaded for a derivation
_ON = ContextVar("cache", default=True)

Key = Mapping[str, Any]
Sources = dict[str, str]


@dataclass(frozen=True)
class CacheContents:
    """What there is in the cache: where, how many models, how many bytes."""

    folder: Path
    models: int
    size: int


@contextmanager
def unused(wanted: bool = True) -> Iterator[None]:
    """Inside, everything is derived again, and kept instead of what was there."""
    token = _ON.set(_ON.get() and not wanted)
    try:
        yield
    finally:
        _ON.reset(token)


def folder() -> Path:
    """Where derived models are kept: the folder that SYMFLOPS_CACHE names, else where the platform has caches."""
    given = os.environ.get(CACHE)
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("symflops", appauthor=False)


def contents() -> CacheContents:
    entries = _entries()
    return CacheContents(folder(), len(entries), sum(path.stat().st_size for path in entries))


def clear() -> CacheContents:
    """Remove all that is kept; gives what was there."""
    before = contents()
    for path in _entries():
        path.unlink(missing_ok=True)
    return before


# ------------------------------------------------------------------------------------------------------------- the key


def key_of(what: Any, options: Mapping[str, Any]) -> Key | None:
    """What an entry is found by; None for what nobody knows the content of, and without PyTorch and transformers."""
    named = _content(what)
    versions = _versions()
    return None if named is None or versions is None else {**named, **options, "versions": versions}


def _content(what: Any) -> dict[str, Any] | None:
    """What the user named, by its content: a config's bytes and the name that its model has by its place, or the name
    of a type, of a class or on the hub, with what it depends on."""
    try:
        if isinstance(what, Mapping):
            return {"config": _digest(json.dumps(what).encode())}
        if not isinstance(what, str | Path):
            return None
        path = Path(what)
        path = path / "config.json" if files.is_directory(path) else path
        if files.is_file(path):
            content = files.read_bytes(path, _MAX_SOURCE, "a config")
            return {"config": _digest(content), "place": f"{path.parent.resolve().name}/{path.name}"}
        text = str(what)
        named: dict[str, Any] = {"named": text, "hub": os.environ.get("HF_ENDPOINT", "")}
        if is_local(text):
            packages = [path for path in sys.path if Path(path).name in _PACKAGES and os.path.isdir(path)]
            named["folder"] = os.getcwd()
            named["packages"] = {path: os.stat(path).st_mtime_ns for path in packages}  # another one changes it
        if file := file_of(text):
            named["source"] = _digest(files.read_bytes(Path(file), _MAX_SOURCE, "a Python file"))
        return named
    except (OSError, TypeError, ValueError, RecursionError, SymflopsError):
        return None  # it cannot be read, and whoever derives it says why


@cache
def _versions() -> dict[str, str] | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = {name: version(name) for name in _VERSIONED}
    except PackageNotFoundError:
        return None
    return {"symflops": f"{__version__} {_own_files()}", "python": ".".join(map(str, sys.version_info[:3])), **found}


def _own_files() -> str:
    """What this package's files are, by size and time: one that is being worked on has no other version."""
    states = []
    for top in (Path(__file__).parent, data_folder("formulas"), data_folder("formats")):
        for place, _, names in sorted(os.walk(top)):
            for name in sorted(n for n in names if n.endswith((".py", ".toml"))):
                state = os.stat(os.path.join(place, name))
                states.append(f"{name} {state.st_size} {state.st_mtime_ns}")
    return _digest("\n".join(states).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ------------------------------------------------------------------------------------------------------------ entries


def find(key: Key | None) -> Model | None:
    """The model that was derived from this, if it is there, undamaged and from source that has not changed since."""
    if key is None or not _ON.get():
        return None
    try:
        head, _, text = files.read_text(_path(key), _MAX_ENTRY, "a kept model").partition("\n")
        entry = json.loads(head)
        if entry["key"] != key or entry["digest"] != _digest(text.encode()):
            return None
        if any(_digest(Path(path).read_bytes()) != digest for path, digest in entry["sources"].items()):
            return None
        if entry["hub"] and not 0 <= time.time() - entry["time"] <= _HUB_DAYS * 86400:
            return None
        model = load(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SymflopsError):
        return None  # not there, or damaged in whatever way: it is derived again
    if not entry["hub"]:
        return model
    day = time.strftime("%Y-%m-%d", time.localtime(entry["time"]))
    return replace(model, notes=(*model.notes, f"the config is the hub's of {day}; --no-cache asks for it again"))


def keep(key: Key | None, model: Model, loaded: Sources, *, from_hub: bool = False) -> None:
    """Keep what was derived, where everything is known that it was derived from; `loaded` are the `local_sources` from
    before. Where the cache cannot be written nothing is kept: no answer depends on it."""
    sources = _sources(model.class_name, loaded)
    if key is None or sources is None:
        return
    try:
        text = model.dumps()
        head = {"key": key, "sources": sources, "time": time.time(), "hub": from_hub, "digest": _digest(text.encode())}
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, f"{json.dumps(head)}\n{text}".encode())
        for old in sorted(_entries(), key=lambda entry: entry.stat().st_mtime)[:-MOST_ENTRIES]:
            old.unlink(missing_ok=True)
    except (OSError, ValueError, SymflopsError):
        return


# ------------------------------------------------------------------------------------------------------------ sources


def local_sources() -> Sources:
    """The files of all modules that are loaded and not installed, with what is in them now."""
    return _digests(file for _, file in _loaded() if not _is_installed(file))


def _sources(class_name: str, loaded: Sources) -> Sources | None:
    """The files that a class may come from, each with its content: those of its package, and, for one that is not of
    torch or transformers, all that is loaded and not installed. None where that cannot be known: the class has no file,
    or a module was loaded earlier than its file was read."""
    own = class_name.rpartition(".")[0]
    top = own.partition(".")[0]
    if getattr(sys.modules.get(own), "__file__", None) is None:
        return None
    package = own.rpartition(".")[0] if top in _VERSIONED else top
    found = _digests(file for name, file in _loaded() if name == own or f"{name}.".startswith(f"{package}."))
    if top not in _VERSIONED:
        found |= local_sources()
        if any(path in found and _READ.get(path) != found[path] for path in loaded):
            return None
        _READ.update(found)
    return found if 0 < len(found) <= _MAX_SOURCES else None


def _is_installed(file: str) -> bool:
    return file.startswith(_installed()) or not _PACKAGES.isdisjoint(Path(file).parts)


@cache
def _installed() -> tuple[str, ...]:
    """The folders of Python, of what is installed, and of this package."""
    import sysconfig

    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(os.path.abspath(place) + os.sep for place in (*places, os.path.dirname(__file__)))


def _loaded() -> Iterator[tuple[str, str]]:
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and name != "__main__":
            yield name, os.path.abspath(file)


def _digests(paths: Iterable[str]) -> Sources:
    return {path: _digest(Path(path).read_bytes()) for path in paths if os.path.isfile(path)}


def _path(key: Key) -> Path:
    return folder() / f"{_digest(json.dumps(key, sort_keys=True).encode())}.model"


def _entries() -> list[Path]:
    place = folder()
    return list(place.glob("*.model")) if place.is_dir() else []
