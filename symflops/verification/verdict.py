"""Verdict: what a verification found, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symflops import notebook
from symflops.meaning import in_words
from symflops.polynomial import Number, Value


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a candidate, shown by algebra.

    `kind` is one of the words in `symflops.verification.faults`, `text` says it to the user, `layer` is the place in
    the reference's tree that it belongs to, where there is one. `added` is what this edit adds to the reference: with
    those of all findings of a verdict the reference is the candidate. `weight` is how telling it is, 1 or more.
    """

    kind: str
    text: str
    layer: str = ""
    added: Value = 0
    weight: float = field(default=1.0, compare=False, repr=False)

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text, "layer": self.layer, "added": repr(self.added)}


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a candidate formula is right: "equal" is proved, "different" is shown, otherwise "unproven".

    `counterexample` gives every symbol a number in the domain at which `candidate_value` and `reference_value` differ;
    with `smallest` no other of whole numbers has a smaller sum of the formulas' own symbols, among those at which no
    size of a model is 0 if there is one. `proof` says how equality
    was proved, or what was tried. `findings` say what is wrong, the most telling one first, and `ratios` how far off
    the candidate is along seq_len, the other symbols at `ratios_at`; of an unproven verdict, findings say how the
    normal forms differ. `renamed`, `unknown`, `assumed`, `conventions` and `dropped` are what the verdict depends on:
    names of the candidate that were taken for others and those that the model does not have, conditions, whether the
    candidate is per token or a training step, and lower-order terms that `tolerance="leading"` left out.
    """

    status: str
    metric: str
    candidate: str
    reference: str
    proof: str = ""
    counterexample: Mapping[str, Number] | None = None
    candidate_value: Number | float | None = None
    reference_value: Number | float | None = None
    smallest: bool = False
    findings: tuple[Finding, ...] = ()
    ratios: Mapping[int, float] | None = None
    ratios_at: Mapping[str, Number] | None = None
    no_ratios: str = ""
    renamed: Mapping[str, str] | None = None
    unknown: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def diagnosis(self) -> str:
        """What is wrong in the user's terms, one sentence per finding; empty unless the verdict is "different"."""
        return "; ".join(finding.text for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.metric} of {self.candidate} against {self.reference}"]
        lines[0] += (
            f", up to lower-order terms ({self.proof})" if self.dropped else f" ({self.proof})" * bool(self.proof)
        )
        if self.counterexample is not None:
            point = ", ".join(f"{n}={v}" for n, v in self.counterexample.items() if v) or "all symbols 0"
            zero = ", others 0" if any(self.counterexample.values()) and 0 in self.counterexample.values() else ""
            which = "smallest counterexample" if self.smallest else "counterexample"
            lines.append(f"{which}: {point}{zero}")
            lines.append(f"    candidate {shown(self.candidate_value)}, reference {shown(self.reference_value)}")
        if self.findings and self.status == "unproven":
            lines.append("how the two differ, if they do:")
        for i, finding in enumerate(self.findings):
            lines.append(("diagnosis: " if i == 0 else "           ") + finding.text)
        if self.ratios:
            lines.append("candidate/reference: " + ", ".join(f"{r:.4g} at seq_len {s}" for s, r in self.ratios.items()))
            if self.ratios_at:
                lines.append("    with " + ", ".join(f"{n}={v}" for n, v in self.ratios_at.items()))
        if self.no_ratios:
            lines.append(f"no ratios: {self.no_ratios}")
        lines += self.conventions
        if self.renamed:
            lines.append("names taken: " + in_words(self.renamed))
        if self.unknown:
            lines.append("names that the other side does not have: " + ", ".join(self.unknown))
        if self.assumed:
            lines.append("where: " + ", ".join(self.assumed))
        if self.dropped:
            lines.append("dropped: " + ", ".join(self.dropped))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def to_pandas(self) -> notebook.DataFrame:
        """The verdict as one line of a pandas DataFrame, to be put below others' (`pandas.concat`). Needs the extra
        `symflops[pandas]`."""
        point = self.counterexample
        columns = {
            "status": self.status,
            "metric": self.metric,
            "candidate": self.candidate,
            "reference": self.reference,
            "proof": self.proof,
            "counterexample": None if point is None else ", ".join(f"{n} = {shown(v)}" for n, v in point.items()),
            "candidate_value": plain(self.candidate_value),
            "reference_value": plain(self.reference_value),
            "diagnosis": self.diagnosis,
            "seconds": self.seconds,
        }
        return notebook.frame({name: [value] for name, value in columns.items()})

    def _repr_html_(self) -> str:
        rows: list[tuple[str, str]] = [("proof", self.proof)]
        if self.counterexample is not None:
            which = "smallest counterexample" if self.smallest else "counterexample"
            rows.append((which, ", ".join(f"{n} = {shown(v)}" for n, v in self.counterexample.items())))
            rows.append(("there", f"candidate {shown(self.candidate_value)}, reference {shown(self.reference_value)}"))
        label = "diagnosis" if self.status != "unproven" else "how the two differ, if they do"
        rows += [("" if i else label, finding.text) for i, finding in enumerate(self.findings)]
        far = ", ".join(f"{ratio:.4g} at seq_len {length}" for length, ratio in (self.ratios or {}).items())
        others = ", ".join(f"{n} = {shown(v)}" for n, v in (self.ratios_at or {}).items())
        rows += [
            ("candidate/reference", far),
            ("with" if far else "", others if far else ""),
            ("no ratios", self.no_ratios),
        ]
        rows += [("", convention) for convention in self.conventions]
        rows += [
            ("names taken", in_words(self.renamed or {})),
            ("names that the other side does not have", ", ".join(self.unknown)),
            ("where", ", ".join(self.assumed)),
            ("dropped", ", ".join(self.dropped)),
        ]
        title = f"{self.status}: {self.metric} of {self.candidate} against {self.reference}"
        return notebook.heading(title) + notebook.facts([(label, text) for label, text in rows if text])

    def to_dict(self) -> dict[str, object]:
        """The verdict as JSON data; numbers that are no integers are texts such as "7/2"."""
        point = self.counterexample
        return {
            "status": self.status,
            "metric": self.metric,
            "candidate": self.candidate,
            "reference": self.reference,
            "proof": self.proof,
            "counterexample": None
            if point is None
            else {
                "at": {n: plain(v) for n, v in point.items()},
                "candidate": plain(self.candidate_value),
                "reference": plain(self.reference_value),
                "smallest": self.smallest,
            },
            "diagnosis": [
                {"kind": f.kind, "text": f.text, "layer": f.layer, "added": repr(f.added)} for f in self.findings
            ],
            "ratios": [{"seq_len": s, "ratio": r} for s, r in (self.ratios or {}).items()],
            "ratios_at": {name: plain(number) for name, number in (self.ratios_at or {}).items()},
            "no_ratios": self.no_ratios,
            "renamed": dict(self.renamed or {}),
            "unknown": list(self.unknown),
            "assumed": list(self.assumed),
            "conventions": list(self.conventions),
            "dropped": list(self.dropped),
            "seconds": round(self.seconds, 6),
        }


_BITS = 4000  # of a number that is printed digit by digit


def plain(number: Number | float | None) -> int | float | str | None:
    """A number as JSON has it."""
    return number if number is None or (isinstance(number, int | float) and not _is_long(number)) else shown(number)


def shown(number: Number | float | None) -> str:
    if number is None or isinstance(number, float):
        return str(number)
    if _is_long(number):
        return f"a number of {max(number.numerator.bit_length(), number.denominator.bit_length()):,} bits"
    return f"{number:,}" if isinstance(number, int) else str(number)


def _is_long(number: Number | float) -> bool:
    return not isinstance(number, float) and max(abs(number.numerator), number.denominator).bit_length() > _BITS
