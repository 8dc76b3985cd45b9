"""docs/coverage-atlas.md: which types the atlas has, and what became of the others. `python benchmarks/atlas_table.py`
writes it from the entries, benchmarks/atlas.jsonl and the rows of the two pages of coverage."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from symflops.atlas import entries
from symflops.errors import one_line

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "coverage-atlas.md"
_HEAD = """\
# Coverage: the atlas

Written by `python benchmarks/atlas_table.py`; do not edit. Of the {all} types that are derived
([causal](coverage.md), [others](coverage-types.md)) the atlas has {here}: configs of these are answered without PyTorch
where they break no condition ([the guide](guides/atlas.md)). An entry is left out where any random config was answered
otherwise than derived.

| type | classes | models | configs compared with the class | derived and equal | made by |
| --- | --- | --- | --- | --- | --- |
{rows}

## Not in the atlas

| type | why |
| --- | --- |
{others}
"""


def page(results: Iterable[dict[str, Any]]) -> str:
    """The text of the page; `results` are what happened to types, the last of each counts."""
    last = {row["type"]: row for row in results}
    rows = []
    for name in entries.types():
        found = entries.entry(name)
        classes = ", ".join(found.models)
        made = found.provenance
        rows.append(
            f"| {name} | {classes} | {sum(map(len, found.models.values()))} | {found.checked.get('configs', 0)} "
            f"| {found.checked.get('derived', 0)} | {made.get('commit', '')}, {made.get('date', '')} |"
        )
    every = {*derived_types(), *entries.types()}
    others = [f"| {name} | {_why(last.get(name))} |" for name in sorted(every - {*entries.types()})]
    counts = {"all": len(every), "here": len(rows)}
    return _HEAD.format(rows="\n".join(rows), others="\n".join(others), **counts)


def derived_types() -> set[str]:
    """The types of which a class is derived, by the pages of coverage."""
    found = set()
    for file in ("coverage.jsonl", "types_coverage.jsonl"):
        for row in map(json.loads, (HERE / file).read_text("utf-8").splitlines()):
            if row.get("equal") or row.get("cells", {}).get("derived") == "yes":
                found.add(str(row.get("type", "")).partition("/")[0])
    return found - {""}


def _why(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not made yet"
    said = {"no config": "no random config was answered and derived"}
    why = str(row.get("left_out", "not made yet"))
    return one_line(said.get(why, why), 160).replace("|", "\\|")


def main() -> None:
    file = HERE / "atlas.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    PAGE.write_text(page(map(json.loads, lines)), "utf-8")


if __name__ == "__main__":
    main()
