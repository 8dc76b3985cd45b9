"""LaTeX that a real TeX takes: no error, nothing wider than its column, every name as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symflops
from symflops import Cost, SymflopsError, notation
from symflops.export import latex
from symflops.export.latex_table import latex_table
from symflops.export.table import COLUMNS, table

MODELS = symflops.model_names()
FOUR = ("path", "count", "flops", "read_bytes", "write_bytes", "intermediate_bytes")
needs_tex = pytest.mark.latex
ZERO = dict.fromkeys(symflops.METRICS, "0")


def compile_latex(document: str, folder: Path) -> str:
    """Run pdflatex until references are settled; an error or an overfull box fails. Gives the text of the log."""
    (folder / "document.tex").write_text(document)
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        log = (folder / "document.log").read_text(errors="replace")
        assert done.returncode == 0, re.findall(r"^!.*(?:\n.*){4}", log, re.MULTILINE)[:3]
    overfull = re.findall(r"^Overfull \\[hv]box .*(?:\n.*){2}", log, re.MULTILINE)
    assert not overfull, overfull[:5]
    assert "Missing character" not in log
    return log


def in_width(text: str, points: float) -> str:
    return rf"{{\hsize={points}pt\linewidth={points}pt\textwidth={points}pt" + f"\n{text}}}\n\\clearpage"


def numbers(name: str) -> dict[str, Any]:
    return {"batch_size": 3} | ({} if name.startswith("vit") else {"seq_len": 500})  # bert-base has 512 positions


def model_with(names: Sequence[str]) -> symflops.Model:
    layers = {name: {"cost": ZERO | {"flops": f"{i + 1}*batch_size"}} for i, name in enumerate(names)}
    return symflops.load({"name": names[0], "layers": layers})


@needs_tex
def test_the_tables_of_all_models_compile_and_fit(tmp_path: Path) -> None:
    parts = []
    for name in MODELS:
        model = symflops.load(name)
        for width in (345, 483, 730):
            parts.append(in_width(latex_table(table([model], FOUR), width=width), width))
            parts.append(in_width(latex_table(table([model], FOUR, symbolic=False), width=width), width))
            at = table([model], FOUR, symbolic=False, given=numbers(name))
            parts.append(in_width(latex_table(at, width=width, scale="exact"), width))
        everything = table([model], COLUMNS, symbolic=False, given=numbers(name))
        parts.append(in_width(latex_table(everything, width=730, digits=7), 730))
        parts.append(in_width(latex_table(table([model], ("path", "flops"), depth=2, each=True), width=240), 240))
        for environment in ("table", "table*"):
            parts.append(in_width(latex_table(table([model], FOUR), width=483, environment=environment), 483))
        for short in (True, False):
            document = latex.equations(model.total(symbolic=True), symflops.METRICS, short=short, standalone=True)
            parts.append(document.partition("\\begin{document}")[2].removesuffix("\\end{document}"))
    pair = [symflops.load("llama-2-7b-hf"), symflops.load("mixtral-8x7b")]
    parts.append(in_width(latex_table(table(pair, ("path", "count", "flops", "parameters")), width=483), 483))
    compile_latex(latex.document("\n\n".join(parts), width=730), tmp_path)


@needs_tex
def test_what_the_command_prints_compiles_as_it_is(say: Any, tmp_path: Path) -> None:
    printed = [
        say("table", *MODELS, "--format", "latex", "--standalone"),
        say("table", "mistral-7b", "--format", "latex", "--standalone", "-B", "1", "-S", "2048"),
        say("total", "mixtral-8x7b", "--symbolic", "--format", "latex", "--standalone"),
    ]
    for i, document in enumerate(printed):
        (tmp_path / str(i)).mkdir()
        compile_latex(document, tmp_path / str(i))


# ---------------------------------------------------------------------------------------------------------------- names

NASTY = [
    r"\input{/etc/passwd}", r"a_b^c", "50%", "$x$", "#1 & {2}", "~", "<script>", "a|b", '"quoted"', "`tick'", "--",
    "---", "a  b", "?`!`", "<<>>", ",,", "ff fi fl ffi", "\\", "\\\\", "}", "{", "%", "é ü ç Å ñ ő", "中文 λ",
    "\n\t\0", "\\end{document}", "x" * 300, "_" * 80, "." + "y" * 40, "^^5c", "[a]", "*", "&",
]  # fmt: skip


@needs_tex
def test_names_of_all_kinds_compile_and_show(tmp_path: Path) -> None:
    printable = [chr(i) for i in range(32, 127)]
    names = [f"n{c}m" for c in printable if c != "."] + NASTY
    text = latex_table(table([model_with(names)], ("path", "flops")), width=345)
    tables = in_width(text, 345) + in_width(latex_table(table([model_with(NASTY)], ("path", "flops")), width=160), 160)
    log = compile_latex(latex.document(tables), tmp_path)
    assert "passwd" not in log
    if shutil.which("pdftotext"):
        subprocess.run(["pdftotext", "-layout", "document.pdf"], cwd=tmp_path, check=True)
        shown = unicodedata.normalize("NFKC", (tmp_path / "document.txt").read_text())
        # TeX draws an underscore as a rule.
        for name in ("50%", "<script>", "a|b", "n&m", "n#m", "n{m", "n$m", "<U+4E2D><U+6587>"):
            assert name in shown, name


# TeX's own reading of what `escaped` may write, the other way round.
_COMMANDS = {
    r"\textbackslash{}": "\\", r"\{": "{", r"\}": "}", r"\$": "$", r"\&": "&", r"\#": "#", r"\%": "%", r"\_": "_",
    r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<", r"\textgreater{}": ">",
    r"\textbar{}": "|", r"\char34{}": '"', r"\`{}": "`", "'{}": "'", "-{}": "-", ",{}": ",", r"\ ": " ",
}  # fmt: skip
_TOKEN = re.compile(
    "|".join([*map(re.escape, _COMMANDS), r"\\[`'^~=u.\"rHvc]\{[A-Za-z]\}", r"[A-Za-z0-9!()*+./:;=?@\[\]]"])
)


def read_back(source: str) -> str:
    """What LaTeX shows for a text made of known commands; anything else in it fails."""
    shown, at = "", 0
    while at < len(source):
        token = _TOKEN.match(source, at)
        assert token, source[at:]
        text = token.group()
        shown += _COMMANDS.get(text, text)
        at = token.end()
    return shown


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_escaping_loses_nothing_and_lets_nothing_through(text: str) -> None:
    assert read_back(latex.escaped(text)) == text


@settings(deadline=None)
@given(st.text(max_size=60))
def test_every_text_becomes_known_commands_in_ascii(text: str) -> None:
    assert latex.escaped(text).isascii()
    read_back(latex.escaped(text))
    inside = latex.name(text).removeprefix(r"\texttt{").removesuffix("}")
    assert inside.replace(r"\allowbreak{}", "") == latex.escaped(text)


# ------------------------------------------------------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("2*N*(h + 1)", r"2\,N\,(h+1)"),
        ("a - b", "a-b"),
        ("-a*b", r"-a\,b"),
        ("a/(b*c)", r"a/(b\,c)"),
        ("a/3", "a/3"),
        ("floor(a/2)", r"\lfloor a/2\rfloor "),
        ("ceil(a/b)", r"\lceil a/b\rceil "),
        ("min(a, b)", r"\min(a,\;b)"),
        ("sqrt(a + 1)", r"\operatorname{sqrt}(a+1)"),
        ("log2(a)", r"\log_{2}(a)"),
        ("a**2", "a^{2}"),
        ("(1 - a)**b", "(1-a)^{b}"),
        ("1234567*a", r"1{,}234{,}567\,a"),
    ],
)
def test_formulas_as_mathematics(formula: str, expected: str) -> None:
    cost = Cost.of(flops=formula)
    names = {name: name for name in cost.free_symbols}
    from symflops.grouping import grouped

    assert notation.inline(grouped(cost.value("flops")), names) == expected


@settings(deadline=None)
@given(st.sets(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,30}", fullmatch=True), max_size=12))
def test_no_two_symbols_are_written_alike(names: set[str]) -> None:
    for short in (True, False):
        written = notation.symbols(names, short=short)
        assert written.keys() == names
        assert len(set(written.values())) == len(names)


def test_long_equations_are_broken() -> None:
    """Each line of the block is at most about as wide as asked; the pieces are all there, in order."""
    cost = symflops.load("mistral-7b").total(symbolic=True)
    block = latex.equations(cost, ["flops"], short=True)
    lines = block.splitlines()[1:-1]
    assert len(lines) > 5
    from symflops.grouping import grouped

    whole = "".join(p.text for p in notation.pieces(grouped(cost.value("flops")), notation.symbols(cost.free_symbols)))
    joined = "".join(re.sub(r"^(&\\quad \{\}|\\mathrm\{flops\} &= )|\s*\\\\$", "", line) for line in lines)
    assert joined == whole


def test_the_legend_has_every_symbol_with_its_value() -> None:
    text = latex_table(
        table([symflops.load("llama-2-7b-hf"), symflops.load("mixtral-8x7b")], ("path", "flops")), width=483
    )
    legend = text.partition("Symbols.")[2].replace(r"\allowbreak{}", "")
    assert r"$h$: \texttt{hidden\_size}~=~$4{,}096$" in legend
    assert r"$i$: \texttt{intermediate\_size}~=~$11{,}008$ or $14{,}336$" in legend
    assert r"$S$: \texttt{seq\_len};" in legend


def test_short_names_of_equations_are_explained_below(say: Any) -> None:
    text = say("total", "mixtral-8x7b", "--format", "latex", "--symbolic", "--short", "--metric", "parameters")
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert r"% $n_{\mathrm{kv}}$: num_key_value_heads = 8" in comments
    assert len(comments) == 8  # h, L, V, i, E, n, n_kv, d


def test_a_table_that_cannot_fit_says_so() -> None:
    models = [symflops.load(name) for name in MODELS]
    with pytest.raises(
        SymflopsError, match=r"the table does not fit into 12\.1 cm: it needs \d+\.\d cm in the smallest"
    ):
        latex_table(table(models, ("path", "count", "flops")))


def test_a_tower_of_powers_is_printed_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exponent that is too wide to be raised is written as a call; it was made anew there, twice at each level."""
    made = 0
    printed = notation._pieces

    def counted(tree: Any, names: Any) -> Any:
        nonlocal made
        made += 1
        return printed(tree, names)

    monkeypatch.setattr(notation, "_pieces", counted)
    text = "a"
    for _ in range(40):
        text = f"2**({text} + hidden_size)"
    shown = Cost.of(flops=text)._repr_latex_()
    assert shown is not None
    assert shown.count("pow}(2") > 20
    assert made < 8 * 40


def test_a_formula_too_long_for_its_cell_goes_below() -> None:
    text = latex_table(table([symflops.load("mistral-7b")], FOUR), width=483)
    inside, _, below = text.partition(r"\end{longtable}")
    assert "$F_{1}$ &" in inside
    assert r"\noindent $F_{1} = {}" in below
