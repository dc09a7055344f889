"""The namespace of the proofs: what is deleted, what is left alone, and what is said when something does not come."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.smoke import namespace as workplace
from ansible_collections.bramble.kube.plugins.module_utils.smoke import run
from ansible_collections.bramble.kube.plugins.module_utils.smoke.namespace import Workplace
from ansible_collections.bramble.kube.plugins.module_utils.smoke.proof import NotProven

NAMESPACE = "/api/v1/namespaces/smoke"


class Server:
    """An API server of a few paths, as far as Workplace asks it."""

    def __init__(self, documents=None):
        self.documents = dict(documents or {})
        self.asked = []

    def request(self, method, path, query=None, body=None, **_more):
        self.asked.append((method, path))
        path = path.partition("?")[0]
        if method == "POST":
            self.documents[f"{path}/{body['metadata']['name']}"] = body
            return 201, body
        if path not in self.documents:
            raise ApiError(404, {"message": f"{path} not found"})
        if method == "DELETE":
            return 200, self.documents.pop(path)
        return 200, self.documents[path]

    def get(self, path, query=None, accept=""):
        items = [d for p, d in self.documents.items() if p.startswith(path + "/")]
        return {"items": items}


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(workplace, "PAUSE", 0.0)


def place(documents=None, timeout=0.05):
    return Workplace(Server(documents), "smoke", timeout)


def test_a_namespace_of_an_earlier_run_is_made_anew():
    at = place({NAMESPACE: {"metadata": {"labels": {"app.kubernetes.io/managed-by": "bramble.kube-smoke"}}}})
    at.open()
    assert ("DELETE", NAMESPACE) in at.client.asked
    assert NAMESPACE in at.client.documents


def test_a_namespace_of_somebody_else_is_left_alone():
    at = place({NAMESPACE: {"metadata": {"name": "smoke"}}})
    with pytest.raises(NotProven, match="kubeflow_smoke_namespace"):
        at.open()
    assert all(method == "GET" for method, _path in at.client.asked)


def test_a_job_that_failed_is_told_with_its_pods_last_words():
    job = {"status": {"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]}}
    ended = {"terminated": {"exitCode": 1, "message": "Traceback\nValueError: no data"}}
    pod = {"metadata": {"name": "j-1"}, "status": {"containerStatuses": [{"name": "c", "state": ended}]}}
    at = place({"/apis/batch/v1/namespaces/smoke/jobs/j": job, f"{NAMESPACE}/pods/j-1": pod})
    with pytest.raises(NotProven, match="Job j failed: Pod j-1 ended with code 1: ValueError: no data"):
        at.condition("Job", "j", "Complete", "Failed", "job-name=j")


def test_what_does_not_come_is_told_with_what_its_pod_waits_for():
    scheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient memory"}
    pod = {"metadata": {"name": "j-1"}, "status": {"phase": "Pending", "conditions": [scheduled]}}
    at = place({f"{NAMESPACE}/pods/j-1": pod})
    with pytest.raises(NotProven, match=r"is not Complete within 0 s: Pod j-1: .*Insufficient memory"):
        at.condition("Job", "j", "Complete", "Failed", "job-name=j")


def test_what_a_controller_refuses_at_first_is_tried_again():
    at = place(timeout=5)
    ask, refusals = at.client.request, iter([ApiError(403, {"message": "denied: runtime not found"})])

    def refuse_once(method, path, **more):
        for refusal in refusals:
            raise refusal
        return ask(method, path, **more)

    at.client.request = refuse_once
    at.make_soon({"kind": "TrainJob", "metadata": {"name": "j"}})
    assert at.read("TrainJob", "j")


def test_what_a_controller_goes_on_refusing_is_told():
    at = place()

    def refuse(*_arguments, **_more):
        raise ApiError(403, {"message": "denied: runtime not found"})

    at.client.request = refuse
    with pytest.raises(NotProven, match=r"TrainJob j is not accepted within 0 s: .*runtime not found"):
        at.make_soon({"kind": "TrainJob", "metadata": {"name": "j"}})


def test_one_failed_proof_does_not_keep_the_next_from_being_tried(monkeypatch):
    def fail(*_arguments):
        raise NotProven("no operator")

    trained = {"members": 3, "accuracy": 0.95, "examples": []}
    monkeypatch.setattr(run.training, "prove_tfjob", fail)
    monkeypatch.setattr(run.training, "prove_trainjob", lambda *_arguments: trained)
    monkeypatch.setattr(run.serving, "prove_serving", lambda _place, _image, volume, _examples: f"served {volume}")
    plan = run.Plan(["serve", "trainjob", "tfjob"], "image", {"digits.py": ""})
    results = run.carry_out(place(), plan)
    assert [(r.proof, r.ok) for r in results] == [("tfjob", False), ("trainjob", True), ("serve", True)]
    assert results[-1].seen == "served smoke-trainjob-model"


def test_without_an_operator_a_plain_job_trains_what_is_served(monkeypatch):
    monkeypatch.setattr(run.training, "train_alone", lambda *_arguments: {"examples": []})
    monkeypatch.setattr(run.serving, "prove_serving", lambda _place, _image, volume, _examples: f"served {volume}")
    results = run.carry_out(place(), run.Plan(["serve"], "image", {"digits.py": ""}))
    assert [(r.proof, r.seen) for r in results] == [("serve", "served smoke-server-model")]


def options(**chosen):
    given = {name: spec.get("default") for name, spec in run.OPTIONS.items()}
    return {**given, "image": "image", "programs": {"digits.py": ""}, "namespace": "smoke", "timeout": 5, **chosen}


@pytest.fixture
def server(monkeypatch):
    """The one to which every kubeconfig leads."""
    made = Server()
    monkeypatch.setattr(run, "Client", lambda _endpoint: made)
    monkeypatch.setattr(run.auth, "endpoint", lambda _options: None)
    monkeypatch.setattr(run.basics, "prove_storage", lambda _place, image: f"kept by {image}")
    return made


def test_the_namespace_goes_after_the_proofs(server):
    told = run.run(System(), options(proofs=["storage"]), False)
    assert (told["changed"], told["failed_proofs"]) == (False, [])
    assert [(result["proof"], result["ok"], result["seen"]) for result in told["results"]] == [
        ("storage", True, "kept by image")
    ]
    assert told["table"][1].startswith("storage  ok")
    assert ("DELETE", NAMESPACE) in server.asked and NAMESPACE not in server.documents


def test_a_kept_namespace_stays_and_is_a_change(server):
    assert run.run(System(), options(proofs=["storage"], keep=True), False)["changed"]
    assert NAMESPACE in server.documents


def test_a_proof_that_fails_is_named(server, monkeypatch):
    def fail(*_arguments):
        raise NotProven("no volume came")

    monkeypatch.setattr(run.basics, "prove_storage", fail)
    assert run.run(System(), options(proofs=["storage"]), False)["failed_proofs"] == ["storage"]
    assert NAMESPACE not in server.documents


def test_check_mode_proves_nothing(server):
    told = run.run(System(), options(proofs=["storage"], keep=True), True)
    assert (told["changed"], told["results"], told["table"], server.asked) == (False, [], [], [])
    assert told["msg"] == "Nothing is proven in check mode."


@pytest.mark.parametrize(("proof", "option"), [("notebook", "jupyterhub"), ("serve", "model_server")])
def test_a_proof_whose_place_is_not_named_is_refused(server, proof, option):
    with pytest.raises(Stop, match=f"^The proof {proof} needs the option {option}, which says where it is\\.$"):
        run.run(System(), options(proofs=[proof]), True)
    assert run.run(System(), options(proofs=[proof], **{option: {"namespace": "x"}}), True)["results"] == []


def test_without_a_yaml_library_nothing_can_be_proven(server, monkeypatch):
    monkeypatch.setattr(run.yamltext, "HAS_YAML", False)
    with pytest.raises(Stop, match="PyYAML"):
        run.run(System(), options(proofs=["storage"]), False)
