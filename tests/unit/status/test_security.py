"""What an audit reads on a Pi: how programs really run, and files as they see them."""

from __future__ import annotations

import json

import pytest
from folders import Folder

from ansible_collections.bramble.kube.plugins.module_utils.status import security

KEY = "c2VjcmV0LW9mLTMyLWJ5dGVzLWFzLWJhc2U2NC4uLi4="
ENCRYPTION = "/etc/kubernetes/pki/encryption.json"


def process(folder: Folder, pid: int, *words: str, groups: str = "0::/kubepods/pod1", environment: str = "") -> None:
    """A program that runs."""
    folder.put(f"/proc/{pid}/cmdline", "\0".join(words) + "\0")
    folder.put(f"/proc/{pid}/cgroup", groups)
    folder.put(f"/proc/{pid}/environ", environment)


def inside(folder: Folder, pid: int, path: str, text: str, mode: int = 0o600) -> None:
    """A file as a program sees it."""
    folder.put(f"/proc/{pid}/root{path}", text, mode)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (
            ["--profiling=false", "--v", "2", "--allow-privileged"],
            {"profiling": "false", "v": "2", "allow-privileged": "true"},
        ),
        (["--anonymous_auth=true"], {"anonymous-auth": "true"}),
        (["-auto-tls=true"], {"auto-tls": "true"}),
        (["--authorization-mode=Node", "--authorization-mode=RBAC"], {"authorization-mode": "Node,RBAC"}),
        (["--profiling=true", "--profiling=false"], {"profiling": "false"}),
        (["--empty="], {"empty": ""}),
        (["--some-token=abcdef", "--a-password", "x"], {"some-token": "(not shown)", "a-password": "(not shown)"}),
        (["--read-only-port", "10255", "--config", "/c"], {"read-only-port": "10255", "config": "/c"}),
    ],
)
def test_a_command_line_is_read_as_its_program_reads_it(words: list[str], flags: dict) -> None:
    assert security.settings(words) == flags


def test_flags_are_those_of_the_process_wherever_they_came_from(folder: Folder) -> None:
    folder.put("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n")
    process(folder, 7, "/usr/bin/kubelet", "--config=/k.yaml", "--anonymous-auth=true", groups="0::/kubelet.service")
    folder.put("/k.yaml", "kind: KubeletConfiguration\n")
    found = security.gather(folder)
    assert found["programs"]["kubelet"]["flags"]["anonymous-auth"] == "true"
    assert found["kubelet"]["config"] == ["/k.yaml"]
    assert [entry["path"] for entry in found["files"]] == ["/k.yaml"]


def test_drop_ins_of_the_kubelets_configuration_count(folder: Folder) -> None:
    process(folder, 7, "/usr/bin/kubelet", "--config=/k.yaml", "--config-dir=/k.d", groups="0::/kubelet.service")
    folder.put("/k.yaml", "")
    folder.put("/k.d/10-port.conf", "readOnlyPort: 10255\n", 0o666)
    found = security.gather(folder)
    assert found["kubelet"]["config"] == ["/k.yaml", "/k.d/10-port.conf"]
    assert found["files"][0]["mode"] == 0o666


def test_a_file_that_a_program_names_and_that_is_gone_is_told(folder: Folder) -> None:
    process(folder, 7, "kubelet", "--config=/gone.yaml")
    assert security.gather(folder)["files"] == [{"path": "/gone.yaml", "trouble": "No such file or directory"}]


def test_the_clusters_program_counts_and_not_one_that_somebody_started(folder: Folder) -> None:
    process(folder, 5, "kube-apiserver", "--profiling=true", groups="0::/user.slice")
    process(folder, 6, "kube-apiserver", "--profiling=false")
    process(folder, 9, "kube-apiserver", "--profiling=true", groups="0::/user.slice")
    assert security.programs(folder)["kube-apiserver"] == {"pid": 6, "flags": {"profiling": "false"}, "ours": True}


def test_etcds_environment_counts_below_its_flags(folder: Folder) -> None:
    environment = "ETCD_AUTO_TLS=true\0ETCD_DATA_DIR=/elsewhere\0ETCD_INITIAL_CLUSTER_TOKEN=x\0HOME=/root\0"
    process(folder, 6, "etcd", "--data-dir=/var/lib/etcd", environment=environment)
    flags = security.programs(folder)["etcd"]["flags"]
    assert flags == {"auto-tls": "true", "data-dir": "/var/lib/etcd", "initial-cluster-token": "(not shown)"}


DOCUMENT = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "EncryptionConfiguration",
    "resources": [
        {"resources": ["configmaps"], "providers": [{"secretbox": {"keys": [{"name": "k", "secret": KEY}]}}]},
        {
            "resources": ["secrets"],
            "providers": [{"identity": {}}, {"aescbc": {"keys": [{"name": "k", "secret": KEY}]}}],
        },
    ],
}
YAML = f"""apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - configmaps
    providers:
      - secretbox:
          keys:
            - name: k
              secret: {KEY}
  - resources: [secrets]
    providers:
      - identity: {{}}  # for now
      - aescbc:
          keys:
            - name: k
              secret: {KEY}
"""
RULES = [
    {"resources": ["configmaps"], "providers": ["secretbox"]},
    {"resources": ["secrets"], "providers": ["identity", "aescbc"]},
]


