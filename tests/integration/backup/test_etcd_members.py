# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What status.yml reads of a real etcd about its members, with the certificates that kubeadm makes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apiserver import free_port, program
from real_programs import NODE, flags_at, is_root, make_files

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import encryption, etcd
from ansible_collections.bramble.kube.plugins.module_utils.status.gather_pi import etcd_members

pytestmark = pytest.mark.skipif(not is_root(), reason="kubeadm's --rootfs needs root")


@pytest.fixture
def member(tmp_path: Path) -> Iterator[tuple[System, list[str]]]:
    """A master whose etcd runs, and etcdctl for it."""
    root, system = tmp_path / "pi", System(str(tmp_path / "pi"))
    make_files(root, encryption.configuration(b"k" * encryption.KEY_BYTES))
    peers, clients = (f"https://127.0.0.1:{free_port()}" for _ in range(2))
    manifest = root / "etc/kubernetes/manifests/etcd.yaml"
    flags = dict(etcd.parse_pod(manifest.read_text()).flags)
    manifest.write_text(manifest.read_text().replace(flags["listen-peer-urls"], peers))
    changed = {
        **dict.fromkeys(("listen_client_urls", "advertise_client_urls"), clients),
        **dict.fromkeys(("listen_peer_urls", "initial_advertise_peer_urls"), peers),
        "initial_cluster": f"{NODE}={peers}",
        "listen_metrics_urls": f"http://127.0.0.1:{free_port()}",
        "data_dir": str(tmp_path / "data"),
    }
    with open(tmp_path / "log", "wb") as log:
        running = subprocess.Popen([program("etcd"), *flags_at(flags, root, **changed)], stdout=log, stderr=log)
    folder = root / "etc/kubernetes/pki/etcd"
    keys = (f"--cacert={folder}/ca.crt", f"--cert={folder}/server.crt", f"--key={folder}/server.key")
    try:
        yield system, [program("etcdctl"), f"--endpoints={clients}", *keys]
    finally:
        running.kill()
        running.wait()


def test_etcd_tells_its_members_and_which_of_them_only_learn(member: tuple[System, list[str]]) -> None:
    system, etcdctl = member
    own = {"name": NODE, "address": "127.0.0.1", "learner": False}
    deadline = time.monotonic() + 60
    while etcd_members(system) != [own]:
        assert time.monotonic() < deadline, etcd_members(system)
        time.sleep(0.5)
    added = ("member", "add", "ghost", "--learner", "--peer-urls=https://192.0.2.9:2380")
    subprocess.run([*etcdctl, *added], check=True, capture_output=True)
    learner = {"name": "", "address": "192.0.2.9", "learner": True}
    assert sorted(etcd_members(system), key=str) == sorted([own, learner], key=str)
