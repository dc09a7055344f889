"""The module kubeadm_token with real kubeadm, on etcd and an API server alone (tokens are Secrets, so that will do).

Runs for every Kubernetes release that the lab has built; the servers listen on this machine's loopback only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apiserver import free_port
from secret_scan import secrets_in

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join_command import parse_join_command
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.tokens import parse_token_list

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)
RELEASES = sorted(
    folder.name
    for folder in (CACHE / "bin").glob("1.*")
    if (folder / "kubeadm").exists() and (folder / "kube-apiserver").exists()
)


def kubeadm(release: str, *arguments: str | Path) -> str:
    program = CACHE / "bin" / release / "kubeadm"
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(
    scope="module", params=RELEASES or [pytest.param(None, marks=pytest.mark.skip("the lab has built no Kubernetes"))]
)
def master(request, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A release and the kubeconfig of an API server of it."""
    release, folder = request.param, tmp_path_factory.mktemp("master")
    certificates, port, etcd_port, peer_port = folder / "pki", free_port(), free_port(), free_port()
    common = ["--cert-dir", certificates]
    kubeadm(release, "init", "phase", "certs", "ca", "--kubernetes-version", f"v{release}", *common)
    config = folder / "kubeadm.yaml"
    config.write_text(
        f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 192.0.2.7, bindPort: {port}}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{release}
certificatesDir: {certificates}
controlPlaneEndpoint: 127.0.0.1:{port}
""",
        encoding="utf-8",
    )
    for phase in ("apiserver", "sa"):
        extra = ["--config", config] if phase == "apiserver" else common
        kubeadm(release, "init", "phase", "certs", phase, *extra)
    kubeadm(release, "init", "phase", "kubeconfig", "admin", "--config", config, "--kubeconfig-dir", folder)

    etcd = subprocess.Popen(
        [
            CACHE / "bin" / "etcd",
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls=http://127.0.0.1:{etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-cluster=default=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = (folder / "apiserver.log").open("w", encoding="utf-8")
    server = subprocess.Popen(
        [
            CACHE / "bin" / release / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={certificates}/apiserver.crt",
            f"--tls-private-key-file={certificates}/apiserver.key",
            f"--client-ca-file={certificates}/ca.crt",
            f"--service-account-key-file={certificates}/sa.pub",
            f"--service-account-signing-key-file={certificates}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=AlwaysAllow",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                kubeadm(release, "token", "list", "--kubeconfig", folder / "admin.conf")
                break
            except subprocess.CalledProcessError as error:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError(
                        f"no API server: {error.stderr}\n{(folder / 'apiserver.log').read_text()[-2000:]}"
                    ) from error
                time.sleep(0.5)
        yield release, folder / "admin.conf"
    finally:
        for process in (server, etcd):
            process.terminate()
            process.wait(30)
        log.close()


def run_play(master: tuple[str, Path], tmp_path: Path, tasks: list[dict]) -> tuple[int, str, dict]:
    """Run tasks on this machine at -vvv; ``seen`` is written to a file that only the test reads.

    :returns: exit code, everything that was printed, and the registered results.
    """
    release, kubeconfig = master
    seen = tmp_path / "seen.json"
    for task in tasks:
        if "bramble.kube.kubeadm_token" in task:
            task["bramble.kube.kubeadm_token"].update(
                kubeconfig=str(kubeconfig), executable=str(CACHE / "bin" / release / "kubeadm")
            )
    names = [task["register"] for task in tasks if "register" in task]
    keep = {
        "ansible.builtin.copy": {
            "dest": str(seen),
            "mode": "0600",
            "content": "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}",
        },
        "no_log": True,
        "check_mode": False,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, keep]}]), encoding="utf-8"
    )
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *(
                "-vvv",
                "--diff",
                "-i",
                "localhost,",
                "-c",
                "local",
                "-e",
                f"ansible_python_interpreter={sys.executable}",
            ),
            playbook,
        ],
        cwd=REPOSITORY,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    results = json.loads(seen.read_text(encoding="utf-8")) if seen.exists() else {}
    return done.returncode, done.stdout + done.stderr, results


def test_the_life_of_a_token(master, tmp_path):
    release, kubeconfig = master
    token = "bramble.kube.kubeadm_token"
    ours = 'made   by a test: it\'s "quoted", ends <none>'
    code, output, seen = run_play(
        master,
        tmp_path,
        [
            {"name": "Would make", "check_mode": True, "register": "would", token: {"ttl": "1h"}},
            {"name": "Make", "register": "made", token: {"ttl": "1h", "description": ours}},
            {"name": "Find", "register": "found", token: {"ttl": "1h", "min_ttl": "50m"}},
            {
                "name": "Make a longer one",
                "register": "longer",
                token: {"ttl": "3h", "min_ttl": "2h", "description": ours},
            },
            {"name": "List", "register": "listed", token: {"state": "list"}},
        ],
    )
    assert code == 0, output
    assert seen["would"]["changed"] and seen["would"]["token"] == ""
    assert seen["made"]["changed"] and not seen["found"]["changed"] and seen["longer"]["changed"]
    assert seen["found"]["token"] == seen["made"]["token"] != seen["longer"]["token"]
    assert secrets_in(output, known=[seen["made"]["token"], seen["longer"]["token"]]) == []
    assert {entry["id"]: entry["description"] for entry in seen["listed"]["tokens"]} == {
        seen["made"]["token_id"]: ours,
        seen["longer"]["token_id"]: ours,
    }
    assert all(entry["usable"] for entry in seen["listed"]["tokens"])

    # kubeadm's own opinion: its printed command, and both forms of its list
    printed = kubeadm(release, "token", "create", "--print-join-command", "--kubeconfig", kubeconfig)
    command = parse_join_command(printed)
    assert list(command.ca_cert_hashes) == seen["made"]["ca_cert_hashes"]
    assert command.endpoint == seen["made"]["endpoint"]
    table = parse_token_list(kubeadm(release, "token", "list", "--kubeconfig", kubeconfig))
    structured = parse_token_list(kubeadm(release, "token", "list", "-o", "json", "--kubeconfig", kubeconfig))
    assert sorted(table, key=lambda entry: entry.id) == sorted(structured, key=lambda entry: entry.id)
    assert len(table) == 3

    code, output, seen = run_play(
        master,
        tmp_path,
        [
            {
                "name": "Delete one",
                "register": "one",
                token: {"state": "absent", "token_id": command.token.partition(".")[0]},
            },
            {"name": "Delete ours", "register": "ours", token: {"state": "absent", "description": ours}},
            {"name": "Again", "register": "again", token: {"state": "absent", "description": ours}},
            {"name": "List", "register": "listed", token: {"state": "list"}},
        ],
    )
    assert code == 0, output
    assert len(seen["one"]["deleted"]) == 1 and len(seen["ours"]["deleted"]) == 2
    assert not seen["again"]["changed"] and seen["listed"]["tokens"] == []


def test_an_api_server_that_is_away_is_named(master, tmp_path):
    release, kubeconfig = master
    away = tmp_path / "away.conf"
    text = kubeconfig.read_text(encoding="utf-8")
    server = next(line for line in text.splitlines() if "server:" in line)
    away.write_text(text.replace(server, f"    server: https://127.0.0.1:{free_port()}"), encoding="utf-8")
    code, output, _seen = run_play((release, away), tmp_path, [{"name": "Find", "bramble.kube.kubeadm_token": {}}])
    assert code != 0
    assert "The cluster's tokens could not be read" in output and "is the API server running?" in output
    assert secrets_in(output) == []
