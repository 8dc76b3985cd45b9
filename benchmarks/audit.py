"""docs/audit.md: cost formulas of public frameworks and papers, each verified against the closed forms of models.

    python benchmarks/audit.py [--page docs/audit.md]

Where each stands is in `audit.toml`; what it says for each model is in `tests/data/published-formulas.json`, where each
was judged by hand, too. DeepSeek-V3 is `tests/data/deepseek-v3.json`, derived from its config; the others ship.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import symflops

HERE = Path(__file__).parent
DATA = HERE.parent / "tests" / "data"
MODELS = {
    "L7": ("Llama 2 7B", "llama-2-7b-hf", 4096),
    "L8": ("Llama 3.1 8B", "llama-3.1-8b", 8192),
    "MX": ("Mixtral 8x7B", "mixtral-8x7b", 4096),
    "DS": ("DeepSeek-V3", str(DATA / "deepseek-v3.json"), 4096),
    "G2": ("GPT-2", "gpt2", 1024),
}
RENAMED = {"par": {"N": "parameters"}, "act": {"N": "active_parameters"}, None: {}}
SHOWN = 5  # findings; of more it is said how many

ABOUT = """# Everybody's formula, judged

Written by `python benchmarks/audit.py`; do not edit. A test makes it again and compares.

Frameworks report their throughput, and papers their budgets, by a formula. Here {sources} of them are held against the
closed form of the models that they are used for: `symflops verify` proves a formula equal, or gives the smallest
counterexample and says what is wrong.

- The reference is `matmul_flops` of a forward of B sequences of S tokens, what `FlopCounterMode` counts: 2 FLOPs for a
  multiply-add. So formulas of a step of training are divided by 3, and those of a token multiplied by B·S.
- A formula that halves attention is held against exactly the unmasked pairs (`causal` = 1), the others against all
  pairs. One that takes hidden_size for the width of all heads is judged where the two are equal.
- The ratio is formula over reference, for one sequence of {lengths} tokens.
- B, S, L layers, h hidden_size, n heads, n_kv heads of keys and values, d head_dim, i inner width, V vocabulary, E
  experts, k of them for a token, m their width, f dense layers first; N all parameters, or those that a token uses.
- The formulas were {about}.

