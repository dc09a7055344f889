"""Credentials: what is read here equals what the kubernetes client reads, and everything else is left to it."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ClusterError, Unreachable

PEM = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def write(path: Path, user: dict, cluster: dict | None = None, context: dict | None = None) -> str:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **(context or {})}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


USERS = {
    "token": {"token": "secret"},
    "certificate": {"client-certificate-data": encoded(PEM), "client-key-data": encoded(PEM)},
    "files": {"client-certificate": "cert.pem", "client-key": "sub/key.pem"},
    "password": {"username": "anna", "password": "secret"},
    "token file": {"tokenFile": "token"},
    "nobody": {},
}
CLUSTERS = {
    "data": {"certificate-authority-data": encoded(PEM)},
    "file": {"certificate-authority": "ca.pem"},
    "insecure": {"insecure-skip-tls-verify": True},
    "named": {"tls-server-name": "kubernetes"},
    "proxied": {"proxy-url": "http://proxy.example.org:3128"},
}


def content(text: str, path: str | None) -> str:
    return text or (Path(path).read_text() if path else "")


@pytest.mark.parametrize("user", list(USERS))
@pytest.mark.parametrize("cluster", list(CLUSTERS))
def test_equals_what_the_kubernetes_client_makes_of_it(tmp_path, user, cluster):
    (tmp_path / "sub").mkdir()
    for name in ("cert.pem", "sub/key.pem", "ca.pem", "token"):
        (tmp_path / name).write_text(PEM if name != "token" else "from-file")
    path = write(tmp_path / "config", USERS[user], CLUSTERS[cluster])
    ours, theirs = auth.endpoint({"kubeconfig": path}), auth._by_kubernetes_client({}, path)
    assert ours.server == theirs.server.rstrip("/")
    for field in ("verify", "proxy", "tls_server_name", "authorization"):
        assert getattr(ours, field) == getattr(theirs, field)
    for kind in ("ca", "cert", "key"):
        mine, other = (content(getattr(side, kind + "_data"), getattr(side, kind + "_file")) for side in (ours, theirs))
        assert mine == other


def test_an_exec_plugin_is_left_to_the_kubernetes_client(tmp_path):
    plugin = tmp_path / "plugin"
    credential = (
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}'
    )
    plugin.write_text(f"#!/bin/sh\necho '{credential}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }
    found = auth.endpoint({"kubeconfig": write(tmp_path / "config", user, CLUSTERS["insecure"], {"namespace": "team"})})
    assert found.authorization == "Bearer from-plugin" and found.refresh is not None
    assert found.server == "https://10.0.0.1:6443" and not found.verify and found.namespace == "team"


def test_several_kubeconfigs_are_merged_by_the_kubernetes_client(tmp_path):
    one = write(tmp_path / "one", {"token": "secret"})
    (tmp_path / "two").write_text(yaml.safe_dump({"clusters": [], "users": [], "contexts": []}))
    assert auth.endpoint({"kubeconfig": f"{one}:{tmp_path / 'two'}"}).authorization == "Bearer secret"


def test_options_win_over_the_kubeconfig_and_environment_variables_fill_in(tmp_path, monkeypatch):
    path = write(tmp_path / "config", {"token": "old"}, CLUSTERS["data"])
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_GROUPS", "a,b")
    found = auth.endpoint(
        {"kubeconfig": path, "host": "https://other:1", "api_key": "new", "ca_cert": "/ca", "impersonate_user": "anna"}
    )
    assert (found.server, found.authorization, found.verify) == ("https://other:1", "Bearer new", False)
    assert (found.ca_file, found.ca_data) == ("/ca", "")
    assert found.headers == [("Impersonate-User", "anna"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]


def test_host_with_credentials_needs_no_kubeconfig():
    found = auth.endpoint({"host": "https://a:1/", "api_key": "t", "proxy_headers": {"proxy_basic_auth": "u:p"}})
    assert found.server == "https://a:1" and found.proxy_headers == {"Proxy-Authorization": "Basic dTpw"}


def test_another_context_and_a_dictionary(tmp_path):
    config = yaml.safe_load(Path(write(tmp_path / "config", {"token": "a"})).read_text())
    config["contexts"].append({"name": "y", "context": {"cluster": "c", "namespace": "team"}})
    found = auth.endpoint({"kubeconfig": config, "context": "y"})
    assert (found.namespace, found.authorization) == ("team", "")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"current-context": "z"}, "has no entry 'z' in contexts"),
        ({"current-context": None}, "has no current-context"),
        ({"clusters": []}, "has no entry 'c' in clusters"),
        ({"users": [{"name": "u", "user": {"client-key-data": "*"}}]}, "client-key-data that is not base64"),
    ],
)
def test_a_wrong_kubeconfig_is_one_sentence(tmp_path, change, sentence):
    path = Path(write(tmp_path / "config", {}))
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ClusterError, match=sentence):
        auth.endpoint({"kubeconfig": str(path)})


def test_no_kubeconfig_at_all_is_no_cluster():
    with pytest.raises(Unreachable, match="There is no kubeconfig at"):
        auth.endpoint({})