@pytest.mark.parametrize("text", [json.dumps(DOCUMENT, indent=2), json.dumps(DOCUMENT), YAML])
def test_encryption_is_read_by_resource_in_json_and_yaml_without_its_keys(folder: Folder, text: str) -> None:
    process(folder, 6, "kube-apiserver", f"--encryption-provider-config={ENCRYPTION}")
    inside(folder, 6, ENCRYPTION, text, 0o644)
    found = security.gather(folder)["encryption"]
    assert found["content"] == RULES
    assert (found["file"]["mode"], found["file"]["secret"]) == (0o644, True)
    assert KEY not in json.dumps(security.gather(folder))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "kind: EncryptionConfiguration\nresources: {a: b}\n",
        "kind: Other\nresources: []\n",
        YAML.replace("identity: {}", "*anchor"),
        YAML.replace("[secrets]", "[secrets, {a: b}]"),
        "\x00\xff",
    ],
)
def test_encryption_that_cannot_be_read_is_no_empty_one(folder: Folder, text: str) -> None:
    process(folder, 6, "kube-apiserver", f"--encryption-provider-config={ENCRYPTION}")
    inside(folder, 6, ENCRYPTION, text)
    found = security.gather(folder)["encryption"]
    assert "content" not in found
    assert found["trouble"]
    assert KEY not in json.dumps(found)


def test_the_encryption_file_that_is_missing_is_told(folder: Folder) -> None:
    process(folder, 6, "kube-apiserver", f"--encryption-provider-config={ENCRYPTION}")
    found = security.gather(folder)["encryption"]
    assert found["trouble"] == found["file"]["trouble"] == "No such file or directory"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("-----BEGIN PRIVATE KEY-----\n", True),
        ('{"kind": "EncryptionConfiguration"}', True),
        ('{\n  "apiVersion": "x",\n  "kind":"EncryptionConfiguration"\n}', True),
        ("kind: EncryptionConfiguration\n", True),
        ("users:\n- user:\n    client-key-data: AAAA\n", True),
        ('{"users":[{"user":{"client-key-data":"AAAA"}}]}', True),
        ("users:\n- user:\n    token: abc\n", True),
        ("users:\n- user:\n    tokenFile: /var/run/token\n", False),
        ("-----BEGIN CERTIFICATE-----\n", False),
        ("kind: KubeletConfiguration\n", False),
    ],
)
def test_files_with_a_secret_are_known(folder: Folder, text: str, secret: bool) -> None:
    folder.put("/etc/kubernetes/a/b/c", text, 0o644)
    entry = next(entry for entry in security.files(folder) if entry["path"] == "/etc/kubernetes/a/b/c")
    assert entry["secret"] is secret


def test_a_folder_with_too_many_files_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MOST_FILES", 3)
    for number in range(5):
        folder.put(f"/etc/kubernetes/{number}", "")
    assert {"path": "/etc/kubernetes", "trouble": "it has more than 3 files"} in security.files(folder)


def test_the_kubelets_unit_is_the_one_that_systemd_uses(folder: Folder) -> None:
    folder.programs["systemctl show"] = (
        "FragmentPath=/etc/systemd/system/kubelet.service\nDropInPaths=/a.conf /b.conf\n"
    )
    assert security.kubelet_units(folder) == ["/etc/systemd/system/kubelet.service", "/a.conf", "/b.conf"]


def test_kube_proxy_is_read_as_it_was_set_up(folder: Folder) -> None:
    process(folder, 6, "/usr/local/bin/kube-proxy", "--config=/c.conf", "--hostname-override=n")
    assert security.gather(folder)["kube_proxy"] == {"trouble": "/c.conf: No such file or directory"}
    inside(folder, 6, "/c.conf", 'kind: X\nclientConnection:\n  kubeconfig: /k.conf\nmetricsBindAddress: ""\n')
    inside(folder, 6, "/k.conf", "users:\n- user:\n    tokenFile: /t\n", 0o644)
    found = security.gather(folder)["kube_proxy"]
    assert found["metrics"] == "127.0.0.1:10249"
    assert (found["kubeconfig"]["path"], found["kubeconfig"]["mode"]) == ("/k.conf", 0o644)
    inside(folder, 6, "/c.conf", "metricsBindAddress: 0.0.0.0:10249\n")
    assert security.gather(folder)["kube_proxy"]["metrics"] == "0.0.0.0:10249"


POLICY = {"rules": [{"level": "None", "verbs": ["get"]}, {"level": "Metadata", "resources": [{"resources": ["pods"]}]}]}


def test_an_audit_policy_is_read(folder: Folder) -> None:
    process(folder, 6, "kube-apiserver", "--audit-policy-file=/p.json")
    inside(folder, 6, "/p.json", json.dumps(POLICY))
    first, second = security.gather(folder)["audit_policy"]["content"]
    assert (first["level"], first["verbs"], first["resources"]) == ("None", ["get"], [])
    assert second["resources"] == [{"group": "", "resources": ["pods"]}]


def test_pod_securitys_default_is_read(folder: Folder) -> None:
    process(folder, 6, "kube-apiserver", "--admission-control-config-file=/a.yaml")
    inside(
        folder,
        6,
        "/a.yaml",
        "plugins:\n- name: PodSecurity\n  configuration:\n    defaults:\n      enforce: baseline\n"
        "    exemptions:\n      namespaces: [kube-system]\n",
    )
    content = security.gather(folder)["admission"]["content"]
    assert content == {"enforce": "baseline", "namespaces": ["kube-system"], "usernames": []}
    inside(folder, 6, "/a.yaml", "plugins:\n- name: PodSecurity\n  path: /other.yaml\n")
    assert "another file" in security.gather(folder)["admission"]["trouble"]


def test_a_policy_engine_is_one_that_enforces(folder: Folder) -> None:
    process(folder, 6, "/usr/local/bin/kube-router", "--run-router=false", "--run-firewall=true")
    assert security.policy_engines(folder) == ["kube-router"]
    process(folder, 6, "/usr/local/bin/kube-router", "--run-firewall=false")
    assert security.policy_engines(folder) == []
