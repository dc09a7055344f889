#!/usr/bin/env bash
# A short commit id that is handed to a step of a workflow, or to a notebook, can arrive as infinity.
#
# With: hera 7.1.0 (Argo Workflows from Python), papermill 2.7.0 (notebooks with parameters) (PyPI).
#
# Guess: Hera's parameter of a function that says `commit: str` arrives as the text that was handed over; papermill's
# -p turns what looks like a whole number or a fraction into one.
#
# Behaviour: Hera writes a program around the function that reads every parameter as JSON first, whatever its type:
# seven digits arrive as a number, 12e4567 as infinity, true as True, null as None. (Argo puts the text in place of its
# name in braces, as this script does.) papermill does the same with 12e4567, drops leading zeros, and takes an
# underscore between digits; its -r takes text as it is. Of short ids with seven characters about one in 18 has digits
# alone, or digits around one e.
#
# Seen:
#   3f2a9c1 hera '3f2a9c1' papermill '3f2a9c1'
#   1234567 hera 1234567 papermill 1234567
#   12e4567 hera inf papermill inf
#   0012345 hera '0012345' papermill 12345
#   1_000 hera '1_000' papermill 1000
#   true hera True papermill 'true'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install hera==7.1.0 papermill==2.7.0 ipykernel==7.4.0
cat >"$work/show.py" <<'PYTHON'
import os
import subprocess
import sys

import nbformat
from hera.workflows import Parameter, Steps, Workflow, script


@script()
def train(commit: str):
    print(repr(commit))


with Workflow(generate_name="train-", entrypoint="steps", arguments=[Parameter(name="commit")]) as workflow:
    with Steps(name="steps"):
        train(arguments={"commit": "{{workflow.parameters.commit}}"})
program = next(template for template in workflow.build().spec.templates if template.script).script.source

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(repr(commit))")])
notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
os.chdir(sys.argv[1])
nbformat.write(notebook, "notebook.ipynb")


def by_hera(text):
    """What the function prints when Argo has put `text` in the place of the parameter."""
    filled = program.replace("{{inputs.parameters.commit}}", text)
    return subprocess.run([sys.executable, "-c", filled], capture_output=True, text=True, check=True).stdout.strip()


def by_papermill(text):
    """What the notebook prints that papermill has run with the parameter."""
    command = [sys.executable, "-m", "papermill", "notebook.ipynb", "ran.ipynb", "-p", "commit", text, "--no-progress-bar"]
    subprocess.run(command, capture_output=True, check=True)
    return nbformat.read("ran.ipynb", 4).cells[-1].outputs[0].text.strip()


for text in ("3f2a9c1", "1234567", "12e4567", "0012345", "1_000", "true"):
    print(text, "hera", by_hera(text), "papermill", by_papermill(text))
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work" >"$work/seen" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
diff - "$work/seen" <<'WANTED'
3f2a9c1 hera '3f2a9c1' papermill '3f2a9c1'
1234567 hera 1234567 papermill 1234567
12e4567 hera inf papermill inf
0012345 hera '0012345' papermill 12345
1_000 hera '1_000' papermill 1000
true hera True papermill 'true'
WANTED
echo "as described"
