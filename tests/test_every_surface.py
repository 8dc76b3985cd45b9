"""One number on every surface: each format is read back and compared with `at`.

A new format is one more entry of SURFACES: a function that runs a command and reads the total's metrics out of what it
printed. The page's numbers, which a browser computes, are compared with `at` in test_report.py.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import METRICS

MODEL = "mixtral-8x7b"
POINT = {"batch_size": 3, "seq_len": 77, "past_len": 1000, "causal": 1, "weight_bytes": 0.5}
OPTIONS = ("-B", "3", "-S", "77", "-P", "1000", "--causal", "--weight-bytes", "0.5")
EVERY = ("--columns", f"path,{','.join(METRICS)}")
Say = Callable[..., str]


def total_text(say: Say, _: Path) -> list[int]:
    *lines, convention = say("total", MODEL, *OPTIONS).splitlines()
    assert convention == (
        "with batch_size = 3, seq_len = 77, past_len = 1000, dtype_bytes = 2, weight_bytes = 0.5, cache_bytes = 2; "
        "unmasked pairs only (causal = 1); as written"
    )
    return [int(line.split()[1].replace(",", "")) for line in lines]


def total_json(say: Say, _: Path) -> list[int]:
    return list(json.loads(say("total", MODEL, *OPTIONS, "--format", "json"))["metrics"].values())


def total_latex(say: Say, _: Path) -> list[int]:
    lines = say("total", MODEL, *OPTIONS, "--format", "latex").splitlines()[1:-1]
    return [int(re.sub(r"\D", "", line.partition("=")[2].removesuffix(r" \\"))) for line in lines]


def total_closed_form(say: Say, _: Path) -> list[int]:
    texts = dict(line.split(" = ") for line in say("total", MODEL).splitlines())
    return [symflops.Cost.of(flops=texts[metric]).at(**POINT).flops for metric in METRICS]


def total_python(say: Say, folder: Path, output: str = "python") -> list[int]:
    code = say("total", MODEL, "--format", output)
    (folder / "cost.py").write_text(f"{code}\n\nprint(*mixtral_8x7b(**{POINT!r}).values())\n")
    done = subprocess.run([sys.executable, "cost.py"], cwd=folder, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def total_numpy(say: Say, folder: Path) -> list[int]:
    return total_python(say, folder, "numpy")


def total_c(say: Say, folder: Path) -> list[int]:
    calls = "".join(f'printf("%lld ", (long long)c.{metric});' for metric in METRICS)
    called = "mixtral_8x7b_cost c; int s = mixtral_8x7b(3, 77, 1000, 1, 2, 0.5, -1, &c);"
    main = f"int main(void) {{ {called} {calls} return s; }}"
    (folder / "cost.c").write_text(f"#include <stdio.h>\n{say('total', MODEL, '--format', 'c')}\n{main}\n")
    subprocess.run(["gcc", "cost.c", "-o", "cost"], cwd=folder, check=True)
    done = subprocess.run([folder / "cost"], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def total_javascript(say: Say, folder: Path) -> list[int]:
    (folder / "cost.mjs").write_text(say("total", MODEL, "--format", "javascript"))
    values = {name: str(value) for name, value in POINT.items()} | {"seq_len": 77}
    call = f"Object.values(module)[0]({json.dumps(values)})"
    main = f'import * as module from "./cost.mjs";\nconsole.log(Object.values({call}).join(" "));\n'
    (folder / "main.mjs").write_text(main)
    done = subprocess.run(["node", "main.mjs"], cwd=folder, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def table_csv(say: Say, _: Path) -> list[int]:
    *_, row = csv.reader(io.StringIO(say("table", MODEL, *OPTIONS, *EVERY, "--format", "csv")))
    return [int(cell) for cell in row[1:]]


def table_json(say: Say, _: Path) -> list[int]:
    (model,) = json.loads(say("table", MODEL, *OPTIONS, *EVERY, "--format", "json"))["models"]
    return [model["total"][metric] for metric in METRICS]


def table_markdown(say: Say, _: Path) -> list[int]:
    lines = say("table", MODEL, *OPTIONS, *EVERY, "--units", "exact").splitlines()
    (row,) = (line for line in lines if line.startswith("| **total** |"))
    return [int(cell.replace(",", "")) for cell in row.split("|")[2:-1]]


def table_text(say: Say, _: Path) -> list[int]:
    lines = say("table", MODEL, *OPTIONS, *EVERY, "--units", "exact", "--format", "text").splitlines()
    (row,) = (line for line in lines if line.startswith("total "))
    return [int(cell.replace(",", "")) for cell in row.split()[1:]]


def table_latex(say: Say, _: Path) -> list[int]:
    text = say("table", MODEL, *OPTIONS, *EVERY, "--units", "exact", "--format", "latex", "--width", "25")
    (row,) = (line for line in text.splitlines() if line.startswith(r"\textbf{total}"))
    return [int(cell.removesuffix(r" \\").replace(",", "")) for cell in row.split("&")[1:]]


def sweep_csv(say: Say, _: Path) -> list[int]:
    rows = csv.DictReader(io.StringIO(say("sweep", MODEL, *OPTIONS, "--format", "csv")))
    (row,) = rows
    return [round(float(row[metric])) for metric in METRICS]


def sweep_pandas(*_: Any) -> list[int]:
    swept = symflops.load(MODEL).total().sweep(**{**POINT, "seq_len": [77]})
    return [round(value) for value in swept.to_pandas()[list(METRICS)].iloc[0].tolist()]


def rows_pandas(*_: Any) -> list[int]:
    """The rows' sum, of closed forms: the rows as numbers are rounded one by one."""
    frame = symflops.load(MODEL).rows().to_pandas()
    return [symflops.Cost.of(flops=frame[metric].sum()).at(**POINT).flops for metric in METRICS]


def notebook_html(*_: Any) -> list[int]:
    page = symflops.load(MODEL).total().at(**POINT)._repr_html_()
    assert page is not None
    return [int(re.findall(rf"{metric}</td><td[^>]*>([\d,]+)<", page)[0].replace(",", "")) for metric in METRICS]


SURFACES: dict[str, Callable[[Say, Path], list[int]]] = {
    "total": total_text,
    "total, closed form": total_closed_form,
    "total json": total_json,
    "total latex": total_latex,
    "total python": total_python,
    "total numpy": total_numpy,
    "total c": total_c,
    "total javascript": total_javascript,
    "table csv": table_csv,
    "table json": table_json,
    "table markdown": table_markdown,
    "table text": table_text,
    "table latex": table_latex,
    "sweep csv": sweep_csv,
    "sweep pandas": sweep_pandas,
    "rows pandas": rows_pandas,
    "notebook": notebook_html,
}


@pytest.mark.parametrize("surface", SURFACES)
def test_every_surface_has_the_numbers_of_at(surface: str, say: Say, tmp_path: Path) -> None:
    at = symflops.load(MODEL).total().at(**POINT)
    assert SURFACES[surface](say, tmp_path) == [at.number(metric) for metric in METRICS]


def test_no_format_is_left_out() -> None:
    """Every format that `total` and `table` offer is one of the surfaces above."""
    from symflops.cli import table, total

    offered = {f"total {f}" for f in total.Format if f != "text"} | {f"table {f}" for f in table.Format}
    assert offered <= SURFACES.keys()
