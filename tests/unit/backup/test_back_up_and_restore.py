# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup is taken of a machine and brought back to one: what is done in which order, and what a cut leaves."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import asdict
from pathlib import Path

import pytest
from certificates import self_signed
from kubeconfigs import kubeconfig
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, back_up, machine, restorer
from ansible_collections.bramble.kube.plugins.module_utils.backup.restore import LEAST_BUMP
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import RESTORING

CA = self_signed("kubernetes")
ADDRESS, NAME, IMAGE = "192.168.13.7", "k8s-master", "registry.k8s.io/etcd:3.7.0-0"
ETCD = f"""spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://{ADDRESS}:2380
    - --name={NAME}
    image: {IMAGE}
"""
API = "spec:\n  containers:\n  - image: registry.k8s.io/kube-apiserver:v1.37.2\n"
STATUS = '{"hash": 1, "revision": 1234, "totalKey": 567, "totalSize": 4096}'
TASKS = "TASK    PID    STATUS\n"


def snapshot() -> bytes:
    content = b"etcd" * 4096
    return content + hashlib.sha256(content).digest()


@pytest.fixture
def master(played: Played) -> Played:
    """A control plane at work."""
    played.put("/etc/kubernetes/admin.conf", kubeconfig(CA), 0o600)
    played.put("/etc/kubernetes/pki/ca.key", "key", 0o600)
    played.put("/etc/kubernetes/pki/ca.crt", CA)
    played.put("/etc/kubernetes/manifests/etcd.yaml", ETCD, 0o600)
    played.put("/etc/kubernetes/manifests/kube-apiserver.yaml", API, 0o600)
    played.put("/var/lib/kubelet/config.yaml", "kubelet's", 0o644)
    played.put("/var/lib/kubelet/pki/kubelet-client-current.pem", "client", 0o600)
    played.says("snapshot save", lambda words: str(played.put(words[words.index("save") + 1], snapshot()))[:0])
    played.says("snapshot status", STATUS)
    played.says("images list", f"other\n{IMAGE}\n")
    played.says("tasks list", TASKS)
    played.says("snapshot restore", lambda words: make_data(played, words))
    played.says("dpkg-query", "1.37.2-1.1 installed")
    return played


def make_data(played: Played, words: list[str]) -> str:
    new = next(word.partition("=")[2] for word in words if word.startswith("--data-dir="))
    played.put(f"{new}/member/snap/db", "restored")
    return ""


def options(**changed) -> dict:
    """As the action plugins fill them in."""
    return {
        "dest": "/home/me/kept",
        "keep": 7,
        "node_name": NAME,
        "address": ADDRESS,
        "created": 1_790_000_000,
        "src": "/home/me/kept/b1",
        "api_timeout": 30,
        "backup": None,
        "sha256": "",
        "first_revision": 0,
        **changed,
    }


# Taking one -----------------------------------------------------------------------------------------------------------


def test_a_backup_describes_what_it_is_of_and_waits_in_the_spool(master: Played) -> None:
    master.put(f"{machine.SPOOL}/of-a-cut-run", "old")
    result = back_up.run(master, options(), False)
    packed = master.at(machine.ARCHIVE).read_bytes()
    assert result == {
        "changed": True,
        "spool": machine.ARCHIVE,
        "sha256": hashlib.sha256(packed).hexdigest(),
        "backup": {
            "created": 1_790_000_000,
            "node_name": NAME,
            "address": ADDRESS,
            "kubernetes": "1.37.2",
            "server": f"https://{ADDRESS}:6443",
            "etcd_image": IMAGE,
            "revision": 1234,
            "key_count": 567,
            "cluster_ca_sha256": ca_cert_hashes(CA)[0],
            "desk": {},
        },
        "without_desk": "",
    }
    assert asdict(archive.check(io.BytesIO(packed))) == result["backup"]
    assert list(master.files(machine.SPOOL)) == [machine.ARCHIVE]
    assert master.mode(machine.ARCHIVE) == 0o600 and master.mode(machine.SPOOL) == 0o700


