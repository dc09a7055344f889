# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains and checks releases, and asks for new ones: the hand that works where no person is needed.

What it has done is only in the releases, the Jobs and the volume, so it may be killed at any moment and goes on.
It never decides: with its evidence a release waits for a person.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pods
from kube import (
    GROUP,
    MODEL_LABEL,
    NAMESPACE,
    Conflict,
    Kube,
    KubeError,
    Mirror,
    NotFound,
    Refused,
    now,
    number,
    phase_change,
    phase_of,
    seconds_since,
)
from notify import Notifier
from volume import ROOT, code_digest, read_corrections, read_json, release_folder

Object = dict[str, Any]

CODE_NOTE, IMAGE_NOTE = f"{GROUP}/code", f"{GROUP}/image"
CORRECTIONS_NOTE, DRIFT_NOTE = f"{GROUP}/corrections", f"{GROUP}/drift"
ME = f"system:serviceaccount:{NAMESPACE}:hand"
AT_WORK = ("", "Asked", "Training", "Checking")
GOING = (*AT_WORK, "Waiting", "Approved", "Shadow", "Canary")
NAMED_CODE = "sha256:"
EVERY = 5.0  # seconds between two looks when nothing changes


@dataclass(frozen=True)
class Work:
    """A Job (or TrainJob).

    :ivar state: running, done or failed.
    :ivar message: why it failed or waits.
    """

    state: str
    message: str = ""


@dataclass(frozen=True)
class Seen:
    """What is known about a release when its next step is chosen.

    :ivar rules: the gate's entry of its model; None when it has none.
    :ivar train, check: the Jobs, None when there are none.
    :ivar trained: whether the training has left a whole train.json.
    :ivar result: content of result.json.
    :ivar notes: what a training that begins now knows of; the digest of the model's code is empty when there is none.
    """

    rules: Mapping[str, Any] | None
    train: Work | None = None
    check: Work | None = None
    trained: bool = False
    result: Mapping[str, Any] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What to do next with a release: wait, note, train, check, evidence or phase."""

    do: str
    phase: str = ""
    message: str = ""


WAIT = Step("wait")


def next_step(release: Object, seen: Seen) -> Step:
    """The next step of one release; WAIT when there is none, or when it is not the hand's turn."""
    name, spec, phase = release["metadata"]["name"], release["spec"], phase_of(release)
    if spec.get("evidence"):
        if phase not in AT_WORK:
            return WAIT
        sentence = (seen.result or {}).get("sentence") or "The evidence is there."
        return Step("phase", "Waiting", f"Waits for a decision: {sentence}")
    if phase == "Failed" or seen.rules is None:
        return WAIT
    if seen.result is not None:
        return Step("evidence")
    if seen.trained:
        return _of_work(release, seen.check, Step("check"), "Checking", f"Job {name}-check", "check")
    if seen.train is None:
        if not seen.notes.get(CODE_NOTE):
            return _say(release, "Asked", f"Waits for ConfigMap code-{spec['model']} with the model's code.")
        if CODE_NOTE not in (release["metadata"].get("annotations") or {}):
            return Step("note")
    return _of_work(release, seen.train, Step("train"), "Training", f"{work_kind(seen.rules)} {name}-train", "training")


def _say(release: Object, phase: str, message: str) -> Step:
    """A step to a phase and message, unless the release is there already."""
    status = release.get("status") or {}
    return WAIT if (status.get("phase"), status.get("message")) == (phase, message) else Step("phase", phase, message)


def _of_work(release: Object, work: Work | None, start: Step, phase: str, name: str, what: str) -> Step:
    if work is None:
        return start
    if work.state == "failed":
        return Step("phase", "Failed", f"The {what} failed: {work.message or 'it left no reason.'}")
    if work.state == "done":
        return Step("phase", "Failed", f"The {what} failed: {name} ended without a result.")
    return _say(release, phase, f"{name} waits: {work.message}" if work.message else f"{name} runs.")


