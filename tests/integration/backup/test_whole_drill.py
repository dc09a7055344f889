# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill and restores with the real programs: kubeadm's files, etcd's data, an API server with encrypted Secrets."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from apiserver import free_port, program
from real_programs import ADDRESS, NODE, Programs, flags_at, is_root, make_files

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive, back_up, drill, machine, restore
from ansible_collections.bramble.kube.plugins.module_utils.backup.restorer import Restorer
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import encryption, etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd_tools import EtcdTools

pytestmark = pytest.mark.skipif(not is_root(), reason="kubeadm's --rootfs needs root")
WORD = "a-word-that-nobody-may-read"


class ControlPlane:
    """The cluster that is backed up: kubeadm's files, its etcd and API server on other ports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_files(root, encryption.configuration(b"k" * encryption.KEY_BYTES))
        self.pods = {
            name: etcd.parse_pod((root / f"etc/kubernetes/manifests/{name}.yaml").read_text())
            for name in ("etcd", "kube-apiserver")
        }
        self.client, peer, self.api, metrics = (free_port() for _port in range(4))
        self.running: list[subprocess.Popen[bytes]] = []
        url, peers = f"https://127.0.0.1:{self.client}", f"https://127.0.0.1:{peer}"
        self._start(
            "etcd",
            data_dir=str(root / "var/lib/etcd"),
            listen_client_urls=url,
            advertise_client_urls=url,
            listen_peer_urls=peers,
            initial_advertise_peer_urls=peers,
            initial_cluster=f"{NODE}={peers}",
            listen_metrics_urls=f"http://127.0.0.1:{metrics}",
        )
        self._start("kube-apiserver", etcd_servers=url, secure_port=str(self.api))
        deadline = time.monotonic() + 120
        while self.kubectl("get", "--raw", "/readyz", check=False) != "ok":
            assert time.monotonic() < deadline, (root / "kube-apiserver.log").read_text()[-2000:]
            time.sleep(0.5)

        admins = ("--clusterrole=cluster-admin", "--group=kubeadm:cluster-admins")
        self.kubectl("create", "clusterrolebinding", "kubeadm:cluster-admins", *admins, who="super-admin")

    def _start(self, name: str, **changed: str) -> None:
        with (self.root / f"{name}.log").open("wb") as log:
            command = [program(name), *flags_at(dict(self.pods[name].flags), self.root, **changed)]
            self.running.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def kubectl(self, *arguments: str, check: bool = True, who: str = "admin") -> str:
        """As the administrator."""
        kubeconfig = self.root / f"etc/kubernetes/{who}.conf"
        where = [f"--kubeconfig={kubeconfig}", f"--server=https://127.0.0.1:{self.api}", "--tls-server-name=kubernetes"]
        done = subprocess.run([program("kubectl"), *where, *arguments], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def snapshot(self, path: Path) -> None:
        """Save etcd."""
        tls = [word.replace("/etc/kubernetes", f"{self.root}/etc/kubernetes") for word in self.pods["etcd"].tls]
        endpoint = f"--endpoints=https://127.0.0.1:{self.client}"
        command = [program("etcdctl"), "snapshot", "save", str(path), endpoint, *tls]
        subprocess.run(command, capture_output=True, check=True)

    def stop(self) -> None:
        """Both programs."""
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlPlane, bytes, archive.Description]]:
    """A control plane, and its backup with 25 ConfigMaps and a Secret."""
    root = tmp_path_factory.mktemp("master")
    cluster = ControlPlane(root)
    try:
        for number in range(25):
            cluster.kubectl("create", "configmap", f"kept-{number}", "--from-literal=word=kept")
        cluster.kubectl("create", "secret", "generic", "hidden", f"--from-literal=word={WORD}")
        cluster.snapshot(root / "etcd.db")
    finally:
        cluster.stop()
    status = subprocess.run(
        [program("etcdutl"), "snapshot", "status", str(root / "etcd.db"), "--write-out=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = etcd.parse_status(status.stdout)
    description = archive.Description(
        created=1_790_000_000,
        node_name=NODE,
        address=ADDRESS,
        server="https://127.0.0.1:6443",
        kubernetes=back_up.release_of((root / "etc/kubernetes/manifests/kube-apiserver.yaml").read_text()),
        etcd_image=cluster.pods["etcd"].image,
        cluster_ca_sha256=ca_cert_hashes((root / "etc/kubernetes/pki/ca.crt").read_text())[0],
        revision=found.revision,
        key_count=found.key_count,
    )
    target = io.BytesIO()
    archive.pack(target, description, str(root / "etcd.db"), archive.saved_files(str(root)))
    assert archive.check(io.BytesIO(target.getvalue())) == description
    yield cluster, target.getvalue(), description


def held(source, root: Path, monkeypatch: pytest.MonkeyPatch, timeout: int = 120) -> dict:
    """Hold a drill with the backup below a folder."""
    cluster, content, description = source
    spool = root / machine.ARCHIVE.lstrip("/")
    spool.parent.mkdir(parents=True)
    spool.write_bytes(content)
    (root / "etc/kubernetes").mkdir(parents=True)
    (root / "etc/kubernetes/manifests").symlink_to(cluster.root / "etc/kubernetes/manifests")
    here = restore.Machine(NODE, ADDRESS, ca=description.cluster_ca_sha256)
    monkeypatch.setattr(drill.machine, "look", lambda *_: here)
    monkeypatch.setattr(drill.machine, "empty_spool", spool.unlink)
    system = Programs(root, {drill.FOLDER: str(root / drill.FOLDER.lstrip("/"))})
    options = {"src": "/kept/b", "node_name": NODE, "timeout": timeout, "now": 1, "size": len(content)}
    digest = hashlib.sha256(content).hexdigest()
    try:
        return drill.run(system, {**options, "backup": asdict(description), "sha256": digest}, False)
    finally:
        assert system.processes == {}
        system.stop()


def test_a_drill_reads_everything_and_leaves_its_record(source, tmp_path: Path, monkeypatch) -> None:
    result = held(source, tmp_path / "pi", monkeypatch)
    print(json.dumps(result, indent=1))
    assert result["kinds"]["configmaps"]["in_backup"] >= 25
    assert result["kinds"]["secrets"] == {"in_backup": 1, "read": 1}
    assert WORD not in json.dumps(result)
    files = [path for path in (tmp_path / "pi").rglob("*") if path.is_file() and "manifests" not in str(path)]
    assert [path.name for path in files] == ["last-drill.json"]


def test_a_backup_whose_encryption_key_is_another_fails_the_drill(source, tmp_path: Path, monkeypatch) -> None:
    cluster, _content, description = source
    key = cluster.root / "etc/kubernetes/encryption.json"
    right = key.read_bytes()
    key.write_bytes(encryption.configuration(b"x" * encryption.KEY_BYTES))
    try:
        target = io.BytesIO()
        snapshot = str(cluster.root / "etcd.db")
        archive.pack(target, description, snapshot, archive.saved_files(str(cluster.root)))
    finally:
        key.write_bytes(right)
    with pytest.raises(Stop) as found:
        held((cluster, target.getvalue(), description), tmp_path / "pi", monkeypatch, 20)
    assert "kube-apiserver" in str(found.value)
    assert WORD not in str(found.value)
    assert json.loads((tmp_path / "pi" / drill.RECORD.lstrip("/")).read_text())["reason"] in str(found.value)


def test_a_second_restore_begins_above_the_first(source, tmp_path: Path) -> None:
    """Onto the same card; the laptop told neither a time nor a note."""
    cluster, _content, description = source
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool/etcd.db").write_bytes((cluster.root / "etcd.db").read_bytes())
    pod = etcd.EtcdPod(cluster.pods["etcd"].image, {**cluster.pods["etcd"].flags, "data-dir": "/data"})
    system = Programs(tmp_path, {"/data": f"{tmp_path}/data", "/spool": f"{tmp_path}/spool"})
    firsts = []
    for _restore in range(3):
        restorer = Restorer(system)
        restorer.put_data(pod, "/spool/etcd.db", 0)
        firsts.append(restorer.first_revision)
        assert EtcdTools(system, pod).status("/data/member/snap/db").revision == restorer.first_revision
    assert firsts[0] >= description.revision + restore.LEAST_BUMP
    assert firsts[1] >= firsts[0] + restore.LEAST_BUMP
    assert firsts[2] >= firsts[1] + restore.LEAST_BUMP
