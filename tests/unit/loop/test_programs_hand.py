# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hand does next: tables of states, and the same end wherever it is killed."""

from __future__ import annotations

import json
import random

import hand
import pods
import pytest
import volume
from hand import Seen, Step, Work
from loop_memory import FakeKube, Killed, phases

RULES = {"thresholds": {"accuracy": {"min": 0.9}}}
CODE = {"model.py": "KIND = 'image'"}
DIGESTS = {"model": "sha256:" + "1" * 64, "code": volume.code_digest(CODE), "data": "sha256:" + "2" * 64}
EVIDENCE = {"digests": DIGESTS, "scores": {"accuracy": 0.95}}
RESULT = {"evidence": EVIDENCE, "sentence": "95.0% are right."}


def release(name="digits-1", phase=None, message="", evidence=None, notes=True, drift=""):
    told = {
        "kind": "Release",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"},
        "spec": {"model": "digits", "cause": {"loop": "code", "reason": "new"}, "askedBy": "ada"},
    }
    if notes:
        told["metadata"]["annotations"] = {hand.CODE_NOTE: DIGESTS["code"], hand.CORRECTIONS_NOTE: "3"}
    if drift:
        told["metadata"]["annotations"][hand.DRIFT_NOTE] = drift
    if evidence:
        told["spec"]["evidence"] = evidence
    if phase:
        told["status"] = {"phase": phase, "message": message}
    return told


def failed(message):
    return Work("failed", message)


RUNS = Work("running")


@pytest.mark.parametrize(
    ("asked", "seen", "step"),
    [
        # nothing yet
        (release(), Seen(None, notes={hand.CODE_NOTE: "sha256:1"}), hand.WAIT),
        (release(), Seen(RULES), Step("phase", "Asked", "Waits for ConfigMap code-digits with the model's code.")),
        (release(notes=False), Seen(RULES, notes={hand.CODE_NOTE: "sha256:1"}), Step("note")),
        (release(), Seen(RULES, notes={hand.CODE_NOTE: "sha256:1"}), Step("train")),
        # training
        (release(), Seen(RULES, train=RUNS), Step("phase", "Training", "Job digits-1-train runs.")),
        (release(phase="Training", message="Job digits-1-train runs."), Seen(RULES, train=RUNS), hand.WAIT),
        (
            release(phase="Training", message="Job digits-1-train runs."),
            Seen(RULES, train=Work("running", "ErrImagePull: no such image")),
            Step("phase", "Training", "Job digits-1-train waits: ErrImagePull: no such image"),
        ),
        (
            release(phase="Training"),
            Seen(RULES, train=failed("train() of model.py failed: ValueError: no cases")),
            Step("phase", "Failed", "The training failed: train() of model.py failed: ValueError: no cases"),
        ),
        (
            release(phase="Training"),
            Seen(RULES, train=Work("done")),
            Step("phase", "Failed", "The training failed: Job digits-1-train ended without a result."),
        ),
        (
            release(phase="Asked"),
            Seen({**RULES, "training": "trainjob"}, train=RUNS),
            Step("phase", "Training", "TrainJob digits-1-train runs."),
        ),
        # checking: whatever became of the training's Job, what it left counts
        (release(phase="Training"), Seen(RULES, trained=True), Step("check")),
        (
            release(phase="Training"),
            Seen(RULES, trained=True, check=RUNS),
            Step("phase", "Checking", "Job digits-1-check runs."),
        ),
        (
            release(phase="Checking"),
            Seen(RULES, trained=True, check=failed("digits-1 cannot be served: digest")),
            Step("phase", "Failed", "The check failed: digits-1 cannot be served: digest"),
        ),
        # evidence
        (release(phase="Checking"), Seen(RULES, trained=True, result=RESULT), Step("evidence")),
        (
            release(phase="Checking", evidence=EVIDENCE),
            Seen(RULES, result=RESULT),
            Step("phase", "Waiting", "Waits for a decision: 95.0% are right."),
        ),
        # not the hand's turn
        (release(phase="Failed"), Seen(RULES, trained=True, result=RESULT), hand.WAIT),
        *[
            (release(phase=phase, evidence=EVIDENCE), Seen(RULES, result=RESULT), hand.WAIT)
            for phase in ("Waiting", "Approved", "Refused", "Shadow", "Canary", "Live", "Replaced", "RolledBack")
        ],
    ],
)
def test_the_next_step(asked, seen, step):
    assert hand.next_step(asked, seen) == step


DAY = 86400.0
AT = 1767225600.0  # 2026-01-01T00:00:00Z
NEW, KNOWN = "sha256:new", DIGESTS["code"]


