"""What every surface says with one more run symbol and one more metric, as JSON: `python more_vocabulary.py FOLDER`.

The rows are added as CONTRIBUTING says, to the tables, before anything has read them.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

VOCABULARY = Path(__file__).parent.parent / "symflops" / "vocabulary"
SYMBOL = """RUN = RUN.extended([
    RunSymbol("target_len", "tokens that the decoder is fed", "T", default=1, lowest=1, options=("--target-len",))
])
"""
METRIC = """TABLE = (*TABLE, Metric("sent_bytes", "byte", "bytes sent", "bytes that devices tell each other", "all"))
"""


def add(table: str, row: str, before: str) -> None:
    """Import a table with one more row in it."""
    path = VOCABULARY / f"{table}.py"
    source = path.read_text()
    assert source.count(before) == 1
    name = f"symflops.vocabulary.{table}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    exec(compile(source.replace(before, row + before), str(path), "exec"), vars(module))
    setattr(importlib.import_module("symflops.vocabulary"), table, module)


add("symbols", SYMBOL, "\nRUN_SYMBOLS = ")
add("metrics", METRIC, "\nMETRICS = ")

import symflops  # noqa: E402 - after the rows above, here and below
from symflops.cli import main as command  # noqa: E402 - the same
from symflops.export import html, page_data  # noqa: E402 - the same
from symflops.export.latex import equations  # noqa: E402 - the same
from symflops.export.numpy import numpy_function  # noqa: E402 - the same
from symflops.export.python import python_function  # noqa: E402 - the same

COST = {
    "flops": "2*batch_size*seq_len*target_len*h", "matmul_flops": 0, "read_bytes": 0, "write_bytes": 0,
    "intermediate_bytes": 0, "parameters": "h", "sent_bytes": "dtype_bytes*target_len*h",
}  # fmt: skip
DATA = {"name": "pair", "symbols": {"h": 5}, "layers": {"cross": {"cost": COST}}}
POINT = {"batch_size": 1, "seq_len": 2, "target_len": 3}
ASKED = ("flops", "sent_bytes")


def said(*arguments: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), suppress(SystemExit):
        command(arguments)
    return out.getvalue()


def run_python(make: Callable[..., str]) -> list[int]:
    names: dict[str, Any] = {}
    exec(make(symflops.load(DATA).total(), ASKED, "pair"), names)
    return [int(n) for n in names["pair"](**POINT).values()]


def run_c(folder: Path, file: str) -> list[int]:
    code = said("total", file, "--metric", ",".join(ASKED), "--format", "c")
    call = "pair_cost c; int s = pair(1, 2, 2, 3, &c);"
    prints = "".join(f'printf("%lld ", (long long)c.{metric});' for metric in ASKED)
    (folder / "pair.c").write_text(f"#include <stdio.h>\n{code}\nint main(void) {{ {call} {prints} return s; }}\n")
    subprocess.run(["gcc", "pair.c", "-o", "pair"], cwd=folder, check=True)
    done = subprocess.run([folder / "pair"], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def run_javascript(folder: Path, file: str) -> list[int]:
    (folder / "pair.mjs").write_text(said("total", file, "--metric", ",".join(ASKED), "--format", "javascript"))
    main = f"import {{ pair }} from './pair.mjs'; console.log(Object.values(pair({json.dumps(POINT)})).join(' '));"
    (folder / "main.mjs").write_text(main)
    done = subprocess.run(["node", "main.mjs"], cwd=folder, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def main(folder: Path) -> None:
    model = symflops.load(DATA)
    total = model.total()
    file = folder / "pair.json"
    file.write_text(model.dumps())
    swept = total.sweep(batch_size=1, seq_len=2, target_len=[3, 4])
    (shown,) = (s for s in page_data.symbols(total.free_symbols, {}) if s["name"] == "target_len")
    page = html.page([model], {"batch_size": 1})
    found = {
        "at": [total.at(**POINT).flops, total.at(**POINT).sent_bytes],
        "at, by default": [total.at(batch_size=1, seq_len=2).flops, total.at(batch_size=1, seq_len=2).sent_bytes],
        "what is below the lowest": said("total", str(file), "-B", "1", "-S", "2", "--target-len", "0"),
        "a model that says nothing of it": [
            symflops.load("gpt2").total().at(batch_size=1, seq_len=8).number(m) for m in ("parameters", "sent_bytes")
        ],
        "sweep": [swept["flops"].tolist(), swept["sent_bytes"].tolist()],
        "python": run_python(python_function),
        "numpy": run_python(numpy_function),
        "c": run_c(folder, str(file)),
        "javascript": run_javascript(folder, str(file)),
        "latex": equations(total, ASKED, short=True),
        "page": [shown["value"], shown["meaning"], "sent_bytes" in page, "bytes that devices tell each other" in page],
        "total": said("total", str(file), "-B", "1", "-S", "2", "--target-len", "3", "--metric", ",".join(ASKED)),
        "table": said("table", str(file), "-B", "1", "-S", "2", "--target-len", "3", "--columns", "path,sent_bytes"),
        "help": said("total", "--help"),
        "solve": symflops.solve(model, "sent_bytes == 60", "target_len", batch_size=1, seq_len=2).sentence,
        "compare": symflops.compare(model, model, "sent_bytes", by="target_len").sentence,
        "verify": symflops.verify("dtype_bytes*target_len*h", model, metric="sent_bytes").status,
        "written again": json.loads(model.dumps())["layers"]["cross"]["cost"]["sent_bytes"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
