"""The wheel: built, installed into an empty environment, and doing the main job there without torch."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_does_the_main_job_in_an_empty_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv")
    binaries = tmp_path / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", binaries / "python")
    run(*pip, "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)  # which would compile all of SymPy
    shown = run(binaries / "symflops", "total", "llama-2-7b-hf", "-B", "1", "-S", "2048", cwd=tmp_path)
    assert "29,261,612,187,648" in shown  # FlopCounterMode's count, see test_models.py
    assert "2*batch_size" in run(binaries / "symflops", "total", "llama-2-7b-hf", "--symbolic", cwd=tmp_path)
    assert "h100-sxm" in run(binaries / "symflops", "hardware", cwd=tmp_path)
    installed = set(run(binaries / "symflops", "formulas", cwd=tmp_path).split())
    assert {path.stem for path in (ROOT / "formulas").glob("*.toml")} <= installed
    run(binaries / "symflops", "report", "llama-2-7b-hf", "-o", tmp_path / "report.html", cwd=tmp_path)
    assert "<math>" in (tmp_path / "report.html").read_text("utf-8")  # the page's own files are in the wheel
    program = "import importlib.util as i; print([n for n in ('torch', 'transformers', 'anthropic') if i.find_spec(n)])"
    assert run(binaries / "python", "-c", program, cwd=tmp_path).strip() == "[]"
    assert "py.typed" in run(*pip, "show", "--files", "symflops", cwd=tmp_path)
