"""Every type of transformers beyond the causal language models, by task: derived at two small configs and counted.

    python benchmarks/types_coverage.py [TYPE[/TASK]…] [--all] [--again] [--page docs/coverage-types.md]

Of each type the class of one task is examined, or with `--all` those of every task that transformers has a table for.
A row is `equal` where at both configs and at three points of batch and lengths the closed form gives the matmul FLOPs
that PyTorch counts, all FLOPs as counted operation by operation on real tensors, and the parameters; otherwise it has
the line that says why not. Each type has a process of its own and a time limit. The rows are in
`benchmarks/types_coverage.jsonl`: what has one is not examined again, so that the script can be stopped and resumed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import random
import resource
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROWS = Path(__file__).with_suffix(".jsonl")
LIMIT, MEMORY = 60, 14 * 2**30  # seconds of processor time and address space of a type
FIRST = (
    "image-text-to-text", "multimodal-lm", "seq-to-seq-causal-lm", "speech-seq-2-seq", "masked-lm",
    "image-classification", "object-detection", "ctc", "video-classification", "universal-segmentation",
    "semantic-segmentation", "mask-generation", "depth-estimation", "zero-shot-image-classification",
    "text-to-waveform", "rnnt", "tdt", "time-series-prediction", "base",
)  # fmt: skip
"""Of a type's tasks the first of these is examined."""
OF_PARTS = ("image-text-to-text", "multimodal-lm", "speech-seq-2-seq", "seq-to-seq-causal-lm")
BY_NAME = (
    "t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian", "nllb-moe", "whisper", "wav2vec2", "hubert", "vit",
    "deit", "beit", "swin", "convnext", "resnet", "dinov2", "dinov3_vit", "siglip", "clip", "sam", "detr", "rt_detr",
    "segformer", "mobilenet_v2", "llava", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "gemma3",
    "gemma3n", "gemma4", "mllama", "mistral3", "internvl", "paligemma", "idefics3", "smolvlm", "blip-2", "deberta",
    "deberta-v2", "modernbert", "electra", "albert", "timesfm",
)  # fmt: skip
"""The types that people ask for by name."""
POINTS: tuple[dict[str, int], ...] = (
    {"batch_size": 2, "seq_len": 21, "source_len": 19, "target_len": 7, "h": 2, "w": 3, "num_frames": 72,
     "num_samples": 4000, "num_patches": 12, "num_queries": 5, "num_regions": 6, "question_len": 8,
     "num_steps": 64, "num_blocks": 11, "num_images": 2},
    {"batch_size": 3, "seq_len": 40, "source_len": 33, "target_len": 12, "h": 3, "w": 2, "num_frames": 104,
     "num_samples": 4480, "num_patches": 20, "num_queries": 9, "num_regions": 10, "question_len": 12,
     "num_steps": 96, "num_blocks": 14, "num_images": 3},
    {"batch_size": 1, "seq_len": 30, "source_len": 11, "target_len": 5, "h": 3, "w": 3, "num_frames": 88,
     "num_samples": 6001, "num_patches": 9, "num_queries": 3, "num_regions": 4, "question_len": 6,
     "num_steps": 128, "num_blocks": 9, "num_images": 1},
)  # fmt: skip
ROOMY: dict[str, int] = {"h": 7, "w": 9, "num_frames": 1001, "num_samples": 40001, "seq_len": 61}
"""Larger values, where a closed form holds from some size on."""
SHIFTS = (80, 160, 320, 7)
"""What is added to these, where it holds for some remainders of a length alone, and a source does something else at
others, such as padding an odd number of frames."""


