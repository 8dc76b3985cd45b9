"""Wrong input, clumsy or malicious: each ends within a second, in one line with file, path and culprit, status 3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from symflops import formula as library
from symflops.cli import main
from symflops.errors import SymflopsError
from symflops.formula import read_formula

ROOT = Path(__file__).parent.parent
ZERO = dict.fromkeys(("flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes", "parameters"), "0")
LINEAR = {"formula": "linear", "args": {"N": "seq_len", "in_features": 3, "out_features": 4}}
AT = ("-B", "1", "-S", "4")


def cost(flops: Any) -> dict[str, Any]:
    return {"cost": {**ZERO, "flops": flops}}


def linear(**changes: Any) -> dict[str, Any]:
    return {**LINEAR, **changes}


def model(layer: Any, **fields: Any) -> bytes:
    """A model file with this layer at layers.block.mlp."""
    return json.dumps({"name": "m", "layers": {"block": {"sub_layers": {"mlp": layer}}}, **fields}).encode()


HERE = "layers.block.mlp"
# What is wrong: (the file, what the line must name besides the file, the point to evaluate at)
WRONG: dict[str, tuple[bytes, tuple[str, ...], tuple[str, ...]]] = {
    "unknown formula": (model({"formula": "linaer"}), (HERE, "'linaer'", "did you mean 'linear'?"), ()),
    "unknown key": (model(linear(repeats=2)), (HERE, "unknown key 'repeats'", "did you mean 'repeat'?"), ()),
    "unknown key of the model": (b'{"name": "m", "layer": {}}', ("unknown key 'layer'", "did you mean 'layers'?"), ()),
    "unknown metric": (
        model({"cost": {**ZERO, "flop": "1"}}),
        (f"{HERE}.cost", "unknown key 'flop'", "did you mean 'flops'?"),
        (),
    ),
    "missing metric": (model({"cost": {"flops": "1"}}), (f"{HERE}.cost", "matmul_flops is missing"), ()),
    "undeclared name": (model(cost("2*hiden_size")), (f"{HERE}.cost.flops", "undeclared name 'hiden_size'"), ()),
    "undeclared argument": (
        model(linear(args={**LINEAR["args"], "rows": 1})),
        (f"{HERE}.args", "formula linear has no argument 'rows'"),
        (),
    ),
    "missing argument": (
        model(linear(args={"N": 1, "in_features": 2})),
        (f"{HERE}.args", "formula linear", "argument 'out_features' is missing"),
        (),
    ),
    "unknown class": (model({"class": "my.Lineer"}), (HERE, "no formula for class 'my.Lineer'"), ()),
    "neither class nor formula nor cost": (model({}), (HERE, "a basic layer needs a class, a formula or a cost"), ()),
    "negative repeat": (model(linear(repeat=-1)), (f"{HERE}.repeat", "'-1'"), ()),
    "fractional repeat": (model(linear(repeat=1.5)), (f"{HERE}.repeat", "'1.5'"), ()),
    "repeat that is a fraction": (model(linear(repeat="3/2")), (f"{HERE}.repeat", "'3/2'"), ()),
    "repeat that becomes negative": (
        model(linear(repeat="seq_len - 9")),
        ("block.mlp", "flops is negative at this point"),
        AT,
    ),
    "cycle of symbols": (
        model(LINEAR, symbols={"a": "b + 1", "b": "2*a"}),
        ("symbols", "cycle: a -> b -> a"),
        (),
    ),
    "wrong type of layer": (model([]), (HERE, "expected an object, got list"), ()),
    "wrong type of formula": (model(cost([1])), (f"{HERE}.cost.flops", "expected a number or a formula, got list"), ()),
    "wrong type of symbol": (model(LINEAR, symbols={"hidden_size": [1]}), ("symbols.hidden_size", "[1]"), ()),
    "wrong type of the file": (b"[]", ("expected a JSON object, got list",), ()),
    "symbol with a run symbol's name": (model(LINEAR, symbols={"seq_len": 3}), ("symbols", "'seq_len'"), ()),
    "key twice": (b'{"name": "m", "name": "n", "layers": {}}', ("key 'name' occurs twice",), ()),
    "not JSON": (b'{"name": "m",\n "layers": }', ("not JSON", "line 2, column 12"), ()),
    "empty": (b"", ("not JSON", "line 1, column 1"), ()),
    "not a number": (b'{"name": "m", "layers": {"a": {"repeat": NaN}}}', ("NaN is not a number",), ()),
    "not UTF-8": (b'{"name": "\xff"}', ("not UTF-8", "byte 10"), ()),
    "nested 10,000 deep": (b"[" * 10_000, ("nested too deeply",), ()),
    "layers nested 10,000 deep": (
        b'{"layers": ' + b'{"a": {"sub_layers": ' * 10_000 + b"{}" + b"}}" * 10_000 + b"}",
        ("nested",),
        (),
    ),
    "layers nested 200 deep": (
        b'{"layers": ' + b'{"a": {"sub_layers": ' * 200 + b"{}" + b"}}" * 200 + b"}",
        ("layers are nested deeper than 100 levels",),
        (),
    ),
    "9**9**9": (model(cost("9**9**9")), (f"{HERE}.cost.flops", "power of more than"), ()),
    "(2**64)**64": (model(cost("(2**64)**64")), (f"{HERE}.cost.flops", "power of more than"), ()),
    "code": (
        model(cost("__import__('os').system('touch /tmp/symflops-was-here')")),
        (f"{HERE}.cost.flops", "__import__", "only named functions can be called"),
        (),
    ),
    "attribute": (
        model(cost("batch_size.__class__")),
        (f"{HERE}.cost.flops", "'batch_size.__class__'", "attribute access is not part of the language"),
        (),
    ),
    "a formula of a million characters": (
        model(cost("1+" * 500_000 + "1")),
        (f"{HERE}.cost.flops", "1,000,001 characters"),
        (),
    ),
    "an expansion without end": (
        model(cost("*".join(["(batch_size + seq_len + past_len + causal + 1)"] * 200))),
        (f"{HERE}.cost.flops", "terms"),
        (),
    ),
    "parentheses 10,000 deep": (model(cost("(" * 10_000 + "1" + ")" * 10_000)), (f"{HERE}.cost.flops",), ()),
    "division by zero": (model(cost("1/(2 - 2)")), (f"{HERE}.cost.flops", "division by zero"), ()),
    "division by zero when evaluated": (model(cost("8/(seq_len - 4)")), ("block.mlp", "division by zero"), AT),
    "missing symbol when evaluated": (
        model(linear(args={**LINEAR["args"], "N": "hidden_size"}), symbols={"hidden_size": "hidden"}),
        ("symbols.hidden_size", "undeclared name 'hidden'"),
        AT,
    ),
    "negative batch": (model(LINEAR), ("batch_size = -1: must be a nonnegative integer",), ("-B", "-1", "-S", "4")),
    "fractional length": (model(LINEAR), ("seq_len = 0.5: must be a nonnegative integer",), ("-S", "0.5")),
    "tied to nothing": (model(linear(tied="embed")), (HERE, "no layer 'embed'"), ()),
    "line breaks and escapes": (model({"formula": "a\nb\x1b[31m"}), (HERE, r"a\nb"), ()),
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail; gives its one line on stderr."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.out) == (3, "")
        assert captured.err.startswith("symflops: error: ")
        assert captured.err.count("\n") == 1
        assert len(captured.err) < 1100
        assert "\x1b" not in captured.err
        return captured.err

    return run


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_model_file(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    content, named, point = WRONG[case]
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    message = refused("total", str(path), *point)
    for part in (str(path) if not point or case.startswith("missing") else "", *named):
        assert part in message


def test_a_file_of_100_megabytes(refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert f"{path}: larger than the 67,108,864 bytes that a model file may have" in refused("total", str(path))


def test_what_is_no_file(refused: Callable[..., str], tmp_path: Path) -> None:
    assert f"{tmp_path}: a directory without a config.json" in refused("total", str(tmp_path))
    assert "no such file" in refused("total", str(tmp_path / "none.json"))
    assert "no such model or file" in refused("total", "a\0b")
    assert "cannot read" in refused("total", "a" * 5000)
    assert "/dev/zero: larger than" in refused("total", "/dev/zero")


def test_a_missing_symbol_in_python() -> None:
    import symflops

    with pytest.raises(SymflopsError, match=r"^no value for seq_len; give seq_len=…$"):
        symflops.load("llama-2-7b-hf").total().at(batch_size=1)


FORMULA = """
about = "y"
[args]
N = "rows"
M = "columns"
[defaults]
{defaults}
[cost]
flops = "{flops}"
matmul_flops = "0"
read_bytes = "0"
write_bytes = "0"
intermediate_bytes = "0"
parameters = "0"
"""


def test_an_ambiguous_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = FORMULA.format(defaults="", flops="N")
    (tmp_path / "formulas").mkdir()
    for name in ("first", "second"):
        (tmp_path / "formulas" / f"{name}.toml").write_text(f'classes = ["{name}.Norm"]\n{text}')
    monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path))
    assert library.formula_for_class("second.Norm").name == "second"
    with pytest.raises(SymflopsError, match=r"^class 'Norm' is ambiguous: first\.Norm, second\.Norm$"):
        library.formula_for_class("Norm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FORMULA.format(defaults='N = "M"\nM = "N + 1"', flops="N"), "defaults: cycle: N -> M -> N"),
        (FORMULA.format(defaults="", flops="2*K"), "cost.flops: undeclared name 'K'"),
        (FORMULA.format(defaults='K = "1"', flops="N"), "defaults: 'K' is not an argument"),
        (FORMULA.format(defaults="N = 1", flops="N"), "defaults.N: expected a text, got int"),
        (FORMULA.format(defaults="", flops="N") + 'flop = "1"', "cost: unknown metric 'flop'"),
        (FORMULA.format(defaults="", flops="N").replace('parameters = "0"', ""), "cost: parameters is missing"),
        (FORMULA.format(defaults="", flops="N").replace("about", "abut"), "unknown key 'abut'; did you mean 'about'?"),
        (FORMULA.format(defaults="", flops="N").replace('N = "rows"', 'seq_len = ""'), "args: 'seq_len' cannot name"),
        ("[cost", "not a TOML file"),
        ("a = " + "[" * 10_000, "not a TOML file"),
    ],
)
def test_a_wrong_formula_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text(text)
    with pytest.raises(SymflopsError) as caught:
        read_formula(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_code_ran_and_no_traceback_as_a_process(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = tmp_path / "m.json"
    path.write_bytes(model(cost(f"__import__('os').system('touch {witness}')")))
    command = [sys.executable, str(ROOT / "cli.py"), "total", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert not witness.exists()
