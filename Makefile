# make demo   three virtual Pis, from a blank OS to Kubeflow       make test   everything that must hold before a change lands
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## .venv with what runs the playbooks, this checkout linked in as bramble.kube, and my-inventory
	@tools/setup

.PHONY: setup-dev
setup-dev: ## the same with the tools of the lab and the tests
	@tools/setup --dev

.PHONY: lab
lab: setup-dev ## upstream software, packages, images and the node image for virtual Pis
	@lab/prepare

.PHONY: demo
demo: setup-dev ## three virtual Pis, blank OS to Kubeflow
	@lab/demo

.PHONY: demo-down
demo-down: ## remove the demo's Pis, networks, volumes and images
	@lab/demo-down

.PHONY: lint
lint: setup-dev ## ruff, yamllint, ansible-lint, documentation of modules and roles
	@tools/lint

.PHONY: sanity
sanity: setup-dev ## ansible-test sanity
	@tools/sanity

.PHONY: unit
unit: setup-dev ## unit tests, a minute, no lab
	@pytest -n 2 tests/unit

.PHONY: test
test: setup-dev ## lint, sanity, docs, unit, integration, molecule default and cluster
	@tools/test

.PHONY: test-all
test-all: setup-dev ## every scenario; saves its progress and resumes
	@tools/test --all

.PHONY: bench
bench: setup-dev ## ratios beside the alternatives, in one run
	@tools/bench

.PHONY: tables
tables: setup-dev ## write the tables of docs/ that are made from the code
	@python tools/tables

.PHONY: docs
docs: setup-dev ## the documentation as a site, below .lab/docs/site
	@python tools/docs

.PHONY: pictures
pictures: setup-dev ## docs/pictures, written by the tests in a browser; the notebook's by molecule, with BRAMBLE_PICTURES
	@BRAMBLE_PICTURES=$(CURDIR)/docs/pictures pytest tests/unit/status/test_page_in_a_browser.py tests/integration/loop/test_desk_browser.py

.PHONY: build
build: setup-dev ## the collection as an archive for ansible-galaxy
	@ansible-galaxy collection build --force --output-path .lab/dist

.PHONY: format
format: setup-dev ## let ruff format the Python code
	@ruff check --fix --quiet . ; ruff format --quiet .
