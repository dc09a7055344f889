#!/usr/bin/env bash
# The Kubeflow SDK sends a training function through bash, which rewrites its text.
#
# With: kubeflow 0.5.0 (PyPI).
#
# Guess: CustomTrainer(func=..., func_args=...) runs the function as it is written, with the arguments that were given.
#
# Behaviour: the SDK puts the source and the repr() of the arguments into a here-document whose end word is not quoted.
# bash therefore replaces $WORD in code and arguments and takes one of two backslashes away, so that the container runs
# another program than the one that was tested, mostly without an error. nan, inf, paths, and dates fail there with
# NameError, because their repr() is no Python that works without an import.
#
# Seen (two tuples of price, "$5", and "C:\\new": tested here, then what the container runs; then two arguments):
#   ('$5', '$5', 'C:\\new')
#   ('', '', 'C:\new')                     both prices are gone, and \n is a line break
#   ''                                     the argument "$5"
#   NameError: name 'nan' is not defined   the argument float("nan")
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install kubeflow==0.5.0
cat >"$work/show.py" <<'PYTHON'
import subprocess
from kubeflow.trainer.backends.kubernetes import utils
from kubeflow.trainer.constants import constants
from kubeflow.trainer.types import types


def train(price="$5"):
    print(repr((price, "$5", "C:\\new")))


def echo(value):
    print(repr(value))


def there(function, arguments):
    """What the container prints: its command is run here, by the same bash."""
    trainer = types.RuntimeTrainer(types.TrainerType.CUSTOM_TRAINER, "plain", "image")
    trainer.set_command(constants.DEFAULT_COMMAND)
    runtime = types.Runtime("plain", trainer, types.RuntimeKind("ClusterTrainingRuntime"))
    command = utils.get_command_using_train_func(runtime, function, arguments, ["https://pypi.org/simple"], None)
    ran = subprocess.run(command, capture_output=True, text=True, cwd="run")
    return (ran.stdout or ran.stderr).strip().splitlines()[-1]


train()
print(there(train, None))
print(there(echo, {"value": "$5"}))
print(there(echo, {"value": float("nan")}))
PYTHON
mkdir "$work/run"
cd "$work"
seen=$(PATH="$work/venv/bin:$PATH" python show.py)
printf '%s\n' "$seen"
diff - <(printf '%s\n' "$seen") <<'EXPECTED' || { echo "The behaviour has changed." >&2; exit 1; }
('$5', '$5', 'C:\\new')
('', '', 'C:\new')
''
NameError: name 'nan' is not defined
EXPECTED
