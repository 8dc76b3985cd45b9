"""Mutation testing: small faults put into symflops, one at a time; the tests of the part must fail.

Why not mutmut or cosmic-ray: here a mutant takes a second or two of one core, since it is a fork of a process that has
SymPy, NumPy and pytest loaded, and its source is compiled in memory; endless loops end by a limit of processor time;
files of formulas are mutated too (formula_mutants.py). Those tools start a new interpreter for each mutant.

A sample with a fixed seed is tried of each file; results are kept in mutants.jsonl, so a run that was cut off goes on
where it was. What was killed is not tried again until its file changes, what survived until its tests do, too. What
survives and changes no answer is named, with the reason, in equivalent_mutants.toml.

python benchmarks/mutants.py [--of N] [--seed S] [--minutes M] [--report] [FILE…]   such as analysis/signs.py
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from mutant_tests import SLOW, TESTS
from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "mutants.jsonl"
EQUIVALENT = Path(__file__).parent / "equivalent_mutants.toml"
SECONDS = 40  # of processor time for one mutant, at most; and no more than a few times what its tests take
MEMORY = 4 << 30
_OPTIONS = "addopts=-q --doctest-modules -p no:cacheprovider"  # markers of plugins that are not loaded are let be
LOADED = ("numpy", "sympy", "networkx", "mpmath", "hypothesis", "pytest", "typer", "rich.console", "rich.table")


class _Mutated(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module from a changed source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        super().__init__(module, str(path))
        self.source = source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _First:
    """The first test that failed."""

    name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        self.pytest_runtest_logreport(report)


def attempt(file: str, source: str, most: int = SECONDS) -> tuple[str, float]:
    """What a changed file leads to, in a fork: the test that fails, "no end", or "" where all pass; and the seconds."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os.write(write, _run(file, source).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    _, status, used = os.wait4(child, 0)
    return (said.removeprefix("passed") if said else "no end" if status else "died"), used.ru_utime + used.ru_stime


def _run(file: str, source: str) -> str:
    import hypothesis
    import pytest

    quick = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # shrinking says nothing new here
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=quick,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    hypothesis.settings.load_profile("mutants")
    module = "symflops." + file.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, _Mutated(module, ROOT / "symflops" / file, source))
    first = _First()
    tests = [str(path) + node for path, node in tests_of(file)]
    try:
        importlib.import_module(module)  # now: pytest would read files that it is given from the disk
        done = pytest.main(
            ["-x", "-o", _OPTIONS, *(f"--deselect={t}" for t in SLOW), str(ROOT / "symflops" / file), *tests],
            plugins=[first],
        )
    except BaseException as error:  # a fault may show in any way, during collection too
        return type(error).__name__
    return "passed" if done == 0 else first.name or f"pytest: {done}"


def tests_of(file: str) -> list[tuple[Path, str]]:
    """The test files of a part that there are, each with the one test of it that is meant, if it is one."""
    parted = [name.partition("::") for name in TESTS[file]]
    found = [(ROOT / "tests" / f"test_{name}.py", colons + node) for name, colons, node in parted]
    return [(path, node) for path, node in found if path.exists()]


