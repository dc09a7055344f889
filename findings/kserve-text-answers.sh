#!/usr/bin/env bash
# KServe's Python server: a classifier whose classes are texts cannot answer in the V2 protocol, and answers in V1.
#
# With: kserve 0.21.0, scikit-learn 1.9.0, numpy 2.4.4 (PyPI).
#
# Guess: the answer to the V2 question is a tensor of type BYTES with the texts, as the protocol has it.
#
# Behaviour: scikit-learn answers with an array of fixed-width text (dtype <U…). The library gives it the type BYTES, and
# then decodes each text as if it were bytes: a TypeError, 500 for whoever asked. The same texts in an array of objects
# are written well, and so is the answer to a V1 question. Fixed-width bytes (dtype S…) are written well, too.
#
# Seen:
#   classes <U10
#   V1: {'predictions': ['barolo', 'grignolino']}
#   V2, as it comes: TypeError: decoding str is not supported
#   V2, as objects: BYTES ['barolo', 'grignolino']
#   V2, as bytes: BYTES ['barolo', 'grignolino']
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kserve==0.21.0 scikit-learn==1.9.0 numpy==2.4.4 2>"$work/errors" ||
  { cat "$work/errors" >&2; exit 1; }
cat >"$work/show.py" <<'PYTHON'
import logging
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from kserve import InferInput, InferRequest
from kserve.utils.utils import get_predict_response
from sklearn.tree import DecisionTreeClassifier

classifier = DecisionTreeClassifier().fit([[1.0], [2.0]], ["barolo", "grignolino"])
print("classes", classifier.classes_.dtype)
answers = classifier.predict([[1.0], [2.0]])
print("V1:", get_predict_response({"instances": [[1.0], [2.0]]}, answers, "wine"))
question = InferRequest("wine", [InferInput("input-0", [2, 1], "FP64", [1.0, 2.0])])
for name, result in (("as it comes", answers), ("as objects", answers.astype(object)), ("as bytes", answers.astype(bytes))):
    try:
        (output,) = get_predict_response(question, result, "wine").outputs
        print(f"V2, {name}:", output.datatype, output.data)
    except TypeError as error:
        print(f"V2, {name}: TypeError: {error}")
PYTHON
seen=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
classes <U10
V1: {'predictions': ['barolo', 'grignolino']}
V2, as it comes: TypeError: decoding str is not supported
V2, as objects: BYTES ['barolo', 'grignolino']
V2, as bytes: BYTES ['barolo', 'grignolino']
EXPECTED
