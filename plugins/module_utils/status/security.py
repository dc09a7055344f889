# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What on a Pi bears on its security: modes of files, how the programs really run, addresses that are listened on.

Programs are judged by their processes (/proc), since flags come from many places: manifests, unit files, drop-ins,
environment files. Files that a program was given are read as it sees them, through /proc/PID/root.
Keys never leave the Pi: of the encryption configuration only resources and names of providers are returned.
"""

from __future__ import annotations

import glob
import grp
import ipaddress
import os
import pwd
import re
import stat
from collections.abc import Iterable
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import POLICY_ENGINE
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import KubeconfigError, load_plain_yaml
from ansible_collections.bramble.kube.plugins.module_utils.status.gather_pi import CONTROL_PLANE, KUBERNETES

#: Folders of which every file counts, and how many are looked at in each.
TREES = (KUBERNETES, "/var/lib/bramble.kube")
MOST_FILES = 2000
#: Further files and folders whose mode and owner matter, as glob patterns.
FILES = (
    "/etc/cni/net.d/*",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/pki/*",
    "/home/*/.kube/*",
    "/root/.kube/*",
    "/home/*/*.conf",
    "/home/*/kubeconfig*",
    "/root/*.conf",
    "/root/kubeconfig*",
    "/tmp/*.conf",
    "/var/log/kubernetes/audit/*",
)
#: Programs whose command lines are read.
PROGRAMS = (*CONTROL_PLANE, "kubelet", "kube-proxy")
#: Programs that enforce NetworkPolicies on the node on which they run.
POLICY_ENGINES = (
    "antrea-agent",
    "calico-node",
    "cilium-agent",
    "kube-network-policies",
    POLICY_ENGINE.name,
    "weave-npc",
)
#: Flags that add up when they are given several times (pflag's StringSlice and MapStringBool).
_ADDED_UP = (
    "authorization-mode",
    "disable-admission-plugins",
    "enable-admission-plugins",
    "feature-gates",
    "tls-cipher-suites",
)
_SECRET = re.compile(
    rb"PRIVATE KEY-----|client-key-data|^[ \t-]*\"?(token|password)\"?[ \t]*:[ \t]*\"?[^\s\"]"
    rb"|kind\"?[ \t]*:[ \t]*\"?EncryptionConfig",
    re.MULTILINE,
)


# Files ---------------------------------------------------------------------------------------------------------------


def file_entry(system: System, path: str, place: str = "") -> dict[str, Any]:
    """Mode and owner of a file; a link is followed, and told as what it leads to.

    :param place: where the file lies on this machine, when that is not where it is known.
    :returns: ``path``, ``mode``, ``owner``, ``folder``, and ``secret`` (a key or a token is in it); with ``trouble``
        alone when it cannot be read.
    """
    real = system.path(place or path)
    try:
        status = os.stat(real)
        folder = stat.S_ISDIR(status.st_mode)
        secret = stat.S_ISREG(status.st_mode) and _holds_secret(real)
    except OSError as error:
        return {"path": path, "trouble": error.strerror or "it cannot be read"}
    owner = _name(status.st_uid, status.st_gid)
    return {"path": path, "mode": stat.S_IMODE(status.st_mode), "owner": owner, "folder": folder, "secret": secret}


def files(system: System, more: Iterable[str] = ()) -> list[dict[str, Any]]:
    """What is in TREES, what matches FILES, and ``more`` paths; a path in ``more`` that is not there is told."""
    paths, found = set(more), []
    for tree in TREES:
        count = 0
        for folder, _folders, names in os.walk(system.path(tree)):
            inside = [_shown(system, folder), *(_shown(system, os.path.join(folder, name)) for name in names)]
            count += len(inside)
            if count > MOST_FILES:
                found.append({"path": tree, "trouble": f"it has more than {MOST_FILES} files"})
                break
            paths.update(inside)
    for pattern in FILES:
        paths.update(_shown(system, path) for path in glob.glob(system.path(pattern)))
    return found + [file_entry(system, path) for path in sorted(paths)]


def _shown(system: System, path: str) -> str:
    return path if system.root == "/" else "/" + os.path.relpath(path, system.root)


def _name(user: int, group: int) -> str:
    """ "user:group", numbers where there are no names."""
    try:
        first = pwd.getpwuid(user).pw_name
    except KeyError:
        first = str(user)
    try:
        second = grp.getgrgid(group).gr_name
    except KeyError:
        second = str(group)
    return f"{first}:{second}"


def _holds_secret(path: str) -> bool:
    """Whether a private key, a token, a password or an encryption key is in the file, in YAML or JSON."""
    with open(path, "rb") as file:
        return bool(_SECRET.search(file.read(2**20)))


# Programs ------------------------------------------------------------------------------------------------------------


def settings(words: list[str]) -> dict[str, str]:
    """The flags of a command line as its program understands them: ``--name=value``, ``--name value``, ``--name``.

    Of a flag that is given twice the last counts, or all together where it is a list. Underscores are dashes
    (k8s.io/component-base/cli/flag). Values of flags that hold a secret are left out.
    """
    found: dict[str, str] = {}
    index = 0
    while index < len(words):
        name, equals, value = words[index].partition("=")
        index += 1
        if not name.startswith("-"):
            continue
        if not equals:
            value = "true"
            if index < len(words) and not words[index].startswith("-"):
                value, index = words[index], index + 1
        name = name.lstrip("-").replace("_", "-")
        if name.endswith(("password", "-token")):
            value = "(not shown)"
        found[name] = f"{found[name]},{value}" if name in _ADDED_UP and name in found else value
    return found


def _environment(text: str) -> dict[str, str]:
    """Settings of etcd in its environment; flags win over them (etcd's pkg/flags)."""
    found = {}
    for word in text.split("\0"):
        name, equals, value = word.partition("=")
        if equals and name.startswith("ETCD_"):
            name = name[len("ETCD_") :].lower().replace("_", "-")
            found[name] = "(not shown)" if name.endswith(("password", "-token")) else value
    return found


def programs(system: System) -> dict[str, dict[str, Any]]:
    """The cluster's programs that run here: ``pid`` and ``flags`` of each.

    Where there are several of a name, one of a Pod or of the kubelet's unit counts more than one that somebody started.
    """
    found: dict[str, dict[str, Any]] = {}
    for pid in sorted((name for name in system.names("/proc") if name.isdigit()), key=int):
        words = system.read(f"/proc/{pid}/cmdline").split("\0")
        name = os.path.basename(words[0])
        if name not in PROGRAMS:
            continue
        groups = system.read(f"/proc/{pid}/cgroup")
        ours = "kubepods" in groups or "kubelet.service" in groups
        if name in found and not (ours and not found[name]["ours"]):
            continue
        flags = settings(words[1:-1] if words[-1] == "" else words[1:])
        if name == "etcd":
            flags = {**_environment(system.read(f"/proc/{pid}/environ")), **flags}
        found[name] = {"pid": int(pid), "flags": flags, "ours": ours}
    return found


def policy_engines(system: System) -> list[str]:
    """Which of POLICY_ENGINES run here; a kube-router without its firewall is none."""
    found = set()
    for pid in system.names("/proc"):
        words = system.read(f"/proc/{pid}/cmdline").split("\0") if pid.isdigit() else [""]
        name = os.path.basename(words[0])
        if name in POLICY_ENGINES and settings(words[1:]).get("run-firewall") != "false":
            found.add(name)
    return sorted(found)


def kubelet_units(system: System) -> list[str]:
    """The kubelet's unit file and its drop-ins, as systemd uses them."""
    text = system.run(["systemctl", "show", "-p", "FragmentPath,DropInPaths", "kubelet.service"])
    return [path for line in text.splitlines() for path in line.partition("=")[2].split() if path.startswith("/")]


# What programs were given --------------------------------------------------------------------------------------------


class _Unread(Exception):
    """A file cannot be read; the message says why and holds nothing of it."""


def _document(system: System, pid: int, path: str) -> dict[str, Any]:
    """A file of YAML or JSON as the program with this pid sees it."""
    try:
        with open(system.path(f"/proc/{pid}/root{path}"), encoding="utf-8") as file:
            document = load_plain_yaml(file.read())
    except OSError as error:
        raise _Unread(error.strerror or "it cannot be read") from None
    except (KubeconfigError, UnicodeDecodeError, RecursionError):
        raise _Unread("it is not plain YAML or JSON") from None
    if not isinstance(document, dict):
        raise _Unread("it is not a mapping")
    return document


def _list(value: Any) -> list[Any]:
    """A list, also one written in one line ([a, b])."""
    if isinstance(value, list):
        return value
    if value in ("", None):
        return []
    if isinstance(value, str) and re.fullmatch(r"\[[^\[\]{}]*\]", value):
        return [word.strip(" \t\"'") for word in value[1:-1].split(",") if word.strip()]
    raise _Unread("it has a list that cannot be read")


def _provider(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value)))
    match = re.match(r"\{\s*\"?(\w+)\"?\s*:", value) if isinstance(value, str) else None
    if not match:
        raise _Unread("it has a provider that cannot be read")
    return match.group(1)