def digest_of(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def sample(file: str, most: int, seed: int) -> list[Mutant]:
    """Mutants of a file, the same for the same source and seed."""
    found = mutants((ROOT / "symflops" / file).read_text())
    random.Random(f"{seed} {file}").shuffle(found)  # so that a larger sample contains a smaller one
    return sorted(found[:most], key=lambda mutant: (mutant.line, mutant.name))


def equivalent() -> dict[str, dict[str, str]]:
    """Of each file, the mutants that change no answer, and why."""
    known: dict[str, dict[str, str]] = tomllib.loads(EQUIVALENT.read_text())["symflops"]
    return known


def kept() -> dict[tuple[str, str], dict[str, Any]]:
    """The results so far, the last one of each mutant."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(entry["file"], entry["name"]): entry for entry in map(json.loads, lines)}


def left(file: str, most: int, seed: int) -> list[Mutant]:
    """The mutants of a sample that are still to be tried."""
    results, known = kept(), equivalent().get(file, {})
    source, tests = digest_of(ROOT / "symflops" / file), digest_of(*(path for path, _ in tests_of(file)))

    def is_done(mutant: Mutant) -> bool:
        entry = results.get((file, mutant.name), {})
        return entry.get("digest") == source and (bool(entry["by"]) or entry.get("tests") == tests)

    return [mutant for mutant in sample(file, most, seed) if mutant.name not in known and not is_done(mutant)]


def try_all(file: str, most: int, seed: int, until: float) -> bool:
    """Whether the tests of a part pass without a mutant; then all mutants were tried that there was time for."""
    found = left(file, most, seed)
    if not found or used() > until:
        return True
    source, tests = (digest_of(*paths) for paths in ([ROOT / "symflops" / file], [p for p, _ in tests_of(file)]))
    said, seconds = attempt(file, (ROOT / "symflops" / file).read_text())
    if said:
        print(f"{file}: SKIPPED, its tests fail without a mutant: {said}", flush=True)
        return False
    print(f"{file}: {len(found)} to try; its tests take {seconds:.1f} s of processor time", flush=True)
    most = min(SECONDS, 8 + 3 * round(seconds))
    for mutant in found:
        if used() > until:
            break
        said, seconds = attempt(file, mutant.source, most)
        entry = {"file": file, "name": mutant.name, "line": mutant.line, "by": said, "digest": source, "tests": tests}
        with RESULTS.open("a") as out:
            out.write(json.dumps(entry | {"seconds": round(seconds, 1)}) + "\n")
        if not said:
            print(f"{file}:{mutant.line}: SURVIVES: {mutant.name}", flush=True)
    return True


def used() -> float:
    """Seconds of processor time that the mutants so far took."""
    times = os.times()
    return times.children_user + times.children_system


def report(files: Sequence[str], most: int, seed: int) -> None:
    """The table and the survivors, in Markdown."""
    results, known = kept(), equivalent()
    totals, rows, open_ones = Counter[str](), [], []
    for file in files:
        counts = Counter[str]()
        for mutant in sample(file, most, seed):
            entry = results.get((file, mutant.name))
            same = mutant.name in known.get(file, {})
            kind = "equivalent" if same else "not tried" if not entry else "killed" if entry["by"] else "open"
            counts[kind] += 1
            if kind == "open":
                open_ones.append(f"- `{file}:{mutant.line}`: `{mutant.name}`")
        totals += counts
        rows.append(_row(f"`{file}`", counts))
    print(f"| file | mutants | {' | '.join(_KINDS)} |\n|{'---|' * (2 + len(_KINDS))}")
    print("\n".join([*rows, _row("all", totals)]))
    print(f"\nOpen:\n\n{chr(10).join(open_ones) or 'none'}")


_KINDS = ("killed", "equivalent", "open", "not tried")


def _row(name: str, counts: Counter[str]) -> str:
    return f"| {name} | {counts.total()} | {' | '.join(str(counts[kind]) for kind in _KINDS)} |"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--of", type=int, default=10, help="mutants of each file, at most (10)")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=120, help="of processor time; a later run goes on (120)")
    parser.add_argument("--report", action="store_true", help="print what was found so far, try nothing")
    parser.add_argument("files", nargs="*", metavar="FILE")
    given = parser.parse_args()
    files = given.files or list(TESTS)
    unknown = [file for file in files if file not in TESTS]
    if unknown:
        parser.error(f"no tests are known for {unknown[0]}; valid: {', '.join(TESTS)}")
    passed = True
    if not given.report:
        os.environ |= {"HF_HUB_OFFLINE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        os.chdir(ROOT)
        sys.path.insert(0, str(ROOT))
        for name in LOADED:
            importlib.import_module(name)
        for file in files:
            passed &= try_all(file, given.of, given.seed, 60 * given.minutes)
        print(f"{used():.0f} s of processor time", flush=True)
    report(files, given.of, given.seed)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
