"""A class by its name: imported from a package, from a module in the current folder, or from a Python file.

To name a class is to agree that the module that it is in is imported; a config never is.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import transformers
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from symflops import files
from symflops.errors import SymflopsError, nearest, one_line, reason
from symflops.handles import file_of

_HINT = "; give its full name, such as torch.nn.GroupNorm, or its file, model.py:GPT"


def find_class(name: str) -> type:
    """The class of that name, as `find_source` finds it.

    Raises SymflopsError where there is no such class, and where its module cannot be imported.
    """
    found = find_source(name)
    if not isinstance(found, type):
        raise SymflopsError(f"{name[:200]!r} is {'a function' if callable(found) else 'a value'}, not a class")
    return found


def find_source(name: str) -> Any:
    """What is of that name: `torch.nn.Conv2d`, `package.module:Class`, `path/to/model.py:Class`, or the short name of
    one in torch.nn or transformers. Modules in the current folder are found after installed ones.

    Raises SymflopsError where there is nothing of the name, and where its module cannot be imported.
    """
    file = file_of(name)
    if file:
        found = _member(_from_file(Path(file)), name.rpartition(":")[2], file)
    elif "." in name or ":" in name:
        found = _by_path(name)
    else:
        found = getattr(nn, name, None) or _of_transformers(name)
        if found is None:
            raise SymflopsError(f"no class {name[:200]!r} in torch.nn or transformers{_HINT}")
    return found


def find_module(name: str) -> type[nn.Module]:
    """The same of a class of modules."""
    found = find_class(name)
    if not issubclass(found, nn.Module):
        raise SymflopsError(f"{name[:200]!r} is no torch.nn.Module")
    return found


def is_of_transformers(thing: Any) -> bool:
    """Whether a class is one of models, or of their configs, as transformers has them."""
    return isinstance(thing, type) and issubclass(thing, PreTrainedModel | PreTrainedConfig)


# ---------------------------------------------------------------------------------------------------------- importing


def _by_path(name: str) -> Any:
    module, colon, inside = name.partition(":")
    if colon:
        return _member(_imported(module), inside, module)
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):  # the longest that is a module: what follows may be a class in a class
        above = ".".join(parts[:count])
        try:
            imported = _imported(above)
        except _NoModuleError:
            continue
        return _member(imported, ".".join(parts[count:]), above)
    raise SymflopsError(f"no class {name[:200]!r}: there is no module {parts[0]!r}, here or installed")


class _NoModuleError(SymflopsError):
    """There is no module of this name; that is not what a module says that needs another one."""


def _imported(name: str) -> ModuleType:
    with _importing(Path.cwd()):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                raise _NoModuleError(f"there is no module {name[:200]!r}, here or installed") from None
            raise SymflopsError(f"importing {name!r} fails: {one_line(str(error), 200)}") from None
        except (Exception, SystemExit) as error:  # whatever the module does when it is imported
            raise _failing(name, error) from None


def _from_file(path: Path) -> ModuleType:
    if not files.is_file(path):
        raise SymflopsError("no such file", where=str(path))
    place = path.resolve()
    name = place.stem
    before = sys.modules.get(name)
    is_other = getattr(before, "__file__", None) != str(place)
    if is_other and (before is not None or importlib.util.find_spec(name) is not None):  # another module's name
        name = f"{name}_{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)  # anew: the file may have been edited since
    sys.modules[name] = module
    with _importing(place.parent):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # as above
            del sys.modules[name]
            raise _failing(str(path), error) from None
    return module


def _failing(name: str, error: BaseException) -> SymflopsError:
    said = reason(error) if isinstance(error, Exception) else str(error)
    return SymflopsError(f"importing {name!r} fails: {type(error).__name__}: {said}")


@contextlib.contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """What lies in the folder is found after everything that is installed, and what is printed is no answer."""
    place = os.fspath(folder)
    is_new = place not in sys.path
    if is_new:
        sys.path.append(place)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if is_new and place in sys.path:
            sys.path.remove(place)


def _member(module: ModuleType, inside: str, where: str) -> Any:
    found: Any = module
    for part in inside.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [n for n, thing in vars(module).items() if isinstance(thing, type) and issubclass(thing, nn.Module)]
            raise SymflopsError(f"no class {inside[:200]!r}{nearest(inside, known)}", where=where) from None
        except Exception as error:  # a name that transformers imports when it is asked for
            raise _failing(f"{where}.{inside}", error) from None
    return found


def _of_transformers(name: str) -> Any:
    return getattr(transformers, name) if name in vars(transformers)["_class_to_module"] else None
