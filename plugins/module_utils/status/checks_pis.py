# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What is looked for on each Pi; works without an API server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.check import Found, check
from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted, listing, short_reason
from ansible_collections.bramble.kube.plugins.module_utils.status import certificates
from ansible_collections.bramble.kube.plugins.module_utils.status.model import BAD, WARN, Pi, Scene

#: Seconds by which clocks may differ before tokens and certificates suffer; SSH to a busy Pi takes up to SSH_DELAY_S.
SKEW_S, SSH_DELAY_S = 5, 300
#: A disk is called full below these; the kubelet's own threshold is 10% (nodefs.available).
DISK_FREE_SHARE, DISK_FREE_MB = 0.1, 1024
HOT_C = 80.0
#: A service that systemd has started anew so often, and that is up for fewer seconds, does not stay up.
FLAPPING_RESTARTS, FLAPPING_S = 2, 30
#: What containerd says, by way of the kubelet, until it has read a configuration of a Pod network. It reads when a file
#: is written or removed in the folder, and not when one is moved there (internal/cri/server/cni_conf_syncer.go).
CNI_NOT_READ = "cni plugin not initialized"
#: Bits of the firmware's get_throttled: what is the case now.
_THROTTLED_NOW = {0: "under-voltage", 1: "a capped clock", 2: "throttling", 3: "the soft temperature limit"}


def _read(scene: Scene) -> Iterator[Pi]:
    return (pi for pi in scene.pis if pi.read)


@check(
    "access",
    "every Pi of the inventory answers by SSH",
    unreachable=(
        BAD,
        "it cannot be reached at {address} ({reason})",
        "see that it has power and network (ping {address}), and that 'ssh {address}' works without asking anything",
    ),
    unreadable=(
        BAD,
        "it answers, but its state could not be read ({reason})",
        "try 'ssh {address} sudo true' and see what it says",
    ),
)
def access(scene: Scene) -> Iterator[Found]:
    """Pis about which nothing is known."""
    for pi in scene.pis:
        if not pi.read:
            outcome = "unreadable" if pi.reachable else "unreachable"
            yield Found(outcome, pi.name, {"address": pi.address, "reason": short_reason(pi.trouble)})


@check(
    "clock",
    "every clock is set, and agrees with the others and the laptop's",
    skewed=(
        BAD,
        "its clock is {offset} {judge}, so certificates and tokens seem expired or not valid yet",
        "see 'chronyc tracking' or 'timedatectl' on it, and run site.yml --tags base, which sets up a time service",
    ),
    unset=(
        WARN,
        "its clock is not synchronised ({service})",
        "run site.yml --tags base, which sets up a time service, or see that it reaches base_ntp_servers",
    ),
)
def clock(scene: Scene) -> Iterator[Found]:
    """Clocks that are off."""
    for pi in _read(scene):
        time, server = pi.fact("time") or {}, pi.get("time_server", "address")
        offset, ahead = pi.get("time_server", "ahead_s"), pi.get("ahead_of_laptop_s")
        if offset is not None and abs(offset) > SKEW_S:
            yield Found("skewed", pi.name, {"offset": _off(offset), "judge": f"its time server's ({server})"})
        elif ahead is not None and not -SKEW_S <= ahead <= SSH_DELAY_S:
            yield Found("skewed", pi.name, {"offset": _off(ahead), "judge": "the laptop's"})
        elif time and not time.get("synchronized"):
            yield Found("unset", pi.name, {"service": time.get("service") or "no time service runs"})


