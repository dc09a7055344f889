"""Declaring apps: layout, idempotence, registries and packages, removal, and errors before anything is written."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from app_builder import FIXTURES, Builder, standard

from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import registry
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet.errors import KsonnetError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("api_version", ["0.1.0", "0.2.0", "0.3.0"])
def test_a_second_time_changes_nothing(build: Builder, api_version: str) -> None:
    wanted = standard(api_version)
    wanted["modules"] = [{"name": "/", "params": {"zone": "a"}}]
    assert "app.yaml" in build.apply(**wanted)
    assert build.apply(**wanted) == []


def test_layout_of_0_1_0(app: Builder) -> None:
    spec = yaml.safe_load(app.text("app.yaml"))
    assert spec["kind"] == "ksonnet.io/app"
    assert spec["environments"]["eu/prod"] == {
        "destination": {"namespace": "ns2", "server": ""},
        "k8sVersion": "v1.7.0",
        "path": "eu/prod",
    }
    assert spec["libraries"]["web"] == {"name": "web", "registry": "test"}
    assert "../../../components/params.libsonnet" in app.text("environments/eu/prod/params.libsonnet")
    for name in (
        "lib/v1.7.0/k.libsonnet",
        "lib/v1.7.0/swagger.json",
        "vendor/test/web/parts.yaml",
        ".ksonnet/registries",
    ):
        assert (app.root / name).exists()


def test_layout_of_0_3_0(build: Builder) -> None:
    build.apply(**standard("0.3.0"))
    assert set(yaml.safe_load(build.text("app.yaml"))["libraries"]) == {"test/web", "test/tools"}
    assert (build.root / "lib/ksonnet-lib/v1.7.0/k8s.libsonnet").exists()
    assert (build.root / "environments/default/globals.libsonnet").exists()
    assert build.text(".gitignore").startswith("/lib\n")


def test_types_of_the_prototype_hold_on_the_second_run(app: Builder) -> None:
    component = {"name": "site", "prototype": "site", "params": {"weight": "9", "greeting": 5, "port": "8080"}}
    assert app.apply(components=[component]) == ["components/params.libsonnet"]
    assert app.apply(components=[component]) == []
    assert 'greeting: "5"' in app.text("components/params.libsonnet")
    assert "port: 8080" in app.text("components/params.libsonnet")


def test_what_people_wrote_stays(app: Builder) -> None:
    text = app.text("components/params.libsonnet").replace("replicas: 2,", "replicas: 2,  // two are enough")
    app.write("components/params.libsonnet", text + "// the end\n")
    app.apply(components=[{"name": "site", "params": {"port": 81}, "remove_params": ["greeting"]}])
    after = app.text("components/params.libsonnet")
    assert "// two are enough" in after
    assert after.endswith("// the end\n")
    assert "greeting" not in after


def test_environments_are_renamed_changed_and_removed(app: Builder) -> None:
    app.apply(environments=[{"name": "prod", "rename_from": "eu/prod", "server": "https://y"}])
    env = yaml.safe_load(app.text("app.yaml"))["environments"]
    assert set(env) == {"default", "prod"}
    assert env["prod"] == {
        "destination": {"namespace": "ns2", "server": "https://y"},
        "k8sVersion": "v1.7.0",
        "path": "prod",
    }
    assert not (app.root / "environments/eu").exists()
    app.apply(environments=[{"name": "prod", "state": "absent"}])
    assert not (app.root / "environments/prod").exists()
    assert app.apply(environments=[{"name": "prod", "state": "absent"}]) == []


def test_a_component_goes_with_all_its_parameters(app: Builder) -> None:
    app.apply(components=[{"name": "site", "state": "absent"}])
    assert not (app.root / "components/site.jsonnet").exists()
    assert "site" not in app.text("components/params.libsonnet")
    assert "site" not in app.text("environments/default/params.libsonnet")
    assert app.plan().components == ["my-note"]
    assert app.apply(components=[{"name": "site", "state": "absent"}]) == []


def test_modules(build: Builder) -> None:
    wanted: dict[str, Any] = {**standard("0.3.0"), "modules": [{"name": "shop", "params": {"zone": "x"}}]}
    wanted["components"].append({"name": "shop.front", "prototype": "note"})
    wanted["environments"][0]["targets"] = ["/", "shop"]
    build.apply(**wanted)
    assert build.apply(**wanted) == []
    assert "shop.front" in build.plan().components
    assert "components.front;" in build.text("components/shop/front.jsonnet")
    names = [o["metadata"]["name"] for o in build.render(components=["shop.front"]).objects]
    assert names == ["front"]
    assert 'zone: "x"' in build.text("components/shop/params.libsonnet")
    build.apply(modules=[{"name": "shop", "state": "absent"}])
    assert not (build.root / "components/shop").exists()


def test_packages_and_registries_go(app: Builder) -> None:
    with pytest.raises(KsonnetError, match="registry 'test' cannot go: packages tools, web come from it"):
        app.plan(registries=[{"name": "test", "state": "absent"}])
    app.apply(packages=[{"name": "test/web", "state": "absent"}])
    assert not (app.root / "vendor/test/web").exists()
    assert (app.root / "vendor/test/tools").exists()
    app.apply(packages=[{"name": "tools", "registry": "test", "state": "absent"}])
    app.apply(registries=[{"name": "test", "state": "absent"}])
    assert yaml.safe_load(app.text("app.yaml"))["registries"] == {}


def test_a_package_of_one_environment(build: Builder) -> None:
    wanted = standard("0.2.0")
    wanted["packages"] = [{"name": "test/web", "environment": "default"}, {"name": "test/tools"}]
    build.apply(**wanted)
    assert build.apply(**wanted) == []
    spec = yaml.safe_load(build.text("app.yaml"))
    assert list(spec["environments"]["default"]["libraries"]) == ["web"]
    assert list(spec["libraries"]) == ["tools"]


def archive(files: dict[str, bytes], commit: str = COMMIT, hard_links: dict[str, str] | None = None) -> bytes:
    """A tar.gz as GitHub makes it: one folder on top, the commit in the head."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": commit}) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"kube-main/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, other in (hard_links or {}).items():
            member = tarfile.TarInfo(f"kube-main/{name}")
            member.type, member.linkname = tarfile.LNKTYPE, f"kube-main/{other}"
            tar.addfile(member)
        link = tarfile.TarInfo("kube-main/reg/web/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return stream.getvalue()


def registry_files() -> dict[str, bytes]:
    root = FIXTURES / "registry"
    return {f"reg/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}


class Internet:
    """Serves archives by address, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, served: dict[str, bytes]) -> None:
        self.served = served
        self.asked: list[str] = []
        monkeypatch.setattr(registry, "fetch", self.fetch)

    def fetch(self, url: str, limit: int = 0) -> bytes:
        self.asked.append(url)
        if url not in self.served:
            raise KsonnetError(f"{url} cannot be downloaded: 404")
        return self.served[url]


MIRROR = "http://192.168.20.2/github"
URL = f"{MIRROR}/bramble/kube/tar.gz/v1.0"


def github(**options: Any) -> dict[str, Any]:
    wanted = standard(options.pop("api_version", "0.1.0"))
    uri = "github.com/bramble/kube/tree/v1.0/reg"
    wanted["registries"] = [{"name": "test", "uri": uri, "mirror": MIRROR, **options}]
    return wanted


@pytest.mark.parametrize("api_version", ["0.1.0", "0.2.0", "0.3.0"])
def test_github_once_and_offline_afterwards(build: Builder, monkeypatch: pytest.MonkeyPatch, api_version: str) -> None:
    net = Internet(monkeypatch, {URL: archive(registry_files())})
    build.apply(**github(api_version=api_version))
    assert net.asked == [URL]
    assert build.apply(**github(api_version=api_version)) == []
    assert net.asked == [URL]
    spec = yaml.safe_load(build.text("app.yaml"))
    if api_version == "0.1.0":
        assert spec["registries"]["test"]["gitVersion"] == {"commitSha": COMMIT, "refSpec": "v1.0"}
        assert spec["libraries"]["web"]["gitVersion"] == {"commitSha": COMMIT, "refSpec": "v1.0"}
        assert (build.root / f".ksonnet/registries/test/{COMMIT}.yaml").exists()
    else:
        assert spec["libraries"][{"0.2.0": "web", "0.3.0": "test/web"}[api_version]]["version"] == COMMIT
        assert (build.root / f"vendor/test/web@{COMMIT}/web.libsonnet").exists()
    assert len(build.render().objects) == 5
    assert not list(build.root.rglob("link"))


def test_an_archive_as_git_makes_it_over_http(build: Builder, tmp_path: Path) -> None:
    """GitHub's archives are `git archive`'s: here one is made of a real tag and served by a real server."""
    repository, served = tmp_path / "repository", tmp_path / "served"
    shutil.copytree(FIXTURES / "registry", repository / "reg")
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1.0"]):
        subprocess.run([*git, *arguments], check=True)
    commit = subprocess.run([*git, "rev-parse", "v1.0"], check=True, capture_output=True, text=True).stdout.strip()
    file = served / "bramble/kube/tar.gz/v1.0"
    file.parent.mkdir(parents=True)
    subprocess.run([*git, "archive", "--format=tar.gz", "--prefix=kube-1.0/", "-o", str(file), "v1.0"], check=True)
    command = [sys.executable, "-um", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(served)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            mirror = f"http://127.0.0.1:{port}"
            build.apply(**github(mirror=mirror))
            with pytest.raises(KsonnetError, match=r"/tar\.gz/v9 cannot be downloaded: the answer is 404 Not Found"):
                build.plan(registries=[{"name": "x", "uri": "github.com/bramble/kube/tree/v9/reg", "mirror": mirror}])
        finally:
            server.terminate()
    spec = yaml.safe_load(build.text("app.yaml"))
    assert spec["libraries"]["web"]["gitVersion"] == {"commitSha": commit, "refSpec": "v1.0"}
    assert build.apply(**github(mirror=mirror)) == []  # the server is gone
    assert len(build.render().objects) == 5


def test_another_app_takes_the_archive_from_the_cache(
    build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    net = Internet(monkeypatch, {URL: archive(registry_files())})
    build.apply(**github())
    net.served.clear()
    Builder(tmp_path / "second", build.cache).apply(**github())
    assert net.asked == [URL]


def test_checksums(build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = archive(registry_files())
    right = "sha256:" + hashlib.sha256(data).hexdigest()
    Internet(monkeypatch, {URL: data})
    with pytest.raises(KsonnetError, match=rf"has the checksum {right}, not sha256:0000"):
        build.plan(**github(checksum="sha256:" + 64 * "0"))
    with pytest.raises(KsonnetError, match="must be sha256: and 64 hexadecimal digits"):
        build.plan(**github(checksum="md5:1"))
    build.apply(**github(checksum=right))

    # the tag moves: another machine must not take it silently
    Internet(monkeypatch, {URL: archive({**registry_files(), "reg/web/new.libsonnet": b"{}"})})
    fresh = Builder(build.root, tmp_path / "empty cache")
    for path in (build.root / "vendor/test/web").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(KsonnetError, match=r"now holds sha256:.*if the change is wanted, set update: true"):
        fresh.plan(**github())
    assert "vendor/test/web/new.libsonnet" in fresh.apply(**github(update=True))


def test_the_checksum_of_files_is_what_find_and_sha256sum_print(
    build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, data in registry_files().items():
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = "find reg -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.run(["sh", "-c", command], cwd=tmp_path / "top", capture_output=True, text=True, check=True)
    right = printed.stdout.split()[0]
    Internet(monkeypatch, {URL: archive(registry_files())})
    with pytest.raises(KsonnetError, match=rf"the files of github.com/bramble/kube/tree/v1.0/reg have .*{right}, not"):
        build.plan(**github(files_sha256=64 * "0"))
    build.apply(**github(files_sha256=right))
    wrong = {"name": "test", "uri": str(FIXTURES / "registry"), "files_sha256": right}  # the same files, elsewhere
    with pytest.raises(KsonnetError, match="have the checksum"):
        build.plan(registries=[wrong])


def test_hard_links_are_files(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    files = registry_files()
    name, other = sorted(files)[:2]
    content = {**files, name: files[other]}
    Internet(monkeypatch, {URL: archive(content)})
    downloads = registry.Downloads(str(build.cache), MIRROR, keep=False)
    address = registry.parse_github(github()["registries"][0]["uri"])
    whole = downloads.open(address)
    del content[name]
    Internet(monkeypatch, {URL: archive(content, hard_links={name: other})})
    linked = downloads.open(address)
    assert linked.files == whole.files and linked.digest() == whole.digest()


def test_a_broken_cache_is_not_used(build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net = Internet(monkeypatch, {URL: archive(registry_files())})
    build.apply(**github())
    for path in build.cache.rglob("*.tar.gz"):
        path.write_bytes(b"broken")
    Builder(tmp_path / "second", build.cache).apply(**github())
    assert net.asked == [URL, URL]


def test_another_version_of_a_package(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {**registry_files(), "reg/web/new.libsonnet": b"{}"}
    other = "f" * 40
    Internet(monkeypatch, {URL: archive(registry_files()), URL.replace("v1.0", "v2.0"): archive(newer, other)})
    build.apply(**github())
    build.apply(**{**github(), "packages": [{"name": "test/web@v2.0"}]})
    assert (build.root / "vendor/test/web/new.libsonnet").exists()
    spec = yaml.safe_load(build.text("app.yaml"))
    assert spec["libraries"]["web"]["gitVersion"] == {"commitSha": other, "refSpec": "v2.0"}


def test_addresses() -> None:
    parse = registry.parse_github
    assert parse("https://github.com/a/b") == registry.GitHubAddress("a", "b", "master", "")
    assert parse("github.com/a/b/tree/v1/x/y/") == registry.GitHubAddress("a", "b", "v1", "x/y")
    assert parse("www.github.com/a/b/blob/v1/x/registry.yaml") == registry.GitHubAddress("a", "b", "v1", "x")
    for wrong in ("github.com/a", "github.com/a/b/x/y/z", "github.com/a/b?x=1", "github.com/a/b/blob/v1/x.yaml"):
        with pytest.raises(KsonnetError, match="must be of the form"):
            parse(wrong)
    downloads = registry.Downloads("c")
    assert downloads._url(parse("github.com/a/b/tree/v1"), registry.DEFAULT_MIRROR).endswith("github.com/a/b/tar.gz/v1")
    assert downloads._url(parse("github.com/a/b/tree/v1"), "http://m/{repo}-{ref}.tgz") == "http://m/b-v1.tgz"


class TestErrors:
    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"components": [{"name": "x"}]}, r"component 'x' does not exist and has no prototype.*my-note, site"),
            (
                {"components": [{"name": "x", "prototype": "site"}]},
                r"prototype test\.bramble\.site .*needs the parameter",
            ),
            ({"components": [{"name": "a b", "prototype": "note"}]}, "component name 'a b' is not valid"),
            (
                {"packages": [{"name": "other/web"}]},
                "names the registry 'other', which the app does not have; it has: test",
            ),
            ({"packages": [{"name": "test/nope"}]}, "has no package 'nope'; it has: tools, web"),
            ({"packages": [{"name": "test/web", "environment": "default"}]}, r"need apiVersion 0\.2\.0"),
            ({"registries": [{"name": "r", "uri": "/nowhere"}]}, "registry folder /nowhere does not exist"),
            ({"registries": [{"name": "r"}]}, "registry 'r' needs uri"),
            ({"environments": [{"name": "../x"}]}, "environment name '../x' is not valid"),
            ({"environments": [{"name": "e", "kubernetes_version": "new"}]}, "must be a release such as v1.7.0"),
            (
                {"environments": [{"name": "default", "params": {"x": {}}}]},
                "component 'x', which does not exist; there are",
            ),
            ({"environments": [{"name": "default", "globals": {"x": 1}}]}, "has no globals.libsonnet"),
            ({"modules": [{"name": "shop"}]}, r"written for ks 0\.9 .*use api_version 0\.2\.0"),
            ({"api_version": "0.3.0"}, r"has apiVersion 0\.1\.0, not 0\.3\.0"),
            ({"libraries": [{"openapi": "/nowhere.json"}]}, r"description /nowhere\.json cannot be read"),
            ({"libraries": [{"openapi": "https://x/s.json"}]}, "needs a checksum"),
        ],
    )
    def test_is_told_before_anything_is_written(self, app: Builder, wanted: dict[str, Any], message: str) -> None:
        before = {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()}
        with pytest.raises(KsonnetError, match=message):
            app.apply(**{"components": [{"name": "site", "params": {"port": 1}}], **wanted})
        assert {path: path.read_bytes() for path in app.root.rglob("*") if path.is_file()} == before

    def test_a_folder_that_is_no_app(self, build: Builder) -> None:
        build.write("components/mine.txt", "x")
        with pytest.raises(KsonnetError, match=r"has a components folder but no app\.yaml"):
            build.plan()


def test_a_description_from_an_address_is_kept(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (FIXTURES / "openapi/v1.20.0.json").read_bytes()
    url = "https://x/swagger.json"
    net = Internet(monkeypatch, {url: data})
    entry = {"openapi": url, "checksum": "sha256:" + hashlib.sha256(data).hexdigest()}
    build.apply(libraries=[entry])
    assert build.apply(libraries=[entry]) == []
    assert net.asked == [url]
    for kept in build.cache.rglob("openapi/*.json"):
        kept.write_bytes(data[:100])
    shutil.rmtree(build.root / "lib")
    assert build.apply(libraries=[entry])
    assert net.asked == [url, url], "what was damaged is fetched again"
    with pytest.raises(KsonnetError, match="has the checksum"):
        build.plan(libraries=[{**entry, "checksum": "sha256:" + 64 * "0"}])


def test_a_library_folder_that_is_there_is_used_as_it_is(app: Builder) -> None:
    app.write("lib/v1.7.0/k.libsonnet", "{ mine: true }")
    assert app.apply(libraries=[{"openapi": str(FIXTURES / "openapi/v1.7.0.json")}]) == []
    assert app.apply(libraries=[{"version": "1.7.0", "openapi": "/nowhere"}]) == []
    assert json.loads((app.root / "lib/v1.7.0/swagger.json").read_text())["info"]["version"] == "v1.7.0"
