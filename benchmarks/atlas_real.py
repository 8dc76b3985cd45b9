"""Which of a folder of real configs the atlas answers: `python benchmarks/atlas_real.py FOLDER [--derive] [NAMES]`.

Each config.json in a folder below FOLDER is answered without PyTorch, or the line is kept that says why not. With
`--derive` what is answered is derived, too, and compared in all metrics at several points; `--json` writes the rows.
`--choices benchmarks/atlas_seen.json` writes what they choose and their sizes, by type.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from symflops.atlas.answer import answer
from symflops.config_file import config_data
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.vocabulary.fields import means
from symflops.vocabulary.symbols import ENCODER

Row = dict[str, Any]


def configs(folder: Path) -> list[Path]:
    """The folders below this one that have a config.json."""
    return sorted(path.parent for path in folder.glob("*/config.json"))


def examined(place: Path, derive: bool) -> Row:
    """One config: answered or why not, and whether what is answered is what is derived."""
    row: Row = {"name": place.name}
    try:
        stated, name = config_data(place)
        row["type"] = stated.get("model_type")
        begun = time.process_time()
        here = answer(stated, name)
        here.total()
        row |= {"answered": True, "ms": round(1000 * (time.process_time() - begun), 1)}
        row |= counted(place, here)
    except SymflopsError as error:
        return row | {"answered": False, "why": one_line(error.message, 300)}
    return row | (compared(place, here) if derive else {})


def counted(place: Path, here: Model) -> Row:
    """Whether an answer is what was counted independently, where a file beside the config has that."""
    file = place / "expected.json"
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if "parameters" not in known:
        return {}
    without_images = {ENCODER: 0} if ENCODER in here.run else {}
    calls = {"matmul_flops": {"batch_size": 1, "seq_len": known.get("S", 0)},
             "decode_2_1_700": {"batch_size": 2, "seq_len": 1, "past_len": 700}}  # fmt: skip
    found = {"parameters": here.total().value("parameters")}
    for key, point in calls.items():
        try:
            found[key] = here.total().at(**point, **without_images).matmul_flops
        except SymflopsError:  # it is fed otherwise, and nothing was counted of that
            continue
    wrong = {key: [value, known[key]] for key, value in found.items() if key in known and known[key] != value}
    return {"counted": not wrong, **({"miscounted": wrong} if wrong else {})}


def chosen(folder: Path) -> dict[str, list[Row]]:
    """By type what configs choose, and their sizes, each once."""
    found: dict[str, list[Row]] = {}
    for place in configs(folder):
        stated = json.loads((place / "config.json").read_text("utf-8"))
        rows = found.setdefault(str(stated.get("model_type")), [])
        kept = {**without_sizes(stated), "sizes": _sizes(stated)}
        if kept not in rows and "model_type" in stated:
            rows.append(kept)
    return {kind: rows for kind, rows in found.items() if rows}


def without_sizes(value: Any) -> Any:
    """What of a config is no size, no name of a checkpoint and nothing that no cost depends on; long lists are cut to
    one of each kind."""
    if isinstance(value, dict):
        kept = {
            k: v if k in _WHOLE else without_sizes(v)
            for k, v in value.items()
            if not (means(k, "irrelevant") and k != "architectures")
        }
        kept = {k: v for k, v in kept.items() if k not in _UNCHOSEN and (k in _NUMBERS or not _is_size(v))}
        return {k: v for k, v in kept.items() if v != {} or value[k] == {}}
    if isinstance(value, list) and len(value) > 8:
        return list({json.dumps(v): v for v in value}.values())[:4]
    return value


def _sizes(stated: Row) -> dict[str, int]:
    """The sizes that a config and those inside it state, by their places."""
    found: dict[str, int] = {}
    for key, value in stated.items():
        if key in _UNCHOSEN:
            continue
        found |= {f"{key}.{name}": n for name, n in _sizes(value).items()} if isinstance(value, dict) else {}
        if _is_size(value) and key not in _NUMBERS and not (means(key, "irrelevant") and key != _LONGEST):
            found[key] = value
    return found


_UNCHOSEN = ("quantization_config", "compression_config", "task_specific_params", "auto_map", "prefix")
_WHOLE = ("rope_scaling", "rope_parameters", "short_factor", "long_factor", "depths", "hidden_sizes", "conv_dim")
_LONGEST = "max_position_embeddings"  # which decides about rotary embeddings that are stretched
_NUMBERS = ("head_dim", "rotary_dim", "factor", "original_max_position_embeddings", "spatial_merge_size")


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 1


def compared(place: Path, here: Any) -> Row:
    """What is derived of the same config, against the answer."""
    from atlas_compare import differs

    from symflops import source

    begun = time.process_time()
    try:
        there = source.derive(place, timeout=600)
    except SymflopsError as error:
        return {"derived": False, "why": one_line(error.message, 300)}
    different = differs(here, there)
    seconds = round(time.process_time() - begun, 1)
    return {"derived": True, "equal": not different, "seconds": seconds, **({"why": different} if different else {})}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="no configs but those whose folder or type is named so")
    parser.add_argument("--derive", action="store_true", help="derive what is answered, and compare")
    parser.add_argument("--json", type=Path, help="write the rows here, and do none again that is there")
    parser.add_argument("--choices", type=Path, help="write what they choose here, and do nothing else")
    given = parser.parse_args()
    if given.choices is not None:
        rows_of = sorted(chosen(given.folder).items())
        lines = [f"{json.dumps(kind)}: [\n" + ",\n".join(json.dumps(row, sort_keys=True) for row in some) + "\n]"
                 for kind, some in rows_of]  # fmt: skip
        given.choices.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
        return
    done: list[Row] = []
    if given.json is not None and given.json.exists():
        done = [json.loads(line) for line in given.json.read_text("utf-8").splitlines()]
    rows = [*done]
    for place in configs(given.folder):
        kind = json.loads((place / "config.json").read_text("utf-8")).get("model_type")
        if (given.names and not {place.name, kind} & {*given.names}) or place.name in {r["name"] for r in done}:
            continue
        rows.append(row := examined(place, given.derive))
        print(json.dumps(row), flush=True)
        if given.json is not None:
            with given.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    answered = [r for r in rows if r["answered"]]
    wrong = [r for r in answered if r.get("equal") is False or r.get("counted") is False]
    equal = sum(r.get("equal", False) for r in rows)
    as_counted = sum(r.get("counted", False) for r in rows)
    print(f"{len(answered)} of {len(rows)} answered, {equal} equal to what is derived, {as_counted} to what is counted,"
          f" {len(wrong)} wrong")  # fmt: skip
    for why, number in Counter(r["why"] for r in rows if not r["answered"]).most_common():
        print(f"{number:4} {why[:180]}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