def cases(every: bool) -> Iterator[tuple[str, str]]:
    """The types, each with a task; the types that have causal language models only with those of several parts."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    from symflops.trace.tasks import tasks

    names = {task: getattr(modeling_auto, f"{table}_NAMES", {}) for task, table in tasks().items()}
    causal = names.pop("causal-lm")
    for model_type in CONFIG_MAPPING:
        own = [task for task, table in names.items() if model_type in table]
        if model_type in causal:
            own = [task for task in own if every or task in OF_PARTS or model_type in BY_NAME]
        chosen = own if every else [task for task in FIRST if task in own][:1] or own[:1]
        for task in chosen:
            yield model_type, task


def examined(model_type: str, task: str, limit: int = LIMIT) -> dict[str, Any]:
    """One type and task at both configs."""
    import torch
    from small_types import small

    import symflops  # noqa: F401 - to fail early
    from symflops.trace import tasks

    torch.set_num_threads(1)
    row: dict[str, Any] = {"equal": False, "configs": []}
    for variant in (0, 1):
        last: dict[str, Any] = {"why": "no config of this type can be made"}
        for level, config in small(model_type, variant):
            model_class = tasks.class_for(config, task)
            row["class"] = model_class.__name__
            last = {"level": level, **_at(config, model_class, limit)}
            if last.pop("is_model", False):
                break
        row["configs"].append(last)
        if not last.get("equal"):
            break
    row["equal"] = len(row["configs"]) == 2 and all(one.get("equal") for one in row["configs"])
    return row


_OF_THE_CONFIG = (
    "own source fails",
    "with the sizes of this config the source fails",
    "has to be stated",
    "have to be stated",
    "does not say how large an image is",
)


def _at(config: Any, model_class: Any, limit: int) -> dict[str, Any]:
    """What a config gives; `is_model` unless a smaller change of the type may do better."""
    from operation_count import UnknownOperationError
    from types_count import built, parameters

    from symflops.errors import SymflopsError
    from symflops.source import derive
    from symflops.trace.configs import _own_config

    try:
        config = _own_config(config, model_class)
        real = built(model_class, config)
    except Exception as error:
        return {"why": f"it cannot be built: {_line(error)}"}
    config.architectures = [model_class.__name__]
    begun = time.process_time()
    try:
        model = derive(config, timeout=limit)
    except SymflopsError as error:
        said = error.message
        source = any(words in said for words in _OF_THE_CONFIG)
        return {"why": said, "is_model": not source, "seconds": round(time.process_time() - begun, 1)}
    row: dict[str, Any] = {"seconds": round(time.process_time() - begun, 1), "is_model": True}
    row["inputs"] = [f"{one.name}: {one.text()}" for one in model.inputs]
    row["symbols"] = sorted(model.total(symbolic=True).free_symbols)
    row["notes"] = list(model.notes)
    if unseen := _unseen(model, model_class):
        return row | {"why": unseen, "is_model": False}
    try:
        if (own := model.total().parameters) != (theirs := parameters(real)):
            return row | {"why": f"{own} parameters, counted {theirs}"}
        why = miscounted(model, real, model_class, config)
    except Exception as error:
        return row | {
            "why": f"no independent count: {_line(error)}",
            "is_model": isinstance(error, UnknownOperationError),
        }
    return row | ({"why": why} if why else {"equal": True})


def _unseen(model: Any, model_class: Any) -> str:
    """Which modality was not fed, where parts of the model did not run; "" if all were."""
    accepted = inspect.signature(model_class.forward).parameters
    fed = {one.name for one in model.inputs}
    missing = [name for name in ("pixel_values", "input_features", "input_values") if name in accepted]
    idle = [note for note in model.notes if "did not run these parts" in note]
    alone = getattr(model_class, "main_input_name", "") in missing  # which is fed without being told
    return f"not fed {missing[0]}: {idle[0]}" if missing and idle and not alone and not fed & {*missing} else ""


def miscounted(model: Any, real: Any, model_class: Any, config: Any) -> str:
    """Where the closed form and the counts differ, or ""."""
    from independent_count import DATA_DEPENDENT
    from types_count import all_flops, built, feeds, is_small, matmul_flops, with_places

    from symflops.errors import SymflopsError

    values_real = built(model_class, config, fake=False) if is_small(real) else None
    unknown: list[str] = []
    needs_places = False
    for point in POINTS:
        inputs = _inputs(model, config)
        names = {name for one in inputs for name in one.symbols}
        sizes = _sizes(config)  # of which one may have the name of a length, as a video's number of frames
        point = {name: value for name, value in point.items() if name not in sizes}
        values = {**{n: v for n, v in model.symbols.items() if v is not None}, **point}
        for attempt in ({}, ROOMY, *({name: value + more for name, value in ROOMY.items()} for more in SHIFTS)):
            values |= {n: v + point["batch_size"] for n, v in attempt.items() if n in point}
            chosen = {n: values[n] for n in names if n in values}
            asked = {n: v for n, v in values.items() if n in POINTS[0] and n in model.total().free_symbols}
            try:
                model.check_assumptions({"past_len": 0, **asked})
                break
            except SymflopsError as error:
                refused = error.message
        else:
            return f"the points are ruled out: {refused}"
        cost = model.total().at(**asked)
        given = feeds(inputs, {**sizes, **values, **chosen})
        where = ", ".join(f"{n}={v}" for n, v in sorted(asked.items()))
        if values_real is not None:
            given = with_places(values_real, given) if needs_places else given
        try:
            theirs = matmul_flops(values_real or real, given)
        except DATA_DEPENDENT:
            return "no independent count: it depends on values, and is too large for real tensors"
        except RuntimeError:
            if needs_places or values_real is None:
                raise
            needs_places, given = True, with_places(values_real, given)
            theirs = matmul_flops(values_real, given)
        if cost.matmul_flops != theirs:
            return f"{cost.matmul_flops} matmul_flops at {where}, counted {theirs}"
        if values_real is None:
            unknown.append("all FLOPs: too large for real tensors")
            continue
        known = {one.name for one in inputs if one.content is not None and one.dtype != "float"}
        flops, again = all_flops(values_real, given, known)
        if again != theirs:
            return f"the two counts differ: {again} and {theirs} matmul_flops at {where}"
        if cost.flops != flops:
            return f"{cost.flops} flops at {where}, counted {flops} (matmul_flops equal)"
    return unknown[0] if unknown else ""


def _inputs(model: Any, config: Any) -> tuple[Any, ...]:
    """What the model is fed: as it says, or ids alone, or images of one size."""
    from symflops.inputs import read_inputs

    if model.inputs:
        return tuple(model.inputs)
    if "seq_len" in model.total().free_symbols:
        return read_inputs(["input_ids: int64[batch_size, seq_len]"])
    size = config.image_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return read_inputs([f"pixel_values: float[batch_size, {config.num_channels}, {height}, {width}]"])


def _sizes(config: Any) -> dict[str, int]:
    from symflops.trace.architecture import sizes_by_name

    return {name: value for name, value in sizes_by_name(config).items() if type(value) is int}


def _line(error: BaseException) -> str:
    text = (str(error).strip() or type(error).__name__).partition("\n")[0]
    return f"{type(error).__name__}: {text[:200]}"


def apart(model_type: str, task: str, limit: int = LIMIT) -> dict[str, Any]:
    """The row of a type, made in a process of its own, with so many seconds of processor time for each derivation."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (4 * limit, 4 * limit))
        try:
            row = examined(model_type, task, limit)
        except BaseException as error:  # whatever it is, it costs this row alone
            row = {"equal": False, "why": f"examined: {_line(error)}"}
        os.write(writing, json.dumps(row).encode()[: 2**20])
        os._exit(0)
    os.close(writing)
    said, end = b"", time.monotonic() + 20 * limit
    while time.monotonic() < end:
        if select.select([reading], [], [], 1)[0]:
            if not (more := os.read(reading, 2**16)):
                break
            said += more
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    os.waitpid(pid, 0)
    return json.loads(said) if said else {"equal": False, "why": "its process was ended: time or memory"}


