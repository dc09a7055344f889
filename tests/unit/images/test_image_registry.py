"""The registry client against a registry that makes every trouble."""

from __future__ import annotations

import email.utils
import json
import time
from pathlib import Path

import pytest
from fake_registry import INDEX, SCHEMA1, FakeRegistry, digest_of, encode

from ansible_collections.bramble.kube.plugins.module_utils.common.http import Transport
from ansible_collections.bramble.kube.plugins.module_utils.images import registry as client_module
from ansible_collections.bramble.kube.plugins.module_utils.images.cache import Cache
from ansible_collections.bramble.kube.plugins.module_utils.images.credentials import Credential, CredentialStore
from ansible_collections.bramble.kube.plugins.module_utils.images.find import ImageUse
from ansible_collections.bramble.kube.plugins.module_utils.images.inspection import check_images, table
from ansible_collections.bramble.kube.plugins.module_utils.images.platform import parse as platform
from ansible_collections.bramble.kube.plugins.module_utils.images.registry import (
    InvalidMirror,
    RegistryClient,
    endpoints_for,
    parse_challenge,
    retry_after,
)
from ansible_collections.bramble.kube.plugins.module_utils.images.replacement import Replacements

ARM64 = platform("linux/arm64")
AMD64 = platform("linux/amd64")


class Asker:
    """A client as the module makes it, with a clock that does not wait."""

    def __init__(self, mirrors=None, credentials=None, cache=None, max_age=3600.0, wait=30.0, environment=None) -> None:
        self.slept: list[float] = []
        self.transport = Transport(timeout=5, environment=environment or {})
        self.client = RegistryClient(
            self.transport,
            CredentialStore(credentials or {}),
            mirrors,
            Cache(cache),
            max_age,
            wait,
            sleep=self.slept.append,
        )

    def ask(self, *images: str, wanted=(ARM64, AMD64), replacements=None, sizes=True):
        uses = [ImageUse(image, "", "") for image in images]
        verdicts = check_images(self.client, uses, wanted, Replacements(replacements or {}), sizes)
        self.transport.close()
        return verdicts


def test_index_with_sizes(registry: FakeRegistry) -> None:
    attestation = {
        "mediaType": "x",
        "digest": digest_of(b"a"),
        "platform": {"os": "unknown", "architecture": "unknown"},
    }
    registry.add_index("a/b", "1", "linux/amd64", "linux/arm64/v8", "linux/arm/v7", more=[attestation])
    (verdict,) = Asker().ask(f"{registry.host}/a/b:1")
    assert (verdict.status, verdict.error) == ("ok", None)
    assert verdict.platforms == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert verdict.missing == []
    # Two of the three platforms were asked for: 1000 and 2000 bytes of layers and the configuration's own.
    assert set(verdict.sizes) == {"linux/amd64", "linux/arm64"}
    assert 2000 < verdict.sizes["linux/arm64"] < 2200
    assert registry.asked == {"GET": 3}


def test_single_manifest_says_its_platform_in_its_configuration(registry: FakeRegistry) -> None:
    registry.add_image("a/old", "linux/amd64", "1")
    (verdict,) = Asker().ask(f"{registry.host}/a/old:1")
    assert verdict.status == "missing"
    assert verdict.missing == ["linux/arm64"]
    assert "built for linux/amd64, not for linux/arm64" in verdict.error
    assert registry.asked == {"GET": 2}