def work_kind(rules: Mapping[str, Any]) -> str:
    """Job or TrainJob."""
    return "TrainJob" if rules.get("training") == "trainjob" else "Job"


def due(
    model: str,
    rules: Mapping[str, Any],
    releases: Sequence[Object],
    code: str,
    corrections: int,
    look: Mapping[str, Any] | None,
    at: float | None = None,
    image: str = pods.IMAGE,
) -> dict[str, str] | None:
    """Why a new release of a model is due, as its cause; None when none is.

    :param releases: all of this model.
    :param code: digest of its code, empty when there is none.
    :param corrections: how many people have given so far.
    :param look: what look.py found last.
    :param at: the time, seconds since 1970; now when left out.
    :param image: what a training runs in.
    """
    if not code or any(phase_of(release) in AT_WORK for release in releases):
        return None
    known = {(release["metadata"].get("annotations") or {}).get(CODE_NOTE) for release in releases}
    known |= {((release["spec"].get("evidence") or {}).get("digests") or {}).get("code") for release in releases}
    short = code.removeprefix(NAMED_CODE)[:12]
    if code not in known:
        return {"loop": "code", "reason": f"The code of {model} is new: {short}."}
    newest = max(releases, key=lambda release: number(release["metadata"]["name"]))
    if ((newest["metadata"].get("annotations") or {}).get(IMAGE_NOTE) or image) != image:
        return {"loop": "code", "reason": f"The image of {model} is new: {image}."}
    if any(phase_of(release) in GOING for release in releases):
        return None
    name, made = newest["metadata"]["name"], newest["metadata"]["creationTimestamp"]
    wanted = rules.get("data") or {}
    fresh = corrections - int((newest["metadata"].get("annotations") or {}).get(CORRECTIONS_NOTE) or 0)
    if wanted.get("corrections") and fresh >= wanted["corrections"]:
        return {"loop": "data", "reason": f"{fresh} corrections since {name}."}
    noted, _since, live = ((newest["metadata"].get("annotations") or {}).get(DRIFT_NOTE) or "").partition(" since ")
    # What has led to a release that is not live, people have seen: the data moves as far again before the next.
    known = float(noted) if look and live == look["live"] else 0.0
    if wanted.get("drift") and look and look["drift"] - known > wanted["drift"] and look["at"] > made:
        feature = next(iter(look.get("features") or {"the data": 0}))
        return {"loop": "data", "reason": f"{feature} has moved by {look['drift']:g} since {look['live']}."}
    if wanted.get("everySeconds") and seconds_since(made, at) >= wanted["everySeconds"]:
        return {
            "loop": "data",
            "reason": f"{name} was asked for at {made}; every {wanted['everySeconds']} s is wanted.",
        }
    return None


def look_step(rules: Mapping[str, Any], live: str, look: Mapping[str, Any] | None, job: Object | None) -> str:
    """What to do about looking at today's data: start, clear (an ended Job), or nothing ("")."""
    wanted = rules.get("data") or {}
    if not wanted.get("drift") or not live:
        return ""
    every = wanted.get("lookSeconds") or 3600
    if job is not None:
        ended = any(c["status"] == "True" for c in (job.get("status") or {}).get("conditions") or [])
        old = seconds_since(job["metadata"]["creationTimestamp"]) >= every
        return "clear" if ended and old else ""
    return "start" if not look or look.get("live") != live or seconds_since(look["at"]) >= every else ""


def new_release(model: str, taken: Sequence[str], cause: Mapping[str, str], notes: Mapping[str, str]) -> Object:
    """A release in the hand's own name, with the next free number."""
    name = f"{model}-{max((number(name) for name in taken), default=0) + 1}"
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Release",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {MODEL_LABEL: model}, "annotations": dict(notes)},
        "spec": {"model": model, "cause": dict(cause), "askedBy": ME},
    }


