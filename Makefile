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
# Of the targets of the stack; what is empty counts as not given. CONFIG="images=local sink=python" and SETTINGS="ORDER_EXPIRY=1800" are kept by `make up`.
SERVICE :=
CONFIG :=
SETTINGS :=
YES :=
TAIL :=
TOPIC :=
PARTITIONS :=
GROUP :=
CONNECTOR :=
QUERY :=
# Requests that fuzz-api makes
CASES := 20000
# Minutes of traffic and faults
MINUTES := 20
# Folder of Connect plugin archives
PLUGINS := $(MILLRACE_CONNECT_PLUGINS)

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

##@ Stack

ON_STACK := $(BIN)/python -m tools.stack
# What asks the engine itself knows no Docker contexts (rootless, Colima): it is told where the current one is.
ON_ENGINE := $(ON_STACK) on-engine --

.PHONY: up down restart
up: dev-venv ## start the stack or bring it up to date; print every link; see that all is well (CONFIG="key=value …" SETTINGS="NAME=value …")
	@$(ON_STACK) up --config "$(CONFIG)" --settings "$(SETTINGS)"

down: dev-venv ## take the stack apart; its data stays
	@$(ON_STACK) down

restart: dev-venv ## restart one container, or all (SERVICE=name)
	@$(ON_STACK) restart --service "$(SERVICE)"

.PHONY: ps logs doctor
ps: dev-venv ## names, states and ports of the containers (SERVICE=name)
	@$(ON_STACK) ps --service "$(SERVICE)"

logs: dev-venv ## what the containers say (SERVICE=name TAIL=50)
	@$(ON_STACK) logs --service "$(SERVICE)" --tail "$(TAIL)"

doctor: dev-venv ## look at every part, and say what to do about what is amiss (ARGS=--json)
	@$(ON_ENGINE) $(BIN)/millrace doctor $(ARGS)

.PHONY: init-db clean
init-db: dev-venv ## run the jobs again that make topics, schemas, users and connectors
	@$(ON_STACK) init-db

clean: dev-venv ## throw the stack away with all its data, after asking (YES=1 does not ask)
	@$(ON_STACK) clean --yes "$(YES)"

.PHONY: mysql-shell grafana kafka-ui
mysql-shell: dev-venv ## the mysql client (QUERY="SELECT …" instead of a prompt)
	@$(ON_STACK) mysql-shell --query "$(QUERY)"

grafana kafka-ui: dev-venv ## print the link, and open it
	@$(ON_STACK) page $@

.PHONY: kafka-topics kafka-create-topic kafka-describe-topic
kafka-topics: dev-venv ## every topic's name
	@$(ON_STACK) $@

kafka-create-topic: dev-venv ## make a topic (TOPIC=name PARTITIONS=3)
	@$(ON_STACK) $@ --topic "$(TOPIC)" --partitions "$(PARTITIONS)"

kafka-describe-topic: dev-venv ## its partitions, leaders and replicas (TOPIC=name)
	@$(ON_STACK) $@ --topic "$(TOPIC)"

.PHONY: kafka-consumer-groups kafka-consumer-lag kafka-cluster-info
kafka-consumer-groups: dev-venv ## every consumer group's name
	@$(ON_STACK) $@

kafka-consumer-lag: dev-venv ## how far a group has read, and how much waits (GROUP=name)
	@$(ON_STACK) $@ --group "$(GROUP)"

kafka-cluster-info: dev-venv ## the quorum: leader, voters, and how far behind they are
	@$(ON_STACK) $@

.PHONY: register-connector connector-status connector-restart connector-delete
register-connector: dev-venv ## give the ClickHouse sink, or CONNECTOR=name, its declared configuration, and start it
	@$(ON_STACK) $@ --connector "$(CONNECTOR)"

connector-status: dev-venv ## connectors, their tasks, and why one failed (CONNECTOR=name)
	@$(ON_STACK) $@ --connector "$(CONNECTOR)"

connector-restart: dev-venv ## restart a connector with its tasks (CONNECTOR=name)
	@$(ON_STACK) $@ --connector "$(CONNECTOR)"

connector-delete: dev-venv ## remove a connector; its data and offsets stay (CONNECTOR=name)
	@$(ON_STACK) $@ --connector "$(CONNECTOR)"

.PHONY: test-pipeline test-deletion-flow
test-pipeline: dev-venv ## place an order and show it arrive, step by step
	@$(ON_STACK) $@

test-deletion-flow: dev-venv ## place an order, delete it, and show it go
	@$(ON_STACK) $@

##@ Develop

.PHONY: setup
setup: dev-venv ## set up .venv with everything for development

# Two workers, whole files to one of them; the property tests use both cores by themselves and come by the test.
BESIDE := -n 2 --dist loadfile
SPREAD := -n 2 --dist load

.PHONY: test
test: dev-venv ## every test that needs no Docker
	$(BIN)/pytest $(SPREAD) tests/property $(ARGS)
	$(BIN)/pytest $(BESIDE) tests/integration tests/unit tests/infra $(ARGS)

.PHONY: test-unit test-property test-integration test-infra
test-unit: dev-venv ## the tests of single parts
	$(BIN)/pytest $(BESIDE) tests/unit $(ARGS)

test-property: dev-venv ## random histories against a model in plain Python
	$(BIN)/pytest $(SPREAD) tests/property $(ARGS)

test-integration: dev-venv ## the parts together, with the embedded servers
	$(BIN)/pytest $(BESIDE) tests/integration $(ARGS)

test-infra: dev-venv ## what the Pulumi program declares
	$(BIN)/pytest $(BESIDE) tests/infra $(ARGS)

# What runs a stack: in one process, for it shares the machine with the stack. PLUGINS makes it one with sink: connect.
WITH_PLUGINS := MILLRACE_CONNECT_PLUGINS="$(PLUGINS)" $(ON_ENGINE) $(BIN)

.PHONY: images
images: dev-venv ## build the local images that are missing (PLUGINS=folder of Connect plugin archives: with one of them)
	@$(ON_ENGINE) $(BIN)/python -m images $(if $(PLUGINS),--connect-plugins "$(PLUGINS)")

.PHONY: fuzz-api
fuzz-api: dev-venv ## CASES=20000 requests out of the API's description, valid and invalid; CI takes a sample
	MILLRACE_TEST_CASES="$(CASES)" $(BIN)/pytest -s tests/integration/api/test_description.py $(ARGS)

.PHONY: e2e soak
e2e: dev-venv images ## the whole stack on this machine's Docker engine, from the local images
	@$(WITH_PLUGINS)/pytest tests/e2e $(ARGS)

soak: dev-venv images fuzz-api ## fuzz-api, traffic with random faults for MINUTES=20, then the books are compared; keeps a dated result
	@$(WITH_PLUGINS)/python -m benchmarks.soak --minutes "$(MINUTES)" $(ARGS)

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