def looked(drift, at="2026-01-01T01:00:00Z"):
    return {"drift": drift, "at": at, "live": "digits-1", "features": {"x5": drift}}


@pytest.mark.parametrize(
    ("releases", "code", "corrections", "rules", "look", "loop"),
    [
        ([], "", 0, {}, None, None),
        ([], KNOWN, 0, {}, None, "code"),
        ([release(phase="Live", evidence=EVIDENCE, notes=False)], KNOWN, 0, {}, None, None),
        ([release(phase="Failed")], KNOWN, 9, {}, None, None),
        ([release(phase="Failed")], NEW, 0, {}, None, "code"),
        ([release(phase="Live", evidence=EVIDENCE)], NEW, 0, {}, None, "code"),
        ([release(phase="Waiting", evidence=EVIDENCE)], NEW, 0, {}, None, "code"),
        *[([release(phase=phase)], NEW, 99, {"corrections": 1}, None, None) for phase in ("Training", "Checking")],
        ([release()], NEW, 0, {}, None, None),
        # corrections: three were known to digits-1
        ([release(phase="Live")], KNOWN, 7, {"corrections": 5}, None, None),
        ([release(phase="Live")], KNOWN, 8, {"corrections": 5}, None, "data"),
        ([release(phase="Waiting")], KNOWN, 8, {"corrections": 5}, None, None),
        ([release(phase="Refused")], KNOWN, 8, {"corrections": 5}, None, "data"),
        # schedule
        ([release(phase="Live")], KNOWN, 0, {"everySeconds": 2 * DAY}, None, None),
        ([release(phase="Live")], KNOWN, 0, {"everySeconds": DAY}, None, "data"),
        ([release(phase="Canary")], KNOWN, 0, {"everySeconds": DAY}, None, None),
        # drift
        ([release(phase="Live")], KNOWN, 0, {"drift": 0.2}, looked(0.3), "data"),
        ([release(phase="Live")], KNOWN, 0, {"drift": 0.2}, looked(0.1), None),
        ([release(phase="RolledBack")], KNOWN, 0, {"drift": 0.2}, looked(0.3, "2025-12-31T01:00:00Z"), None),
        ([release(phase="Live")], KNOWN, 0, {"drift": 0.2}, None, None),
        # what is known from looks at the release that is live: a release that people refused is not asked for again
        ([release(phase="Refused", drift="0.25 since digits-1")], KNOWN, 0, {"drift": 0.2}, looked(0.3), None),
        ([release(phase="Failed", drift="0.25 since digits-1")], KNOWN, 0, {"drift": 0.2}, looked(0.46), "data"),
        ([release(phase="Refused", drift="0.25 since digits-0")], KNOWN, 0, {"drift": 0.2}, looked(0.3), "data"),
    ],
)
def test_when_a_new_release_is_due(releases, code, corrections, rules, look, loop):
    cause = hand.due("digits", {"data": rules}, releases, code, corrections, look, AT + DAY)
    assert (cause or {}).get("loop") == loop


def in_image(image, phase, name="digits-1"):
    told = release(name, phase, evidence=EVIDENCE)
    told["metadata"]["annotations"][hand.IMAGE_NOTE] = image
    return told


@pytest.mark.parametrize(
    ("releases", "wanted"),
    [
        ([in_image("server@sha256:1", "Live")], True),
        ([in_image("server@sha256:1", "Waiting")], True),
        ([in_image("server@sha256:1", "Training")], False),
        ([in_image("server@sha256:2", "Failed", "digits-2"), in_image("server@sha256:1", "Live")], False),
        ([in_image("server@sha256:2", "Refused", "digits-10"), in_image("server@sha256:1", "Live", "digits-9")], False),
        ([release(phase="Live", evidence=EVIDENCE)], False),  # from before this was noted
    ],
)
def test_a_new_image_is_new_code(releases, wanted):
    cause = hand.due("digits", {}, releases, KNOWN, 0, None, AT, "server@sha256:2")
    reason = "The image of digits is new: server@sha256:2."
    assert cause == ({"loop": "code", "reason": reason} if wanted else None)


def test_looks_at_the_data_are_made_only_where_drift_matters_and_not_too_often():
    rules = {"data": {"drift": 0.2, "lookSeconds": 60}}
    ended = {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    }
    old, other = {"at": "2026-01-01T00:00:00Z", "live": "digits-1"}, {"at": hand.now(), "live": "digits-0"}
    fresh = {"at": hand.now(), "live": "digits-1"}
    assert hand.look_step({}, "digits-1", None, None) == ""
    assert hand.look_step(rules, "", None, None) == ""
    assert [hand.look_step(rules, "digits-1", look, None) for look in (None, old, other, fresh)] == [
        *("start", "start", "start", "")
    ]
    assert hand.look_step(rules, "digits-1", old, ended) == "clear"
    assert hand.look_step(rules, "digits-1", old, {**ended, "status": {}}) == ""


