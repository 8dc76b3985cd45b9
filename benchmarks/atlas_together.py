"""Which choices of the entries that do not say it go together: `python benchmarks/atlas_together.py [TYPES]`.

Each choice is made of what its change says of the config, as sets that are as large as can be derived; where these are
not what each choice changes alone, smaller ones. An entry whose first model is not derived any more is left as it is.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Mapping
from typing import Any

import transformers
from atlas_choices import Choice, Data, bases, places
from atlas_models import Models, OfClass, derived

from atlas import FOLDER
from symflops import derived_cache
from symflops.assumption import Choice as OfLayers
from symflops.assumption import Fact
from symflops.atlas import entries
from symflops.atlas.choices import difference, relation


def choice_of(change: Mapping[str, Any], base: Data, known: Mapping[str, list[Any]]) -> Choice | None:
    """What a config states that makes a change; None where that cannot be read of it."""
    found: Choice = {}
    for text in change["lists"].get("assumes", [[], []])[1]:
        fact, layers, compared = Fact.of(text), OfLayers.of(text), relation(text)
        name = fact.name if fact else compared[0] if compared else ""
        if layers is not None:
            if len(layers.statements) > 1 or not isinstance(base.get(name := layers.statements[0][:-3]), list):
                return None
            depth = len(base[name])
            found[(name,)] = [layers.seen[i % len(layers.seen)] for i in range(depth)]
        elif fact is not None:
            found |= dict.fromkeys(known.get(name, [(name,)])[:1], fact.value)
        elif compared is not None and compared[2].isdigit() and known.get(name):
            found[known[name][0]] = int(compared[2])
    less = change["lists"].get("assumes", [[], []])[0]
    sizes = {path[1]: value for path, value in change["set"] if path[0] == "symbols" and f"{path[1]} == null" in less}
    found |= {known.get(name, [(name,)])[0]: value for name, value in sizes.items()}
    found = {path: value for path, value in found.items() if base.get(path[0], None) != value}
    return found or None


def mended(model_type: str, seconds: float) -> bool:
    """Whether the entry of a type says now which of its choices go together."""
    path = FOLDER / f"{model_type}{entries.ENDING}"
    data = json.loads(entries.unpacked(path.read_bytes()))
    models = Models(model_type, data["classes"], 24, [*data["models"]], True, seconds)
    for name, found in data["models"].items():
        if "together" in found[0]:
            continue
        first = {k: v for k, v in found[0].items() if k not in ("ones", "free", "needs")}
        for base in bases(model_type, name):
            if not difference(first, derived(base))["set"]:
                break
        else:
            return False
        one = OfClass.__new__(OfClass)
        one.models_of, one.name, one.seconds, one.kind = models, name, seconds, models.kind
        one.base, one.first, one.end = base, found[0], time.process_time() + seconds
        one.config = models.kind.from_dict(copy.deepcopy(base))
        choices = [choice_of(change, base, places(one.config)) for change in found[1:]]
        one.found = [(choice or {}, change) for choice, change in zip(choices, found[1:], strict=True)]
        found[0]["together"] = list(one.together())
        found[1:] = [change for _, change in one.found]
        if found[0].get("ones") and not one.is_right(found[0]["ones"]):
            found[0].pop("ones")
    path.write_bytes(entries.packed(data))
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("types", nargs="*")
    parser.add_argument("--seconds", type=float, default=20.0, help="of processor time for each")
    given = parser.parse_args()
    transformers.logging.set_verbosity(60)
    with derived_cache.unused():
        for name in given.types or entries.types():
            try:
                print(name, mended(name, given.seconds), flush=True)
            except Exception as error:  # whatever a model's source raises: the others go on
                print(name, str(error)[:200], flush=True)


if __name__ == "__main__":
    main()