To judge one yourself: `symflops verify "6*N*B*S" --against llama-3.1-8b --metric matmul_flops --training 3`.
"""
SIGNS = {"equal": "=", "equal in leading terms": "≈", "different": "≠", "unproven": "?"}


class Judged(NamedTuple):
    """A formula against a model."""

    model: str
    formula: str
    verdict: symflops.Verdict
    leading: symflops.Verdict | None

    @property
    def word(self) -> str:
        if self.verdict.status == "different" and self.leading is not None and self.leading.status == "equal":
            return "equal in leading terms"
        return self.verdict.status

    @property
    def ratio(self) -> float:
        """Formula over reference; what does not depend on the length has one for all lengths."""
        ratios = self.verdict.ratios or {0: 1.0}
        return ratios.get(MODELS[self.model][2], next(iter(ratios.values())))


@cache
def model(short: str) -> symflops.Model:
    return symflops.load(MODELS[short][1])


def judged(short: str, formula: str, metric: str, **options: Any) -> Judged:
    def verify(tolerance: str) -> symflops.Verdict:
        lengths = [MODELS[short][2]]
        return symflops.verify(formula, model(short), metric, tolerance=tolerance, lengths=lengths, **options)

    exact = verify("exact")
    return Judged(short, formula, exact, verify("leading") if exact.status == "different" else None)


def of_flops() -> Iterator[tuple[str, Judged]]:
    """The verdicts on all formulas of FLOPs, each with the id of its source."""
    for case in json.loads((DATA / "published-formulas.json").read_text())["cases"]:
        options = {"rename": RENAMED[case["N"]], "assume": case["conditions"]}
        yield case["id"], judged(case["model"], case["formula"], "matmul_flops", **options)


def page(known: dict[str, Any], flops: dict[str, list[Judged]], memory: Sequence[list[Judged]]) -> str:
    lengths = ", ".join(f"{length:,} ({name})" for name, _, length in MODELS.values())
    count = len(known["sources"]) + len(known["memory"])
    names = [name for name, _, _ in MODELS.values()]
    lines = [ABOUT.format(sources=count, about=known["about"], lengths=lengths), "## At a glance", ""]
    lines += ["`=` proved equal, `≈` different but equal in leading terms, `≠` different; then the ratio.", ""]
    lines += [f"| | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    for source in known["sources"]:
        cells = {one.model: f"{SIGNS[one.word]} {one.ratio:.4g}" for one in flops[source["id"]]}
        link = f"[{source['name']}](#{anchor(source['name'])})"
        lines.append(f"| {link} | {' | '.join(cells.get(m, '') for m in MODELS)} |")
    lines += ["", "## FLOPs of a forward", ""]
    for source in known["sources"]:
        lines += [f"### {source['name']}", "", f"{escaped(source['where'])}.", ""]
        lines += [f"It states {escaped(source['states'])}.", "", *entries(flops[source["id"]])]
    lines += ["## Memory", "", "Parameters, and bytes of keys and values after a call with `past_len` = 0.", ""]
    for source, some in zip(known["memory"], memory, strict=True):
        lines += [f"### {source['name']}", "", f"{escaped(source['where'])}.", "", *entries(some)]
    return "\n".join(lines).rstrip() + "\n"


def anchor(name: str) -> str:
    """What a heading is called in a link."""
    kept = "".join(c for c in name.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def escaped(text: str) -> str:
    """Text in which Markdown sees no emphasis."""
    return text.replace("*", r"\*").replace("_", r"\_")


def entries(some: Sequence[Judged]) -> Iterator[str]:
    """Each formula, and what is to be said of it; models of which that is the same stand together."""
    for formula in dict.fromkeys(one.formula for one in some):
        yield from ["```text", *wrapped(formula), "```", ""]
        together: dict[tuple[str, ...], list[Judged]] = {}
        for one in (o for o in some if o.formula == formula):
            together.setdefault((one.word, *(f.text for f in one.verdict.findings)), []).append(one)
        for (word, *texts), ones in together.items():
            right = word == "equal"
            names = ", ".join(MODELS[o.model][0] + ("" if right else f" (ratio {o.ratio:.4g})") for o in ones)
            yield f"- **{names}**: {word}{':' if texts else '.'}"
            yield from (f"    - {escaped(text)}" for text in texts[:SHOWN])
            if len(texts) > SHOWN:
                yield f"    - and {len(texts) - SHOWN} more"
            if not right:
                yield f"    - {counterexample(ones[0].verdict)}"
        yield ""


def counterexample(verdict: symflops.Verdict) -> str:
    """The smallest point at which the two differ, without the symbols that are 0 or 1 there."""
    point = {name: value for name, value in (verdict.counterexample or {}).items() if value not in (0, 1)}
    others = ", ".join(f"{escaped(name)} = {value}" for name, value in point.items())
    where = f"with {others}, all else 0 or 1" if others else "where all is 0 or 1"
    return f"smallest counterexample, {where}: it gives {verdict.candidate_value}, right is {verdict.reference_value}"


def wrapped(formula: str) -> Iterator[str]:
    """A formula in lines of at most 110 characters, broken before a sum's next term."""
    line = ""
    for term in terms(formula):
        if line and len(line) + len(term) > 110:
            yield line
            line = "    "
        line += term
    yield line


def terms(formula: str) -> Iterator[str]:
    """The terms of a sum, each with its sign."""
    start = depth = 0
    for place, c in enumerate(formula):
        depth += (c == "(") - (c == ")")
        if c in "+-" and depth == 0 and place > start:
            yield formula[start:place]
            start = place
    yield formula[start:]


def made(flops: Iterable[tuple[str, Judged]]) -> str:
    """The page with these verdicts on formulas of FLOPs."""
    known = tomllib.loads((HERE / "audit.toml").read_text())
    of_source: dict[str, list[Judged]] = {}
    for source, one in flops:
        of_source.setdefault(source, []).append(one)
    held = {"cache": ["past_len == 0"], "parameters": []}
    memory = [
        [judged(m, one["formula"], one["metric"], assume=held[one["metric"]]) for m in one["models"]]
        for one in known["memory"]
    ]
    return page(known, of_source, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "audit.md")
    given = parser.parse_args()
    given.page.write_text(made(of_flops()))
    print(f"wrote {given.page}")


if __name__ == "__main__":
    main()
