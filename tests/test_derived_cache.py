"""What was derived is kept: found by content, never stale, never needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from symflops import derived_cache, files, source
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch

TINY = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYMFLOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is derived; instead of the derivation a model whose flops say which one it was."""
    done: list[Any] = []
    import_module("transformers.models.llama.modeling_llama")  # as a derivation does: what is kept names its sources

    def derive(what: Any, **_: Any) -> Any:
        done.append(what)
        zero = dict.fromkeys(("matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes", "parameters"), 0)
        layer = {"class": "torch.nn.modules.linear.Linear", "cost": {"flops": len(done), **zero}}
        return source.load({"name": "m", "class": "transformers.models.llama.modeling_llama.X", "layers": {"a": layer}})

    monkeypatch.setattr(source, "derive", derive)
    return done


def _config(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TINY | changes))
    return folder / "config.json"


def test_the_second_time_it_is_the_same_to_the_byte(say: Any, cache: Path, tmp_path: Path) -> None:
    config = _config(tmp_path / "small")
    first = say("derive", str(config))
    assert say("derive", str(config)) == first
    assert source.load(tmp_path / "small").dumps() == first
    assert json.loads(say("cache", "--format", "json")) == {
        "folder": str(cache), "models": 1, "bytes": next(cache.iterdir()).stat().st_size, "cleared": False,
    }  # fmt: skip


def test_by_content_place_and_options(cache: Path, tmp_path: Path, derivations: list[Any]) -> None:
    config = _config(tmp_path / "small")
    for what in (config, str(config), tmp_path / "small", config):
        assert source.load(what).total().flops == 1
    assert len(derivations) == 1
    _config(tmp_path / "small", hidden_size=128)
    assert source.load(config).total().flops == 2
    _config(tmp_path / "small")
    assert source.load(config).total().flops == 1  # the old content again
    assert source.load(_config(tmp_path / "other")).total().flops == 3  # a model is called after its folder
    assert source.derived(config, attention="eager").total().flops == 4
    assert [source.load(TINY).total().flops for _ in range(2)] == [5, 5]
    assert [source.load(name).total().flops for name in ("llama", "LLAMA", "llama")] == [6, 6, 6]


def test_other_versions_and_another_source_are_derived_again(
    cache: Path, tmp_path: Path, derivations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tmp_path / "small")
    assert source.load(config).total().flops == 1
    versions = derived_cache._versions()
    assert versions is not None
    for name in versions:
        monkeypatch.setattr(derived_cache, "_versions", lambda name=name: versions | {name: "another"})
        assert source.load(config).total().flops == len(derivations) > 1
    monkeypatch.undo()
    monkeypatch.setenv("SYMFLOPS_CACHE", str(cache))
    (entry,) = [e for e in cache.iterdir() if '"another"' not in e.read_text()]
    head, _, text = entry.read_text().partition("\n")
    data = json.loads(head)
    changed = tmp_path / "modeling.py"
    changed.write_text("now")
    entry.write_text(f"{json.dumps(data | {'sources': {str(changed): derived_cache._digest(b'then')}})}\n{text}")
    assert derived_cache.find(data["key"]) is None
    changed.write_text("then")
    assert derived_cache.find(data["key"]) is not None


@pytest.mark.parametrize("at", [0, 1, 40, 0.3, 0.6, 0.95, "empty", "gone", "folder", "zeros", "digit"])
def test_a_damaged_entry_is_derived_again(cache: Path, tmp_path: Path, derivations: list[Any], at: Any) -> None:
    config = _config(tmp_path / "small")
    source.load(config)
    (entry,) = cache.iterdir()
    content = entry.read_bytes()
    if isinstance(at, int | float):
        place = int(at * len(content)) if isinstance(at, float) else at
        entry.write_bytes(content[:place])
    elif at == "digit":  # a number in the model, and everything else as it was
        entry.write_bytes(content.replace(b'"flops": 1', b'"flops": 7'))
        assert entry.read_bytes() != content
    elif at == "folder":
        entry.unlink()
        entry.mkdir()
    elif at == "gone":
        entry.unlink()
    else:
        entry.write_bytes(b"" if at == "empty" else bytes(len(content)))
    assert source.load(config).total().flops == 2
    if at != "folder":
        assert source.load(config).total().flops == 2
        assert len(derivations) == 2


def test_no_cache_derives_and_keeps(say: Any, cache: Path, tmp_path: Path, derivations: list[Any], refuse: Any) -> None:
    config = str(_config(tmp_path / "small"))
    flops = ("--metric", "flops")
    assert say("total", config, *flops) == "flops = 1\n"
    assert say("total", config, *flops, "--no-cache") == "flops = 2\n"
    assert say("total", config, *flops) == "flops = 2\n"
    assert say("show", config, *flops).splitlines()[-1].split() == ["total", "2"]
    assert say("cache").startswith(f"{cache}: 1 derived model, ")
    assert say("cache", "--clear").startswith(f"removed from {cache}: 1 derived model, ")
    assert say("cache") == f"{cache}: 0 derived models, 0 bytes\n"
    assert say("total", config, *flops) == "flops = 3\n"
    assert "--no-cache" in refuse("total", "gpt2", "--no-cach")


