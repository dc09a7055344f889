# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Checks of an audit that look at the Pis: files, flags of programs, kubelets, ports; each is or makes a check."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.wording import short_reason
from ansible_collections.bramble.kube.plugins.module_utils.status import certificates
from ansible_collections.bramble.kube.plugins.module_utils.status.audit import Seen
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Pi, Scene

LOOPBACK = ("127.0.0.1", "::1", "localhost")
Check = Callable[[Scene, Seen], None]
Rule = Callable[[Any], bool]
#: What is tolerated of a file: a mode, or an owner.
NOTHING = "nothing"


# Which Pis -----------------------------------------------------------------------------------------------------------


def pis(scene: Scene, seen: Seen, masters: bool = False) -> Iterator[Pi]:
    """The Pis that were read, all or those of the control plane; those that were not are noted as unread."""
    for pi in scene.pis:
        if masters and pi.role != "master":
            continue
        if pi.audit:
            yield pi
        else:
            seen.unread.append(f"{pi.name}: it could not be read ({short_reason(pi.trouble)})")
    known = {pi.node_name for pi in scene.pis}
    for node in scene.cluster.get("nodes") or ():
        if node["name"] not in known and (not masters or "control-plane" in node.get("roles", ())):
            seen.unread.append(f"{node['name']}: it is a node, but not one of the Pis that were checked")


# Files ---------------------------------------------------------------------------------------------------------------


def _entry(seen: Seen, pi: Pi, entry: Mapping[str, Any], mode: int | None, owner: str | None, tolerated: Any) -> None:
    if "trouble" in entry:
        seen.unread.append(f"{pi.name}: {entry['path']} could not be read ({entry['trouble']})")
        return
    if mode is not None:
        fine = isinstance(tolerated, int) and not entry["mode"] & ~tolerated
        seen.judge(pi.name, not entry["mode"] & ~mode, f"{entry['path']} has mode {entry['mode']:04o}", fine)
    if owner is not None:
        seen.judge(
            pi.name,
            entry["owner"] == owner,
            f"{entry['path']} belongs to {entry['owner']}",
            entry["owner"] == tolerated,
        )


def files(
    patterns: str | Callable[[Scene, Pi], Iterable[str]],
    mode: int | None = None,
    owner: str | None = None,
    *,
    on: str = "master",
    tolerated: Any = NOTHING,
) -> Check:
    """Files that match have at most this mode, or belong to this owner, on whatever Pi they lie.

    :param patterns: a glob pattern (``*`` crosses folders), or what gives patterns for a Pi.
    :param on: where such a file has to be, or the check is void: "master" or "all"; "none" where it may be missing.
    :param tolerated: a mode or an owner that the item's reason explains.
    """

    def check(scene: Scene, seen: Seen) -> None:
        for pi in pis(scene, seen):
            wanted = [patterns] if isinstance(patterns, str) else list(patterns(scene, pi))
            found = [entry for entry in pi.audit["files"] if any(fnmatch.fnmatch(entry["path"], p) for p in wanted)]
            for entry in found:
                _entry(seen, pi, entry, mode, owner, tolerated)
            if not found and on != "none" and (on == "all" or pi.role == "master"):
                seen.unread.append(f"{pi.name}: {' and '.join(wanted) or 'the file'} is not there")
            elif not found:
                seen.read.append(pi.name)

    return check


def units(_scene: Scene, pi: Pi) -> list[str]:
    """The kubelet's unit files."""
    return pi.audit["kubelet"]["units"]


def kubelet_configuration(_scene: Scene, pi: Pi) -> list[str]:
    """The kubelet's configuration and its drop-ins."""
    return pi.audit["kubelet"]["config"]


def kubelet_kubeconfig(_scene: Scene, pi: Pi) -> list[str]:
    """The file by which the kubelet knows the API server."""
    return pi.audit["kubelet"]["kubeconfig"]


