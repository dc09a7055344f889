"""The module by ansible, against the registry program that much of the world runs, filled by HTTP."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from apiserver import free_port

REPOSITORY = Path(__file__).resolve().parents[3]
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SECRET = "geheim-5be1d9"


def lab_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BRAMBLE_LAB_CACHE") or Path(base) / "bramble.kube-lab")


class Registry:
    """A process of the registry program with its own storage on a port of its own."""

    def __init__(self, folder: Path, more: dict | None = None) -> None:
        program = lab_cache() / "bin" / "registry"
        if not program.exists():
            pytest.fail(f"{program} does not exist; `make lab` builds it")
        self.folder = folder
        settings = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
            "http": {"addr": "127.0.0.1:0"},
            **(more or {}),
        }
        self.process, self.host = self._start(program, settings)

    def _start(self, program: Path, settings: dict) -> tuple[subprocess.Popen[bytes], str]:
        host = f"127.0.0.1:{free_port()}"
        settings["http"]["addr"] = host
        file = self.folder / "config.yml"
        file.write_text(json.dumps(settings))
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen([str(program), "serve", str(file)], stdout=log, stderr=log)
        for _attempt in range(100):
            try:
                http.client.HTTPConnection(host, timeout=1).connect()
                return process, host
            except OSError:
                time.sleep(0.05)
        process.kill()
        pytest.fail(f"the registry does not answer: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 300, (method, path, answer.status)
        return answer

    def blob(self, repository: str, data: bytes, media_type: str) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        location = urllib.parse.urlsplit(self.send("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
        path = f"{location.path}?{location.query}&digest={urllib.parse.quote(digest)}"
        self.send("PUT", path, data, Content_Type="application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, repository: str, content: dict, tag: str | None) -> dict[str, object]:
        data = json.dumps(content).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.send("PUT", f"/v2/{repository}/manifests/{tag or digest}", data, Content_Type=content["mediaType"])
        return {"mediaType": content["mediaType"], "digest": digest, "size": len(data)}

    def image(self, repository: str, platform: str, layer: int, tag: str | None = None) -> dict[str, object]:
        os_name, architecture, variant = (*platform.split("/"), "")[:3]
        stated = {"os": os_name, "architecture": architecture, **({"variant": variant} if variant else {})}
        content = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(repository, json.dumps(stated).encode(), CONFIG),
            "layers": [self.blob(repository, os.urandom(layer), LAYER)],
        }
        return {**self.manifest(repository, content, tag), "platform": stated}

    def index(self, repository: str, tag: str, **layers: int) -> dict[str, object]:
        entries = [self.image(repository, name.replace("_", "/"), size) for name, size in layers.items()]
        return self.manifest(repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, tag)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    running = Registry(tmp_path_factory.mktemp("registry"))
    running.index("kubeflow/training-operator", "v1", linux_amd64=5000, linux_arm64=7000)
    running.image("kubeflow/old", "linux/amd64", 3000, "v1")
    running.index("pause", "3.10", linux_amd64=100, linux_arm64=200, linux_arm_v7=300)
    yield running
    running.stop()


def run(folder: Path, check: bool = False, **options: object) -> tuple[dict, str]:
    """Run the module by ansible at -vvv; returns its result and all that was printed."""
    options = {"cache": str(folder / "cache"), "docker_config": [], "timeout": 5, **options}
    ansible = str(Path(sys.executable).with_name("ansible"))
    command = [ansible, "localhost", "-i", "localhost,", "-c", "local", "-vvv", "-m", "bramble.kube.image_platforms"]
    command += ["-a", json.dumps(options), *(["--check"] if check else [])]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    start = done.stdout.find("=> {")
    assert start >= 0, done.stdout + done.stderr
    result, _end = json.JSONDecoder().raw_decode(done.stdout[start + 3 :])
    return result, done.stdout + done.stderr


def test_objects_of_a_mixed_cluster(registry: Registry, tmp_path: Path) -> None:
    def workload(name: str, image: str) -> dict:
        containers = [{"name": name, "image": image}]
        return {
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": containers}}},
        }

    objects = [
        workload("operator", "kubeflow/training-operator:v1"),
        workload("old", "gcr.io/kubeflow/old:v1"),
        workload("gone", "docker.io/kubeflow/gone:v1"),
    ]
    mirror = [f"http://{registry.host}"]
    options = {
        "objects": objects,
        "images": ["registry.k8s.io/pause:3.10"],
        "platforms": ["linux/arm64", "linux/amd64"],
        "mirrors": {"_default": mirror},
    }
    result, _printed = run(tmp_path, **options)
    assert result["changed"] is False
    assert result["missing"] == ["gcr.io/kubeflow/old:v1"]
    assert result["unanswered"] == ["docker.io/kubeflow/gone:v1"]
    rows = {row["image"]: row for row in result["images"]}
    operator = rows["kubeflow/training-operator:v1"]
    assert operator["status"] == "ok"
    assert operator["platforms"] == ["linux/amd64", "linux/arm64"]
    assert operator["sizes"]["linux/arm64"] - operator["sizes"]["linux/amd64"] == 2000
    assert operator["used_by"] == ["Deployment operator, container operator"]
    assert rows["gcr.io/kubeflow/old:v1"]["error"].startswith(
        "gcr.io/kubeflow/old:v1 is built for linux/amd64, not for"
    )
    assert f"mirror http://{registry.host} has no" in rows["docker.io/kubeflow/gone:v1"]["error"]
    assert len(result["table"]) == 5

    replacements = {"gcr.io/kubeflow/old": "docker.io/kubeflow/training-operator"}
    replaced, _printed = run(tmp_path, **{**options, "objects": objects[:2], "replacements": replacements})
    assert (replaced["missing"], replaced["unanswered"]) == ([], [])


def test_second_time_comes_from_the_cache_in_check_mode_too(registry: Registry, tmp_path: Path) -> None:
    options = {"images": [f"{registry.host}/pause:3.10"], "platforms": ["linux/arm/v7"]}
    first, _printed = run(tmp_path, **options)
    again, _printed = run(tmp_path, check=True, **options)
    later, _printed = run(tmp_path, cache_max_age=0, **options)
    assert (first["requests"], again["requests"], later["requests"]) == (2, 0, 1)
    for result in (first, again, later):
        assert result["images"][0]["runs_as"] == {"linux/arm/v7": "linux/arm/v7"}


def test_many_images_at_once(registry: Registry, tmp_path: Path) -> None:
    """Fifty images with one configuration: it is asked for at most once by each of the eight workers."""
    for number in range(50):
        registry.image(f"many/{number}", "linux/arm64", 10, "1")
    images = [f"{registry.host}/many/{number}:1" for number in range(50)]
    result, _printed = run(tmp_path, images=images, platforms=["linux/arm64"])
    assert 51 <= result["requests"] <= 58
    assert {row["status"] for row in result["images"]} == {"ok"}
    assert [row["image"] for row in result["images"]] == images


def test_wrong_option_is_named(tmp_path: Path) -> None:
    result, _printed = run(tmp_path, images=["nginx"], mirrors={"quay.io": ["192.168.13.2:5000"]})
    assert result["msg"] == (
        "mirror '192.168.13.2:5000' of quay.io is not an address; write one like http://192.168.13.2:5000"
    )


@pytest.fixture
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, list[str | None]]]:
    """The registry program with token authentication, and a token server that signs what it wants to see."""
    folder = tmp_path_factory.mktemp("private")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=token"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    logins: list[str | None] = []

    class Tokens(BaseHTTPRequestHandler):
        def log_message(self, *_values: object) -> None:
            pass

        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            login = self.headers.get("Authorization")
            logins.append(login)
            right = "Basic " + base64.b64encode(f"pi:{SECRET}".encode()).decode()
            if login not in (None, right):
                self.send_response(401)
                self.end_headers()
                return
            kind, name, actions = query["scope"][0].split(":")
            granted = actions.split(",") if login == right or name.startswith("public") else []
            access = [{"type": kind, "name": name, "actions": granted}]
            body = json.dumps({"token": sign(access, key, certificate, query["service"][0]), "expires_in": 60}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    open_registry = Registry(folder)
    open_registry.image("secret/app", "linux/arm64", 10, "1")
    open_registry.image("public/app", "linux/arm64", 10, "1")
    open_registry.stop()
    token = {
        "realm": f"http://127.0.0.1:{server.server_port}/token",
        "service": "lab",
        "issuer": "lab",
        "rootcertbundle": str(certificate),
        "signingalgorithms": ["RS256"],
    }
    running = Registry(folder, {"auth": {"token": token}})
    yield running, logins
    running.stop()
    server.shutdown()
    server.server_close()


def sign(access: list[dict], key: Path, certificate: Path, audience: str) -> str:
    """A JSON Web Token as docker's token specification has it, signed with RS256."""

    def part(value: object) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    lines = certificate.read_text().splitlines()
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "x5c": ["".join(lines[1:-1])]}
    claims = {
        "iss": "lab",
        "sub": "pi",
        "aud": audience,
        "nbf": now - 10,
        "exp": now + 60,
        "iat": now,
        "access": access,
    }
    text = f"{part(header)}.{part(claims)}"
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(key)], input=text.encode(), capture_output=True, check=True
    )
    return f"{text}.{part(done.stdout)}"


