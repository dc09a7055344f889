# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example on its whole way, with the real programs and a real API server: trained, approved, live, replaced.

Bad candidates come back, and whoever asks at the router's address meanwhile always gets an answer. It compares
latencies, and takes five minutes: `make test-all` runs it by itself, with BRAMBLE_WHOLE_WAY=1.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import kube
import pytest
from apiserver import free_port
from loop_api import Person, push_rules, rules
from loop_caller import Caller
from played_loop import ROOT, Front, Kubelet, Program

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not os.environ.get("BRAMBLE_WHOLE_WAY"), reason="make test-all runs it, with BRAMBLE_WHOLE_WAY=1"
    ),
]

EXAMPLE = ROOT / "roles" / "loop" / "files" / "example" / "digits"
MODEL = {
    "name": "digits",
    "thresholds": {"accuracy": {"min": 0.93}, "latencyMs95": {"max": 2000}},
    "shadow_seconds": 1,
    "canary_seconds": 1,
    "keep_seconds": 10,
    "canary_share": 0.3,
}


class Loop:
    """All of it."""

    def __init__(self, bare, folder: Path) -> None:
        self.bare, self.folder, self.data = bare, folder, folder / "data"
        push_rules(bare, rules(models=[MODEL]))
        namespace = "--namespace=loop"
        for account in ("default", "kubelet"):
            if account not in bare.kubectl("get", "serviceaccounts", namespace, "--output=name"):
                bare.kubectl("create", "serviceaccount", account, namespace)
        bare.kubectl(
            *("create", "clusterrolebinding", "kubelet", "--clusterrole=cluster-admin"),
            *("--serviceaccount=loop:kubelet", "--dry-run=client", "--output=name"),
        )
        bare.kubectl(
            "create", "clusterrolebinding", "kubelet", "--clusterrole=cluster-admin", "--serviceaccount=loop:kubelet"
        )
        self.front = Front()
        self.router_port = free_port()
        self.api = self._client("kubelet")
        self.programs = {name: self._program(name) for name in ("hand", "switch", "router")}
        self.kubelet = Kubelet(self.api, self.data, self.front, folder)
        self.caller: Caller | None = None

    def _client(self, account: str) -> kube.Kube:
        token = self.folder / f"{account}-token"
        token.write_text(self.bare.kubectl("create", "token", account, "--namespace=loop"))
        return kube.Kube(f"https://127.0.0.1:{self.bare.port}", token, self.bare.path("ca.crt"))

    def _program(self, name: str) -> Program:
        self._client(name)
        return Program(
            f"{name}.py",
            log=self.folder / f"{name}.log",
            LOOP_API=f"https://127.0.0.1:{self.bare.port}",
            LOOP_TOKEN_FILE=str(self.folder / f"{name}-token"),
            LOOP_CA_FILE=str(self.bare.path("ca.crt")),
            LOOP_DATA=str(self.data),
            LOOP_ROUTER=f"http://127.0.0.1:{self.router_port}",
            LOOP_PORT=str(self.router_port),
            LOOP_SERVER_URL=self.front.url,
            LOOP_ROUTES=str(self.folder / "routes.json"),
            LOOP_DEADLINE="5",
        )

    def push_code(self, text: str) -> None:
        """As the playbook does."""
        data = {path.name: path.read_text() for path in EXAMPLE.iterdir() if path.suffix == ".py"}
        data["model.py"] = text
        meta = {"name": "code-digits", "namespace": "loop", "labels": {kube.MODEL_LABEL: "digits"}}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        try:
            self.api.create(item)
        except kube.Conflict:
            self.api.patch("ConfigMap", "code-digits", {"data": data})

    def release(self, name: str) -> dict:
        try:
            return self.api.get("Release", name)
        except kube.NotFound:
            return {}

    def wait(self, name: str, *phases: str, seconds: float = 900) -> dict:
        """Wait until a release is in one of these phases."""
        end = time.monotonic() + seconds
        while True:
            found = self.release(name)
            status = found.get("status") or {}
            if status.get("phase") in phases:
                return found
            if time.monotonic() > end or status.get("phase") in ("Failed", "RolledBack"):
                logs = "\n".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.log"))
                raise AssertionError(f"{name} is not {' or '.join(phases)}: {status}\n{logs}")
            time.sleep(0.1)

    def next_name(self) -> str:
        """Name of the next release."""
        numbers = [kube.number(one["metadata"]["name"]) for one in self.api.list("Release")[0]]
        return f"digits-{max(numbers, default=0) + 1}"

    def route(self) -> dict:
        """The route in force."""
        return json.loads(self.api.get("ConfigMap", "route-digits")["data"]["route.json"])

    def first(self) -> dict:
        """The example's first release, when it has been checked."""
        if not self.release("digits-1"):
            self.push_code(SOURCE)
        return self.wait("digits-1", "Waiting", "Approved", "Live", "Replaced")

    def settled(self) -> str:
        """Where each test begins: one release is live, no other is on its way, nothing is at fault, somebody asks.

        :returns: its name.
        """
        self.front.faults.clear()
        self.kubelet.alike.clear()
        if not self.first()["spec"].get("decision"):
            self.approve("digits-1")
            self.wait("digits-1", "Live")
        if self.caller is None:
            self.ask()
        end = time.monotonic() + 60
        while True:
            route, answered = self.route(), dict(self.caller.by)
            time.sleep(0.5)
            name = route["stable"]["release"]
            if not route["candidate"] and self.caller.by.get(name, 0) > answered.get(name, 0) + 3:
                break
            assert time.monotonic() < end, (route, self.caller.failed[-3:])
        self.wait(name, "Live", seconds=20)
        self.caller.failed.clear()
        return name

    def same_again(self, live: str, share: bool = False) -> str:
        """A release that ada asks for; what training and check of the first have left is there, the hand goes on.

        :param share: whether the live one's server answers for it.
        :returns: its name.
        """
        name = self.next_name()
        if share:
            self.kubelet.alike[name] = live
        shutil.copytree(self.data / "releases/digits-1", self.data / "releases" / name)
        Person(self.bare, "ada").release("digits", "ada", name)
        self.wait(name, "Waiting")
        return name

    def until(self, condition, seconds: float, words: str) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, words
            time.sleep(0.1)

    def server(self, name: str) -> dict | None:
        """A release's Deployment."""
        found = {one["metadata"]["name"]: one for one in self.api.list("Deployment")[0]}
        return found.get(f"serve-{name}")

    def parked(self, name: str) -> bool:
        """Whether a release's Deployment is there and has no Pods any more."""
        found = self.server(name)
        return bool(found) and found["spec"]["replicas"] == 0 and not found["status"].get("readyReplicas")

    def approve(self, name: str) -> None:
        """As a reviewer with kubectl does."""
        Person(self.bare, "ben").decide(name, "ben")

    def ask(self) -> Caller:
        """Ask from now on."""
        probe = json.loads((self.data / "releases/digits-1/probe.json").read_text())[0]
        url = f"http://127.0.0.1:{self.router_port}/v2/models/digits/infer"
        self.caller = Caller(url, probe["question"])
        return self.caller

    def stop(self) -> None:
        """End everything."""
        if self.caller:
            self.caller.stop()
        self.kubelet.stop()
        for program in self.programs.values():
            program.kill()
        self.front.close()