def kubelet_ca(scene: Scene, pi: Pi) -> list[str]:
    """The CA by which the kubelet knows its clients, as it tells by itself."""
    path = _at(kubelet_answers(scene).get(pi.node_name), "config.authentication.x509.clientCAFile")
    return [path] if path else []


def etcd_folder(_scene: Scene, pi: Pi) -> list[str]:
    """Where etcd keeps its data."""
    return [pi.audit["etcd_folder"]] if pi.audit["etcd_folder"] else []


def secret_files(scene: Scene, seen: Seen) -> None:
    """Files with a key or a token that others than their owner may read, the encryption key's among them."""
    for pi in pis(scene, seen):
        entries = [*pi.audit["files"], *([pi.audit["encryption"]["file"]] if pi.audit["encryption"] else [])]
        for entry in entries:
            if "trouble" in entry or entry["secret"]:
                _entry(seen, pi, entry, 0o700, None, NOTHING)
        seen.read.append(pi.name)


def proxy_kubeconfig(mode: int | None, owner: str | None) -> Check:
    """kube-proxy's kubeconfig, inside its Pod."""

    def check(scene: Scene, seen: Seen) -> None:
        for pi in pis(scene, seen):
            proxy = pi.audit["kube_proxy"]
            if "trouble" in proxy:
                seen.unread.append(f"{pi.name}: {proxy['trouble']}")
            elif "kubeconfig" in proxy:
                _entry(seen, pi, proxy["kubeconfig"], mode, owner, 0o644)
            else:
                seen.read.append(pi.name)

    return check


# Flags ---------------------------------------------------------------------------------------------------------------


def flag(component: str, name: str, right: Rule, tolerated: Rule | None = None, *, instead: str = "") -> Check:
    """A flag of a running program of the control plane has a value that is right (None: it is not given).

    :param tolerated: values that the item's reason explains.
    :param instead: a flag that names a file with this setting, which is not read.
    """

    def check(scene: Scene, seen: Seen) -> None:
        for pi in pis(scene, seen, masters=True):
            program = pi.audit["programs"].get(component)
            elsewhere = "config-file" if component == "etcd" else instead
            if program is None:
                seen.unread.append(f"{pi.name}: {component} does not run")
            elif elsewhere and program["flags"].get(elsewhere):
                seen.unread.append(
                    f"{pi.name}: {component} has it in {program['flags'][elsewhere]}, which is not checked"
                )
            else:
                value = program["flags"].get(name)
                what = f"{component} has --{name} {f'{value!r}' if value is not None else 'not set'}"
                seen.judge(pi.name, right(value), what, bool(tolerated and tolerated(value)))

    return check


def each(*checks: Check) -> Check:
    """All of these."""

    def check(scene: Scene, seen: Seen) -> None:
        for one in checks:
            one(scene, seen)

    return check


def on(value: Any) -> bool:
    """True, or a text that Go reads as such (strconv.ParseBool)."""
    return str(value).lower() in ("true", "t", "1")


def off(value: Any) -> bool:
    """False, or a text that Go reads as such."""
    return str(value).lower() in ("false", "f", "0")


def not_on(value: Any) -> bool:
    """Off, or not set."""
    return value is None or off(value)


def not_off(value: Any) -> bool:
    """On, or not set."""
    return value is None or on(value)


def given(value: Any) -> bool:
    """Set, to whatever it is."""
    return value not in (None, "", [])


def unset(value: Any) -> bool:
    """Not set."""
    return not given(value)


def has(word: str) -> Rule:
    """A list with this word."""
    return lambda found: word in (found or "").split(",")


def lacks(word: str) -> Rule:
    """A list without this word."""
    return lambda found: word not in (found or "").split(",")


def at_least(number: int) -> Rule:
    """This number or a greater one."""
    return lambda found: str(found).isdigit() and int(found) >= number


