"""Verdict: what a verification found, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symflops.polynomial import Number


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a candidate, shown by algebra.

    `kind` is one of the words in `symflops.verification.faults`, `text` says it to the user, `layer` is the place in
    the reference's tree that it belongs to, where there is one.
    """

    kind: str
    text: str
    layer: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate formula is right: "equal" is proved, "different" is shown, otherwise "unproven".

    `counterexample` gives every symbol a number in the domain at which `candidate_value` and `reference_value` differ;
    with `smallest` no other of whole numbers has a smaller sum of the formulas' own symbols. `proof` says how equality
    was proved, or what was tried. `findings` say what is wrong, the most telling one first, and `ratios` how far off
    the candidate is along seq_len, the other symbols at `ratios_at`. `renamed`, `assumed` and `dropped` are what the
    verdict depends on: names of the candidate that were taken for others, conditions, and lower-order terms that
    `tolerance="leading"` left out.
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
    ratios_at: Mapping[str, int] | None = None
    renamed: Mapping[str, str] | None = None
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
        for i, finding in enumerate(self.findings):
            lines.append(("diagnosis: " if i == 0 else "           ") + finding.text)
        if self.ratios:
            lines.append("candidate/reference: " + ", ".join(f"{r:.4g} at seq_len {s}" for s, r in self.ratios.items()))
            if self.ratios_at:
                lines.append("    with " + ", ".join(f"{n}={v}" for n, v in self.ratios_at.items()))
        if self.renamed:
            lines.append("names taken: " + ", ".join(f"{a} = {b}" for a, b in self.renamed.items()))
        if self.assumed:
            lines.append("where: " + ", ".join(self.assumed))
        if self.dropped:
            lines.append("dropped: " + ", ".join(self.dropped))
        return "\n".join(lines)

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
            "diagnosis": [{"kind": f.kind, "text": f.text, "layer": f.layer} for f in self.findings],
            "ratios": [{"seq_len": s, "ratio": r} for s, r in (self.ratios or {}).items()],
            "ratios_at": dict(self.ratios_at or {}),
            "renamed": dict(self.renamed or {}),
            "assumed": list(self.assumed),
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
