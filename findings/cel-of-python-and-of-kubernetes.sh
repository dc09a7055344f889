#!/usr/bin/env bash
# An admission rule that was tried with cel-python means something else in Kubernetes.
#
# With: cel-python 0.5.0 (PyPI); github.com/google/cel-go 0.26.1, the engine of Kubernetes' admission policies and
# CRDs, with the two options that Kubernetes sets for it, comparison across types of numbers and optional types (Go
# proxy).
#
# Guess: CEL is one language with a specification and a conformance suite, so that both give the same answer, or at
# least both refuse.
#
# Behaviour: cel-python writes true as "True" and 1.0 as "1.0", knows days in durations and hexadecimal numbers in
# texts, and cannot compare a whole number with a fraction. A rule that compares a label with string(object.spec.flag)
# passes in one and fails in the other. On errors beside || both agree, which is what one would rather have doubted.
#
# Seen:
#   string(object.paused): cel-go true, cel-python True
#   string(1.0): cel-go 1, cel-python 1.0
#   object.replicas > 2.5: cel-go true, cel-python error
#   duration('1d') > duration('1h'): cel-go error, cel-python true
#   int('0x10'): cel-go error, cel-python 16
#   object.missing == 1 || true: cel-go true, cel-python true
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install cel-python==0.5.0
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >rules <<'RULES'
string(object.paused)
string(1.0)
object.replicas > 2.5
duration('1d') > duration('1h')
int('0x10')
object.missing == 1 || true
RULES
cat >go.mod <<'GO'
module show

go 1.24

require github.com/google/cel-go v0.26.1
GO
cat >main.go <<'GO'
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
)

func answer(environment *cel.Env, rule string) any {
	checked, issues := environment.Compile(rule)
	if issues.Err() != nil {
		return "error"
	}
	program, err := environment.Program(checked)
	if err != nil {
		return "error"
	}
	object := map[string]any{"paused": true, "replicas": int64(3)}
	value, _, err := program.Eval(map[string]any{"object": object})
	if err != nil {
		return "error"
	}
	return value.Value()
}

func main() {
	environment, err := cel.NewEnv(
		cel.Variable("object", cel.DynType), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes())
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(answer(environment, lines.Text()))
	}
}
GO
cat >show.py <<'PYTHON'
import json
import sys

import celpy
from celpy.adapter import json_to_cel

environment = celpy.Environment()
given = {"object": json_to_cel({"paused": True, "replicas": 3})}
for rule in sys.stdin.read().splitlines():
    try:
        value = environment.program(environment.compile(rule)).evaluate(given)
        print(value if isinstance(value, str) else json.dumps(value, cls=celpy.CELJSONEncoder))
    except celpy.CELEvalError:
        print("error")
PYTHON
go get . 2>errors || { cat errors >&2; exit 1; }
go run . <rules >of-kubernetes
venv/bin/python show.py <rules >of-python
seen=$(paste -d '|' rules of-kubernetes of-python | sed -E 's/(.*)\|([^|]*)\|([^|]*)/\1: cel-go \2, cel-python \3/')
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
string(object.paused): cel-go true, cel-python True
string(1.0): cel-go 1, cel-python 1.0
object.replicas > 2.5: cel-go true, cel-python error
duration('1d') > duration('1h'): cel-go error, cel-python true
int('0x10'): cel-go error, cel-python 16
object.missing == 1 || true: cel-go true, cel-python true
EXPECTED
