.PHONY: test lint bench coverage mutants

test: lint
	HF_HUB_OFFLINE=1 python -m pytest -n 2

lint:
	ruff check .
	ruff format --check .
	mypy

bench:
	python benchmarks/bench.py
	python benchmarks/bench_answers.py
	python benchmarks/bench_verify.py
	HF_HUB_OFFLINE=1 python benchmarks/bench_derive.py

# Hours, resumable: finished types are kept in benchmarks/coverage.jsonl.
coverage:
	HF_HUB_OFFLINE=1 python benchmarks/derive_coverage.py

# An hour, resumable: results are kept in benchmarks/mutants.jsonl. docs/mutation.md says what was found.
mutants:
	python benchmarks/formula_mutants.py
	python benchmarks/mutants.py
