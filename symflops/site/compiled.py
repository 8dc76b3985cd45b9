"""The library and the entries of the atlas as data of the page: every formula as steps of a straight-line program.

A script of the page never reads a formula's text. It finds the steps of a text, copies them with a config's numbers in
place of symbols, and runs what comes of it as the report runs its programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from symflops import algebra
from symflops.assumption import Relation, assumption
from symflops.atlas.choices import is_said
from symflops.atlas.entries import Entry
from symflops.errors import SymflopsError
from symflops.export import page_data
from symflops.export.program import StraightLineProgram
from symflops.formula import in_order, load_formula, shipped_for_class, shipped_names
from symflops.gradients import BACKWARD, KEYS
from symflops.hardware import hardware_names, load_hardware
from symflops.meaning import with_quantity
from symflops.model import Model, load, shipped_file
from symflops.number_format import format_names, load_format
from symflops.passes.matrices import of_experts
from symflops.plan import Plan
from symflops.polynomial import Value
from symflops.tree import names, read
from symflops.vocabulary.fields import roles
from symflops.vocabulary.metrics import TABLE
from symflops.vocabulary.symbols import DTYPES, OWN, RUN, RunSymbol

NOT_OF_A_FILE = ("ones", "free", "needs", "together", "dtypes")  # keys of an entry's models that a model file has not
_NO_FORMULAS = frozenset(  # keys of a model file below which no text is one
    ("name", "about", "source", "derived_from", "unproven", "class", "dtype", "cache_dtype", "notes", "tied", "formula",
     "inputs", "free", "ones", "needs")
)  # fmt: skip
_COMPARED = frozenset(("assumes", "expects"))


def library() -> dict[str, Any]:
    """What every answer of the page needs: formulas, formats of weights, machines, symbols, what names mean."""
    program = StraightLineProgram()
    formulas = {name: _formula(name, program) for name in shipped_names()}
    formats = {name: _format(name, program) for name in format_names()}
    machines = [page_data.machine(load_hardware(name)) for name in hardware_names()]
    return {
        "run": {name: _symbol(row) for name, row in RUN.items()},
        "own": {name: _symbol(row) for name, row in OWN.items()},
        "dtypes": page_data.dtypes(),
        "element": DTYPES,
        "gradients": list(KEYS),
        "training": Plan().sentence(),
        "roles": {name: role["pattern"] for name, role in roles().items()},
        "machines": machines,
        "formulas": formulas,
        "formats": formats,
        "steps": program.steps,
    }


def metrics() -> list[dict[str, Any]]:
    """The metrics, in the order in which all programs have them."""
    return [{"name": row.name, "unit": row.unit, "meaning": row.meaning, "owned": row.is_owned} for row in TABLE]


def _symbol(row: RunSymbol) -> dict[str, Any]:
    return {
        "meaning": row.meaning, "fraction": row.is_bytes, "follows": row.follows is not None, "lowest": row.lowest,
        "default": None if row.default is None or row.follows else str(row.default),
        "opens": None if row.opens_at is None else str(row.opens_at), "letter": row.letter,
    }  # fmt: skip


def _formula(name: str, program: StraightLineProgram) -> dict[str, Any]:
    """A formula of the library, each of its values as a step in its own arguments."""
    found = load_formula(name)
    table = found.canonical_gradients.get(BACKWARD, {})
    backward = [program.value(value) for value in table.values()]
    return {
        "order": [arg for arg in found.order if arg in found.defaults],
        "defaults": {arg: program.value(value) for arg, value in found.default_values.items()},
        "cost": [program.value(value) for value in found.canonical.values()],
        "state": program.value(algebra.from_text(found.state)),
        **({"backward": backward} if backward else {}),
    }


def _format(name: str, program: StraightLineProgram) -> dict[str, Any]:
    """A format of weights: the bytes of a matrix, and its own arguments' defaults, as steps."""
    found = load_format(name)
    needs = {arg: names(read(text)) & found.args.keys() for arg, text in found.defaults.items()}
    return {
        "about": found.about, "source": found.source, "skips": list(found.skips),
        "order": in_order(tuple(found.defaults), needs, "defaults"),
        "args": {arg: program.value(algebra.from_text(text)) for arg, text in found.defaults.items()},
        "bytes": program.value(algebra.from_text(found.text)),
    }  # fmt: skip


