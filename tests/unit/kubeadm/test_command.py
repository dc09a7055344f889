# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubeadm and kubectl on a machine, and one kubeadm at a time."""

from __future__ import annotations

import fcntl

import pytest
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import command, machine_lock


def test_kubeadms_failure_is_named_without_its_options_and_secrets(played: Played) -> None:
    command.kubeadm(played, "certs", "renew", "all", "--config", "/c")
    assert played.asked == ["kubeadm certs renew all --config /c"]
    played.says("kubeadm", Done(1, "on stdout", "error execution phase: abcdef.0123456789abcdef is wrong"))
    with pytest.raises(Stop, match=r"^kubeadm certs renew all failed: error execution phase: abcdef\.\*+ is wrong\.$"):
        command.kubeadm(played, "certs", "renew", "all", "--config", "/c")
    played.says("kubeadm", Done(1, "error: on stdout", ""))
    with pytest.raises(Stop, match=r"^kubeadm init failed: error: on stdout\.$"):
        command.kubeadm(played, "init")


def test_kubectl_asks_as_the_administrator_and_gives_up_in_time(played: Played) -> None:
    played.says("get nodes", Done(1, "", "no"))
    assert command.kubectl(played, "get", "nodes").code == 1
    command.kubectl(played, "rollout", "status", seconds=0)
    assert played.asked == [
        "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=15s get nodes",
        "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=0s rollout status",
    ]


def test_a_machine_without_kubectl_is_not_waited_for(played: Played) -> None:
    played.says("kubectl", Done(127, "", "kubectl: No such file or directory"))
    with pytest.raises(Stop, match=r"^kubectl: No such file or directory\.$"):
        command.api_trouble(played, 60)


def test_an_api_server_is_waited_for(played: Played, clock: Clock) -> None:
    played.says("/readyz", Done(1, "", "refused"), Done(1, "", "refused"), "ok")
    assert command.api_trouble(played, 60) == ""
    assert clock.slept == [1, 1]
    assert played.asked[0].endswith("--request-timeout=10s get --raw /readyz")


@pytest.mark.parametrize(
    ("answer", "told"),
    [(Done(1, "x", " refused\n"), "refused"), (Done(1, "x\n", ""), "x"), (Done(1, "", ""), "no answer")],
)
def test_one_that_does_not_come_is_told_with_its_last_words(
    played: Played, clock: Clock, answer: Done, told: str
) -> None:
    played.says("/readyz", answer)
    assert command.api_trouble(played, 3) == told
    assert clock.slept == [1, 1, 1]


def test_a_step_waits_for_another_kubeadm_and_leaves_the_lock_free(played: Played, clock: Clock) -> None:
    @machine_lock.alone
    def step(system: Played, options: dict, check: bool) -> dict:
        """What it does."""
        with pytest.raises(BlockingIOError), path.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return {"changed": check, **options}

    path = played.at("/run/bramble.kube/kubeadm.lock")
    assert step(played, {"a": 1}, True) == {"changed": True, "a": 1}
    assert step.__doc__ == "What it does."
    assert played.mode("/run/bramble.kube/kubeadm.lock") == 0o600
    assert played.mode("/run/bramble.kube") == 0o755
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(Stop, match="still running after 900 seconds"):
            step(played, {}, False)
        assert clock.slept == [1] * 900
    assert step(played, {}, False) == {"changed": False}
