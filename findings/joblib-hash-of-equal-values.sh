#!/usr/bin/env bash
# joblib gives equal values different hashes, so that a cache of results misses.
#
# With: joblib 1.6.0, numpy 2.4.6 (PyPI).
#
# Guess: joblib.hash, and with it joblib.Memory, looks at values alone ("by value instead of reference" is written in
# its source): what == calls equal and has the same types has the same hash.
#
# Behaviour: that holds for text, numbers, and arrays. A list that holds one list, tuple, dict, or date twice is hashed
# otherwise than a list that holds two equal ones, so the same grid of parameters, once built by hand and once read from
# a file, is computed again.
#
# Seen:
#   text True
#   array True
#   list False
#   tuple False
#   dict False
#   date False
#   Memory computed 2 times for equal arguments
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install joblib==1.6.0 numpy==2.4.6
cat >"$work/show.py" <<'PYTHON'
import copy
import datetime
import sys

import joblib
import numpy


def pair(make):
    """The same value as one object twice and as two objects."""
    one = make()
    return [one, one], [make(), make()]


for name, make in {
    "text": lambda: "".join(["Kube", "flow"]),
    "array": lambda: numpy.array([1.0, 2.0]),
    "list": lambda: [1, 2],
    "tuple": lambda: tuple([1, 2]),
    "dict": lambda: {"depth": 3},
    "date": lambda: datetime.date(2026, 1, 2),
}.items():
    once, twice = pair(make)
    assert name == "array" or once == twice
    print(name, joblib.hash(once) == joblib.hash(twice))

runs = []


def train(parameters):
    runs.append(copy.deepcopy(parameters))


cached = joblib.Memory(sys.argv[1], verbose=0).cache(train)
for parameters in pair(lambda: {"depth": 3}):
    cached(parameters)
print(f"Memory computed {len(runs)} times for equal arguments")
PYTHON
seen=$("$work/venv/bin/python" "$work/show.py" "$work/cache")
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
text True
array True
list False
tuple False
dict False
date False
Memory computed 2 times for equal arguments
EXPECTED
