"""Are two formulas equal? Proved or shown; with a counterexample, and what is wrong in the user's terms."""

from symflops.verification.check import LENGTHS, verify
from symflops.verification.verdict import Finding, Verdict

__all__ = ["LENGTHS", "Finding", "Verdict", "verify"]