def test_without_a_laptops_clock_the_machines_counts(master: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_up.time, "time", lambda: 1_790_000_009.7)
    assert back_up.run(master, options(created=None), False)["backup"]["created"] == 1_790_000_009


def test_the_inventorys_names_need_not_be_told(master: Played) -> None:
    assert back_up.run(master, options(node_name="", address=""), False)["changed"]


def test_check_mode_packs_nothing(master: Played) -> None:
    before = master.files()
    assert back_up.run(master, options(), True) == {"changed": True}
    assert master.files() == before and master.asked == []


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_saved_is_named(master: Played, check: bool) -> None:
    master.at("/etc/kubernetes/pki/odd").symlink_to("../gone")
    with pytest.raises(Stop, match=r"^No backup was made: /etc/kubernetes/pki/odd is a link to \.\./gone"):
        back_up.run(master, options(), check)
    master.at("/etc/kubernetes/manifests/etcd.yaml").unlink()
    with pytest.raises(Stop, match=r"^No backup was made: there is no etcd on this machine"):
        back_up.run(master, options(), check)
    assert master.asked == []


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "image: x", "kube-apiserver.yaml names no release"),
        ("/etc/kubernetes/admin.conf", "", "admin.conf is not a usable kubeconfig"),
        ("/etc/kubernetes/admin.conf", kubeconfig(ca_file="/none"), "admin.conf is not a usable"),
    ],
)
def test_what_is_not_as_kubeadm_writes_it_is_named(master: Played, path: str, text: str, words: str) -> None:
    master.put(path, text)
    with pytest.raises(Stop, match=words):
        back_up.run(master, options(), False)


def test_a_ca_in_a_file_of_its_own_counts(master: Played) -> None:
    master.put("/etc/kubernetes/admin.conf", kubeconfig(ca_file="/etc/kubernetes/pki/ca.crt"))
    assert back_up.run(master, options(), False)["backup"]["cluster_ca_sha256"] == ca_cert_hashes(CA)[0]
    assert machine.look(master, NAME, ADDRESS).ca == ca_cert_hashes(CA)[0]


@pytest.mark.parametrize("changed", [{"node_name": "pi"}, {"address": "192.168.13.8"}])
def test_what_could_not_be_restored_by_this_inventory_is_not_packed(master: Played, changed: dict) -> None:
    with pytest.raises(Stop, match=r"^No backup was made: it could not be restored, since the backup is of"):
        back_up.run(master, options(**changed), False)
    assert not master.exists(machine.ARCHIVE)


def test_a_full_disk_is_named(master: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "/var/lib/x")

    monkeypatch.setattr(archive, "pack", full)
    with pytest.raises(Stop, match=r"^No backup was made: /var/lib/x: No space left on device\.$"):
        back_up.run(master, options(), False)


# What is on a machine -------------------------------------------------------------------------------------------------


def test_a_machine_of_a_cluster_is_known_by_its_ca(master: Played) -> None:
    found = machine.look(master, "n", "a", ("b",))
    assert (found.node_name, found.address, found.addresses) == ("n", "a", ("b",))
    assert (found.ca, found.server, found.kubelet) == (ca_cert_hashes(CA)[0], f"https://{ADDRESS}:6443", "1.37.2")
    master.at("/etc/kubernetes/admin.conf").rename(master.at("/etc/kubernetes/kubelet.conf"))
    assert machine.look(master, "n", "a").server == f"https://{ADDRESS}:6443"
    master.at("/etc/kubernetes/kubelet.conf").unlink()
    found = machine.look(master, "n", "a")
    assert (found.ca, found.server) == (ca_cert_hashes(CA)[0], "")


