"""What the user names becomes a transformers config and the class of its model. Remote code is never run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import transformers
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_MAPPING

from symflops import files, strangers
from symflops.errors import SymflopsError, nearest, reason
from symflops.handles import is_class_name, is_hub_id
from symflops.inputs import Input
from symflops.originals import converted, release_of
from symflops.trace.classes import find_class, is_of_transformers
from symflops.trace.tasks import class_for

TESTED_TRANSFORMERS = "5.23"
MAX_FILE = 16 * 2**20


class Named(NamedTuple):
    """A config, the class of the model that it configures, and a name for both."""

    config: Any
    model_class: Any  # builds the model of the config: a class of transformers, or what stands for one
    name: str
    notes: tuple[str, ...] = ()  # what of the config was taken for something else
    inputs: tuple[Input, ...] = ()  # what the model is fed, where that is said
    given: Mapping[str, Any] = MappingProxyType({})  # further arguments of a call, that are no tensors
    packages: frozenset[str] = frozenset()  # of the model's source, beside transformers' own


def model_types() -> tuple[str, ...]:
    """The model types that transformers knows configs of."""
    return tuple(CONFIG_MAPPING)


def check_version() -> None:
    """Raise SymflopsError when transformers is not of the tested version."""
    if not transformers.__version__.startswith(TESTED_TRANSFORMERS + "."):
        found = f"deriving needs transformers {TESTED_TRANSFORMERS}, found {transformers.__version__}"
        raise SymflopsError(f"{found}: pip install 'symflops[hf]'")


def find(what: Any) -> Named:
    """The config behind a config object, a model, a class of either, a file, a directory, a model type or a hub id.

    Raises SymflopsError for what is none of these, for a type that transformers does not have (it would need remote
    code), and for values that the config class refuses.
    """
    check_version()
    if isinstance(what, PreTrainedConfig):
        return _named(what, what.name_or_path or what.model_type)
    if isinstance(what, PreTrainedModel):
        return Named(what.config, type(what), type(what).__name__)
    if isinstance(what, type) and issubclass(what, PreTrainedModel) and what.config_class is not None:
        return Named(_default(what.config_class.model_type, what.config_class), what, what.__name__)
    if isinstance(what, type) and issubclass(what, PreTrainedConfig):
        return _named(_default(what.model_type, what), what.model_type)
    if isinstance(what, dict):
        return _from_dict(what, str(what.get("model_type", "model")))
    if not isinstance(what, str | Path):
        raise SymflopsError(f"expected a config, a class, a path or a name, got {type(what).__name__}")
    path = Path(what)
    if files.is_directory(path):
        path = path / "config.json"
    if files.is_file(path):
        name = path.parent.resolve().name if path.name == "config.json" else path.stem
        try:
            return _from_dict(_read(path), name)
        except SymflopsError as error:
            raise error.within(str(what)) from None
    text = str(what)
    kind = text if text in CONFIG_MAPPING else text.lower()
    if kind in CONFIG_MAPPING:
        return _named(_default(kind, CONFIG_MAPPING[kind]), kind)
    if is_class_name(text):
        found = find_class(text)
        if not is_of_transformers(found):
            raise SymflopsError("a class that is no model of transformers has no config", where=text)
        return find(found)
    if is_hub_id(text):
        return _from_hub(text)
    if files.exists(path):  # what is read twice, here and by the atlas, cannot be a pipe
        raise SymflopsError("neither a file nor a directory; save the config as a file first", where=text)
    raise SymflopsError(f"no such file, directory or model type{nearest(text, list(CONFIG_MAPPING))}", where=text)


def for_task(named: Named, task: str) -> Named:
    """The same config with its type's class for a task, such as `sequence-classification`.

    Raises SymflopsError for an unknown task, and for one that the type has no class for.
    """
    model_class = class_for(named.config, task)
    return named._replace(config=_own_config(named.config, model_class), model_class=model_class)


def _read(path: Path) -> dict[str, Any]:
    strangers.check_path(path)
    return files.json_of(files.read_text(path, MAX_FILE, "a config"), constants=True)


def _from_dict(data: dict[str, Any], name: str) -> Named:
    if release_of(data) is not None:
        stated, said = converted(data)
        named = _from_dict(stated, name)
        return named._replace(notes=(said, *named.notes))
    if data.get("model_type") in (None, "") and "layers" not in data:
        return _by_architecture(data, name)
    kind = data.get("model_type")
    if not isinstance(kind, str):
        raise SymflopsError("not a Hugging Face config: it has no model_type")
    if kind not in CONFIG_MAPPING:
        remote = "; its code is not part of transformers, and remote code is never run" if "auto_map" in data else ""
        # A letter too many or too few is a mistake; another letter, as in mimo and mimi, is another type.
        meant = "" if remote else nearest(kind, [known for known in CONFIG_MAPPING if _has_all_letters(kind, known)])
        raise SymflopsError(f"unknown model_type {kind!r}{remote}{_type_of(data.get('architectures')) or meant}")
    try:
        config = CONFIG_MAPPING[kind].from_dict({k: v for k, v in data.items() if k != "auto_map"})
    except Exception as error:  # a config class validates in its own way, and says why on the second line
        raise SymflopsError(f"the {kind} config refuses these values: {reason(error, 2)}") from None
    return _named(config, name)


def _by_architecture(data: dict[str, Any], name: str) -> Named:
    """A config that does not say its type: that of the class in `architectures`, and it is said."""
    strangers.check_data(data)
    architectures = _architectures(data.get("architectures"))
    if not architectures:
        raise SymflopsError("not a Hugging Face config: it has no model_type and no architectures")
    for architecture in (_meant(given) for given in architectures):
        found = _class(architecture)
        kind = getattr(found.config_class, "model_type", "") if found is not None else ""
        if kind in CONFIG_MAPPING:
            named = _from_dict({**data, "model_type": kind, "architectures": [architecture]}, name)
            said = f"the config has no model_type: {architecture}, which architectures names, is of the type {kind}"
            return named._replace(notes=(said, *named.notes))
    remote = "; its code is elsewhere, and remote code is never run" if "auto_map" in data else ""
    why = f"no model_type, and transformers has no class {architectures[0][:100]!r} (architectures){remote}"
    raise SymflopsError(why)


def _from_hub(name: str) -> Named:
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # the hub's client has many ways to say that it cannot reach it
        raise SymflopsError(f"cannot load this config from the hub: {reason(error, 2)}", where=name) from None
    return _named(config, name.rpartition("/")[2])


def _default(kind: str, config_class: type) -> Any:
    """A type's own defaults, with a well-known checkpoint's values for those that are inconsistent."""
    table = tomllib.loads((Path(__file__).parent / "sensible.toml").read_text("utf-8"))
    try:
        return config_class(**table.get(kind, {}))
    except Exception as error:  # as above: a config class validates in its own way
        raise SymflopsError(f"the defaults of {kind} are not a config: {reason(error, 2)}") from None


def _named(config: Any, name: str) -> Named:
    """The model class that the config names, or the causal language model of its type."""
    named = _architectures(getattr(config, "architectures", None))
    for architecture in named:
        found = _class(architecture)
        if found is not None:
            return Named(_own_config(config, found), found, name)
    if named:
        found = _of_same_task(config, named[0])
        said = f"architectures names {named[0]}, which transformers does not have: {found.__name__} is used for it"
        return Named(_own_config(config, found), found, name, (said,))
    mapping = MODEL_FOR_CAUSAL_LM_MAPPING if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING else MODEL_MAPPING
    if type(config) not in mapping:
        raise SymflopsError(f"transformers has no model for the type {config.model_type!r}")
    try:
        mapped: Any = mapping[type(config)]
    except Exception as error:  # a class whose own module cannot be imported, or that transformers has lost
        raise SymflopsError(f"transformers cannot load the model of {config.model_type!r}: {reason(error)}") from None
    model_class = mapped[0] if isinstance(mapped, tuple) else mapped
    return Named(_own_config(config, model_class), model_class, name)


def _architectures(given: Any) -> list[str]:
    """The names of the classes that a config is for."""
    given = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise SymflopsError(f"architectures: expected a list of names of classes, got {str(given)[:60]!r}")
    return [*given]


def _class(architecture: str) -> type[PreTrainedModel] | None:
    found = getattr(transformers, architecture, None)
    return found if isinstance(found, type) and issubclass(found, PreTrainedModel) else None


def _meant(architecture: str) -> str:
    """The name of the class of PyTorch for one of TensorFlow or JAX, and for one in other capital letters."""
    bare = re.sub(r"^(TF|Flax)(?=[A-Z])", "", architecture)
    same = [bare] if _class(bare) else [n for n in dir(transformers) if n.lower() == bare.lower() and _class(n)]
    return same[0] if len(same) == 1 else architecture


def _has_all_letters(a: str, b: str) -> bool:
    """Whether one of two names has all letters of the other, in order."""
    shorter, longer = sorted((a, b), key=len)
    left = iter(longer)
    return all(letter in left for letter in shorter)


def _type_of(architectures: Any) -> str:
    """Which type the class is of that a config of an unknown type names, to be said."""
    for architecture in architectures if isinstance(architectures, list) else ():
        found = _class(str(architecture))
        if found is not None and found.config_class is not None:
            kind = found.config_class.model_type
            return f"; its architecture, {architecture}, is of the type {kind!r}: with that model_type it is derived"
    return ""


def _of_same_task(config: Any, architecture: str) -> type[PreTrainedModel]:
    """The one class of a config's type for the task that an unknown class is named after.

    Raises SymflopsError where there is none or several, or where the config is none of this type's: it has the sizes of
    a text model that a type of several parts does not read.
    """
    package = type(config).__module__.rpartition(".")[0]
    classes = {n: c for n in dir(transformers) if (c := _class_of(n, package)) is not None}
    task = re.search(r"(For[A-Z]\w*|Model)$", architecture)
    same = [c for n, c in classes.items() if task and n.endswith(task[1]) and c.config_class is type(config)]
    unread = sorted(key for key in _SIZES if config.sub_configs and key in vars(config))
    if len(same) == 1 and not unread:
        return same[0]
    why = f"architectures names {architecture}, which transformers does not have"
    if unread:
        raise SymflopsError(f"{why}, and nothing of the type {config.model_type!r} reads {', '.join(unread)}")
    known = ", ".join(n for n, c in classes.items() if c.config_class is type(config)) or "none"
    raise SymflopsError(f"{why}; of the type {config.model_type!r} it has {known}")


def _class_of(name: str, package: str) -> type[PreTrainedModel] | None:
    if not re.search(r"(For[A-Z]\w*|Model)$", name):
        return None
    # Which module of transformers a name is from, without importing all of them.
    module = vars(transformers)["_class_to_module"].get(name, "")
    return _class(name) if f"transformers.{module}".startswith(package) else None


_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


def _own_config(config: Any, model_class: type[PreTrainedModel]) -> Any:
    """A text model of a larger config is built from its own part of it, as AutoModelForCausalLM does."""
    if isinstance(config, model_class.config_class or PreTrainedConfig):
        return config
    for name, kind in config.sub_configs.items():
        if kind == model_class.config_class:
            return getattr(config, name)
    return config
