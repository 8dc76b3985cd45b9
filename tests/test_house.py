"""The order of the house: who may import whom, what importing loads, and how long a file may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "symflops"
# Each room imports only from rooms before it. The rooms in one inner tuple do not import each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("vocabulary",),
    ("deadline", "progress", "files", "handles"),
    ("budget", "strangers", "module_names", "originals"),
    ("config_file",),
    ("syntax",),
    ("tree",),
    ("number",),
    ("value",),
    ("polynomial",),
    ("given",),
    ("function",),
    ("algebra",),
    ("factoring",),
    ("grouping", "stored"),
    ("mathml",),
    ("units", "notation", "notebook", "sympy_tree", "sympy_function"),
    ("calling",),
    ("sympy_form",),
    ("expr",),
    ("numeric",),
    ("arrays",),
    ("meaning",),
    ("assumption",),
    ("domain",),
    ("grid",),
    ("cost", "program"),
    ("peak",),
    ("gradients",),
    ("formula",),
    ("hardware", "number_format", "gguf_types"),
    ("summation", "gguf"),
    ("ragged", "checkpoint"),
    ("serving",),
    ("inputs", "layer", "plan", "quantization"),
    ("graph", "place", "quantization_config"),
    ("rows",),
    ("model_file",),
    ("model",),
    ("storage",),
    ("passes",),
    ("derived_cache",),
    ("verification", "export", "trace"),
    ("atlas",),
    ("source",),
    ("reference", "analysis"),
    ("site",),
    ("agent",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
HEAVY = ("torch", "transformers", "anthropic", "matplotlib", "pandas")
MAY_IMPORT = {  # what of these a room is for
    "trace": ("torch", "transformers"),
    "notebook": ("pandas",),
    "export": ("matplotlib",),
    "agent": ("anthropic",),
}
# Private, though no part of its name begins with an underscore.
PRIVATE_TORCH = "torch.fx.experimental"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> tuple[str, ...]:
    """The full names that a file imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = room_of(path)
    for name in imports(path):
        if name.startswith("symflops."):
            room = name.split(".")[1]
            if room not in RANK:  # a name of the package itself, such as its version
                assert own in ("cli", "derived_cache")
                continue
            assert room == own or RANK[room] < RANK[own], f"{own} imports {name}"
            # Answers ask the model, not how it came about or is printed.
            assert own != "analysis" or room not in ("export", "trace", "verification"), f"{own} imports {name}"
        package = name.partition(".")[0]
        assert package not in HEAVY or package in MAY_IMPORT.get(own, ()), f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_private_parts_of_torch_are_behind_one_file(path: Path) -> None:
    def is_private(name: str) -> bool:
        parts = name.split(".")
        return parts[0] == "torch" and (name.startswith(PRIVATE_TORCH) or any(part.startswith("_") for part in parts))

    found = [name for name in imports(path) if is_private(name)]
    assert not found or path == PACKAGE / "trace" / "internals.py", f"imports {', '.join(found)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_can_be_read_top_to_bottom(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 330


@pytest.mark.parametrize(
    "program",
    [
        "import symflops",
        "from symflops import *",
        "import symflops; symflops.solve('llama-2-7b-hf', 'flops(self_attn) == flops(mlp)', 'seq_len').sentence",
        "import symflops; symflops.roofline('llama-2-7b-hf', 'h100-sxm')",
        "import symflops; symflops.load('llama-2-7b-hf').total().at(batch_size=1, seq_len=2)",
        "from symflops.cli import main\ntry: main(['total', 'llama-2-7b-hf'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    ask = f"{program}\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_total_in_the_terminal_loads_what_it_needs() -> None:
    """No algebra system, no graph library, no conversion of arguments and no other command."""
    others = ("sympy", "networkx", "numpy", "pydantic", "rich", "symflops.cli.show", "symflops.cli.agent")
    ask = (
        "import sys; sys.argv[1:] = ['total', 'llama-2-7b-hf', '-S', '8', '--metric', 'flops']\n"
        "from symflops.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {others} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_module_hides_a_public_function() -> None:
    import symflops

    assert not {path.stem for path in PACKAGE.iterdir()} & set(symflops.__all__)


def test_a_name_of_a_class_has_one_meaning() -> None:
    """Two classes with one name are two things that a reader takes for one."""
    found: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    shared = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert shared.keys() == {"Format"}  # each command has one: what it can print
    assert all(path.startswith("cli/") for path in shared["Format"])


def test_the_changelog_is_dated_newest_first() -> None:
    text = (PACKAGE.parent / "CHANGELOG.md").read_text("utf-8")
    sections = [line for line in text.splitlines() if line.startswith("#")]
    dates = [date.fromisoformat(line[4:]) for line in sections if line.startswith("### ")]
    assert dates == sorted(set(dates), reverse=True)
    kinds = {line[5:] for line in sections if line.startswith("#### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    first = text.index("### ")
    assert "\n- " not in text[:first]  # nothing is outside of them


def test_what_is_excused_says_why() -> None:
    """`type: ignore` and `noqa` have a reason beside them."""
    excuse = re.compile(r"# (?:type: ignore(?:\[[^\]]*\])?|noqa(?:: [A-Z0-9, ]+)?)(?P<rest>.*)")
    for folder in ("symflops", "tests", "benchmarks", "examples"):
        for path in (PACKAGE.parent / folder).rglob("*.py"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                found = excuse.search(line)
                assert not found or len(found["rest"].strip(" -#")) > 2, f"{path}:{number}"


TESTS = PACKAGE.parent / "tests"


@cache
def at_once(path: Path) -> tuple[frozenset[str], frozenset[Path]]:
    """What importing a file imports: names, and the files of this repository among them."""
    names: set[str] = set()
    modules: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names |= {f"{module}.{alias.name}".lstrip(".") for alias in node.names}
            modules |= {module}
    folders = (TESTS, PACKAGE.parent / "benchmarks", PACKAGE.parent)
    files = (folder / f"{name.replace('.', '/')}.py" for name in names | modules for folder in folders)
    return frozenset(names), frozenset(file for file in files if file.is_file())


def imported(path: Path) -> set[str]:
    """The same, with what those files import."""
    seen, left, names = {path}, [path], set[str]()
    while left:
        found, files = at_once(left.pop())
        names |= found
        left += files - seen
        seen |= files
    return names


@pytest.mark.parametrize("path", sorted(TESTS.glob("test_*.py")), ids=lambda path: path.stem)
def test_what_imports_pytorch_says_so(path: Path) -> None:
    """Else nothing is collected where PyTorch is not installed, and `make check` runs no test at all."""
    text = path.read_text("utf-8")
    excused = re.search(r"^pytestmark = .*\bpytest\.mark\.torch\b|^pytest\.importorskip", text, re.MULTILINE)
    names = [name for name in imported(path) if name.partition(".")[0] in ("torch", "transformers")]
    assert excused or not names, names
