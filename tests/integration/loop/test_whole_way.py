# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example on its whole way, with the real programs and a real API server: trained, approved, live, replaced.

Bad candidates come back, and whoever asks at the router's address meanwhile always gets an answer.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import kube
import pytest
from apiserver import free_port
from loop_api import Person, push_rules, rules
from played_loop import ROOT, Front, Kubelet, Program

EXAMPLE = ROOT / "roles" / "loop" / "files" / "example" / "digits"
MODEL = {
    "name": "digits",
    "thresholds": {"accuracy": {"min": 0.93}, "latencyMs95": {"max": 2000}},
    "shadow_seconds": 1,
    "canary_seconds": 1,
    "keep_seconds": 5,
    "canary_share": 0.3,
}


class Caller:
    """Somebody who asks the router all the time.

    :ivar failed: what went wrong, as (seconds, words).
    """

    def __init__(self, url: str, question: dict) -> None:
        self._url, self._content = url, json.dumps(question).encode()
        self.calls, self.failed, self.by = 0, [], {}
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _number in range(2)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            begin = time.monotonic()
            try:
                request = urllib.request.Request(self._url, self._content, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=15) as response:
                    json.loads(response.read())["outputs"]
                    release = response.headers["x-loop-release"]
                    self.by[release] = self.by.get(release, 0) + 1
            except (OSError, ValueError, KeyError) as error:
                words = error.read() if isinstance(error, urllib.error.HTTPError) else error
                self.failed.append((time.time(), str(words)))
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)