SOURCE = (EXAMPLE / "model.py").read_text()


@pytest.fixture(scope="module")
def loop(bare, tmp_path_factory):
    made = Loop(bare, tmp_path_factory.mktemp("loop"))
    yield made
    made.stop()


def test_the_first_release_is_trained_by_itself_and_waits_for_a_decision(loop):
    begin = time.monotonic()
    found = loop.first()
    evidence = found["spec"]["evidence"]
    print(f"first release waits after {time.monotonic() - begin:.1f} s: {evidence['scores']}")
    assert found["spec"]["askedBy"] == "system:serviceaccount:loop:hand"
    assert found["spec"]["cause"]["loop"] == "code"
    assert evidence["scores"]["accuracy"] > 0.95
    assert len(evidence["tests"]) == 28
    assert "Job digits-1-train" in evidence["trainedBy"]
    cases = json.loads((loop.data / evidence["cases"]["file"]).read_text())
    assert cases["kind"] == "image"
    assert len(cases["cases"]) >= 20
    assert found["status"]["message"].endswith("nothing is live to compare with.")
    time.sleep(2)
    assert loop.api.list("Deployment")[0] == [], "nothing serves before a decision"
    with pytest.raises(kube.NotFound):
        loop.route()


def test_approved_it_answers(loop):
    loop.first()
    begin = time.monotonic()
    live = loop.settled()
    print(f"somebody is answered {time.monotonic() - begin:.1f} s after the decision")
    memory = {name: round(program.memory(), 1) for name, program in loop.programs.items()}
    memory["serve"] = round(loop.kubelet.servers[f"serve-{live}"].memory(), 1)
    print(f"MiB at rest: {memory}")
    assert memory["hand"] < 40
    assert memory["switch"] < 40
    assert memory["router"] < 80


