"""Makes the atlas: `python benchmarks/atlas.py [TYPES] [--jobs N] [--minutes N]`; `make atlas` is all of it.

Of each type the class of configs is asked what it does (benchmarks/atlas_classes.py), and models are derived: of a
small config, then of others that make one choice otherwise (tied weights, a bias, another activation, no window,
another rotary type), of which what differs is kept. Random configs, of the class's own sizes and choices, are then
answered from the entry and derived: where any metric differs the entry is not written. A type that is done is not
done again unless `--again` asks for it; what happened to each is in benchmarks/atlas.jsonl, the last line of a type
being the newest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import symflops
from symflops import derived_cache
from symflops.atlas import entries
from symflops.errors import SymflopsError, one_line

ROOT = Path(__file__).parent.parent
FOLDER, RESULTS = ROOT / "atlas", ROOT / "benchmarks" / "atlas.jsonl"
DERIVED = 4  # random configs that are derived, too
LIMIT = 1200  # seconds of a type at most, of wall time
MEMORY = 12 * 2**30

Data = dict[str, Any]
Work = tuple[str, int, int, bool, float, str, int]


def provenance() -> Data:
    """By what an entry is made: the same for the same commit."""
    import torch
    import transformers

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    return {
        "symflops": symflops.__version__, "commit": git("log", "-1", "--format=%h"),
        "date": git("log", "-1", "--format=%cs"), "transformers": transformers.__version__,
        "torch": torch.__version__.partition("+")[0], "python": sys.version.partition(" ")[0],
    }  # fmt: skip


def made(model_type: str, derived: int, most: int, brief: bool, seconds: float) -> tuple[Data, Data]:
    """The entry of a type, and how the random configs came out."""
    from atlas_choices import other_parts
    from atlas_classes import classes, shared
    from atlas_models import Models, default_of
    from transformers import CONFIG_MAPPING

    model_type, _, names = model_type.partition(":")
    kind = CONFIG_MAPPING[model_type]
    asked, compared = classes(kind, other_parts(model_type))
    models = Models(model_type, asked, most, [n for n in names.split(",") if n], brief, seconds)
    found = models.derive()
    data = {
        "type": model_type, "default": default_of(kind) or models.names[0], "made": provenance(), **shared(),
        "classes": asked, "checked": {"configs": compared}, "models": found, **other_letters(kind, found),
    }  # fmt: skip
    outcome = {"tried": models.tried[:8]} | models.check(entries.Entry(model_type, data), derived)
    data["checked"] |= {"derived": outcome["equal"], "parameters": outcome["counted"]}
    return data, outcome


def asked_anew(model_type: str, derived: int) -> tuple[Data, Data]:
    """An entry with what the classes of its configs do now, and the models that it has."""
    from atlas_choices import other_parts
    from atlas_classes import classes, shared
    from atlas_models import Models
    from transformers import CONFIG_MAPPING

    data: Data = json.loads(entries.unpacked((FOLDER / f"{model_type}{entries.ENDING}").read_bytes()))
    asked, compared = classes(CONFIG_MAPPING[model_type], other_parts(model_type))
    commit = provenance()["commit"]
    data |= {"made": {**data["made"], "classes": commit}, **shared(), "classes": asked}
    data |= other_letters(CONFIG_MAPPING[model_type], data["models"])
    data["checked"] |= {"configs": compared}
    models = Models(model_type, asked, 0, [*data["models"]], True, 0.0)
    entry = entries.Entry(model_type, data)
    models.find_bases(entry)
    return data, models.check(entry, derived)


def with_more(model_type: str, derived: int, most: int, brief: bool, seconds: float) -> tuple[Data, Data]:
    """An entry with the models of more classes: those that are named, else the usual ones that it lacks."""
    from atlas_models import Models, usual_names
    from transformers import CONFIG_MAPPING

    model_type, _, names = model_type.partition(":")
    data: Data = json.loads(entries.unpacked((FOLDER / f"{model_type}{entries.ENDING}").read_bytes()))
    wanted = [n for n in names.split(",") if n] or [data["default"], *usual_names(model_type)]
    lacking = [n for n in dict.fromkeys(wanted) if n not in data["models"]]
    if not lacking:
        raise SymflopsError("it has all of these classes")
    models = Models(model_type, data["classes"], most, lacking, brief, seconds)
    found = models.derive()
    data["models"] = {**data["models"], **found}
    data |= {"made": {**data["made"], "more": provenance()["commit"]}}
    data |= other_letters(CONFIG_MAPPING[model_type], data["models"])
    outcome = {"tried": models.tried[:8]} | models.check(entries.Entry(model_type, data), derived)
    return data, outcome


def other_letters(kind: Any, names: Iterable[str]) -> Data:
    """The classes that are taken for a name in other letters, small for capital, which transformers does not have: the
    only ones of their type for their task."""
    import transformers

    from symflops.trace.configs import _of_same_task

    found = []
    for name in names:
        alike = [n for n in dir(transformers) if n.lower() == name.lower()]
        with contextlib.suppress(SymflopsError):
            if alike == [name] and _of_same_task(kind(), name).__name__ == name:
                found.append(name)
    return {"other_letters": found} if found else {}


def run(work: Work) -> Data:
    """Make one type, and say how it went."""
    import torch

    model_type, derived, most, brief, seconds, way, limit = work
    torch.set_num_threads(1)
    signal.alarm(limit)
    started, row = time.process_time(), {"type": model_type.partition(":")[0]}
    place = FOLDER / f"{row['type']}{entries.ENDING}"
    try:
        with derived_cache.unused():
            if way == "classes":
                data, outcome = asked_anew(row["type"], derived)
            else:
                make = with_more if way == "more" else made
                data, outcome = make(model_type, derived, most, brief, seconds)
        row |= outcome
        if outcome["wrong"] or not outcome["equal"] or not data["checked"]["configs"]:
            row["left_out"] = "a random config was answered otherwise than derived" if outcome["wrong"] else "no config"
            if not data["checked"]["configs"]:
                row["left_out"] = "what its class of configs does was not found"
            if way != "more":  # what it has without these stays
                place.unlink(missing_ok=True)
        else:
            content = entries.packed(data)
            place.write_bytes(content)
            row |= {"bytes": len(content), "models": sum(map(len, data["models"].values()))}
    except SymflopsError as error:
        row["left_out"] = one_line(error.message, 300)
    except Exception as error:  # whatever a class of configs raises: the others go on
        row["left_out"] = one_line(f"{type(error).__name__}: {error}", 300)
        traceback.print_exc()
    return {**row, "seconds": round(time.process_time() - started, 1)}


def wanted_types(given: argparse.Namespace) -> Iterator[str]:
    """The types that were asked for, or all with a causal language model, but for those that are done."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    done = {row["type"] for row in map(json.loads, lines)}
    for name in given.types or MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        if given.again or name.partition(":")[0] not in done:
            yield name


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("types", nargs="*", help="no types but these, each perhaps with classes: bert:BertModel")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--again", action="store_true", help="make types again that are done")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no type after so many")
    parser.add_argument("--derived", type=int, default=DERIVED, help="random configs of each type that are derived")
    parser.add_argument("--models", type=int, default=24, help="models of each type at most")
    parser.add_argument("--brief", action="store_true", help="no rotary types, and two activations")
    parser.add_argument("--seconds", type=float, default=120.0, help="of processor time for the choices of a type")
    parser.add_argument("--classes", action="store_true", help="ask the classes of configs anew, and keep the models")
    parser.add_argument("--more", action="store_true", help="keep entries, and add models of classes that they lack")
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds of a type at most, of wall time")
    given = parser.parse_args()
    import transformers

    import symflops.trace.derive  # noqa: F401 - once, and not in each process

    transformers.logging.set_verbosity(60)
    FOLDER.mkdir(exist_ok=True)
    end = time.monotonic() + 60 * given.minutes
    way = "more" if given.more else "classes" if given.classes else "anew"
    work = (
        (name, given.derived, given.models, given.brief, given.seconds, way, given.limit)
        for name in list(wanted_types(given))
        if time.monotonic() < end
    )
    with multiprocessing.get_context("fork").Pool(given.jobs, maxtasksperchild=1) as pool:
        for row in pool.imap_unordered(run, _lazily(work, end)) if given.jobs > 1 else _alone(work, pool):
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


def _lazily(work: Iterator[Work], end: float) -> Iterator[Work]:
    for one in work:
        if time.monotonic() < end:
            yield one


def _alone(work: Iterator[Work], pool: Any) -> Iterator[Data]:
    """One after the other; a process that ends before its time is a type that is left out."""
    for one in work:
        try:
            yield pool.apply_async(run, (one,)).get(one[-1] + 5)
        except multiprocessing.TimeoutError:
            yield {"type": one[0], "left_out": f"more than {one[-1]} s"}


if __name__ == "__main__":
    main()
