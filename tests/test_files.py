"""Whatever a name leads to is read or refused in one line; what is written is there whole, or the old file is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import SymflopsError, files
from symflops.formula import data_folder, load_formula

ROOT = Path(__file__).parent.parent
MODEL = (data_folder("models") / "gpt2.json").read_bytes()
FORMULA = (data_folder("formulas") / "linear.toml").read_bytes()
MACHINE = b'[m]\nabout="a"\nsource="s"\npeak_tflops={bf16=1.5}\nmemory_gb=1\nbandwidth_gb_s=1\n'
READERS: dict[str, tuple[Callable[[str], object], bytes]] = {
    "file.json": (symflops.load, MODEL),
    "file.toml": (load_formula, FORMULA),
    "machines.toml": (symflops.load_hardware, MACHINE),
}


def message(use: Callable[[], object]) -> str:
    with pytest.raises(SymflopsError) as caught:
        use()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_what_a_name_may_lead_to(name: str, tmp_path: Path) -> None:
    read, content = READERS[name]
    path = tmp_path / name
    for kind, make, said in (
        ("device", lambda: path.symlink_to("/dev/zero"), "larger than the "),
        ("empty device", lambda: path.symlink_to("/dev/null"), "not JSON" if name.endswith("json") else ""),
        ("pipe", lambda: os.mkfifo(path), "cannot read: a pipe that nobody writes to"),
        ("folder", path.mkdir, "a directory without a config.json" if name.endswith("json") else "Is a directory"),
        ("circle", lambda: path.symlink_to(path), "Too many levels of symbolic links"),
        ("UTF-16", lambda: path.write_bytes(content.decode().encode("utf-16")), "not UTF-8: it begins as UTF-16"),
        ("other bytes", lambda: path.write_bytes(content.replace(b'"', b"\xff", 1)), "not UTF-8: byte "),
    ):
        make()
        assert said in message(lambda: read(str(path))), kind
        path.rmdir() if path.is_dir() else path.unlink()
    assert message(lambda: read(str(tmp_path / ("x" * 300) / name))).endswith("File name too long")
    missing = "no such model or file" if name.endswith("json") else "cannot read: embedded null byte"
    assert missing in message(lambda: read(f"a\0{name}"))
    path.write_bytes(b"\xef\xbb\xbf" + content)
    assert read(str(path))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe.json"
    os.mkfifo(path)
    writer = subprocess.Popen(["sh", "-c", f"cat {data_folder('models')}/gpt2.json > {path}"])
    assert symflops.load(str(path)).name == "gpt2"
    assert writer.wait() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1" * 5000, "an integer of more than 4,300 digits"),
        ("[" * 100_000, "nested too deeply"),
        ("1e999999999", "expected a positive number"),
        ("1e-999999999", "expected a positive number"),
        ("nan", "expected a number"),
    ],
)
def test_numbers_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "machines.toml"
    path.write_bytes(MACHINE.replace(b"1.5", text.encode()))
    assert said in message(lambda: symflops.load_hardware(str(path)))
    if "e" not in text and text != "nan":
        with pytest.raises(SymflopsError, match=said):
            files.json_of(f'{{"a": {text}')


def test_a_config_may_hold_what_json_does_not_have() -> None:
    assert files.json_of('{"limit": Infinity}', constants=True)["limit"] == float("inf")
    with pytest.raises(SymflopsError, match="Infinity is not a number"):
        files.json_of('{"limit": Infinity}')


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    files.write(path, b"old")
    path.chmod(0o640)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert message(lambda: files.write(path, b"new")) == f"{path}: cannot write: No space left on device"
    assert path.read_bytes() == b"old"
    files.write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    (tmp_path / "link").symlink_to(path)
    files.write(tmp_path / "link", b"through")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == b"through"
    files.write(tmp_path / "link", b"instead", follow=False)
    assert (path.read_bytes(), (tmp_path / "link").is_symlink()) == (b"through", False)
    assert message(lambda: files.write(path / "below", b"")).endswith("cannot write: Not a directory")
    assert message(lambda: files.write(tmp_path / ("x" * 300), b"")).endswith("cannot write: File name too long")
    assert (
        message(lambda: files.write(Path("/dev/full"), b"x" * 10)) == "/dev/full: cannot write: No space left on device"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "link"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_writer_that_is_killed_leaves_nothing(number: int, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    program = f"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started the tests in the background
from symflops import files
from symflops.cli import streams
from pathlib import Path
def slow(descriptor):
    print("writing", flush=True)
    time.sleep(60)
os.fsync = slow
with streams.printing():
    files.write(Path({str(tmp_path / "target")!r}), b"new" * 1000)
"""
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert running.stdout is not None
    assert running.stdout.readline() == b"writing\n"
    running.send_signal(number)
    running.wait()
    running.stdout.close()
    assert [p.name for p in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_bytes() == b"old"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = run("total", "llama-2-7b-hf", stdout=full)
    assert done.returncode == 3
    assert done.stderr == b"symflops: error: cannot write the output: No space left on device\n"


# How each command prints something; every command has a line here.
PRINTING: dict[str, tuple[str, ...]] = {
    "total": ("llama-2-7b-hf",),
    "show": ("llama-2-7b-hf", "-B", "1", "-S", "1"),
    "sweep": ("gpt2", "-S", "1:64"),
    "table": ("llama-2-7b-hf",),
    "report": ("gpt2",),
    "solve": ("gpt2", "seq_len == 5", "--for", "seq_len"),
    "regimes": ("gpt2",),
    "generation": ("gpt2", "--prompt-len", "2", "--new-tokens", "2"),
    "compare": ("gpt2", "llama-2-7b-hf"),
    "roofline": ("gpt2", "--hardware", "h100-sxm"),
    "memory": ("gpt2",),
    "fit": ("gpt2", "--hardware", "h100-sxm"),
    "hardware": (),
    "verify": ("2*seq_len", "--against", "3*seq_len"),
    "derive": ("--help",),
    "inspect": ("--help",),
    "formulas": (),
    "models": (),
    "cache": (),
    "atlas": (),
    "site": ("--help",),
    "agent": ("--help",),
    "--help": (),
    "--version": (),
}


def test_every_command_is_tried() -> None:
    from symflops.cli import COMMANDS

    assert PRINTING.keys() == COMMANDS.keys() | {"agent", "--help", "--version"}


@pytest.mark.parametrize("command", PRINTING)
def test_nobody_reads_the_output(command: str) -> None:
    """`symflops table … | head` is quiet and no failure, as with any filter of Unix."""
    reading, writing = os.pipe()
    os.close(reading)
    done = run(command, *PRINTING[command], stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("command", "status"), [(("total", "nosuch"), 3), (("total", "gpt2"), 0), (("nosuch",), 3)])
def test_nobody_reads_output_or_errors(command: tuple[str, ...], status: int) -> None:
    """`symflops … 2>&1 | true`: an error keeps its exit status, and nothing is raised where nobody sees it."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, str(ROOT / "cli.py"), *command], stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == status


@pytest.mark.parametrize(
    ("command", "status"),
    [(("total", "gpt2", "--format", "json"), 0), (("show", "gpt2"), 0), (("total", "nosuch"), 3)],
)
def test_no_errors_to_write_to(command: tuple[str, ...], status: int) -> None:
    """`symflops … 2>&-`: the answer is the same, and what would go to stderr does not get into it."""
    shell = '"$@" 2>&-'
    program = ["sh", "-c", shell, "sh", sys.executable, str(ROOT / "cli.py"), *command]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (status, run(*command, stdout=subprocess.PIPE).stdout)


@pytest.mark.parametrize(
    "command",
    [
        ("show", "llama-2-7b-hf", "-B", "1", "-S", "1"),
        ("roofline", "gpt2", "-B", "1", "-S", "1", "--hardware", "h100-sxm"),
        ("table", "gpt2"),
    ],
)
def test_a_terminal_of_ascii(command: tuple[str, ...]) -> None:
    done = run(*command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0)
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout


@pytest.mark.parametrize("option", [("report", "gpt2", "-o"), ("sweep", "gpt2", "-S", "1:4:+1", "--plot")])
def test_names_that_nothing_can_be_written_to(option: tuple[str, ...], tmp_path: Path, refuse: Any) -> None:
    for name in ("x" * 300 + ".svg", "none/p.svg", "file/p.svg"):
        (tmp_path / "file").touch()
        assert refuse(*option, str(tmp_path / name))  # one line
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_plot_on_a_full_disk_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from symflops.cli import main

    path = tmp_path / "p.svg"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", "gpt2", "-S", "128:512:*2", "--plot", str(path)])
    assert stopped.value.code == 3
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["p.svg"]


def test_a_key_that_occurs_twice() -> None:
    with pytest.raises(SymflopsError, match="key 'a' occurs twice"):
        files.json_of(json.dumps({"a": 1})[:-1] + ', "a": 2}')