def pod(state, made="2026-01-01T00:00:00Z"):
    return {"metadata": {"creationTimestamp": made}, "status": {"containerStatuses": [{"state": state}]}}


def ended(message, **more):
    return {"terminated": {"exitCode": 3, "message": message, **more}}


UNFIT = {"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], ""),
        ([pod({"running": {}})], ""),
        ([pod(ended("Traceback\nValueError: no data\n"))], "ValueError: no data"),
        ([pod(ended("", reason="OOMKilled"))], "it took more memory than its limit"),
        ([pod({"waiting": {"reason": "ContainerCreating"}})], ""),
        ([pod({"waiting": {"reason": "ErrImagePull", "message": "not found"}})], "ErrImagePull: not found"),
        ([pod(ended("old")), pod(ended("new"), "2026-01-02T00:00:00Z")], "new"),
        ([{"metadata": {}, "status": {"conditions": [UNFIT]}}], "no node takes it: Insufficient memory"),
    ],
)
def test_why_a_pod_ended_or_waits(found, message):
    assert pods.last_message(found).startswith(message)
    assert bool(pods.last_message(found)) is bool(message)


class Lab:
    """Jobs that come to an end, and a hand that is killed and started again."""

    def __init__(self, root, seed, kill):
        self.root, self.api = root, FakeKube(seed, kill)
        self.dice = random.Random(seed)
        self.api.stored["ConfigMap", "code-digits"] = {
            "kind": "ConfigMap",
            "metadata": {"name": "code-digits", "resourceVersion": "1"},
            "data": CODE,
        }
        self.rules = dict(RULES)
        self.kills = 0

    def world(self):
        gate = {"spec": {"models": {"digits": self.rules}}}
        api = self.api
        jobs = {name: hand.trim_job(job) for name, job in api.objects("Job").items()}
        return hand.World(api.objects("Release"), gate, jobs, api.objects("ConfigMap"))

    def turn(self):
        """One life of the hand, and time for the Jobs."""
        known = self.world()  # may be old by the time that it is used
        try:
            mine = hand.Hand(self.api, self.root)
            for _look in range(self.dice.randint(1, 3)):
                mine.tick(known)
                if self.dice.random() < 0.7:
                    known = self.world()
        except Killed:
            self.kills += 1
        for name, job in self.api.objects("Job").items():
            if not job.get("status") and self.dice.random() < 0.5:
                self.end(name, job)

    def end(self, name, job):
        step, of = job["metadata"]["labels"][pods.STEP_LABEL], job["metadata"]["labels"][pods.RELEASE_LABEL]
        folder = volume.release_folder(of, self.root)
        if step == "train":
            volume.write_json(folder / "train.json", {"digests": DIGESTS})
        else:
            volume.write_json(folder / "result.json", RESULT)
        self.api.as_person("Job", name, {"status": {"conditions": [{"type": "Complete", "status": "True"}]}})

    def until(self, condition):
        for _turn in range(500):
            self.turn()
            if condition():
                return
        raise AssertionError(self.api.objects("Release"))

    def phase(self, name):
        return hand.phase_of(self.api.objects("Release").get(name) or {})


def in_order(found):
    """Each phase at most once and in its order; one that was over between two looks may be missing."""
    order = ["Training", "Checking", "Waiting"]
    return found[-1] == "Waiting" and found == [phase for phase in order if phase in found]


@pytest.mark.parametrize("seed", range(15))
def test_killed_anywhere_it_comes_to_the_same_end(tmp_path, seed):
    lab = Lab(tmp_path, seed, kill=0.4)
    lab.until(lambda: lab.phase("digits-1") == "Waiting")
    for _turn in range(30):
        lab.turn()
    [one] = lab.api.objects("Release").values()
    assert in_order(phases(one)), f"seed {seed}, killed {lab.kills} times: {phases(one)}"
    assert one["spec"]["evidence"] == {**EVIDENCE, "image": pods.IMAGE}
    assert one["spec"]["cause"]["loop"] == "code"
    assert sorted(lab.api.objects("Job")) == ["digits-1-check", "digits-1-train"]
    # refused by a person; then corrections come in
    lab.api.as_person("Release", "digits-1", {"spec": {"decision": {"verdict": "refused"}}})
    lab.api.as_person("Release", "digits-1", {"status": {"phase": "Refused"}})
    lab.rules["data"] = {"corrections": 2}
    (tmp_path / "corrections").mkdir()
    entry = json.dumps({"case": "digit-1", "label": "3", "by": "ada", "at": "2026-01-01T00:00:00Z"})
    (tmp_path / "corrections" / "digits.jsonl").write_text(f"{entry}\n{entry}\n")
    lab.until(lambda: lab.phase("digits-2") == "Waiting")
    for _turn in range(30):
        lab.turn()
    assert sorted(lab.api.objects("Release")) == ["digits-1", "digits-2"], f"seed {seed}"
    two = lab.api.objects("Release")["digits-2"]
    assert two["spec"]["cause"] == {"loop": "data", "reason": "2 corrections since digits-1."}
    assert in_order(phases(two)), f"seed {seed}: {phases(two)}"


