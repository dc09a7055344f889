"""An etcd and a kube-apiserver alone on loopback: a real API server in a few seconds, without nodes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

FLAGS = (
    "--bind-address=127.0.0.1",
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/12",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--endpoint-reconciler-type=none",
)

NEW_KEY = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
CA_USAGE = "keyUsage=critical,keyCertSign,cRLSign"  # Python's strict check, as the kubernetes client uses it, wants it


def cache() -> Path:
    """Where the lab keeps what it built."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BRAMBLE_LAB_CACHE") or Path(home) / "bramble.kube-lab")


def program(name: str) -> str:
    """Path of a program that the lab built.

    :raises RuntimeError: when it is not there.
    """
    path = cache() / "bin" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build the lab's software first (make lab).")
    return str(path)


def free_port() -> int:
    """A port on loopback that nobody uses.

    Not one of those that the kernel gives to connections: one of these may have it before the server listens.
    """
    while True:
        port = random.randrange(20000, 30000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _url() -> str:
    """An address on loopback for an etcd."""
    return f"http://127.0.0.1:{free_port()}"


class ApiServer:
    """An etcd (of one member, or of several) and one kube-apiserver, with certificates of their own."""

    def __init__(self, *flags: str, api_server: str = "kube-apiserver", etcd_members: int = 1) -> None:
        """:param api_server: a program that the lab built, or the path of another."""
        self.folder = Path(tempfile.mkdtemp(prefix="bramble-kube-api-"))
        self.port = free_port()
        self.flags = flags
        self._program = api_server
        self._etcd: dict[str, subprocess.Popen[bytes]] = {}  # client URL → member
        self._etcd_urls = [_url() for _member in range(etcd_members)]
        self._api: subprocess.Popen[bytes] | None = None

    # Life ----------------------------------------------------------------------------------------------------------

    def start(self) -> ApiServer:
        """Start both, and wait until the API server is ready."""
        self._make_certificates()
        self._start_etcd()
        self.start_api()
        self.kubeconfig = self.write_kubeconfig("kubeconfig", f"https://127.0.0.1:{self.port}")
        return self

    def start_api(self) -> None:
        """Start the API server alone (again)."""
        self._api = self._run(
            self._program,
            f"--etcd-servers={','.join(self._etcd_urls)}",
            f"--secure-port={self.port}",
            f"--client-ca-file={self.path('ca.crt')}",
            f"--tls-cert-file={self.path('server.crt')}",
            f"--tls-private-key-file={self.path('server.key')}",
            f"--service-account-key-file={self.path('sa.key')}",
            f"--service-account-signing-key-file={self.path('sa.key')}",
            *FLAGS,
            *self.flags,
        )
        self._wait_ready()

    def kill_api(self) -> None:
        """Take the API server away at once, as a power cut would."""
        if self._api is not None:
            self._api.kill()
            self._api.wait()
            self._api = None

    def pause_etcd(self) -> None:
        """Let etcd answer nothing more, as one that lost its leader."""
        for member in self._etcd.values():
            member.send_signal(signal.SIGSTOP)

    def resume_etcd(self) -> None:
        """Let etcd go on."""
        for member in self._etcd.values():
            member.send_signal(signal.SIGCONT)

    def etcd_leader(self) -> str:
        """Client URL of the member that leads."""
        urls = ",".join(url for url, member in self._etcd.items() if member.poll() is None)
        command = [program("etcdctl"), "--endpoints", urls, "endpoint", "status", "--write-out=json"]
        listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        answers = ((one["Endpoint"], one["Status"]) for one in listed)
        return next(url for url, status in answers if status["leader"] == status["header"]["member_id"])

    def etcd_values(self, prefix: str) -> list[str]:
        """What etcd holds below a key, as it is stored."""
        command = [program("etcdctl"), "--endpoints", ",".join(self._etcd), "get", prefix, "--prefix"]
        done = subprocess.run([*command, "--print-value-only"], capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if line]

    def kill_etcd_leader(self) -> str:
        """Take the leading member away at once, so that the others elect another; returns its client URL."""
        url = self.etcd_leader()
        self._etcd[url].kill()
        self._etcd[url].wait()
        return url

    def stop(self) -> None:
        """End all and remove their files."""
        for process in (self._api, *self._etcd.values()):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Access --------------------------------------------------------------------------------------------------------

    def path(self, name: str) -> Path:
        """Path of one of this server's files."""
        return self.folder / name

    def write_kubeconfig(self, name: str, server: str, user: str = "admin", extra: str = "") -> str:
        """Write a kubeconfig for an address in front of this server."""
        encoded = {
            part: base64.b64encode(self.path(file).read_bytes()).decode()
            for part, file in (("ca", "ca.crt"), ("cert", f"{user}.crt"), ("key", f"{user}.key"))
        }
        path = self.path(name)
        path.touch(mode=0o600)
        path.write_text(
            f"""apiVersion: v1
kind: Config
clusters:
- name: alone
  cluster: {{server: "{server}", certificate-authority-data: {encoded["ca"]}}}
users:
- name: {user}
  user: {{client-certificate-data: {encoded["cert"]}, client-key-data: {encoded["key"]}}}
contexts:
- name: alone
  context: {{cluster: alone, user: {user}{extra}}}
current-context: alone
"""
        )
        return str(path)

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """Run kubectl; returns what it printed (both streams when it fails and `check` is off)."""
        done = self._run_kubectl(arguments, text)
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def warnings(self, *arguments: str, text: str | None = None) -> list[str]:
        """What the server warned of when kubectl asked it this."""
        done = self._run_kubectl(arguments, text)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]

    def _run_kubectl(self, arguments: tuple[str, ...], text: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBECTL_APPLYSET": "true"},
        )

    def make_user(self, name: str, subject: str) -> None:
        """Make a client certificate."""
        self._openssl(
            f"{NEW_KEY} -subj",
            subject,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
        self._sign(name, "extendedKeyUsage=clientAuth")

    # Inside --------------------------------------------------------------------------------------------------------

    def _start_etcd(self) -> None:
        peers = [_url() for _url_of_clients in self._etcd_urls]
        cluster = ",".join(f"member{number}={peer}" for number, peer in enumerate(peers))
        for number, (url, peer) in enumerate(zip(self._etcd_urls, peers)):
            self._etcd[url] = self._run(
                "etcd",
                f"--name=member{number}",
                f"--data-dir={self.folder}/etcd{number}",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster={cluster}",
                "--unsafe-no-fsync",
            )

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = name if os.path.isabs(name) else program(name)
        with open(self.path(f"{Path(name).name}.log"), "ab") as log:
            return subprocess.Popen([path, *arguments], stdout=log, stderr=log, start_new_session=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        command = [
            "curl",
            "-sk",
            "--max-time",
            "2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--cert",
            str(self.path("admin.crt")),
        ]
        command += ["--key", str(self.path("admin.key")), f"https://127.0.0.1:{self.port}/readyz"]
        while time.monotonic() < deadline:
            if subprocess.run(command, capture_output=True, text=True, check=False).stdout == "200":
                return
            if self._api is not None and self._api.poll() is not None:
                break
            time.sleep(0.1)
        log = self.path("kube-apiserver.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"kube-apiserver did not become ready:\n{log}")

    def _openssl(self, *arguments: str) -> None:
        words = [word for part in arguments[:1] for word in part.split()] + list(arguments[1:])
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def _sign(self, name: str, extension: str) -> None:
        self.path(f"{name}.ext").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        self._openssl(
            "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 3",
            "-in",
            f"{name}.csr",
            "-out",
            f"{name}.crt",
            "-extfile",
            f"{name}.ext",
        )

    def _make_certificates(self) -> None:
        self._openssl(f"{NEW_KEY} -x509 -days 3 -subj /CN=alone -addext {CA_USAGE} -keyout ca.key -out ca.crt")
        self._openssl(f"{NEW_KEY} -subj /CN=kube-apiserver -keyout server.key -out server.csr")
        self._sign("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.make_user("admin", "/O=system:masters/CN=admin")
        self._openssl("genrsa -out sa.key 2048")


@contextlib.contextmanager
def running(*flags: str):
    """An API server for a `with` block."""
    server = ApiServer(*flags)
    try:
        yield server.start()
    finally:
        server.stop()
