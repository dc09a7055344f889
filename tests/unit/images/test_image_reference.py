"""Image references are read as Docker and containerd read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.images.reference import (
    InvalidReference,
    Reference,
    full_prefix,
    is_reference,
    normalize_registry,
    parse,
)

SHA = "sha256:" + "0123456789abcdef" * 4

READ = {
    "nginx": ("docker.io", "library/nginx", None, None),
    "nginx:1.29": ("docker.io", "library/nginx", "1.29", None),
    "kubeflow/training-operator:v1-855e096": ("docker.io", "kubeflow/training-operator", "v1-855e096", None),
    "docker.io/nginx": ("docker.io", "library/nginx", None, None),
    "index.docker.io/library/nginx:1": ("docker.io", "library/nginx", "1", None),
    "registry.k8s.io/coredns/coredns:v1.14.2": ("registry.k8s.io", "coredns/coredns", "v1.14.2", None),
    "localhost/a": ("localhost", "a", None, None),
    "localhost:5000": ("docker.io", "library/localhost", "5000", None),
    "192.168.13.2:5000/pause:3.10": ("192.168.13.2:5000", "pause", "3.10", None),
    "[fd00::1]:5000/a/b": ("[fd00::1]:5000", "a/b", None, None),
    "Mac.local/a": ("Mac.local", "a", None, None),
    "Uppercase/a": ("Uppercase", "a", None, None),
    f"ghcr.io/a/b__c@{SHA}": ("ghcr.io", "a/b__c", None, SHA),
    f"ghcr.io/a/b--c:1@{SHA}": ("ghcr.io", "a/b--c", "1", SHA),
    "gcr.io/kubeflow-images-public/tf_operator:v20180329-a7511ff": (
        "gcr.io",
        "kubeflow-images-public/tf_operator",
        "v20180329-a7511ff",
        None,
    ),
}

REFUSED = {
    "": "is empty",
    " nginx": "write 'nginx'",
    "nginx latest": "has a space",
    "Nginx": "write 'nginx'",
    "ghcr.io/Owner/name:Tag": "write 'ghcr.io/owner/name:Tag'",
    "https://ghcr.io/a/b": "write 'ghcr.io/a/b'",
    "nginx:": "has the tag ''",
    "nginx:-1": "has the tag '-1'",
    "nginx:" + "a" * 129: "1 to 128",
    "a..b": "registries refuse",
    "a/b___c": "registries refuse",
    "ghcr.io/": "no name before its tag",
    ":1": "no name before its tag",
    "a_b.io:99x/c": "not a host name",
    "nginx@sha256:12": "64 hexadecimal digits",
    "nginx@sha256:" + "a" * 40: "it must have 64",
    "nginx@sha256:" + "A" * 64: "lower case",
    "nginx@md5:" + "a" * 32: "registries know sha256",
    "a" * 64: "ID",
    "ghcr.io/" + "a" * 256: "at most 255",
}


@pytest.mark.parametrize(("text", "wanted"), READ.items())
def test_read(text: str, wanted: tuple[str, str, str | None, str | None]) -> None:
    assert parse(text) == Reference(*wanted)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_refused_with_what_would_be_right(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not is_reference(text)


def test_not_a_text() -> None:
    assert not is_reference(None)
    with pytest.raises(InvalidReference, match="is text"):
        parse({"image": "nginx"})  # type: ignore[arg-type]


def test_full_and_short_forms() -> None:
    assert str(parse("nginx")) == "docker.io/library/nginx:latest"
    assert parse("docker.io/library/nginx:1").familiar == "nginx:1"
    assert parse("docker.io/kubeflow/a").familiar == "kubeflow/a"
    assert parse("ghcr.io/library/a").familiar == "ghcr.io/library/a"
    # The short form would be taken for a registry.
    assert parse("docker.io/my.team/a").familiar == "docker.io/my.team/a"


def test_digest_wins_over_tag() -> None:
    assert parse(f"nginx:1@{SHA}").target == SHA
    assert parse("nginx:1").target == "1"
    assert parse("nginx").target == "latest"


def test_every_name_of_docker_hub_is_one() -> None:
    for name in ("docker.io", "https://index.docker.io/v1/", "registry-1.docker.io", "index.docker.io"):
        assert normalize_registry(name) == "docker.io"
    assert normalize_registry("http://192.168.13.2:5000/v2/") == "192.168.13.2:5000"


def test_prefixes() -> None:
    assert full_prefix("docker.io/") == "docker.io/"
    assert full_prefix("kubeflow/") == "docker.io/kubeflow/"
    assert full_prefix("ghcr.io/owner/") == "ghcr.io/owner/"


ALPHANUMERIC = st.text("abcz019", min_size=1, max_size=4)
PART = st.builds(
    lambda first, more: first + "".join(separator + word for separator, word in more),
    ALPHANUMERIC,
    st.lists(st.tuples(st.sampled_from([".", "_", "__", "-", "---"]), ALPHANUMERIC), max_size=2),
)
REPOSITORY = st.lists(PART, min_size=1, max_size=3).map("/".join)
HOST = st.one_of(
    st.sampled_from(["localhost", "docker.io", "registry.k8s.io", "192.168.13.2", "[fd00::1]", "Pi.local"]),
    st.builds(lambda a, b: f"{a}.{b}", ALPHANUMERIC, ALPHANUMERIC),
)
REGISTRY = st.builds(lambda host, port: host + port, HOST, st.sampled_from(["", ":5000", ":1"]))
TAG = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")


@given(REGISTRY, REPOSITORY, st.none() | TAG, st.none() | st.just(SHA))
def test_what_is_built_by_the_rules_is_read_back(
    registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assume(registry not in ("docker.io", "index.docker.io"))
    text = f"{registry}/{repository}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    assert parse(text) == Reference(registry, repository, tag, digest)


@given(REPOSITORY, st.none() | TAG, st.none() | st.just(SHA))
def test_full_and_short_forms_mean_the_same(repository: str, tag: str | None, digest: str | None) -> None:
    reference = Reference("docker.io", repository if "/" in repository else f"library/{repository}", tag, digest)
    assert parse(reference.familiar) == reference
    assert parse(str(reference)).name == reference.name
    assert str(parse(str(reference))) == str(reference)


@given(st.text("aA0.:/@-_[]s256 ", max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidReference as error:
        assert str(error)
    else:
        assert parse(str(reference)).name == reference.name


@pytest.mark.parametrize(
    ("page", "image"),
    [
        ("https://hub.docker.com/_/nginx", "nginx"),
        ("hub.docker.com/_/nginx/", "nginx"),
        ("https://hub.docker.com/r/bitnami/redis/tags", "bitnami/redis"),
        ("https://quay.io/repository/prometheus/node-exporter?tab=tags", "quay.io/prometheus/node-exporter"),
        ("https://github.com/o/r/pkgs/container/app", "ghcr.io/o/app"),
        ("https://gallery.ecr.aws/nginx/nginx", "public.ecr.aws/nginx/nginx"),
        ("https://ghcr.io/o/app:1", "ghcr.io/o/app:1"),
    ],
)
def test_the_address_of_a_page_is_answered_with_the_images_name(page: str, image: str) -> None:
    with pytest.raises(InvalidReference, match=f"write {re.escape(repr(image))}$"):
        parse(page)


@pytest.mark.parametrize("text", ["$(IMG)", "${IMAGE}:1", "{{ image }}", "r.example/<name>:1", "%IMAGE%", "@IMAGE@"])
def test_a_placeholder_is_called_one(text: str) -> None:
    with pytest.raises(InvalidReference, match="is a placeholder that nothing has filled in"):
        parse(text)
