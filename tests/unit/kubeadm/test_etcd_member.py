# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of etcd go by name, or by address when they have never started; nobody else's."""

from __future__ import annotations

import json

import pytest
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd, etcd_member

POD = "    image: registry.k8s.io/etcd:3.6.5-0\n    - --data-dir=/var/lib/etcd\n"
#: As etcdctl prints it: numbers beyond what a float holds.
LISTED = json.dumps(
    {
        "header": {"cluster_id": 1},
        "members": [
            {"ID": 10276657743932975437, "name": "m1", "peerURLs": ["https://192.168.13.7:2380"]},
            {"ID": 255, "name": "m2", "peerURLs": ["https://192.168.13.8:2380"]},
            {"ID": 4096, "peerURLs": ["https://192.168.13.9:2380"], "isLearner": True},
        ],
    }
)


@pytest.fixture
def master(played: Played) -> Played:
    """A machine with etcd."""
    played.put(etcd.MANIFEST, POD)
    played.says("member list", LISTED)
    return played


def removals(played: Played) -> list[str]:
    """The numbers of the members that were removed."""
    return [line.split(" remove ")[1].split()[0] for line in played.asked if " member remove " in line]


@pytest.mark.parametrize(
    ("names", "addresses", "removed", "numbers"),
    [
        (["m2"], [], ["m2"], ["ff"]),
        (["m1"], [], ["m1"], ["8e9e05c52164694d"]),
        (["m3"], ["192.168.13.9"], ["192.168.13.9"], ["1000"]),
        (["m2", "m3"], ["192.168.13.8", "192.168.13.9"], ["m2", "192.168.13.9"], ["ff", "1000"]),
        (["m3"], [], [], []),
        ([], ["192.168.13.80"], [], []),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_who_goes(master: Played, names: list, addresses: list, removed: list, numbers: list, check: bool) -> None:
    result = etcd_member.run(master, {"names": names, "addresses": addresses}, check)
    assert result == {"changed": bool(removed), "removed": removed}
    assert removals(master) == ([] if check else numbers)


def test_what_etcd_says_instead_is_told(master: Played) -> None:
    with pytest.raises(Stop, match=r"^No member was removed from etcd: what etcdctl said about the members"):
        master.says("member list", "{}")
        etcd_member.run(master, {"names": ["m2"], "addresses": []}, False)
    master.says("member list", LISTED)
    master.says("member remove", Done(1, "", "Error: etcdserver: unhealthy cluster\n"))
    with pytest.raises(Stop, match="unhealthy cluster"):
        etcd_member.run(master, {"names": ["m2"], "addresses": []}, False)
    master.at(etcd.MANIFEST).unlink()
    with pytest.raises(Stop, match="there is no etcd on this machine"):
        etcd_member.run(master, {"names": ["m2"], "addresses": []}, False)