def encryption_rules(document: dict[str, Any]) -> list[dict[str, list[str]]]:
    """The entries of an EncryptionConfiguration: ``resources``, and names of ``providers`` in their order; no keys."""
    if not str(document.get("kind", "")).startswith("EncryptionConfig"):
        raise _Unread("it is not an EncryptionConfiguration")
    rules = []
    for entry in _list(document.get("resources")):
        if not isinstance(entry, dict):
            raise _Unread("it has an entry that cannot be read")
        providers = [_provider(value) for value in _list(entry.get("providers"))]
        rules.append({"resources": [str(name) for name in _list(entry.get("resources"))], "providers": providers})
    return rules


def policy_rules(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules of an audit policy, lists as lists."""
    rules = []
    for entry in _list(document.get("rules")):
        if not isinstance(entry, dict):
            raise _Unread("it has a rule that cannot be read")
        rule: dict[str, Any] = {"level": str(entry.get("level", ""))}
        for name in ("verbs", "users", "userGroups", "namespaces", "nonResourceURLs"):
            rule[name] = _list(entry.get(name))
        rule["resources"] = []
        for group in _list(entry.get("resources")):
            if not isinstance(group, dict):
                raise _Unread("it has a rule that cannot be read")
            rule["resources"].append({"group": group.get("group") or "", "resources": _list(group.get("resources"))})
        rules.append(rule)
    return rules


def pod_security(document: dict[str, Any]) -> dict[str, Any]:
    """What an AdmissionConfiguration says about Pod Security: the level by default, and namespaces without one."""
    for plugin in _list(document.get("plugins")):
        if not isinstance(plugin, dict):
            raise _Unread("it has a plugin that cannot be read")
        if plugin.get("name") != "PodSecurity":
            continue
        configuration = plugin.get("configuration")
        if plugin.get("path") or not isinstance(configuration, dict):
            raise _Unread("its settings of PodSecurity are in another file")
        defaults, exempt = configuration.get("defaults") or {}, configuration.get("exemptions") or {}
        return {
            "enforce": str(defaults.get("enforce") or "privileged"),
            "namespaces": _list(exempt.get("namespaces")),
            "usernames": _list(exempt.get("usernames")),
        }
    return {}


def _given(system: System, running: dict[str, Any], flag: str, read: Any) -> dict[str, Any]:
    """A file of the API server's by its flag: ``path``, its ``file`` entry, and ``content`` or ``trouble``."""
    server = running.get("kube-apiserver")
    path = server["flags"].get(flag, "") if server else ""
    if not path:
        return {}
    given: dict[str, Any] = {"path": path, "file": file_entry(system, path, f"/proc/{server['pid']}/root{path}")}
    try:
        given["content"] = read(_document(system, server["pid"], path))
    except _Unread as error:
        given["trouble"] = str(error)
    return given


def kube_proxy(system: System, running: dict[str, Any]) -> dict[str, Any]:
    """Where kube-proxy shows its metrics, and the file by which it knows the API server; empty when it does not run."""
    proxy = running.get("kube-proxy")
    if not proxy:
        return {}
    flags, found = proxy["flags"], {}
    metrics, kubeconfig = flags.get("metrics-bind-address", ""), flags.get("kubeconfig", "")
    if flags.get("config"):
        try:
            document = _document(system, proxy["pid"], flags["config"])
        except _Unread as error:
            return {"trouble": f"{flags['config']}: {error}"}
        metrics = str(document.get("metricsBindAddress") or metrics)
        connection = document.get("clientConnection")
        kubeconfig = str(connection.get("kubeconfig") or kubeconfig) if isinstance(connection, dict) else kubeconfig
    found["metrics"] = metrics or "127.0.0.1:10249"
    if kubeconfig:
        found["kubeconfig"] = file_entry(system, kubeconfig, f"/proc/{proxy['pid']}/root{kubeconfig}")
    return found


# Ports ---------------------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    """An address of /proc/net/tcp and tcp6: 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def listening(*tables: str) -> list[dict[str, Any]]:
    """Addresses and ports in state LISTEN in the text of /proc/net/tcp and tcp6."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":
                address, _colon, port = fields[1].rpartition(":")
                try:
                    found.add((int(port, 16), _address(address)))
                except ValueError:
                    continue
    return [{"port": port, "address": address} for port, address in sorted(found)]


def gather(system: System) -> dict[str, Any]:
    """Read all of it.

    :returns: ``files``; ``programs`` with the flags of each that runs; ``kubelet`` with the paths of its ``units``,
        ``config`` and ``kubeconfig``; ``etcd_folder``; ``encryption``, ``audit_policy``, ``admission`` as _given
        tells; ``kube_proxy``; ``policy_engines``; ``listening``.
    """
    running = programs(system)
    flags = {name: running[name]["flags"] if name in running else {} for name in PROGRAMS}
    kubelet: dict[str, list[str]] = {"units": kubelet_units(system), "config": [], "kubeconfig": []}
    if "kubelet" in running:
        kubelet["config"] = [path for path in (flags["kubelet"].get("config"),) if path]
        folder = flags["kubelet"].get("config-dir")
        if folder:  # kubernetes/cmd/kubelet/app: every *.conf below it is merged into the configuration
            found = glob.glob(system.path(f"{folder}/**/*.conf"), recursive=True)
            kubelet["config"] += [_shown(system, path) for path in sorted(found)]
        kubelet["kubeconfig"] = [path for path in (flags["kubelet"].get("kubeconfig"),) if path]
    data = flags["etcd"].get("data-dir", "/var/lib/etcd") if "etcd" in running else ""
    named = [path for paths in kubelet.values() for path in paths]
    tables = (system.read("/proc/net/tcp"), system.read("/proc/net/tcp6"))
    return {
        "files": files(system, [*named, *([data] if data else [])]),
        "programs": {name: {"flags": entry["flags"]} for name, entry in running.items()},
        "kubelet": kubelet,
        "etcd_folder": data,
        "encryption": _given(system, running, "encryption-provider-config", encryption_rules),
        "audit_policy": _given(system, running, "audit-policy-file", policy_rules),
        "admission": _given(system, running, "admission-control-config-file", pod_security),
        "kube_proxy": kube_proxy(system, running),
        "policy_engines": policy_engines(system),
        "listening": listening(*tables) if tables[0] else None,
    }