def gate_not_off(name: str) -> Rule:
    """A feature gate that is on by itself is not switched off; a flag's text or a kubelet's mapping."""

    def right(found: Any) -> bool:
        if isinstance(found, Mapping):
            return not_off(found.get(name))
        pairs = dict(pair.partition("=")[::2] for pair in (found or "").replace(" ", "").split(",") if pair)
        return not_off(pairs.get(name))

    return right


def seconds(text: Any) -> float | None:
    """A duration as Go writes it ("1m0s", "0s"), in seconds; None for no duration."""
    parts = re.findall(r"([0-9.]+)(h|ms|m|s)", str(text))
    if not parts or "".join(number + unit for number, unit in parts) != str(text):
        return 0.0 if str(text) == "0" else None
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit] for number, unit in parts)


#: The suites of TLS that CIS 1.12 allows (1.2.29, 4.2.12), by their names in Go.
STRONG_CIPHERS = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    *(
        f"TLS_ECDHE_{key}_WITH_{cipher}"
        for key in ("ECDSA", "RSA")
        for cipher in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305", "CHACHA20_POLY1305_SHA256")
    ),
}


def strong_ciphers(value: Any) -> bool:
    """A list of strong suites, and of nothing else."""
    words = value.split(",") if isinstance(value, str) else value or []
    return bool(words) and set(words) <= STRONG_CIPHERS


# What the API server was given ---------------------------------------------------------------------------------------


def _content(scene: Scene, seen: Seen, name: str, missing: str, explained: bool) -> Iterator[tuple[Pi, Any]]:
    """A file that the API server of each master was given; those without it, or with an unreadable one, are noted."""
    for pi in pis(scene, seen, masters=True):
        given_file = pi.audit[name]
        if "kube-apiserver" not in pi.audit["programs"]:
            seen.unread.append(f"{pi.name}: kube-apiserver does not run")
        elif not given_file:
            seen.judge(pi.name, False, missing, explained)
        elif "trouble" in given_file:
            seen.unread.append(f"{pi.name}: {given_file['path']} could not be read ({given_file['trouble']})")
        else:
            yield pi, given_file["content"]


def provider_of_secrets(rules: Iterable[Mapping[str, list[str]]]) -> str:
    """The provider that encrypts new Secrets, looked up as the API server does; empty for none.

    An entry for the resource itself counts before one for its group (``*.``), and that before one for all (``*.*``);
    of several entries the first provider of the first
    (k8s.io/apiserver/pkg/server/options/encryptionconfig, transformerFromOverrides).
    """
    rules = list(rules)
    for names in ({"secrets", "secrets."}, {"*."}, {"*.*"}):
        providers = [name for rule in rules if names & set(rule["resources"]) for name in rule["providers"]]
        if providers:
            return providers[0]
    return ""


def encryption(scene: Scene, seen: Seen) -> None:
    """Secrets are encrypted by a provider that the benchmark trusts."""
    missing = "Secrets are in etcd as plain text (master_encrypt_secrets is off)"
    for pi, rules in _content(scene, seen, "encryption", missing, explained=False):
        provider = provider_of_secrets(rules)
        what = {
            "": "no entry of the encryption configuration is for Secrets, so they are in etcd as plain text",
            "identity": "the first provider for Secrets is identity, which does not encrypt",
        }.get(provider, f"the first provider for Secrets is {provider}, which the benchmark does not name")
        seen.judge(pi.name, provider in ("aescbc", "kms", "secretbox"), what)


#: Requests that an audit log should have, as the benchmark's 3.2.2 names them: verb, group, resource.
AUDITED = (
    *(("create", "", name) for name in ("secrets", "configmaps", "pods")),
    ("create", "authentication.k8s.io", "tokenreviews"),
    *(("update", "apps", name) for name in ("deployments",)),
    # kubectl opens these by a GET since 1.31 (websockets), and by a POST before.
    *((verb, "", f"pods/{name}") for verb in ("get", "create") for name in ("exec", "portforward", "proxy")),
    *((verb, "", "services/proxy") for verb in ("get", "create")),
)
#: Requests of which the content is a secret.
SECRET_REQUESTS = (("create", "", "secrets"), ("create", "authentication.k8s.io", "tokenreviews"))