def work_of(item: Object | None, its_pods: Sequence[Object] = ()) -> Work | None:
    """State of a Job or TrainJob.

    :param its_pods: only looked at when it failed or runs.
    """
    if item is None:
        return None
    status = {c["type"]: c for c in (item.get("status") or {}).get("conditions") or [] if c["status"] == "True"}
    if "Complete" in status:
        return Work("done")
    if "Failed" in status:
        return Work("failed", pods.last_message(its_pods) or status["Failed"].get("message") or "")
    return Work("running", pods.last_message(its_pods))


def live_release(releases: Sequence[Object]) -> Object | None:
    """The one that is live, the newest if a switch is half done."""
    live = [release for release in releases if phase_of(release) == "Live"]
    return max(live, key=lambda release: number(release["metadata"]["name"]), default=None)


# Acting --------------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """The cluster's objects of the loop, name → object."""

    releases: dict[str, Object]
    gate: Object | None
    jobs: dict[str, Object]
    code: dict[str, Object]


class Hand:
    """Carries out steps."""

    def __init__(self, kube: Kube, root: Path = ROOT) -> None:
        self._kube, self._root = kube, root

    def tick(self, world: World) -> int:
        """One step for each release and model where there is one; returns the number of steps."""
        models = ((world.gate or {}).get("spec") or {}).get("models") or {}
        steps = 0
        for release in sorted(world.releases.values(), key=lambda release: number(release["metadata"]["name"])):
            steps += self._guarded(self._release, release, models, world)
        for model, rules in models.items():
            steps += self._guarded(self._ask, model, rules, world)
            steps += self._guarded(self._look, model, rules, world)
        return steps

    def _guarded(self, act, *arguments) -> int:
        try:
            return act(*arguments)
        except Conflict:
            return 0  # somebody was quicker; what they did is seen next time
        except KubeError as error:
            print(f"{arguments[0] if isinstance(arguments[0], str) else arguments[0]['metadata']['name']}: {error}")
            return 0

    # Releases

    def _seen(self, release: Object, rules: Mapping[str, Any] | None, world: World) -> Seen:
        name, model = release["metadata"]["name"], release["spec"]["model"]
        if release["spec"].get("evidence"):
            waiting = phase_of(release) in AT_WORK
            return Seen(rules, result=read_json(release_folder(name, self._root) / "result.json") if waiting else None)
        if phase_of(release) == "Failed" or rules is None:
            return Seen(rules)
        folder = release_folder(name, self._root)
        trained = read_json(folder / "train.json") is not None
        return Seen(
            rules,
            train=None if trained else self._work(f"{name}-train", rules, world),
            check=self._work(f"{name}-check", {}, world) if trained else None,
            trained=trained,
            result=read_json(folder / "result.json"),
            notes=self._notes(model, self._code(model, world)),
        )

    def _notes(self, model: str, code: str) -> dict[str, str]:
        """What a release that is trained now knows of: code, image, corrections, and how far the data has moved."""
        look = read_json(self._root / "looks" / f"{model}.json")
        drift = {DRIFT_NOTE: f"{look['drift']:g} since {look['live']}"} if look else {}
        count = len(read_corrections(model, self._root))
        return {CODE_NOTE: code, IMAGE_NOTE: pods.IMAGE, CORRECTIONS_NOTE: str(count), **drift}

    def _work(self, name: str, rules: Mapping[str, Any], world: World) -> Work | None:
        if work_kind(rules) == "Job":
            item, label = world.jobs.get(name), "job-name"
        else:
            label = "jobset.sigs.k8s.io/jobset-name"
            try:
                item = self._kube.get("TrainJob", name)
            except NotFound:
                item = None
        if item is None:
            return None
        its_pods, _version = self._kube.list("Pod", f"{label}={name}") if work_of(item).state != "done" else ([], "")
        return work_of(item, its_pods)

    @staticmethod
    def _code(model: str, world: World) -> str:
        found = world.code.get(f"code-{model}")
        return code_digest(found.get("data") or {}) if found else ""

    def _release(self, release: Object, models: Mapping[str, Any], world: World) -> int:
        model = release["spec"]["model"]
        seen = self._seen(release, models.get(model), world)
        step = next_step(release, seen)
        if step.do == "wait":
            return 0
        name = release["metadata"]["name"]
        print(f"{name}: {step.do} {step.phase} {step.message}".rstrip(), flush=True)
        if step.do == "note":
            self._kube.patch("Release", name, {"metadata": {"annotations": dict(seen.notes)}})
        elif step.do == "train":
            self._start_training(release, seen.rules or {})
        elif step.do == "check":
            self._start_check(release, seen.rules or {}, world)
        elif step.do == "evidence":
            try:
                ran = world.jobs.get(f"{name}-check") or {}
                evidence = {**(seen.result or {})["evidence"], "image": ran.get("image") or pods.IMAGE}
                self._kube.patch("Release", name, {"spec": {"evidence": evidence}})
            except Refused as error:
                self._phase(release, "Failed", f"The API server refused the evidence: {error}"[:500])
        else:
            self._phase(release, step.phase, step.message)
        return 1

    def _phase(self, release: Object, phase: str, message: str) -> None:
        status = phase_change(release, phase, message)
        if phase_of(release) == phase:
            del status["history"]
        self._kube.patch_status(
            "Release", release["metadata"]["name"], status, release["metadata"].get("resourceVersion")
        )

    def _start_training(self, release: Object, rules: Mapping[str, Any]) -> None:
        name, model = release["metadata"]["name"], release["spec"]["model"]
        kind = work_kind(rules)
        environment = {
            "LOOP_UID": {"fieldRef": {"fieldPath": "metadata.uid"}},
            "LOOP_TRAINED_BY": f"{kind} {name}-train, Pod $(LOOP_UID), image {pods.IMAGE}",
        }
        spec = pods.pod_spec(
            *(("train.py", model, name), rules, environment),
            reads=(f"data/{model}", "corrections"),
            writes=f"releases/{name}",
            code=f"code-{model}",
        )
        marks = pods.labels(model, name, "train")
        if kind == "Job":
            self._kube.create(pods.job(f"{name}-train", marks, spec))
        else:
            for item in train_job(f"{name}-train", marks, spec):
                try:
                    self._kube.create(item)
                except Conflict:
                    continue

    def _start_check(self, release: Object, rules: Mapping[str, Any], world: World) -> None:
        name, model = release["metadata"]["name"], release["spec"]["model"]
        live = live_release([other for other in world.releases.values() if other["spec"]["model"] == model])
        environment = {"LOOP_RULES": json.dumps(rules, sort_keys=True)}
        if live is not None:
            environment["LOOP_LIVE"] = live["metadata"]["name"]
            environment["LOOP_LIVE_DIGESTS"] = json.dumps(live["spec"]["evidence"]["digests"], sort_keys=True)
        spec = pods.pod_spec(
            *(("check.py", model, name), rules, environment),
            reads=(f"data/{model}", *((f"releases/{live['metadata']['name']}",) if live is not None else ())),
            writes=f"releases/{name}",
        )
        self._kube.create(pods.job(f"{name}-check", pods.labels(model, name, "check"), spec))

    # Models

    def _ask(self, model: str, rules: Mapping[str, Any], world: World) -> int:
        code, corrections = self._code(model, world), len(read_corrections(model, self._root))
        look = read_json(self._root / "looks" / f"{model}.json")
        mine = [release for release in world.releases.values() if release["spec"]["model"] == model]
        if not due(model, rules, mine, code, corrections, look):
            return 0
        # What is known may be a moment old: the API server itself is asked before something new is made.
        mine, _version = self._kube.list("Release", f"{MODEL_LABEL}={model}")
        cause = due(model, rules, mine, code, corrections, look)
        if not cause:
            return 0
        taken = [release["metadata"]["name"] for release in mine]
        made = new_release(model, taken, cause, self._notes(model, code))
        self._kube.create(made)
        print(f"{made['metadata']['name']}: asked for. {cause['reason']}", flush=True)
        return 1

    def _look(self, model: str, rules: Mapping[str, Any], world: World) -> int:
        live = live_release([release for release in world.releases.values() if release["spec"]["model"] == model])
        name = f"{model}-look"
        live_name = live["metadata"]["name"] if live else ""
        look = read_json(self._root / "looks" / f"{model}.json")
        step = look_step(rules, live_name, look, world.jobs.get(name))
        if step == "clear":
            self._kube.delete("Job", name)
        elif step == "start":
            spec = pods.pod_spec(
                *(("look.py", model, live_name), rules, {}),
                reads=(f"data/{model}", "corrections", f"releases/{live_name}"),
                writes="looks",
                code=f"code-{model}",
            )
            self._kube.create(pods.job(name, pods.labels(model, live_name, "look"), spec))
        return 1 if step else 0


