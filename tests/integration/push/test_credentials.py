"""Credentials that the kubernetes client finds, accepted by a real API server: OIDC, exec plugins, a Pod's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from apiserver import ApiServer
from issuer import CLIENT, Issuer
from options import DEFAULTS
from test_objects_pushed import config


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """An API server that trusts an OIDC issuer; anna and a service account may do everything."""
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    api = ApiServer(
        f"--oidc-issuer-url={issuer.url}",
        f"--oidc-client-id={CLIENT}",
        f"--oidc-ca-file={issuer.certificate}",
        "--oidc-username-claim=sub",
        "--oidc-username-prefix=-",
    )
    try:
        api.start()
        for command in (
            "create namespace n",
            "create serviceaccount pusher -n n",
            "create clusterrolebinding a --clusterrole=cluster-admin --user=anna",
            "create clusterrolebinding b --clusterrole=cluster-admin --serviceaccount=n:pusher",
        ):
            api.kubectl(*command.split())
        yield SimpleNamespace(api=api, issuer=issuer)
    finally:
        api.stop()
        issuer.close()


@pytest.fixture
def push_as(served, tmp_path):
    """`push_as(user)` pushes one object with a kubeconfig for that user: result, and the kubeconfig afterwards."""
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

    def call(user: dict) -> tuple[dict, dict]:
        path = tmp_path / "kubeconfig"
        whole = yaml.safe_load(Path(served.api.kubeconfig).read_text())
        whole["users"] = [{"name": "admin", "user": user}]
        path.write_text(yaml.safe_dump(whole))
        params = {**DEFAULTS, "kubeconfig": str(path), "definition": config("c", "n")}
        failed, result = run.run(params, check=False, diff=False)
        return {**result, "failed": failed}, yaml.safe_load(path.read_text())

    return call


def plugin(folder: Path, *answers: dict) -> dict:
    """A user with an exec plugin that gives one answer after the other, the last one again and again."""
    for number, status in enumerate(answers):
        (folder / f"answer-{number}").write_text(
            json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
        )
    program = folder / "plugin"
    program.write_text(
        f'#!/bin/sh\ncd {folder}\nn=$(cat count 2>/dev/null || echo 0)\n[ -e "answer-$n" ] || n=$((n - 1))\n'
        'cat "answer-$n"\necho $((n + 1)) > count\n'
    )
    program.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}}


def oidc(served, seconds: float) -> dict:
    """A user with an ID token that expires after so many seconds."""
    return {
        "auth-provider": {
            "name": "oidc",
            "config": {
                "client-id": CLIENT,
                "client-secret": "s",
                "id-token": served.issuer.token(seconds),
                "refresh-token": "first",
                "idp-issuer-url": served.issuer.url,
                "idp-certificate-authority-data": base64.b64encode(served.issuer.certificate.read_bytes()).decode(),
            },
        }
    }


def test_an_id_token_of_an_oidc_issuer(served, push_as):
    result, _after = push_as(oidc(served, 600))
    assert not result["failed"], result["msg"]
    assert served.issuer.refreshed == []


def test_an_expired_id_token_is_refreshed_and_kept(served, push_as):
    expired = oidc(served, -60)
    result, after = push_as(expired)
    assert not result["failed"], result["msg"]
    assert "refresh_token=first" in served.issuer.refreshed[-1]
    kept = after["users"][0]["user"]["auth-provider"]["config"]
    assert kept["refresh-token"] == "next" and kept["id-token"] != expired["auth-provider"]["config"]["id-token"]


def test_an_exec_plugins_token(served, push_as, tmp_path):
    token = served.api.kubectl("create", "token", "pusher", "-n", "n").strip()
    result, _after = push_as(plugin(tmp_path, {"token": token}))
    assert not result["failed"], result["msg"]


def test_an_exec_plugin_is_asked_again_when_its_token_has_expired(served, push_as, tmp_path):
    token = served.api.kubectl("create", "token", "pusher", "-n", "n").strip()
    stale = {"token": "stale", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    result, _after = push_as(plugin(tmp_path, stale, {"token": token}))
    assert not result["failed"], result["msg"]


def test_an_exec_plugins_client_certificate(served, push_as, tmp_path):
    served.api.make_user("plugin", "/O=system:masters/CN=plugin")
    certificate, key = (served.api.path(f"plugin.{kind}").read_text() for kind in ("crt", "key"))
    result, _after = push_as(plugin(tmp_path, {"clientCertificateData": certificate, "clientKeyData": key}))
    assert not result["failed"], result["msg"]


def test_an_exec_plugin_that_fails_is_named(push_as, tmp_path):
    version = "client.authentication.k8s.io/v1"
    broken = {"exec": {"apiVersion": version, "command": "/bin/false", "interactiveMode": "Never"}}
    result, _after = push_as(broken)
    assert result["failed"] and "The exec plugin /bin/false gave no credentials" in result["msg"]


def test_a_pods_own_service_account(served, monkeypatch, tmp_path):
    from kubernetes.config import incluster_config

    from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

    (tmp_path / "token").write_text(served.api.kubectl("create", "token", "pusher", "-n", "n").strip())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(served.api.path("ca.crt")))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(served.api.port))
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    failed, result = run.run({**DEFAULTS, "definition": config("in-cluster", "n")}, check=False, diff=False)
    assert not failed, result["msg"]
    assert result["counts"]["created"] == 1


def test_a_token_that_the_server_does_not_know_is_told(push_as):
    result, _after = push_as({"token": "nobody"})
    assert result["failed"] and "does not accept these credentials" in result["msg"]
