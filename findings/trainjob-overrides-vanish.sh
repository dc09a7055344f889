#!/usr/bin/env bash
# Kubeflow Trainer: of one v1alpha1 TrainJob each minor release reads other overrides, and drops the rest without a word.
#
# With: kubeflow-trainer-api 2.0.0, 2.1.0 and 2.3.0, from PyPI (the models that the SDK sends and reads).
#
# Guess: the API version is the same, so a field that has another name now is still read, or refused as unknown.
#
# Behaviour: what changes the Pods of a runtime is podSpecOverrides in 2.0, podTemplateOverrides in 2.1, runtimePatches
# in 2.3, all of trainer.kubeflow.org/v1alpha1. A TrainJob written for one of them is accepted by the others' models, which
# leave out the field that they do not know: the job runs without its volumes, or under another account.
#
# Seen:
#   2.0.0 keeps podSpecOverrides
#   2.1.0 keeps podTemplateOverrides
#   2.3.0 keeps runtimePatches
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >show.py <<'PYTHON'
from kubeflow_trainer_api import models

job = {
    "runtimeRef": {"name": "torch"},
    "podSpecOverrides": [{"targetJobs": [{"name": "node"}], "serviceAccountName": "trainer"}],
    "podTemplateOverrides": [{"targetJobs": [{"name": "node"}], "spec": {"serviceAccountName": "trainer"}}],
    "runtimePatches": [{"manager": "example.org/me", "trainingRuntimeSpec": {}}],
}
kept = models.TrainerV1alpha1TrainJobSpec.from_dict(job).to_dict()
print(*sorted(field for field in kept if field != "runtimeRef"))
PYTHON
for release in 2.0.0 2.1.0 2.3.0; do
    python3 -m venv "$release"
    "$release/bin/pip" install --quiet --disable-pip-version-check "kubeflow-trainer-api==$release"
    echo "$release keeps $("$release/bin/python" show.py)"
done | tee seen
diff - seen <<'SEEN'
2.0.0 keeps podSpecOverrides
2.1.0 keeps podTemplateOverrides
2.3.0 keeps runtimePatches
SEEN
