# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What does not fit is refused with the reason, a table and the choices."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.fit.supply import pi_cluster
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import Chosen
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.fit_check import judge
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.prepare import Prepared
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

IMAGE = "gcr.io/tfx-oss-public/ml_metadata_store_server:1.14.0"
ENTRY = {
    "name": "pipelines",
    "line": "x",
    "engine": "manifests",
    "source": {"path": "x"},
    "replacements": [
        {
            "image": IMAGE,
            "by": "ghcr.io/deploykf/mlmd:1",
            "source": "https://github.com/kubeflow/pipelines/issues/10308",
        }
    ],
}


def component(name: str, image: str, memory: str = "64Mi", kind: str = "Deployment") -> Prepared:
    pod = {"containers": [{"name": "main", "image": image, "resources": {"requests": {"memory": memory}}}]}
    document = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "kubeflow"},
        "spec": {"template": {"spec": pod}},
    }
    return Prepared(Chosen(load([dict(ENTRY, name=name)])[name]), [Item(document, "test", 1)])


def asked(**images: tuple[str, ...]) -> dict:
    """What registries say: image → platforms; none for no answer."""
    rows = [
        {
            "image": name.replace("__", IMAGE),
            "platforms": list(offered),
            "missing": [] if "linux/arm64" in offered or not offered else ["linux/arm64"],
            "used_by": ["ServingRuntime x"],
            "error": None if offered else "quay.io cannot be reached",
        }
        for name, offered in images.items()
    ]
    return {
        "images": rows,
        "missing": [row["image"] for row in rows if row["missing"]],
        "unanswered": [row["image"] for row in rows if row["error"]],
    }


PIS = pi_cluster(2048)


def test_what_fits_passes():
    fit = judge([component("pipelines", "app")], PIS["nodes"], PIS["pods"], asked(app=("linux/amd64", "linux/arm64")))
    assert (fit.fits, fit.message, fit.warnings) == (True, "", [])


def test_components_must_fit_beside_what_comes_besides():
    """The loop stands for all Pods of its namespace, so those that run already do not count twice."""
    parts, here = [component("pipelines", "app", "1Gi")], asked(app=("linux/arm64",))
    loop = component("desk", "app", "900Mi").objects()
    loop[0]["metadata"]["namespace"] = "loop"
    nodes, pods = pi_cluster(2048)["nodes"][1:2], []  # one node
    assert judge(parts, nodes, pods, here).fits
    assert judge(parts, nodes, pods, here, [dict(loop[0], spec={**loop[0]["spec"], "replicas": 0})]).fits
    fit = judge(parts, nodes, pods, here, loop)
    assert not fit.fits
    assert fit.message.splitlines()[0].startswith("No node has room for a pod of Deployment ")
    assert (
        "- take a model out of loop_models;\n- leave out pipelines: take it out of kubeflow_components;" in fit.message
    )
    assert any(line.startswith("the loop ") for line in fit.table)
    small = component("desk", "app", "300Mi").objects()
    small[0]["metadata"]["namespace"] = "loop"
    running = {
        "metadata": {"name": "desk-1", "namespace": "loop"},
        "spec": {
            "nodeName": nodes[0]["metadata"]["name"],
            "containers": [{"name": "x", "resources": {"requests": {"memory": "600Mi"}}}],
        },
        "status": {"phase": "Running"},
    }
    assert judge(parts, nodes, [running], here, small).fits
    elsewhere = {**running, "metadata": {"name": "desk-1", "namespace": "other"}}
    assert not judge(parts, nodes, [elsewhere], here, small).fits
    assert "loop_models" not in judge([component("big", "app", "9Gi")], nodes, pods, here).message


def test_too_much_memory_is_refused_with_table_and_choices():
    parts = [component("small", "app"), component("big", "app", "4Gi")]
    fit = judge(parts, PIS["nodes"], PIS["pods"], asked(app=("linux/arm64",)))
    assert not fit.fits
    assert "No node has room for a pod of Deployment kubeflow/big (big)" in fit.message
    assert "- leave out big: take it out of kubeflow_components;" in fit.message
    assert "kubeflow_overrides" in fit.message
    assert "kubeflow_force: true" in fit.message
    assert any(line.startswith("big ") and "no: 1 of 1 pods find no room" in line for line in fit.message.splitlines())


def test_an_image_for_other_computers_is_refused_by_name_with_what_is_known_in_its_place():
    fit = judge([component("pipelines", IMAGE)], PIS["nodes"], PIS["pods"], asked(__=("linux/amd64",)))
    assert not fit.fits
    assert f"for which its image {IMAGE} is not built" in fit.message
    assert f'"{IMAGE}": "ghcr.io/deploykf/mlmd:1"  # https://github.com/kubeflow/pipelines/issues/10308' in fit.message


def test_what_takes_the_place_of_an_image_with_a_digest_is_found_by_its_tag():
    digest = "sha256:" + "a" * 64
    rows = asked(__=("linux/amd64",))
    rows["images"][0]["image"] = rows["missing"][0] = f"{IMAGE}@{digest}"
    fit = judge([component("pipelines", f"{IMAGE}@{digest}")], PIS["nodes"], PIS["pods"], rows)
    assert f"for which its image {IMAGE}@{digest} is not built" in fit.message
    assert f'"{IMAGE}": "ghcr.io/deploykf/mlmd:1"  #' in fit.message


def test_in_a_mixed_cluster_the_nodes_are_named_on_which_it_cannot_run():
    mixed = pi_cluster(2048)
    for node in mixed["nodes"]:
        if node["metadata"]["name"] == "k8s-node2":
            node["status"]["nodeInfo"]["architecture"] = "amd64"
    fit = judge([component("pipelines", IMAGE)], mixed["nodes"], mixed["pods"], asked(__=("linux/amd64",)))
    assert not fit.fits
    assert "may run on k8s-node1, for which its image" in fit.message


def test_an_image_that_something_starts_later_is_a_warning():
    fit = judge(
        [component("pipelines", "app")], PIS["nodes"], PIS["pods"], asked(app=("linux/arm64",), gpu=("linux/amd64",))
    )
    assert fit.fits
    assert fit.warnings == [
        "gpu (used by ServingRuntime x) is not built for linux/arm64; what uses it will fail to start."
    ]


def test_a_registry_without_an_answer_is_a_warning():
    fit = judge([component("pipelines", "app")], PIS["nodes"], PIS["pods"], asked(app=()))
    assert fit.fits
    assert fit.warnings == ["It is not known whether app runs on these nodes: quay.io cannot be reached."]
