"""Configs with broken fields put into `derive`: a right answer or one clear line, never another exception.

    python benchmarks/fuzz_configs.py FOLDER [HOW_MANY [SEED [TIMEOUT]]]

Each config.json below FOLDER is changed in one to three fields, nested ones among them: to another type, a huge,
negative or fractional number, 0, NaN, a list in a list, or nothing. With a TIMEOUT in seconds of processor time they
are derived; without one they are only read and their classes named.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import symflops
from symflops import SymflopsError

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    7,
    0.5,
    -0.0,
    2**31,
    10**30,
    float("nan"),
    float("inf"),
    1e308,
    "",
    "1",
    "x",
    "torch.nn.Linear",
    "../../x",
    "\0",
    "\ud800",
    "x" * 5000,
    [],
    [1],
    [[1, [2]], {}],
    ["x"],
    [None],
    {},
    {"a": 1},
    {"rope_type": "yarn"},
    {"model_type": "llama"},
    {"model_type": []},
    [1] * 1000,
)
DELETED = object()


def places(data: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Each field of a config, as what it stands in and its key."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield data, key
        if depth < 3:
            yield from places(value, depth + 1)


def mutated(content: str, r: random.Random) -> tuple[str, str]:
    """The text of a changed config, and what was changed."""
    data = json.loads(content)
    said = []
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        where, key = r.choice([*places(data)])
        kind = r.random()
        if kind < 0.15:
            where.pop(key)
            said.append(f"{key} deleted")
            continue
        if kind < 0.3 and isinstance(where[key], int | float):
            value: Any = r.choice((-where[key], where[key] + 1, where[key] * 10**6, str(where[key]), [where[key]]))
        else:
            value = deepcopy(r.choice(VALUES))  # the next change may be inside of it
        where[key] = value
        said.append(f"{key} = {str(value)[:40]!r}")
        if not data:
            break
    return json.dumps(data), ", ".join(said)


def outcome(use: Callable[[], Any]) -> str:
    """What is wrong with it; nothing where it is answered or refused in a line."""
    try:
        use()
    except SymflopsError as error:
        return "a message of several lines" if "\n" in str(error) or not str(error) else ""
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:160]!r} ({Path(last.filename).name}:{last.lineno})"
    return ""


def main(folder: Path, how_many: int, seed: int, timeout: float) -> int:
    from symflops.trace.configs import find

    configs = sorted(folder.rglob("config.json"))
    wrong: Counter[str] = Counter()
    answered, longest = 0, 0.0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "config.json"
        for i in range(how_many):
            r = random.Random(seed * 1_000_000 + i)
            source = r.choice(configs)
            text, said = mutated(source.read_text(), r)
            path.write_text(text)
            begun = time.process_time()

            def use() -> None:
                nonlocal answered
                if timeout:
                    model = symflops.derive(str(path), timeout=timeout)
                    repr(model), model.total(symbolic=True).text("flops"), model.dumps()
                else:
                    find(path)
                answered += 1

            what = outcome(use)
            longest = max(longest, time.process_time() - begun)
            if timeout and i % 10 == 9:
                print(f"{i + 1} tried, {answered} answered", file=sys.stderr, flush=True)
            if what:
                wrong[what.partition(":")[0]] += 1
                print(f"{i}: {source.parent.name}: {said}: {what}", flush=True)
    print(
        f"seed {seed}: {how_many:,} tried, {answered:,} answered, {sum(wrong.values())} failed {dict(wrong)}, "
        f"the longest took {longest:.1f} s"
    )
    return bool(wrong)


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[2:]]
    given += [1000, 1, 0][len(given) :]
    sys.exit(main(Path(sys.argv[1]), int(given[0]), int(given[1]), given[2]))
