"""The user's library under writers that are killed and writers that meet: every file is whole, and nothing is lost."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from killed_writers import data

from symflops.agent.library import Library, file_name
from symflops.errors import SymflopsError
from symflops.formula import formula_for_class, formula_names, load_formula

pytestmark = pytest.mark.torch

PROCESSES = multiprocessing.get_context("spawn")


def store(library: Library, class_name: str, number: int, unproven: str = "") -> None:
    library.store(class_name, data(number, class_name, unproven=unproven))


def test_a_writer_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    program = Path(__file__).parent / "killed_writers.py"
    command = [sys.executable, str(program), str(tmp_path), "80"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) == 80
    for (names, runs), (later_names, later_runs) in itertools.pairwise(seen):
        assert set(names) <= set(later_names)  # what was written stays
        assert later_runs[: len(runs)] == runs
    names, runs = seen[-1]
    assert names == [f"class{i}" for i in range(5)]
    assert len(runs) > 8  # they did get to write
    assert any(later[1] == earlier[1] for earlier, later in itertools.pairwise(seen))  # and were stopped in the middle
    store(Library(tmp_path), "made.Class0", 7)  # nobody holds the lock, and what was left over is removed
    assert list((tmp_path / "formulas").glob(".*")) == []


def write_many(folder: str, writer: int, barrier: Any) -> None:
    library = Library(Path(folder))
    barrier.wait()
    for i in range(15):
        store(library, f"writer{writer}.Same", i)  # the same name for a file, of two classes
        store(library, f"made.Writer{writer}Class{i}", i)
        library.note("made", {"number": writer * 100 + i, "text": ""})


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    barrier = PROCESSES.Barrier(2)
    writers = [PROCESSES.Process(target=write_many, args=(str(tmp_path), i, barrier)) for i in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    runs = json.loads((tmp_path / "diagnostics" / "made.json").read_text())["runs"]
    assert sorted(run["number"] for run in runs) == [w * 100 + i for w in (1, 2) for i in range(15)]
    library = Library(tmp_path)
    assert len(library.formulas()) == 2 * 15 + 2
    for writer in (1, 2):
        same = library.find(f"writer{writer}.Same")
        assert same is not None
        assert same.texts["flops"] == "14"


def test_an_unproven_formula_never_takes_the_place_of_a_verified_one(tmp_path: Path) -> None:
    library = Library(tmp_path)
    store(library, "made.Layer", 1, unproven="only counted")
    store(library, "made.Layer", 2)
    with pytest.raises(SymflopsError, match=r"a verified formula of made\.Layer, which an unproven one does not"):
        store(library, "made.Layer", 3, unproven="only counted")
    found = library.find("made.Layer")
    assert found is not None
    assert (found.texts["flops"], found.unproven) == ("2", "")


def test_the_loader_finds_formulas_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path))
    with pytest.raises(SymflopsError, match="unknown formula 'layer'"):
        load_formula("layer")
    library = Library.at(None)
    store(library, "made.Layer", 5)
    assert "layer" in formula_names()
    assert load_formula("layer").texts["flops"] == "5"
    assert formula_for_class("made.Layer").name == formula_for_class("Layer").name == "layer"
    store(library, "made.Layer", 6)
    assert load_formula("layer").texts["flops"] == "6"  # the same process sees what changed
    store(library, "torch.nn.modules.linear.Linear", 7)
    assert formula_for_class("torch.nn.modules.linear.Linear").name == "linear"  # symflops' own goes first
    assert load_formula("linear").about.startswith("y = x W^T")
    assert load_formula("linear_2").texts["flops"] == "7"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "", ".hidden", "a\0b", "A", "x" * 81, "nul.toml"])
def test_a_name_that_is_none_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SymflopsError, match="cannot name a file of the library"):
        Library(tmp_path).note(name, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("class_name", ["../../x", "..", "/", "a.b/../../c", "é.ü", "1", "", "x" * 500, "a\nb", "CON"])
def test_every_class_has_a_name_for_its_file(tmp_path: Path, class_name: str) -> None:
    Library(tmp_path).note(file_name(class_name), {})
    (written,) = (tmp_path / "diagnostics").iterdir()
    assert written.parent == tmp_path / "diagnostics"


@given(st.text(max_size=200))
def test_any_class_name_is_a_few_plain_letters(class_name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,79}", file_name(class_name))


def test_a_broken_file_of_the_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Any) -> None:
    monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path))
    (tmp_path / "formulas").mkdir()
    broken = tmp_path / "formulas" / "broken.toml"
    broken.write_bytes(b'classes = ["made.Broken"]\n\xff')
    assert refuse("formulas", "broken").startswith(f"{broken}: not a TOML file: ")
    with pytest.raises(SymflopsError, match="not a TOML file"):
        formula_for_class("made.Broken")
    assert formula_for_class("Linear").name == "linear"
    broken.unlink()
    broken.mkdir()
    assert refuse("formulas", "broken") == f"{broken}: cannot read: Is a directory"


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("kept")
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / ".lock").symlink_to(tmp_path / "outside")
    with pytest.raises(SymflopsError, match="cannot write"):
        store(Library(tmp_path / "library"), "made.Layer", 1)
    assert (tmp_path / "outside").read_text() == "kept"


def test_a_library_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SymflopsError, match=r"file.*cannot write"):
        Library(tmp_path / "file").note("name", {})
    (tmp_path / "diagnostics").mkdir()
    (tmp_path / "diagnostics" / "name.json").write_text("{}")
    with pytest.raises(SymflopsError, match="not a diagnostics file; move it away"):
        Library(tmp_path).note("name", {})
