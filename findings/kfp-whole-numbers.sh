#!/usr/bin/env bash
# Kubeflow Pipelines rounds whole numbers above 2^53 when a pipeline is compiled, and refuses memory of 1.5Gi.
#
# With: kfp 2.17.3 (PyPI).
#
# Guess: a parameter of type int is a whole number of Python's all the way, whatever its size, so that an id or a time
# in nanoseconds arrives as it was given; memory is Kubernetes' quantity.
#
# Behaviour: parameters travel as doubles of protobuf. Defaults and constants of type int, and numbers inside lists and
# dicts, are rounded without a word while the compiler writes the file. Memory may be "1536K", which Kubernetes does
# not take (its suffix is k), but neither "1.5Gi" nor "1536k", which it does.
#
# Seen:
#   default 9007199254740993: 9007199254740992
#   constant 1764000000123456789: 1764000000123456768
#   in a dict 9007199254740993: 9007199254740992
#   memory 1536Mi: taken
#   memory 1536K: taken
#   memory 1536k: refused
#   memory 1.5Gi: refused
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install kfp==2.17.3
cat >"$work/show.py" <<'PYTHON'
import sys

import yaml
from kfp import compiler, dsl


@dsl.component(base_image="python:3.13")
def train(seed: int, settings: dict):
    print(seed, settings)


@dsl.pipeline(name="numbers")
def numbers(seed: int = 9007199254740993):
    train(seed=1764000000123456789, settings={"id": 9007199254740993})


compiler.Compiler().compile(numbers, sys.argv[1])
with open(sys.argv[1]) as file:
    root = yaml.safe_load(file)["root"]
given = root["dag"]["tasks"]["train"]["inputs"]["parameters"]
print("default 9007199254740993:", int(root["inputDefinitions"]["parameters"]["seed"]["defaultValue"]))
print("constant 1764000000123456789:", int(given["seed"]["runtimeValue"]["constant"]))
print("in a dict 9007199254740993:", int(given["settings"]["runtimeValue"]["constant"]["id"]))
for memory in ("1536Mi", "1536K", "1536k", "1.5Gi"):
    try:

        @dsl.pipeline(name="memory")
        def limited():
            train(seed=1, settings={}).set_memory_limit(memory)

        print(f"memory {memory}: taken")
    except ValueError:
        print(f"memory {memory}: refused")
PYTHON
seen=$("$work/venv/bin/python" -W ignore "$work/show.py" "$work/numbers.yaml")
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
default 9007199254740993: 9007199254740992
constant 1764000000123456789: 1764000000123456768
in a dict 9007199254740993: 9007199254740992
memory 1536Mi: taken
memory 1536K: taken
memory 1536k: refused
memory 1.5Gi: refused
EXPECTED
