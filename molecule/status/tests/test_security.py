# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are encrypted, the audit finds nothing that is not accepted, certificates are renewed, marks are kept."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import ssl
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from troubles import EXPIRE, MASTER, NODE, OTHER, Lab, shown, wait

PKI = "/etc/kubernetes/pki"
ETCDCTL = (
    "kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system exec etcd-k8s-master -- etcdctl "
    f"--cacert={PKI}/etcd/ca.crt --cert={PKI}/etcd/server.crt --key={PKI}/etcd/server.key"
)


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    return Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")


def site(lab: Lab, *arguments: str) -> str:
    """Run site.yml; it has to work."""
    done = lab.play("site.yml", *arguments)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    return done.stdout + done.stderr


def test_secrets_are_encrypted_in_etcd(lab: Lab) -> None:
    lab.kubectl("create", "secret", "generic", "whisper", "--from-literal=word=quiet-as-a-mouse")
    stored = lab.on(MASTER, f"{ETCDCTL} get /registry/secrets/default/whisper --write-out=json")
    value = base64.b64decode(json.loads(stored)["kvs"][0]["value"])
    assert value.startswith(b"k8s:enc:secretbox:v1:key1:")
    assert b"quiet-as-a-mouse" not in value
    read = lab.kubectl("get", "secret", "whisper", "--output=jsonpath={.data.word}")
    assert base64.b64decode(read) == b"quiet-as-a-mouse"
    lab.kubectl("delete", "secret", "whisper")


def test_the_audit_log_tells_who_and_never_what(lab: Lab) -> None:
    lab.kubectl("create", "secret", "generic", "whisper", "--from-literal=word=quiet-as-a-mouse")
    lab.kubectl("delete", "secret", "whisper")
    log = lab.on(MASTER, "grep whisper /var/log/kubernetes/audit/audit.log")
    assert '"username":"kubernetes-admin"' in log
    assert "quiet-as-a-mouse" not in log
    assert "cXVpZXQtYXMtYS1tb3VzZQ" not in log


def test_the_audit_finds_nothing_that_is_not_accepted(lab: Lab) -> None:
    done = lab.status("--tags", "audit", "--extra-vars", "status_strict=true")
    assert "CIS Kubernetes Benchmark" in shown(done)
    found = set(re.findall(r"  (pass|explained|fail|unknown|not checked)  ", done.stdout))
    assert found == {"pass", "explained", "not checked"}


def test_the_audit_finds_a_key_that_others_can_read(lab: Lab) -> None:
    lab.on(OTHER, "mkdir -p /home/pi/.kube; cp /etc/kubernetes/kubelet.conf /home/pi/.kube/config")
    lab.on(MASTER, f"chmod 0644 {PKI}/apiserver.key")
    try:
        done = lab.status("--tags", "audit", "--extra-vars", "status_strict=true")
    finally:
        lab.on(MASTER, f"chmod 0600 {PKI}/apiserver.key")
        lab.on(OTHER, "rm -r /home/pi/.kube")
    assert done.returncode != 0
    assert f"{PKI}/apiserver.key has mode 0644" in done.stdout


def test_etcd_listens_only_where_it_must(lab: Lab) -> None:
    listening = lab.on(MASTER, "ss -Hltn | awk '{print $4}'").split()
    assert {a for a in listening if a.endswith(":2379")} == {"127.0.0.1:2379", f"{lab.addresses[MASTER]}:2379"}
    assert {a for a in listening if a.endswith((":2380", ":2381"))} == {"127.0.0.1:2380", "127.0.0.1:2381"}


def test_no_token_is_left_after_the_join(lab: Lab) -> None:
    left = lab.kubectl("-n", "kube-system", "get", "secrets", "--field-selector=type=bootstrap.kubernetes.io/token")
    assert left.strip() == ""


def test_every_kubelet_shows_a_certificate_of_the_cluster(lab: Lab) -> None:
    config = yaml.safe_load(lab.kubeconfig.read_text())
    ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    for address in lab.addresses.values():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca)
        with socket.create_connection((address, 10250), 5) as plain:
            context.wrap_socket(plain, server_hostname=address).close()