def entry_text(entry: Entry) -> str:
    """An entry of the atlas as the file of the page: the entry in a line of JSON, in another one its texts as steps.

    Two lines, because numbers of the first are read as Python reads them (1.0 is no 1) and those of the second are not.
    """
    said = {
        "type": entry.model_type, "default": entry.default, "said": entry.said, "models": entry.models,
        "classes": {name: asdict(kind) for name, kind in entry.classes.items()},
        "other_letters": entry.data.get("other_letters", []),
    }  # fmt: skip
    return f"{_json(said)}\n{_json(compiled(entry.models))}\n"


def model_text(name: str) -> str:
    """A model file that comes with symflops as the file of the page, in the same two lines."""
    data = json.loads(shipped_file(name))
    return f"{_json(data)}\n{_json(compiled({'': [data]}))}\n"


def compiled(models: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of models as steps: formulas, the sides of conditions; and the formulas of their classes."""
    program = StraightLineProgram()
    texts: dict[str, int] = {}
    said: list[str] = []  # what a config says or does not say, whatever its sizes are
    sides: dict[str, dict[str, Any]] = {}
    known = {*RUN, *OWN, *_symbols(models)}
    for text, is_compared in _texts(models):
        if is_compared and text not in said and is_said(text):
            said.append(text)
        if is_compared:
            if text not in sides and (found := _compared(text)) is not None:
                left, right = (program.value(algebra.from_tree(side)) for side in (found.left, found.right))
                sides[text] = {"left": left, "sign": found.sign, "right": right}
        elif text not in texts and (value := _value(text, known)) is not None:
            texts[text] = program.value(value)
    experts = dict(_experts(texts, program))
    chosen = sorted(name for name in known if with_quantity({name}, "experts of a token") == name)
    formulas = dict(_classes(models))
    lengths = {name: _model(found[0]).length for name, found in models.items()}
    return {
        "texts": texts, "sides": sides, "said": said, "lengths": lengths, "formulas": formulas, "experts": experts,
        "chosen": chosen, "steps": program.steps,
    }  # fmt: skip


def _model(data: Mapping[str, Any]) -> Model:
    """The first model of a class, without what an entry has beside it."""
    return load({key: value for key, value in data.items() if key not in NOT_OF_A_FILE})


def _experts(texts: Iterable[str], program: StraightLineProgram) -> Iterator[tuple[str, dict[str, Any]]]:
    """Numbers of parameters that are those of experts, with the matrices that formats of weights are for."""
    for text in texts:
        value = algebra.from_text(text)
        experts = with_quantity(algebra.free_symbols(value), "experts")
        found = of_experts(value, experts) if experts else None
        if experts and found is not None:
            sizes = [[program.value(size) for size in one] for one in found.sizes]
            yield text, {"experts": experts, "sizes": sizes, "others": program.value(found.others)}


def _compared(text: str) -> Relation | None:
    found = assumption(text)
    return found if isinstance(found, Relation) else None


def _value(text: str, known: set[str]) -> Value | None:
    """A text as a formula in known names; None for one that is none, such as a word that a field may have."""
    try:
        return algebra.from_text(text) if names(read(text)) <= known else None
    except SymflopsError:
        return None


def _texts(data: Any, compared: bool = False) -> Iterator[tuple[str, bool]]:
    """The texts in the data of model files and of changes that may be formulas, and whether they are comparisons."""
    if isinstance(data, str):
        yield data, compared
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if key == "set":
                for path, put in value:
                    if path[-1] not in _NO_FORMULAS:
                        yield from _texts(put)
            elif key not in _NO_FORMULAS and key != "gone":
                yield from _texts(value, key in _COMPARED)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value, compared)


def _symbols(data: Any) -> Iterator[str]:
    """The names that model files, and changes of them, declare."""
    if isinstance(data, Mapping):
        if isinstance(data.get("symbols"), Mapping):
            yield from data["symbols"]
        for path, _ in data.get("set", ()):
            if path[0] == "symbols":
                yield path[-1]
    for value in data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ():
        yield from _symbols(value)


def _classes(data: Any) -> Iterable[tuple[str, str]]:
    """The formulas of the classes that basic layers are of."""
    for name in dict.fromkeys(_class_names(data)):
        if (formula := shipped_for_class(name)) is not None:  # else it is a group, or has a cost of its own
            yield name, formula.name


def _class_names(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        if isinstance(data.get("class"), str):
            yield data["class"]
        for path, put in data.get("set", ()):
            if path[-1] == "class":
                yield put
    for value in data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ():
        yield from _class_names(value)


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
