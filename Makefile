.DEFAULT_GOAL := help
.PHONY: help setup setup-5.1 demo athena report notebook test test-fast test-6.0 test-5.1 test-slow test-nightly golden lint types check proof chaos bench bench-stream bench-sessions bench-live docker-run docker-test docker-notebook wheel infrastructure deploy destroy clean

help: ## Show this help
	@sed -n 's/^\([a-z0-9.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: ## Make .venv with the versions of Glue 6.0, and fetch Spark's jars
	@local/setup.sh 6.0

setup-5.1: ## Make .venv-5.1 with the versions of Glue 5.1
	@local/setup.sh 5.1

demo: setup ## Simulated and real events -> jobs -> tables, live sessions -> the answers of analysts' queries
	@.venv/bin/python -m local.demo

LAKE ?= .local

athena: setup ## Run Trino on the tables of LAKE (.local), on 127.0.0.1:8080, until Ctrl-C
	@.venv/bin/python -m local --lake $(LAKE) athena

report: setup ## Write pictures of the tables of LAKE (.local) to its report.html, for a browser
	@.venv/bin/python -m local --lake $(LAKE) report

notebook: setup ## JupyterLab with notebooks/, on the tables of LAKE (.local); only this machine can open it
	UV_PROJECT_ENVIRONMENT=.venv-notebook .tools/bin/uv sync --quiet --locked --python .venv/bin/python --group glue-6-0 --group local --group notebook
	CLICKSTREAM_LAKE=$(LAKE) .venv-notebook/bin/jupyter lab --ip 127.0.0.1 --notebook-dir notebooks notebooks/clickstream.ipynb

test: setup setup-5.1 ## Run all tests but the slow ones and the proofs, on both pairs of versions, at once
	@$(MAKE) --no-print-directory --jobs 2 test-6.0 test-5.1

test-fast: setup ## Run the tests without jobs, processes and servers (about a minute)
	.venv/bin/python -m pytest -m 'not (job or process or server or slow or proof)'

test-6.0: setup ## Run its part on the versions of Glue 6.0, in two processes
	.venv/bin/python -m pytest --numprocesses 2 --dist worksteal -m 'not (slow or proof)'

on-5.1 = -m 'spark and not (single or slow or proof)'

test-5.1: setup-5.1 ## Run its part on the versions of Glue 5.1: the library and the jobs
	.venv-5.1/bin/python -m pytest $(on-5.1)

test-slow: setup ## Run the slow tests on the versions of Glue 6.0 (a quarter of an hour)
	.venv/bin/python -m pytest --numprocesses 2 --dist worksteal -m 'slow and not proof'

test-nightly: setup setup-5.1 ## Run all tests on both pairs of versions, properties with many more examples (an hour or two)
	HYPOTHESIS_PROFILE=nightly .venv/bin/python -m pytest --numprocesses 2 --dist worksteal
	HYPOTHESIS_PROFILE=nightly .venv-5.1/bin/python -m pytest -m 'spark and not proof'

golden: setup ## Write the expected files of the golden case CASE=<job>/<case>, for review
	$(if $(CASE),,$(error make golden CASE=events_batch/my_case))
	.venv/bin/python -m pytest tests/test_golden.py --write-expected -k '$(subst /,-,$(CASE))'
	git diff --stat tests/golden/$(CASE)

lint: setup ## Check style and format
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: setup ## Check types
	.venv/bin/mypy

check: lint types test ## What CI runs: lint, types, tests

proof: setup ## Terraform and deploy against the local AWS, there and back; what checkov finds; the runbook (15 minutes)
	.venv/bin/python -m pytest -m proof

chaos: setup ## Kill, starve and confuse the stream's job, and compare its tables with what was sent (half an hour)
	.venv/bin/python -m tools.chaos

bench: setup ## Measure events_batch beside a floor, the way tutorials write it, and DuckDB (an hour)
	.venv/bin/python -m tools.bench --scale

bench-stream: setup ## Measure events_stream beside the same source into nothing (10 minutes)
	.venv/bin/python -m tools.bench.events_stream

bench-sessions: setup ## Measure sessions_batch beside a floor, DuckDB and Polars (an hour)
	.venv/bin/python -m tools.bench.sessions_batch

bench-live: setup ## Measure how long a click takes from put to DynamoDB (10 minutes)
	.venv/bin/python -m tools.bench.sessions_stream

compose = docker compose --file docker/compose.yaml

docker-run: ## Run JOB with ARGS in the Glue image, beside the local AWS
	$(if $(JOB),,$(error make docker-run JOB=events_batch ARGS="--raw_path ..."))
	$(compose) run --build --rm glue python3 -m local --lake /home/hadoop/lake run $(JOB) $(ARGS)

docker-test: ## Run the tests of the library and the jobs in the Glue image
	$(compose) run --build --rm glue python3 -m pytest -p no:cacheprovider $(on-5.1)

docker-notebook: ## JupyterLab in the Glue image, on http://127.0.0.1:8888; its token is in what it prints
	$(compose) up --build notebook

wheel: setup ## Build the library's wheel into dist/
	.tools/bin/uv build --quiet --wheel --out-dir dist

STAGE ?= dev
terraform = TF_WORKSPACE= terraform -chdir=deploy/terraform

infrastructure: ## Apply terraform for STAGE (dev): what holds data, permissions or money
	$(terraform) init -input=false
	$(terraform) workspace select -or-create $(STAGE)
	$(terraform) apply -var stage=$(STAGE)

deploy: setup infrastructure ## From a clean account to running jobs, for STAGE (dev)
	.venv/bin/python -m deploy --stage $(STAGE) apply

destroy: setup ## And back: all of STAGE (dev); its data only if the stage is disposable
	.venv/bin/python -m deploy --stage $(STAGE) destroy
	$(terraform) workspace select $(STAGE)
	$(terraform) destroy -var stage=$(STAGE)

clean: ## Remove environments, caches and the local lake (jars stay in ~/.cache/clickstream, for other clones)
	rm -rf .venv .venv-5.1 .venv-notebook .tools .cache .local dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