def test_tokens_and_logins(private: tuple[Registry, list[str | None]], tmp_path: Path) -> None:
    registry, logins = private
    images = [f"{registry.host}/public/app:1", f"{registry.host}/secret/app:1"]
    result, _printed = run(tmp_path, images=images, platforms=["linux/arm64"])
    assert [row["status"] for row in result["images"]] == ["ok", "unauthorized"]
    assert "docker login" in result["images"][1]["error"]
    assert set(logins) == {None}

    credentials = [{"registry": registry.host, "username": "pi", "password": SECRET}]
    result, printed = run(tmp_path / "options", images=images, platforms=["linux/arm64"], credentials=credentials)
    assert [row["status"] for row in result["images"]] == ["ok", "ok"]
    assert SECRET not in json.dumps(result)

    pair = base64.b64encode(f"pi:{SECRET}".encode()).decode()
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {registry.host: {"auth": pair}}}))
    result, printed = run(tmp_path / "file", images=images, platforms=["linux/arm64"], docker_config=[str(file)])
    assert [row["status"] for row in result["images"]] == ["ok", "ok"]
    assert SECRET not in printed
    assert pair not in printed
    kept = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path != file]
    assert kept
    assert not any(SECRET in text or "Bearer" in text or "eyJ" in text for text in kept)

    wrong = [{"registry": registry.host, "username": "pi", "password": "wrong-" + SECRET}]
    result, _printed = run(tmp_path / "wrong", images=images, credentials=wrong)
    assert {row["status"] for row in result["images"]} == {"unauthorized"}
    assert "the login that was used" in result["images"][0]["error"]
