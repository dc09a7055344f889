"""Kubeconfigs as kubeadm, kubectl and people write them."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import (
    Cluster,
    KubeconfigError,
    load_plain_yaml,
    parse_kubeconfig,
)

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DATA = base64.b64encode(PEM.encode()).decode()
# cmd/kubeadm/app/util/kubeconfig, written by client-go's clientcmd
ADMIN_CONF = f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {DATA}
    server: https://192.168.13.7:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: QUJD
    client-key-data: QUJD
"""
DOCUMENT = yaml.safe_load(ADMIN_CONF)
WANTED = Cluster(server="https://192.168.13.7:6443", ca_pem=PEM, ca_file="")


@pytest.mark.parametrize(
    "text",
    [
        ADMIN_CONF,
        json.dumps(DOCUMENT),
        json.dumps(DOCUMENT, indent=4),
        "---\n# mine\n"
        + ADMIN_CONF.replace("https://192.168.13.7:6443", '"https://192.168.13.7:6443"').replace("\n", "\r\n"),
        yaml.safe_dump(DOCUMENT, sort_keys=False, indent=4, width=10**6),
        yaml.safe_dump(DOCUMENT, width=10**6, default_style="'"),
    ],
    ids=["kubeadm", "JSON", "indented JSON", "by hand", "deep", "quoted"],
)
def test_cluster_of_the_current_context(text):
    assert parse_kubeconfig(text) == WANTED
    assert parse_kubeconfig(text).endpoint == "192.168.13.7:6443"


def test_the_current_context_decides_between_clusters():
    document = json.loads(json.dumps(DOCUMENT))
    document["clusters"].insert(
        0, {"name": "other", "cluster": {"server": "https://other:6443", "certificate-authority": "/ca"}}
    )
    document["contexts"].insert(0, {"name": "other", "context": {"cluster": "other", "user": "x"}})
    text = yaml.safe_dump(document, width=10**6)
    assert parse_kubeconfig(text) == WANTED
    other = parse_kubeconfig(text.replace("current-context: kubernetes-admin@kubernetes", "current-context: other"))
    assert (other.ca_file, other.ca_pem) == ("/ca", "")


def test_cluster_info_has_no_context():
    text = (
        f"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {DATA}\n    server: https://k8s\n"
        '  name: ""\ncontexts: null\ncurrent-context: ""\nkind: Config\nusers: null\n'
    )
    assert parse_kubeconfig(text).endpoint == "k8s:443"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("{", "like JSON"),
        ("- a", "not a kubeconfig"),
        ("just words", "not plain YAML"),
        (
            ADMIN_CONF.replace("current-context: kubernetes-admin@kubernetes", "current-context: gone"),
            "no context named 'gone'",
        ),
        (ADMIN_CONF.replace("  name: kubernetes\n", "  name: other\n"), "no cluster named 'kubernetes'"),
        (ADMIN_CONF.replace("https://192", "http://192"), "no https:// server"),
        (ADMIN_CONF.replace(DATA, "%%%"), "not base64"),
        (ADMIN_CONF.replace(f"    certificate-authority-data: {DATA}\n", ""), "no certificate authority"),
        ("apiVersion: v1\nclusters: []\nkind: Config\n", "no current-context"),
    ],
)
def test_each_damage_has_its_sentence(text, sentence):
    with pytest.raises(KubeconfigError, match=sentence):
        parse_kubeconfig(text)


scalars = st.from_regex(r"[A-Za-z][A-Za-z0-9/+=_-]{0,20}", fullmatch=True).filter(
    lambda text: text.lower() not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(scalars, inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(scalars, documents, min_size=1, max_size=4))
def test_block_yaml_is_read_as_the_yaml_library_reads_it(document):
    nested = yaml.safe_dump(document, default_flow_style=False, width=10**6)
    if "- - " not in nested:  # lists in lists are in no kubeconfig
        assert load_plain_yaml(nested) == document


@given(st.text())
def test_any_text_gives_a_cluster_or_one_sentence(text):
    try:
        parse_kubeconfig(text)
    except KubeconfigError as error:
        assert str(error)
