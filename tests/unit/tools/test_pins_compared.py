# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two versions of a component's manifests."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools/pins"))

from compare import object_by_object, summary


def deployment(image: str, *flags: str, label: str = "a") -> dict:
    container = {"name": "main", "image": image, "args": list(flags)}
    spec = {"selector": {"matchLabels": {"app": label}}, "template": {"spec": {"containers": [container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec}


def crd(name: str, **versions: str) -> dict:
    made = [
        {"name": version, "served": state != "not served", "storage": state == "stored"}
        for version, state in versions.items()
    ]
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": {"versions": made}}


OLD = [
    deployment("ghcr.io/a/b:v1", "--port=1", "--image=ghcr.io/a/c:v1"),
    crd("a.example.org", v1beta1="stored"),
    crd("b.example.org", v1="stored"),
]
NEW = [
    deployment("ghcr.io/a/b:v2", "--port=2", "--image=ghcr.io/a/c:v2", label="b"),
    crd("a.example.org", v1beta1="served", v1="stored"),
    crd("c.example.org", v1="stored"),
]


def test_the_summary_has_what_a_cluster_notices() -> None:
    assert summary(OLD, NEW) == [
        "CRD a.example.org v1beta1: stored → served",
        "CRD a.example.org v1: not there → stored",
        "CRD b.example.org is gone",
        "new CRD c.example.org",
        "image ghcr.io/a/b v1 → v2",
        "Deployment n/d (main) no longer has --port=1",
        "Deployment n/d (main) has --port=2",
        "Deployment n/d selects its Pods by other labels, so it is recreated",
    ]
    assert summary(OLD, copy.deepcopy(OLD)) == []


def test_every_object_that_differs_has_a_line() -> None:
    assert object_by_object(OLD, NEW) == [
        "- CustomResourceDefinition b.example.org",
        "+ CustomResourceDefinition c.example.org",
        "~ Deployment n/d: spec.selector.matchLabels.app, spec.template.spec.containers[0].image, "
        "spec.template.spec.containers[0].args[0], spec.template.spec.containers[0].args[1]",
        "~ CustomResourceDefinition a.example.org: spec.versions",
    ]
    assert object_by_object(NEW, NEW) == []
