# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What is looked for in the cluster: the API server first, then nodes, Pods, images, etcd."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.check import Found, check
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted, listing
from ansible_collections.bramble.kube.plugins.module_utils.status import certificates, summary
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, NOTE, WARN, Pi, Scene, ready

#: Of etcd's quota (2 GiB unless set), above which it is told; at the quota etcd refuses every write.
ETCD_SHARE = 0.8
_ETCD_QUOTA = 2 * 2**30
PRESSURES = {
    "DiskPressure": (
        "disk",
        "make room on it ('sudo crictl rmi --prune', 'sudo apt-get clean') or use a larger card",
    ),
    "MemoryPressure": (
        "memory",
        "stop or move something that needs much memory ('kubectl top pods -A')",
    ),
    "PIDPressure": ("process numbers", "stop the Pod that starts so many processes"),
}
#: How a pull fails, by what the container engine says: what it means, what to do.
PULL_REASONS = (
    (
        r"no match for platform|no matching manifest|exec format",
        "the registry has it, but not for this Pi's architecture",
        "choose a tag that has {architecture} (see the module image_platforms)",
    ),
    (
        r"not found|manifest unknown|NAME_UNKNOWN|MANIFEST_UNKNOWN|404",
        "the registry has no such image or tag",
        "correct the name or tag in the workload that uses it",
    ),
    (
        r"unauthorized|authorization failed|denied|forbidden|401|403",
        "the registry requires a login, or the image does not exist there",
        "correct the name, or give the Pod an imagePullSecret",
    ),
    (r"toomanyrequests|429", "too many images were pulled from this address", "wait, or set docker_registry_mirrors"),
    (
        r"no such host|lookup .* on|server misbehaving|Temporary failure in name resolution",
        "the registry's name cannot be resolved on the Pi",
        "see that the Pi's name server works (/etc/resolv.conf)",
    ),
    (
        r"x509|certificate",
        "the registry shows a certificate that the Pi does not trust",
        "set the clock, or trust its CA",
    ),
    (
        r"connection refused|i/o timeout|no route to host|connection reset|unreachable|deadline exceeded|EOF|dial tcp",
        "the registry cannot be reached from the Pi",
        "see that the Pi reaches it, or correct docker_registry_mirrors",
    ),
    (r"no space left", "the Pi's disk is full", "make room on it"),
    (r"[Ii]nvalid|couldn't parse", "the name is not an image reference", "correct it in the workload that uses it"),
)
_PULL_STATES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")


def _control_plane(pi: Pi | None) -> Mapping[str, Mapping[str, bool]]:
    return pi.get("control_plane", default={}) if pi else {}


def _said(pi: Pi, container: str) -> str:
    """The last words of a container of the control plane."""
    entries = pi.get("containers", default=())
    said = next((e["said"] for e in entries if e["namespace"] == "kube-system" and e["container"] == container), "")
    return said or "nothing"


