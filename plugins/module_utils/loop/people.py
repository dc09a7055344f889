# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""People's access: a kubeconfig on the laptop by the cluster's CSR API, and a password for the desk.

A certificate holds a name and nothing else, since it cannot be taken back. What the name may do stands in the cluster
(RoleBindings and the Gate), so that a person who leaves the list has nothing left to do with it.
"""

from __future__ import annotations

import base64
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError, Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import ca
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    KubeconfigError,
    client_certificate,
    load_plain_yaml,
)
from ansible_collections.bramble.kube.plugins.module_utils.loop import logins
from ansible_collections.bramble.kube.plugins.module_utils.loop.settings import errors
from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import PATIENCE
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import MERGE_PATCH, Cluster, asking

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

OPTIONS = {
    "people": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "groups": {"type": "list", "elements": "str", "required": True},
        },
    },
    "folder": {"type": "path", "required": True},
    "days": {"type": "int", "default": 90},
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
}
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"
NAMESPACE = "loop"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PASSWORDS, HASHES = "desk-passwords", "desk-logins"
ENDING = ".kubeconfig"
#: Seconds in which the controller manager signs what was approved.
SIGNED_WITHIN = 60.0


@dataclass
class Done:
    """What was, or would be, done.

    :ivar kubeconfigs: name → created, renewed or removed.
    :ivar passwords: name → created or removed.
    """

    kubeconfigs: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    changed: bool = False

    def result(self) -> dict[str, Any]:
        """As the module returns it."""
        lines = [f"kubeconfig of {name}: {what}\n" for name, what in sorted(self.kubeconfigs.items())]
        lines += [f"password of {name}: {what}\n" for name, what in sorted(self.passwords.items())]
        return {
            "changed": self.changed or bool(self.kubeconfigs or self.passwords),
            "kubeconfigs": self.kubeconfigs,
            "passwords": self.passwords,
            "diff": {"before": "", "after": "".join(lines)},
        }


# Kubeconfigs ---------------------------------------------------------------------------------------------------------


def config(name: str, server: str, authority: str, certificate: str, key: str) -> dict[str, Any]:
    """A kubeconfig for one person.

    :param authority: the cluster's CA, and certificate and key the person's, as PEM.
    """

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "bramble", "cluster": {"server": server, "certificate-authority-data": encoded(authority)}}
        ],
        "users": [
            {"name": name, "user": {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}}
        ],
        "contexts": [
            {"name": f"{name}@{NAMESPACE}", "context": {"cluster": "bramble", "user": name, "namespace": NAMESPACE}}
        ],
        "current-context": f"{name}@{NAMESPACE}",
    }


def owner(text: str) -> str:
    """Whose kubeconfig of ours a file is; empty for any other file."""
    try:
        found = load_plain_yaml(text)
    except KubeconfigError:
        return ""
    name, _at, namespace = str(found.get("current-context") if isinstance(found, dict) else "").partition("@")
    return name if namespace == NAMESPACE else ""


def lack(text: str, name: str, server: str, authority: str, now: datetime) -> str:
    """Why a person needs a new kubeconfig.

    :param text: the one they have; empty for none.
    :returns: created, renewed, or "" when it may stay.
    """
    if not text:
        return "created"
    try:
        certificate, key = client_certificate(text)
        begins, ends = ca.validity(certificate)
        fits = _belongs(certificate, key) and ca.common_name(certificate) == name
    except (BrambleError, ValueError):
        return "renewed"
    fits = fits and text == yamltext.dump(config(name, server, authority, certificate, key))
    return "" if fits and ends - now > (ends - begins) / 3 else "renewed"


def _belongs(certificate: str, key: str) -> bool:
    """Whether a certificate is for this key."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    loaded = serialization.load_pem_private_key(key.encode(), password=None)
    public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    return loaded.public_key().public_bytes(*form) == public.public_bytes(*form)


