# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a control plane are renewed in time, and its programs read them."""

from __future__ import annotations

import base64
import os
import signal
from datetime import datetime, timedelta, timezone

import pytest
from certificates import self_signed
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import certificates as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import renew
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import KUBELET_CLIENT, KUBELET_CONF
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER

NOW = datetime.now(timezone.utc).replace(microsecond=0)
CONFIG = "/etc/kubernetes/kubeadm-init.yaml"
LATER = timedelta(days=300)
TICKS = os.sysconf("SC_CLK_TCK")


def certificate(days: float) -> str:
    return self_signed("c", ends=NOW + timedelta(days=days))


def kubeconfig(days: float) -> str:
    inside = base64.b64encode(certificate(days).encode()).decode()
    return f"users:\n- user:\n    client-certificate-data: {inside}\n"


class Master(Played):
    """A control plane at work, whose kubelet starts again what ends."""

    def issue(self, days: float, *names: str) -> None:
        """Write certificates that hold for some days."""
        for name in names:
            self.put(f"/etc/kubernetes/{name}", (kubeconfig if name.endswith(".conf") else certificate)(days))

    def start(self, name: str, pid: int, ago: float) -> None:
        """Let a program run since some seconds."""
        for path in self.at("/proc").glob("[0-9]*"):
            if (path / "cmdline").read_text().startswith(f"/usr/bin/{name}\0"):
                for file in path.iterdir():
                    file.unlink()
                path.rmdir()
        self.put(f"/proc/{pid}/cmdline", f"/usr/bin/{name}\0--flag\0")
        begun = int((100_000 - ago) * TICKS)
        self.put(f"/proc/{pid}/stat", f"{pid} (a (b) c) S " + "0 " * 18 + f"{begun} 0")


@pytest.fixture
def master(tmp_path, monkeypatch: pytest.MonkeyPatch, played: Played) -> Master:
    """All is well: certificates of yesterday, programs since an hour."""
    machine = Master(tmp_path / "root")
    machine.put(CONFIG)
    machine.put(API_SERVER)
    machine.put("/proc/uptime", "100000.00 1.0\n")
    machine.put("/proc/version", "x")
    machine.issue(300, *rules.RENEWED)
    machine.issue(3000, *rules.AUTHORITIES)
    for path in machine.at("/etc/kubernetes").rglob("*"):
        os.utime(path, (0, 0))
    for pid, name in enumerate(rules.PROGRAMS, 1000):
        machine.start(name, pid, 3600)
    machine.put(KUBELET_CONF, "client-certificate: x")
    machine.put(KUBELET_CLIENT, certificate(300))
    machine.killed = []

    def kill(pid: int, number: int) -> None:
        name = os.path.basename(machine.at(f"/proc/{pid}/cmdline").read_text().partition("\0")[0])
        machine.killed.append((name, number))
        machine.start(name, pid + 100, 0)

    monkeypatch.setattr(os, "kill", kill)
    return machine


def options(**changed) -> dict:
    return {"renew_days": 90, "config": CONFIG, "timeout": 400, **changed}


NOTHING = {"changed": False, "renewed": [], "restarted": [], "kubelet": False}


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_holds_long_enough_is_left(master: Master) -> None:
    assert renew.run(master, options(), False) == {**NOTHING, "ends": text(NOW + LATER)}
    assert master.asked == [] and master.killed == []


@pytest.mark.parametrize("gone", [CONFIG, API_SERVER])
def test_a_machine_without_a_finished_control_plane_is_left(master: Master, gone: str) -> None:
    master.issue(1, "pki/apiserver.crt")
    master.at(gone).unlink()
    assert renew.run(master, options(), False) == {**NOTHING, "ends": None}


def test_all_are_renewed_before_one_ends_and_programs_read_theirs(master: Master, clock: Clock) -> None:
    master.issue(89, "pki/apiserver.crt", "admin.conf")
    master.at("/etc/kubernetes/super-admin.conf").unlink()

    def renewed(_words: list[str]) -> str:
        master.issue(365, *(name for name in rules.RENEWED if name != "super-admin.conf"))
        return ""

    master.says("certs renew", renewed)
    result = renew.run(master, options(), False)
    diff = result.pop("diff")
    assert result == {
        "changed": True,
        "renewed": ["pki/apiserver.crt", "admin.conf"],
        "restarted": list(rules.PROGRAMS),
        "kubelet": False,
        "ends": text(NOW + timedelta(days=365)),
    }
    assert master.asked == [f"kubeadm certs renew all --config {CONFIG}"]
    assert master.killed == [(name, signal.SIGTERM) for name in rules.PROGRAMS]
    assert f"pki/apiserver.crt ends {NOW + timedelta(days=89):%Y-%m-%d}\n" in diff["before"]
    assert diff["after"].splitlines()[-1] == f"admin.conf ends {NOW + timedelta(days=365):%Y-%m-%d}"
    assert "super-admin" not in diff["before"] + diff["after"]


def test_check_mode_renews_nothing(master: Master) -> None:
    master.issue(89, "pki/apiserver.crt")
    before = master.files()
    result = renew.run(master, options(), True)
    assert result["changed"] and result["renewed"] == ["pki/apiserver.crt"]
    assert result["restarted"] == list(rules.PROGRAMS)
    assert result["diff"]["after"] == "renewed\n"
    assert master.files() == {**before, "/run/bramble.kube/kubeadm.lock": ""}
    assert master.asked == [] and master.killed == []


