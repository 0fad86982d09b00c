# Every command of the project. Python is all that has to be there; each target makes what it needs under .venvs/.
#   make book PYTHON=python3.12      picks an interpreter

.DEFAULT_GOAL := help
.PHONY: help book serve test lab notebooks benchmarks clean python

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
RUN = cd "$(CURDIR)" && "$(PYTHON)" -m
PORT ?= 8000

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

book: python ## Build the site into _build/html, from the committed outputs
	@$(RUN) tools.book

serve: book ## Build the site, then show it at http://127.0.0.1:8000 (PORT=…)
	@echo "http://127.0.0.1:$(PORT)   (Ctrl-C stops)"
	@$(RUN) http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test: python ## Run all that CI runs: style, tests, chapters, site, browser
	@$(RUN) tools.ci

lab: python ## Open the chapters in JupyterLab
	@$(RUN) tools.environments lab
	@.venvs/dev/bin/python -m jupyter lab chapters

notebooks: python ## Run the chapters again and store their outputs (CHAPTERS="chapters/02…")
	@$(RUN) tools.environments dev
	@.venvs/dev/bin/python -m tools.notebooks $(CHAPTERS)

benchmarks: python ## Measure the tables again, for hours (BENCHMARKS="iwae_cost" for some)
	@$(RUN) tools.environments dev
	@.venvs/dev/bin/python -m benchmarks $(BENCHMARKS)

clean: ## Remove what was built; environments stay (rm -rf .venvs removes them)
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venvs/*' -prune -exec rm -rf {} +

python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This needs Python 3.11 or newer, and '$(or $(PYTHON),python3)' is not. Install one (Debian: apt-get install python3 python3-venv;" >&2; \
	  echo "elsewhere: https://www.python.org/downloads), then: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
