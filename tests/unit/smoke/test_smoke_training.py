"""What the proof of the trainer pushes."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.smoke import training


def test_a_trainjob_has_only_fields_that_each_release_of_the_trainer_knows() -> None:
    """What changes a runtime is podSpecOverrides in 2.0, podTemplateOverrides in 2.1, runtimePatches from 2.2 on."""
    assert set(training.trainjob("job", "runtime")["spec"]) == {"runtimeRef", "trainer"}


def test_the_runtime_has_program_and_volume() -> None:
    (job,) = training.training_runtime("runtime", "image", "model")["spec"]["template"]["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]["template"]["spec"]
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == ["/program", "/mnt/models"]
    assert [volume["name"] for volume in spec["volumes"]] == ["program", "model"]
