"""Values that would be read as something else, and variables that are none, are refused by name."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.bramble.kube.plugins.filter.inventory_errors import filter_inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import (
    role_defaults,
    role_options,
    value_problem,
)
from ansible_collections.bramble.kube.plugins.module_utils.preflight.unknown import meant

GROUPS = {"all": ["k8s-master"], "bramble": ["k8s-master"], "master": ["k8s-master"], "node": [], "ungrouped": []}


def errors(**variables) -> list[str]:
    return filter_inventory_errors(GROUPS, {"k8s-master": {"ansible_host": "192.168.13.7", **variables}})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("docker_registry_mirrors", {"../../etc": ["http://192.168.13.2:5000"]}, "a name such as docker.io"),
        ("docker_registry_mirrors", {"docker.io": ["http://a/../b"]}, "use an address such as"),
        ("docker_registry_mirrors", {"docker.io": ['http://a"]\n[x]']}, "use an address such as"),
        ("docker_registry_mirrors", {"docker.io": "ftp://a"}, "use an address such as"),
        ("docker_registry_mirrors", {"docker.io": [None]}, "use an address such as"),
        ("docker_apt_repository", "https://a.example/\ndeb http://b.example", "a line break or another control"),
        ("kubeadm_apt_repository", "https://a.example/ main", "use an address such as"),
        ("kubeflow_model_server_model", "di'gits", "letters, digits and, inside, . _ -"),
        ("kubeflow_model_server_model", "..", "letters, digits and, inside, . _ -"),
        ("kubeflow_ingress_class", "Traefik", "small letters, digits, hyphens and dots"),
        ("kubeflow_smoke_namespace", "a/../b", "small letters"),
        # What Kubernetes takes and the hub ends with: "1Gi is not a valid memory specification"
        ("kubeflow_jupyterhub_notebook_memory", "128Mi", "a number with K, M, G or T, as JupyterHub reads it"),
        ("kubeflow_jupyterhub_notebook_memory_limit", "1Gi", "a number with K, M, G or T, as JupyterHub reads it"),
        ("kubeflow_jupyterhub_notebook_memory_limit", "1073741824", "a number with K, M, G or T"),
        ("base_kernel_modules", ["-r"], "a kernel module, such as br_netfilter"),
        ("docker_pod_cidr", "10.244.0.0/16; reboot", "a network, such as 10.244.0.0/16"),
        ("kubeadm_ignore_preflight_errors", ["--config=/x"], "the name of a check"),
        ("master_api_server_names", ["a b"], "a name or an address"),
        ("node_token_ttl", "30m --print", "a duration such as 30m"),
        ("base_wifi_password", 12345670123, "was read as a number"),
        ("base_wifi_ssid", 83, "was read as a number"),
        ("base_wifi_country", False, "was read as true or false, as YAML reads yes, no, on and off"),
        ("base_locale", 1.10, "was read as a number"),
        # The hub's administrator would be called False, or 83
        ("kubeflow_jupyterhub_users", ["ada", False], "kubeflow_jupyterhub_users: entry 2 was read as true or false"),
        (
            "kubeflow_jupyterhub_users",
            [83],
            "entry 1 was read as a number, as YAML reads digits, and without its leading",
        ),
        ("base_ntp_servers", [1.10], "base_ntp_servers: entry 1 was read as a number"),
        ("kubeadm_node_labels", {"zone": 8}, "kubeadm_node_labels: zone was read as a number"),
        ("kubeadm_node_labels", {"a": "x", "ssd": True}, "kubeadm_node_labels: ssd was read as true or false"),
        ("node_token_ttl", datetime.date(2024, 1, 1), "was read as a date"),
    ],
)
def test_a_value_that_would_be_read_as_something_else_is_refused_by_name(name, value, words):
    found = [error for error in errors(**{name: value}) if name in error]
    assert len(found) == 1 and words in found[0]
    assert "\n" not in found[0] and "\x1b" not in found[0] and len(found[0]) <= 600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kubeflow_model_server_model", "sklearn_Iris-v1.2"),  # a part of a path, and no name of an object
        ("kubeflow_ingress_class", "traefik.v3"),  # an object's name: a DNS subdomain
        ("kubeflow_ingress_class", ""),
        ("kubeflow_jupyterhub_users", ["no", "0123"]),
        ("kubeadm_node_labels", {"ssd": "true", "empty": ""}),
        ("kubeflow_jupyterhub_notebook_memory_limit", "1.5G"),
    ],
)
def test_a_value_that_is_right_is_taken(name, value):
    assert errors(**{name: value}) == []


@pytest.mark.parametrize("value", ["hunter2\nhunter2", ["hunter2"], {"hunter2": 1}])
def test_a_password_is_not_repeated_in_the_refusal(value):
    found = errors(base_wifi_password=value)
    assert found and "hunter2" not in "".join(found)


def test_the_roles_own_defaults_are_right():
    defaults, options = role_defaults(), role_options()
    assert [problem for name in defaults if (problem := value_problem(name, defaults[name], options[name]))] == []


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("kubeadm_verison", "kubeadm_version"),
        ("master_schedulabel", "master_schedulable"),
        ("base_wifi_passwort", "base_wifi_password"),
        ("kubflow_components", "kubeflow_components"),
        ("node_exporter_version", None),
        ("docker_users", None),
        ("base_url", None),
        ("my_own_variable", None),
        ("vault_base_wifi_password", None),  # as Ansible's documentation advises to name what is encrypted
        ("old_kubeadm_version", None),
        ("kubeadm_node_labels_default", None),
    ],
)
def test_a_variable_that_looks_like_one_of_ours(name, right):
    assert meant(name) == right
    said = f"unknown variable {name}: did you mean {right}."
    assert [said in error for error in errors(**{name: "x"})] == ([True] if right else [])


def test_a_component_that_the_catalogue_does_not_have():
    assert errors(kubeflow_components=["jupiterhub"]) == [
        "kubeflow_components names jupiterhub, which the catalogue does not have; did you mean jupyterhub."
    ]
    extra = [{"name": "own", "version": "1"}]
    assert errors(kubeflow_components=["own", {"name": "trainer"}], kubeflow_catalogue_extra=extra) == []


def test_a_name_that_is_suggested_is_shown_without_what_acts_on_the_screen():
    own = [{"name": "my-\x1b[2Jparts"}]
    found = errors(kubeflow_catalogue_extra=own, kubeflow_components=["my-\x1b[2Jpart"])
    assert any("kubeflow_components" in sentence for sentence in found)
    assert not any("\x1b" in sentence for sentence in found)


def test_models_about_which_nobody_could_decide_are_refused_before_any_pi_is_asked():
    ada = {"name": "ada", "groups": ["trainer", "reviewer"]}
    assert errors(loop_models=[{"name": "digits", "alone": True}], people=[ada]) == []
    assert errors(loop_models=[{"name": "digits"}], people=[ada]) == [
        "loop_models: digits: ada alone may decide, and is a trainer, too, so nobody could decide about a release that "
        "ada asks for; add a reviewer, or set alone: true."
    ]
    assert errors(people=[ada, ada]) == ["people: ada is there twice; put all groups into one entry."]
    # What is of another type is said once.
    assert len(errors(loop_models="digits")) == len(errors(people=[{"name": "ada", "groups": ["boss"]}])) == 1
