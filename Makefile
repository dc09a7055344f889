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
setup: ## .venv with pinned Python packages, this checkout linked in as bramble.kube
	@tools/setup

.PHONY: lab
lab: setup ## upstream software, packages, images and the node image for virtual Pis
	@lab/prepare

.PHONY: demo
demo: setup ## three virtual Pis, blank OS to Kubeflow
	@lab/demo

.PHONY: demo-down
demo-down: ## remove the demo's Pis, networks, volumes and images
	@lab/demo-down

.PHONY: lint
lint: setup ## ruff, yamllint, ansible-lint, documentation of modules and roles
	@tools/lint

.PHONY: sanity
sanity: setup ## ansible-test sanity
	@tools/sanity

.PHONY: unit
unit: setup ## unit tests, a minute, no lab
	@pytest -n 2 tests/unit

.PHONY: test
test: setup ## lint, sanity, unit, integration, molecule default and cluster
	@tools/test

.PHONY: test-all
test-all: setup ## every scenario; saves its progress and resumes
	@tools/test --all

.PHONY: bench
bench: setup ## ratios beside the alternatives, in one run
	@tools/bench

.PHONY: tables
tables: setup ## write the tables of docs/ that are made from the code
	@python tools/tables

.PHONY: build
build: setup ## the collection as an archive for ansible-galaxy
	@ansible-galaxy collection build --force --output-path .lab/dist

.PHONY: format
format: setup ## let ruff format the Python code
	@ruff check --fix --quiet . ; ruff format --quiet .
