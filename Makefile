.PHONY: test lint bench

test: lint
	HF_HUB_OFFLINE=1 python -m pytest -n 2

lint:
	ruff check .
	ruff format --check .
	mypy

bench:
	python benchmarks/bench.py