def request(name: str, days: int) -> tuple[dict[str, Any], str]:
    """A certificate request for a person.

    :returns: the object, and the new key as PEM, which goes nowhere but into the kubeconfig.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"loop-{name}-{secrets.token_hex(4)}"},
        "spec": {
            "request": base64.b64encode(asked.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": SIGNER,
            "expirationSeconds": days * 86400,
            "usages": ["client auth"],
        },
    }
    return body, text


def sign(cluster: Cluster, name: str, days: int) -> tuple[str, str]:
    """Have the cluster sign a new certificate; the request is deleted again.

    :returns: certificate and key, as PEM.
    :raises Stop: when it is not signed in time.
    """
    body, key = request(name, days)
    path = f"{REQUESTS}/{body['metadata']['name']}"
    cluster.send("POST", REQUESTS, body)
    try:
        made = cluster.found(path) or body
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        made["status"] = {
            "conditions": [
                {
                    "type": "Approved",
                    "status": "True",
                    "reason": "InPeople",
                    "message": f"{name} is in the variable people",
                    "lastUpdateTime": now,
                }
            ]
        }
        cluster.send("PUT", f"{path}/approval", made)
        deadline = time.monotonic() + SIGNED_WITHIN
        while True:
            status = (cluster.found(path) or {}).get("status") or {}
            if status.get("certificate"):
                return base64.b64decode(status["certificate"]).decode(), key
            refused = [one for one in status.get("conditions") or () if one.get("type") in ("Denied", "Failed")]
            if refused:
                raise Stop(f"The cluster refuses to sign a certificate for {name}: {refused[0].get('message')}.")
            if time.monotonic() >= deadline:
                raise Stop(
                    f"The cluster has not signed a certificate for {name} within {SIGNED_WITHIN:.0f} seconds; see that "
                    "kube-controller-manager runs on the master."
                )
            time.sleep(0.25)
    finally:
        cluster.remove(path)


def _keep_kubeconfigs(cluster: Cluster, options: Mapping[str, Any], check: bool, done: Done) -> None:
    names, folder = [person["name"] for person in options["people"]], options["folder"]
    if not cluster.ca:
        raise Stop("The kubeconfig holds no CA (certificate-authority-data), which people's kubeconfigs need, too.")
    for name in names:
        path = os.path.join(folder, name + ENDING)
        text = atomic_file.text(path)
        what = lack(text, name, cluster.server, cluster.ca, datetime.now(timezone.utc))
        if what:
            done.kubeconfigs[name] = what
        if what and not check:
            certificate, key = cluster.patiently(lambda name=name: sign(cluster, name, options["days"]), PATIENCE)
            text = yamltext.dump(config(name, cluster.server, cluster.ca, certificate, key))
        if text:
            _write(path, text, check, done)
    for name, path in _left(folder, names):
        done.kubeconfigs[name] = "removed"
        _write(path, None, check, done)


def _write(path: str, text: str | None, check: bool, done: Done) -> None:
    content = None if text is None else text.encode()
    wanted = atomic_file.Wanted(path, content, 0o600, (os.getuid(), os.getgid()), secret=True)
    if atomic_file.differs(wanted):
        done.changed = True
        if not check:
            atomic_file.write(wanted)


def _left(folder: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Kubeconfigs that were made here for people who are no longer on the list."""
    found = []
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        name = file.removesuffix(ENDING)
        path = os.path.join(folder, file)
        if file.endswith(ENDING) and name not in names and owner(atomic_file.text(path)) == name:
            found.append((name, path))
    return found


# Passwords -----------------------------------------------------------------------------------------------------------


def _keep_passwords(cluster: Cluster, options: Mapping[str, Any], check: bool, done: Done) -> None:
    names = [person["name"] for person in options["people"]]
    live = {secret: cluster.found(f"{SECRETS}/{secret}") for secret in (PASSWORDS, HASHES)}
    before = {secret: (found or {}).get("data") or {} for secret, found in live.items()}
    after = dict(zip((PASSWORDS, HASHES), logins.wanted(names, before[PASSWORDS], before[HASHES])))
    for name in {**before[PASSWORDS], **before[HASHES], **after[HASHES]}:
        if name not in after[HASHES]:
            done.passwords[name] = "removed"
        elif name not in before[PASSWORDS] or name not in before[HASHES]:
            done.passwords[name] = "created"
    for secret, data in after.items():
        if live[secret] is not None and before[secret] == data:
            continue
        done.changed = True
        if not check:
            _send(cluster, secret, live[secret], {**dict.fromkeys(before[secret]), **data})


def _send(cluster: Cluster, name: str, live: Mapping[str, Any] | None, data: Mapping[str, Any]) -> None:
    if live is not None:
        cluster.send("PATCH", f"{SECRETS}/{name}", {"data": data}, MERGE_PATCH)
        return
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}
    cluster.send("POST", SECRETS, body)


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Give everybody on the list their access, and take it from who left."""
    if not HAS_CRYPTOGRAPHY:
        raise Stop(missing_required_lib("cryptography"))
    wrong = errors([], options["people"])
    if wrong:
        raise Stop(" ".join(wrong))
    if not 1 <= options["days"] <= 365:
        raise Stop(f"days is {options['days']}; use 1 to 365 days.")
    done = Done()
    try:
        with asking(" about people"):
            cluster = Cluster.of(options)
            _keep_kubeconfigs(cluster, options, check, done)
            _keep_passwords(cluster, options, check, done)
    except Unreachable:
        if not check:
            raise
        done = Done(*({person["name"]: "created" for person in options["people"]} for _part in range(2)))
    return done.result()