def _off(seconds: float) -> str:
    size = abs(seconds)
    for unit, length in (("years", 31557600), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if size >= 1.95 * length:  # what has taken a moment to be measured is two hours still
            return f"{size / length:.0f} {unit} {'ahead of' if seconds > 0 else 'behind'}"
    return f"{size:.0f} seconds {'ahead of' if seconds > 0 else 'behind'}"


@check(
    "swap",
    "swap is off, unless the kubelet tolerates it",
    on=(
        BAD,
        "it swaps to {areas}, and the kubelet refuses to start with swap",
        "run site.yml --tags base, which switches swap off for good (or set base_swap)",
    ),
)
def swap(scene: Scene) -> Iterator[Found]:
    """Swap that is on."""
    for pi in _read(scene):
        areas = [entry["name"] for entry in pi.fact("swaps") or ()]
        if areas and not pi.get("kubelet", "tolerates_swap"):
            yield Found("on", pi.name, {"areas": listing(areas)})


@check(
    "cgroups",
    "the kernel counts memory and CPU sets",
    missing=(
        BAD,
        "its kernel has no {missing} cgroup, so no container is limited and the kubelet refuses to start",
        "run site.yml --tags base, which puts cgroup_enable={parameters} into cmdline.txt and reboots",
    ),
)
def cgroups(scene: Scene) -> Iterator[Found]:
    """Controllers that are off."""
    for pi in _read(scene):
        found = pi.fact("cgroup")
        missing = [name for name in ("memory", "cpuset") if found and not found.get(name)]
        if missing:
            parameters = " cgroup_enable=".join(missing)
            yield Found("missing", pi.name, {"missing": listing(missing), "parameters": parameters})


@check(
    "container engine",
    "containerd runs, and Docker where it is installed",
    missing=(BAD, "it has no containerd", "run site.yml --tags docker, which installs it"),
    down=(
        BAD,
        "containerd, in which all Pods run, is {state}",
        "start it with 'sudo systemctl start containerd', and see 'journalctl -u containerd -n 50' if it does not "
        "stay up",
    ),
    docker_down=(
        WARN,
        "docker is {state}; Pods do not need it, 'docker' on this Pi does",
        "start it with 'sudo systemctl start docker', and see 'journalctl -u docker -n 50' if it does not stay up",
    ),
)
def engine(scene: Scene) -> Iterator[Found]:
    """Engines that do not run."""
    for pi in _read(scene):
        containerd, docker = pi.service("containerd"), pi.service("docker")
        if containerd and not containerd["loaded"]:
            yield Found("missing", pi.name)
        elif containerd and containerd["state"] not in ("active", "reloading"):
            yield Found("down", pi.name, {"state": containerd["state"]})
        elif docker.get("loaded") and docker["enabled"] and docker["state"] not in ("active", "reloading"):
            yield Found("docker_down", pi.name, {"state": docker["state"]})


@check(
    "kubelet",
    "the kubelet runs and stays up",
    missing=(BAD, "Kubernetes is not installed on it", "run site.yml, which installs and joins it"),
    outside=(BAD, "it is not in a cluster yet, so its kubelet has nothing to do", "run site.yml, which joins it"),
    stopped=(
        BAD,
        "its kubelet was stopped{disabled}, so nothing watches over its Pods",
        "start it with 'sudo systemctl enable --now kubelet' on it",
    ),
    failing=(
        BAD,
        "its kubelet does not stay up ({state}); its last error is '{error}'",
        "fix what the error names, then 'sudo systemctl restart kubelet' on it ('journalctl -u kubelet' shows more)",
    ),
)
def kubelet(scene: Scene) -> Iterator[Found]:
    """Kubelets that do not run, and why."""
    for pi in _read(scene):
        service = pi.service("kubelet")
        if not service:
            continue
        member = pi.get("membership", "joined") or pi.get("membership", "bootstrapping")
        if not service["loaded"]:
            yield Found("missing", pi.name)
        elif not pi.get("kubelet", "configured") and not member:
            yield Found("outside", pi.name)
        elif service["state"] == "active" and service["substate"] == "running" and not _flaps(service):
            continue
        elif service["state"] in ("inactive", "deactivating") and service["result"] == "success":
            disabled = "" if service["enabled"] else " and is disabled"
            yield Found("stopped", pi.name, {"disabled": disabled})
        else:
            errors = pi.get("kubelet", "errors", default=[])
            state = f"{service['state']}, {service['substate']}" if service["substate"] else service["state"]
            yield Found("failing", pi.name, {"state": state, "error": errors[-1] if errors else "none in its journal"})


def _flaps(service: Mapping[str, Any]) -> bool:
    """Whether systemd has just started the service anew after it had ended by itself several times."""
    return service.get("restarts", 0) >= FLAPPING_RESTARTS and service.get("up_s", FLAPPING_S) < FLAPPING_S


@check(
    "Pod network",
    "each Pi has a CNI configuration, its plugins, and a subnet for its Pods",
    missing=(
        BAD,
        "it has no CNI configuration (/etc/cni/net.d is empty), so its Pods get no network",
        "{remedy}",
    ),
    unread=(
        BAD,
        "containerd has not read its CNI configuration ({configuration}), so its Pods get no network: containerd "
        "does not notice a file that was moved or restored there",
        "'sudo systemctl restart containerd' on it, which stops no container",
    ),
    plugins=(
        BAD,
        "the CNI plugin {plugins} that {configuration} names is not in /opt/cni/bin, so no Pod can start",
        "run 'sudo apt-get install --reinstall kubernetes-cni' on it, and restart its Pod of the Pod network",
    ),
    subnet=(
        BAD,
        "{network} has no subnet for its Pods ({file} is not there){why}, so no Pod can start",
        "{remedy}",
    ),
)
def pod_network(scene: Scene) -> Iterator[Found]:
    """Pis whose Pods get no network."""
    wanted = NETWORKS.get(scene.network)
    for pi in _read(scene):
        network = pi.get("pod_network", default={})
        if not pi.get("membership", "joined") or not network:
            continue
        known = NETWORKS.get(network["network"]) or wanted
        restart = f"see 'kubectl -n {known.namespace} get pods -o wide', and delete the Pod of this Pi" if known else ""
        if not network["configuration"]:
            remedy = restart if wanted else "install the Pod network that you chose (kubeadm_cni: none)"
            yield Found("missing", pi.name, {"remedy": remedy})
        elif network["plugins_missing"]:
            plugins = listing(network["plugins_missing"])
            yield Found("plugins", pi.name, {"plugins": plugins, "configuration": network["configuration"][0]})
        elif _is_unread(scene.node(pi)):
            yield Found("unread", pi.name, {"configuration": network["configuration"][0]})
        elif known and network["network"] and known.subnet_file and not network["subnet"]:
            said = _says(pi, known.container)
            node = scene.node(pi)
            if node is not None and not node["pod_cidr"]:
                why = ", and the cluster has not given its node a podCIDR"
                remedy = "see that kubeadm_pod_cidr has room for one more node, or that kube-controller-manager runs"
            else:
                why, remedy = f"; {known.name} says '{said}'" if said else "", restart
            names = {"network": known.name, "file": known.subnet_file}
            yield Found("subnet", pi.name, {**names, "why": why, "remedy": remedy})


def _is_unread(node: Mapping[str, Any] | None) -> bool:
    """Whether containerd knows of no Pod network, although its configuration is there."""
    ready = ((node or {}).get("conditions") or {}).get("Ready", {})
    return ready.get("status") == "False" and CNI_NOT_READ in ready.get("message", "")


def _says(pi: Pi, container: str) -> str:
    entries = pi.get("containers", default=[])
    return next((entry["said"] for entry in entries if entry["container"] == container), "")


@check(
    "disk",
    "every disk has room and can be written to",
    full=(
        BAD,
        "only {free} of {total} are free on the disk of {folder}; the kubelet evicts Pods at its threshold",
        "make room ('sudo apt-get clean', 'sudo crictl rmi --prune', 'sudo journalctl --vacuum-size=100M') or use a "
        "larger card",
    ),
    read_only=(
        BAD,
        "the disk of {folder} is read-only, as Linux makes it when a card fails",
        "see 'dmesg | grep -i -e mmc -e ext4' on it, and replace the card if there are errors",
    ),
)
def disk(scene: Scene) -> Iterator[Found]:
    """Disks that are full or read-only."""
    for pi in _read(scene):
        for entry in pi.get("disks", default=()):
            if entry.get("read_only"):
                yield Found("read_only", pi.name, {"folder": entry["folder"]})
            elif entry["free_mb"] < min(DISK_FREE_MB, entry["total_mb"] * DISK_FREE_SHARE):
                sizes = {"free": f"{entry['free_mb']} MB", "total": f"{entry['total_mb']} MB"}
                yield Found("full", pi.name, {"folder": entry["folder"], **sizes})


@check(
    "heat and power",
    "no under-voltage, no throttling, no heat, where there is a sensor",
    power=(
        WARN,
        "its firmware reports {what}",
        "use the power supply made for this Pi and a short cable, and a fan if it is hot",
    ),
    hot=(WARN, "its processor has {degrees} °C", "give it a heat sink or a fan; from 85 °C it slows down"),
)
def heat(scene: Scene) -> Iterator[Found]:
    """Pis that are hot or get too little power."""
    for pi in _read(scene):
        bits, degrees = pi.fact("throttled") or 0, pi.get("temperature_c")
        what = [text for bit, text in _THROTTLED_NOW.items() if bits >> bit & 1]
        if what:
            yield Found("power", pi.name, {"what": listing(what)})
        elif degrees is not None and degrees >= HOT_C:
            yield Found("hot", pi.name, {"degrees": degrees})


@check(
    "certificates",
    "every certificate on every Pi is valid, and was signed by the cluster's CA",
    expired=(BAD, "the certificate {file} expired {days} ago", "{remedy}"),
    ending=(WARN, "the certificate {file} expires in {days}", "{remedy}"),
    early=(
        BAD,
        "the certificate {file} is not valid before {begins}, which is still to come",
        "set the clocks right: either this one is behind, or the one that made the certificate was ahead",
    ),
    authority=(
        WARN,
        "the CA {file} expires in {days}, and nothing it has signed works after that",
        "replace it in time: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/",
    ),
    stranger=(
        BAD,
        "the certificate {file} was signed by a CA that is not this cluster's (issuer {issuer})",
        "{remedy}",
    ),
)
def certificate(scene: Scene) -> Iterator[Found]:
    """Certificates that do not hold, end soon, or come from another CA."""
    cas = _cluster_cas(scene)
    for pi in _read(scene):
        for found in scene.certificates(pi):
            days = found.days_left(scene.now)
            values = {"file": found.file, "issuer": found.issuer, "remedy": _certificate_remedy(pi, found.file)}
            if found.ends <= scene.now:
                yield Found("expired", pi.name, {**values, "days": counted(-days - 1, "day")})
            elif found.begins > scene.now:
                yield Found("early", pi.name, {**values, "begins": found.begins.strftime("%Y-%m-%d %H:%M UTC")})
            elif days < scene.certificate_days(found.file):
                yield Found(
                    "authority" if found.authority else "ending", pi.name, {**values, "days": counted(days, "day")}
                )
            elif cas and _of_cluster_ca(found.file) and not certificates.signed_by(found, cas):
                yield Found("stranger", pi.name, values)


def _cluster_cas(scene: Scene) -> list:
    """The cluster's CA by the master's own file."""
    if scene.master is None:
        return []
    entries = scene.master.get("certificates", default=())
    pem = next((entry["pem"] for entry in entries if entry["file"] == "/etc/kubernetes/pki/ca.crt"), "")
    return certificates.authorities(pem) if pem else []


def _of_cluster_ca(file: str) -> bool:
    """Whether the cluster's CA has to have signed the certificate: not etcd's, the front proxy's, the kubelet's own."""
    if "/etc/kubernetes/pki/" in file:
        return file.endswith(("/pki/apiserver.crt", "/apiserver-kubelet-client.crt"))
    return True


def _certificate_remedy(pi: Pi, file: str) -> str:
    if file.startswith("/var/lib/kubelet/pki/kubelet-server"):
        return "restart the kubelet with 'sudo systemctl restart kubelet', which asks for a new one, then run site.yml"
    if pi.role == "node":
        return "run site.yml, which joins this Pi again with a new certificate"
    return "run site.yml --tags master, which renews the control plane's certificates"


@check(
    "wrong CA",
    "every Pi trusts the CA of this cluster's master",
    kubeconfig=(
        BAD,
        "its kubelet trusts another CA than the master's (kubelet.conf), which happens when the master was rebuilt",
        "run 'sudo kubeadm reset --force' on it, then site.yml, which joins it to this cluster",
    ),
    file=(
        BAD,
        "its /etc/kubernetes/pki/ca.crt is not the master's CA, so it refuses requests from the API server",
        "copy /etc/kubernetes/pki/ca.crt from the master to it, then 'sudo systemctl restart kubelet'",
    ),
    untrusted=(
        BAD,
        "it does not trust the certificate that the API server at {server} shows ({said})",
        "see that kubelet.conf has the master's address and CA; 'sudo kubeadm reset --force' and site.yml join it",
    ),
)
def wrong_ca(scene: Scene) -> Iterator[Found]:
    """Pis that belong to another CA."""
    cas = {certificates.key_of(ca) for ca in _cluster_cas(scene)}
    for pi in _read(scene):
        own = {certificates.key_of(ca) for ca in certificates.authorities(pi.get("membership", "ca_pem", default=""))}
        entries = pi.get("certificates", default=())
        pem = next((entry["pem"] for entry in entries if entry["file"] == "/etc/kubernetes/pki/ca.crt"), "")
        of_file = {certificates.key_of(ca) for ca in certificates.authorities(pem)}
        if cas and own and not own & cas:
            yield Found("kubeconfig", pi.name)
        elif cas and of_file and not of_file & cas:
            yield Found("file", pi.name)
        elif pi.get("api", "outcome") == "untrusted" and not _expired_server(scene):
            values = {"server": pi.get("membership", "server"), "said": pi.get("api", "said")}
            yield Found("untrusted", pi.name, values)


def _expired_server(scene: Scene) -> bool:
    """Whether the API server's own certificate has expired, which the check of certificates tells."""
    master = scene.master
    if master is None or not master.read:
        return False
    return any(
        found.file.endswith("/pki/apiserver.crt") and found.ends <= scene.now for found in scene.certificates(master)
    )


@check(
    "token",
    "a join that did not finish still has its token",
    gone=(
        BAD,
        "its join did not finish, and the bootstrap token {token} with which it tries has expired or was deleted",
        "run site.yml, which joins it with a new token",
    ),
    refused=(
        BAD,
        "its join did not finish, and the API server refuses its bootstrap token {token}",
        "run site.yml, which joins it with a new token",
    ),
    waiting=(
        BAD,
        "its join did not finish (its bootstrap token {token} {state})",
        "run site.yml, which finishes it",
    ),
)
def token(scene: Scene) -> Iterator[Found]:
    """Unfinished joins."""
    for pi in _read(scene):
        token_id = pi.get("membership", "token_id", default="")
        if not token_id:
            continue
        if scene.answered and scene.cluster.get("tokens") is not None:
            now = scene.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            known = [entry for entry in scene.cluster["tokens"] if entry["id"] == token_id]
            holds = any(entry["expires"] is None or entry["expires"] > now for entry in known)
            yield Found("waiting" if holds else "gone", pi.name, {"token": token_id, "state": "still holds"})
        else:
            errors = " ".join(pi.get("kubelet", "errors", default=()))
            refused = re.search(r"[Uu]nauthorized|system:anonymous", errors)
            state = "may have expired, which only the API server knows"
            yield Found("refused" if refused else "waiting", pi.name, {"token": token_id, "state": state})


CHECKS = (
    access,
    clock,
    swap,
    cgroups,
    engine,
    kubelet,
    pod_network,
    disk,
    heat,
    certificate,
    wrong_ca,
    token,
)