@pytest.mark.parametrize(
    ("answer", "release"),
    [
        ("1.37.2-1.1 installed", "1.37.2"),
        ("1.37.2-1.1 config-files", ""),
        (Done(1, "1.37.2-1.1 installed", "no package"), ""),
        (Done(127, "", "dpkg-query: No such file"), ""),
    ],
)
def test_a_blank_machine_is_in_no_cluster(played: Played, answer: Done | str, release: str) -> None:
    played.says("dpkg-query", answer)
    found = machine.look(played, "n", "a")
    assert (found.ca, found.server, found.kubelet) == ("", "", release)


def test_own_addresses_are_those_that_can_be_bound() -> None:
    assert machine.own_addresses(("127.0.0.1", "192.0.2.1", "2001:db8::1")) == ("127.0.0.1",)


# Bringing one back ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(master: Played, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The options for a backup of that machine, whose archive has just come back to it."""
    taken = back_up.run(master, options(), False)
    master.put("/var/lib/etcd/member/snap/db", "present")
    monkeypatch.setattr(machine, "own_addresses", lambda candidates: candidates)
    master.asked.clear()
    return options(backup=taken["backup"], sha256=taken["sha256"])


FIRST = 1234 + LEAST_BUMP


def test_a_restore_puts_data_and_files_in_place_and_what_was_there_aside(
    master: Played, sent: dict, clock: Clock, synced: list[str]
) -> None:
    master.put("/etc/kubernetes/pki/ca.crt", "another")
    master.put("/etc/kubernetes/only-here", "x")
    master.put("/var/lib/kubelet/config.yaml", "another")
    master.put(f"{restorer.ASIDE}/kubernetes/old", "of an earlier restore")
    master.put("/var/lib/etcd/before-restore/member/snap/db", "of an earlier restore")
    master.put("/var/lib/etcd/.bramble-restore/junk", "of a cut restore")
    master.at("/var/lib/etcd").chmod(0o755)
    result = restorer.run(master, sent, False)
    assert result == {
        "changed": True,
        "revision": FIRST,
        "steps": [f"etcd's data begins at revision {FIRST}"],
    }
    files = master.files()
    assert files["/var/lib/etcd/member/snap/db"] == "restored"
    assert files["/var/lib/etcd/before-restore/member/snap/db"] == "present"
    assert files["/etc/kubernetes/pki/ca.crt"] == CA
    assert files["/var/lib/kubelet/config.yaml"] == "kubelet's"
    assert files[f"{restorer.ASIDE}/kubernetes/pki/ca.crt"] == "another"
    gone = ("/etc/kubernetes/only-here", f"{restorer.ASIDE}/kubernetes/old", RESTORING, machine.ARCHIVE)
    assert not set(gone) & set(files)
    assert not [path for path in files if "bramble-restore" in path or "/backup/" in path]
    modes = {"/var/lib/etcd": 0o700, "/etc/kubernetes": 0o755, "/var/lib/kubelet/config.yaml": 0o644}
    modes |= {"/etc/kubernetes/pki/ca.key": 0o600, "/var/lib/etcd/before-restore": 0o700}
    assert {path: master.mode(path) for path in modes} == modes
    assert {master.path("/var/lib/etcd"), master.path("/etc")} <= set(synced)
    kept = [line for line in master.asked if "containers delete" not in line]
    order = [next(at for at, line in enumerate(kept) if words in line) for words in ORDER]
    assert order == sorted(order)
    bump = next(line for line in kept if "snapshot restore" in line)
    assert f"--bump-revision={LEAST_BUMP} " in bump
    for folder in ("/var/lib/etcd", machine.SPOOL):
        assert f"src={folder},dst={folder},options=rbind:rw" in bump
    assert not [line for line in kept if "images pull" in line or "tasks kill" in line]


ORDER = (
    "images list",
    "systemctl stop kubelet",
    "containers list --quiet labels",
    "tasks list",
    "snapshot restore",
    "systemctl enable --now kubelet",
    "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=10s get --raw /readyz",
)


