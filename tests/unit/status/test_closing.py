# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The box at the end of site.yml says what this run did, and names nothing that is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.status.closing import Ending, closing, duration, seconds_of

PIS = ["k8s-master", "k8s-node1", "k8s-node2"]
WHOLE = Ending(
    playbook="site.yml",
    inventory=["my-inventory"],
    pis=PIS,
    not_ready=[],
    kubeconfig="/home/anna/my-inventory/.kubeconfig",
    kubectl=False,
    addresses={"jupyterhub": "http://192.168.13.7:30088/", "desk": "http://192.168.13.7:30089"},
    seconds=725.4,
)


def said(end: Ending) -> str:
    return "\n".join(closing(end))


def test_a_whole_run() -> None:
    assert closing(WHOLE)[1:-1] == [
        "All 3 Pis are Ready. It took 12 min 5 s.",
        "",
        "  Use it     export KUBECONFIG=/home/anna/my-inventory/.kubeconfig",
        "             kubectl get nodes",
        "  kubectl    is not on this computer; this fetches it, and checks its checksum:",
        "             ansible-playbook -i my-inventory playbooks/laptop.yml --tags kubectl",
        "  Addresses  jupyterhub: http://192.168.13.7:30088/",
        "             desk: http://192.168.13.7:30089",
        "  Passwords  ansible-playbook -i my-inventory playbooks/kubeflow.yml --tags passwords",
        "             ansible-playbook -i my-inventory playbooks/loop.yml --tags passwords",
        "  State      ansible-playbook -i my-inventory playbooks/status.yml",
    ]
    assert closing(WHOLE)[0] == closing(WHOLE)[-1]


def test_a_part_on_a_blank_pi() -> None:
    box = said(replace(WHOLE, pis=["k8s-master"], tags=["base"], not_ready=None, kubeconfig="", addresses={}, others=2))
    assert "This run did only what has the tag base, on k8s-master." in box
    assert "has 2 more that this run left out" in box
    assert "All " not in box and "KUBECONFIG" not in box and "kubectl" not in box and "asswords" not in box
    assert "The rest   ansible-playbook -i my-inventory site.yml" in box


def test_what_is_left_out_or_not_ready() -> None:
    assert "left out what has the tag kubeflow and loop, on" in said(replace(WHOLE, skipped=["kubeflow", "loop"]))
    box = said(replace(WHOLE, not_ready=["k8s-node1", "k8s-node2"], kubectl=True))
    assert "1 of 3 Pis is Ready, and not k8s-node1 and k8s-node2." in box and "not on this computer" not in box
    assert "The Pi is Ready." in said(replace(WHOLE, pis=["k8s-master"]))


@pytest.mark.parametrize(
    ("playbook", "other"),
    [
        ("site.yml", "playbooks/status.yml"),
        ("playbooks/site.yml", "playbooks/status.yml"),
        ("../bramble.kube/site.yml", "../bramble.kube/playbooks/status.yml"),
        ("bramble.kube.site", "bramble.kube.status"),
    ],
)
def test_the_next_command_is_written_like_this_one(playbook: str, other: str) -> None:
    end = replace(WHOLE, playbook=playbook, inventory=["my inventory", "b"])
    assert end.command("status") == f"ansible-playbook -i 'my inventory' -i b {other}"


def test_the_next_command_is_run_by_the_same_ansible() -> None:
    end = replace(WHOLE, program=".venv/bin/ansible-playbook")
    assert end.command("status") == ".venv/bin/ansible-playbook -i my-inventory playbooks/status.yml"


@pytest.mark.parametrize(
    ("etime", "seconds"), [("  00:07", 7), ("12:05", 725), ("01:00:00", 3600), ("2-03:04:05\n", 183845), ("?", None)]
)
def test_the_age_of_a_process(etime: str, seconds: float | None) -> None:
    assert seconds_of(etime) == seconds


def test_times_in_words() -> None:
    assert [duration(s) for s in (7, 59.6, 725, 3725)] == ["7 s", "1 min 0 s", "12 min 5 s", "1 h 2 min"]
