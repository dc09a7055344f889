"""Credentials: what is read here equals what the kubernetes client reads, and everything else is left to it."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ClusterError, Unreachable

PEM = "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "KUBE")) or name.lower().endswith("_proxy"):
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
    for field in ("verify", "tls_server_name", "authorization"):
        assert getattr(ours, field) == getattr(theirs, field)
    assert ours.proxy == CLUSTERS[cluster].get("proxy-url", "")
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


def several(tmp_path: Path, **currents: str | None) -> str:
    """One kubeconfig for each name, with a server and a token of its own below a folder of its own."""
    paths = []
    for name, current in currents.items():
        (tmp_path / name).mkdir()
        config = {
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}}],
            "users": [{"name": name, "user": {"tokenFile": "token"}}, {"name": "both", "user": {"token": name}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
        if current is not None:
            config["current-context"] = current
        (tmp_path / name / "token").write_text(f"token-of-{name}\n")
        (tmp_path / name / "config").write_text(yaml.safe_dump(config))
        paths.append(str(tmp_path / name / "config"))
    return ":".join(paths)


@pytest.mark.parametrize(
    ("currents", "server"),
    [
        ({"a": "a", "b": "b"}, "a"),
        ({"a": "b", "b": "a"}, "b"),
        ({"a": None, "b": "b", "c": "c"}, "b"),
        ({"a": "", "b": "b"}, "b"),
    ],
)
def test_of_several_kubeconfigs_the_first_current_context_counts(tmp_path, monkeypatch, currents, server):
    monkeypatch.setenv("KUBECONFIG", several(tmp_path, **currents))
    found = auth.endpoint({})
    assert (found.server, found.authorization) == (f"https://{server}:6443", f"Bearer token-of-{server}")


def test_of_several_kubeconfigs_the_first_entry_of_a_name_counts_and_missing_files_do_not(tmp_path):
    paths = several(tmp_path, a="a", b="b")
    config = yaml.safe_load((tmp_path / "a" / "config").read_text())
    config["contexts"][0]["context"]["user"] = "both"
    (tmp_path / "a" / "config").write_text(yaml.safe_dump(config))
    assert auth.endpoint({"kubeconfig": f"{tmp_path}/none:{paths}"}).authorization == "Bearer a"


@pytest.mark.parametrize("paths", ["{}:", ":{}", "{}:{}"])
def test_an_empty_or_repeated_entry_of_kubeconfig_changes_nothing(tmp_path, monkeypatch, paths):
    monkeypatch.setenv("KUBECONFIG", paths.replace("{}", write(tmp_path / "config", {"token": "t", "as": "anna"})))
    found = auth.endpoint({})
    assert found.authorization == "Bearer t" and found.headers == [("Impersonate-User", "anna")]


def test_a_kubeconfig_goes_before_the_pods_own_account(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBECONFIG", write(tmp_path / "config", {"token": "t"}))
    assert auth.endpoint({}).server == "https://10.0.0.1:6443"


@pytest.mark.parametrize("nothing", ["", "# later\n", "---\n"])
@pytest.mark.parametrize("order", ["{0}:{1}", "{1}:{0}"])
def test_an_empty_file_among_several_kubeconfigs_is_passed_over(tmp_path, monkeypatch, nothing, order):
    (tmp_path / "empty").write_text(nothing)
    path = write(tmp_path / "config", {"token": "t"})
    monkeypatch.setenv("KUBECONFIG", order.format(tmp_path / "empty", path))
    assert auth.endpoint({}).authorization == "Bearer t"
    with pytest.raises(ClusterError, match="empty is empty"):
        auth.endpoint({"kubeconfig": str(tmp_path / "empty")})


def test_of_several_documents_in_a_kubeconfig_the_first_counts(tmp_path):
    path = Path(write(tmp_path / "config", {"token": "t"}))
    path.write_text(path.read_text() + "---\nkind: Config\n")
    assert auth.endpoint({"kubeconfig": str(path)}).authorization == "Bearer t"


def test_a_token_beside_a_token_file_that_is_not_there_counts(tmp_path):
    path = write(tmp_path / "config", {"token": "t", "tokenFile": "token"})
    assert auth.endpoint({"kubeconfig": path}).authorization == "Bearer t"
    (tmp_path / "token").write_text("from-file")
    assert auth.endpoint({"kubeconfig": path}).authorization == "Bearer from-file"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"token": 271828}, {}, "token, which is not text"),
        ({"username": "anna", "password": 271828}, {}, "password, which is not text"),
        ({"token": "a", "username": "anna", "password": "b"}, {}, "both token and username"),
        ({"client-certificate": "a", "client-certificate-data": encoded(PEM)}, {}, "both client-certificate and"),
        ({"client-certificate-data": encoded(PEM)}, {}, "without its client-key"),
        ({}, {**CLUSTERS["data"], **CLUSTERS["file"]}, "both certificate-authority and certificate-authority-data"),
        ({}, {**CLUSTERS["insecure"], **CLUSTERS["data"]}, "both insecure-skip-tls-verify and"),
        ({}, {**CLUSTERS["insecure"], **CLUSTERS["file"]}, "both insecure-skip-tls-verify and"),
    ],
)
def test_credentials_that_kubectl_refuses_are_refused_and_not_shown(tmp_path, user, cluster, words):
    with pytest.raises(ClusterError, match=words) as error:
        auth.endpoint({"kubeconfig": write(tmp_path / "config", user, cluster)})
    assert "271828" not in str(error.value)


@pytest.mark.parametrize("section", ["clusters", "users", "contexts"])
def test_two_entries_of_one_name_in_one_kubeconfig_are_refused(tmp_path, section):
    path = Path(write(tmp_path / "config", {"token": "t"}))
    config = yaml.safe_load(path.read_text())
    config[section] *= 2
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ClusterError, match=f"in {section} for the second time"):
        auth.endpoint({"kubeconfig": str(path)})


@pytest.mark.parametrize("change", [{"kind": "ConfigMap"}, {"apiVersion": "v2"}])
def test_another_kind_of_file_is_no_kubeconfig(tmp_path, change):
    path = Path(write(tmp_path / "config", {"token": "t"}))
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(ClusterError, match="is not a kubeconfig"):
        auth.endpoint({"kubeconfig": str(path)})


def test_in_a_pod_the_namespace_of_the_environment_counts(monkeypatch):
    from kubernetes import config

    monkeypatch.setattr(
        config, "load_incluster_config", lambda client_configuration: setattr(client_configuration, "host", "https://a")
    )
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("POD_NAMESPACE", "team")
    assert auth.endpoint({}).namespace == "team"


def test_a_certificate_that_is_not_there_is_named(tmp_path):
    for user, cluster in (({}, {"certificate-authority": "gone.pem"}), (USERS["files"], {})):
        endpoint = auth.endpoint({"kubeconfig": write(tmp_path / "config", user, cluster)})
        with pytest.raises(ClusterError, match=r"The file .*/(gone|cert)\.pem, .* is not there"):
            client.Client(endpoint)


ACTING = {
    "as": "anna",
    "as-uid": "7",
    "as-groups": ["a", "b"],
    "as-user-extra": {"Scopes/x": ["view", "edit"]},
}
ACTING_HEADERS = [
    ("Impersonate-User", "anna"),
    ("Impersonate-Group", "a"),
    ("Impersonate-Group", "b"),
    ("Impersonate-Uid", "7"),
    ("Impersonate-Extra-scopes%2Fx", "view"),
    ("Impersonate-Extra-scopes%2Fx", "edit"),
]


def exec_user(tmp_path: Path) -> dict:
    plugin = tmp_path / "plugin"
    credential = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'
    plugin.write_text(f"#!/bin/sh\necho '{credential}'\n")
    plugin.chmod(0o755)
    name = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": name, "command": str(plugin), "interactiveMode": "Never"}}


def test_whom_the_kubeconfig_asks_to_be_impersonated_is_sent_whatever_the_credentials(tmp_path):
    for number, user in enumerate(({"token": "t"}, exec_user(tmp_path))):
        path = write(tmp_path / str(number), {**user, **ACTING})
        for given in (path, f"{path}:{tmp_path / 'none'}", f"{tmp_path / 'none'}:{path}"):
            found = auth.endpoint({"kubeconfig": given})
            assert found.headers == ACTING_HEADERS and found.authorization == "Bearer t"


def test_options_impersonate_in_place_of_the_kubeconfig(tmp_path):
    path = write(tmp_path / "config", {"token": "t", **ACTING})
    found = auth.endpoint({"kubeconfig": path, "impersonate_user": "eve"})
    assert found.headers == [("Impersonate-User", "eve")]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"as-groups": ["a"]}, "names no `as`"),
        ({"as-uid": "7"}, "names no `as`"),
        ({"as-user-extra": {"a": ["b"]}}, "names no `as`"),
        ({"as": "anna", "as-groups": "a"}, "as-groups"),
        ({"as": "anna", "as-user-extra": {"a": "b"}}, "as-user-extra"),
        ({"as": 7}, "put it in quotes"),
    ],
)
def test_half_an_impersonation_is_refused(tmp_path, user, words):
    with pytest.raises(ClusterError, match=words):
        auth.endpoint({"kubeconfig": write(tmp_path / "config", {"token": "t", **user})})


@pytest.mark.parametrize("value", ["false", "true", 0, 1, "no"])
def test_verification_is_not_switched_off_by_text(tmp_path, value):
    for user in ({"token": "t"}, exec_user(tmp_path)):
        with pytest.raises(ClusterError, match="insecure-skip-tls-verify"):
            auth.endpoint({"kubeconfig": write(tmp_path / "config", user, {"insecure-skip-tls-verify": value})})


@pytest.mark.parametrize(
    "config",
    [
        [],
        "text",
        {"current-context": "x", "contexts": "x"},
        {"current-context": "x", "contexts": ["x"]},
        {"current-context": "x", "contexts": {"x": {}}},
        {"current-context": "x", "contexts": [{"name": "x", "context": "c"}]},
        {"current-context": ["x"], "contexts": [{"name": "x", "context": {}}]},
        {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": 7}}],
        },
        {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": ["u"]}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
        },
    ],
)
def test_a_kubeconfig_of_another_form_is_refused_with_its_path(tmp_path, config):
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ClusterError, match=str(path)):
        auth.endpoint({"kubeconfig": str(path)})


@pytest.mark.parametrize(
    ("environment", "server", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "https://k:6443", "http://p:1"),
        ({"https_proxy": "q:1"}, "https://k:6443", "q:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://k:6443", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://127.0.0.1:6443", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://localhost:6443", ""),
    ],
)
def test_the_proxy_is_the_environments_as_for_kubectl(tmp_path, monkeypatch, environment, server, proxy):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "b,c")
    for user in ({"token": "t"}, exec_user(tmp_path)):
        found = auth.endpoint({"kubeconfig": write(tmp_path / "config", user, {"server": server})})
        assert (found.proxy, found.no_proxy) == (proxy, "b,c" if proxy else found.no_proxy)


def test_a_kubeconfigs_own_proxy_heeds_no_proxy_of_the_environment_no_more_than_kubectls(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://other:1")
    monkeypatch.setenv("NO_PROXY", "*")
    found = auth.endpoint({"kubeconfig": write(tmp_path / "config", {"token": "t"}, {"proxy-url": "http://own:1"})})
    assert (found.proxy, found.no_proxy) == ("http://own:1", "")


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


@pytest.mark.parametrize(
    ("no_proxy", "bypassed"),
    [
        ("k.example.org", True),
        ("example.org", True),
        (".example.org", True),
        ("k.example.org:6443", True),
        ("k.example.org:443", False),
        ("other, *", True),
        ("*.example.org", True),
        ("*.org:6443", True),
        ("*.k.example.org", False),
        (".k.example.org", False),
        ("ample.org", False),
        ("10.0.0.0/8", False),
        ("", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_ports(no_proxy, bypassed):
    assert client.bypasses("k.example.org", 6443, no_proxy) is bypassed


@pytest.mark.parametrize(("no_proxy", "bypassed"), [("10.0.0.0/8", True), ("10.0.0.1", True), ("11.0.0.0/8", False)])
def test_no_proxy_names_addresses_and_networks(no_proxy, bypassed):
    assert client.bypasses("10.0.0.1", 6443, no_proxy) is bypassed


@pytest.mark.parametrize("entry", ["fd00::1", "[fd00::1]:6443", "fd00::/8"])
def test_no_proxy_names_addresses_of_ipv6(entry):
    assert client.bypasses("fd00::1", 6443, entry) and not client.bypasses("fe80::1", 6443, entry)


@pytest.mark.parametrize("proxy", ["https://p:1", "socks5://p:1", "http://"])
def test_a_proxy_of_another_kind_is_refused(proxy):
    asking = client.Client(auth.Endpoint(server="https://k:6443", proxy=proxy))
    with pytest.raises(ClusterError, match="does not use http"):
        asking.get("/version")
