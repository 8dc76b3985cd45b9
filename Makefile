.PHONY: test tests check lint site bench coverage atlas mutants audit

# Everything. Tests of a file that share what was derived stay together (xdist_group), the others go where there is room.
# Types, the site and the tests at the same time: neither of the first two keeps two cores busy.
test:
	$(MAKE) -j 3 lint site tests

tests:
	HF_HUB_OFFLINE=1 python -m pytest -n 2 --dist loadgroup

# A minute on two cores: what needs no PyTorch, no browser and no LaTeX, as if PyTorch were not installed.
check:
	python -m pytest -n 2 --dist loadgroup --without-torch -m "not browser and not latex and not slow"

lint:
	ruff check .
	ruff format --check .
	mypy

# The site of docs/, with what is generated from the code, the calculator and a page for every architecture; strict: a dead link fails.
site:
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet --strict --site-dir build/site

# The formulas of public frameworks and papers, verified anew: docs/audit.md.
audit:
	python benchmarks/audit.py

bench:
	python benchmarks/bench.py
	python benchmarks/bench_answers.py
	python benchmarks/bench_verify.py
	HF_HUB_OFFLINE=1 python benchmarks/bench_derive.py

# Hours, resumable: finished types are kept in benchmarks/coverage.jsonl; with `--old` those of an earlier source are made again.
coverage:
	HF_HUB_OFFLINE=1 python benchmarks/derive_coverage.py

# Hours, resumable: what happened to each type is kept in benchmarks/atlas.jsonl.
JOBS ?= 1
atlas:
	HF_HUB_OFFLINE=1 nice -n 10 python benchmarks/atlas.py --jobs $(JOBS)

# At most MINUTES of processor time, resumable: results are kept in benchmarks/mutants.jsonl. docs/mutation.md says what
# was found. `make mutants OF=1 MINUTES=5` is a small check of all files.
OF ?= 10
MINUTES ?= 120
mutants:
	python benchmarks/formula_mutants.py
	nice -n 10 python benchmarks/mutants.py --of $(OF) --minutes $(MINUTES)
