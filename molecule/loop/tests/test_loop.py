# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop on three Pis, in the order in which a user meets it; each test begins where the one before has ended.

People act with their own kubeconfigs and at the desk; somebody asks the model's lasting address all the time.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "integration" / "loop")]

from browser import drive, needs_browser
from desk_rig import Answer, Visitor, send, twenty_at_once
from lab_cluster import CACHE, STATE, cut_power
from loop_caller import Caller
from troubles import Lab, wait

EXAMPLE = ROOT / "roles" / "loop" / "files" / "example" / "digits"
PROGRAMS = ("hand", "switch", "router", "desk")
#: A plain zero, the first picture of scikit-learn's digits: every sound model says the same of it.
ZERO = (
    *(0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0),
    *(0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0),
)
QUESTION = {"inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP64", "data": list(ZERO)}]}
REASON = "I have looked at all of the cases."

#: A model that fails once somebody makes a file in its container: only in use, never in the check.
MOODY = '''

import os
import time

_train = train


class Moody:
    """Passes everything on; fails or dawdles when told to."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def predict(self, X):
        if os.path.exists("/tmp/fails"):
            raise RuntimeError("moody")
        if os.path.exists("/tmp/slow"):
            time.sleep(0.5)
        return self.inner.predict(X)


def train(X, y):
    return Moody(_train(X, y))
'''
#: A tenth of all labels is another one.
POISONED = """

_data = data


def data(folder, corrections):
    found = _data(folder, corrections)
    y = found.y.copy()
    y[::10] = (y[::10] + 1) % 10
    return found._replace(y=y)
"""
#: What comes from the volume begins to be brighter once a file is there.
MOVING = """

_data = data


def data(folder, corrections):
    found = _data(folder, corrections)
    return found._replace(X=found.X * 2) if (folder / "bright").exists() else found
"""


#: What comes from the volume is not whole as long as a file is there.
COMING = """

import time

_data = data


def data(folder, corrections):
    while (folder / "coming").exists():
        time.sleep(0.2)
    return _data(folder, corrections)
"""
OTHER_IMAGE = "docker.io/kserve/sklearnserver:v0.21.0-scikit-learn-1.7.2"


