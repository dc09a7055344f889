#!/usr/bin/env bash
# A random forest cannot tell the minutes of Unix time apart.
#
# With: scikit-learn 1.9.1, numpy 2.4.6 (PyPI).
#
# Guess: trees only compare, so seconds since 1970 are as good a feature as any, without scaling.
#
# Behaviour: trees, forests, and gradient boosting turn features into 32-bit floats first, without a warning for values
# this small. Of today's Unix time these are 128 seconds apart: times of one minute become the same, and a tree of
# unlimited depth, which repeats its training data by heart elsewhere, is no better than chance. The histogram-based
# models and nearest neighbours keep 64 bits; so do all of them once the first time is taken away.
#
# Seen (share of the training data that is repeated; a reading a minute, in turns 0 and 1):
#   DecisionTreeClassifier 0.55, from zero 1.00
#   RandomForestClassifier 0.55, from zero 1.00
#   GradientBoostingClassifier 0.55, from zero 1.00
#   HistGradientBoostingClassifier 1.00, from zero 1.00
#   KNeighborsClassifier 1.00, from zero 1.00
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install scikit-learn==1.9.1 numpy==2.4.6
cat >"$work/show.py" <<'PYTHON'
import numpy
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

times = (1_764_000_000 + 60 * numpy.arange(20.0)).reshape(-1, 1)
states = numpy.tile([0, 1], 10)
for model in (
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(bootstrap=False, random_state=0),
    GradientBoostingClassifier(max_depth=None, random_state=0),
    HistGradientBoostingClassifier(min_samples_leaf=1, max_iter=300, random_state=0),
    KNeighborsClassifier(1),
):
    raw, moved = (model.fit(times - start, states).score(times - start, states) for start in (0, times[0]))
    print(f"{type(model).__name__} {raw:.2f}, from zero {moved:.2f}")
PYTHON
seen=$("$work/venv/bin/python" -W error "$work/show.py")
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
DecisionTreeClassifier 0.55, from zero 1.00
RandomForestClassifier 0.55, from zero 1.00
GradientBoostingClassifier 0.55, from zero 1.00
HistGradientBoostingClassifier 1.00, from zero 1.00
KNeighborsClassifier 1.00, from zero 1.00
EXPECTED