class Loop:
    """All of it."""

    def __init__(self, bare, folder: Path) -> None:
        self.server, self.folder, self.data = bare, folder, folder / "data"
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
        token.write_text(self.server.kubectl("create", "token", account, "--namespace=loop"))
        return kube.Kube(f"https://127.0.0.1:{self.server.port}", token, self.server.path("ca.crt"))

    def _program(self, name: str) -> Program:
        self._client(name)
        return Program(
            f"{name}.py",
            log=self.folder / f"{name}.log",
            LOOP_API=f"https://127.0.0.1:{self.server.port}",
            LOOP_TOKEN_FILE=str(self.folder / f"{name}-token"),
            LOOP_CA_FILE=str(self.server.path("ca.crt")),
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

    def approve(self, name: str) -> None:
        """As a reviewer with kubectl does."""
        Person(self.server, "ben").decide(name, "ben")

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


@pytest.fixture(scope="module")
def loop(bare, tmp_path_factory):
    made = Loop(bare, tmp_path_factory.mktemp("loop"))
    yield made
    made.stop()


SOURCE = (EXAMPLE / "model.py").read_text()


def test_the_first_release_is_trained_by_itself_and_waits(loop):
    begin = time.monotonic()
    loop.push_code(SOURCE)
    found = loop.wait("digits-1", "Waiting")
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


def test_nothing_serves_before_a_decision(loop):
    time.sleep(2)
    assert loop.api.list("Deployment")[0] == []
    with pytest.raises(kube.NotFound):
        loop.api.get("ConfigMap", "route-digits")


def test_approved_it_answers(loop):
    loop.approve("digits-1")
    begin = time.monotonic()
    loop.wait("digits-1", "Live")
    caller = loop.ask()
    end = time.monotonic() + 20
    while not caller.by.get("digits-1"):
        assert time.monotonic() < end, caller.failed
        time.sleep(0.1)
    print(f"live {time.monotonic() - begin:.1f} s after the decision")
    memory = {name: round(program.memory(), 1) for name, program in loop.programs.items()}
    memory["serve"] = round(loop.kubelet.servers["serve-digits-1"].memory(), 1)
    print(f"MiB at rest: {memory}")
    assert memory["hand"] < 40
    assert memory["switch"] < 40
    assert memory["router"] < 80


def same_again(loop, name: str) -> None:
    """A release that ada asks for, with what training and check of digits-1 have left; the hand takes it from there."""
    shutil.copytree(loop.data / "releases/digits-1", loop.data / "releases" / name)
    Person(loop.server, "ada").release("digits", "ada", name)
    loop.wait(name, "Waiting")


def test_the_next_one_goes_live_with_no_failed_call_though_all_programs_are_killed(loop):
    loop.push_code(f"{SOURCE}\n# second\n")
    loop.wait("digits-2", "Waiting")
    found = loop.release("digits-2")
    assert found["spec"]["evidence"]["changed"]["with"] == "digits-1"
    assert found["spec"]["evidence"]["scores"]["agreement"] == 1.0
    loop.caller.failed.clear()
    loop.approve("digits-2")
    for phase in ("Shadow", "Canary", "Live"):
        loop.wait("digits-2", phase, "Canary", "Live")
        loop.programs["switch"].restart()
        loop.programs["hand"].restart()
    loop.wait("digits-2", "Live")
    end = time.monotonic() + 60
    while loop.api.get("Deployment", "serve-digits-1")["spec"]["replicas"]:
        assert time.monotonic() < end, "the replaced one is parked"
        time.sleep(0.2)
    assert loop.release("digits-1")["status"]["phase"] == "Replaced"
    phases = [entry["phase"] for entry in loop.release("digits-2")["status"]["history"]]
    assert phases[-4:] == ["Approved", "Shadow", "Canary", "Live"]
    print(f"{loop.caller.calls} calls, {len(loop.caller.failed)} failed, slowest {loop.caller.slowest:.2f} s")
    assert loop.caller.failed == []
    assert loop.caller.by["digits-2"] > 0


FAULTS = ["500", "slow", "hang", "nonsense", "refuse"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", ["Shadow", "Live"])
def test_a_bad_candidate_comes_back_within_ten_seconds_and_no_call_fails(loop, fault, stage):
    number = 3 + FAULTS.index(fault) + (len(FAULTS) if stage == "Live" else 0)
    name = f"digits-{number}"
    same_again(loop, name)
    loop.caller.failed.clear()
    calls = loop.caller.calls
    loop.approve(name)
    loop.wait(name, *(("Live",) if stage == "Live" else ("Shadow", "Canary", "Live")))
    begin = time.monotonic()
    loop.front.faults[name] = fault
    found = loop.wait(name, "RolledBack", seconds=30)
    seconds = time.monotonic() - begin
    calls, words = loop.caller.calls - calls, found["status"]["message"]
    print(f"{fault} in {stage}: back after {seconds:.1f} s, {calls} calls, {words}")
    time.sleep(1)
    assert loop.caller.failed == []
    assert seconds < 10
    end = time.monotonic() + 20
    while name in {one["metadata"]["labels"]["loop.bramble.kube/release"] for one in loop.api.list("Deployment")[0]}:
        assert time.monotonic() < end, "its server goes"
        time.sleep(0.2)
    assert loop.release("digits-2")["status"]["phase"] == "Live"
    assert loop.caller.failed == []


def test_a_file_that_is_not_the_one_that_was_checked_never_answers(loop):
    name = f"digits-{3 + 2 * len(FAULTS)}"
    same_again(loop, name)
    model = loop.data / "releases" / name / "model.joblib"
    model.write_bytes((loop.data / "releases/digits-1/model.joblib").read_bytes() + b" ")
    loop.approve(name)
    found = loop.wait(name, "RolledBack", seconds=60)
    assert "is not the one that was checked" in found["status"]["message"]
    assert name not in loop.caller.by
    assert loop.caller.failed == []


def test_a_person_takes_it_back_and_the_earlier_one_answers(loop):
    name = f"digits-{4 + 2 * len(FAULTS)}"
    same_again(loop, name)
    loop.approve(name)
    loop.wait(name, "Live")
    time.sleep(8)  # the replaced one is parked by now
    loop.caller.failed.clear()
    begin = time.monotonic()
    asked = {"by": "ben", "reason": "it reads eights as threes", "at": kube.now()}
    Person(loop.server, "ben").change(name, {"rollback": asked})
    loop.wait(name, "RolledBack", seconds=60)
    print(f"taken back by a person after {time.monotonic() - begin:.1f} s, the earlier one had to be started")
    loop.wait("digits-2", "Live")
    assert loop.caller.failed == []


def test_the_router_answers_without_the_api_server_and_after_its_own_restart(loop):
    loop.server.kill_api()
    try:
        loop.caller.failed.clear()
        calls = loop.caller.calls
        time.sleep(2)
        assert loop.caller.calls > calls + 10
        assert loop.caller.failed == []
        loop.programs["router"].restart()
        end = time.monotonic() + 20
        answered = loop.caller.by["digits-2"]
        while loop.caller.by["digits-2"] < answered + 20:
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        loop.server.start_api()


def test_a_training_that_fails_says_why(loop):
    loop.push_code(SOURCE.replace("digits = load_digits()", 'raise ValueError("the disk is full")', 1))
    found = loop.wait(f"digits-{5 + 2 * len(FAULTS)}", "Failed")
    assert found["status"]["message"] == (
        "The training failed: data() of model.py failed: ValueError: the disk is full"
    )


def test_corrections_of_people_bring_the_data_loop(loop):
    name = f"digits-{6 + 2 * len(FAULTS)}"
    gate = {"spec": {"models": {"digits": {"data": {"corrections": 3}}}}}
    loop.api.patch("Gate", "gate", gate)
    (loop.data / "corrections").mkdir(exist_ok=True)
    entries = [{"case": f"digit-{n}", "label": str(n % 10), "by": "ben", "at": kube.now()} for n in range(3)]
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (loop.data / "corrections" / "digits.jsonl").write_text(lines)
    loop.push_code(SOURCE + "\n# second\n")
    found = loop.wait(name, "Waiting")
    assert found["spec"]["cause"]["loop"] == "data"
    assert "3 corrections" in found["spec"]["evidence"]["dataVersion"]
    told = json.loads((loop.data / "releases" / name / "train.json").read_text())
    assert told["people"] == ["ben"]
