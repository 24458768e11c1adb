# millrace: `make` alone lists what can be asked for. Written for GNU make 3.81 and later (macOS ships 3.81).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

BIN := .venv/bin
# What pytest is given beside the folder, for example: make test-unit ARGS="-k outbox -x"
ARGS :=
FILE := data/cdnow_master.txt.gz
RATE := 200
COUNT := 5000

##@ Run

.PHONY: demo
demo: demo-venv ## the whole pipeline on this machine, without Docker; Ctrl-C stops it
	@exec $(BIN)/millrace demo $(ARGS)

.PHONY: replay
replay: demo-venv ## import a purchase log into the running demo (FILE=path)
	@$(BIN)/millrace replay "$(FILE)" $(ARGS)

.PHONY: load
load: demo-venv ## post orders and measure how fresh the dashboards are (RATE=200 COUNT=5000)
	@$(BIN)/millrace load --rate "$(RATE)" --count "$(COUNT)" $(ARGS)

.PHONY: verify
verify: demo-venv ## compare database, ClickHouse and views (ARGS=--repair mends)
	@$(BIN)/millrace verify $(ARGS)

.PHONY: clickhouse-shell sql
clickhouse-shell sql: demo-venv ## ask ClickHouse in SQL
	@$(BIN)/millrace sql $(ARGS)

.PHONY: migrate
migrate: demo-venv ## bring both schemas up to date
	@$(BIN)/millrace migrate $(ARGS)

.PHONY: clean-demo
clean-demo: demo-venv ## throw the demo's data away (stop the demo first)
	@$(BIN)/python -m tools.clean_demo

##@ Develop

.PHONY: setup
setup: dev-venv ## set up .venv with everything for development

# Two workers, whole files to one of them; the property tests use both cores by themselves and come by the test.
BESIDE := -n 2 --dist loadfile
SPREAD := -n 2 --dist load

.PHONY: test
test: dev-venv ## every test that needs no Docker
	$(BIN)/pytest $(SPREAD) tests/property $(ARGS)
	$(BIN)/pytest $(BESIDE) tests/integration tests/unit $(ARGS)

.PHONY: test-unit test-property test-integration
test-unit: dev-venv ## the tests of single parts
	$(BIN)/pytest $(BESIDE) tests/unit $(ARGS)

test-property: dev-venv ## random histories against a model in plain Python
	$(BIN)/pytest $(SPREAD) tests/property $(ARGS)

test-integration: dev-venv ## the parts together, with the embedded servers
	$(BIN)/pytest $(BESIDE) tests/integration $(ARGS)

.PHONY: lint
lint: dev-venv ## style, strict types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: dev-venv ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: typecheck
typecheck: dev-venv ## strict types alone
	$(BIN)/mypy

# A version stays as it is unless asked otherwise: make lock ARGS=--upgrade
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: lock
lock: dev-venv ## work out requirements/*.lock anew (ARGS=--upgrade takes newer versions)
	$(LOCK) --extra embedded $(ARGS) -o requirements/demo.lock pyproject.toml
	$(LOCK) $(ARGS) -c requirements/demo.lock -o requirements/services.lock pyproject.toml
	$(LOCK) --extra embedded --extra stack --extra dev $(ARGS) -c requirements/demo.lock -o requirements/dev.lock pyproject.toml

.PHONY: demo-venv dev-venv
demo-venv:
	@tools/bootstrap.sh demo

dev-venv:
	@tools/bootstrap.sh dev

##@ Help

.PHONY: help
help: ## this list
	@if [ -t 1 ]; then bold=$$(printf '\033[1m') colour=$$(printf '\033[36m') plain=$$(printf '\033[0m'); fi; \
	awk -v bold="$$bold" -v colour="$$colour" -v plain="$$plain" -f tools/help.awk Makefile
