"""Writers of a library that are killed: `python killed_writers.py FOLDER HOW_OFTEN`, a process of its own without
threads, so that starting a writer is a fork and takes a millisecond. Prints what was looked at after each kill."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from symflops.agent.library import Library
from symflops.cost import METRICS
from symflops.formula import read_formula


def data(number: int, class_name: str, length: int = 0, unproven: str = "") -> dict[str, Any]:
    """A formula in which every metric is the same number, so that a torn or mixed file shows."""
    marked = {"unproven": unproven} if unproven else {}
    cost = dict.fromkeys(METRICS, str(number))
    return {"about": f"{number} " + "x" * length, **marked, "classes": [class_name], "cost": cost}


def write_for_ever(folder: str, seed: int) -> None:
    library, numbers = Library(Path(folder)), random.Random(seed)
    while True:
        number = numbers.randrange(10**9)
        kind = f"made.Class{number % 5}"
        library.store(kind, data(number, kind, number % 50_000))
        library.note("made", {"number": number, "text": "y" * (number % 5_000)})
        library.calculator("made", f"number = {number}\n" * (number % 1_000) + f"last = {number}\n")


def whole(folder: Path) -> tuple[list[str], list[int]]:
    """The formulas and the runs of a library, in which every file is one that was written, from its first byte to its
    last; anything else raises."""
    names = []
    for path in sorted((folder / "formulas").glob("*.toml")):
        formula = read_formula(path)
        (number,) = {int(formula.texts[metric]) for metric in METRICS}
        assert formula.about == f"{number} " + "x" * (number % 50_000)
        names.append(path.stem)
    noted = folder / "diagnostics" / "made.json"
    runs = json.loads(noted.read_text())["runs"] if noted.exists() else []
    assert all(run["text"] == "y" * (run["number"] % 5_000) for run in runs)
    code = folder / "calculators" / "made.py"
    if code.exists():
        lines = code.read_text().splitlines()
        assert len({line.split(" = ")[1] for line in lines}) == 1
        assert lines[-1].startswith("last = ")
    return names, [run["number"] for run in runs]


def main(folder: str, often: int) -> None:
    moments = random.Random(4)
    longest = 0.04  # seconds that a writer may live; more on a busy machine, where it would write nothing
    seen: list[tuple[list[str], list[int]]] = []
    for seed in range(often):
        writer = os.fork()
        if not writer:
            write_for_ever(folder, seed)
        time.sleep(moments.uniform(0.0, longest))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        seen.append(whole(Path(folder)))
        idle = len(seen) > 1 and seen[-1] == seen[-2]
        longest = min(1.0, longest * 1.2) if idle else max(0.04, longest / 1.2)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