def moment() -> str:
    """Now, as a release has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


#: A volume of the owner's own for the data
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "pixels", "namespace": "loop"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}},
}


class Refused(Exception):
    """What the API server said no with."""


class Loop(Lab):
    """The scenario's Pis, its people, and what they do."""

    def __init__(self) -> None:
        super().__init__(Path(__file__).resolve().parents[1] / "inventory")
        self.address = self.addresses["k8s-master"]

    def as_person(self, name: str, *arguments: str, given: str = "") -> str:
        """kubectl with a person's kubeconfig, or with the administrator's as "admin".

        :raises Refused: with the sentence.
        """
        own = self.kubeconfig if name == "admin" else STATE / "loop-people" / f"{name}.kubeconfig"
        done = subprocess.run(
            [CACHE / "bin" / "kubectl", f"--kubeconfig={own}", "-n", "loop", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise Refused(done.stderr.strip().rpartition("denied request: ")[2])
        return done.stdout

    def change(self, person: str, release: str, spec: dict[str, Any]) -> str:
        """A person changes a release."""
        return self.as_person(
            person, "patch", "release", release, "--type=merge", f"--patch={json.dumps({'spec': spec})}"
        )

    def decide(
        self, person: str, release: str, verdict: str = "approved", by: str = "", reason: str = REASON, **more: Any
    ) -> str:
        """A person decides."""
        word = {"verdict": verdict, "by": by or person, "reason": reason, "at": moment(), **more}
        return self.change(person, release, {"decision": word})

    def release(self, name: str) -> dict[str, Any]:
        """A release; {} when there is none."""
        found = self.kubectl("-n", "loop", "get", "release", name, "--output=json", "--ignore-not-found")
        return json.loads(found) if found.strip() else {}

    def phase(self, name: str) -> str:
        """Its phase."""
        return (self.release(name).get("status") or {}).get("phase") or ""

    def until(self, name: str, *phases: str, seconds: float = 400) -> dict[str, Any]:
        """Wait until a release is in one of these phases; one that ends in another way says why."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.release(name)
            status = found.get("status") or {}
            if status.get("phase") in phases:
                return found
            ended = status.get("phase") in ("Failed", "RolledBack", "Refused")
            assert not ended and time.monotonic() < deadline, f"{name} is not {' or '.join(phases)}: {status}"
            time.sleep(0.5)

    def ask(self, person: str, name: str, by: str = "", model: str = "digits", **more: Any) -> None:
        """A trainer asks for a release."""
        cause = {"loop": "code", "reason": "a test"}
        body = {
            "apiVersion": "loop.bramble.kube/v1alpha1",
            "kind": "Release",
            "metadata": {"name": name, "namespace": "loop", "labels": {"loop.bramble.kube/model": model}},
            "spec": {"model": model, "cause": cause, "askedBy": by or person, **more},
        }
        self.as_person(person, "create", "-f", "-", given=json.dumps(body))

    def push_code(self, folder: Path, more: str, **extra: str) -> None:
        """The example's code with something more, pushed as a user does."""
        folder.mkdir(exist_ok=True)
        for file in EXAMPLE.glob("*.py"):
            (folder / file.name).write_text(file.read_text() + (more if file.name == "model.py" else ""))
        done = self.play("playbooks/loop.yml", BRAMBLE_LOOP_CODE=str(folder), **extra)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr

    def kill(self, *programs: str) -> None:
        """kill -9 of programs, wherever they run."""
        for node in self.addresses:
            for program in programs:
                self.on(node, f"pkill -9 -f '^python /(programs|desk)/{program}.py'", check=False)

    def passwords(self) -> dict[str, str]:
        """What each person logs in with at the desk."""
        found = json.loads(self.kubectl("-n", "loop", "get", "secret", "desk-passwords", "--output=json"))["data"]
        return {name: base64.b64decode(value).decode() for name, value in found.items()}

    def in_server(self, release: str, script: str) -> None:
        """Run a script in the container that serves a release."""
        self.kubectl("-n", "loop", "exec", f"deployment/serve-{release}", "--", "sh", "-c", script)

    def volume(self, claim: str = "loop") -> tuple[str, str]:
        """The Pi with a volume of the loop, and its folder there."""
        [one] = [
            item
            for item in self.objects("persistentvolumes")
            if (item["spec"]["claimRef"]["namespace"], item["spec"]["claimRef"]["name"]) == ("loop", claim)
        ]
        terms = one["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        source = one["spec"].get("hostPath") or one["spec"]["local"]
        return terms[0]["matchExpressions"][0]["values"][0], source["path"]


class Door:
    """The desk, as desk_rig's visitor reaches it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request, as it is."""
        return send(self._address, 30086, method, path, body, headers)


@pytest.fixture(scope="module")
def loop() -> Loop:
    return Loop()


@pytest.fixture(scope="module")
def caller(loop: Loop) -> Iterator[Caller]:
    """Somebody who asks from now on."""
    running = Caller(f"http://{loop.address}:30084/v2/models/digits/infer", QUESTION)
    yield running
    running.stop()
    print(f"{running.calls} calls, {len(running.failed)} failed, slowest {running.slowest:.2f} s, by {running.by}")


class News(ThreadingHTTPServer):
    """The address that loop_notify names: what was told there."""

    def __init__(self) -> None:
        super().__init__(("192.168.29.1", 30999), self.Hook)
        self.told: list[str] = []
        Thread(target=self.serve_forever, daemon=True).start()

    class Hook(BaseHTTPRequestHandler):
        """Slack's side of a webhook."""

        def do_POST(self) -> None:
            assert self.path == "/hook"
            self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: Any) -> None: ...

    def of(self, release: str) -> list[str]:
        """What was told of a release."""
        return [text for text in self.told if text.endswith(f"/releases/{release}")]


@pytest.fixture(scope="module", autouse=True)
def news() -> Iterator[News]:
    """People are told from now on; before the tests, nobody listened."""
    listening = News()
    yield listening
    listening.shutdown()
    listening.server_close()


@pytest.fixture(scope="module")
def moody(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("code") / "digits"


def told(act, *arguments: Any, **more: Any) -> str:
    """The sentence that something is refused with."""
    with pytest.raises(Refused) as found:
        act(*arguments, **more)
    return str(found.value)


def test_the_first_release_is_trained_by_itself_and_waits(loop: Loop, news: News) -> None:
    begin = time.monotonic()
    found = loop.until("digits-1", "Waiting", seconds=600)
    print(f"waits {time.monotonic() - begin:.0f} s after the run: {found['spec']['evidence']['scores']}")
    made = json.loads(loop.kubectl("get", "namespace", "loop", "--output=json"))["metadata"]["creationTimestamp"]
    [waits] = [entry["at"] for entry in found["status"]["history"] if entry["phase"] == "Waiting"]
    seconds = (datetime.fromisoformat(waits) - datetime.fromisoformat(made)).total_seconds()
    print(f"a decision is possible {seconds:.0f} s after the loop came to the cluster")
    assert found["spec"]["evidence"]["scores"]["accuracy"] > 0.93
    assert "/kserve/sklearnserver" in found["spec"]["evidence"]["image"]
    assert found["spec"]["askedBy"] == "system:serviceaccount:loop:hand"
    assert loop.objects("deployments", "-n", "loop", "-l", "loop.bramble.kube/step=serve") == []
    # It waited while nobody listened; the next try may be minutes away.
    wait("the news of it", lambda: news.of("digits-1"), 420)
    [text] = news.of("digits-1")
    sentence = "digits, release 1 waits for you: nothing is live to compare it with"
    assert text == f"{sentence}\nhttp://{loop.address}:30086/releases/digits-1"


def test_the_gate_refuses_whoever_may_not(loop: Loop) -> None:
    name = "digits-1"
    assert "vic" in told(loop.decide, "vic", name)
    assert told(loop.decide, "olga", name).startswith("Only a reviewer may decide; olga is operator")
    assert told(loop.decide, "ada", name).startswith("Only a reviewer may decide; ada is trainer")
    assert told(loop.decide, "ben", name, by="cleo").startswith("You are ben, so the decision must be signed by ben")
    forged = {"evidence": {**loop.release(name)["spec"]["evidence"], "scores": {"accuracy": 1}}}
    assert told(loop.change, "ben", name, forged).startswith("Evidence is written once")
    assert told(loop.decide, "admin", name, by="kubernetes-admin").startswith(
        "Only a reviewer may decide; kubernetes-admin"
    )
    assert told(loop.decide, "ben", name, reason="ok") == "A decision needs a reason of at least 10 characters."
    assert told(loop.decide, "ben", name, alone=True).endswith("so the decision must not say alone: true.")
    assert told(loop.change, "ben", name, {"askedBy": "ben"}).startswith("A release's model, its cause and who asked")
    answer = {"by": "cleo", "text": "we looked", "at": moment()}
    assert told(loop.change, "ben", name, {"answers": {"infra-4": answer}}).endswith(
        "may answer tests only in your own name."
    )
    assert told(loop.change, "ben", name, {"reviews": {"cleo": {"judged": 1}}}).endswith(
        "may write only your own review."
    )
    assert told(loop.change, "ada", name, {"reviews": {"ada": {"judged": 1}}}).startswith(
        "Only a reviewer may review; ada"
    )
    back = {"rollback": {"by": "olga", "reason": "it answers nonsense", "at": moment()}}
    assert told(loop.change, "olga", name, back).endswith("was never approved, so there is nothing to roll back.")
    assert loop.release(name)["spec"].keys() == {"model", "cause", "askedBy", "evidence"}


def test_the_gate_refuses_a_release_that_is_not_as_it_must_be(loop: Loop) -> None:
    assert told(loop.ask, "ada", "digits-9", by="cleo") == "You are ada, so the release must be asked for by ada."
    assert told(loop.ask, "admin", "digits-9", by="kubernetes-admin").startswith("Only a trainer may ask for a release")
    assert told(loop.ask, "ada", "iris-9", model="iris").startswith("There is no model iris in loop_models")
    assert told(loop.ask, "ada", "nine").startswith("A release of the model digits is named after it, with a number")
    decision = {"verdict": "approved", "by": "ada", "reason": REASON, "at": moment()}
    assert told(loop.ask, "ada", "digits-9", decision=decision).startswith("A new release must not have evidence")
    assert "vic" in told(loop.ask, "vic", "digits-9")
    assert loop.release("digits-9") == {}


def in_browser(loop: Loop, release: str, *steps: str) -> dict[str, Any]:
    """Steps of desk_browser.mjs at the desk of this cluster."""
    pictures = STATE / "pictures-loop"
    pictures.mkdir(exist_ok=True)
    return drive(
        ROOT / "tests/integration/loop/desk_browser.mjs",
        DESK_URL=f"http://{loop.address}:30086",
        DESK_PICTURES=str(pictures),
        DESK_RELEASE=release,
        DESK_PHONE=release,
        DESK_TAPS="cleo",
        DESK_PASSWORDS=json.dumps(loop.passwords()),
        DESK_STEPS=json.dumps(steps),
    )


@needs_browser
def test_the_first_release_is_reviewed_and_approved_in_a_browser(loop: Loop) -> None:
    """On a phone by one reviewer, by keyboard alone by another, who approves."""
    name, begin = "digits-1", time.monotonic()
    for steps in (
        ["a review by taps on a phone", "all pages: en, 390 px, dark"],
        ["a decision by keyboard alone, which a colleague sees without reloading"],
    ):
        seen = in_browser(loop, name, *steps)
        assert (seen["errors"], seen["axe"], seen["wide"], seen["done"]) == ([], [], [], steps)
    spec = loop.release(name)["spec"]
    assert (spec["decision"]["by"], spec["decision"]["verdict"]) == ("ben", "approved")
    assert {person: review["judged"] for person, review in spec["reviews"].items()} == {"ben": 20, "cleo": 20}
    print(f"two reviews and a decision in a browser took {time.monotonic() - begin:.0f} s")


def test_approved_it_answers(loop: Loop, caller: Caller) -> None:
    begin, name = time.monotonic(), "digits-1"
    if "decision" not in loop.release(name)["spec"]:
        loop.decide("ben", name)  # where there is no browser
    loop.until(name, "Live", seconds=200)
    wait("its answers", lambda: caller.by.get(name, 0) > 20, 60)
    print(f"answers {time.monotonic() - begin:.0f} s after the decision")
    caller.failed.clear()


def live(loop: Loop) -> str:
    """The release that is live."""
    names = [
        one["metadata"]["name"]
        for one in loop.objects("releases", "-n", "loop")
        if (one.get("status") or {}).get("phase") == "Live"
    ]
    return names[-1] if names else ""


def newest(loop: Loop) -> str:
    """The release with the highest number."""
    return max(
        (one["metadata"]["name"] for one in loop.objects("releases", "-n", "loop")),
        key=lambda n: int(n.rpartition("-")[2]),
    )


def following(name: str) -> str:
    """The name after this one."""
    return f"digits-{int(name.rpartition('-')[2]) + 1}"


def test_two_reviewers_decide_at_the_same_moment_and_one_wins(loop: Loop, caller: Caller) -> None:
    before, name = live(loop), following(newest(loop))
    loop.ask("ada", name)
    loop.until(name, "Waiting")

    def decide(person: str) -> str:
        try:
            loop.decide(person, name, "approved" if person == "ben" else "refused")
        except Refused as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = dict(zip(("ben", "cleo"), pool.map(decide, ("ben", "cleo"))))
    decision = loop.release(name)["spec"]["decision"]
    loser = "cleo" if decision["by"] == "ben" else "ben"
    print(f"{decision['by']} was first; {loser} was told: {said[loser]}")
    assert said[decision["by"]] == ""
    assert (
        f"was {decision['verdict']} by {decision['by']}; a decision is final" in said[loser]
        or "modified" in said[loser]
    )
    loop.until(name, {"approved": "Live", "refused": "Refused"}[decision["verdict"]])
    if decision["verdict"] == "approved":
        wait("the replaced one says so", lambda: loop.phase(before) == "Replaced", 120)
    assert caller.failed == []


def test_what_was_decided_stays(loop: Loop) -> None:
    name = newest(loop)
    decision = loop.release(name)["spec"]["decision"]
    other = {"approved": "refused", "refused": "approved"}[decision["verdict"]]
    for person in ("ben", "cleo", "admin"):
        assert "a decision is final" in told(loop.decide, person, name, other)
        assert "a decision is final" in told(loop.change, person, name, {"decision": None})
    kept = f"{name} was decided, so it stays as the record of that decision."
    assert told(loop.as_person, "admin", "delete", "release", name) == kept
    assert loop.release(name)["spec"]["decision"] == decision


@needs_browser
def test_one_that_differs_from_the_live_one_is_looked_at_on_a_phone(loop: Loop, caller: Caller) -> None:
    """Two answers beside each other, which the first release did not have."""
    name = following(newest(loop))
    loop.ask("ada", name)
    loop.until(name, "Waiting")
    steps = ["a review by taps on a phone", "all pages: en, 390 px, dark"]
    seen = in_browser(loop, name, *steps)
    assert (seen["errors"], seen["axe"], seen["wide"], seen["done"]) == ([], [], [], steps)
    loop.decide("ben", name)
    loop.until(name, "Live")
    assert caller.failed == []


def test_corrections_at_the_desk_bring_the_data_loop(loop: Loop, caller: Caller) -> None:
    before = newest(loop)
    name = following(before)
    loop.ask("ada", name)
    loop.until(name, "Waiting")
    ben = Visitor(Door(loop.address))  # type: ignore[arg-type]
    ben.login("ben", loop.passwords()["ben"])
    wait("the release on the desk", lambda: ben.get(f"/releases/{name}").status == 200, 30)
    ben.get(f"/releases/{name}/review")
    for place in range(1, 21):
        page = ben.get(f"/releases/{name}/review/{place}")
        labels = re.findall(r'<option value="(\d)"', page.body)
        fields = {"choice": "unknown", **({"label": labels[place % 10]} if place <= 6 else {})}
        ben.post(f"/releases/{name}/review/{place}", fields)
    ben.get(f"/releases/{name}/review/end")
    ben.post(f"/releases/{name}/review/end", {"note": "Some labels are wrong."})
    review = loop.release(name)["spec"]["reviews"]["ben"]
    assert (review["judged"], review["corrected"] >= 3) == (20, True)
    loop.decide("ben", name, "refused")
    found = loop.until(following(name), "Waiting")
    assert found["spec"]["cause"]["loop"] == "data"
    reviews = [one["spec"].get("reviews") or {} for one in loop.objects("releases", "-n", "loop")]
    corrected = sum(review["corrected"] for by_whom in reviews for review in by_whom.values())
    assert f"{corrected} corrections" in found["spec"]["evidence"]["dataVersion"]
    assert caller.failed == []


def test_killed_between_all_steps_the_end_is_the_same(loop: Loop, caller: Caller) -> None:
    before, name = live(loop), newest(loop)
    loop.decide("cleo", name)
    for phase in ("Approved", "Shadow", "Canary", "Live"):
        loop.until(
            name, *("Approved", "Shadow", "Canary", "Live")[("Approved", "Shadow", "Canary", "Live").index(phase) :]
        )
        loop.kill("hand", "switch", "desk")
    loop.until(name, "Live")
    wait("the replaced one says so", lambda: loop.phase(before) == "Replaced", 120)
    assert [entry["phase"] for entry in loop.release(name)["status"]["history"]][-4:] == [
        "Approved",
        "Shadow",
        "Canary",
        "Live",
    ]
    print(f"{caller.calls} calls so far, {len(caller.failed)} failed")
    assert caller.failed == []
    loop.kill("router")
    answered = caller.by.get(name, 0)
    wait("answers after the router was killed", lambda: caller.by.get(name, 0) > answered + 20, 120)
    caller.failed.clear()


def test_a_new_router_fails_no_call(loop: Loop, caller: Caller) -> None:
    calls = caller.calls
    loop.kubectl("-n", "loop", "rollout", "restart", "deployment/router")
    loop.kubectl("-n", "loop", "rollout", "status", "deployment/router", "--timeout=150s")
    time.sleep(20)  # the old one is gone, and a call that hung has failed
    print(f"{caller.calls - calls} calls beside a new router, {len(caller.failed)} failed")
    assert caller.failed == []


def test_power_cuts_between_all_steps_change_nothing(loop: Loop, caller: Caller) -> None:
    """The Pi with the volume loses its power: nobody answers meanwhile, and afterwards all goes on."""
    before, name = live(loop), following(newest(loop))
    node, _folder = loop.volume()

    def cut() -> None:
        cut_power(f"{loop.instance}-{node}")
        answered = sum(caller.by.values())
        begin = time.monotonic()
        wait("answers after the power cut", lambda: sum(caller.by.values()) > answered + 20, 300)
        wait("the API server", loop.answers, 120)
        print(f"{node}: answers {time.monotonic() - begin:.0f} s after its power cut")

    loop.ask("ada", name)
    wait("its training", lambda: loop.phase(name) == "Training", 60)
    cut()
    loop.until(name, "Waiting", seconds=600)
    loop.decide("ben", name)
    phases = ("Approved", "Shadow", "Canary", "Live")
    for place, phase in enumerate(phases):
        loop.until(name, *phases[place:], seconds=600)
        if loop.phase(name) == phase:
            cut()
    loop.until(name, "Live")
    wait("the replaced one says so", lambda: loop.phase(before) == "Replaced", 300)
    found = loop.release(name)
    assert found["spec"]["decision"]["by"] == "ben"
    assert [entry["phase"] for entry in found["status"]["history"]][-4:] == list(phases)
    caller.failed.clear()


@pytest.mark.parametrize("fault", ["fails", "slow"])
def test_a_bad_candidate_is_taken_back_within_ten_seconds(loop: Loop, caller: Caller, moody: Path, fault: str) -> None:
    before, name = live(loop), following(newest(loop))
    if fault == "fails":
        loop.push_code(moody, MOODY)  # the code loop
        found = loop.until(name, "Waiting")
        assert found["spec"]["cause"]["loop"] == "code"
        assert found["spec"]["evidence"]["changed"]["with"] == before
    else:
        loop.ask("ada", name)
        loop.until(name, "Waiting")
    loop.decide("ben", name)
    loop.until(name, "Live")
    time.sleep(5)
    loop.in_server(name, f"touch /tmp/{fault}")
    begin = time.monotonic()
    found = loop.until(name, "RolledBack", seconds=60)
    seconds = time.monotonic() - begin
    print(f"{fault}: back after {seconds:.1f} s: {found['status']['message']}; {len(caller.failed)} failed calls")
    assert seconds < 10
    assert caller.failed == []
    wait("the earlier one is live", lambda: live(loop) == before, 60)


def test_a_file_that_is_not_the_one_that_was_checked_never_answers(loop: Loop, caller: Caller) -> None:
    name = following(newest(loop))
    loop.ask("cleo", name)
    loop.until(name, "Waiting")
    assert told(loop.decide, "cleo", name) == f"cleo asked for {name}, so somebody else must decide."
    node, folder = loop.volume()
    loop.on(node, f"printf ' ' >> {folder}/releases/{name}/model.joblib")
    loop.decide("ben", name)
    found = loop.until(name, "RolledBack")
    assert "is not the one that was checked" in found["status"]["message"]
    assert name not in caller.by
    assert caller.failed == []


def test_poisoned_labels_are_stopped(loop: Loop, caller: Caller, moody: Path) -> None:
    name = following(newest(loop))
    loop.push_code(moody, POISONED)
    found = loop.until(name, "Waiting")
    scores = found["spec"]["evidence"]["scores"]
    sentence = told(loop.decide, "ben", name)
    print(f"poisoned: {scores}, {found['spec']['evidence'].get('changed')}: {sentence}")
    assert sentence.startswith("It cannot be approved: accuracy is ")
    loop.decide("ben", name, "refused")
    assert loop.until(name, "Refused")
    assert caller.failed == []


def test_the_run_shows_the_score_and_takes_a_release_back(loop: Loop, caller: Caller) -> None:
    name = live(loop)
    done = loop.play("playbooks/loop.yml", "--tags", "score")
    assert done.returncode == 0 and f"{name}, live: ML Test Score" in done.stdout, done.stdout[-2000:]
    done = loop.play("playbooks/loop.yml", "--tags", "rollback")
    assert done.returncode != 0 and "Name the model to roll back" in done.stdout
    named = (
        "-e",
        "loop_rollback=digits",
        "-e",
        "loop_rollback_by=olga",
        "-e",
        "loop_rollback_reason='it reads eights badly'",
    )
    done = loop.play("playbooks/loop.yml", "--tags", "rollback", "--check", *named)
    assert done.returncode == 0 and loop.phase(name) == "Live", done.stdout[-2000:]
    done = loop.play("playbooks/loop.yml", "--tags", "rollback", *named)
    assert done.returncode == 0, done.stdout[-2000:]
    loop.until(name, "RolledBack", seconds=120)
    wait("the earlier one is live", lambda: live(loop) not in ("", name), 60)
    assert caller.failed == []


def test_a_trainjob_trains_as_well(loop: Loop, caller: Caller) -> None:
    done = loop.play("playbooks/loop.yml", BRAMBLE_LOOP_TRAINING="trainjob")
    assert done.returncode == 0, done.stdout[-3000:]
    name = following(newest(loop))
    loop.ask("ada", name)
    wait("its TrainJob", lambda: loop.objects("trainjobs", "-n", "loop"), 120)
    found = loop.until(name, "Waiting")
    assert found["spec"]["evidence"]["trainedBy"].startswith(f"TrainJob {name}-train, ")
    loop.decide("ben", name)
    loop.until(name, "Live")
    assert caller.failed == []


def test_data_that_has_moved_brings_the_data_loop_once(loop: Loop, caller: Caller, moody: Path) -> None:
    name = following(newest(loop))
    loop.apply(CLAIM)
    loop.push_code(moody, MOVING, BRAMBLE_LOOP_DRIFT="0.2", BRAMBLE_LOOP_VOLUME="pixels")
    loop.until(name, "Waiting")
    loop.decide("ben", name)
    loop.until(name, "Live")
    node, folder = loop.volume()
    looks = f"cat {folder}/looks/digits.json"
    wait("a look at the data of the one that is live", lambda: f'"{name}"' in loop.on(node, looks, check=False), 120)
    assert newest(loop) == name
    data = loop.volume("pixels")[1]  # on the same Pi, since the training has both
    loop.on(node, f"touch {data}/bright")
    moved = following(name)
    wait("the data loop", lambda: newest(loop) == moved, 120)
    found = loop.until(moved, "Waiting")
    cause = found["spec"]["cause"]
    assert cause["loop"] == "data" and re.fullmatch(rf"\w+ has moved by [\d.]+ since {name}\.", cause["reason"])
    loop.decide("ben", moved, "refused")
    before = loop.on(node, looks)
    wait("another look", lambda: loop.on(node, looks) != before, 120)
    time.sleep(10)
    assert newest(loop) == moved
    loop.on(node, f"rm {data}/bright")
    assert caller.failed == []


def memory(loop: Loop) -> dict[str, float]:
    """Memory in use by each Pod of the loop, in MiB, as the kubelets measure it."""
    used = {}
    for node in loop.addresses:
        summary = json.loads(loop.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        for pod in summary["pods"]:
            if pod["podRef"]["namespace"] == "loop" and "workingSetBytes" in pod.get("memory", {}):
                used[pod["podRef"]["name"]] = pod["memory"]["workingSetBytes"] / 1024**2
    return used


def test_twenty_reviewers_at_once(loop: Loop, caller: Caller) -> None:
    """Ten sessions of each of the two reviewers: as many pages and judgements at a time as of twenty people."""
    name = following(newest(loop))
    loop.ask("ada", name)
    loop.until(name, "Waiting")
    two = [page(loop, name, person)[0] for person in ("ben", "cleo")]
    half, most = twenty_at_once([Visitor(one.desk, dict(one.cookies)) for one in two * 10], name)
    print(f"20 at once: half of the answers within {half * 1000:.0f} ms, 95 % within {most * 1000:.0f} ms")
    for one in two:
        one.hand_in(name)
    assert {who: review["judged"] for who, review in loop.release(name)["spec"]["reviews"].items()} == {
        "ben": 20,
        "cleo": 20,
    }
    loop.decide("ben", name, "refused")
    assert caller.failed == []


def test_an_image_with_another_scikit_learn_never_serves_what_an_earlier_one_trained(
    loop: Loop, caller: Caller, moody: Path
) -> None:
    """loop_image changes while a release is in training: that one is for nobody, and another follows."""
    before, name = live(loop), following(newest(loop))
    node, folder = loop.volume()
    loop.on(node, f"mkdir -p {folder}/data/digits && touch {folder}/data/digits/coming")
    loop.push_code(moody, COMING)
    wait("its training", lambda: loop.phase(name) == "Training", 60)
    done = loop.play("playbooks/loop.yml", BRAMBLE_LOOP_CODE=str(moody), BRAMBLE_LOOP_IMAGE=OTHER_IMAGE)
    assert done.returncode == 0, done.stdout[-3000:]
    loop.on(node, f"rm {folder}/data/digits/coming")
    wait("the end of its check", lambda: loop.phase(name) == "Failed", 300)
    message = loop.release(name)["status"]["message"]
    print(message)
    assert re.search(rf"{name} was trained with scikit-learn [\d.]+, this image has [\d.]+; train it again", message)
    new = following(name)
    found = loop.until(new, "Waiting", seconds=400)
    assert found["spec"]["cause"] == {"loop": "code", "reason": f"The image of digits is new: {OTHER_IMAGE}."}
    evidence = found["spec"]["evidence"]
    assert evidence["image"] == OTHER_IMAGE
    assert evidence["tests"]["infra-7"]["note"].startswith(f"{before} cannot be served: {before} was trained with")
    loop.decide("ben", new)
    loop.until(new, "Live")
    wait("the replaced one says so", lambda: loop.phase(before) == "Replaced", 120)
    assert name not in caller.by and caller.by[new] > 0
    assert caller.failed == []
    loop.push_code(moody, "")  # and back to the image before, as everybody has it


def test_at_rest_it_takes_less_than_it_may(loop: Loop, caller: Caller) -> None:
    """One model, live: programs, router, desk, and the one server that answers."""

    def at_rest() -> bool:
        phases = {(one.get("status") or {}).get("phase") for one in loop.objects("releases", "-n", "loop")}
        servers = loop.objects("pods", "-n", "loop", "-l", "loop.bramble.kube/step=serve")
        return phases <= {"Live", "Replaced", "Refused", "RolledBack", "Waiting", "Failed"} and len(servers) == 1

    wait("one server alone", at_rest, 200)
    used = memory(loop)
    print(*(f"{name} {mebi:.0f} MiB" for name, mebi in sorted(used.items())), f"{sum(used.values()):.0f} MiB", sep="\n")
    assert {name.split("-")[0] for name in used} >= {"hand", "switch", "router", "desk", "serve"}
    assert sum(used.values()) < 0.6 * 1024
    ben, _body = page(loop, live(loop))
    seconds = ben.seconds("/")
    print(f"the desk's first page: {seconds * 1000:.0f} ms, the median of 20")
    assert seconds < 0.3


def waited(release: dict[str, Any]) -> float:
    """Seconds that a release has waited for a decision."""
    moments = [
        (entry["phase"], datetime.fromisoformat(entry["at"]).timestamp())
        for entry in (release.get("status") or {}).get("history") or []
    ]
    ends = [*(at for _phase, at in moments[1:]), time.time()]
    return sum(end - at for (phase, at), end in zip(moments, ends) if phase == "Waiting")


def test_people_were_told_once_of_each_release_that_waited(loop: Loop, news: News) -> None:
    """One that somebody decided about at once needs no news."""
    seconds = {one["metadata"]["name"]: waited(one) for one in loop.objects("releases", "-n", "loop")}
    told_of = {name: len(news.of(name)) for name in seconds}
    print(*news.told, seconds, sep="\n")
    assert max(told_of.values()) == 1 and sum(told_of.values()) == len(news.told)
    long = [name for name, lasted in seconds.items() if lasted > 15]
    assert long and all(told_of[name] for name in long)
    assert any("answers differ" in text for text in news.told)


def page(loop: Loop, release: str, person: str = "ben") -> tuple[Visitor, str]:
    """Somebody who has just logged in, and a release as they see it, once the desk is there."""
    who, word = Visitor(Door(loop.address)), loop.passwords()[person]  # type: ignore[arg-type]

    def sees() -> bool:
        try:
            return who.login(person, word).get(f"/releases/{release}").status == 200
        except OSError:
            return False

    wait("the release on the desk", sees, 120)
    return who, who.page.body if who.page else ""


def talk(loop: Loop, release: str, text: str) -> None:
    """Somebody says something about a release."""
    ben, _body = page(loop, release)
    assert ben.post(f"/releases/{release}/talk", {"text": text}).status == 200


def test_a_restore_brings_the_record_back(loop: Loop, caller: Caller, tmp_path: Path) -> None:
    caller.stop()  # the whole control plane goes and comes
    (tmp_path / "password").write_text("quiet as a mouse\n")
    (tmp_path / "password").chmod(0o600)
    vault = ("--vault-password-file", f"{tmp_path}/password", "-e", f"backup_dest={tmp_path}/kept")
    talked = newest(loop)
    talk(loop, talked, "kept through it all")
    done = loop.play("playbooks/backup.yml", *vault)
    assert done.returncode == 0, done.stdout[-3000:]
    kept = {one["metadata"]["name"]: one["spec"] for one in loop.objects("releases", "-n", "loop")}
    later = following(newest(loop))
    loop.ask("ada", later)
    done = loop.play("playbooks/restore.yml", *vault)
    assert done.returncode == 0, done.stdout[-3000:]
    found = {one["metadata"]["name"]: one["spec"] for one in loop.objects("releases", "-n", "loop")}
    assert found == kept
    assert sum("decision" in spec for spec in found.values()) >= 6
    assert told(loop.decide, "ben", next(name for name, spec in found.items() if "decision" in spec))
    assert "kept through it all" in page(loop, talked)[1]

    node, folder = loop.volume()
    # What the desk has on its volume is lost, and the desk starts with nothing.
    loop.on(node, f"find {folder} -maxdepth 1 -name 'desk.sqlite*' -delete")
    loop.kill("desk")
    wait("an empty desk", lambda: "kept through it all" not in page(loop, talked)[1], 120)
    talk(loop, talked, "said on the new volume")
    done = loop.play("playbooks/restore.yml", "--tags", "desk", *vault)
    assert done.returncode == 0, done.stdout[-3000:]
    body = page(loop, talked)[1]
    assert "kept through it all" in body
    assert "said on the new volume" not in body
    assert "desk.sqlite" in loop.on(node, f"ls {folder}/before-restore")