def test_a_blank_card_gets_the_kubelets_certificates_too(master: Played, sent: dict, clock: Clock) -> None:
    for path in ("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd"):
        master.at(path).rename(master.at(path + "-elsewhere"))
    master.at("/var/lib/kubelet").mkdir()
    assert restorer.run(master, sent, False)["revision"] == FIRST
    files = master.files()
    assert files["/var/lib/kubelet/pki/kubelet-client-current.pem"] == "client"
    assert not [path for path in files if "before-restore" in path]
    assert master.mode("/var/lib/etcd") == master.mode(restorer.ASIDE) == 0o700


def test_a_kubelet_that_was_here_keeps_its_newer_certificate(master: Played, sent: dict, clock: Clock) -> None:
    master.put("/var/lib/kubelet/pki/kubelet-client-current.pem", "newer")
    restorer.run(master, sent, False)
    assert master.at("/var/lib/kubelet/pki/kubelet-client-current.pem").read_text() == "newer"


def test_a_folder_that_was_a_link_is_kept_aside_as_one(master: Played, sent: dict, clock: Clock) -> None:
    master.at("/etc/kubernetes").rename(master.at("/disk"))
    master.at("/etc/kubernetes").symlink_to("/nowhere-else")
    master.at(restorer.ASIDE).mkdir(parents=True)
    master.at(restorer.ASIDE + "/kubernetes").symlink_to("/gone")
    master.at("/etc/kubernetes").unlink()
    master.at("/etc/kubernetes").symlink_to(master.at("/disk"))
    restorer.run(master, sent, False)
    assert master.at(restorer.ASIDE + "/kubernetes").is_symlink()
    assert not master.at("/etc/kubernetes").is_symlink()
    assert master.at("/disk/pki/ca.key").exists()


def test_the_laptops_note_and_the_data_on_the_card_say_where_etcd_begins(
    master: Played, sent: dict, clock: Clock
) -> None:
    assert restorer.run(master, {**sent, "first_revision": FIRST + 5}, False)["revision"] == FIRST + 5


def test_data_of_an_earlier_restore_counts_and_a_damaged_one_is_told(master: Played, sent: dict, clock: Clock) -> None:
    master.put("/var/lib/etcd/before-restore/member/snap/db", "kept")
    master.says("status /var/lib/etcd/member/snap/db", Done(1, "", "Error: it is damaged"))
    master.says("status /var/lib/etcd/before-restore/member", STATUS.replace("1234", "9999"))
    result = restorer.run(master, sent, False)
    assert result["revision"] == 9999 + LEAST_BUMP
    assert result["steps"][0].startswith("the data of etcd in member cannot be read: etcdutl snapshot status")


def test_an_image_that_is_not_here_is_pulled(master: Played, sent: dict, clock: Clock) -> None:
    master.says("images list", "registry.k8s.io/etcd:3.7.0-0-other\n")
    assert restorer.run(master, sent, False)["steps"][0] == f"pulling {IMAGE}"
    assert f"ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d {IMAGE}" in master.asked
    pull = next(at for at, line in enumerate(master.asked) if "images pull" in line)
    assert pull < master.asked.index("systemctl stop kubelet")


RUNNING = "TASK PID STATUS\na 1 RUNNING\nb 2 STOPPED\nc 3 RUNNING\n"


def test_what_still_runs_is_killed_and_what_is_not_the_control_planes_goes_on(
    master: Played, sent: dict, clock: Clock
) -> None:
    master.says("containers list --quiet labels", "a\nb\n")
    master.says("tasks list", RUNNING, RUNNING, TASKS)
    restorer.run(master, sent, False)
    killed = [line for line in master.asked if "kill" in line]
    assert killed == ["ctr --namespace k8s.io tasks kill --signal SIGKILL a"] * 2
    assert clock.slept == [0.5, 0.5]
    names = next(line for line in master.asked if "labels" in line)
    assert names.endswith(
        'labels."io.kubernetes.pod.namespace"==kube-system,labels."io.kubernetes.container.name"'
        '~="^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler)$"'
    )


