# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service with two Pods, and a client on every node that calls it by name all the time and counts what fails."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import testinfra.host
from lab_cluster import CACHE, Cluster, default_release

NAMESPACE = "steady"
#: Where a client writes, on its node's card: a dot for each answer, and a line for each failure.
FOLDER = "/var/lib/steady-client"
#: Five calls in a second; one that is not answered within two seconds has failed.
#: A client that starts with its Pi, before that knows any Service, begins to count with its first answer. A call that
#: is killed by a signal, together with its client when the Pi goes down, has not failed.
_CLIENT = f"""\
until wget -q -T 2 -O - http://web.{NAMESPACE}.svc.cluster.local/hostname; do sleep 0.2; done
while :; do
  start=$(date +%s)
  if said=$(wget -q -T 2 -O - http://web.{NAMESPACE}.svc.cluster.local/hostname 2>&1); then
    printf . >> /count/calls
  elif [ $? -lt 128 ]; then
    printf '\\nfailed %s after %s s: %s\\n' "$(date +%H:%M:%S)" "$(($(date +%s) - start))" "$said" >> /count/calls
  fi
  sleep 0.2
done
"""


@dataclass
class Count:
    """What one client has seen.

    :ivar answered: the number of answers.
    :ivar failures: a line for each call without one.
    """

    answered: int
    failures: list[str] = field(default_factory=list)


def objects(agnhost: str, busybox: str) -> list[dict]:
    """The Service's and the clients' manifests."""
    labels, client = {"app": "web"}, {"app": "client"}
    server = {
        "name": "web",
        "image": agnhost,
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1},
        # Nodes learn a moment later than the Pod that it ends: it has to answer until they have.
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }
    caller = {
        "name": "client",
        "image": busybox,
        "command": ["sh", "-c", _CLIENT],
        "volumeMounts": [{"name": "count", "mountPath": "/count"}],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [server]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "client", "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": client},
                "template": {
                    "metadata": {"labels": client},
                    "spec": {
                        "containers": [caller],
                        "terminationGracePeriodSeconds": 0,
                        "tolerations": [{"operator": "Exists"}],
                        "volumes": [
                            {"name": "count", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}},
                        ],
                    },
                },
            },
        },
    ]


def start(cluster: Cluster) -> None:
    """Start Service and clients, and wait until they run."""
    agnhost = (CACHE / "images" / f"agnhost-{default_release()}").read_text().strip()
    busybox = (CACHE / "images" / "busybox").read_text().strip()
    *servers, clients = objects(agnhost, busybox)
    for parts, name in ((servers, "deployment/web"), ([clients], "daemonset/client")):
        cluster.apply(*parts)
        cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", name, "--timeout=150s")


def read(text: str) -> Count:
    """Count what a client wrote.

    A failure without a time is a call that ended with its own client, which could not even start `date` any more.
    """
    failures = re.findall(r"^failed \d.*$", text, re.MULTILINE)
    return Count(sum(line.count(".") for line in text.splitlines() if not line.startswith("failed ")), failures)


def counts(pis: dict[str, testinfra.host.Host]) -> dict[str, Count]:
    """What the client of each Pi has seen so far."""
    return {name: read(pi.check_output(f"sudo cat {FOLDER}/calls")) for name, pi in pis.items()}


def failures(pis: dict[str, testinfra.host.Host], before: dict[str, Count]) -> list[str]:
    """Calls that failed since `before`; what the clients did is printed."""
    failed = []
    for name, count in counts(pis).items():
        calls, new = count.answered - before[name].answered, count.failures[len(before[name].failures) :]
        print(f"client on {name}: {calls} answers, {len(new)} failures", *new, sep="\n  ")
        assert calls > 0
        failed += new
    return failed