def test_a_program_that_has_not_read_what_an_earlier_run_renewed_is_started_again(master: Master, clock: Clock) -> None:
    master.issue(300, "scheduler.conf")
    for check in (True, False):
        result = renew.run(master, options(), check)
        assert (result["changed"], result["restarted"], result["renewed"]) == (True, ["kube-scheduler"], [])
        assert master.killed == ([] if check else [("kube-scheduler", signal.SIGTERM)])
    os.utime(master.at("/etc/kubernetes/scheduler.conf"), (0, 0))
    assert not renew.run(master, options(), False)["changed"]


@pytest.mark.parametrize("broken", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_cannot_be_read_has_ended(master: Master, broken: str) -> None:
    master.put("/etc/kubernetes/pki/apiserver.crt", broken)
    assert renew.run(master, options(), True)["renewed"] == ["pki/apiserver.crt"]
    master.put("/etc/kubernetes/admin.conf", "client-certificate-data: AAA\n")
    assert renew.run(master, options(), True)["renewed"] == ["pki/apiserver.crt", "admin.conf"]
    assert renew.run(master, options(), True)["ends"] == "1970-01-01T00:00:00Z"


def test_an_authority_that_has_ended_is_told(master: Master) -> None:
    master.issue(10, "pki/apiserver.crt")
    master.issue(-1, "pki/ca.crt")
    day = f"{NOW - timedelta(days=1):%Y-%m-%d}"
    for check in (True, False):
        with pytest.raises(Stop, match=rf"^/etc/kubernetes/pki/ca\.crt expired on {day}, and nothing can be renewed"):
            renew.run(master, options(), check)
    assert master.asked == []


def test_kubeadms_failure_restarts_nothing(master: Master) -> None:
    master.issue(10, "pki/apiserver.crt")
    master.says("certs renew", Done(1, "", "error: no"))
    with pytest.raises(Stop, match=r"^kubeadm certs renew all failed: error: no\.$"):
        renew.run(master, options(), False)
    assert master.killed == []


# Programs -------------------------------------------------------------------------------------------------------------


def test_when_a_program_started_is_read_of_its_process(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew.time, "time", lambda: 2_000_000.0)
    master.put("/proc/5/cmdline", "")
    master.put("/proc/6/cmdline", "/usr/bin/etcd\0")
    master.put("/proc/6/stat", "6 (cut")
    assert renew.started(master)["etcd"] == (1000, 2_000_000.0 - 3600)
    assert sorted(renew.started(master)) == sorted(rules.PROGRAMS)


def test_one_that_does_not_come_back_is_told(master: Master, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    with pytest.raises(Stop, match=r"^etcd was stopped .* has not started again within 10 s: 'journalctl"):
        renew.restart(master, "etcd", 10)
    assert killed == [(1000, signal.SIGTERM)]
    assert sum(clock.slept) == 10.5


def test_one_that_takes_its_time_is_waited_for(master: Master, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: master.at("/proc/1000/cmdline").write_text(""))
    monkeypatch.setattr("time.sleep", lambda _s: clock.sleep(_s) or (clock.now > 1003 and master.start("etcd", 7, 0)))
    renew.restart(master, "etcd", 10)
    assert sum(clock.slept) == 3.5


def test_one_that_does_not_run_is_waited_for_without_ending_anything(
    master: Master, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    master.at("/proc/1000/cmdline").write_text("")
    monkeypatch.setattr("time.sleep", lambda seconds: clock.sleep(seconds) or master.start("etcd", 7, 0))
    renew.restart(master, "etcd", 10)
    assert master.killed == []


# The kubelet ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "days", "needs"),
    [
        ("client-certificate: x", 300, False),
        ("client-certificate: x", -1, True),
        ("client-certificate: x", None, True),
        ("", 300, True),
        ("user: {}", -1, False),
    ],
)
def test_a_kubelet_that_cannot_prove_who_it_is_is_known(master: Master, config: str, days: int, needs: bool) -> None:
    master.put(KUBELET_CONF, config)
    master.put(KUBELET_CLIENT, "" if days is None else certificate(days))
    assert renew.kubelet_needs_new(master, NOW) == needs


def test_one_whose_certificate_ends_this_second_needs_another(master: Master) -> None:
    assert renew.kubelet_needs_new(master, NOW + LATER)
    assert not renew.kubelet_needs_new(master, NOW + LATER - timedelta(seconds=1))


def test_it_gets_another(master: Master, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    master.put(KUBELET_CLIENT, certificate(-1))
    left = []
    master.says("phase kubeconfig kubelet", lambda _w: left.append(master.exists(KUBELET_CLIENT)) or "")
    monkeypatch.setattr("time.sleep", lambda seconds: clock.sleep(seconds) or master.put(KUBELET_CLIENT, "new"))
    assert renew.run(master, options(), True)["kubelet"] and master.asked == []
    result = renew.run(master, options(), False)
    assert (result["changed"], result["kubelet"], result["renewed"]) == (True, True, [])
    assert left == [False] and not master.exists(KUBELET_CONF)
    assert master.asked == [
        f"kubeadm init phase kubeconfig kubelet --config {CONFIG}",
        "systemctl restart kubelet",
        f"kubeadm init phase kubelet-finalize all --config {CONFIG}",
    ]
    assert clock.slept == [1]


def test_one_that_gets_none_is_told(master: Master, clock: Clock) -> None:
    master.put(KUBELET_CONF, "")
    with pytest.raises(Stop, match=r"no certificate of its own in 5 s: 'journalctl"):
        renew.run(master, options(timeout=5), False)
    assert sum(clock.slept) == 6
    assert not [line for line in master.asked if "finalize" in line]
