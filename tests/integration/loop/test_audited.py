# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit sees a gate that was deleted or weakened on a real API server, and the role puts it right."""

from __future__ import annotations

import json

import pytest
from loop_api import MODELS, PEOPLE, push_rules, rules

pytestmark = pytest.mark.lab

BINDING = "validatingadmissionpolicybinding"


@pytest.fixture
def look(api):
    """`look("B.7")` → verdict and what was found now."""
    from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import gate
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import endpoint
    from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
    from ansible_collections.bramble.kube.plugins.module_utils.status import audit_items, gather_audit
    from ansible_collections.bramble.kube.plugins.module_utils.status.audit import audit
    from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

    def read(name: str) -> tuple[str, str]:
        told = {"loop": gather_audit.loop(Client(endpoint({"kubeconfig": api.kubeconfig})))}
        scene = Scene(pis=[], cluster={"reachable": True, "audit": told}, gate=gate(MODELS, PEOPLE))
        (result,) = audit(scene, [item for item in audit_items.ITEMS if item.name == name])
        return result.verdict, result.found

    return read


POLICY_KIND = "validatingadmissionpolicy"
HARM = {
    "only noted": (BINDING, {"validationActions": ["Audit"]}, "its validationActions is not as shipped"),
    "for others": (
        BINDING,
        {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}},
        "matchResources is not",
    ),
    "ignored": (POLICY_KIND, {"failurePolicy": "Ignore"}, "its failurePolicy is not as shipped"),
    "one more reviewer": ("gate", {"people": {"eve": ["reviewer"]}}, "people.eve is not as loop_models and people say"),
    "no threshold": ("gate", {"models": {"digits": {"thresholds": None}}}, "models.digits is not as loop_models and"),
}


@pytest.mark.parametrize(("kind", "spec", "said"), HARM.values(), ids=HARM)
def test_a_weakened_gate_fails_until_the_role_ran(api, look, kind, spec, said):
    assert look("B.7")[0] == "pass", look("B.7")
    name = "gate" if kind == "gate" else "loop-release"
    api.kubectl("patch", kind, name, "-n", "loop", "--type=merge", "-p", json.dumps({"spec": spec}))
    try:
        verdict, found = look("B.7")
        assert verdict == "fail" and said in found, found
    finally:
        push_rules(api, rules())
    assert look("B.7")[0] == "pass", look("B.7")
    assert push_rules(api, rules())["objects"] == []


@pytest.mark.parametrize("kind", [BINDING, POLICY_KIND])
def test_a_gate_that_nothing_keeps_fails_until_the_role_ran(api, look, kind):
    api.kubectl("delete", kind, "loop-release")
    try:
        verdict, found = look("B.7")
        assert verdict == "fail" and "it is gone, so nothing enforces the gate; run loop.yml" in found, found
    finally:
        push_rules(api, rules())
    assert look("B.7")[0] == "pass", look("B.7")


def test_the_audit_says_who_allowed_what_answers(api, look, people, ready):
    release = ready()
    people["ben"].decide(release, "ben")
    people["switch"].phase(release, "Live")
    verdict, found = look("B.8")
    said = f"{release} (Live, approved by ben on 2026-01-02 with 96.1% right, model sha256:000000000000)"
    assert verdict == "pass" and said in found, found
    people["switch"].phase(release, "Replaced")
    push_rules(api, rules())