def test_a_request_for_anothers_address_is_not_approved(lab: Lab) -> None:
    """By a node's own credentials, with which the API server lets it ask for anything."""
    script = f"""
    cd /root; umask 077
    printf '[r]\\nsubjectAltName=IP:{lab.addresses[MASTER]}\\n' > san
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout own.key -out own.csr \
        -subj '/O=system:nodes/CN=system:node:{OTHER}' -addext subjectAltName=IP:{lab.addresses[MASTER]} 2>/dev/null
    cat <<END | kubectl --kubeconfig /etc/kubernetes/kubelet.conf create -f - -o name
    {{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {{"name": "forged"}},
     "spec": {{"signerName": "kubernetes.io/kubelet-serving", "usages": ["digital signature", "server auth"],
              "request": "$(base64 -w0 own.csr)"}}}}
END
    rm own.key own.csr san
    """
    lab.on(OTHER, script)
    try:
        done = site(lab, "--tags", "nodes")
        conditions = lab.kubectl("get", "csr", "forged", "--output=jsonpath={.status.conditions}")
    finally:
        lab.kubectl("delete", "csr", "forged")
    assert conditions == ""
    text = " ".join(done.split())
    assert f"forged was not approved: it is for {lab.addresses[MASTER]}, which is not one of that node's" in text


def test_labels_and_taints_are_kept_true(lab: Lab, tmp_path: Path) -> None:
    def marks() -> tuple[str, str]:
        item = json.loads(lab.kubectl("get", "node", NODE, "--output=json"))
        taints = [taint["key"] for taint in item["spec"].get("taints", [])]
        return item["metadata"]["labels"].get("disk", ""), " ".join(taints)

    assert marks() == ("nvme", "example.org/slow")
    lab.kubectl("label", "node", NODE, "disk=sd", "mine=yes", "--overwrite")
    lab.kubectl("taint", "node", NODE, "example.org/slow-", "example.org/mine=:PreferNoSchedule")
    site(lab, "--tags", "nodes")
    assert marks() == ("nvme", "example.org/mine example.org/slow")
    assert "changed=0" in site(lab, "--tags", "nodes")
    hosts = yaml.safe_load((lab.inventory / "hosts.yml").read_text())
    del hosts["bramble"]["children"]["node"]["hosts"][NODE]["kubeadm_node_labels"]
    del hosts["bramble"]["children"]["node"]["hosts"][NODE]["kubeadm_node_taints"]
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (tmp_path / "group_vars").symlink_to((lab.inventory / "group_vars").resolve())
    without = Lab(tmp_path)
    site(without, "--tags", "nodes")
    assert marks() == ("", "example.org/mine")
    lab.kubectl("taint", "node", NODE, "example.org/mine-")
    lab.kubectl("label", "node", NODE, "mine-")
    site(lab, "--tags", "nodes")
    assert marks() == ("nvme", "example.org/slow")


def test_certificates_that_have_ended_are_renewed(lab: Lab) -> None:
    """The API server's and the administrator's, after which nobody can ask the cluster for anything."""
    lab.on(
        MASTER,
        f"{EXPIRE} cd {PKI}; expire apiserver.crt apiserver.key ca; expire etcd/server.crt etcd/server.key etcd/ca; "
        "cd /etc/kubernetes; umask 077; "
        "sed -n 's/.*client-certificate-data: //p' admin.conf | base64 -d > /root/a.crt; "
        "sed -n 's/.*client-key-data: //p' admin.conf | base64 -d > /root/a.key; "
        "expire /root/a.crt /root/a.key pki/ca; "
        'sed -i "s#client-certificate-data: .*#client-certificate-data: $(base64 -w0 /root/a.crt)#" admin.conf; '
        "rm /root/a.crt /root/a.key",
    )
    assert "expired" in shown(lab.status())
    site(lab, "--tags", "master")
    wait("the API server", lab.answers)
    assert "changed=0" in site(lab, "--tags", "master")
    assert "expire" not in shown(lab.status())


def test_a_node_whose_certificate_has_ended_joins_anew(lab: Lab) -> None:
    current = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    kept = lab.on(MASTER, f"cat {PKI}/ca.key")
    lab.on(
        OTHER,
        f"umask 077; {EXPIRE} cd /root; cp {PKI}/ca.crt ca.crt; cat > ca.key <<'END'\n{kept}END\n"
        f"systemctl stop kubelet; cp $(readlink -f {current}) k.crt; cp k.crt k.key; expire k.crt k.key ca; "
        f"cat k.crt k.key > $(readlink -f {current}); rm -f ca.key ca.crt k.crt k.key ca.srl; systemctl start kubelet",
    )
    wait("the node to be silent", lambda: lab.node_condition(OTHER, "Ready") != "True")
    assert f"{OTHER}: the certificate {current} expired" in shown(lab.status())
    site(lab)
    wait("the node", lambda: lab.node_condition(OTHER, "Ready") == "True")
    assert "changed=0" in site(lab)


def test_the_page_is_one_file(lab: Lab, tmp_path: Path) -> None:
    shown(lab.status("--extra-vars", f"status_report={tmp_path}/report.html"))
    text = (tmp_path / "report.html").read_text()
    assert text.count("<svg") > 10
    assert "src=" not in text
    for name in lab.addresses:
        assert name in text
