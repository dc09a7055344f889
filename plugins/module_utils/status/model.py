# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a status knows: every Pi as it was read on the Pi, the cluster as its API server tells it, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.cluster_nodes import cluster_nodes
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign, foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.status import certificates

#: Severities: something does not work; something will stop working or is not as it should be; for information.
BAD, WARN, NOTE = "bad", "warn", "note"
KUBELET_FILES = "/var/lib/kubelet/"
#: A kubelet renews its certificates by itself when between 30 and 10 percent of their year are left.
KUBELET_DAYS = 30


@dataclass(frozen=True)
class Pi:
    """One Pi of the inventory.

    :ivar facts: the facts of the module pi_facts, with their prefix.
    :ivar state: what the module pi_status read.
    :ivar trouble: why nothing could be read, as Ansible said it; empty otherwise.
    """

    name: str
    node_name: str
    role: str
    address: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    reachable: bool = True
    trouble: str = ""

    @property
    def read(self) -> bool:
        """Whether something is known of it."""
        return bool(self.state)

    def fact(self, name: str) -> Any:
        """A fact of pi_facts, without its prefix; None when it is not known."""
        return self.facts.get("pi_" + name)

    def get(self, *path: str, default: Any = None) -> Any:
        """Something in the state, by the keys that lead there."""
        value: Any = self.state
        for key in path:
            if not isinstance(value, Mapping) or value.get(key) is None:
                return default
            value = value[key]
        return value

    def service(self, name: str) -> Mapping[str, Any]:
        """State of a service; empty when it is not known."""
        return self.get("services", name, default={})


@dataclass(frozen=True)
class Scene:
    """Everything that a diagnosis looks at.

    :ivar cluster: what the module cluster_status returned.
    :ivar kubeconfig: where the laptop's kubeconfig is.
    :ivar renew_days: with fewer days left, a certificate is told.
    :ivar drill_days: a drill with a backup that is longer ago is told; 0: never.
    :ivar network: the Pod network that the inventory wants (kubeadm_cni).
    :ivar gate: the Gate that loop_models and people make; None where there are no models.
    :ivar left_out: names of the nodes of those Pis of the inventory that --limit leaves out.
    """

    pis: Sequence[Pi]
    cluster: Mapping[str, Any]
    kubeconfig: str = ""
    renew_days: int = 30
    drill_days: int = 30
    network: str = DEFAULT
    gate: Mapping[str, Any] | None = None
    left_out: Sequence[str] = ()
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    @property
    def master(self) -> Pi | None:
        """The Pi of the control plane, of several the first that answers."""
        return next((pi for pi in self.masters if pi.read), self.masters[0] if self.masters else None)

    @property
    def masters(self) -> list[Pi]:
        """All Pis of the control plane."""
        return [pi for pi in self.pis if pi.role == "master"]

    @property
    def answered(self) -> bool:
        """Whether the API server told about nodes and Pods."""
        return bool(self.cluster.get("reachable"))

    def node(self, pi: Pi) -> Mapping[str, Any] | None:
        """The Pi's node in the cluster."""
        return next((node for node in self.cluster.get("nodes") or () if node["name"] == pi.node_name), None)

    def pi_of(self, node_name: str) -> Pi | None:
        """The Pi with this node's name."""
        return next((pi for pi in self.pis if pi.node_name == node_name), None)

    def certificate_days(self, file: str) -> int:
        """With fewer days left, this certificate is told; a kubelet renews its own by itself before that."""
        return KUBELET_DAYS if file.startswith(KUBELET_FILES) else self.renew_days

    def certificates(self, pi: Pi) -> list[certificates.Certificate]:
        """The certificates on a Pi."""
        return certificates.read_all(pi.get("certificates", default=()))


@dataclass(frozen=True)
class Finding:
    """Something that is not well.

    :ivar subject: the Pi, Pod or thing that it is about.
    :ivar cause: what is wrong and why, without a full stop.
    :ivar remedy: what to do about it, without a full stop.
    """

    check: str
    severity: str
    subject: str
    cause: str
    remedy: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        return f"{self.subject}: {self.cause}: {self.remedy}."

    def public(self) -> dict[str, str]:
        """As data."""
        return {
            "check": self.check,
            "severity": self.severity,
            "subject": self.subject,
            "cause": self.cause,
            "remedy": self.remedy,
            "sentence": self.sentence,
        }


def ready(node: Mapping[str, Any] | None) -> str:
    """A node's condition Ready: True, False or Unknown; "" for no node."""
    return str(((node or {}).get("conditions") or {}).get("Ready", {}).get("status", "")) if node else ""


def _trouble(result: Mapping[str, Any]) -> str:
    """What Ansible said when nothing could be read of a Pi; empty if something was."""
    if "state" in result:
        return ""
    texts = [str(result.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")]
    return foreign("\n".join(text for text in texts if text), 2000, lines=True) or "no reason was given"


def read_pi(name: str, groups: Mapping[str, Any], variables: Mapping[str, Any], result: Mapping[str, Any]) -> Pi:
    """Collect what is known of one Pi.

    :param groups: the inventory's.
    :param variables: the Pi's.
    :param result: of the module pi_status there.
    """
    node = cluster_nodes([name], {name: variables})[name]
    return Pi(
        name=name,
        node_name=node["name"],
        role="master" if name in groups.get("master", ()) else "node",
        address=str(variables.get("ansible_host") or name),
        facts=result.get("facts") or {},
        state=result.get("state") or {},
        audit=foreign_values(result.get("audit") or {}, 65536),
        reachable=result.get("reached", True),
        trouble=_trouble(result),
    )