def test_the_next_one_goes_live_with_no_failed_call_though_all_programs_are_killed(loop):
    live, name = loop.settled(), loop.next_name()
    loop.push_code(f"{SOURCE}\n# {name}\n")
    found = loop.wait(name, "Waiting")
    assert found["spec"]["evidence"]["changed"]["with"] == live
    assert found["spec"]["evidence"]["scores"]["agreement"] == 1.0
    loop.approve(name)
    for phase in ("Shadow", "Canary", "Live"):
        loop.wait(name, phase, "Canary", "Live")
        loop.programs["switch"].restart()
        loop.programs["hand"].restart()
    loop.wait(name, "Live")
    loop.until(lambda: loop.parked(live), 60, "the replaced one is parked")
    assert loop.release(live)["status"]["phase"] == "Replaced"
    phases = [entry["phase"] for entry in loop.release(name)["status"]["history"]]
    assert phases[-4:] == ["Approved", "Shadow", "Canary", "Live"]
    print(f"{loop.caller.calls} calls, {len(loop.caller.failed)} failed, slowest {loop.caller.slowest:.2f} s")
    assert loop.caller.failed == []
    assert loop.caller.by[name] > 0


@pytest.mark.parametrize("fault", ["500", "slow", "hang", "nonsense", "refuse"])
@pytest.mark.parametrize("stage", ["Shadow", "Live"])
def test_a_bad_candidate_comes_back_within_ten_seconds_and_no_call_fails(loop, fault, stage):
    live = loop.settled()
    name = loop.same_again(live, share=True)
    calls = loop.caller.calls
    loop.approve(name)
    loop.wait(name, *(("Live",) if stage == "Live" else ("Shadow", "Canary", "Live")))
    if stage == "Live":
        time.sleep(5)  # many good answers must not hide the bad ones for long
    begin = time.monotonic()
    loop.front.faults[name] = fault
    found = loop.wait(name, "RolledBack", seconds=30)
    seconds = time.monotonic() - begin
    calls, words = loop.caller.calls - calls, found["status"]["message"]
    print(f"{fault} in {stage}: back after {seconds:.1f} s, {calls} calls, {words}")
    assert seconds < 10
    assert ("times as long" in words) == (fault == "slow")
    loop.until(lambda: loop.server(name) is None, 20, "its server goes")
    loop.wait(live, "Live", seconds=20)
    assert loop.caller.failed == []


@pytest.mark.parametrize("stage", ["Shadow", "Live"])
def test_a_candidate_out_of_reach_is_waited_for_and_no_call_fails(loop, stage):
    live = loop.settled()
    name = loop.same_again(live, share=True)
    loop.approve(name)
    loop.wait(name, *(("Live",) if stage == "Live" else ("Shadow", "Canary", "Live")))
    loop.front.faults[name] = "foreign"  # nothing comes to its own server, as while its Pi starts again
    time.sleep(15)
    loop.front.faults.clear()
    loop.wait(name, "Live", seconds=60)
    if stage == "Live":
        loop.front.faults[name] = "foreign"
        found = loop.wait(name, "RolledBack", seconds=120)
        assert f"It could not be reached for 60 s while {live} answered" in found["status"]["message"]
    assert loop.caller.failed == []