def reason(row: dict[str, Any]) -> str:
    """Why a row is not equal."""
    last = row["configs"][-1] if row.get("configs") else row
    return str(row.get("why") or last.get("why", ""))


def page(rows: Iterable[dict[str, Any]]) -> str:
    """The page: figures by task, the types asked for by name, and each row that is not equal with its reason."""
    rows = sorted(rows, key=lambda row: (row["type"], row["task"]))
    lines = [
        "# Coverage: the other types of transformers",
        "",
        "Types beyond the causal language models, by task, from `benchmarks/types_coverage.py`. Equal says: at two",
        "small configs made by a general rule, and at three points of batch and lengths each, the closed form gives",
        "exactly the matmul FLOPs that PyTorch counts, all FLOPs as counted operation by operation on real tensors,",
        "and the parameters. What a type is fed is said by its own model file, under `inputs`. Types that have no row",
        "yet have not been examined: the script goes on where it stopped.",
        "",
        "| task | rows | equal |", "|---|---|---|",
    ]  # fmt: skip
    tasks = Counter(row["task"] for row in rows)
    for task, number in sorted(tasks.items(), key=lambda item: -item[1]):
        lines.append(f"| {task} | {number} | {sum(r['equal'] for r in rows if r['task'] == task)} |")
    lines.append(f"| all | {len(rows)} | {sum(r['equal'] for r in rows)} |")
    lines += [
        "",
        "What is asked for by name:",
        "",
        "| type | task | class | equal | seconds |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row["type"] in BY_NAME:
            seconds = " + ".join(str(one.get("seconds", "")) for one in row.get("configs", ()))
            cells = (_cell(row["type"]), row["task"], _cell(row.get("class", "")), "yes" if row["equal"] else "no")
            lines.append(f"| {' | '.join((*cells, seconds))} |")
    lines += ["", "What is not equal:", "", "| type | task | why |", "|---|---|---|"]
    lines += [f"| {_cell(r['type'])} | {r['task']} | {_cell(reason(r))} |" for r in rows if not r["equal"]]
    idle = [(row, said) for row in rows if row["equal"] and (said := _idle(row))]
    lines += [
        "",
        "What of the equal ones the call does not run, which their notes say, so that only its weights are counted:",
        "",
        "| type | task | parts |",
        "|---|---|---|",
    ]
    lines += [f"| {_cell(r['type'])} | {r['task']} | {_cell(said)} |" for r, said in idle]
    return "\n".join(lines) + "\n"


def _idle(row: dict[str, Any]) -> str:
    """The parts of a model that the call did not run, as its notes name them."""
    notes = [note for one in row["configs"] for note in one.get("notes", ()) if "did not run these parts" in note]
    return notes[0].rpartition(": ")[2] if notes else ""


def _cell(text: str) -> str:
    for mark in "\\_*<>[]`|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("types", nargs="*", help="TYPE or TYPE/TASK")
    parser.add_argument("--all", action="store_true", help="every task of each type")
    parser.add_argument("--again", action="store_true", help="also those that were not equal")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds of processor time of a derivation")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--rows", type=Path, default=ROWS)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    known = {(row["type"], row["task"]): row for row in rows}
    if not options.page or options.types or options.again:
        import transformers
        from vision_coverage import import_torchvision

        transformers.logging.set_verbosity_error()
        import_torchvision()
        examined("albert", "masked-lm")  # what a derivation and a count import is imported before the processes part

        end = time.monotonic() + options.seconds
        found = cases(options.all or any("/" in t for t in options.types))
        order = random.Random(0)  # what is asked for by name, then any: a part of the rows tells of the whole
        places = {name: place for place, name in enumerate(options.types)}  # what is asked for, in that order
        for model_type, task in sorted(
            found, key=lambda case: (places.get(case[0], 0), case[0] not in BY_NAME, order.random())
        ):
            wanted = not options.types or model_type in options.types or f"{model_type}/{task}" in options.types
            old = known.get((model_type, task))
            if not wanted or (old is not None and (old["equal"] or not options.again) and not options.types):
                continue
            if time.monotonic() > end:
                break
            row = {"type": model_type, "task": task, **apart(model_type, task, options.limit)}
            known[model_type, task] = row
            print(model_type, task, "equal" if row["equal"] else reason(row)[:300], flush=True)
            options.rows.write_text("".join(json.dumps(r) + "\n" for r in known.values()))
    print(Counter(row["equal"] for row in known.values()), file=sys.stderr)
    if options.page:
        options.page.write_text(page(known.values()))


if __name__ == "__main__":
    main()