def train_job(name: str, marks: Mapping[str, str], spec: Object) -> list[Object]:
    """A TrainJob of one Pod and the runtime that it needs."""
    meta = {"name": name, "namespace": NAMESPACE, "labels": dict(marks)}
    api = "trainer.kubeflow.org/v1alpha1"
    ancestor = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    spec = {**spec, "restartPolicy": "Never"}
    spec["containers"] = [{**spec["containers"][0], "name": "node"}]
    runtime = {
        "apiVersion": api,
        "kind": "TrainingRuntime",
        "metadata": {**meta, "labels": {**marks, "trainer.kubeflow.org/framework": "torch"}},
        "spec": {
            "mlPolicy": {"numNodes": 1},
            "template": {
                "spec": {
                    "replicatedJobs": [
                        {
                            "name": "node",
                            "template": {
                                "metadata": {"labels": ancestor},
                                "spec": {
                                    "backoffLimit": 3,
                                    "template": {"metadata": {"labels": dict(marks)}, "spec": spec},
                                },
                            },
                        }
                    ]
                }
            },
        },
    }
    job = {"apiVersion": api, "kind": "TrainJob", "metadata": meta}
    job["spec"] = {"runtimeRef": {"name": name, "kind": "TrainingRuntime", "apiGroup": "trainer.kubeflow.org"}}
    return [runtime, job]


