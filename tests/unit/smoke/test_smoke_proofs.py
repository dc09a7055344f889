"""What counts as proven: results of trainings and predictions, and how a run is told."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.smoke import notebook, serving, training
from ansible_collections.bramble.kube.plugins.module_utils.smoke.namespace import exit_code, last_words, told
from ansible_collections.bramble.kube.plugins.module_utils.smoke.proof import NotProven, Result, attempt, table

EXAMPLES = [{"pixels": [digit] * 64, "digit": digit} for digit in range(10)]


def answer(classes):
    return {"outputs": [{"name": "output-0", "shape": [len(classes)], "datatype": "INT64", "data": classes}]}


def pod(message="", code=None, waiting=None):
    state = {"terminated": {"message": message, "exitCode": code}} if code is not None else {"waiting": waiting or {}}
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "c", "state": state}]}}


def test_a_good_training_is_told():
    assert "3 members, 95.3% of unseen digits" in training.judge({"members": 3, "accuracy": 0.9528})


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"members": 3, "accuracy": 0.5}, "50.0% of unseen digits; 93% are wanted"),
        ({"members": 2, "accuracy": 0.96}, "2 members took part instead of 3"),
    ],
)
def test_a_bad_training_is_no_proof(result, sentence):
    with pytest.raises(NotProven, match=sentence):
        training.judge(result)


def test_only_the_chief_of_a_tfjob_has_the_volume():
    replicas = training.tfjob("j", "image", "claim")["spec"]["tfReplicaSpecs"]
    volumes = {name: [v["name"] for v in r["template"]["spec"]["volumes"]] for name, r in replicas.items()}
    assert volumes == {"Chief": ["program", "model"], "Worker": ["program"]}
    assert {name: r["replicas"] for name, r in replicas.items()} == {"Chief": 1, "Worker": 2}
    assert replicas["Chief"]["template"]["spec"]["containers"][0]["name"] == "tensorflow", (
        "the operator wants this name"
    )


def test_a_v2_question_has_all_pixels_in_its_shape():
    asked = serving.question(EXAMPLES)["inputs"][0]
    assert asked["shape"] == [10, 64]
    assert len(asked["data"]) == 640
    assert asked["data"][64:66] == [1.0, 1.0]


def test_the_copy_of_a_model_server_finds_its_programs_in_its_own_namespace():
    class Place:
        def read(self, kind, name, namespace):
            assert (kind, namespace) == ("ConfigMap", "model-server")
            holds = {"data": {"a.py": "pass"}} if name == "programs" else {}
            return {"metadata": {"name": name, "namespace": namespace, "uid": "1"}, **holds}

    # Nobody has handed over a model, or somebody has: the copy has a model of its own.
    given = [{"name": name, "configMap": {"name": name}} for name in ("programs", "model")]
    volumes = [*given, {"name": "m", "persistentVolumeClaim": {}}]
    server = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    made = serving.programs_of(Place(), server, "model-server")
    metadata = {"name": "programs"}
    assert made == [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a.py": "pass"}}]


def test_the_right_classes_are_a_proof():
    assert serving.judge(answer(list(range(10))), EXAMPLES).startswith("10 of 10")
    assert serving.judge(answer([0, 1, 2, 3, 4, 9, 6, 7, 8, 9]), EXAMPLES).startswith("9 of 10")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (answer([0, 0, 2, 3, 4, 9, 6, 7, 8, 9]), "only 8 of 10 digits"),
        (answer([0, 1]), "2 classes for 10 images"),
        ({"error": "no such model"}, "0 classes for 10 images"),
    ],
)
def test_wrong_classes_are_none(said, sentence):
    with pytest.raises(NotProven, match=sentence):
        serving.judge(said, EXAMPLES)


def test_a_hubs_token_is_in_a_secret_and_nowhere_else():
    made = notebook.prober("program", "image", {"url": "http://proxy", "token": "s3cret"}, 100)
    assert [m["kind"] for m in made if "s3cret" in json.dumps(m)] == ["Secret"]


def test_results_are_found_among_pods_that_tell_nothing():
    assert told([pod(), pod("Traceback", 1), pod('{"accuracy": 1}', 0)], "accuracy") == {"accuracy": 1}
    with pytest.raises(NotProven, match="no Pod has reported its result: there is none"):
        told([], "accuracy")


def test_last_words_are_of_the_last_end():
    restarted = pod(waiting={"reason": "CrashLoopBackOff"})
    restarted["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"message": " gone\n", "exitCode": 3}}
    assert (last_words(restarted), exit_code(restarted)) == ("gone", 3)
    assert (last_words(pod()), exit_code(pod())) == ("", None)


def test_an_attempt_tells_how_long_it_took():
    times = iter([10.0, 12.25])
    assert attempt("tfjob", "a job", lambda: "done", lambda: next(times)) == Result("tfjob", "a job", True, "done", 2.2)


def test_a_failed_attempt_keeps_its_reason():
    def fail():
        raise NotProven("it crashed")

    result = attempt("tfjob", "a job", fail)
    assert (result.ok, result.seen) == (False, "it crashed")


def test_the_table_has_a_line_for_each_proof():
    lines = table([Result("tfjob", "a job", True, "done", 12.4), Result("serve", "a model", False, "no answer", 3)])
    assert lines == [
        "proof  result  seconds  what was done, and seen",
        "tfjob  ok           12  a job: done",
        "serve  FAILED        3  a model: no answer",
    ]


def test_the_served_copy_is_the_installed_server_with_another_volume():
    volumes = [
        {"name": "models", "persistentVolumeClaim": {"claimName": "model-server"}},
        {"name": "program", "configMap": {"name": "model-server"}},
    ]
    container = {"image": "mirror/server:1", "args": ["--model_name=mine"], "volumeMounts": [{"name": "models"}]}
    pod = {"initContainers": [{"name": "first-model"}], "containers": [container], "volumes": volumes}
    installed = {"spec": {"template": {"metadata": {"labels": {"app": "model-server"}}, "spec": pod}}}
    made = serving.copy_of(installed, "trained")["spec"]["template"]["spec"]
    assert made == {
        "containers": [container],
        "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "trained"}}],
    }
    assert serving.model_name(installed) == "mine"
    assert pod["initContainers"], "what is installed is not changed"