def _in_rule(rule: Mapping[str, Any], verb: str, group: str, resource: str) -> bool:
    """Whether an audit rule is for such a request of anybody (k8s.io/apiserver/pkg/audit/policy/checker.go)."""
    if rule["users"] or rule["userGroups"] or rule["namespaces"] or (rule["verbs"] and verb not in rule["verbs"]):
        return False
    if not rule["resources"]:
        return not rule["nonResourceURLs"]
    main, _slash, sub = resource.partition("/")
    names = {"*", resource, *((f"{main}/*", f"*/{sub}") if sub else ())}
    return any(
        entry["group"] == group and (not entry["resources"] or names & set(entry["resources"]))
        for entry in rule["resources"]
    )


def audit_level(rules: Iterable[Mapping[str, Any]], verb: str, group: str, resource: str) -> str:
    """The level at which a request is logged: that of the first rule that is for it, "None" without one."""
    return next((rule["level"] for rule in rules if _in_rule(rule, verb, group, resource)), "None")


def audit_policy(scene: Scene, seen: Seen) -> None:
    """The audit log has what matters, and no secrets."""
    for pi, rules in _content(scene, seen, "audit_policy", "there is no audit policy", explained=True):
        seen.read.append(pi.name)
        for verb, group, resource in AUDITED:
            level = audit_level(rules, verb, group, resource)
            seen.judge(pi.name, level != "None", f"'{verb}' of {resource} is not logged")
        for verb, group, resource in SECRET_REQUESTS:
            level = audit_level(rules, verb, group, resource)
            seen.judge(pi.name, level not in ("Request", "RequestResponse"), f"the content of {resource} is logged")


def etcd_ca(scene: Scene, seen: Seen) -> None:
    """etcd trusts a CA of its own, which is not the cluster's: compared by their keys."""
    for pi in pis(scene, seen, masters=True):
        program = pi.audit["programs"].get("etcd")
        keys = {entry.file: certificates.key_of(entry.raw) for entry in scene.certificates(pi)}
        path = program["flags"].get("trusted-ca-file") if program else None
        if program is None or "/etc/kubernetes/pki/ca.crt" not in keys:
            seen.unread.append(f"{pi.name}: {'the CA could not be read' if program else 'etcd does not run'}")
        elif path and path not in keys:
            seen.unread.append(f"{pi.name}: {path} could not be read")
        else:
            right = bool(path) and keys[path] != keys["/etc/kubernetes/pki/ca.crt"]
            seen.judge(pi.name, right, f"etcd has --trusted-ca-file {path or 'not set'}, no CA of its own")


# Kubelets ------------------------------------------------------------------------------------------------------------


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def kubelet(path: str, right: Rule, tolerated: Rule | None = None, *, named: str = "") -> Check:
    """A setting by which every node's kubelet runs now (/configz) is right; None: it is not set.

    :param named: the flag for it, which is looked at where the kubelet does not tell.
    """

    def check(scene: Scene, seen: Seen) -> None:
        told = kubelet_answers(scene)
        place_of = {pi.node_name: pi for pi in scene.pis}
        names = [*place_of, *(name for name in told if name not in place_of)]
        for name in names:
            pi = place_of.get(name)
            place = pi.name if pi else name
            answer = told.get(name) or {"trouble": no_answer(scene) or "it is not a node of the cluster"}
            if "config" in answer:
                value = _at(answer["config"], path)
                what = f"{path} is {value if given(value) else 'not set'}"
                seen.judge(place, right(value), what, bool(tolerated and tolerated(value)))
                continue
            seen.unread.append(f"{place}: its kubelet's running configuration could not be read ({answer['trouble']})")
            program = (pi.audit.get("programs") or {}).get("kubelet") if pi else None
            value = program["flags"].get(named) if program and named else None
            if value is not None and not right(value) and not (tolerated and tolerated(value)):
                seen.faults.append(f"{place}: its kubelet has --{named}={value}")

    return check