def test_what_does_not_stop_is_named_before_any_data_is_touched(master: Played, sent: dict, clock: Clock) -> None:
    master.says("containers list --quiet labels", "a\nb\nc\n")
    master.says("tasks list", RUNNING)
    with pytest.raises(Stop, match=r"^The restore of /home/me/kept/b1 stopped: .* do not stop: a, c\.$") as stopped:
        restorer.run(master, sent, False)
    assert stopped.value.result == {"steps": []}
    assert 60 < clock.now - 1000 <= 61
    assert master.at("/var/lib/etcd/member/snap/db").read_text() == "present"
    assert master.exists(RESTORING) and master.mode(RESTORING) == 0o600


def test_an_api_server_that_takes_its_time_is_waited_for(master: Played, sent: dict, clock: Clock) -> None:
    master.says("/readyz", Done(1, "", "connection refused"), Done(1, "", "not yet"), "ok")
    restorer.run(master, sent, False)
    assert clock.slept == [1, 1]


def test_one_that_does_not_come_leaves_the_mark_and_says_how_far_it_came(
    master: Played, sent: dict, clock: Clock
) -> None:
    master.says("/readyz", Done(1, "", "Error: connection refused"))
    with pytest.raises(Stop, match=r"everything is restored, but .* within 30 s \(connection refused\)") as stopped:
        restorer.run(master, sent, False)
    assert stopped.value.result["revision"] == FIRST
    assert clock.now - 1000 == 30
    assert master.exists(RESTORING) and master.exists(machine.ARCHIVE)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("images list", "containerd does not answer: it does not go"),
        ("containers list --quiet labels", "containerd does not answer: it does not go"),
        ("tasks list", "containerd does not answer: it does not go"),
        ("snapshot restore", "etcdutl snapshot restore of .* failed: it does not go"),
        ("systemctl enable", "the kubelet does not start: it does not go"),
    ],
)
def test_what_fails_is_named(master: Played, sent: dict, clock: Clock, words: str, sentence: str) -> None:
    master.says(words, Done(1, "", "ctr: it does not go"))
    with pytest.raises(Stop, match=sentence) as stopped:
        restorer.run(master, sent, False)
    assert ("revision" in stopped.value.result) == (words == "systemctl enable")


def test_a_disk_that_fails_is_named(master: Played, sent: dict, clock: Clock) -> None:
    master.at(machine.ARCHIVE).unlink()
    with pytest.raises(Stop, match=r"^The restore of /home/me/kept/b1 stopped: .*tar\.gz: No such file or directory\."):
        restorer.run(master, sent, False)


def test_the_machine_is_asked_for_its_cluster_before_a_backup_is_chosen(master: Played) -> None:
    asked = restorer.run(master, options(), False)
    assert asked == {"changed": False, "cluster_ca_sha256": ca_cert_hashes(CA)[0]}


def test_a_machine_of_another_cluster_is_left_alone(master: Played, sent: dict) -> None:
    other = {**sent["backup"], "cluster_ca_sha256": "sha256:11"}
    for check in (True, False):
        with pytest.raises(Stop, match=r"^/home/me/kept/b1 is not restored: this machine belongs to another cluster"):
            restorer.run(master, {**sent, "backup": other}, check)
    assert not [line for line in master.asked if "ctr" in line]


def test_a_machine_without_the_address_is_left_alone(
    master: Played, sent: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "own_addresses", lambda _candidates: ("192.0.2.9",))
    with pytest.raises(Stop, match="this machine has another address"):
        restorer.run(master, sent, False)


def test_check_mode_restores_nothing(master: Played, sent: dict) -> None:
    before = master.files()
    assert restorer.run(master, sent, True) == {"changed": True, "steps": []}
    assert master.files() == before
    assert [line.split()[0] for line in master.asked] == ["dpkg-query"]


def test_only_whole_files_come_out_of_an_archive(master: Played, sent: dict, tmp_path: Path, synced: list[str]) -> None:
    with tarfile.open(master.path(machine.ARCHIVE), mode="r:gz") as packed:
        archive.unpack_file(packed, archive.SNAPSHOT, str(tmp_path / "one"))
    assert str(tmp_path / "one") in synced
