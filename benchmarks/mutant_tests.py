"""Which tests a mutant of a part has to fail: those of the part that take little time."""

from __future__ import annotations

from collections.abc import Sequence

SLOW = (  # not run: each takes longer than all others together
    "tests/test_language.py::test_what_is_not_a_formula_gets_one_clear_line[(a+b+c+d+e)**60]",
    "tests/test_cost.py::test_a_hundred_thousand_distinct_layers_are_added_up_in_seconds",
    "tests/test_points.py::test_points_come_once_and_in_order[[('a',), ('b', 'c')]-{'a': 0, 'b': 2}]",
    "tests/test_points.py::test_points_come_once_and_in_order[[()]-{'a': 0, 'b': 2}]",
    "tests/test_points.py::test_points_come_once_and_in_order[None-{'a': 0, 'b': 2}]",
)
_SAMPLE = "verification_sample::test_every_pair_is_decided"
_LEADING = ("verification_leading", "verification_sample::test_leading_terms_of_every_pair_are_decided")
_OF_POINTS = (
    "points::test_choices_of_many_names_come_once_each",
    "points::test_the_smallest_point_above_least_values_is_the_smallest",
    "points::test_points_come_once_and_in_order", "points::test_a_polynomial_is_0_where_no_support_is_raised",
    "points::test_a_counterexample_has_sizes_that_a_model_may_have",
)  # fmt: skip
_OF_FACTORS = (
    "grouping::test_whole_sums_are_factors", "grouping::test_division_leaves_what_does_not_divide",
    "grouping::test_what_is_found_within_any_effort_multiplies_to_the_same",
    "grouping::test_factors_multiply_to_what_they_were_taken_from",
)  # fmt: skip
_OF_GROUPS = (
    "grouping::test_names_in_their_places", "grouping::test_quotients_stay_what_they_are",
    "grouping::test_a_value_is_written_the_same_however_it_came_about",
    "grouping::test_whole_sums_are_factors", "grouping::test_a_formula_is_written_as_an_engineer_would",
    "grouping::test_what_is_written_is_the_same_polynomial_and_no_longer_than_the_product_it_came_from",
    "grouping::test_no_total_is_longer_than_it_was",
)  # fmt: skip


def _asked(*kinds: str) -> tuple[str, ...]:
    return tuple(f"random_questions::test_no_answer_to_a_random_question_is_wrong[{kind}]" for kind in kinds)


# Test files for each part, or single tests of them, the quick ones first.
TESTS: dict[str, Sequence[str]] = {
    "polynomial.py": ("algebra", "language"),
    "function.py": ("algebra", "language"),
    "algebra.py": ("algebra", "summation", "cost"),
    "number.py": ("algebra", "number", "cost"),
    "numeric.py": ("columns", "algebra", "cost"),
    "arrays.py": ("columns", "cost"),
    "formula.py": ("formula_files", "cost", "bad_input"),
    "deadline.py": ("deadline",),
    "domain.py": ("cost_domain",),
    "factoring.py": _OF_FACTORS,
    "grouping.py": _OF_GROUPS,
    "notation.py": ("notation", "export_latex"),
    "units.py": ("units",),
    "summation.py": ("summation",),
    "analysis/exponential.py": ("exponential", "signs"),
    "analysis/enclosure.py": ("exponential",),
    "analysis/ranges.py": ("ranges", *_asked("conditions", "compare")),
    "analysis/runs.py": ("signs", *_asked("symbols")),
    "analysis/blocks.py": ("signs", "coarse_rounding", *_asked("symbols")),
    "analysis/signs.py": ("signs", *_asked("symbols", "conditions", "experts")),
    "analysis/isolation.py": ("isolation", "signs"),
    "analysis/roots.py": ("signs", *_asked("symbols", "bytes", "regimes")),
    "analysis/feasible.py": ("solve", *_asked("conditions", "multiples", "regimes")),
    "analysis/curves.py": ("curves", "signs", "solve_in_words", *_asked("curves")),
    "analysis/fractions.py": ("fractions", "bytes", "solve", *_asked("bytes")),
    "analysis/growth.py": ("growth", "roofline"),
    "analysis/ratio.py": ("ratio", "comparison", "roofline"),
    "analysis/parts.py": ("by_component", "comparison", "regimes", "generation"),
    "analysis/question.py": ("solve", "solve_in_words", *_asked("layers", "architecture")),
    "analysis/solution.py": ("solve", "solve_in_words", *_asked("symbols", "conditions", "curves", "layers")),
    "analysis/comparison.py": ("comparison", *_asked("compare")),
    "analysis/regimes.py": ("regimes", *_asked("regimes")),
    "analysis/generation.py": ("generation", *_asked("generation")),
    "analysis/balance.py": ("roofline", *_asked("roofline")),
    "analysis/roofline.py": ("roofline", *_asked("roofline")),
    "analysis/memory.py": ("training", "answers"),
    "analysis/trained.py": ("training",),
    "analysis/counting.py": ("counting",),
    "analysis/display.py": ("roofline", "answers", "regimes", "comparison"),
    "program/liveness.py": ("programs",),
    "program/check.py": ("programs",),
    "program/text.py": ("programs",),
    "passes/training.py": ("training",),
    "passes/recompute.py": ("training",),
    "passes/optimizers.py": ("training",),
    "verification/cases.py": ("verification_constraints", _SAMPLE, "verification_leading"),
    "verification/points.py": (*_OF_POINTS, "verification_constraints", _SAMPLE),
    "verification/leading.py": _LEADING,
    "verification/directions.py": _LEADING,
    "verification/growth.py": _LEADING,
    "verification/subject.py": ("subject", "verify_in_earnest::test_the_kv_cache", "meaning"),
    "verification/decision.py": ("verification_constraints", _SAMPLE),
    "verification/constraints.py": ("verification_constraints", _SAMPLE),
    "verification/region.py": ("verification_constraints", _SAMPLE),
}  # fmt: skip
