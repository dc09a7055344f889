"""A machine with a control plane, and its backup."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from played_machine import clock, played, synced

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import (
    SNAPSHOT,
    Description,
    pack,
    saved_files,
)

__all__ = ["clock", "played", "synced"]

#: etcd's static Pod, as far as a backup asks.
ETCD = """spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://192.168.13.7:2380
    - --name=k8s-master
    image: registry.k8s.io/etcd:3.7.0-0
"""


@pytest.fixture
def of() -> Description:
    """What the backup is of."""
    return Description(
        created=1_790_000_000,
        node_name="k8s-master",
        address="192.168.13.7",
        server="https://192.168.13.7:6443",
        kubernetes="1.37.2",
        etcd_image="registry.k8s.io/etcd:3.7.0-0",
        cluster_ca_sha256="sha256:" + "00" * 32,
        revision=1234,
        key_count=567,
    )


@pytest.fixture
def content() -> bytes:
    """Data of etcd."""
    return b"etcd" * 4096


@pytest.fixture
def machine(tmp_path: Path, content: bytes) -> Path:
    """The root of a machine with a control plane."""
    root = tmp_path / "machine"
    files = {
        "etc/kubernetes/admin.conf": 0o600,
        "etc/kubernetes/pki/ca.key": 0o600,
        "etc/kubernetes/pki/ca.crt": 0o644,
        "etc/kubernetes/manifests/etcd.yaml": 0o600,
        "etc/kubernetes/tmp/kubeadm-backup-etcd-1/etcd/member/snap/db": 0o600,
        "etc/kubernetes/super-admin.conf": 0o600,
        "var/lib/kubelet/config.yaml": 0o644,
        "var/lib/kubelet/pki/kubelet-client-2026.pem": 0o600,
        "var/lib/kubelet/pods/1234/token": 0o644,
    }
    for name, mode in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ETCD if name.endswith("etcd.yaml") else name)
        path.chmod(mode)
    (root / "var/lib/kubelet/pki/kubelet-client-current.pem").symlink_to("/var/lib/kubelet/pki/kubelet-client-2026.pem")
    (tmp_path / SNAPSHOT).write_bytes(content + hashlib.sha256(content).digest())
    return root


@pytest.fixture
def packed(machine: Path, of: Description) -> bytes:
    """A backup of that machine."""
    target = io.BytesIO()
    pack(target, of, str(machine.parent / SNAPSHOT), saved_files(str(machine)))
    return target.getvalue()