@pytest.mark.parametrize("folder", [os.devnull, "/proc/nowhere", "a file"])
def test_a_cache_that_cannot_be_written_is_none(
    folder: str, tmp_path: Path, derivations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("SYMFLOPS_CACHE", str(tmp_path / folder))
    config = _config(tmp_path / "small")
    assert [source.load(config).total().flops for _ in range(2)] == [1, 2]


def test_a_full_disk_leaves_nothing(
    cache: Path, tmp_path: Path, derivations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SymflopsError("cannot write: No space left on device")

    monkeypatch.setattr(files, "write", full)
    config = _config(tmp_path / "small")
    assert [source.load(config).total().flops for _ in range(2)] == [1, 2]
    assert not list(cache.iterdir())


def test_old_entries_give_way(
    cache: Path, tmp_path: Path, derivations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_cache, "MOST_ENTRIES", 2)
    for i in range(4):
        source.load(_config(tmp_path / "small", hidden_size=64 * (i + 1)))
        for age, entry in enumerate(sorted(cache.iterdir(), key=lambda e: -e.stat().st_mtime)):
            os.utime(entry, (10**9 - age, 10**9 - age + i))
    assert len(list(cache.iterdir())) == 2
    source.load(_config(tmp_path / "small", hidden_size=256))
    assert len(derivations) == 4


def test_a_config_of_the_hub_is_asked_for_again_after_a_week(
    run: Any, cache: Path, derivations: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    days = [20_000.5]
    monkeypatch.setattr(derived_cache.time, "time", lambda: days[0] * 86400)
    ask = ("total", "somebody/Model-3.1-8B", "--metric", "flops")
    assert run(*ask) == (0, "flops = 1\n", "")
    days[0] += 6
    note = "note: m: the config is the hub's of 2024-10-04; --no-cache asks for it again\n"
    assert run(*ask) == (0, "flops = 1\n", note)
    days[0] += 2
    assert run(*ask) == (0, "flops = 2\n", "")


# Three answers for a class in a file that imports another one, and whether torch was loaded for each.
_LOCAL = """
import os, sys, io, contextlib
from symflops.cli import main
def total():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try: main(["total", sys.argv[1], "--metric", "parameters", "-q"])
        except SystemExit as stopped: assert stopped.code in (0, None), stopped.code
    print(text.getvalue().strip())
total()
kept = len(os.listdir(os.environ["SYMFLOPS_CACHE"]))
modules = [name for name in sys.modules if name in ("parts", "model")]
for name in modules: del sys.modules[name]
total()
print(kept, [name for name in ("parts", "model") if name in sys.modules])
open("parts.py", "a").write("WIDTH = 3\\n")
total()
"""


@pytest.mark.parametrize("name", ["model.py:Block", "model:Block"])
def test_a_class_of_one_s_own_is_known_by_all_its_source(cache: Path, tmp_path: Path, name: str) -> None:
    """in*width and width*in weights; after the edit of the other file width*3 and 3*width."""
    (tmp_path / "parts.py").write_text("WIDTH = 5\n")
    (tmp_path / "model.py").write_text(
        "import torch\nfrom parts import WIDTH\n\nprint('hello')\n\n\nclass Block(torch.nn.Module):\n"
        "    def __init__(self, width: int):\n        super().__init__()\n"
        "        self.up = torch.nn.Linear(width, WIDTH, bias=False)\n\n"
        "    def forward(self, x):\n        return self.up(x)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _LOCAL, name], cwd=tmp_path, capture_output=True, text=True, env=os.environ.copy()
    )
    assert done.stdout.splitlines() == [
        "parameters = 5*width",
        "parameters = 5*width",
        "1 []",
        "parameters = 3*width",
    ], done.stderr


def test_the_second_call_loads_no_torch(cache: Path, tmp_path: Path, say: Any) -> None:
    config = _config(tmp_path / "small")
    first = say("total", str(config))
    ask = "import sys\nfrom symflops.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    heavy = "print([n for n in ('torch', 'transformers', 'huggingface_hub') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", ask + heavy, "total", str(config)], capture_output=True, text=True, env=os.environ.copy()
    )
    assert done.stdout == f"{first}[]\n"


def test_other_inputs_and_arguments_are_derived_again(cache: Path, tmp_path: Path, derivations: list[Any]) -> None:
    config = _config(tmp_path / "small")
    for options in ({}, {"inputs": ["x: float[3]"]}, {"inputs": ["x: float[4]"]}, {"fix": ["a"]}, {"a": 3}, {"a": 4}):
        assert source.derived(config, **options).total().flops == len(derivations)
        assert source.derived(config, **options).total().flops == len(derivations)
    assert len(derivations) == 6