def test_who_answers_in_the_place_of_a_new_server_does_not_count_against_it(loop):
    live = loop.settled()
    name = loop.same_again(live, share=True)
    loop.front.faults[name] = "foreign"
    loop.approve(name)
    loop.until(lambda: name in loop.front.ports, 20, "its server is ready")
    time.sleep(3)
    assert loop.release(name)["status"]["phase"] == "Approved", "it was not reached yet"
    loop.front.faults.clear()
    loop.wait(name, "Shadow", "Canary")
    loop.front.faults[name] = "foreign"
    time.sleep(2.5)
    loop.front.faults.clear()
    loop.wait(name, "Live", seconds=60)
    assert loop.caller.failed == []


def test_a_file_that_is_not_the_one_that_was_checked_never_answers(loop):
    live = loop.settled()
    name = loop.same_again(live)
    model = loop.data / "releases" / name / "model.joblib"
    model.write_bytes((loop.data / "releases/digits-1/model.joblib").read_bytes() + b" ")
    loop.approve(name)
    found = loop.wait(name, "RolledBack", seconds=60)
    assert "is not the one that was checked" in found["status"]["message"]
    assert name not in loop.caller.by
    assert loop.caller.failed == []


def test_a_person_takes_it_back_and_the_earlier_one_answers(loop):
    live = loop.settled()
    name = loop.same_again(live)
    loop.approve(name)
    loop.wait(name, "Live")
    loop.until(lambda: loop.parked(live), 60, "the replaced one is parked")
    begin = time.monotonic()
    asked = {"by": "ben", "reason": "it reads eights as threes", "at": kube.now()}
    Person(loop.bare, "ben").change(name, {"rollback": asked})
    loop.wait(name, "RolledBack", seconds=60)
    print(f"taken back by a person after {time.monotonic() - begin:.1f} s, the earlier one had to be started")
    loop.wait(live, "Live")
    assert loop.caller.failed == []


def test_a_training_that_fails_says_why(loop):
    loop.first()
    name = loop.next_name()
    loop.push_code(SOURCE.replace("digits = load_digits()", 'raise ValueError("the disk is full")', 1))
    try:
        found = loop.wait(name, "Failed")
    finally:
        loop.push_code(SOURCE)
    assert found["status"]["message"] == (
        "The training failed: data() of model.py failed: ValueError: the disk is full"
    )


def test_corrections_of_people_bring_the_data_loop(loop):
    loop.first()
    name = loop.next_name()
    gate = {"spec": {"models": {"digits": {"data": {"corrections": 3}}}}}
    loop.api.patch("Gate", "gate", gate)
    (loop.data / "corrections").mkdir(exist_ok=True)
    entries = [{"case": f"digit-{n}", "label": str(n % 10), "by": "ben", "at": kube.now()} for n in range(3)]
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (loop.data / "corrections" / "digits.jsonl").write_text(lines)
    found = loop.wait(name, "Waiting")
    assert found["spec"]["cause"]["loop"] == "data"
    assert "3 corrections" in found["spec"]["evidence"]["dataVersion"]
    told = json.loads((loop.data / "releases" / name / "train.json").read_text())
    assert told["people"] == ["ben"]


def test_the_router_answers_without_the_api_server_and_after_its_own_restart(loop):
    live = loop.settled()
    loop.bare.kill_api()
    try:
        calls = loop.caller.calls
        time.sleep(2)
        assert loop.caller.calls > calls + 10
        assert loop.caller.failed == []
        loop.programs["router"].restart()
        answered = loop.caller.by[live]
        loop.until(lambda: loop.caller.by[live] >= answered + 20, 20, "it answers again")
    finally:
        loop.bare.start_api()