@pytest.mark.parametrize("seed", range(3))
def test_data_that_has_moved_is_asked_about_once(tmp_path, seed):
    lab = Lab(tmp_path, seed, kill=0.3)

    def looked_again(drift):
        found = {"live": "digits-1", "at": "2999-01-01T00:00:00Z", "drift": drift, "features": {"x5": drift}}
        volume.write_json(tmp_path / "looks" / "digits.json", found)

    lab.until(lambda: lab.phase("digits-1") == "Waiting")
    lab.api.as_person("Release", "digits-1", {"status": {"phase": "Live"}})
    lab.rules["data"] = {"drift": 0.2}
    looked_again(0.3)
    lab.until(lambda: lab.phase("digits-2") == "Waiting")
    assert lab.api.objects("Release")["digits-2"]["spec"]["cause"]["reason"] == "x5 has moved by 0.3 since digits-1."
    lab.api.as_person("Release", "digits-2", {"status": {"phase": "Refused"}})
    looked_again(0.4)
    for _turn in range(30):
        lab.turn()
    assert sorted(lab.api.objects("Release")) == ["digits-1", "digits-2"], f"seed {seed}"
    looked_again(0.55)
    lab.until(lambda: lab.phase("digits-3") == "Waiting")


def test_two_hands_at_once_make_one_release(tmp_path):
    lab = Lab(tmp_path, 1, kill=0)
    known = lab.world()
    first, second = hand.Hand(lab.api, tmp_path), hand.Hand(lab.api, tmp_path)
    first.tick(known)
    second.tick(known)
    assert list(lab.api.objects("Release")) == ["digits-1"]


def test_the_next_number_is_the_highest_and_one():
    made = hand.new_release("two-words", ["two-words-2", "two-words-10"], {"loop": "code", "reason": "x"}, {})
    assert made["metadata"]["name"] == "two-words-11"
    assert made["spec"]["askedBy"] == "system:serviceaccount:loop:hand"


def test_a_training_that_failed_is_told_and_not_tried_again(tmp_path):
    lab = Lab(tmp_path, 3, kill=0)
    condition = {"type": "Failed", "status": "True", "message": "Pod failed"}
    lab.end = lambda name, _job: lab.api.as_person("Job", name, {"status": {"conditions": [condition]}})
    lab.until(lambda: lab.phase("digits-1") == "Failed")
    for _turn in range(20):
        lab.turn()
    [one] = lab.api.objects("Release").values()
    assert one["status"]["message"] == "The training failed: Pod failed"
    assert list(lab.api.objects("Job")) == ["digits-1-train"]


def test_pods_are_restricted_and_write_to_their_own_release_alone(tmp_path):
    lab = Lab(tmp_path, 5, kill=0)
    lab.until(lambda: lab.phase("digits-1") == "Waiting")
    for name, job in lab.api.objects("Job").items():
        spec = job["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        [container] = spec["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        writable = [m for m in container["volumeMounts"] if not m.get("readOnly") and m["name"] != "tmp"]
        assert [m["subPath"] for m in writable] == ["releases/digits-1"], name
        folders = [m.get("subPath") for m in container["volumeMounts"] if m["name"] == "loop"]
        assert all(folders), "the desk's conversations are not to be seen"
        assert bool([m for m in container["volumeMounts"] if m["name"] == "code"]) is name.endswith("-train")


def test_a_train_job_has_a_runtime_of_its_own(tmp_path):
    lab = Lab(tmp_path, 5, kill=0)
    lab.rules["training"] = "trainjob"
    for _turn in range(5):
        lab.turn()
    assert list(lab.api.objects("TrainJob")) == list(lab.api.objects("TrainingRuntime")) == ["digits-1-train"]
    assert not lab.api.objects("Job")
    assert lab.phase("digits-1") == "Training"
