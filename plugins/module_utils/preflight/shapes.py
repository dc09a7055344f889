# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The form of values that end in files, addresses and commands: what would be read as something else is refused."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import shown

#: Of these not even a wrong value is repeated.
_SECRET = re.compile(r"password|passphrase|secret|token$")
#: Texts that people write in digits: YAML takes 0123 for an octal number, and drops the zeros of 00123.
_DIGITS = (
    *("base_hostname", "base_wifi_password", "base_wifi_ssid", "base_wifi_country"),
    *("kubeadm_node_name", "kubeadm_node_labels", "kubeflow_jupyterhub_users"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_URL = (r"https?://[A-Za-z0-9._~:\[\]@!$&()*+,;=%/?-]+|", "use an address such as https://pkgs.k8s.io")
_LABEL = (r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|", "use small letters, digits and hyphens")
_SUBDOMAIN = (
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|",
    "use small letters, digits, hyphens and dots",
)
_PATH_NAME = (r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|", "use letters, digits and, inside, . _ -")
_IMAGE = (r"[A-Za-z0-9][A-Za-z0-9._:/@-]*|", "use an image such as docker.io/library/busybox:1.37")
_AMOUNT = (r"[0-9]+(?:\.[0-9]+)?[A-Za-z]{0,2}|", "use an amount such as 512M")
#: Not Kubernetes' way: the hub refuses 1Gi, and its 1G is 2^30 bytes (ByteSpecification in jupyterhub/traitlets.py).
_HUB_MEMORY = (
    r"[0-9]+(?:\.[0-9]+)?[KMGT]",
    "use a number with K, M, G or T, as JupyterHub reads it, such as 512M",
)
_DURATION = (r"0|(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h))+|", "use a duration such as 30m")
_FORMS = {
    "base_debian_archive": _URL,
    "base_static_interface": (r"[A-Za-z0-9._-]{1,15}|", "use the name of a network interface, such as eth0"),
    "docker_apt_repository": _URL,
    "docker_apt_key_url": _URL,
    "kubeadm_apt_repository": _URL,
    "kubeadm_apt_key_url": _URL,
    "kubeflow_ingress_class": _SUBDOMAIN,
    "kubeflow_jupyterhub_notebook_image": _IMAGE,
    "kubeflow_jupyterhub_notebook_memory": _HUB_MEMORY,
    "kubeflow_jupyterhub_notebook_memory_limit": _HUB_MEMORY,
    "kubeflow_jupyterhub_notebook_storage": _AMOUNT,
    "kubeflow_model_server_model": _PATH_NAME,
    "kubeflow_smoke_image": _IMAGE,
    "kubeflow_smoke_namespace": _LABEL,
    "kubeflow_source": _URL,
    "master_flannel_cni_plugin_image": _IMAGE,
    "master_flannel_image": _IMAGE,
    "master_kubeconfig_server": _URL,
    "node_token_ttl": _DURATION,
}
_ENTRIES = {
    "base_kernel_modules": (
        r"[A-Za-z0-9_][A-Za-z0-9_-]*",
        "use the name of a kernel module, such as br_netfilter",
    ),
    "kubeadm_ignore_preflight_errors": (r"[A-Za-z0-9][A-Za-z0-9/._-]*", "use the name of a check, such as Mem"),
    "master_api_server_names": (r"[A-Za-z0-9*][A-Za-z0-9.:*-]*", "use a name or an address"),
}
_NETWORKS = ("docker_pod_cidr",)
_REGISTRY = r"_default|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"


def is_secret(name: str) -> bool:
    """Whether a variable's value is not to be repeated."""
    return bool(_SECRET.search(name))


def quoted(name: str, value: Any) -> str:
    """A value for a message: as it is written, or only that it is there."""
    return "of another kind" if is_secret(name) else foreign(shown(value), 100)


def slip(name: str, value: Any, option: Mapping[str, Any]) -> str | None:
    """What YAML made of a text without quotes; also of one in a list of texts, and of a label's value.

    :param option: the variable's entry in the role's argument specs.
    :returns: half a sentence, or None when the value is a text, or a number that is the same as text.
    """
    kind = option.get("type", "str")
    if kind in ("str", "path") and not option.get("choices"):
        return _slip(name, name, value)
    inner: Iterable[tuple[str, Any]] = ()
    if kind == "list" and option.get("elements") == "str" and isinstance(value, list):
        inner = ((f"{name}: entry {number}", entry) for number, entry in enumerate(value, 1))
    elif name == "kubeadm_node_labels" and isinstance(value, Mapping):
        inner = ((f"{name}: {foreign(key, 100)}", entry) for key, entry in value.items())
    return next((said for place, entry in inner if (said := _slip(name, place, entry))), None)


def _slip(name: str, place: str, value: Any) -> str | None:
    if isinstance(value, (str, Mapping, list)) or value is None:
        return None
    if isinstance(value, bool):
        made = "true or false, as YAML reads yes, no, on and off"
    elif isinstance(value, int):
        if name not in _DIGITS:
            return None
        made = "a number, as YAML reads digits, and without its leading zeros"
    elif isinstance(value, float):
        if name == "kubeadm_version":
            return None  # has a sentence of its own
        made = "a number, as YAML reads digits, and without its last zeros"
    else:
        made = "a date, as YAML reads it"
    return f"{place} was read as {made}; put it in quotes"


def form(name: str, value: Any) -> str | None:
    """Say what is wrong with the form of a value whose type is right; half a sentence, or None."""
    for text in _lines(value):
        if _CONTROL.search(text):
            what = "a value" if is_secret(name) else f"{foreign(shown(text), 100)}"
            return f"{name} has {what} with a line break or another control character; use one line of text"
    if name in _FORMS and isinstance(value, (str, int)):
        pattern, right = _FORMS[name]
        if not re.fullmatch(pattern, str(value)):
            return f"{name} is {quoted(name, value)}; {right}"
    if name in _ENTRIES and isinstance(value, list):
        pattern, right = _ENTRIES[name]
        for entry in value:
            if not re.fullmatch(pattern, str(entry)):
                return f"{name} has the entry {quoted(name, entry)}; {right}"
    if name in _NETWORKS and value:
        try:
            ipaddress.ip_network(str(value))
        except ValueError:
            return f"{name} is {quoted(name, value)}; use a network, such as 10.244.0.0/16"
    if name == "docker_registry_mirrors" and isinstance(value, Mapping):
        return next(_mirrors(value), None)
    return None


def _lines(value: Any) -> Iterator[str]:
    """The texts of a value that are of one line: those of mappings may be whole files."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, str))


def _mirrors(mirrors: Mapping[Any, Any]) -> Iterator[str]:
    """Names become folders of containerd, addresses lines of its files."""
    for registry, addresses in mirrors.items():
        if not re.fullmatch(_REGISTRY, str(registry)) or ".." in str(registry):
            said = f"docker_registry_mirrors has the registry {quoted('', str(registry))}"
            yield f"{said}; use a name such as docker.io"
        for address in addresses if isinstance(addresses, list) else [addresses]:
            if not isinstance(address, str) or not re.fullmatch(_URL[0][:-1], address) or "/.." in address:
                yield (
                    f"docker_registry_mirrors has {quoted('', address)} for {foreign(registry, 100)}; use an address "
                    "such as http://192.168.13.2:5000"
                )