def kubelet_answers(scene: Scene) -> Mapping[str, Any]:
    """What the kubelets told about themselves, by node."""
    return (scene.cluster.get("audit") or {}).get("kubelets") or {}


def no_answer(scene: Scene) -> str:
    """Why the API server told nothing; empty if it did."""
    if scene.answered:
        return ""
    return f"the API server does not answer: {scene.cluster.get('said') or 'no reason was given'}"


def hostname_override(scene: Scene, seen: Seen) -> None:
    """No kubelet takes another name for its node; this is a flag alone, so the command line tells."""
    for pi in pis(scene, seen):
        program = pi.audit["programs"].get("kubelet")
        if program is None:
            seen.unread.append(f"{pi.name}: its kubelet does not run")
            continue
        name = program["flags"].get("hostname-override")
        seen.judge(pi.name, name is None, f"its kubelet has --hostname-override={name}", name == pi.node_name)


# Ports ---------------------------------------------------------------------------------------------------------------


def ports(name: str, default: str, own: bool) -> Check:
    """etcd listens for this at no other addresses than the loopback's and, if ``own``, the Pi's.

    :param name: etcd's flag with the addresses.
    """

    def check(scene: Scene, seen: Seen) -> None:
        for pi in pis(scene, seen, masters=True):
            program = pi.audit["programs"].get("etcd")
            if program is None or pi.audit["listening"] is None:
                seen.unread.append(f"{pi.name}: {'its ports could not be read' if program else 'etcd does not run'}")
                continue
            wanted = {int(port) for port in re.findall(r":(\d+)", program["flags"].get(name, default))}
            node = scene.node(pi) or {}
            allowed = {*LOOPBACK, *((*node.get("addresses", ()), pi.fact("address"), pi.address) if own else ())}
            found = [entry for entry in pi.audit["listening"] if entry["port"] in wanted]
            for entry in found:
                what = f"port {entry['port']} is open on {entry['address']}"
                seen.judge(pi.name, entry["address"] in allowed, what)
            if not found:
                seen.unread.append(f"{pi.name}: nothing listens on etcd's port {sorted(wanted)}")

    return check


def proxy_metrics(scene: Scene, seen: Seen) -> None:
    """kube-proxy shows its metrics on the loopback alone, on every Pi."""
    proxies = [w for w in scene.cluster.get("workloads") or () if (w["kind"], w["name"]) == ("DaemonSet", "kube-proxy")]
    for pi in pis(scene, seen):
        proxy = pi.audit["kube_proxy"]
        if not proxy and scene.answered and not proxies:
            seen.read.append(f"{pi.name} (there is no kube-proxy)")
        elif "metrics" not in proxy or pi.audit["listening"] is None:
            seen.unread.append(f"{pi.name}: {proxy.get('trouble') or 'kube-proxy does not run'}")
        else:
            host, _colon, port = proxy["metrics"].rpartition(":")
            seen.judge(pi.name, host.strip("[]") in LOOPBACK, f"kube-proxy's metrics are on {proxy['metrics']}")
            for entry in pi.audit["listening"]:
                if str(entry["port"]) == port:
                    what = f"port {port} is open on {entry['address']}"
                    seen.judge(pi.name, entry["address"] in LOOPBACK, what)


def policy_engine(scene: Scene, seen: Seen) -> None:
    """Something enforces NetworkPolicies on every Pi."""
    for pi in pis(scene, seen):
        seen.judge(pi.name, bool(pi.audit["policy_engines"]), "nothing enforces NetworkPolicies", explained=True)
