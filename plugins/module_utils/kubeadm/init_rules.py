# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What `kubeadm init` has left on a machine, what the API server says about it, and what is to be done next.

A cluster counts as made when the API server holds what the last phases of init write. Before that it never had
another node or
a workload, so what init wrote can be taken away and init can start again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field

#: There while a restore is at work, and when one was cut short.
RESTORING = "/var/lib/bramble.kube/restoring"
#: What init makes last, by add-on (cmd/kubeadm/app/phases/addons): kind and name in kube-system.
ADDONS = {"coredns": ("Deployment", "coredns"), "kube-proxy": ("DaemonSet", "kube-proxy")}
#: What init leaves below /etc/kubernetes, and a control plane cannot go on without.
ESSENTIAL = (
    *(f"{name}.conf" for name in ("admin", "controller-manager", "kubelet", "scheduler")),
    *(f"manifests/{name}.yaml" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    *(f"pki/{name}" for name in ("sa.key", "sa.pub")),
    *(
        f"pki/{name}.{part}"
        for name in (
            *("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "ca", "front-proxy-ca"),
            *("front-proxy-client", "etcd/ca", "etcd/healthcheck-client", "etcd/peer", "etcd/server"),
        )
        for part in ("crt", "key")
    ),
)
TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@dataclass(frozen=True)
class Remains:
    """What is on the disk.

    :ivar any: whether there is anything at all that init writes.
    :ivar manifests: whether the API server's static Pod is there.
    :ivar admin: whether the administrator's kubeconfig is there and not empty.
    :ivar finalized: whether kubelet.conf names the kubelet's own, rotated certificate, which init's phase
        kubelet-finalize
        writes right before the add-ons; until then the certificate is embedded.
    :ivar own: whether the configuration has the name that the module gives it right before init and takes away right
        after.
    """

    any: bool
    manifests: bool
    admin: bool
    finalized: bool
    own: bool


@dataclass(frozen=True)
class Answer:
    """What the API server says.

    :ivar config: text of ClusterConfiguration, empty before init's phase upload-config.
    :ivar missing: add-ons that are not there.
    :ivar node: whether the machine's own Node exists.
    :ivar tainted: keys of the control plane's own taints on it.
    :ivar nodes: number of nodes.
    :ivar corefile: CoreDNS's settings; empty without it.
    """

    config: str
    missing: tuple[str, ...]
    node: bool
    tainted: tuple[str, ...] = ()
    nodes: int = 0
    corefile: str = ""

    @property
    def version(self) -> str:
        """The control plane's release, as in "1.37.2"; empty when unknown."""
        for line in self.config.splitlines():
            key, _colon, value = line.partition(":")
            if key.strip() == "kubernetesVersion":
                return value.strip().strip("\"'").removeprefix("v")
        return ""


def lost(present: Collection[str]) -> list[str]:
    """Files of a finished control plane that somebody or a bad card has deleted.

    :param present: those of ESSENTIAL that are there.
    """
    missing = [name for name in ESSENTIAL if name not in present]
    if "manifests/etcd.yaml" in missing and not any(name.startswith("pki/etcd/") for name in present):
        return []  # an etcd elsewhere: not a control plane that this collection made
    return missing


def finalized(kubelet_conf: str) -> bool:
    """Whether a kubelet.conf names a certificate file instead of holding the certificate."""
    return "client-certificate:" in kubelet_conf and "client-certificate-data:" not in kubelet_conf


def read_answer(text: str, node: str, skipped: tuple[str, ...] = ()) -> Answer:
    """Read what `kubectl get cm/kubeadm-config cm/coredns deploy/coredns ds/kube-proxy nodes -o json` printed.

    :param skipped: add-ons that are not wanted.
    :raises ValueError: when it is no JSON.
    """
    document = json.loads(text) if text.strip() else {}
    items = document.get("items", [document] if document else [])
    found = {(item.get("kind"), (item.get("metadata") or {}).get("name")): item for item in items}
    config = (found.get(("ConfigMap", "kubeadm-config"), {}).get("data") or {}).get("ClusterConfiguration", "")
    corefile = (found.get(("ConfigMap", "coredns"), {}).get("data") or {}).get("Corefile", "")
    own = found.get(("Node", node))
    taints = ((own or {}).get("spec") or {}).get("taints") or []
    return Answer(
        config=config,
        missing=tuple(name for name, key in ADDONS.items() if name not in skipped and key not in found),
        node=own is not None,
        tainted=tuple(taint["key"] for taint in taints if taint.get("key") in TAINTS),
        nodes=sum(1 for kind, _name in found if kind == "Node"),
        corefile=corefile,
    )


@dataclass(frozen=True)
class Step:
    """What to do, and why in words for the user.

    :ivar do: ``nothing``, ``init``, ``join``, ``reset`` (then init or join), ``addons``, or ``refuse``.
    """

    do: str
    why: str = ""
    addons: tuple[str, ...] = field(default=())


def next_step(remains: Remains, answer: Answer | None) -> Step:
    """Decide.

    :param answer: None when the API server does not answer.
    """
    if not remains.any:
        return Step("init", "there is no control plane yet")
    if answer is not None and answer.config and answer.node:
        if not answer.missing and (remains.finalized or not remains.own):
            return Step("nothing")
        if remains.finalized or answer.nodes > 1:
            return Step("addons", "an earlier init was interrupted before its add-ons", answer.missing)
    if remains.finalized:
        if answer is None:
            return Step("refuse", "there is a control plane, but its API server does not answer")
        return Step(
            "refuse", "the API server answers, but what kubeadm wrote into it is gone (ConfigMap kubeadm-config)"
        )
    if answer is not None and answer.nodes > 1:
        return Step("refuse", "the cluster has other nodes, but not what kubeadm init writes last")
    if not remains.own:
        return Step("refuse", "there are leftovers of an unfinished kubeadm init that this collection did not start")
    return Step("reset", "an earlier init was interrupted")


def next_join_step(remains: Remains) -> Step:
    """Decide about a machine that is to be one of several control planes, and is not yet one of them.

    One that is not finished has nothing that no other has.

    :param remains: ``own`` is whether a join was begun here.
    """
    if not remains.any:
        return Step("join", "the cluster has a control plane, which this one joins")
    if remains.own:
        return Step("reset", "an earlier join was interrupted")
    return Step("refuse", "there are leftovers of kubeadm that are not of a join that this collection started")


def reason(output: str) -> str:
    """The lines of kubeadm's messages that tell what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    start = next(
        (i for i, line in enumerate(lines) if line.startswith(("error ", "[preflight] Some fatal", "error:"))), None
    )
    if start is None:
        return " / ".join(lines[-4:]) or "kubeadm said nothing about the reason"
    told = []
    for line in lines[start:]:
        if line.startswith(
            ("To see the stack trace", "[preflight] If you know", "couldn't initialize a Kubernetes cluster")
        ):
            break
        told.append(line.replace("\t", " "))
    return " / ".join(told[:8])