def trim_release(release: Object) -> Object:
    """A release without what the hand never reads."""
    meta = {key: value for key, value in release["metadata"].items() if key != "managedFields"}
    spec = dict(release["spec"])
    if spec.get("evidence"):
        spec["evidence"] = {"digests": spec["evidence"].get("digests") or {}}
    for unread in ("answers", "reviews"):
        spec.pop(unread, None)
    return {**release, "metadata": meta, "spec": spec}


def trim_job(job: Object) -> Object:
    """A Job's name, age and state, and the image of its program."""
    return {
        "metadata": job["metadata"],
        "image": job["spec"]["template"]["spec"]["containers"][0]["image"],
        "status": {"conditions": (job.get("status") or {}).get("conditions") or []},
    }


def main() -> int:
    """Work until killed."""
    kube, woken = Kube.here(), threading.Event()
    releases = Mirror(kube, "Release", trim=trim_release, changed=woken.set).start()
    gates = Mirror(kube, "Gate", changed=woken.set).start()
    jobs = Mirror(kube, "Job", MODEL_LABEL, trim_job, woken.set).start()
    code = Mirror(kube, "ConfigMap", MODEL_LABEL, changed=woken.set).start()
    hand, notifier = Hand(kube), Notifier(kube).start()
    print(f"hand: at work since {now()}", flush=True)
    while True:
        woken.wait(EVERY)
        woken.clear()
        if all(mirror.fresh for mirror in (releases, gates, jobs, code)):
            hand.tick(World(releases.objects(), gates.objects().get("gate"), jobs.objects(), code.objects()))
            notifier.look(releases.objects())
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