def test_32_bit_image_on_a_64_bit_pi(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/arm/v6")
    (verdict,) = Asker().ask(f"{registry.host}/a:1", wanted=[ARM64])
    assert verdict.runs_as == {"linux/arm64": "linux/arm/v6"}
    assert "(linux/arm/v6)" in table([verdict], [ARM64])[1]


def test_schema_1(registry: FakeRegistry) -> None:
    registry.add("old", {"schemaVersion": 1, "architecture": "amd64", "fsLayers": []}, SCHEMA1, "1")
    (verdict,) = Asker().ask(f"{registry.host}/old:1")
    assert verdict.platforms == ["linux/amd64"]
    assert verdict.sizes == {}


def test_index_within_an_index_and_entries_without_platform(registry: FakeRegistry) -> None:
    image = registry.add_image("a", "linux/arm64")
    image.pop("platform")
    inner = registry.add("a", {"schemaVersion": 2, "manifests": [image]}, INDEX)
    registry.add("a", {"schemaVersion": 2, "manifests": [inner]}, INDEX, "1")
    (verdict,) = Asker().ask(f"{registry.host}/a:1", wanted=[])
    assert verdict.platforms == ["linux/arm64"]
    assert verdict.sizes["linux/arm64"] > 1000


def test_chart_is_no_image(registry: FakeRegistry) -> None:
    config = registry.add("chart", {}, "application/vnd.cncf.helm.config.v1+json")
    registry.add("chart", {"schemaVersion": 2, "config": config, "layers": []}, client_module.MANIFEST_TYPES[0], "1")
    (verdict,) = Asker().ask(f"{registry.host}/chart:1")
    assert verdict.status == "error"
    assert "not a container image but application/vnd.cncf.helm" in verdict.error


def test_not_found_names_tag_and_repository(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/arm64")
    missing, invalid = Asker().ask(f"{registry.host}/a:2", "No:Thing")
    assert (missing.status, missing.error) == ("not_found", f"{registry.host} has no tag 2 of a")
    assert invalid.status == "invalid"


def test_token_for_anybody_one_each_repository(registry: FakeRegistry) -> None:
    registry.scheme = "Bearer"
    for name in ("a", "b"):
        registry.add_index(name, "1", "linux/amd64", "linux/arm64")
    verdicts = Asker().ask(*(f"{registry.host}/{name}:1" for name in "ab"))
    assert [verdict.status for verdict in verdicts] == ["ok", "ok"]
    assert registry.asked["token"] == 2


def test_login_goes_to_its_registry_alone(registry: FakeRegistry, mirror: FakeRegistry) -> None:
    for fake in (registry, mirror):
        fake.scheme, fake.login = "Bearer", ("pi", "geheim")
    registry.add_index("a", "1", "linux/amd64", "linux/arm64")
    asker = Asker({registry.host: [mirror.url]}, {registry.host: Credential("pi", "geheim")})
    (verdict,) = asker.ask(f"{registry.host}/a:1")
    assert verdict.status == "ok"
    assert mirror.asked["token"] == 1, "the mirror asked for a token, and nobody's name was given"
    assert not any(value and "Basic" in value for value in mirror.authorizations)


def test_wrong_login_and_no_login_are_told_apart(registry: FakeRegistry) -> None:
    registry.scheme, registry.login = "Bearer", ("pi", "right")
    registry.add_index("a", "1", "linux/arm64")
    (anonymous,) = Asker().ask(f"{registry.host}/a:1")
    (wrong,) = Asker(credentials={registry.host: Credential("pi", "wrong-secret")}).ask(f"{registry.host}/a:1")
    assert anonymous.status == wrong.status == "unauthorized"
    assert "docker login" in anonymous.error
    assert "the login that was used" in wrong.error
    assert "wrong-secret" not in repr(wrong)


def test_basic_and_identity_token(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/amd64", "linux/arm64")
    registry.scheme, registry.login = "Basic", ("pi", "geheim")
    credentials = {registry.host: Credential("pi", "geheim")}
    assert Asker(credentials=credentials).ask(f"{registry.host}/a:1")[0].status == "ok"
    registry.scheme, registry.identity_token = "Bearer", "refresh-me"
    credentials = {registry.host: Credential(identity_token="refresh-me")}
    assert Asker(credentials=credentials).ask(f"{registry.host}/a:1")[0].status == "ok"
    credentials = {registry.host: Credential(identity_token="another")}
    assert Asker(credentials=credentials).ask(f"{registry.host}/a:1")[0].status == "unauthorized"


def test_token_is_not_asked_for_by_plain_http_of_an_https_registry() -> None:
    endpoint = endpoints_for("quay.io", {})[0]
    asker = Asker(credentials={"quay.io": Credential("pi", "geheim")})
    with pytest.raises(client_module.RegistryError, match="without https; nothing was sent"):
        asker.client._fetch_token(
            endpoint, client_module.Reference("quay.io", "a"), {"realm": "http://evil.example/token"}
        )


def test_authorization_stays_behind_when_a_blob_is_elsewhere(registry: FakeRegistry, mirror: FakeRegistry) -> None:
    registry.scheme, registry.redirect_blobs_to = "Bearer", mirror.url
    registry.add_image("a", "linux/arm64", "1")
    mirror.contents = dict(registry.contents)
    (verdict,) = Asker().ask(f"{registry.host}/a:1", wanted=[ARM64])
    assert verdict.status == "ok"
    assert mirror.authorizations == [None]


def test_mirror_first_then_the_registry(registry: FakeRegistry, mirror: FakeRegistry) -> None:
    mirror.add_index("a", "1", "linux/arm64")
    registry.add_index("b", "1", "linux/arm64")
    asker = Asker({registry.host: [mirror.url]})
    in_mirror, beyond = asker.ask(f"{registry.host}/a:1", f"{registry.host}/b:1", wanted=[ARM64], sizes=False)
    assert in_mirror.source == f"{mirror.url}/v2"
    assert beyond.source == f"{registry.url}/v2"
    assert set(mirror.queries) == {"ns=" + registry.host.replace(":", "%3A")}
    assert registry.asked == {"GET": 1}


def test_both_answers_are_told_when_neither_has_it(registry: FakeRegistry, mirror: FakeRegistry) -> None:
    registry.close()
    (verdict,) = Asker({registry.host: [mirror.url]}).ask(f"{registry.host}/a:1")
    assert verdict.status == "unreachable"
    assert verdict.error == (
        f"{registry.host} cannot be reached: connection refused; mirror {mirror.url} has no tag 1 of a"
    )


def test_dead_host_is_asked_once(registry: FakeRegistry) -> None:
    registry.close()
    asker = Asker()
    for _number in range(3):
        (verdict,) = asker.ask(f"{registry.host}/a:1")
        assert verdict.status == "unreachable"
    assert asker.transport.requests == 0
    assert len(asker.client._failed) == 1


def test_waits_as_long_as_the_registry_says(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/arm64")
    registry.limit_answers = [{"Retry-After": "7"}, {}]
    asker = Asker()
    (verdict,) = asker.ask(f"{registry.host}/a:1", wanted=[ARM64], sizes=False)
    assert verdict.status == "ok"
    assert asker.slept == [7.0, 2.0]


def test_rate_limit_beyond_patience_names_the_moment(registry: FakeRegistry) -> None:
    registry.limit_answers = [{"Retry-After": "3600", "RateLimit-Limit": "100;w=21600"}]
    registry.add_index("b", "1", "linux/arm64")
    asker = Asker()
    (first,) = asker.ask(f"{registry.host}/a:1")
    (second,) = asker.ask(f"{registry.host}/b:1")
    assert first.status == second.status == "rate_limited"
    until = time.strftime("%H:", time.gmtime(time.time() + 3600))
    assert f" until {until}" in first.error
    assert "100 requests in 6 h are used up" in first.error
    assert asker.slept == []
    assert registry.asked == {"GET": 1}, "a registry that said when to come back is left alone"


def test_server_errors_are_tried_again(registry: FakeRegistry) -> None:
    registry.add_index("a", "1", "linux/arm64")
    registry.broken_answers = 2
    assert Asker().ask(f"{registry.host}/a:1", wanted=[ARM64], sizes=False)[0].status == "ok"
    registry.broken_answers = 3
    assert Asker().ask(f"{registry.host}/a:1")[0].status == "unreachable"


def test_bytes_that_are_not_the_digest_are_refused(registry: FakeRegistry) -> None:
    digest = registry.add_index("a", "1", "linux/arm64")
    registry.lie = True
    by_tag, by_digest = Asker().ask(f"{registry.host}/a:1", f"{registry.host}/a@{digest}")
    assert by_tag.status == by_digest.status == "error"
    assert digest in by_digest.error


def test_cache(registry: FakeRegistry, tmp_path: Path) -> None:
    digest = registry.add_index("a", "1", "linux/arm64")
    image = f"{registry.host}/a:1"
    Asker(cache=tmp_path).ask(image, wanted=[ARM64])
    registry.asked.clear()
    again = Asker(cache=tmp_path)
    assert again.ask(image, wanted=[ARM64])[0].digest == digest
    assert again.transport.requests == 0
    # Too old: a HEAD, which Docker Hub does not count, tells that nothing moved.
    assert Asker(cache=tmp_path, max_age=0).ask(image, wanted=[ARM64])[0].stale is False
    assert registry.asked == {"HEAD": 1}
    moved = registry.add_index("a", "1", "linux/arm64", "linux/amd64")
    assert Asker(cache=tmp_path, max_age=0).ask(image, wanted=[ARM64])[0].digest == moved
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_old_answer_when_nobody_answers(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add_index("a", "1", "linux/arm64")
    image = f"{registry.host}/a:1"
    Asker(cache=tmp_path).ask(image, wanted=[ARM64])
    registry.close()
    (verdict,) = Asker(cache=tmp_path, max_age=0).ask(image, wanted=[ARM64])
    assert (verdict.status, verdict.stale) == ("ok", True)
    assert "does not answer now" in table([verdict], [ARM64])[1]


def test_spoiled_cache_is_asked_again(registry: FakeRegistry, tmp_path: Path) -> None:
    digest = registry.add_index("a", "1", "linux/arm64")
    image = f"{registry.host}/a:1"
    Asker(cache=tmp_path).ask(image, wanted=[ARM64])
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.write_bytes(b"half a fi")
    assert Asker(cache=tmp_path).ask(image, wanted=[ARM64])[0].digest == digest


def test_another_mirror_is_another_question(registry: FakeRegistry, mirror: FakeRegistry, tmp_path: Path) -> None:
    registry.add_index("a", "1", "linux/arm64")
    mirrored = mirror.add_index("a", "1", "linux/amd64")
    image = f"{registry.host}/a:1"
    Asker(cache=tmp_path).ask(image)
    assert Asker({registry.host: [mirror.url]}, cache=tmp_path).ask(image)[0].digest == mirrored


def test_replacement_is_asked_for(registry: FakeRegistry) -> None:
    registry.add_index("new", "2", "linux/arm64")
    (verdict,) = Asker().ask(
        "gcr.io/old/thing:1", wanted=[ARM64], replacements={"gcr.io/old/thing": f"{registry.host}/new:2"}
    )
    assert verdict.status == "ok"
    assert verdict.replaced_by == f"{registry.host}/new:2"
    assert table([verdict], [ARM64])[1].endswith("in place of gcr.io/old/thing:1")


def test_one_image_by_many_names_is_asked_once(registry: FakeRegistry) -> None:
    registry.add_index("a", "latest", "linux/arm64")
    verdicts = Asker().ask(*[f"{registry.host}/a", f"{registry.host}/a:latest"] * 5, wanted=[ARM64], sizes=False)
    assert len(verdicts) == 2
    assert registry.asked == {"GET": 1}


def test_connections_are_kept(registry: FakeRegistry) -> None:
    images = [f"{registry.host}/a{number}:1" for number in range(60)]
    for number in range(60):
        registry.add_index(f"a{number}", "1", "linux/arm64")
    asker = Asker()
    uses = [ImageUse(image, "", "") for image in images]
    assert all(verdict.status == "ok" for verdict in check_images(asker.client, uses, [ARM64], sizes=False))
    kept = sum(len(connections) for connections in asker.transport._idle.values())
    asker.transport.close()
    assert 1 <= kept <= 8


def test_proxy(registry: FakeRegistry, mirror: FakeRegistry) -> None:
    mirror.add_index("a", "1", "linux/arm64")
    environment = {"http_proxy": f"http://pi:geheim@{mirror.host}"}
    asker = Asker({"example.org": ["http://pi.example.org:5000"]}, environment=environment)
    (verdict,) = asker.ask("example.org/a:1", wanted=[ARM64], sizes=False)
    assert verdict.source == "http://pi.example.org:5000/v2"
    asker = Asker({"example.org": [registry.url]}, environment={**environment, "no_proxy": "127.0.0.0/8"})
    assert asker.ask("example.org/a:1", wanted=[ARM64])[0].status != "ok"
    assert registry.asked == {"GET": 1}


def test_endpoints() -> None:
    def urls(registry: str, mirrors: dict) -> list[str]:
        return [endpoint.url for endpoint in endpoints_for(registry, mirrors)]

    assert urls("docker.io", {}) == ["https://registry-1.docker.io/v2"]
    assert urls("localhost:5000", {}) == ["http://localhost:5000/v2"]
    assert urls("127.0.0.1:443", {}) == ["https://127.0.0.1:443/v2"]
    assert urls("docker.io", {"index.docker.io": ["http://m/"]}) == ["http://m/v2", "https://registry-1.docker.io/v2"]
    assert urls("quay.io", {"_default": ["http://m"]}) == ["http://m/v2", "https://quay.io/v2"]
    assert urls("quay.io", {"quay.io": ["https://h/v2/proxy"]}) == ["https://h/v2/proxy", "https://quay.io/v2"]
    # A registry given under its own name is reached that way and no other.
    assert urls("pi:5000", {"pi:5000": ["http://pi:5000"]}) == ["http://pi:5000/v2"]
    for wrong in ("192.168.13.2:5000", "ftp://m", "http://"):
        with pytest.raises(InvalidMirror, match="not an address"):
            endpoints_for("quay.io", {"quay.io": [wrong]})
    with pytest.raises(InvalidMirror) as caught:
        endpoints_for("quay.io", {"quay.io": ["https://pi:geheim@m"]})
    assert "geheim" not in str(caught.value)


def test_challenges() -> None:
    header = 'Basic realm="x", Bearer realm="https://a/t?x=1,2",service="s",error="e\\"q"'
    assert parse_challenge(header) == (
        "bearer",
        {"realm": "https://a/t?x=1,2", "service": "s", "error": 'e"q'},
    )
    assert parse_challenge("Basic realm=x") == ("basic", {"realm": "x"})
    assert parse_challenge("Negotiate") is None
    assert parse_challenge("") is None


def test_retry_after() -> None:
    now = 1_800_000_000.0
    assert retry_after({"retry-after": "12"}, now) == 12
    assert retry_after({"retry-after": email.utils.formatdate(now + 90, usegmt=True)}, now) == 90
    assert retry_after({"x-retry-after": "1800000060"}, now) == 60
    assert retry_after({"retry-after": "soon"}, now) is None
    assert retry_after({}, now) is None


def test_answers_that_are_no_registrys(registry: FakeRegistry) -> None:
    registry.add("a", b"<html>", "text/html", "1")
    registry.add("b", encode(["x"]), "application/json", "1")
    verdicts = Asker().ask(f"{registry.host}/a:1", f"{registry.host}/b:1")
    assert [verdict.status for verdict in verdicts] == ["error", "error"]
    assert json.dumps([verdict.as_dict() for verdict in verdicts])