@check(
    "API server",
    "the API server answers the laptop",
    no_kubeconfig=(
        BAD,
        "the laptop has no kubeconfig at {kubeconfig}",
        "run site.yml --tags master, which creates the cluster or fetches its kubeconfig",
    ),
    unauthorized=(
        BAD,
        "it rejects the laptop's kubeconfig {kubeconfig}{ended}",
        "run site.yml --tags master, which renews the administrator's certificate and fetches it",
    ),
    stranger=(
        BAD,
        "the laptop's kubeconfig {kubeconfig} is for another CA than this master's, which happens when the cluster "
        "was rebuilt",
        "run site.yml --tags master, which fetches the right one",
    ),
    untrusted=(
        BAD,
        "the laptop does not trust the certificate that it shows ({said})",
        "see the certificates below, or set master_kubeconfig_server to a name that the certificate holds for",
    ),
    majority=(
        BAD,
        "it cannot be reached ({said}), because etcd, which holds its data, runs on {running} of {all} masters and "
        "needs {needed}: not on {missing}",
        "switch these on, or fix what is said about them; restore.yml replaces those that are gone for good",
    ),
    none=(
        BAD,
        "it cannot be reached ({said}), because the master has no control plane",
        "run site.yml, which creates it, or restore.yml, if there was one",
    ),
    manifest=(
        BAD,
        "it cannot be reached ({said}), because /etc/kubernetes/manifests/{part}.yaml is gone from the master",
        "run 'sudo kubeadm init phase {phase} --config /etc/kubernetes/kubeadm-init.yaml' there",
    ),
    kubelet=(
        BAD,
        "it cannot be reached ({said}), because the master's kubelet, which keeps it running, is down",
        "fix the kubelet, as described under {master}",
    ),
    containerd=(
        BAD,
        "it cannot be reached ({said}), because the master's containerd, in which it runs, is down",
        "fix containerd, as described under {master}",
    ),
    down=(
        BAD,
        "it cannot be reached ({said}), because {part} does not run on the master; its last message was '{words}'",
        "fix what that names; the kubelet starts it again by itself ('sudo ls /var/log/pods' has all of its output)",
    ),
    etcd=(
        BAD,
        "it cannot be reached ({said}), because etcd, which holds its data, does not run on the master; its last "
        "message was '{words}'",
        "fix what that names; the kubelet starts it again by itself, and restore.yml restores a backup",
    ),
    ailing=(
        BAD,
        "it cannot be reached ({said}), although its program runs on the master; its last message was '{words}'",
        "wait a minute if the master has just started, else fix what that names",
    ),
    way=(
        BAD,
        "it runs and answers on the master itself, but not the laptop at {server} ({said})",
        "see that the laptop reaches that address, and that master_kubeconfig_server is right",
    ),
    unknown=(
        BAD,
        "it cannot be reached ({said}), and the master cannot be asked why, either",
        "see what is said about {master}",
    ),
)
def api_server(scene: Scene) -> Iterator[Found]:
    """Why the API server does not answer the laptop."""
    if scene.answered:
        return
    master, outcome = scene.master, scene.cluster.get("outcome")
    values: dict[str, Any] = {
        "said": _without_server(scene),
        "kubeconfig": scene.kubeconfig,
        "server": scene.cluster.get("server", ""),
        "master": master.name if master else "the master",
    }
    subject = "API server"
    if outcome == "no_kubeconfig" and master is not None and master.read and not _control_plane(master):
        yield Found("no_kubeconfig", subject, values)
    elif outcome in ("no_kubeconfig", "unauthorized"):
        yield Found(outcome, subject, {**values, "ended": _ended(scene)})
    elif outcome == "untrusted":
        yield Found("stranger" if _other_ca(scene) else "untrusted", subject, values)
    elif master is None or not master.read:
        yield Found("unknown", subject, values)
    elif missing := _without_majority(scene):
        counts = {"all": len(scene.masters), "running": len(scene.masters) - len(missing)}
        needed = {"needed": counts["all"] // 2 + 1, "missing": listing(missing)}
        yield Found("majority", subject, {**values, **counts, **needed})
    else:
        yield _why_down(master, subject, values)


def _without_majority(scene: Scene) -> list[str]:
    """The masters on which etcd does not run, if those are half of them or more; none with one master."""
    missing = [pi.name for pi in scene.masters if not _control_plane(pi).get("etcd", {}).get("running")]
    return missing if len(scene.masters) > 1 and 2 * len(missing) >= len(scene.masters) else []


def _without_server(scene: Scene) -> str:
    said = str(scene.cluster.get("said") or "no answer")
    return said.replace(f"{scene.cluster.get('server')}: ", "")


def _why_down(master: Pi, subject: str, values: dict[str, Any]) -> Found:
    parts = _control_plane(master)
    if not parts:
        return Found("none", subject, values)
    for part in ("etcd", "kube-apiserver"):
        if not parts[part]["manifest"]:
            phase = "etcd local" if part == "etcd" else f"control-plane {part.removeprefix('kube-')}"
            return Found("manifest", subject, {**values, "part": part, "phase": phase})
    stopped = [part for part in ("etcd", "kube-apiserver") if not parts[part]["running"]]
    silent = stopped or master.get("api", "outcome") != "ok"
    for service in ("containerd", "kubelet"):
        # Even if it still runs: it is about to end, and nobody will start it again.
        if silent and master.service(service).get("state", "active") != "active":
            return Found(service, subject, values)
    if "etcd" in stopped:
        return Found("etcd", subject, {**values, "words": _said(master, "etcd")})
    if stopped:
        return Found("down", subject, {**values, "part": stopped[0], "words": _said(master, stopped[0])})
    if master.get("api", "outcome") == "ok":
        return Found("way", subject, values)
    return Found("ailing", subject, {**values, "words": _said(master, "kube-apiserver")})


def _ended(scene: Scene) -> str:
    own = certificates.read("", scene.cluster.get("client_certificate") or "")
    if own is not None and own.ends <= scene.now:
        return f", whose certificate expired on {own.ends.strftime('%Y-%m-%d')}"
    return ""


def _other_ca(scene: Scene) -> bool:
    own = {certificates.key_of(ca) for ca in certificates.authorities(scene.cluster.get("ca") or "")}
    entries = scene.master.get("certificates", default=()) if scene.master else ()
    pem = next((entry["pem"] for entry in entries if entry["file"] == "/etc/kubernetes/pki/ca.crt"), "")
    theirs = {certificates.key_of(ca) for ca in certificates.authorities(pem)}
    return bool(own and theirs and not own & theirs)


@check(
    "way to the API server",
    "every Pi reaches the API server",
    blocked=(
        BAD,
        "it does not reach the API server at {server} ({said}), which answers others",
        "see that 'ping' and 'curl -k {server}/livez' from it work: cable, address, firewall",
    ),
)
def way(scene: Scene) -> Iterator[Found]:
    """Pis that alone do not reach the API server."""
    outcomes = {pi.name: pi.get("api", "outcome", default="none") for pi in scene.pis if pi.read}
    if not scene.answered and "ok" not in outcomes.values():
        return
    for pi in scene.pis:
        if outcomes.get(pi.name) in ("refused", "silent", "unknown_name", "failed"):
            values = {"server": pi.get("membership", "server"), "said": pi.get("api", "said")}
            yield Found("blocked", pi.name, values)


@check(
    "API address",
    "the API server's address is on one of the masters, and the others can take it",
    idle=(
        WARN,
        "keepalived does not run on it, so it cannot take the API server's address {address}",
        "run site.yml --tags master, which starts it",
    ),
    twice=(
        BAD,
        "{holders} have the API server's address {address} at the same time, so calls go to either",
        "see that they reach each other (ping); a firewall between them has to let IP protocol 112 through",
    ),
)
def api_address(scene: Scene) -> Iterator[Found]:
    """An address that two masters have, or that one could not take."""
    holders, address = [], ""
    for pi in scene.masters:
        shared = (pi.fact("kubernetes") or {}).get("api_address")
        if not shared:
            continue
        address = shared
        if not ((pi.fact("services") or {}).get("keepalived") or {}).get("active"):
            yield Found("idle", pi.name, {"address": address})
        own = [entry.partition("/")[0] for card in pi.fact("interfaces") or () for entry in card["addresses"]]
        holders += [pi.name] if address in own else []
    if len(holders) > 1:
        yield Found("twice", "API server", {"address": address, "holders": listing(holders)})


@check(
    "control plane",
    "scheduler and controller manager run, too",
    down=(
        BAD,
        "{part} does not run on it, so {effect}; its last message was '{words}'",
        "fix what that names; the kubelet starts it again by itself",
    ),
    manifest=(
        BAD,
        "/etc/kubernetes/manifests/{part}.yaml is gone, so {effect}",
        "run 'sudo kubeadm init phase control-plane {short} --config /etc/kubernetes/kubeadm-init.yaml' on it",
    ),
)
def control_plane(scene: Scene) -> Iterator[Found]:
    """Parts of the control plane without which the API server answers all the same."""
    effects = {
        "kube-controller-manager": "nothing reacts to what is created or fails",
        "kube-scheduler": "new Pods get no node",
    }
    several = len(scene.masters) > 1
    if several:
        effects = dict.fromkeys((*effects, "etcd", "kube-apiserver"), "one master fewer may fail")
    for master in scene.masters:
        if master.service("kubelet").get("state") != "active":
            continue
        for part, state in _control_plane(master).items():
            values = {"part": part, "short": part.removeprefix("kube-"), "effect": effects.get(part, "")}
            if part in effects and not state["manifest"]:
                yield Found("manifest", master.name, values)
            elif part in effects and not state["running"]:
                yield Found("down", master.name, {**values, "words": _said(master, part)})


@check(
    "nodes",
    "every Pi is a Ready node, and every node a Pi of the inventory",
    not_ready=(
        BAD,
        "its node is not Ready: {message}",
        "{remedy}",
    ),
    silent=(
        BAD,
        "its node is not Ready, because its kubelet no longer reports ({message})",
        "see what is said about this Pi, or switch it off and on again",
    ),
    unknown=(BAD, "it is in the inventory, but not in the cluster", "run site.yml, which joins it"),
    stranger=(
        WARN,
        "there is a node of this name in the cluster, but no Pi in the inventory",
        "add it to the inventory, or take it out of the cluster with 'kubectl delete node {subject}'",
    ),
    cordoned=(
        NOTE,
        "it takes no new Pods (cordoned)",
        "allow them with 'kubectl uncordon {subject}', unless somebody is working on it",
    ),
    version=(
        NOTE,
        "its kubelet is {found}, the control plane {wanted}",
        "run upgrade.yml, which upgrades all Pis to one release",
    ),
)
def nodes(scene: Scene) -> Iterator[Found]:
    """Nodes that are not as they should be."""
    if not scene.answered:
        return
    wanted = scene.cluster.get("version", "")
    for pi in scene.pis:
        node = scene.node(pi)
        if node is None:
            yield Found("unknown", pi.name)
            continue
        state = (node["conditions"] or {}).get("Ready", {})
        values = {"message": _clean(state.get("message") or state.get("reason") or "no reason is given")}
        if ready(node) == "Unknown":
            yield Found("silent", pi.name, values)
        elif ready(node) != "True":
            errors = pi.get("kubelet", "errors", default=[])
            remedy = "wait a minute if it has just started"
            remedy += f"; its kubelet's last error is '{errors[-1]}'" if errors else ""
            yield Found("not_ready", pi.name, {**values, "remedy": remedy})
        if node["cordoned"]:
            yield Found("cordoned", pi.name)
        if node["kubelet"] and node["kubelet"] != wanted:
            yield Found("version", pi.name, {"found": node["kubelet"], "wanted": wanted})
    for node in scene.cluster["nodes"]:
        if scene.pi_of(node["name"]) is None and node["name"] not in scene.left_out:
            yield Found("stranger", node["name"])


def _clean(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


@check(
    "pressure",
    "no node is short of disk, memory or process numbers",
    short=(
        BAD,
        "its kubelet reports a shortage of {what} ({numbers}), evicts Pods and accepts no new ones",
        "{remedy}",
    ),
)
def pressure(scene: Scene) -> Iterator[Found]:
    """Nodes under pressure."""
    if not scene.answered:
        return
    for pi in scene.pis:
        node = scene.node(pi)
        for name, (what, remedy) in PRESSURES.items():
            if node and node["conditions"].get(name, {}).get("status") == "True":
                values = {"what": what, "remedy": remedy, "numbers": _numbers(pi, name)}
                yield Found("short", pi.name, values)


def _numbers(pi: Pi, condition: str) -> str:
    if condition == "DiskPressure":
        free = [f"{disk['free_mb']} MB free in {disk['folder']}" for disk in pi.get("disks", default=())]
        return listing(free) or condition
    if condition == "MemoryPressure" and pi.get("memory", "available_mb") is not None:
        return f"{pi.get('memory', 'available_mb')} of {pi.get('memory', 'total_mb')} MB available"
    return condition


@check(
    "images",
    "every image can be pulled",
    pull=(
        BAD,
        "the image {image} cannot be pulled on {node}: {meaning} ({said})",
        "{remedy}",
    ),
)
def images(scene: Scene) -> Iterator[Found]:
    """Images that cannot be pulled: by the API server, else by the kubelets' journals."""
    if scene.answered:
        for pod in scene.cluster["pods"]:
            for trouble in pod["troubles"]:
                if trouble["reason"] in _PULL_STATES:
                    yield _pull(
                        scene,
                        f"Pod {pod['namespace']}/{pod['name']}",
                        trouble["image"],
                        pod["node"],
                        trouble["message"],
                    )
        return
    for pi in scene.pis:
        for failure in pi.get("image_failures", default=()):
            yield _pull(scene, pi.name, failure["image"], pi.node_name, failure["reason"])


def _pull(scene: Scene, subject: str, image: str, node_name: str, said: str) -> Found:
    node = next((n for n in scene.cluster.get("nodes") or () if n["name"] == node_name), {})
    meaning, remedy = "the engine says no more", "see 'kubectl describe pod', and try 'sudo crictl pull' on the Pi"
    for pattern, told, advice in PULL_REASONS:
        if re.search(pattern, said):
            meaning, remedy = told, advice.format(architecture=node.get("architecture") or "it")
            break
    return Found(
        "pull", subject, {"image": image, "node": node_name, "meaning": meaning, "said": _core(said), "remedy": remedy}
    )


def _core(said: str) -> str:
    """The end of a chain of errors, which says the most."""
    text = _clean(said.replace("\\", "")).strip("\"'")
    return text if len(text) <= 160 else "…" + text[-160:]


@check(
    "Pods",
    "every Pod runs, or waits for a good reason",
    crash=(
        BAD,
        "its container {container} keeps crashing ({restarts} restarts, {end}); its last message was '{words}'",
        "fix what that names ('kubectl -n {namespace} logs {name} -c {container} --previous' shows more)",
    ),
    memory=(
        BAD,
        "its container {container} keeps crashing ({restarts} restarts): it needs more memory than its limit",
        "raise its memory limit, or give it less work",
    ),
    config=(
        BAD,
        "its container {container} cannot be created ({said})",
        "create what it names, or correct the Pod",
    ),
    failed=(
        WARN,
        "it has failed ({end}); its last message was '{words}'",
        "fix what that names and delete the Pod",
    ),
    stopped=(
        NOTE,
        "its container {container} ended with its Pi or its container engine, and has not started again yet",
        "wait a minute; 'kubectl -n {namespace} describe pod {name}' shows what it waits for",
    ),
    evicted=(
        NOTE,
        "its node evicted it ({reason})",
        "delete it once the node has enough of that again",
    ),
    unscheduled=(BAD, "it cannot be scheduled ({said})", "{remedy}"),
    leaving=(
        NOTE,
        "it is being deleted, but its node {node} does not answer",
        "repair the node; or, if it never comes back, take it out of the inventory and 'kubectl delete node {node}'",
    ),
)
def pods(scene: Scene) -> Iterator[Found]:
    """Pods that do not run."""
    if not scene.answered:
        return
    silent = {node["name"] for node in scene.cluster["nodes"] if ready(node) != "True"}
    for pod in scene.cluster["pods"]:
        subject = f"Pod {pod['namespace']}/{pod['name']}"
        values = {"namespace": pod["namespace"], "name": pod["name"], "node": pod["node"]}
        if pod["leaving"]:
            if pod["node"] in silent:
                yield Found("leaving", subject, values)
            continue
        if pod["reason"] == "Evicted":
            yield Found("evicted", subject, {**values, "reason": "Evicted"})
            continue
        if pod["unscheduled"]:
            said = _clean(pod["unscheduled"])
            yield Found("unscheduled", subject, {**values, "said": said, "remedy": _room(said)})
            continue
        for trouble in pod["troubles"]:
            told = _of_container(pod, trouble)
            if told:
                told_values = {**values, "container": trouble["container"], "restarts": trouble["restarts"]}
                end = f"exit code {trouble['exit_code']}" if trouble["exit_code"] is not None else trouble["reason"]
                words = trouble.get("said") or _words_on_pi(scene, pod, trouble["container"])
                told_values.update(end=end, words=words or "nothing", said=_clean(trouble["message"]))
                yield Found(told, subject, told_values)


def _of_container(pod: Mapping[str, Any], trouble: Mapping[str, Any]) -> str:
    reason = trouble["reason"]
    if reason in _PULL_STATES:
        return ""
    if trouble["ended_by"] == "Unknown" and reason != "CrashLoopBackOff":  # nobody saw it end: the Pi was off
        return "stopped"
    if reason == "CrashLoopBackOff" or (trouble["restarts"] and trouble["exit_code"] and pod["phase"] != "Failed"):
        return "memory" if trouble["ended_by"] == "OOMKilled" else "crash"
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return "config"
    return "failed" if pod["phase"] == "Failed" else ""


def _words_on_pi(scene: Scene, pod: Mapping[str, Any], container: str) -> str:
    """What the container said last by the log on its Pi, where the API server could not fetch it."""
    pi = scene.pi_of(pod["node"])
    entries = pi.get("containers", default=()) if pi else ()
    return next((e["said"] for e in entries if e["pod"] == pod["name"] and e["container"] == container), "")


def _room(said: str) -> str:
    if "Insufficient" in said:
        return "lower its requests, stop something else, or add a Pi"
    if "taint" in said:
        return "give it a toleration, or let nodes accept Pods again (cordon, pressure, master_schedulable)"
    if "volume" in said or "persistentvolumeclaim" in said:
        return "see 'kubectl get pvc -A': the volume that it waits for does not exist"
    return "see 'kubectl describe pod'"


@check(
    "etcd",
    "etcd's database has room",
    large=(
        WARN,
        "etcd's database has {size} of {quota}; when it is full, the API server accepts no more changes",
        "find what fills it ('kubectl get events -A | wc -l'), then defragment it: docs/status.md says how",
    ),
)
def etcd(scene: Scene) -> Iterator[Found]:
    """A database that is nearly full."""
    for master in scene.masters:
        found = master.get("etcd", default={})
        quota = found.get("quota") or _ETCD_QUOTA
        if found and found.get("size", 0) > ETCD_SHARE * quota:
            values = {"size": f"{found['size'] // 2**20} MiB", "quota": f"{quota // 2**20} MiB"}
            yield Found("large", master.name, values)


@check(
    "etcd members",
    "all masters, and nothing else, are full members of etcd",
    gone=(
        WARN,
        "etcd has a member {member} that is not a master in the inventory, so {needed} of its {all} members must run",
        "if it is gone for good, put it back into group master, run reset.yml --limit {member}, which does not need it "
        "to answer, and take it out again",
    ),
    unfinished=(
        WARN,
        "etcd has not made it a full member ({what}), so one master fewer may fail",
        "run site.yml, which joins it again",
    ),
    absent=(
        BAD,
        "it is in group master, but is not a member of etcd",
        "run reset.yml --limit {subject}, then site.yml, which joins it",
    ),
)
def etcd_members(scene: Scene) -> Iterator[Found]:
    """Masters that are no members, members that are no masters, and those that are neither yet."""
    running = (pi for pi in scene.masters if _control_plane(pi).get("etcd", {}).get("running"))
    members = next((told for pi in running if (told := pi.get("etcd_members", default=()))), ())
    masters = {pi.node_name: pi for pi in scene.masters}
    by_address = {pi.fact("address") or pi.address: pi.node_name for pi in scene.masters}
    counts = {"all": len(members), "needed": len(members) // 2 + 1}
    found = set()
    for member in members:
        name = member["name"] or by_address.get(member["address"], "")
        found.add(name)
        if name not in (*masters, *scene.left_out):
            yield Found("gone", "etcd", {**counts, "member": member["name"] or member["address"]})
        elif not member["name"] or member["learner"]:
            subject = masters[name].name if name in masters else name
            what = "it is a learner, and was never promoted" if member["learner"] else "it has never started"
            yield Found("unfinished", subject, {"what": what})
    for name, pi in masters.items():
        if members and name not in found and pi.get("membership", "joined"):
            yield Found("absent", pi.name)


@check(
    "backup",
    "a backup was restored in a drill recently",
    failed=(
        WARN,
        "the drill on {day} with the backup {backup} failed: {reason}",
        "fix what that names, make a new backup with backup.yml, and hold a drill with it (backup.yml --tags drill)",
    ),
    old=(
        WARN,
        "the last drill with a backup was {days} ago",
        "hold one with the newest backup (backup.yml --tags drill)",
    ),
    none=(
        WARN,
        "the cluster is {days} old, and no drill has yet shown that a backup of it can be restored",
        "make one with backup.yml, and hold a drill with it (backup.yml --tags drill)",
    ),
)
def backup(scene: Scene) -> Iterator[Found]:
    """A drill that failed, is long ago, or has never been held."""
    master = scene.master
    if not scene.drill_days or not master or not master.get("membership", "joined"):
        return
    found = summary.last_drill(scene)
    if not found:
        authority = next((c for c in scene.certificates(master) if c.file == "/etc/kubernetes/pki/ca.crt"), None)
        days = (scene.now - authority.begins).days if authority else 0
        if days > scene.drill_days:
            yield Found("none", master.name, {"days": counted(days, "day")})
    elif found["reason"]:
        yield Found("failed", master.name, {"day": summary.when(found["at"]), **found})
    else:
        days = int(scene.now.timestamp() - found["at"]) // 86400
        if days > scene.drill_days:
            yield Found("old", master.name, {"days": counted(days, "day")})


@check(
    "kube-proxy",
    "kube-proxy has a mode that Kubernetes keeps",
    ipvs=(
        WARN,
        "it has the mode ipvs, which Kubernetes 1.40 switches off and 1.43 removes",
        "write 'mode: nftables' with 'kubectl -n kube-system edit configmap kube-proxy' and into "
        "master_kube_proxy_config, then run 'kubectl -n kube-system rollout restart daemonset kube-proxy'",
    ),
)
def kube_proxy(scene: Scene) -> Iterator[Found]:
    """A mode that ends (KEP-5495)."""
    if scene.cluster.get("proxy_mode") == "ipvs":
        yield Found("ipvs", "kube-proxy")


@check(
    "certificate requests",
    "no kubelet waits for its serving certificate",
    waiting=(
        NOTE,
        "{count} request{s} for a serving certificate of {by} wait to be approved",
        "run site.yml, which approves those of known Pis",
    ),
)
def requests(scene: Scene) -> Iterator[Found]:
    """Serving certificates that nobody has approved."""
    counts: dict[str, int] = {}
    for request in scene.cluster.get("requests") or ():
        if request["signer"] == "kubernetes.io/kubelet-serving" and not request["decided"]:
            counts[request["by"]] = counts.get(request["by"], 0) + 1
    for by, count in counts.items():
        name = by.rpartition(":")[2]
        pi = scene.pi_of(name)
        yield Found("waiting", pi.name if pi else name, {"count": count, "s": "s"[: count > 1], "by": by})


CHECKS = (
    api_server,
    api_address,
    control_plane,
    way,
    nodes,
    pressure,
    images,
    pods,
    kube_proxy,
    etcd,
    etcd_members,
    backup,
    requests,
)
