# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml leaves a Pi out when the roles' variables say that nothing is left to do: each thing that is counts."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
import yaml
from lab_cluster import run_playbook

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS


def package(version: str, held: bool = True) -> dict:
    return {"version": version, "held": held}


FINISHED = {
    "pi_complete": True,
    "pi_first_boot_done": True,
    "pi_os": {"id": "debian", "version_id": "13", "codename": "trixie", "name": "Debian"},
    "pi_architecture": "arm64",
    "pi_machine_id_sha256": "one",
    "pi_host_key_fingerprints": ["SHA256:one"],
    "pi_packages": {
        **{name: package("5:29.0.1-1") for name in ("docker-ce", "docker-ce-cli")},
        "containerd.io": package("2.3.1-1"),
        **{name: package("1.37.2-1.1") for name in ("kubeadm", "kubelet", "kubectl")},
    },
    "pi_services": {name: {"active": True, "enabled": True} for name in ("containerd", "docker", "kubelet")},
    "pi_kubernetes": {
        "kubelet_server": "https://192.168.13.7:6443",
        "cni_config": [NETWORKS["flannel"].configuration],
    },
}
#: What is other, by the role that has to find it: where in the facts, and what is there.
LEFT = {
    "base": [
        ("pi_first_boot_done", False),
        ("pi_os version_id", "10"),
        ("pi_architecture", "armhf"),
        ("pi_machine_id_sha256", "another's"),  # that of the first host
        ("pi_host_key_fingerprints", ["SHA256:another's"]),
    ],
    "docker": [
        *((f"pi_packages {name}", None) for name in ("docker-ce", "docker-ce-cli", "containerd.io")),
        *((f"pi_packages {name} held", False) for name in ("docker-ce", "docker-ce-cli", "containerd.io")),
        ("pi_packages containerd.io version", "1.7.30-1"),
        ("pi_packages docker.io", package("26.1.5+dfsg1-9", held=False)),
        *(
            (f"pi_services {name} {state}", False)
            for name in ("containerd", "docker")
            for state in ("active", "enabled")
        ),
        ("pi_services docker", None),
    ],
    "kubeadm": [
        *((f"pi_packages {name}", None) for name in ("kubeadm", "kubelet", "kubectl")),
        *((f"pi_packages {name} held", False) for name in ("kubeadm", "kubelet", "kubectl")),
        *((f"pi_packages {name} version", "1.37.1-1.1") for name in ("kubeadm", "kubelet", "kubectl")),
        ("pi_packages kubelet version", "1.38.0-1.1"),
        ("pi_services kubelet enabled", False),
        ("pi_kubernetes cni_config", [NETWORKS["kube-router"].configuration]),
    ],
}


def changed(where: str, value: object) -> dict:
    """The facts of a finished Pi, with another value in one place; None takes it out."""
    facts = deepcopy(FINISHED)
    *folders, last = where.split()
    place = facts
    for name in folders:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return facts


def with_identity(facts: dict, name: str) -> dict:
    """The facts with an identity of the host's own, where the case does not say another."""
    own = {"pi_machine_id_sha256": name, "pi_host_key_fingerprints": [f"SHA256:{name}"]}
    return {**facts, **{fact: value for fact, value in own.items() if facts[fact] == FINISHED[fact]}}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """By case: the roles that say that nothing is left to do. Each case is a host of one run."""
    folder = tmp_path_factory.mktemp("finished")
    cases = {"another's": FINISHED, "finished": FINISHED}
    cases |= {f"{where} {value}": changed(where, value) for role in LEFT.values() for where, value in role}
    hosts = {
        f"h{number}": {"facts_here": with_identity(facts, "another's" if number == 0 else f"h{number}")}
        for number, facts in enumerate(cases.values())
    }
    (folder / "hosts.json").write_text(json.dumps({"bramble": {"hosts": hosts}}))
    facts = {name: f"{{{{ facts_here.{name} }}}}" for name in FINISHED}
    settled = " ".join(f"{{{{ '{role}' if {role}_settled else '' }}}}" for role in LEFT)
    roles = [
        {"import_role": {"name": f"bramble.kube.{role}", "tasks_from": tasks, "rolespec_validate": False}}
        for role, tasks in (("base", "reboot"), ("docker", "check"), ("kubeadm", "settings"))
    ]
    tasks = [
        {"ansible.builtin.set_fact": {**facts, "cacheable": True}},
        {"bramble.kube.show": {"text": f"verdict {{{{ inventory_hostname }}}} {settled}"}},
        {"ansible.builtin.meta": "end_play"},
        *roles,  # for their variables
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "bramble", "gather_facts": False, "tasks": tasks}]))
    output = run_playbook(folder / "hosts.json", str(folder / "play.yml"))
    said = {words[1]: words[2:] for words in map(str.split, output.splitlines()) if words[:1] == ["verdict"]}
    return {case: said[host] for case, host in zip(cases, hosts)}


def test_a_finished_pi_is_left_out(verdicts: dict[str, list[str]]) -> None:
    assert verdicts["finished"] == list(LEFT)


@pytest.mark.parametrize(("role", "where", "value"), [(role, *case) for role, cases in LEFT.items() for case in cases])
def test_each_thing_that_is_left_to_do_counts(
    verdicts: dict[str, list[str]], role: str, where: str, value: object
) -> None:
    assert role not in verdicts[f"{where} {value}"]
