# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's kubeconfigs and passwords, with an API server that is a dict."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from played_cluster import api

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.loop import logins, people
from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster

__all__ = ["api"]

SERVER, AUTHORITY = "https://192.168.13.7:6443", "the CA\n"
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
ADA = [{"name": "ada", "groups": ["trainer"]}]


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(private: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def certificate(public: ec.EllipticCurvePublicKey, name: str = "ada", begins: datetime = NOW, days: int = 90) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(public).serial_number(1)
    made = made.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    return made.sign(key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def kubeconfig(name: str = "ada", **more: object) -> str:
    private = key()
    text = certificate(private.public_key(), name, **more)
    return yamltext.dump(people.config(name, SERVER, AUTHORITY, text, pem(private)))


def test_a_kubeconfig_stays_until_a_third_of_its_life_is_left():
    text = kubeconfig()
    for days, what in ((0, ""), (59.9, ""), (60.1, "renewed"), (91, "renewed")):
        assert people.lack(text, "ada", SERVER, AUTHORITY, NOW + timedelta(days=days)) == what, days


def test_a_kubeconfig_of_another_cluster_person_or_key_is_renewed():
    text = kubeconfig()
    assert people.lack("", "ada", SERVER, AUTHORITY, NOW) == "created"
    assert people.lack(text, "ada", "https://192.168.13.9:6443", AUTHORITY, NOW) == "renewed"
    assert people.lack(text, "ada", SERVER, "another CA\n", NOW) == "renewed"
    assert people.lack(kubeconfig("ben"), "ada", SERVER, AUTHORITY, NOW) == "renewed"
    wrong_key = people.config("ada", SERVER, AUTHORITY, certificate(key().public_key()), pem(key()))
    assert people.lack(yamltext.dump(wrong_key), "ada", SERVER, AUTHORITY, NOW) == "renewed"
    other_name = people.config("ada", SERVER, AUTHORITY, certificate((mine := key()).public_key(), "eve"), pem(mine))
    assert people.lack(yamltext.dump(other_name), "ada", SERVER, AUTHORITY, NOW) == "renewed"
    for damaged in ("no kubeconfig", "a: [", text[: len(text) // 2], text.replace("key-data: L", "key-data: !")):
        assert people.lack(damaged, "ada", SERVER, AUTHORITY, NOW) == "renewed"


def test_a_request_asks_for_a_name_and_nothing_else():
    body, text = people.request("ada", 90)
    asked = x509.load_pem_x509_csr(base64.b64decode(body["spec"]["request"]))
    assert asked.subject.rfc4514_string() == "CN=ada" and list(asked.extensions) == [] and asked.is_signature_valid
    assert body["spec"]["usages"] == ["client auth"] and body["spec"]["expirationSeconds"] == 90 * 86400
    assert body["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client" and text not in str(body)


class Signing:
    """What the API server and the signer do with a request."""

    def __init__(self, status: object = None) -> None:
        self.status, self.requests, self.log = status, {}, []
        self.ca, self.server = AUTHORITY, SERVER
        self.objects: dict[str, dict] = {}

    def send(self, method: str, path: str, body: dict, content_type: str = "") -> None:
        self.log.append((method, path))
        if path == people.REQUESTS:
            self.requests[f"{path}/{body['metadata']['name']}"] = body
        elif path.endswith("/approval"):
            made = self.requests[path.removesuffix("/approval")]
            asked = x509.load_pem_x509_csr(base64.b64decode(made["spec"]["request"]))
            signed = base64.b64encode(certificate(asked.public_key(), begins=datetime.now(timezone.utc)).encode())
            made["status"] = {"certificate": signed.decode()} if self.status is None else self.status
        elif method == "POST":
            self.objects[f"{path}/{body['metadata']['name']}"] = body
        else:
            data = {**self.objects[path]["data"], **body["data"]}
            self.objects[path]["data"] = {name: value for name, value in data.items() if value is not None}

    def found(self, path: str) -> dict | None:
        return self.requests.get(path) or self.objects.get(path)

    def remove(self, path: str) -> None:
        self.log.append(("DELETE", path))
        self.requests.pop(path)

    def patiently(self, ask, seconds):
        return ask()


@pytest.fixture
def give(monkeypatch, tmp_path):
    """`give(cluster, people)` runs the module."""

    def run(cluster: Signing, who=ADA, check: bool = False, days: int = 90):
        monkeypatch.setattr(Cluster, "of", classmethod(lambda cls, _options: cluster))
        options = {"people": who, "folder": str(tmp_path / "people"), "days": days, "kubeconfig": "x"}
        return people.run(System(), options, check)

    return run


def test_the_second_run_changes_nothing_and_check_mode_nothing_at_all(give, tmp_path):
    cluster = Signing()
    would = give(cluster, check=True)
    assert would["changed"] and cluster.log == [] and not (tmp_path / "people").exists()
    made = give(cluster)
    assert made == would and cluster.requests == {}
    sent = list(cluster.log)
    assert give(cluster) == {
        **made,
        "changed": False,
        "kubeconfigs": {},
        "passwords": {},
        "diff": {"before": "", "after": ""},
    }
    assert cluster.log == sent
    assert os.stat(tmp_path / "people").st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["Denied", "Failed"])
def test_a_request_that_is_not_signed_is_told_and_taken_away(give, tmp_path, kind):
    cluster = Signing({"conditions": [{"type": kind, "message": "no more today"}]})
    with pytest.raises(Stop, match="refuses to sign a certificate for ada: no more today"):
        give(cluster)
    assert cluster.requests == {} and not (tmp_path / "people").exists()


def test_without_a_signer_the_master_is_named(give, monkeypatch):
    monkeypatch.setattr(people, "SIGNED_WITHIN", 0.0)
    with pytest.raises(Stop, match="see that kube-controller-manager runs on the master"):
        give(Signing({}))


def test_where_there_is_no_cluster_yet_everybody_would_get_everything(monkeypatch, tmp_path):
    def none(cls, _options):
        raise Unreachable("no kubeconfig")

    monkeypatch.setattr(Cluster, "of", classmethod(none))
    options = {"people": ADA, "folder": str(tmp_path), "days": 90, "kubeconfig": "x"}
    assert people.run(System(), options, True)["passwords"] == {"ada": "created"}
    with pytest.raises(Unreachable):
        people.run(System(), options, False)


def test_names_that_are_none_write_no_file(give):
    with pytest.raises(Stop, match="must be small letters"):
        give(Signing(), [{"name": "../ada", "groups": ["viewer"]}])
    with pytest.raises(Stop, match="days is 0; use 1 to 365"):
        give(Signing(), days=0)


def test_only_files_of_ours_are_anybodys():
    assert people.owner(kubeconfig("ben")) == "ben"
    for other in ("", "a: [", "- a\n", "current-context: kubernetes-admin@kubernetes\n", "text"):
        assert people.owner(other) == ""


def test_a_hash_is_of_its_password_alone():
    made = logins.hashed("secret")
    assert made.startswith("scrypt:16384:8:1:") and made != logins.hashed("secret")
    assert logins.is_hash_of("secret", made) and not logins.is_hash_of("Secret", made)
    for damaged in ("", "secret", made[:-1], made.replace("16384", "2"), "scrypt:16384:8:1:zz:zz"):
        assert not logins.is_hash_of("secret", damaged)


def test_passwords_stay_and_a_hash_that_does_not_fit_is_made_again():
    passwords, hashed = logins.wanted(["ada", "ben"], {}, {})
    assert logins.wanted(["ada", "ben"], passwords, hashed) == (passwords, hashed)
    assert len(base64.b64decode(passwords["ada"])) == 20 and passwords["ada"] != passwords["ben"]
    kept, made = logins.wanted(["ada"], passwords, {"ada": hashed["ben"]})
    assert kept == {"ada": passwords["ada"]} and made["ada"] not in hashed.values()
    assert logins.is_hash_of(base64.b64decode(kept["ada"]).decode(), base64.b64decode(made["ada"]).decode())
