# The only commands anyone needs.
.PHONY: help up test proof check bench bundle dependencies lock clean
.DEFAULT_GOAL := help
BIN := .venv/bin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

up:  ## install what is missing, start PostGIS, load the demo town, serve on http://127.0.0.1:8000
	@./bootstrap run
	@exec $(BIN)/twingrid up

test:  ## everything that must hold before a commit: checks, then unit, property, PostGIS and browser tests
	@./bootstrap test
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest -n 3 --dist loadfile -m "not proof and not full"

proof:  ## the longer tests; FULL=1 takes the longest form of each
	@./bootstrap test
	$(BIN)/pytest -m "proof$(if $(FULL), or full)"

check:  ## lint, format, types, layer rules
	@./bootstrap dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench:  ## speed, as ratios to what a user would pick instead; ONLY="bulk geotag" runs some
	@./bootstrap test
	@./bootstrap peers
	$(BIN)/python -m benchmarks $(ONLY)

bundle:  ## dist/twingrid-<version>-<arch>.tar.gz: installs and runs on a bare Debian 12 without any network
	@./bootstrap test
	$(BIN)/python -m release.bundle

dependencies:  ## ask the package index which locked versions are old or yanked: docs/dependencies.toml, after each `make lock`
	@./bootstrap dev
	$(BIN)/python -m release.upkeep

lock:  ## write the lock files anew; UPGRADE=--upgrade takes the newest versions
	@./bootstrap lock $(UPGRADE)

clean:  ## remove what was installed into this folder and all caches; the data in .data stay
	rm -rf .venv node_modules build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
