"""Troubles of a cluster in the lab, each with how it is caused, what status.yml has to say about it, and how it ends.

Shared by the scenario `status`, which causes all of them, and `cluster`, which causes a few cheap ones.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from lab_cluster import NETWORK, ROOT, Cluster, environment, network_test_image, playbook_command

MASTER, NODE, OTHER = "k8s-master", "k8s-node1", "k8s-node2"
NAMESPACE = "troubles"
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
MANIFESTS = "/etc/kubernetes/manifests"


class Lab(Cluster):
    """A scenario's Pis, with a cluster on them."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory
        listed = yaml.safe_load((inventory / "hosts.yml").read_text())["bramble"]
        self.instance = listed["vars"]["lab_instance"]
        self.addresses = {
            name: values["ansible_host"]
            for group in listed["children"].values()
            for name, values in group["hosts"].items()
        }
        super().__init__(self.instance)

    def play(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook of this checkout, whatever comes of it, with further environment variables."""
        return subprocess.run(
            playbook_command(self.inventory, *arguments),
            cwd=ROOT,
            env=environment(ANSIBLE_TIMEOUT="5", **extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def status(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run status.yml."""
        return self.play("playbooks/status.yml", *arguments)

    def on(self, name: str, script: str, check: bool = True) -> str:
        """Run a shell script as root on a Pi, by the container engine, so that it works without SSH."""
        done = subprocess.run(
            ["docker", "exec", "-i", f"{self.instance}-{name}", "bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert not check or done.returncode == 0, f"{name}: {script}: {done.stdout}{done.stderr}"
        return done.stdout

    def engine(self, *arguments: str) -> None:
        """Do something to a Pi from outside."""
        subprocess.run(["docker", *arguments], check=True, capture_output=True, timeout=120)

    def node_condition(self, node: str, kind: str) -> str:
        """Status of a node's condition; empty when the API server does not answer."""
        path = f'{{.status.conditions[?(@.type=="{kind}")].status}}'
        return self.kubectl("get", "node", node, f"--output=jsonpath={path}", check=False).strip()

    def answers(self) -> bool:
        """Whether the API server is there."""
        return self.kubectl("get", "--raw", "/readyz", "--request-timeout=10s", check=False).strip() == "ok"

    def pod(self, name: str, image: str, *arguments: str, node: str = NODE) -> None:
        """Make a Pod."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": image, "args": list(arguments)}],
            },
        }
        self.kubectl("create", "namespace", NAMESPACE, check=False)
        wait("the namespace's account", lambda: self.kubectl("-n", NAMESPACE, "get", "sa", "default", check=False))
        self.kubectl("apply", "--filename=-", given=json.dumps(manifest))

    def reason(self, pod: str) -> str:
        """Why a Pod's container waits."""
        path = "{.status.containerStatuses[0].state.waiting.reason}"
        return self.kubectl("-n", NAMESPACE, "get", "pod", pod, f"--output=jsonpath={path}", check=False)

    def restart_network(self, node: str) -> None:
        """Delete the Pod network's Pod on a node, so that another one starts."""
        namespace = ("--namespace", NETWORK.namespace)
        pods = self.kubectl(*namespace, "get", "pods", f"--field-selector=spec.nodeName={node}", "--output=name")
        own = [pod for pod in pods.split() if pod.startswith(f"pod/{NETWORK.daemonset}-")]
        self.kubectl(*namespace, "delete", "--wait=false", *own)

    def remove_pod(self, name: str) -> None:
        """Take a Pod away."""
        self.kubectl("-n", NAMESPACE, "delete", "pod", name, "--ignore-not-found", "--wait=false")


def shown(done: subprocess.CompletedProcess[str]) -> str:
    """What status.yml has shown, without the line breaks of the screen; it has to have worked and changed nothing."""
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert not re.search(r"changed=[1-9]", done.stdout), "status.yml has changed something"
    return " ".join(done.stdout.split())


def wait(what: str, condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(1)


@contextlib.contextmanager
def replaced(lab: Lab, name: str, path: str, script: str, restart: str = "") -> Iterator[None]:
    """Change a file with a sed script, and bring it back at the end."""
    kept = "/root/" + path.replace("/", "_")
    again = f"systemctl restart {restart}" if restart else "true"
    lab.on(name, f"cp -a {path} {kept}; sed -i -E {json.dumps(script)} {path}; ! cmp -s {path} {kept}; {again}")
    try:
        yield
    finally:
        lab.on(name, f"mv {kept} {path}; {again}")


@contextlib.contextmanager
def away(lab: Lab, name: str, *paths: str, restart: str = "") -> Iterator[None]:
    """Move files away, and back at the end."""
    again = f"systemctl restart {restart}" if restart else "true"
    moves = "; ".join(f"mv {path} /root/{path.replace('/', '_')}" for path in paths)
    lab.on(name, f"{moves}; {again}")
    try:
        yield
    finally:
        back = "; ".join(f"mv /root/{path.replace('/', '_')} {path}" for path in paths)
        lab.on(name, f"{back}; {again}")


@dataclass(frozen=True)
class Trouble:
    """One trouble.

    :ivar says: texts that have to be on the screen.
    :ivar hurt: causes it for as long as it is entered. What is said is checked afterwards, so that it ends in any case.
    """

    name: str
    says: tuple[str, ...]
    hurt: Callable[[Lab], contextlib.AbstractContextManager[None]]


TROUBLES: list[Trouble] = []


def trouble(*says: str) -> Callable:
    """Make a trouble of the function below, which causes it, yields, and ends it."""

    def make(function: Callable[[Lab], Iterator[None]]) -> Callable[[Lab], Iterator[None]]:
        @contextlib.contextmanager
        def hurt(lab: Lab) -> Iterator[None]:
            steps = function(lab)
            next(steps)
            try:
                yield
            finally:
                next(steps, None)  # it ends in any case, also after Ctrl-C

        TROUBLES.append(Trouble(function.__name__, says, hurt))
        return function

    return make


@trouble(f"{OTHER}: its kubelet was stopped", "sudo systemctl enable --now kubelet")
def kubelet_down(lab: Lab) -> Iterator[None]:
    """The kubelet was stopped."""
    lab.on(OTHER, "systemctl stop kubelet")
    yield
    lab.on(OTHER, "systemctl start kubelet")


@trouble(f"{OTHER}: its kubelet does not stay up", "sudo systemctl restart kubelet")
def kubelet_failing(lab: Lab) -> Iterator[None]:
    """The kubelet ends by itself, for what its configuration says."""
    with replaced(lab, OTHER, KUBELET_CONFIG, "s/^healthzPort: .*/healthzPort: nonsense/", "kubelet"):
        wait("the kubelet to end often", lambda: int(lab.on(OTHER, "systemctl show -P NRestarts kubelet")) >= 2)
        yield


@trouble(f"{NODE}: it swaps to /swapfile", "site.yml --tags base")
def swap_on(lab: Lab) -> Iterator[None]:
    """Swap is on again."""
    lab.on(
        NODE,
        "dd if=/dev/zero of=/swapfile bs=1M count=8 status=none; chmod 600 /swapfile; "
        "mkswap /swapfile; swapon /swapfile",
    )
    yield
    lab.on(NODE, "swapoff /swapfile; rm /swapfile")


@trouble(f"{OTHER}: its kernel has no memory cgroup", "cgroup_enable=memory")
def cgroup_missing(lab: Lab) -> Iterator[None]:
    """The kernel's parameter is gone after a reboot."""
    file, kept = "/boot/firmware/cmdline.txt", "/root/cmdline.txt"
    lab.on(OTHER, f"cp -a {file} {kept}; sed -i 's/ cgroup_enable=memory//' {file}; ! cmp -s {file} {kept}")
    lab.engine("restart", f"{lab.instance}-{OTHER}")
    wait("SSH", lambda: lab.on(OTHER, "systemctl is-active ssh", check=False) == "active\n")
    yield
    lab.on(OTHER, f"mv {kept} {file}")
    lab.engine("restart", f"{lab.instance}-{OTHER}")
    wait("SSH", lambda: lab.on(OTHER, "systemctl is-active ssh", check=False) == "active\n")


@trouble(f"{OTHER}: it has no CNI configuration (/etc/cni/net.d is empty)", NETWORK.namespace)
def cni_missing(lab: Lab) -> Iterator[None]:
    """Nobody has set up the Pod network; flannel's Pod writes it when it starts anew."""
    lab.on(OTHER, f"rm {NETWORK.configuration}")
    yield
    lab.restart_network(OTHER)
    wait("the CNI configuration", lambda: lab.on(OTHER, f"ls {NETWORK.configuration}", check=False))


@trouble(f"{OTHER}: containerd has not read its CNI configuration", "sudo systemctl restart containerd")
def cni_not_read(lab: Lab) -> Iterator[None]:
    """Somebody has moved the Pod network's configuration away and back."""
    with away(lab, OTHER, NETWORK.configuration):
        wait("the node to notice", lambda: lab.node_condition(OTHER, "Ready") == "False")
    yield
    lab.on(OTHER, "systemctl restart containerd")


@trouble(f"{OTHER}: flannel has no subnet for its Pods")
def no_subnet(lab: Lab) -> Iterator[None]:
    """flannel has no subnet."""
    with away(lab, OTHER, NETWORK.subnet_file):
        yield


@trouble(
    f"Pod {NAMESPACE}/absent: the image registry.k8s.io/absent:1 cannot be pulled on {NODE}: the registry has no such",
    f"Pod {NAMESPACE}/nowhere: the image registry.invalid/x:1 cannot be pulled on {NODE}: the registry's name cannot",
)
def image_cannot_be_pulled(lab: Lab) -> Iterator[None]:
    """One image is not there, of another the registry."""
    names = {"absent": "registry.k8s.io/absent:1", "nowhere": "registry.invalid/x:1"}
    for name, image in names.items():
        lab.pod(name, image)
    for name in names:
        wait(f"the pull of {name} to fail", lambda name=name: "Image" in lab.reason(name))
    yield
    for name in names:
        lab.remove_pod(name)


@trouble(f"Pod {NAMESPACE}/crash: its container main keeps crashing", "its last message was '", "nonsense")
def crash_loop(lab: Lab) -> Iterator[None]:
    """A program that ends at once."""
    lab.pod("crash", network_test_image(), "nonsense")
    wait("the crash loop", lambda: lab.reason("crash") == "CrashLoopBackOff")
    yield
    lab.remove_pod("crash")


@contextlib.contextmanager
def _threshold(lab: Lab, signal: str, kind: str) -> Iterator[None]:
    """Let the kubelet think that it is short of something, by a threshold that nobody can keep."""
    with replaced(lab, OTHER, KUBELET_CONFIG, f"s/^( +{signal}): .*/\\1: 99.99%/", "kubelet"):
        wait(kind, lambda: lab.node_condition(OTHER, kind) == "True")
        yield
    wait(f"the end of {kind}", lambda: lab.node_condition(OTHER, kind) == "False")
    # What the kubelet has thrown out stays as a note until somebody deletes it.
    lab.kubectl("delete", "pods", "--all-namespaces", "--field-selector=status.phase=Failed")


@trouble(f"{OTHER}: its kubelet reports a shortage of disk (", "MB free in /", "make room on it")
def disk_pressure(lab: Lab) -> Iterator[None]:
    """The disk is fuller than the kubelet's threshold."""
    with _threshold(lab, "nodefs.available", "DiskPressure"):
        yield


@trouble(f"{OTHER}: its kubelet reports a shortage of memory (", "MB available", "stop or move something")
def memory_pressure(lab: Lab) -> Iterator[None]:
    """Less memory is available than the kubelet's threshold."""
    with _threshold(lab, "memory.available", "MemoryPressure"):
        yield


#: An SNTP server whose clock is two hours ahead.
LYING_SERVER = """
import socket, struct, time
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.bind(("0.0.0.0", 123))
while True:
    request, asker = channel.recvfrom(512)
    now = time.time() + 7200 + 2208988800
    stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
    head = bytes([0x24, 1, 4, 0xEC]) + 4 * bytes(1) + struct.pack("!I", 1) + b"LIES"
    channel.sendto(head + stamp + request[40:48] + stamp + stamp, asker)
"""


@trouble(f"{OTHER}: its clock is 2 hours behind its time server's (", "site.yml --tags base")
def clock_skew(lab: Lab) -> Iterator[None]:
    """The time server is two hours off: a container's clock cannot be set, so the server lies."""
    source = lab.on(OTHER, "ls /etc/chrony/sources.d/*.sources | head -n 1").strip()
    unit = "lying-time-server"
    lab.on(NODE, f"systemd-run --unit {unit} --collect python3 -c {shlex.quote(LYING_SERVER)}")
    try:
        with replaced(lab, OTHER, source, f"s/^server .*/server {lab.addresses[NODE]} iburst/", "chrony"):
            wait("chrony to choose it", lambda: "yes" in lab.on(OTHER, CHOSEN, check=False))
            yield
    finally:
        lab.on(NODE, f"systemctl stop {unit}")


CHOSEN = "chronyc -n -c sources | grep -q '^^,[*]' && echo yes"


#: Makes the certificate $1 anew, signed by the CA $2, with names $3, valid only in January 2020.
EXPIRE = """
expire() {
    openssl x509 -in "$1" -noout -subject -nameopt RFC2253 >/dev/null
    openssl x509 -x509toreq -copy_extensions copyall -in "$1" -signkey "$2" -out /tmp/old.csr 2>/dev/null
    openssl x509 -req -in /tmp/old.csr -CA "$3.crt" -CAkey "$3.key" -copy_extensions copyall \
        -not_before 20200101000000Z -not_after 20200131000000Z -out "$1" 2>/dev/null
    rm /tmp/old.csr
}
"""


@trouble(
    f"{MASTER}: the certificate /etc/kubernetes/pki/front-proxy-client.crt expired",
    "run site.yml --tags master, which renews",
)
def certificate_expired(lab: Lab) -> Iterator[None]:
    """A certificate of the control plane has ended."""
    folder = "/etc/kubernetes/pki"
    name = f"{folder}/front-proxy-client"
    lab.on(MASTER, f"cp -a {name}.crt /root/kept.crt; {EXPIRE} expire {name}.crt {name}.key {folder}/front-proxy-ca")
    yield
    lab.on(MASTER, f"mv /root/kept.crt {name}.crt")


@trouble(f"{OTHER}: its kubelet trusts another CA than the master's", "kubeadm reset --force")
def wrong_ca(lab: Lab) -> Iterator[None]:
    """kubelet.conf names another CA."""
    lab.on(
        OTHER, "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out /root/other.crt -subj /CN=kubernetes"
    )
    other = lab.on(OTHER, "base64 -w0 /root/other.crt; rm /root/other.crt").strip()
    script = f"s#certificate-authority-data: .*#certificate-authority-data: {other}#"
    with replaced(lab, OTHER, "/etc/kubernetes/kubelet.conf", script, "kubelet"):
        yield


@trouble(f"{OTHER}: its join did not finish, and the bootstrap token abcdef", "site.yml, which joins it")
def token_expired(lab: Lab) -> Iterator[None]:
    """A join was cut short, and its token is over."""
    conf, bootstrap = "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf"
    without_client = "/^ +client-(certificate|key):/d; s/^( +)user: *$/\\1user: {token: abcdef.0123456789abcdef}/"
    lab.on(
        OTHER,
        f"systemctl stop kubelet; cp -a {conf} /root/kubelet.conf; mv {conf} {bootstrap}; "
        f"sed -i -E {json.dumps(without_client)} {bootstrap}; "
        "mkdir /root/pki; mv /var/lib/kubelet/pki/kubelet-client-* /root/pki/; systemctl start kubelet",
    )
    yield
    lab.on(
        OTHER,
        f"systemctl stop kubelet; rm -f {bootstrap}; mv /root/kubelet.conf {conf}; "
        "mv /root/pki/* /var/lib/kubelet/pki/; rmdir /root/pki; systemctl start kubelet",
    )


@trouble(f"{OTHER}: it cannot be reached at ", "see that it has power and network")
def node_unreachable(lab: Lab) -> Iterator[None]:
    """Somebody has pulled the plug."""
    lab.engine("stop", "--time", "1", f"{lab.instance}-{OTHER}")
    yield
    lab.engine("start", f"{lab.instance}-{OTHER}")
    wait("SSH", lambda: lab.on(OTHER, "systemctl is-active ssh", check=False) == "active\n")


@trouble(
    "API server: it cannot be reached", "the master cannot be asked why, either", f"{MASTER}: it cannot be reached at "
)
def master_unreachable(lab: Lab) -> Iterator[None]:
    """Somebody has pulled the master's plug."""
    lab.engine("stop", "--time", "1", f"{lab.instance}-{MASTER}")
    yield
    lab.engine("start", f"{lab.instance}-{MASTER}")
    wait("the API server", lab.answers, 300)


@contextlib.contextmanager
def _silent(lab: Lab) -> Iterator[None]:
    """The API server goes, and comes back when the trouble is over."""
    wait("the API server to go", lambda: not lab.answers())
    yield


@trouble(
    "API server: it cannot be reached", "because kube-apiserver does not run on the master", "unknown flag: --nonsense"
)
def api_server_down(lab: Lab) -> Iterator[None]:
    """The API server does not start, for an argument that it does not know."""
    script = "s/^( +)- --allow-privileged=true/&\\n\\1- --nonsense=true/"
    with replaced(lab, MASTER, f"{MANIFESTS}/kube-apiserver.yaml", script), _silent(lab):
        log = 'cat "$(ls -t /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log | head -n 1)"'
        wait("its last words", lambda: "nonsense" in lab.on(MASTER, log, check=False))
        yield
    wait("the API server", lab.answers, 300)


@trouble("API server: it cannot be reached", "because etcd, which holds its data, does not run", "nonsense")
def etcd_down(lab: Lab) -> Iterator[None]:
    """etcd does not start, for an argument that it does not know."""
    script = "s/^( +)- --client-cert-auth=true/&\\n\\1- --nonsense=true/"
    with replaced(lab, MASTER, f"{MANIFESTS}/etcd.yaml", script), _silent(lab):
        log = 'cat "$(ls -t /var/log/pods/kube-system_etcd-*/etcd/*.log | head -n 1)"'
        wait("its last words", lambda: "nonsense" in lab.on(MASTER, log, check=False))
        yield
    wait("the API server", lab.answers, 300)


@trouble(
    "API server: it cannot be reached", f"because {MANIFESTS}/kube-apiserver.yaml is gone", "control-plane apiserver"
)
def manifest_gone(lab: Lab) -> Iterator[None]:
    """Somebody has removed the API server's manifest."""
    with away(lab, MASTER, f"{MANIFESTS}/kube-apiserver.yaml"), _silent(lab):
        yield
    wait("the API server", lab.answers, 300)


@trouble("API server: it cannot be reached", "because the master's kubelet, which keeps it running, is down")
def master_kubelet_down(lab: Lab) -> Iterator[None]:
    """The master's kubelet was stopped, and the API server ended."""
    lab.on(MASTER, "systemctl stop kubelet; kill $(pidof kube-apiserver)")
    wait("its end", lambda: not lab.on(MASTER, "pidof kube-apiserver", check=False))
    with _silent(lab):
        yield
    lab.on(MASTER, "systemctl start kubelet")
    wait("the API server", lab.answers, 300)


@trouble("API server: it rejects the laptop's kubeconfig", "whose certificate expired on 2020-01-31")
def administrator_expired(lab: Lab) -> Iterator[None]:
    """The administrator's certificate on the laptop has ended."""
    kept = lab.kubeconfig.read_text()
    config = yaml.safe_load(kept)
    user = config["users"][0]["user"]
    made = lab.on(
        MASTER,
        f"{EXPIRE} cd /etc/kubernetes; umask 077; "
        "sed -n 's/.*client-certificate-data: //p' admin.conf | base64 -d > /root/a.crt; "
        "sed -n 's/.*client-key-data: //p' admin.conf | base64 -d > /root/a.key; "
        "expire /root/a.crt /root/a.key pki/ca; base64 -w0 /root/a.crt; rm /root/a.crt /root/a.key",
    )
    user["client-certificate-data"] = made.strip()
    lab.kubeconfig.write_text(yaml.safe_dump(config))
    yield
    lab.kubeconfig.write_text(kept)


def named(*names: str) -> list[Trouble]:
    """Some of the troubles."""
    return [next(t for t in TROUBLES if t.name == name) for name in names]


@contextlib.contextmanager
def healed(lab: Lab) -> Iterator[None]:
    """Every trouble leaves a cluster behind in which all nodes are Ready and have a Pod network."""
    yield
    subnet = f"test -e {NETWORK.subnet_file} && echo there"
    wait("the API server", lab.answers, 300)
    for name in lab.addresses:
        wait(f"{name} to be Ready", lambda name=name: lab.node_condition(name, "Ready") == "True", 300)
        if not lab.on(name, subnet, check=False):  # the network may wait five minutes before it tries again
            lab.restart_network(name)
        wait(f"{name}'s subnet", lambda name=name: lab.on(name, subnet, check=False), 300)
